//! One channel in a model of the engine, with the semantics of the scripts.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::{
    names::MemberId,
    replica::{
        effect::{StateVerb, VerbReply},
        input::{
            ClusterMember, HeardChange, HeardEvent, HeardMessage, HeldByEngine, LogSnapshot,
            LoggedItem, LoggedPlace, OpenedSnapshot,
        },
    },
};

/// One life of a node.
pub type Life = u32;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reference {
    Node(Life),
    Lingering,
}

#[derive(Clone, Default)]
pub struct ModelEngine {
    pub number: u64,
    pub counts: BTreeMap<Life, u32>,
    pub members: BTreeMap<MemberId, (ClusterMember, BTreeSet<Reference>)>,
    pub last_event: Option<HeardEvent>,
    pub buried: BTreeSet<Life>,
    pub known: BTreeSet<Life>,
    /// As TIME does, it goes on over a flush.
    pub clock: u64,
    /// Members linger when they leave.
    pub lingers: bool,
    pub is_full: bool,
    /// A damaged engine: its snapshots lack this member.
    pub hidden: Option<MemberId>,
    pub told: u64,
    pub log: ModelLog,
    /// To all who have subscribed.
    pub messages: Vec<HeardMessage>,
}

#[derive(Clone, Default)]
pub struct ModelLog {
    pub newest: Option<u64>,
    pub cleared: u64,
    pub evicted: u64,
    pub events: Vec<HeardEvent>,
}

/// A verb was not done: the memory is full.
#[derive(Debug)]
pub struct OutOfMemory;

impl ModelEngine {
    pub fn total(&self) -> u64 {
        self.counts.values().map(|count| u64::from(*count)).sum()
    }

    /// `Ok(None)`: the node is buried.
    pub fn apply(
        &mut self,
        life: Life,
        verb: &StateVerb,
    ) -> Result<Option<VerbReply>, OutOfMemory> {
        if self.buried.contains(&life) {
            return Ok(None);
        }
        if self.is_full && matches!(verb, StateVerb::Join { .. }) {
            return Err(OutOfMemory);
        }
        Ok(Some(self.change(life, verb)))
    }

    fn change(&mut self, life: Life, verb: &StateVerb) -> VerbReply {
        match verb {
            StateVerb::Count(count) => self.count(life, *count),
            StateVerb::Join { member, limit } => self.join(life, member, *limit),
            StateVerb::Leave { member } => self.leave(life, member.id),
        }
    }

    fn count(&mut self, life: Life, count: u32) -> VerbReply {
        if count > 0 {
            self.known.insert(life);
        }
        self.counts.insert(life, count);
        self.counts.retain(|_, count| *count > 0);
        let total = self.total();
        if self.told != total {
            self.told = total;
            self.messages.push(HeardMessage::Total(total));
        }
        self.drop_if_empty();
        VerbReply::Counted { total, due_ms: 0 }
    }

    fn join(&mut self, life: Life, member: &ClusterMember, limit: u32) -> VerbReply {
        let holder = Reference::Node(life);
        let is_new = !self.members.contains_key(&member.id);
        if is_new && limit > 0 && self.members.len() >= limit as usize {
            return VerbReply::Full;
        }
        self.known.insert(life);
        let lingering = BTreeSet::from([Reference::Lingering]);
        let held = self.members.get(&member.id);
        let is_renewed = held.is_some_and(|(it, by)| it.tag != member.tag && *by == lingering);
        if is_renewed {
            self.tell(HeardChange::Removed(member.id));
        }
        if is_new || is_renewed {
            self.tell(HeardChange::Added(member.clone()));
            let by = if is_renewed { lingering } else { BTreeSet::new() };
            self.members.insert(member.id, (member.clone(), by));
        }
        if let Some((_, by)) = self.members.get_mut(&member.id) {
            by.insert(holder);
        }
        VerbReply::Joined { number: self.number }
    }

    fn leave(&mut self, life: Life, id: MemberId) -> VerbReply {
        self.dereference(id, Reference::Node(life), self.lingers);
        VerbReply::Left
    }

