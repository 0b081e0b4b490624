//! Deadlines of the gates that are rekeying.
//!
//! No operation walks all of them: the gates of one socket are adjacent in the map, and deadlines
//! are in a heap. A heap entry counts only if its generation matches its gate. Stale entries are
//! dropped when they come up, or when they are more than half of the heap.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, binary_heap::PeekMut},
    time::Instant,
};

use super::{directory::TopicId, moves::PlaceId, topics::Slot};

#[derive(Default)]
pub struct Held {
    /// Ordered by socket.
    places: BTreeMap<PlaceId, Due>,
    queue: BinaryHeap<Reverse<Entry>>,
    generation: u64,
    /// Heap entries examined, for tests that count work.
    #[cfg(test)]
    pub examined: usize,
}

struct Due {
    at: Instant,
    /// The generation of its heap entry; `None` once that entry has come up.
    generation: Option<u64>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    at: Instant,
    generation: u64,
    place: PlaceId,
}

/// The number of stale entries that do not justify a pass over the heap.
const SPARE: usize = 64;

impl Held {
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub fn has_socket(&self, slot: Slot) -> bool {
        self.places.range((slot, TopicId(0))..).next().is_some_and(|((first, _), _)| *first == slot)
    }

    /// Sets the deadline of a gate.
    pub fn set(&mut self, place: PlaceId, at: Instant) {
        let due = self.places.entry(place).or_insert(Due { at, generation: None });
        if due.at == at && due.generation.is_some() {
            return;
        }
        self.generation += 1;
        let generation = self.generation;
        *due = Due { at, generation: Some(generation) };
        self.queue.push(Reverse(Entry { at, generation, place }));
        self.drop_left_over();
    }

    pub fn remove(&mut self, place: PlaceId) {
        if self.places.remove(&place).is_some() {
            self.drop_left_over();
        }
    }

    /// The next gate that is due. Each comes up once: the caller sets its next deadline or removes
    /// it.
    pub fn next_due(&mut self, now: Instant) -> Option<PlaceId> {
        while let Some(first) = self.queue.peek_mut() {
            if first.0.at > now {
                return None;
            }
            let Reverse(entry) = PeekMut::pop(first);
            #[cfg(test)]
            {
                self.examined += 1;
            }
            if let Some(due) = self.places.get_mut(&entry.place)
                && due.generation == Some(entry.generation)
            {
                due.generation = None;
                return Some(entry.place);
            }
        }
        None
    }

    fn drop_left_over(&mut self) {
        let Self { places, queue, .. } = self;
        if queue.len() <= 2 * places.len() + SPARE {
            return;
        }
        #[cfg(test)]
        {
            self.examined += queue.len();
        }
        queue.retain(|Reverse(entry)| {
            places.get(&entry.place).is_some_and(|due| due.generation == Some(entry.generation))
        });
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Set(Slot, u64, u64),
        Remove(Slot, u64),
        Look(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let place = || (0u32..6, 0u64..4);
        let step = prop_oneof![
            6 => (place(), 0u64..50).prop_map(|((s, t), ms)| Step::Set(s, t, ms)),
            2 => place().prop_map(|(s, t)| Step::Remove(s, t)),
            2 => (0u64..20).prop_map(Step::Look),
        ];
        prop::collection::vec(step, 0..300)
    }

    proptest! {
        /// The same places come up at the same time as if all were looked at each time.
        #[test]
        fn the_heap_does_what_a_walk_over_all_places_does(steps in steps()) {
            let start = Instant::now();
            let (mut held, mut naive) = (Held::default(), BTreeMap::new());
            // Those that came up and were given no other deadline.
            let mut came_up = BTreeSet::new();
            let mut now = 0;
            for step in steps {
                match step {
                    Step::Set(slot, topic, ms) => {
                        let (place, at) = ((slot, TopicId(topic)), start + Duration::from_millis(now + ms));
                        held.set(place, at);
                        naive.insert(place, at);
                        came_up.remove(&place);
                    }
                    Step::Remove(slot, topic) => {
                        held.remove((slot, TopicId(topic)));
                        naive.remove(&(slot, TopicId(topic)));
                        came_up.remove(&(slot, TopicId(topic)));
                    }
                    Step::Look(ms) => {
                        now += ms;
                        let now = start + Duration::from_millis(now);
                        let due = |(place, at): (&PlaceId, &Instant)| (*at <= now && !came_up.contains(place)).then_some(*place);
                        let expected: BTreeSet<PlaceId> = naive.iter().filter_map(due).collect();
                        let got: Vec<PlaceId> = std::iter::from_fn(|| held.next_due(now)).collect();
                        prop_assert_eq!(got.len(), expected.len(), "each once");
                        prop_assert_eq!(&got.into_iter().collect::<BTreeSet<_>>(), &expected);
                        came_up.extend(expected);
                    }
                }
                prop_assert!(held.queue.len() <= 2 * naive.len() + SPARE + 1);
                prop_assert_eq!(held.is_empty(), naive.is_empty());
                for slot in 0..6 {
                    let has = naive.keys().any(|place| place.0 == slot);
                    prop_assert_eq!(held.has_socket(slot), has);
                }
            }
        }
    }
}
