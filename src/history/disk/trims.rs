//! Trims that wait: of each log the first and the newest. None comes before the entries that were
//! accepted earlier, so that the file is always a state that the log has had.

use std::collections::{HashMap, VecDeque};

use crate::{channels::log::LogNumber, history::journal::LogAddress};

#[derive(Default)]
pub struct PendingTrims {
    by_log: HashMap<LogAddress, LogTrims>,
    /// All of `by_log`, once each. The first is due first.
    order: VecDeque<LogAddress>,
}

#[derive(Clone, Copy)]
pub struct PendingTrim {
    pub up_to: LogNumber,
    /// The number of changes that were accepted before.
    pub accepted: u64,
}

struct LogTrims {
    first: PendingTrim,
    newest: Option<PendingTrim>,
}

/// A trim that is due.
pub struct DueTrim {
    pub log: LogAddress,
    pub up_to: LogNumber,
    /// True if another of the log still waits.
    pub has_next: bool,
}

impl PendingTrims {
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// False if none of this log waits. The first stays: in a queue that is never empty the newest
    /// would never come.
    pub fn renew(&mut self, log: &LogAddress, trim: PendingTrim) -> bool {
        let waiting = self.by_log.get_mut(log);
        waiting.map(|waiting| waiting.newest = Some(trim)).is_some()
    }

    /// Of a log of which none waits.
    pub fn push(&mut self, log: LogAddress, first: PendingTrim) {
        self.by_log.insert(log.clone(), LogTrims { first, newest: None });
        self.order.push_back(log);
    }

    /// The first trim, if as many changes were taken as it comes after.
    pub fn pop(&mut self, taken: u64) -> Option<DueTrim> {
        let LogTrims { first, newest } = self.by_log.get(self.order.front()?)?;
        if first.accepted > taken {
            return None;
        }
        let (up_to, newest) = (first.up_to, *newest);
        let log = self.order.pop_front()?;
        self.by_log.remove(&log);
        if let Some(newest) = newest {
            self.push(log.clone(), newest);
        }
        Some(DueTrim { log, up_to, has_next: newest.is_some() })
    }
}