    fn dereference(&mut self, id: MemberId, holder: Reference, lingers: bool) {
        let Some((_, by)) = self.members.get_mut(&id) else { return };
        if !by.remove(&holder) {
            return;
        }
        if by.is_empty() && lingers {
            by.insert(Reference::Lingering);
        }
        if by.is_empty() {
            self.members.remove(&id);
            self.tell(HeardChange::Removed(id));
            self.drop_if_empty();
        }
    }

    pub fn end_lingering(&mut self) {
        let all: Vec<MemberId> = self.members.keys().copied().collect();
        all.into_iter().for_each(|id| self.dereference(id, Reference::Lingering, false));
    }

    pub fn publish_last(&mut self, event: HeardEvent) {
        let stored = self.last_event.as_ref();
        if stored.is_some_and(|stored| stored.sent_ms > event.sent_ms) {
            self.messages.push(HeardMessage::Event(event));
        } else if stored.is_none_or(|stored| stored.id != event.id) {
            self.last_event = Some(event.clone());
            self.tell(HeardChange::LastEvent(event));
        }
    }

    /// Its place is given by the engine.
    pub fn publish_logged(&mut self, event: HeardEvent, is_last: bool) {
        let number = self.next_number();
        let previous = self.log.newest.unwrap_or(number - 1);
        let place = LoggedPlace { number, previous };
        let event = HeardEvent { logged: Some(place), ..event };
        self.log.newest = Some(number);
        self.log.events.push(event.clone());
        if is_last {
            self.last_event = Some(event.clone());
        }
        self.tell(HeardChange::Logged { event, place, is_last });
    }

    pub fn clear_log(&mut self) {
        let number = self.next_number();
        (self.log.newest, self.log.cleared) = (Some(number), number);
        self.log.events.clear();
        self.last_event = None;
        self.tell(HeardChange::Cleared);
    }

    pub fn evict(&mut self, events: usize) {
        for event in self.log.events.drain(..events) {
            self.log.evicted = event.logged.expect("a logged event").number;
        }
    }

    /// Ends all of a dead node, in its name.
    pub fn reap(&mut self, life: Life) {
        self.buried.insert(life);
        self.known.remove(&life);
        let all: Vec<MemberId> = self.members.keys().copied().collect();
        all.into_iter().for_each(|id| self.dereference(id, Reference::Node(life), false));
        self.count(life, 0);
    }

    /// All is gone.
    pub fn flush(&mut self) {
        let (clock, lingers) = (self.clock, self.lingers);
        *self = Self { clock, lingers, ..Self::default() };
    }

    pub fn snapshot(&self, log_after: Option<u64>) -> OpenedSnapshot {
        let place = |event: &HeardEvent| event.logged.expect("a logged event");
        let is_missed = |event: &&HeardEvent| log_after.is_some_and(|it| place(event).number > it);
        let missed = self
            .log
            .events
            .iter()
            .filter(is_missed)
            .map(|event| LoggedItem { place: place(event), event: Some(event.clone()) });
        OpenedSnapshot {
            log: LogSnapshot {
                newest: self.log.newest,
                cleared: self.log.cleared,
                evicted: self.log.evicted,
                missed: missed.collect(),
            },
            number: self.number,
            total: self.total(),
            members: self
                .members
                .values()
                .map(|(member, _)| member.clone())
                .filter(|member| Some(member.id) != self.hidden)
                .collect(),
            last_event: self.last_event.clone(),
        }
    }

    pub fn held_by(&self, life: Life) -> HeldByEngine {
        let mine = |by: &BTreeSet<Reference>| by.contains(&Reference::Node(life));
        let members = self.members.values().filter(|(_, by)| mine(by));
        HeldByEngine {
            count: self.counts.get(&life).copied().unwrap_or_default(),
            total: self.total(),
            members: members.map(|(member, _)| member.clone()).collect(),
        }
    }

    fn tell(&mut self, change: HeardChange) {
        let (predecessor, number) = (self.number, self.next_number());
        (self.clock, self.number) = (self.clock + 1, number);
        self.messages.push(HeardMessage::Numbered { number, predecessor, change });
    }

    fn next_number(&self) -> u64 {
        (self.clock + 1).max(self.number + 1)
    }

    fn drop_if_empty(&mut self) {
        if self.counts.is_empty() && self.members.is_empty() && self.last_event.is_none() {
            (self.number, self.told) = (0, 0);
        }
    }
}
