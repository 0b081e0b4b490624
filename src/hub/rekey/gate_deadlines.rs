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

use super::rekey_scheduler::GateId;
use crate::hub::{record::TopicId, topics::Slot};

#[derive(Default)]
pub struct GateDeadlines {
    /// Ordered by socket.
    gates: BTreeMap<GateId, Deadline>,
    queue: BinaryHeap<Reverse<DeadlineEntry>>,
    generation: u64,
    /// Heap entries examined, for tests that count work.
    #[cfg(test)]
    pub examined: usize,
}

struct Deadline {
    at: Instant,
    /// The generation of its heap entry; `None` once that entry has come up.
    generation: Option<u64>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct DeadlineEntry {
    at: Instant,
    generation: u64,
    gate: GateId,
}

/// The number of stale entries that do not justify a pass over the heap.
const SPARE: usize = 64;

impl GateDeadlines {
    pub fn is_empty(&self) -> bool {
        self.gates.is_empty()
    }

    pub fn has_socket(&self, slot: Slot) -> bool {
        self.gates.range((slot, TopicId(0))..).next().is_some_and(|((first, _), _)| *first == slot)
    }

    /// Sets the deadline of a gate.
    pub fn set(&mut self, gate: GateId, at: Instant) {
        let due = self.gates.entry(gate).or_insert(Deadline { at, generation: None });
        if due.at == at && due.generation.is_some() {
            return;
        }
        self.generation += 1;
        let generation = self.generation;
        *due = Deadline { at, generation: Some(generation) };
        self.queue.push(Reverse(DeadlineEntry { at, generation, gate }));
        self.drop_left_over();
    }

    pub fn remove(&mut self, gate: GateId) {
        if self.gates.remove(&gate).is_some() {
            self.drop_left_over();
        }
    }

    /// The next gate that is due. Each comes up once: the caller sets its next deadline or removes
    /// it.
    pub fn next_due(&mut self, now: Instant) -> Option<GateId> {
        while let Some(first) = self.queue.peek_mut() {
            if first.0.at > now {
                return None;
            }
            let Reverse(entry) = PeekMut::pop(first);
            #[cfg(test)]
            {
                self.examined += 1;
            }
            if let Some(due) = self.gates.get_mut(&entry.gate)
                && due.generation == Some(entry.generation)
            {
                due.generation = None;
                return Some(entry.gate);
            }
        }
        None
    }

    fn drop_left_over(&mut self) {
        let Self { gates, queue, .. } = self;
        if queue.len() <= 2 * gates.len() + SPARE {
            return;
        }
        #[cfg(test)]
        {
            self.examined += queue.len();
        }
        queue.retain(|Reverse(entry)| {
            gates.get(&entry.gate).is_some_and(|due| due.generation == Some(entry.generation))
        });
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum DeadlineStep {
        Set(Slot, u64, u64),
        Remove(Slot, u64),
        Look(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<DeadlineStep>> {
        let gate = || (0u32..6, 0u64..4);
        let step = prop_oneof![
            6 => (gate(), 0u64..50).prop_map(|((s, t), ms)| DeadlineStep::Set(s, t, ms)),
            2 => gate().prop_map(|(s, t)| DeadlineStep::Remove(s, t)),
            2 => (0u64..20).prop_map(DeadlineStep::Look),
        ];
        prop::collection::vec(step, 0..300)
    }

    proptest! {
        /// The same gates come up at the same time as if all were looked at each time.
        #[test]
        fn heap_agrees_with_a_scan_of_all_gates(steps in steps()) {
            let start = Instant::now();
            let (mut deadlines, mut naive) = (GateDeadlines::default(), BTreeMap::new());
            // Those that came up and were given no other deadline.
            let mut came_up = BTreeSet::new();
            let mut now = 0;
            for step in steps {
                match step {
                    DeadlineStep::Set(slot, topic, ms) => {
                        let (gate, at) = ((slot, TopicId(topic)), start + Duration::from_millis(now + ms));
                        deadlines.set(gate, at);
                        naive.insert(gate, at);
                        came_up.remove(&gate);
                    }
                    DeadlineStep::Remove(slot, topic) => {
                        deadlines.remove((slot, TopicId(topic)));
                        naive.remove(&(slot, TopicId(topic)));
                        came_up.remove(&(slot, TopicId(topic)));
                    }
                    DeadlineStep::Look(ms) => {
                        now += ms;
                        let now = start + Duration::from_millis(now);
                        let due = |(gate, at): (&GateId, &Instant)| (*at <= now && !came_up.contains(gate)).then_some(*gate);
                        let expected: BTreeSet<GateId> = naive.iter().filter_map(due).collect();
                        let got: Vec<GateId> = std::iter::from_fn(|| deadlines.next_due(now)).collect();
                        prop_assert_eq!(got.len(), expected.len(), "each once");
                        prop_assert_eq!(&got.into_iter().collect::<BTreeSet<_>>(), &expected);
                        came_up.extend(expected);
                    }
                }
                prop_assert!(deadlines.queue.len() <= 2 * naive.len() + SPARE + 1);
                prop_assert_eq!(deadlines.is_empty(), naive.is_empty());
                for slot in 0..6 {
                    let has = naive.keys().any(|gate| gate.0 == slot);
                    prop_assert_eq!(deadlines.has_socket(slot), has);
                }
            }
        }
    }
}
