//! A watcher that keeps up with any server: entries beyond its rate are counted instead of shown.

use bytestring::ByteString;
use parking_lot::Mutex;

use super::{class::EntryClass, entry::LiveEntry, filter::LiveFilter};

/// Entries that a second may show.
pub const ENTRIES_PER_SECOND: usize = 200;
/// A part of them that ordinary entries leave to urgent ones.
const KEPT_FOR_URGENT: usize = 20;
/// Batches of a second.
pub const BATCHES_PER_SECOND: usize = 10;
const MAX_BATCH_BYTES: usize = 512 * 1024;

pub struct LiveSampler {
    filter: LiveFilter,
    state: Mutex<SamplerState>,
}

#[derive(Default)]
struct SamplerState {
    batch: FeedBatch,
    bytes: usize,
    /// Entries of the earlier batches of the last second.
    shown: [usize; BATCHES_PER_SECOND - 1],
    next: usize,
    counts: ClassCounts,
}

/// The entries since the last batch.
#[derive(Default, Debug)]
pub struct FeedBatch {
    /// Refusals, failures and keys.
    pub urgent: Vec<ByteString>,
    pub others: Vec<ByteString>,
    /// Matching entries without room.
    pub more: u64,
}

/// All matching entries by class.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ClassCounts {
    pub events: u64,
    pub access: u64,
    pub calls: u64,
    pub refused: u64,
}

impl LiveSampler {
    pub(super) fn new(filter: LiveFilter) -> Self {
        Self { filter, state: Mutex::default() }
    }

    pub(super) fn wants(&self, entry: &LiveEntry<'_>) -> bool {
        self.filter.wants(entry)
    }

    /// `line` is called only if there is room.
    pub(super) fn offer(&self, entry: &LiveEntry<'_>, line: impl FnOnce() -> ByteString) {
        let mut state = self.state.lock();
        state.counts.add(entry.class());
        let urgent = entry.is_urgent();
        if state.room(urgent) == 0 {
            state.batch.more += 1;
            return;
        }
        let line = line();
        if state.bytes + line.len() > MAX_BATCH_BYTES {
            state.batch.more += 1;
            return;
        }
        state.bytes += line.len();
        let FeedBatch { urgent: first, others, .. } = &mut state.batch;
        if urgent { first.push(line) } else { others.push(line) }
    }

    /// Called ten times a second.
    pub fn take(&self) -> FeedBatch {
        let mut state = self.state.lock();
        let batch = std::mem::take(&mut state.batch);
        state.bytes = 0;
        let slot = state.next;
        state.shown[slot] = batch.len();
        state.next = (slot + 1) % state.shown.len();
        batch
    }

    /// Called once a second.
    pub fn take_counts(&self) -> ClassCounts {
        std::mem::take(&mut self.state.lock().counts)
    }
}

impl SamplerState {
    fn room(&self, urgent: bool) -> usize {
        let shown = self.shown.iter().sum::<usize>() + self.batch.len();
        let kept = if urgent { 0 } else { KEPT_FOR_URGENT };
        (ENTRIES_PER_SECOND - kept).saturating_sub(shown)
    }
}

impl FeedBatch {
    pub fn len(&self) -> usize {
        self.urgent.len() + self.others.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0 && self.more == 0
    }
}

impl ClassCounts {
    fn add(&mut self, class: EntryClass) {
        let count = match class {
            EntryClass::Event => &mut self.events,
            EntryClass::Access => &mut self.access,
            EntryClass::Call => &mut self.calls,
            EntryClass::Refusal => &mut self.refused,
        };
        *count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::live::EntryType;

    fn offer(sampler: &LiveSampler, kind: EntryType, count: usize) {
        for _ in 0..count {
            sampler.offer(&LiveEntry::new(kind), || "{}".into());
        }
    }

    #[test]
    fn a_second_shows_at_most_its_rate_and_counts_the_rest() {
        let sampler = LiveSampler::new(LiveFilter::default());
        let (mut shown, mut more) = (Vec::new(), 0);
        for _ in 0..30 {
            offer(&sampler, EntryType::Event, 200);
            let batch = sampler.take();
            shown.push(batch.len());
            more += batch.more;
        }
        let most = shown.windows(BATCHES_PER_SECOND).map(|second| second.iter().sum::<usize>());
        assert_eq!(most.max(), Some(ENTRIES_PER_SECOND - KEPT_FOR_URGENT));
        assert_eq!(shown.iter().sum::<usize>() as u64 + more, 6000);
        assert_eq!(sampler.take_counts(), ClassCounts { events: 6000, ..ClassCounts::default() });
        assert_eq!(sampler.take_counts(), ClassCounts::default());
    }

    #[test]
    fn refusals_have_room_beside_many_events() {
        let sampler = LiveSampler::new(LiveFilter::default());
        offer(&sampler, EntryType::Event, 2000);
        offer(&sampler, EntryType::Refused, 15);
        offer(&sampler, EntryType::KeyRevoked, 5);
        let batch = sampler.take();
        assert_eq!((batch.urgent.len(), batch.others.len(), batch.more), (20, 180, 1820));
        let counts = sampler.take_counts();
        assert_eq!((counts.events, counts.access, counts.refused), (2000, 5, 15));
    }

    #[test]
    fn lines_without_room_are_not_made() {
        let sampler = LiveSampler::new(LiveFilter::default());
        offer(&sampler, EntryType::Refused, ENTRIES_PER_SECOND);
        let entry = LiveEntry::new(EntryType::Refused);
        sampler.offer(&entry, || unreachable!("nobody would see it"));
        sampler.take();
        let large = LiveSampler::new(LiveFilter::default());
        large.offer(&entry, || "x".repeat(MAX_BATCH_BYTES + 1).into());
        assert!(matches!(large.take(), FeedBatch { more: 1, .. }));
        assert!(large.take().is_empty());
    }
}
