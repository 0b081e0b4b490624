//! What this node and others ask and tell each other.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use redis::{Cmd, Value};

use super::{
    NodeDriver, Reach,
    questions::{Question, QuestionToOne},
    token::NodeToken,
};
use crate::cluster::{
    content::{NodeRequest, NoteContent, ReplyAddress, RequestContent, RevocationContent},
    envelope::ContentTooLong,
    membership::values::count,
    names::NodeSlot,
    node::{
        asking::{NodeQuestion, NodeRevocation},
        sealing::NodeTopic,
    },
    redis::listener::TopicGroup,
    rejection::ClusterRejection,
};

/// Requests of other nodes that the host answers at the same time.
const MAX_ANSWERING: usize = 10_000;

/// Notes are never dropped for want of room, as events are: they begin like other state.
const NOTE: u8 = b'!';

/// A request of another node, with its answer.
pub(super) type AnsweredRequest = (ReplyAddress, Option<Bytes>);

impl NodeDriver {
    pub(super) fn subscribe_to_notes(&mut self) {
        self.subscribe_to(NodeTopic::Everyone);
        self.subscribe_to(NodeTopic::Node(self.slots.of_new_sockets()));
    }

    fn subscribe_to(&mut self, topic: NodeTopic) {
        let name = topic.name(&self.sealing.layout);
        self.note_topics.insert(name.clone(), topic);
        self.links.subscribe(TopicGroup::Control, name);
    }

    /// Sockets have the slot in their ids once others can ask there.
    pub(super) fn slot_taken(&mut self, slot: NodeSlot) {
        self.joined_slot = Some(slot);
        if self.slots.of_new_sockets() != slot {
            self.subscribe_to(NodeTopic::Node(slot));
        }
    }

    /// False for a topic of something else.
    pub(super) fn note_topic_subscribed(&mut self, name: &Bytes) -> bool {
        let topic = self.note_topics.get(name).copied();
        if let Some(NodeTopic::Node(slot)) = topic
            && self.joined_slot == Some(slot)
        {
            self.slots.take(slot);
        }
        topic.is_some()
    }

    pub(super) fn ask(&mut self, question: NodeQuestion) {
        if let Some(number) = self.questions.ask(question, Instant::now()) {
            self.send_question(number);
        }
    }

    pub(super) fn revoke(&mut self, revocation: NodeRevocation) {
        if let Some(number) = self.questions.revoke(revocation, Instant::now()) {
            self.send_question(number);
        }
    }

    /// Those that were lost, and those that wait for the node to join.
    pub(super) fn send_questions(&mut self) {
        for number in self.questions.numbers() {
            self.send_question(number);
        }
    }

    fn send_question(&mut self, number: u64) {
        if self.reach != Reach::Joined {
            return;
        }
        let reply_to = Some(ReplyAddress { number, slot: self.slots.of_new_sockets() });
        let commands = match self.questions.get(number) {
            Some(Question::ToOne(QuestionToOne { question, .. })) => {
                let note = NoteContent::Request { reply_to, body: &question.body };
                self.note_command(NodeTopic::Node(question.to), &note).map(|command| vec![command])
            }
            Some(Question::ToAll(question)) => {
                self.revocation_commands(&question.revocation, reply_to)
            }
            None => return,
        };
        match commands {
            Ok(commands) => self.links.read(commands, NodeToken::Question(number)),
            // It times out.
            Err(error) => tracing::error!(%error, "a question to other nodes cannot be sent"),
        }
    }

    /// Keeps the revocation for nodes that join later, tells all that are there, and asks which they
    /// are.
    fn revocation_commands(
        &self,
        revocation: &NodeRevocation,
        reply_to: Option<ReplyAddress>,
    ) -> Result<Vec<Cmd>, ContentTooLong> {
        let NodeRevocation { app, content, .. } = revocation;
        let Ok(parsed) = RevocationContent::parse(content) else { return Ok(Vec::new()) };
        let request = RequestContent { app, request: NodeRequest::Revoke(parsed) }.to_bytes();
        let note = NoteContent::Request { reply_to, body: &request };
        let mut commands: Vec<Cmd> = self.keep_revocation(app, &parsed).into_iter().collect();
        commands.push(self.note_command(NodeTopic::Everyone, &note)?);
        commands.push(self.living_command());
        Ok(commands)
    }

