//! A channel's last events, for readers that come back.
//!
//! Each entry knows its predecessor, so that the log is a chain. A position resumes only where it
//! is the predecessor of an entry, or the last number given out. Everything else is a gap: a false
//! gap is allowed, a missed one never.
//!
//! The log has no clock and no lock. Its holder passes the time, in order.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

mod entry;
mod reading;
mod restore;

pub use entry::{AtRest, Entry, EntryBody, HOT_FOR, HotFrames, LogEvent};
pub use reading::{LogPage, PageOrder, PageQuery};
pub use restore::{RestoredEntry, RestoredLog};

use crate::domain::channel_settings::HistorySettings;

/// Microseconds since 1970, or one more than the number before if the clock is behind it. Never
/// used twice by logs of one store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct LogNumber(pub u64);

impl LogNumber {
    /// The number that follows this one at the given time.
    pub fn next(self, micros: u64) -> Self {
        Self(micros.max(self.0.saturating_add(1)))
    }
}

/// The reason for which a position does not resume.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum GapReason {
    /// The store may have lost events since.
    Restarted,
    /// The events were too old, or the log has ended and was made again.
    Expired,
    /// The memory of the events was needed.
    Evicted,
    Cleared,
    /// No position of this log.
    UnknownPosition,
    /// More was missed than one replay may contain.
    TooMany,
    /// The log is elsewhere, and could not be read in time.
    Unavailable,
}

impl GapReason {
    pub const ALL: [Self; 7] = [
        Self::Restarted,
        Self::Expired,
        Self::Evicted,
        Self::Cleared,
        Self::UnknownPosition,
        Self::TooMany,
        Self::Unavailable,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Restarted => "restarted",
            Self::Expired => "expired",
            Self::Evicted => "evicted",
            Self::Cleared => "cleared",
            Self::UnknownPosition => "unknown_position",
            Self::TooMany => "too_many",
            Self::Unavailable => "unavailable",
        }
    }
}

pub struct Log {
    settings: Arc<HistorySettings>,
    /// The oldest first. They expire in this order.
    entries: VecDeque<Entry>,
    /// Entries with hot frames, by the end of these frames.
    hot: VecDeque<(Instant, LogNumber)>,
    /// The sum of the costs of all entries.
    bytes: usize,
    /// The position of readers from before the first event.
    origin: LogNumber,
    /// The number of the newest event or clearing, whether the log still has it or not.
    last: LogNumber,
    /// The newest number given out.
    reserved: LogNumber,
    /// The number of the last clearing.
    cleared: LogNumber,
    /// The newest number that was evicted.
    evicted: LogNumber,
    last_event: Instant,
    vacant_since: Option<Instant>,
    /// Given up for lack of memory. The next event begins anew.
    ended: bool,
}

impl Log {
    /// `origin` is above all numbers that the store has given out.
    pub fn new(settings: Arc<HistorySettings>, origin: LogNumber, now: Instant) -> Self {
        Self {
            settings,
            entries: VecDeque::new(),
            hot: VecDeque::new(),
            bytes: 0,
            origin,
            last: origin,
            reserved: origin,
            cleared: LogNumber::default(),
            evicted: LogNumber::default(),
            last_event: now,
            vacant_since: None,
            ended: false,
        }
    }

    pub fn settings(&self) -> &Arc<HistorySettings> {
        &self.settings
    }

    /// The position of readers from before the first event.
    pub fn origin(&self) -> LogNumber {
        self.origin
    }

    /// The position of readers at the end.
    pub fn last(&self) -> LogNumber {
        self.last
    }

    /// The newest number given out. A log that is made again begins above it.
    pub fn reserved(&self) -> LogNumber {
        self.reserved
    }

    /// Reserves a number. Numbers may be left out, but have to be appended in order.
    pub fn next_number(&mut self, micros: u64) -> LogNumber {
        self.reserved = self.reserved.next(micros);
        self.reserved
    }

    /// Entries, whether expired or not.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of all entries, with their hot frames.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// An event above the log's bound takes its number and is kept out, with all before it. Returns
    /// the number of events that were evicted or kept out.
    pub fn append(&mut self, event: LogEvent, number: LogNumber, now: Instant) -> usize {
        self.begin(now);
        let (previous, in_order) = (self.last, number > self.last);
        debug_assert!(in_order, "numbers are appended in order");
        self.advance(number);
        let expires = self.expiry(now);
        let entry = Entry::new(event, number, previous, expires);
        let (bound, cost) = (self.settings.bytes, entry.cost());
        // An event out of order would leave readers behind it without a gap.
        if !in_order || cost > bound || self.settings.events == 0 {
            return self.evict_all() + 1;
        }
        let evicted = self.make_room(cost);
        self.push(entry);
        evicted
    }

    /// Forgets all events. Readers before the number are told.
    pub fn clear(&mut self, number: LogNumber, now: Instant) {
        self.begin(now);
        self.advance(number);
        self.cleared = self.last;
        self.drop_front(usize::MAX);
    }

    /// Keeps frames as they were delivered, for replays of the next moments.
    pub fn warm(&mut self, number: LogNumber, hot: HotFrames) {
        let Some(at) = find(&self.entries, number) else { return };
        let (until, noted) = (hot.until(), self.entries[at].hot_until());
        let (before, after) = self.entries[at].replace_hot(Some(hot));
        self.bytes = self.bytes - before + after;
        if noted != Some(until) {
            self.note_hot(until, number);
        }
        self.cool_over(self.settings.bytes);
    }

    /// Drops what has expired.
    pub fn expire(&mut self, now: Instant) {
        let expired = if self.is_live(now) { self.first_live(now) } else { self.entries.len() };
        self.drop_front(expired);
        while self.hot.front().is_some_and(|(until, _)| *until <= now) {
            self.cool_oldest();
        }
    }

