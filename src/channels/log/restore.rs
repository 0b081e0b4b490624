//! A log from a journal, after a restart.

use std::{sync::Arc, time::Instant};

use super::{Entry, Log, LogEvent, LogNumber, age};
use crate::domain::channel_settings::HistorySettings;

/// The contents of a journal for one log.
pub struct RestoredLog {
    /// The oldest first.
    pub entries: Vec<RestoredEntry>,
    /// The newest number of the log, if the journal knows it beside the entries.
    pub last: LogNumber,
    /// The number of the last clearing; zero without one.
    pub cleared: LogNumber,
}

pub struct RestoredEntry {
    pub number: LogNumber,
    pub previous: LogNumber,
    pub event: LogEvent,
}

impl Log {
    /// `None` without a number: there is nothing to resume.
    ///
    /// A journal may have lost entries anywhere. Only the newest unbroken chain is taken.
    pub fn restored(
        settings: Arc<HistorySettings>,
        restored: RestoredLog,
        micros: u64,
        now: Instant,
    ) -> Option<Self> {
        let RestoredLog { entries, last, cleared } = restored;
        let origin = entries.first().map_or(last.max(cleared), |oldest| oldest.previous);
        let mut log = Self::new(settings, origin, now);
        log.cleared = cleared;
        for entry in entries {
            log.restore(entry, micros, now);
        }
        // Numbers without their entries: all before them is incomplete.
        if last.max(cleared) > log.last {
            log.drop_front(usize::MAX);
            log.advance(last.max(cleared));
        }
        log.expire(now);
        (log.last > LogNumber::default()).then_some(log)
    }

    fn restore(&mut self, entry: RestoredEntry, micros: u64, now: Instant) {
        let RestoredEntry { number, previous, event } = entry;
        if previous != self.last {
            self.drop_front(usize::MAX);
        }
        // Two histories in one journal: neither is to be continued.
        let conflicts = previous < self.last || number <= previous;
        let left = self.settings.ttl.saturating_sub(age(event.at_micros, micros));
        let expires = self.later_than_newest(now.checked_add(left));
        let entry = Entry::new(event, number, previous, expires);
        if conflicts || entry.cost() > self.settings.bytes || self.settings.events == 0 {
            self.drop_front(usize::MAX);
            self.advance(number);
            return;
        }
        self.advance(number);
        self.make_room(entry.cost());
        self.push(entry);
    }
}
