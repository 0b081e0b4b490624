//! The topics of one listening connection.
//!
//! A command has the topics of one group, and so of one slot: Redis Cluster refuses others. One
//! command is on its way at a time, so that an error is known to be its answer. After a reconnection
//! all topics are asked for again, at a bounded rate: thousands of nodes may reconnect at once.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    time::{Duration, Instant},
};

use bytes::Bytes;
use redis::Cmd;

use crate::cluster::names::Partition;

const TOPICS_PER_COMMAND: usize = 500;
const TOPICS_PER_SECOND: u32 = 20_000;

#[derive(Default)]
pub struct Topics {
    topics: HashMap<Bytes, Topic>,
    /// Topics that were wanted when the present connections began, and are not heard yet.
    awaited: HashSet<Bytes>,
    /// Topics that may differ from what Redis has.
    pending: BTreeMap<TopicGroup, VecDeque<Bytes>>,
    /// How many topics of each group Redis has.
    confirmed: BTreeMap<TopicGroup, usize>,
    /// Groups of which nothing more is asked: their slots have moved.
    leaving: BTreeSet<TopicGroup>,
    /// Groups take turns.
    served: Option<TopicGroup>,
    asked: Option<Asked>,
    next_at: Option<Instant>,
}

/// Topics of one slot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum TopicGroup {
    /// Those of the nodes.
    Control,
    Partition(Partition),
}

struct Topic {
    group: TopicGroup,
    wanted: bool,
    confirmed: bool,
}

struct Asked {
    group: TopicGroup,
    change: TopicChange,
    topics: HashSet<Bytes>,
    at: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TopicChange {
    Subscribe,
    Unsubscribe,
}

/// What a confirmation means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Confirmation {
    /// All messages from now on are heard.
    Subscribed,
    Unsubscribed,
    /// It was changed again in the meantime, or is unknown.
    Outdated,
    /// Redis has ended the subscription by itself: the slot has moved.
    Ended(TopicGroup),
}

impl Topics {
    /// True if Redis has the topic, and has not been asked to end it: no confirmation follows.
    pub fn subscribe(&mut self, group: TopicGroup, topic: Bytes) -> bool {
        let new = || Topic { group, wanted: true, confirmed: false };
        let held = self.topics.entry(topic.clone()).or_insert_with(new);
        held.wanted = true;
        let is_asked = self.asked.as_ref().is_some_and(|asked| asked.topics.contains(&topic));
        let is_confirmed = held.confirmed && !is_asked;
        if !is_confirmed {
            self.pending.entry(group).or_default().push_back(topic);
        }
        is_confirmed
    }

    pub fn unsubscribe(&mut self, topic: &Bytes) {
        let Some(held) = self.topics.get_mut(topic) else { return };
        held.wanted = false;
        self.awaited.remove(topic);
        self.pending.entry(held.group).or_default().push_back(topic.clone());
    }

    /// The next connection has no topics.
    pub fn connection_lost(&mut self) {
        self.asked = None;
        self.next_at = None;
        self.served = None;
        self.pending.clear();
        self.confirmed.clear();
        self.topics.retain(|_, topic| topic.wanted);
        for (name, topic) in &mut self.topics {
            topic.confirmed = false;
            self.pending.entry(topic.group).or_default().push_back(name.clone());
        }
    }

    /// Both connections are there.
    pub fn connected(&mut self) {
        let unheard = self.topics.iter().filter(|(_, topic)| topic.wanted && !topic.confirmed);
        self.awaited = unheard.map(|(name, _)| name.clone()).collect();
    }

    /// True once what was wanted at the beginning is heard. What is wanted since then is not waited
    /// for: on a busy node there is always something.
    pub fn are_restored(&self) -> bool {
        self.awaited.is_empty()
    }

    /// The topics of this connection that are heard, and stay so.
    pub fn heard(&self) -> impl Iterator<Item = &Bytes> {
        let is_asked =
            |name: &Bytes| self.asked.as_ref().is_some_and(|asked| asked.topics.contains(name));
        let heard = self
            .topics
            .iter()
            .filter(move |(name, topic)| topic.wanted && topic.confirmed && !is_asked(name));
        heard.map(|(name, _)| name)
    }

    pub fn is_heard(&self, name: &Bytes) -> bool {
        let is_asked = self.asked.as_ref().is_some_and(|asked| asked.topics.contains(name));
        let held = self.topics.get(name);
        !is_asked && held.is_some_and(|topic| topic.wanted && topic.confirmed)
    }

    /// True once Redis has what is wanted, apart from groups that leave.
    pub fn are_settled(&self) -> bool {
        self.asked.is_none() && self.pending.keys().all(|group| self.leaving.contains(group))
    }

    /// The same for one group.
    pub fn is_settled(&self, group: TopicGroup) -> bool {
        !self.pending.contains_key(&group) && !self.is_asked(group)
    }

    /// Nothing more of the group is asked for.
    pub fn begin_leaving(&mut self, group: TopicGroup) {
        self.leaving.insert(group);
        self.awaited.retain(|name| self.topics.get(name).is_some_and(|topic| topic.group != group));
    }

    /// True once Redis has none of the group's topics.
    pub fn has_ended(&self, group: TopicGroup) -> bool {
        !self.confirmed.contains_key(&group) && !self.is_asked(group)
    }

