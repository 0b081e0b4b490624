//! A node around a replica: sessions, the lane to the engine, and what it hears.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Instant,
};

use super::{
    engine::Life,
    names::{LEASE, member_id},
};
use crate::{
    channels::members::Member,
    cluster::replica::{
        ChannelReplica,
        effect::{LogGap, ReplicaEffect, RequestNumber, StateVerb, VerbReply},
        input::{
            ChannelMemory, HeardMessage, HeldByEngine, OpenedSnapshot, SentId, VerbFailure,
            WaitingId,
        },
        repair::RepairCause,
    },
};

#[derive(Clone, Debug)]
pub enum LaneItem {
    Verb(RequestNumber, StateVerb),
    /// With the logged events behind a number.
    Snapshot(RequestNumber, Option<u64>),
    Held(RequestNumber),
}

#[derive(Clone, Debug)]
pub enum LaneReply {
    Verb(RequestNumber, VerbReply),
    Fenced,
    Failed(RequestNumber, VerbFailure),
    Snapshot(RequestNumber, OpenedSnapshot),
    Held(RequestNumber, HeldByEngine),
}

#[derive(Clone, Debug)]
pub enum TopicItem {
    Message(HeardMessage),
    Mark(RequestNumber),
}

#[derive(Clone, Debug)]
pub struct TestSession {
    pub id: WaitingId,
    pub user: Option<u8>,
    pub is_answered: bool,
}

pub struct ReplicaNode {
    pub life: Life,
    pub replica: ChannelReplica,
    pub is_linked: bool,
    /// The master changed while the node was cut off.
    pub has_other_master: bool,
    /// The replica wants the topic, and whether the engine sends it.
    pub wants_topic: bool,
    pub is_subscribed: bool,
    pub lane: VecDeque<LaneItem>,
    /// Done by the engine, and not answered yet.
    pub replies: VecDeque<(LaneItem, LaneReply)>,
    pub topic: VecDeque<TopicItem>,
    pub sessions: Vec<TestSession>,
    pub calls: VecDeque<WaitingId>,
    pub refused: Vec<WaitingId>,
    /// User and info, as the clients of this node have been told.
    pub shown: BTreeMap<String, String>,
    pub story: Vec<String>,
    pub delivered: Vec<SentId>,
    /// In the log, as the clients of this node have been told.
    pub gaps: Vec<LogGap>,
    pub kept: Option<SentId>,
    pub total: Option<u64>,
    pub dropped: usize,
    pub repairs: Vec<RepairCause>,
    pub snapshots: usize,
}

impl ReplicaNode {
    pub fn new(life: Life, memory: ChannelMemory) -> Self {
        Self {
            life,
            replica: ChannelReplica::new(memory, true, LEASE),
            is_linked: true,
            has_other_master: false,
            wants_topic: false,
            is_subscribed: false,
            lane: VecDeque::new(),
            replies: VecDeque::new(),
            topic: VecDeque::new(),
            sessions: Vec::new(),
            calls: VecDeque::new(),
            refused: Vec::new(),
            shown: BTreeMap::new(),
            story: Vec::new(),
            delivered: Vec::new(),
            gaps: Vec::new(),
            kept: None,
            total: None,
            dropped: 0,
            repairs: Vec::new(),
            snapshots: 0,
        }
    }

    /// Runs a call of the replica, and carries out what follows.
    pub fn run(&mut self, call: impl FnOnce(&mut ChannelReplica) -> Vec<ReplicaEffect>) {
        let effects = call(&mut self.replica);
        self.carry_out(effects);
    }

    pub fn carry_out(&mut self, effects: Vec<ReplicaEffect>) {
        for effect in effects {
            self.carry_out_one(effect);
        }
        self.check_shown();
    }

