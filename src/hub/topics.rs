//! The topic table of one worker: a plain data structure without sockets, clock or locks.

use std::{
    collections::{HashMap, hash_map},
    hash::{BuildHasher, Hash},
};

use bytes::Bytes;

use super::{int_hasher::BuildIntHasher, record::TopicId};
use crate::{
    crypto::keytable::Version,
    protocol::{dialect::Dialect, frame::Frame},
};

/// The index of a socket in its worker's table.
pub type Slot = u32;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TopicSubscription {
    pub slot: Slot,
    /// The sequence number of the state that the subscriber was answered with: frames up to it are
    /// part of that state.
    pub since: u64,
    /// The version of the subscriber's secret; without meaning on channels that are not encrypted.
    pub version: Version,
    /// Logged events reach the subscriber with their position.
    pub tells_positions: bool,
}

impl TopicSubscription {
    pub fn new(slot: Slot, since: u64, version: Version) -> Self {
        Self { slot, since, version, tells_positions: false }
    }

    /// The bytes of a frame for this subscriber, shared with all others of its kind.
    pub fn encoded(self, frame: &Frame, dialect: Dialect) -> &Bytes {
        if self.tells_positions { frame.with_position(dialect) } else { frame.in_dialect(dialect) }
    }
}

#[derive(Default)]
pub struct TopicTable {
    topics: HashMap<TopicId, Vec<TopicSubscription>, BuildIntHasher>,
    /// The position of each subscription in its topic's list. Lists are dense, because each event
    /// walks them; this map makes leaving as cheap as joining.
    positions: HashMap<(Slot, TopicId), u32, BuildIntHasher>,
    changes: u64,
}

impl TopicTable {
    /// False, without a change, if the slot is subscribed already.
    #[must_use]
    pub fn subscribe(&mut self, topic: TopicId, subscription: TopicSubscription) -> bool {
        let hash_map::Entry::Vacant(position) = self.positions.entry((subscription.slot, topic))
        else {
            return false;
        };
        let subscriptions = self.topics.entry(topic).or_default();
        position.insert(subscriptions.len() as u32);
        subscriptions.push(subscription);
        self.changes += 1;
        true
    }

    pub fn get_mut(&mut self, topic: TopicId, slot: Slot) -> Option<&mut TopicSubscription> {
        let position = *self.positions.get(&(slot, topic))?;
        self.changes += 1;
        self.topics.get_mut(&topic)?.get_mut(position as usize)
    }

    /// False if the slot was not subscribed.
    pub fn unsubscribe(&mut self, topic: TopicId, slot: Slot) -> bool {
        let Some(position) = self.positions.remove(&(slot, topic)) else { return false };
        let hash_map::Entry::Occupied(mut subscriptions) = self.topics.entry(topic) else {
            unreachable!("a position belongs to a list");
        };
        self.changes += 1;
        subscriptions.get_mut().swap_remove(position as usize);
        give_back(subscriptions.get_mut());
        if let Some(moved) = subscriptions.get().get(position as usize) {
            self.positions.insert((moved.slot, topic), position);
        } else if subscriptions.get().is_empty() {
            subscriptions.remove();
        }
        true
    }

    pub fn subscribers(&self, topic: TopicId) -> &[TopicSubscription] {
        self.topics.get(&topic).map_or(&[], Vec::as_slice)
    }

    pub fn subscription(&self, topic: TopicId, slot: Slot) -> Option<&TopicSubscription> {
        let position = *self.positions.get(&(slot, topic))?;
        self.subscribers(topic).get(position as usize)
    }

    /// Gives unused capacity back.
    pub fn give_back(&mut self) {
        shrink(&mut self.topics);
        shrink(&mut self.positions);
    }

    /// A number that grows with every change.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    pub fn is_empty(&self) -> bool {
        self.topics.is_empty() && self.positions.is_empty()
    }
}

/// Capacity that is never given back.
const KEPT_SUBSCRIPTIONS: usize = 64;
const KEPT_PLACES: usize = 16 * 1024;

