//! Resuming from a position, and paging.

use std::{collections::vec_deque::Iter, time::Instant};

use super::{Entry, GapReason, Log, LogNumber};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum PageOrder {
    #[default]
    OldestFirst,
    NewestFirst,
}

/// The wanted part of a log, without its ends.
#[derive(Clone, Copy, Debug, Default)]
pub struct PageQuery {
    pub after: Option<LogNumber>,
    pub before: Option<LogNumber>,
    pub order: PageOrder,
    pub limit: usize,
    /// The bytes of names, users and data. The first event is exempt.
    pub bytes: usize,
}

pub struct LogPage<'a> {
    pub entries: Vec<&'a Entry>,
    /// True if the log has more within the query.
    pub more: bool,
    /// Events next to one of the query's ends are gone.
    pub gap: Option<GapReason>,
}

impl Log {
    /// `None` if it has expired or is gone.
    pub fn newest(&self, now: Instant) -> Option<&Entry> {
        self.entries.range(self.live_start(now)..).next_back()
    }

    /// All that a reader at this position has missed, the oldest first.
    pub fn resume(&self, from: LogNumber, now: Instant) -> Result<Iter<'_, Entry>, GapReason> {
        let live = self.live_start(now);
        match self.successor(from, live) {
            Some(at) => Ok(self.entries.range(at..)),
            None => Err(self.gap(from, live)),
        }
    }

    /// Pages in either direction: the next page begins after (or before) the last entry of this
    /// one. A bound that does not resume is reported as a gap; the page then begins at the end of
    /// the log that is nearest to it.
    pub fn page(&self, query: &PageQuery, now: Instant) -> LogPage<'_> {
        let live = self.live_start(now);
        let (mut gap, mut start, mut end) = (None, live, self.entries.len());
        if let Some(after) = query.after {
            match self.successor(after, live) {
                Some(at) => start = at,
                None => gap = Some(self.gap(after, live)),
            }
        }
        if let Some(before) = query.before {
            match self.predecessors(before, live) {
                Some(at) => end = at,
                None => {
                    gap = gap.or(Some(self.gap(before, live)));
                    // Everything older than the bound is gone, or the bound says nothing.
                    end = live;
                }
            }
        }
        let entries = self.entries.range(start..end.max(start));
        let (entries, more) = match query.order {
            PageOrder::OldestFirst => fill(entries, query),
            PageOrder::NewestFirst => fill(entries.rev(), query),
        };
        LogPage { entries, more, gap }
    }

    /// The position from which readers get all that the log has.
    pub fn start(&self, now: Instant) -> LogNumber {
        self.entries.get(self.live_start(now)).map_or(self.last, |oldest| oldest.previous)
    }

    /// The position before the first entry with this number or a later one.
    pub fn position_before(&self, number: LogNumber, now: Instant) -> LogNumber {
        let entries = self.entries.range(self.live_start(now)..);
        let first = entries.into_iter().find(|entry| entry.number >= number);
        first.map_or(self.last, |entry| entry.previous)
    }

    /// The newest number before all entries, whether expired or not.
    pub fn kept_after(&self) -> LogNumber {
        self.entries.front().map_or(self.last, |oldest| oldest.previous)
    }

    /// True if readers get an entry.
    pub fn has_events(&self, now: Instant) -> bool {
        self.live_start(now) < self.entries.len()
    }

    /// The index of the oldest entry that readers get.
    fn live_start(&self, now: Instant) -> usize {
        if self.is_live(now) { self.first_live(now) } else { self.entries.len() }
    }

    /// The index of the entry after this position. `None` if it does not resume.
    fn successor(&self, from: LogNumber, live: usize) -> Option<usize> {
        if from == self.last {
            return Some(self.entries.len());
        }
        let at = self.entries.binary_search_by_key(&from, |entry| entry.previous).ok()?;
        (at >= live).then_some(at)
    }

    /// The index behind all entries before this position.
    fn predecessors(&self, before: LogNumber, live: usize) -> Option<usize> {
        let successor = self.successor(before, live)?;
        let has_own = successor > live && self.entries[successor - 1].number == before;
        Some(if has_own { successor - 1 } else { successor })
    }

    fn gap(&self, from: LogNumber, live: usize) -> GapReason {
        let start = self.entries.get(live).map_or(self.last, |oldest| oldest.previous);
        if from > self.last {
            GapReason::UnknownPosition
        } else if from < self.cleared {
            GapReason::Cleared
        } else if from < self.origin {
            GapReason::Expired
        } else if from < self.evicted {
            GapReason::Evicted
        } else if from < start {
            GapReason::Expired
        } else {
            GapReason::UnknownPosition
        }
    }
}

fn fill<'a>(entries: impl Iterator<Item = &'a Entry>, query: &PageQuery) -> (Vec<&'a Entry>, bool) {
    let (mut page, mut bytes) = (Vec::new(), 0);
    for entry in entries {
        bytes += entry.payload_bytes();
        if page.len() >= query.limit || (bytes > query.bytes && !page.is_empty()) {
            return (page, true);
        }
        page.push(entry);
    }
    (page, false)
}
