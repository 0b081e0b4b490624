//! What this node and others ask and tell each other.

use std::{sync::Arc, time::Instant};

use bytes::{Bytes, BytesMut};
use redis::{Cmd, Value};

use super::{
    NodeDriver, Reach,
    questions::{Question, QuestionToOne},
    revocations::is_kept,
    token::NodeToken,
};
use crate::cluster::{
    content::{
        NodeRequest, NoteContent, ReplyAddress, RequestContent, RevocationContent, TableContent,
    },
    envelope::ContentTooLong,
    membership::values::count,
    names::NodeSlot,
    node::{
        asking::{ForAllNodes, NodeAnnouncement, NodeQuestion},
        sealing::NodeTopic,
    },
    redis::{
        listener::TopicGroup,
        tables::{TableStored, read_stored},
    },
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

    pub(super) fn announce_to_all(&mut self, announcement: NodeAnnouncement) {
        if let Some(number) = self.questions.announce(announcement, Instant::now()) {
            self.send_question(number);
        }
    }

    /// Those that were lost, and those that wait for the node to join.
    pub(super) fn send_questions(&mut self) {
        for number in self.questions.numbers() {
            self.send_question(number);
        }
    }

    pub(super) fn send_question(&mut self, number: u64) {
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
                let NodeAnnouncement { app, what, .. } = &question.announcement;
                match what {
                    ForAllNodes::Revocation(content) => {
                        self.revocation_commands(app, content, reply_to)
                    }
                    ForAllNodes::Table(change) => {
                        let (app, change) = (Arc::from(&**app), change.clone());
                        Ok(self.table_commands(&app, &change, reply_to))
                    }
                }
            }
            None => return,
        };
        match commands {
            // It times out, unless it is sent later.
            Ok(commands) if commands.is_empty() => {}
            Ok(commands) => self.links.read(commands, NodeToken::Question(number)),
            // It times out.
            Err(error) => tracing::error!(%error, "a question to other nodes cannot be sent"),
        }
    }

    /// Keeps the revocation for nodes that join later, tells all that are there, and asks which they
    /// are.
    fn revocation_commands(
        &self,
        app: &str,
        content: &[u8],
        reply_to: Option<ReplyAddress>,
    ) -> Result<Vec<Cmd>, ContentTooLong> {
        let Ok(parsed) = RevocationContent::parse(content) else { return Ok(Vec::new()) };
        let request = RequestContent { app, request: NodeRequest::Revoke(parsed) }.to_bytes();
        let note = NoteContent::Request { reply_to, body: &request };
        let mut commands: Vec<Cmd> = self.keep_revocation(app, &parsed).into_iter().collect();
        commands.push(self.note_command(NodeTopic::Everyone, &note)?);
        commands.push(self.living_command());
        Ok(commands)
    }

    /// Keeps the whole table, tells all nodes what has changed, and asks which they are.
    fn table_commands(
        &mut self,
        app: &Arc<str>,
        change: &[u8],
        reply_to: Option<ReplyAddress>,
    ) -> Vec<Cmd> {
        let Ok(change) = TableContent::parse(change) else { return Vec::new() };
        let request = RequestContent { app, request: NodeRequest::TakeTable(change) }.to_bytes();
        let note = NoteContent::Request { reply_to, body: &request };
        let stored = self.store_command(app, &note);
        stored.map_or_else(Vec::new, |stored| vec![stored, self.living_command()])
    }

    /// It is sealed, and has to be sent at once.
    fn note_command(
        &self,
        topic: NodeTopic,
        note: &NoteContent<'_>,
    ) -> Result<Cmd, ContentTooLong> {
        let mut command = redis::cmd("SPUBLISH");
        command
            .arg(&topic.name(&self.sealing.layout)[..])
            .arg(&self.note_message(topic, note)?[..]);
        Ok(command)
    }

    pub(super) fn note_message(
        &self,
        topic: NodeTopic,
        note: &NoteContent<'_>,
    ) -> Result<BytesMut, ContentTooLong> {
        let blob = self.sealing.note(topic, &note.to_bytes())?;
        let mut message = BytesMut::with_capacity(1 + blob.len());
        message.extend_from_slice(&[NOTE]);
        message.extend_from_slice(&blob);
        Ok(message)
    }

    pub(super) fn question_sent(&mut self, number: u64, answers: Vec<Value>) {
        match self.questions.get(number) {
            Some(Question::ToOne(_)) => {
                if let Some(nodes) = answers.first().and_then(count) {
                    self.questions.reached(number, nodes);
                }
            }
            Some(Question::ToAll(_)) => match &answers[..] {
                [kept, told, living] => self.revocation_sent(number, [kept, told, living]),
                [stored, living] => self.table_sent(number, stored, living),
                _ => {}
            },
            None => {}
        }
    }

    /// The answers of the script, SPUBLISH and HGETALL.
    fn revocation_sent(&mut self, number: u64, [kept, told, living]: [&Value; 3]) {
        let nodes = count(told).and_then(|_| self.living_nodes(living));
        let is_kept = is_kept(kept);
        if let Some(nodes) = nodes {
            self.questions.sent_to(number, nodes, is_kept);
        }
    }

    fn table_sent(&mut self, number: u64, stored: &Value, living: &Value) {
        match read_stored(stored) {
            Some(TableStored::Stored) => {
                if let Some(nodes) = self.living_nodes(living) {
                    self.questions.sent_to(number, nodes, true);
                }
            }
            Some(TableStored::Conflict) => self.table_conflicts(number),
            None => {
                tracing::error!(answer = ?stored, "Redis does not keep a table of keys");
                self.tables.suspect();
            }
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
        if let Ok(NoteContent::Request { body, .. }) = &note
            && sender != self.sealing.incarnation()
            && self.is_about_a_table(body)
        {
            self.tables.suspect();
        }
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

    /// True if the table in Redis has to be read: before this node has taken one, it cannot take a
    /// change of it.
    fn is_about_a_table(&self, body: &[u8]) -> bool {
        match RequestContent::parse(body).map(|content| content.request) {
            Ok(NodeRequest::ReadTable) => true,
            Ok(NodeRequest::TakeTable(_)) => self.tables.is_busy(),
            _ => false,
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