fn give_back(list: &mut Vec<TopicSubscription>) {
    if list.capacity() > KEPT_SUBSCRIPTIONS.max(4 * list.len()) {
        list.shrink_to(2 * list.len());
    }
}

/// Shrinks a table that has far more capacity than entries.
pub(super) fn shrink<K: Eq + Hash, V, S: BuildHasher>(table: &mut HashMap<K, V, S>) {
    if table.capacity() > KEPT_PLACES.max(4 * table.len()) {
        table.shrink_to(2 * table.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Clone, Debug)]
    enum TopicStep {
        Subscribe(u64, Slot),
        Unsubscribe(u64, Slot),
        /// A socket closes: it leaves every topic.
        Close(Slot),
        Publish(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<TopicStep>> {
        let step = prop_oneof![
            4 => (0u64..5, 0u32..8).prop_map(|(t, s)| TopicStep::Subscribe(t, s)),
            2 => (0u64..5, 0u32..8).prop_map(|(t, s)| TopicStep::Unsubscribe(t, s)),
            1 => (0u32..8).prop_map(TopicStep::Close),
            2 => (0u64..5).prop_map(TopicStep::Publish),
        ];
        prop::collection::vec(step, 0..200)
    }

    #[test]
    fn f14_large_crowd_frees_its_memory_on_leaving() {
        let mut table = TopicTable::default();
        let subscription = |slot| TopicSubscription::new(slot, 0, Version::BLIND);
        for slot in 0..100_000 {
            assert!(table.subscribe(TopicId(0), subscription(slot)));
        }
        (1..100_000).for_each(|slot| assert!(table.unsubscribe(TopicId(0), slot)));
        table.give_back();
        let list = table.topics[&TopicId(0)].capacity();
        assert!(list <= KEPT_SUBSCRIPTIONS, "{list}");
        assert!(table.positions.capacity() < KEPT_PLACES, "{}", table.positions.capacity());
        assert_eq!(table.subscribers(TopicId(0)).len(), 1);
    }

    proptest! {
        #[test]
        fn table_behaves_like_a_set_of_pairs(steps in steps()) {
            let mut table = TopicTable::default();
            let mut model = BTreeMap::<(u64, Slot), u64>::new();
            for (time, step) in steps.into_iter().enumerate() {
                let before = (table.changes(), model.clone());
                match step {
                    TopicStep::Subscribe(topic, slot) => {
                        let new = !model.contains_key(&(topic, slot));
                        let version = Version { key: topic as u32, epoch: slot.into() };
                        let subscription = TopicSubscription::new(slot, time as u64, version);
                        prop_assert_eq!(table.subscribe(TopicId(topic), subscription), new);
                        let found = table.subscription(TopicId(topic), slot).map(|s| (s.slot, s.version));
                        prop_assert_eq!(found, Some((slot, version)));
                        model.entry((topic, slot)).or_insert(time as u64);
                    }
                    TopicStep::Unsubscribe(topic, slot) => {
                        prop_assert_eq!(table.unsubscribe(TopicId(topic), slot), model.remove(&(topic, slot)).is_some());
                    }
                    TopicStep::Close(slot) => {
                        (0..5).for_each(|topic| { table.unsubscribe(TopicId(topic), slot); });
                        model.retain(|(_, s), _| *s != slot);
                    }
                    TopicStep::Publish(topic) => {
                        let mut reached: Vec<_> = table.subscribers(TopicId(topic)).iter().map(|s| (s.slot, s.since)).collect();
                        reached.sort_unstable();
                        let expected: Vec<_> = model.range((topic, 0)..=(topic, Slot::MAX)).map(|((_, s), since)| (*s, *since)).collect();
                        prop_assert_eq!(&reached, &expected);
                        let found: Vec<_> = (0..8).filter_map(|s| table.subscription(TopicId(topic), s)).map(|s| (s.slot, s.since)).collect();
                        prop_assert_eq!(found, expected);
                    }
                }
                prop_assert_eq!(table.changes() == before.0, model == before.1);
            }
            prop_assert_eq!(table.is_empty(), model.is_empty());
        }
    }
}
