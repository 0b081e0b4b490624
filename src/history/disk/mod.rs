//! The journal on disk: one file for all logs of the server, written by a thread of its own.

mod queue;

use std::sync::Arc;

use queue::{Op, Queue};

use super::journal::{Committed, JournalEntry, JournalError, JournalStats, LogAddress};
use crate::channels::log::LogNumber;

/// Cloning copies a reference.
#[derive(Clone)]
pub struct DiskJournal {
    queue: Arc<Queue>,
}

impl DiskJournal {
    pub fn begin(&self, log: &LogAddress, origin: LogNumber) {
        self.queue.push_optional(Op::Begin { log: log.clone(), origin });
    }

    pub fn append_behind(&self, log: &LogAddress, entry: JournalEntry) -> Result<(), JournalError> {
        self.queue.push_behind(Op::Append { log: log.clone(), entry, committed: None })
    }

    pub fn append_before(
        &self,
        log: &LogAddress,
        entry: JournalEntry,
        committed: Committed,
    ) -> Result<(), JournalError> {
        let committed = Some(committed);
        self.queue.push_before(Op::Append { log: log.clone(), entry, committed })
    }

    pub fn trim(&self, log: &LogAddress, up_to: LogNumber) {
        self.queue.push_optional(Op::Trim { log: log.clone(), up_to });
    }

    pub fn clear(
        &self,
        log: &LogAddress,
        number: LogNumber,
        committed: Committed,
    ) -> Result<(), JournalError> {
        let committed = Some(committed);
        self.queue.push_before(Op::Clear { log: log.clone(), number, committed })
    }

    pub fn forget(&self, log: &LogAddress) {
        self.queue.push_optional(Op::Forget { log: log.clone() });
    }

    pub fn stats(&self) -> JournalStats {
        self.queue.stats()
    }

    pub fn finish(&self) {
        self.queue.end();
    }
}
