//! Trims that wait: of each log the newest alone. They hold back nothing, and nothing holds them
//! back.

use std::collections::{HashMap, VecDeque};

use crate::{channels::log::LogNumber, history::journal::LogAddress};

#[derive(Default)]
pub struct PendingTrims {
    by_log: HashMap<LogAddress, PendingTrim>,
    /// All of `by_log`, those that wait for longest first.
    order: VecDeque<LogAddress>,
}

#[derive(Clone, Copy)]
pub struct PendingTrim {
    pub up_to: LogNumber,
    /// The number of changes that were accepted before. Some of them may be of entries to trim.
    pub accepted: u64,
}

impl PendingTrims {
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// False if none of this log waits.
    pub fn renew(&mut self, log: &LogAddress, trim: PendingTrim) -> bool {
        let Some(waiting) = self.by_log.get_mut(log) else { return false };
        *waiting = PendingTrim { up_to: trim.up_to.max(waiting.up_to), ..trim };
        true
    }

    /// Of a log of which none waits.
    pub fn push(&mut self, log: LogAddress, trim: PendingTrim) {
        self.by_log.insert(log.clone(), trim);
        self.order.push_back(log);
    }

    pub fn pop(&mut self) -> Option<(LogAddress, PendingTrim)> {
        let log = self.order.pop_front()?;
        self.by_log.remove_entry(&log)
    }
}