    /// Those that are wanted, for another connection.
    pub fn take_group(&mut self, group: TopicGroup) -> Vec<Bytes> {
        self.leaving.remove(&group);
        self.pending.remove(&group);
        self.confirmed.remove(&group);
        let of_group = self.topics.extract_if(|_, topic| topic.group == group);
        of_group.filter(|(_, topic)| topic.wanted).map(|(name, _)| name).collect()
    }

    /// The command on its way was refused. Returns its group.
    pub fn refused(&mut self) -> Option<TopicGroup> {
        let Asked { group, topics, .. } = self.asked.take()?;
        self.pending.entry(group).or_default().extend(topics);
        Some(group)
    }

    fn is_asked(&self, group: TopicGroup) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.group == group)
    }

    /// The time of the command on its way.
    pub fn asked_at(&self) -> Option<Instant> {
        self.asked.as_ref().map(|asked| asked.at)
    }

    /// The earliest time of the next command.
    pub fn next_at(&self, now: Instant) -> Option<Instant> {
        let waits = self.asked.is_none() && !self.are_settled();
        waits.then(|| self.next_at.unwrap_or(now))
    }

    pub fn next_command(&mut self, now: Instant) -> Option<Cmd> {
        while self.next_at(now).is_some_and(|at| at <= now) {
            let group = self.next_group()?;
            if let Some((change, topics)) = self.take(group) {
                let spacing = Duration::from_secs(1) / TOPICS_PER_SECOND * topics.len() as u32;
                self.next_at = Some(now + spacing);
                let mut command = redis::cmd(change.command());
                topics.iter().for_each(|topic| {
                    command.arg(&topic[..]);
                });
                self.asked = Some(Asked { group, change, topics, at: now });
                return Some(command);
            }
        }
        None
    }

    pub fn confirmed(&mut self, change: TopicChange, name: &Bytes) -> Confirmation {
        let asked = self.take_asked(change, name);
        let Some(topic) = self.topics.get_mut(name) else { return Confirmation::Outdated };
        let group = topic.group;
        let has_ended = change == TopicChange::Unsubscribe && topic.confirmed;
        if !(asked || has_ended) {
            return Confirmation::Outdated;
        }
        let before = std::mem::replace(&mut topic.confirmed, change == TopicChange::Subscribe);
        let wanted = topic.wanted;
        if change == TopicChange::Subscribe {
            self.awaited.remove(name);
        }
        self.count_confirmed(group, before, change == TopicChange::Subscribe);
        if !asked {
            return Confirmation::Ended(group);
        }
        match (change, wanted) {
            (TopicChange::Subscribe, true) => Confirmation::Subscribed,
            (TopicChange::Unsubscribe, false) => {
                self.topics.remove(name);
                Confirmation::Unsubscribed
            }
            _ => Confirmation::Outdated,
        }
    }

    fn count_confirmed(&mut self, group: TopicGroup, before: bool, after: bool) {
        let count = self.confirmed.entry(group).or_default();
        match (before, after) {
            (false, true) => *count += 1,
            (true, false) => *count -= 1,
            _ => {}
        }
        if *count == 0 {
            self.confirmed.remove(&group);
        }
    }

    /// True if the command on its way asked for it.
    fn take_asked(&mut self, change: TopicChange, name: &Bytes) -> bool {
        let Some(asked) = self.asked.as_mut().filter(|asked| asked.change == change) else {
            return false;
        };
        let taken = asked.topics.remove(name);
        if asked.topics.is_empty() {
            self.asked = None;
        }
        taken
    }

    fn next_group(&mut self) -> Option<TopicGroup> {
        let mut groups = self.pending.keys().filter(|group| !self.leaving.contains(group)).copied();
        let first = groups.next();
        let behind = |served: TopicGroup| first.into_iter().chain(groups).find(|it| *it > served);
        self.served = self.served.and_then(behind).or(first);
        self.served
    }

    /// Changes of one kind, at the front of a group.
    fn take(&mut self, group: TopicGroup) -> Option<(TopicChange, HashSet<Bytes>)> {
        let (mut kind, mut taken) = (None, HashSet::new());
        while taken.len() < TOPICS_PER_COMMAND {
            let Some(name) = self.pending.get_mut(&group).and_then(VecDeque::pop_front) else {
                self.pending.remove(&group);
                break;
            };
            let change = self.topics.get(&name).and_then(Topic::change);
            match change {
                Some(change) if kind.is_none_or(|kind| kind == change) => {
                    kind = Some(change);
                    taken.insert(name);
                }
                Some(_) => {
                    self.pending.entry(group).or_default().push_front(name);
                    break;
                }
                None => self.forget_unused(&name),
            }
        }
        if self.pending.get(&group).is_some_and(VecDeque::is_empty) {
            self.pending.remove(&group);
        }
        kind.map(|kind| (kind, taken))
    }

    /// Nobody wants it any more, and Redis does not have it.
    fn forget_unused(&mut self, name: &Bytes) {
        if self.topics.get(name).is_some_and(|topic| !topic.wanted) {
            self.topics.remove(name);
        }
    }
}

impl Topic {
    fn change(&self) -> Option<TopicChange> {
        match (self.wanted, self.confirmed) {
            (true, false) => Some(TopicChange::Subscribe),
            (false, true) => Some(TopicChange::Unsubscribe),
            (true, true) | (false, false) => None,
        }
    }
}

impl TopicChange {
    fn command(self) -> &'static str {
        match self {
            Self::Subscribe => "SSUBSCRIBE",
            Self::Unsubscribe => "SUNSUBSCRIBE",
        }
    }
}
