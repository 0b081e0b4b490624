//! When the authorizations of one connection are looked at next, the earliest first.
//!
//! An entry counts only while its number is the one in its record. Others are left over from earlier
//! deadlines. They are dropped when they come up, or when they are more than half of the heap.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, binary_heap::PeekMut},
    sync::Arc,
};

use crate::domain::time::UnixSeconds;

/// Names an entry; the record keeps it.
pub type DeadlineId = u64;

#[derive(Default)]
pub struct Deadlines {
    queue: BinaryHeap<Reverse<(UnixSeconds, DeadlineId, Arc<str>)>>,
    last_id: DeadlineId,
    /// Entries looked at so far, for tests that count work.
    #[cfg(test)]
    pub examined: usize,
}

/// Left-over entries that are not worth a pass over the heap.
const SPARE: usize = 64;

impl Deadlines {
    pub fn add(&mut self, name: Arc<str>, at: UnixSeconds) -> DeadlineId {
        self.last_id += 1;
        self.queue.push(Reverse((at, self.last_id, name)));
        self.last_id
    }

    /// No later than the earliest entry that counts.
    pub fn earliest(&self) -> Option<UnixSeconds> {
        self.queue.peek().map(|Reverse((at, ..))| *at)
    }

    pub fn pop_due(&mut self, now: UnixSeconds) -> Option<(Arc<str>, DeadlineId)> {
        let first = self.queue.peek_mut().filter(|first| first.0.0 <= now)?;
        let Reverse((_, id, name)) = PeekMut::pop(first);
        self.give_back();
        #[cfg(test)]
        {
            self.examined += 1;
        }
        Some((name, id))
    }

    /// `records`: how many entries can count at most.
    pub fn drop_left_over(&mut self, records: usize, counts: impl Fn(&str, DeadlineId) -> bool) {
        if self.queue.len() <= 2 * records + SPARE {
            return;
        }
        #[cfg(test)]
        {
            self.examined += self.queue.len();
        }
        self.queue.retain(|Reverse((_, id, name))| counts(name, *id));
        self.give_back();
    }

    fn give_back(&mut self) {
        if self.queue.capacity() > SPARE.max(4 * self.queue.len()) {
            self.queue.shrink_to(2 * self.queue.len());
        }
    }
}