    /// Drops hot frames, then the oldest entries, until half the bytes are left. Returns the number
    /// of entries.
    pub fn give_older_half(&mut self) -> usize {
        let half = self.bytes / 2;
        self.cool_over(half);
        let evicted = self.evict_while(|log| log.bytes > half);
        self.shrink();
        evicted
    }

    /// Drops all entries and ends the log. Returns the number of entries.
    pub fn give_up(&mut self) -> usize {
        self.ended = true;
        if self.is_empty() { 0 } else { self.evict_all() }
    }

    /// The last subscriber left.
    pub fn vacated(&mut self, now: Instant) {
        self.vacant_since = Some(now);
    }

    /// A subscriber came.
    pub fn occupied(&mut self) {
        self.vacant_since = None;
    }

    /// The end of the log, unless something happens before. `None`: not within the clock's range.
    pub fn expires(&self) -> Option<Instant> {
        let idle = self.last_event.checked_add(self.settings.idle);
        let vacant = self.vacant_since.and_then(|since| since.checked_add(self.settings.vacant));
        idle.into_iter().chain(vacant).min()
    }

    /// False when nothing is lost without the log.
    pub fn is_live(&self, now: Instant) -> bool {
        !self.ended && !self.has_run_out(now)
    }

    /// True if the log's time is over. What is given up for lack of memory may have time left.
    pub fn has_run_out(&self, now: Instant) -> bool {
        self.expires().is_some_and(|end| end <= now)
    }

    /// Before an event: an ended log begins anew, with the numbers of its former life.
    fn begin(&mut self, now: Instant) {
        let ended = !self.is_live(now);
        self.expire(now);
        if ended {
            (self.vacant_since, self.ended) = (None, false);
        }
        self.last_event = now;
    }

    fn advance(&mut self, number: LogNumber) {
        self.last = number.max(self.last.next(0));
        self.reserved = self.reserved.max(self.last);
    }

    /// The expiry of an event of this moment, not before that of an earlier one.
    fn expiry(&self, now: Instant) -> Option<Instant> {
        self.later_than_newest(now.checked_add(self.settings.ttl))
    }

    fn later_than_newest(&self, expires: Option<Instant>) -> Option<Instant> {
        match self.entries.back() {
            Some(newest) => Some(expires?.max(newest.expires()?)),
            None => expires,
        }
    }

    /// The index of the oldest entry that has not expired.
    fn first_live(&self, now: Instant) -> usize {
        self.entries.partition_point(|entry| entry.expires().is_some_and(|end| end <= now))
    }

    fn make_room(&mut self, cost: usize) -> usize {
        let (events, left) = (self.settings.events as usize, self.settings.bytes - cost);
        self.cool_over(left);
        self.evict_while(|log| log.entries.len() >= events || log.bytes > left)
    }

    fn push(&mut self, entry: Entry) {
        self.bytes += entry.cost();
        if let Some(until) = entry.hot_until() {
            self.note_hot(until, entry.number);
        }
        self.entries.push_back(entry);
    }

    fn note_hot(&mut self, until: Instant, number: LogNumber) {
        if self.hot.len() >= 2 * self.entries.len() + 8 {
            self.forget_stale_notes();
        }
        self.hot.push_back((until, number));
    }

    /// Of entries that are gone or were warmed again.
    fn forget_stale_notes(&mut self) {
        let entries = &self.entries;
        self.hot.retain(|(until, number)| {
            find(entries, *number).is_some_and(|at| entries[at].hot_until() == Some(*until))
        });
    }

    /// Evicts the oldest entries. Returns the number of them.
    fn evict_while(&mut self, is_over: impl Fn(&Self) -> bool) -> usize {
        let mut evicted = 0;
        while is_over(self)
            && let Some(oldest) = self.entries.pop_front()
        {
            self.bytes -= oldest.cost();
            self.evicted = oldest.number;
            evicted += 1;
        }
        evicted
    }

    /// Everything up to the last number. Returns the number of entries.
    fn evict_all(&mut self) -> usize {
        self.evicted = self.last;
        let evicted = self.entries.len();
        self.drop_front(evicted);
        evicted
    }

    fn drop_front(&mut self, count: usize) {
        let count = count.min(self.entries.len());
        self.bytes -= self.entries.drain(..count).map(|entry| entry.cost()).sum::<usize>();
        if count > 0 {
            self.shrink();
        }
    }

    /// Gives room for entries back to the allocator.
    fn shrink(&mut self) {
        if self.entries.is_empty() {
            (self.entries, self.hot) = (VecDeque::new(), VecDeque::new());
        } else if self.entries.capacity() / 4 > self.entries.len() {
            self.entries.shrink_to(2 * self.entries.len());
        }
    }

    /// Gives hot frames back, those with the least time left first.
    fn cool_over(&mut self, bytes: usize) {
        while self.bytes > bytes && !self.hot.is_empty() {
            self.cool_oldest();
        }
    }

    fn cool_oldest(&mut self) {
        let Some((until, number)) = self.hot.pop_front() else { return };
        let Some(at) = find(&self.entries, number) else { return };
        let entry = &mut self.entries[at];
        if entry.hot_until() == Some(until) {
            let (before, after) = entry.replace_hot(None);
            self.bytes = self.bytes - before + after;
        }
    }
}

fn find(entries: &VecDeque<Entry>, number: LogNumber) -> Option<usize> {
    entries.binary_search_by_key(&number, |entry| entry.number).ok()
}

/// The time since the given moment of the wall clock, for entries from before this process.
pub fn age(at_micros: u64, micros: u64) -> Duration {
    Duration::from_micros(micros.saturating_sub(at_micros))
}

#[cfg(test)]
mod tests;
