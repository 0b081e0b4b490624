//! What observers of a topic and of the facts have been told so far.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{book::Book, engine::TestEngine};
use crate::cluster::redis::{
    Id,
    messages::{Mark, NumberedKind, NumberedMessage, TopicMessage},
    snapshot::Snapshot,
};

/// Another node's copy of a channel. It goes by the messages, and takes a snapshot at a gap.
#[derive(Default)]
pub struct Replica {
    applied: u64,
    members: BTreeSet<Id>,
    /// Of this channel, over all lives of the engine.
    numbers: BTreeSet<u64>,
    gap: bool,
    /// A message was lost on its way here, and none has come since.
    stale: bool,
    pub gaps: u64,
    pub heard: u64,
}

impl Replica {
    pub fn hear(&mut self, message: &TopicMessage, lost: bool) {
        let TopicMessage::Numbered(message) = message else { return };
        self.heard += 1;
        assert!(self.numbers.insert(message.number), "{} was told twice", message.number);
        if lost {
            self.stale = true;
            return;
        }
        if message.predecessor != self.applied || self.gap {
            self.gap = true;
            return;
        }
        // Without a gap nothing was missed, or all that was missed is gone.
        self.stale = false;
        self.applied = message.number;
        self.apply(message);
    }

    fn apply(&mut self, message: &NumberedMessage) {
        let member = || Id::try_from(&message.blob[..]).expect("blobs of tests are members");
        match message.kind {
            NumberedKind::Added => assert!(self.members.insert(member()), "added twice"),
            NumberedKind::Removed => assert!(self.members.remove(&member()), "removed twice"),
            NumberedKind::LastEvent
            | NumberedKind::Logged
            | NumberedKind::LoggedLast
            | NumberedKind::Cleared => {}
        }
    }

    /// The greatest number that was heard.
    pub fn known(&self) -> u64 {
        self.numbers.last().copied().unwrap_or_default()
    }

    pub fn repair_and_compare(&mut self, id: &Id, engine: &mut TestEngine, book: &Book) {
        if std::mem::take(&mut self.gap) {
            self.gaps += 1;
            self.open(id, engine, book);
        }
        if !self.stale {
            assert_eq!(self.members, book.members(id), "the observer, then the model");
        }
    }

    pub fn open(&mut self, id: &Id, engine: &mut TestEngine, book: &Book) {
        let mark = Mark { channel: *id, snapshot: self.heard };
        let snapshot = engine.snapshot(id, mark);
        compare(&snapshot, id, book);
        self.stale = false;
        self.applied = snapshot.number;
        self.members = snapshot.members.iter().map(|held| held.member).collect();
    }
}

fn compare(snapshot: &Snapshot, id: &Id, book: &Book) {
    let channel = book.channels.get(id).cloned().unwrap_or_default();
    assert_eq!((snapshot.number, snapshot.total), (channel.number, channel.total()));
    for held in &snapshot.members {
        let expected = &channel.members[&held.member];
        assert_eq!((held.tag, &held.record), (expected.tag, &expected.record));
    }
    let event = snapshot.last_event.as_ref().map(|it| (it.number, it.sent_ms, &it.blob));
    assert_eq!(event, channel.last_event.as_ref().map(|it| (it.number, it.sent_ms, &it.blob)));
}

/// A fact and its opposite alternate.
#[derive(Clone, Default)]
pub struct FactStory(BTreeMap<String, bool>);

impl FactStory {
    pub fn hear(&mut self, fact: &Bytes) {
        let fact = str::from_utf8(fact).expect("facts of tests are text");
        let (what, of) = fact.split_once(' ').unwrap_or((fact, ""));
        if let ("total", Some((channel, number))) = (what, of.split_once(' ')) {
            let is_occupied = self.0.get(&format!("channel {channel}")) == Some(&true);
            assert!(is_occupied, "a total of {number} beside occupied and vacated");
            return;
        }
        if what == "noted" {
            return;
        }
        let kind = if matches!(what, "added" | "removed") { "member" } else { "channel" };
        let begins = matches!(what, "added" | "occupied");
        let before = self.0.insert(format!("{kind} {of}"), begins).unwrap_or_default();
        assert_ne!(before, begins, "{fact} was written twice");
    }

    /// The facts that hold.
    pub fn holding(&self) -> BTreeSet<&str> {
        self.0.iter().filter(|(_, holds)| **holds).map(|(of, _)| of.as_str()).collect()
    }
}