    fn carry_out_one(&mut self, effect: ReplicaEffect) {
        match effect {
            ReplicaEffect::MemberAdded(member) => self.add(&member),
            ReplicaEffect::MemberRemoved { user_id } => {
                self.story.push(format!("-{user_id}"));
                let was_there = self.shown.remove(&*user_id).is_some();
                assert!(was_there, "{user_id} was removed, and was not in the roster");
            }
            ReplicaEffect::Deliver(event) => {
                assert!(!event.lacks_key, "{event:?} cannot be opened");
                assert!(!self.delivered.contains(&event.id), "{event:?} was delivered twice");
                self.delivered.push(event.id);
            }
            ReplicaEffect::KeepLast(event) => self.kept = Some(event.id),
            ReplicaEffect::DropLast => self.kept = None,
            ReplicaEffect::TellTotal(total) => self.total = Some(total),
            ReplicaEffect::Answer(id) => {
                assert!(!self.calls.contains(&id), "{id:?} was called twice");
                self.calls.push_back(id);
            }
            ReplicaEffect::RefuseFull(id) => {
                let at = self.sessions.iter().position(|it| it.id == id).expect("a session");
                let session = self.sessions.remove(at);
                assert!(!session.is_answered, "{session:?} was refused after its answer");
                self.calls.retain(|called| *called != id);
                self.refused.push(id);
            }
            ReplicaEffect::DroppedKeyless => self.dropped += 1,
            ReplicaEffect::Repairing(cause) => self.repairs.push(cause),
            ReplicaEffect::Subscribe => self.wants_topic = true,
            ReplicaEffect::Unsubscribe => {
                (self.wants_topic, self.is_subscribed) = (false, false);
                self.topic.clear();
                self.shown.clear();
                self.story.clear();
            }
            ReplicaEffect::TellLogGap(gap) => self.gaps.push(gap),
            ReplicaEffect::LogSynced => {}
            ReplicaEffect::AskSnapshot { request, log_after } => {
                self.snapshots += 1;
                self.lane.push_back(LaneItem::Snapshot(request, log_after));
            }
            ReplicaEffect::AskHeld(request) => self.lane.push_back(LaneItem::Held(request)),
            ReplicaEffect::Send { request, verb } => {
                self.lane.push_back(LaneItem::Verb(request, verb));
            }
        }
    }

    fn add(&mut self, member: &Member) {
        self.story.push(format!("+{}", member.user_id));
        let info = member.info.as_deref().unwrap_or_default().to_owned();
        let before = self.shown.insert(member.user_id.to_string(), info);
        assert!(before.is_none(), "{member:?} was announced to those who have it");
    }

    /// What clients were told is what the next one is answered with, and each is in it.
    fn check_shown(&self) {
        let told = self.replica.members().map(|id| format!("u{}", id.as_bytes()[0]));
        assert!(told.eq(self.sorted_users()), "{:?}", self.shown);
        for session in self.sessions.iter().filter(|session| session.is_answered) {
            if let Some(user) = session.user {
                assert!(self.shows(user), "{session:?} is not in its own roster");
            }
        }
    }

    /// In the order of their ids.
    fn sorted_users(&self) -> Vec<String> {
        let number = |user: &String| user[1..].parse::<u8>().expect("a number");
        let mut users: Vec<String> = self.shown.keys().cloned().collect();
        users.sort_by_key(number);
        users
    }

    pub fn shows(&self, user: u8) -> bool {
        self.replica.members().any(|id| *id == member_id(user))
            && self.shown.contains_key(&format!("u{user}"))
    }

    pub fn session(&mut self, id: WaitingId) -> Option<&mut TestSession> {
        self.sessions.iter_mut().find(|session| session.id == id)
    }

    pub fn is_answered(&self, id: WaitingId) -> bool {
        self.sessions.iter().any(|session| session.id == id && session.is_answered)
    }

    /// Lost connections lose answers, marks and messages. The lane repeats its verbs.
    pub fn cut(&mut self, now: Instant) {
        if !self.is_linked {
            return;
        }
        (self.is_linked, self.is_subscribed) = (false, false);
        self.topic.clear();
        for (item, _) in std::mem::take(&mut self.replies).into_iter().rev() {
            self.lane.push_front(item);
        }
        self.lane.retain(|item| matches!(item, LaneItem::Verb(..)));
        self.run(|replica| replica.disconnected(now));
    }
}