    /// It is sealed, and has to be sent at once.
    fn note_command(
        &self,
        topic: NodeTopic,
        note: &NoteContent<'_>,
    ) -> Result<Cmd, ContentTooLong> {
        let blob = self.sealing.note(topic, &note.to_bytes())?;
        let mut message = BytesMut::with_capacity(1 + blob.len());
        message.extend_from_slice(&[NOTE]);
        message.extend_from_slice(&blob);
        let mut command = redis::cmd("SPUBLISH");
        command.arg(&topic.name(&self.sealing.layout)[..]).arg(&message[..]);
        Ok(command)
    }

    pub(super) fn question_sent(&mut self, number: u64, answers: Vec<Value>) {
        match self.questions.get(number) {
            Some(Question::ToOne(_)) => {
                if let Some(nodes) = answers.first().and_then(count) {
                    self.questions.reached(number, nodes);
                }
            }
            Some(Question::ToAll(_)) => {
                // Of HSET, SPUBLISH and HGETALL.
                let [kept, told, living] = &answers[..] else { return };
                let nodes = count(told).and_then(|_| self.living_nodes(living));
                if let Value::ServerError(error) = kept {
                    tracing::error!(%error, "Redis does not keep a revocation");
                }
                if let Some(nodes) = nodes {
                    self.questions.sent_to(number, nodes, count(kept).is_some());
                }
            }
            None => {}
        }
    }

    pub(super) fn tell(&mut self, to: NodeSlot, body: &[u8]) {
        self.send_note(NodeTopic::Node(to), &NoteContent::Request { reply_to: None, body });
    }

    pub(super) fn send_note(&mut self, topic: NodeTopic, note: &NoteContent<'_>) {
        match self.note_command(topic, note) {
            Ok(command) => self.links.read(vec![command], NodeToken::Note),
            Err(error) => tracing::error!(%error, "other nodes cannot be told something"),
        }
    }

    pub(super) fn hear_note(&mut self, topic: &Bytes, message: &Bytes) {
        let Some(topic) = self.note_topics.get(topic).copied() else { return };
        let opened = match message.split_first() {
            Some((&NOTE, blob)) => self.opening.note(topic, blob),
            _ => Err(ClusterRejection::Malformed),
        };
        let Ok(opened) = self.status.rejected.counted(opened) else { return };
        let sender = opened.head.sender;
        let note = self.status.rejected.counted(NoteContent::parse(&opened.content));
        match note {
            // The engine has looked here before.
            Ok(NoteContent::Request { reply_to: Some(reply_to), .. })
                if sender == self.sealing.incarnation() =>
            {
                self.questions.replied(reply_to.number, sender, None);
            }
            Ok(NoteContent::Request { reply_to, body }) => {
                self.begin_answer(reply_to, Bytes::copy_from_slice(body));
            }
            Ok(NoteContent::Reply { number, body }) => self.questions.replied(number, sender, body),
            Err(_) => {}
        }
    }

    fn begin_answer(&mut self, reply_to: Option<ReplyAddress>, body: Bytes) {
        // Who asks has a timeout.
        if self.answering.len() >= MAX_ANSWERING {
            return tracing::warn!("other nodes ask for more than this one can answer");
        }
        let answer = self.host.answer(body);
        self.answering.spawn(async move {
            let answer = answer.await;
            reply_to.map(|reply_to| (reply_to, answer))
        });
    }

    pub(super) fn answered(&mut self, answered: Option<AnsweredRequest>) {
        if let Some((ReplyAddress { number, slot }, body)) = answered {
            let note = NoteContent::Reply { number, body: body.as_deref() };
            self.send_note(NodeTopic::Node(slot), &note);
        }
    }
}
