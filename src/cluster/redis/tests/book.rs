//! The model of a partition: what each verb has to do, as plain sets and maps.
//!
//! The model has no clock and gives out no numbers. It takes both from what was observed, and checks
//! that they lie where they may.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{book_change::BookChange, engine::Observation};
use crate::cluster::redis::{
    Id,
    lingering::Lingering,
    messages::TopicMessage,
    replies::Reply,
    verbs::{Fence, Verb},
};

/// A time lies in here, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimeSpan {
    pub from: u64,
    pub to: u64,
}

impl TimeSpan {
    pub fn contains(&self, time: u64) -> bool {
        (self.from..=self.to).contains(&time)
    }

    pub fn later(self, other: Self) -> Self {
        Self { from: self.from.max(other.from), to: self.to.max(other.to) }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Holder {
    Node(Id),
    /// A drained node had the member.
    Lingering,
}

#[derive(Clone, Default, Debug)]
pub struct BookChannel {
    pub number: u64,
    pub name: Option<Bytes>,
    pub counts: BTreeMap<Id, u32>,
    pub lingers: bool,
    pub miss_told: bool,
    pub told: Option<(TimeSpan, u64)>,
    pub members: BTreeMap<Id, BookMember>,
    pub last_event: Option<BookEvent>,
}

#[derive(Clone, Debug)]
pub struct BookMember {
    pub tag: [u8; 8],
    pub record: Bytes,
    pub holders: BTreeSet<Holder>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct BookEvent {
    pub number: u64,
    pub sent_ms: u64,
    pub blob: Bytes,
}

/// A partition.
#[derive(Clone, Default)]
pub struct Book {
    pub channels: BTreeMap<Id, BookChannel>,
    /// The nodes that are known here, with the number of their announcement, or 0.
    pub incarnations: BTreeMap<Id, u64>,
    pub buried: BTreeSet<Id>,
    /// Milliseconds.
    pub lingering: BTreeMap<Lingering, TimeSpan>,
    pub floor: Option<(Bytes, u64)>,
    pub owner: Option<Bytes>,
}

/// What a verb has to cause.
#[derive(PartialEq, Debug)]
pub struct Outcome {
    pub reply: Reply,
    pub messages: Vec<TopicMessage>,
    pub facts: Vec<Bytes>,
}

impl BookChannel {
    pub fn total(&self) -> u64 {
        self.counts.values().map(|count| u64::from(*count)).sum()
    }

    pub fn has(&self, member: &Id, holder: Holder) -> bool {
        self.members.get(member).is_some_and(|member| member.holders.contains(&holder))
    }

    pub fn is_empty(&self) -> bool {
        self.total() == 0 && !self.lingers && self.members.is_empty() && self.last_event.is_none()
    }
}

impl Book {
    /// `node` is the one whose fence the verb meets.
    pub fn apply(&mut self, verb: &Verb, node: &Id, observed: &Observation) -> Outcome {
        let passed = match verb {
            Verb::Count { fence, .. } | Verb::Leave { fence, .. } => *fence == Fence::Passed,
            Verb::Admit { .. } | Verb::Join { .. } | Verb::Last { .. } => false,
            _ => true,
        };
        let mut change = BookChange::new(self, observed);
        if !passed && change.book.buried.contains(node) {
            return change.finish(Reply::Fenced);
        }
        let reply = change.apply(verb, node);
        change.finish(reply)
    }

    /// The channels where a node has a count or members.
    pub fn channels_of(&self, node: &Id) -> BTreeSet<Id> {
        let has = |channel: &BookChannel| {
            channel.counts.contains_key(node)
                || channel.members.keys().any(|member| channel.has(member, Holder::Node(*node)))
        };
        self.channels.iter().filter(|(_, channel)| has(channel)).map(|(id, _)| *id).collect()
    }

    pub fn members(&self, channel: &Id) -> BTreeSet<Id> {
        self.channels
            .get(channel)
            .map(|it| it.members.keys().copied().collect())
            .unwrap_or_default()
    }
}
