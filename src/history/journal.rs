//! The journal: where logs outlive the server.
//!
//! The log in memory is the log. A journal repeats it, and is read once, at the start. So no reader
//! ever waits for a disk.

use std::{collections::HashSet, sync::Arc};

use super::{
    disk::DiskJournal,
    position::{Epoch, Epochs},
};
use crate::{
    channels::log::{AtRest, LogNumber},
    domain::{channel_settings::HistoryStore, time::UnixSeconds},
};

/// The journal of a server. Cloning copies a reference.
#[derive(Clone)]
pub enum Journal {
    /// Keeps nothing, so all logs end with the server.
    Memory,
    Disk(DiskJournal),
}

/// Names a log in a journal.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct LogAddress {
    pub app: Arc<str>,
    pub channel: Arc<str>,
    pub store: HistoryStore,
}

/// An event of a log. Has no `Debug`: it may be secret.
#[derive(Clone, PartialEq)]
pub struct JournalEntry {
    pub number: LogNumber,
    pub previous: LogNumber,
    pub at_micros: u64,
    /// The end of the event's `ttl` by the system clock.
    pub expires: UnixSeconds,
    pub name: Arc<str>,
    pub user_id: Option<Arc<str>>,
    pub body: JournalBody,
}

#[derive(Clone, PartialEq)]
pub enum JournalBody {
    /// The data of an event on a channel that is not encrypted.
    Clear(Arc<str>),
    /// The backend's envelope.
    Blind(Arc<str>),
    /// The form in which the log has it.
    Sealed(AtRest),
}

/// Called with the outcome when it is known, on the journal's thread, in the order of the calls. Must
/// not wait: all later entries wait for it.
pub type Committed = Box<dyn FnOnce(Result<(), JournalError>) + Send>;

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum JournalError {
    #[error("the disk is slower than the events: the queue of the history is full")]
    Busy,
    #[error("the history cannot be written")]
    Unwritable,
    #[error("the server is ending")]
    Ended,
}

/// The contents of a journal at the start.
pub struct JournalContents {
    pub epochs: Epochs,
    /// The greatest number that was written. New logs begin above it.
    pub floor: LogNumber,
    pub logs: Vec<JournalLog>,
    /// Of the history keys that some record needs.
    pub keys_in_use: HashSet<[u8; 6]>,
}

/// A log in a journal. Entries may be missing anywhere, which shows in their predecessors.
pub struct JournalLog {
    pub address: LogAddress,
    /// The greatest number known beside the entries: of the log's beginning, of its last clearing,
    /// or of an entry that is trimmed.
    pub last: LogNumber,
    /// Zero without a clearing.
    pub cleared: LogNumber,
    /// By number.
    pub entries: Vec<JournalEntry>,
}

/// Counts since the start, and present sizes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, serde::Serialize)]
pub struct JournalStats {
    pub queued_bytes: usize,
    pub file_bytes: u64,
    pub written: u64,
    /// Delivered events that were never written.
    pub lost: u64,
    pub write_errors: u64,
    /// True from a write error to the next success.
    pub is_failing: bool,
}

impl JournalContents {
    /// A store that has never been used.
    pub fn empty() -> Result<Self, getrandom::Error> {
        let epochs = Epochs {
            memory: Epoch::random()?,
            disk_behind: Epoch::random()?,
            disk_before: Epoch::random()?,
            redis: Epoch::random()?,
        };
        Ok(Self {
            epochs,
            floor: LogNumber::default(),
            logs: Vec::new(),
            keys_in_use: HashSet::new(),
        })
    }
}

impl Journal {
    /// Remembers a log without entries, so that its readers resume after a restart.
    pub fn begin(&self, log: &LogAddress, origin: LogNumber) {
        match self {
            Self::Memory => {}
            Self::Disk(disk) => disk.begin(log, origin),
        }
    }

    /// Call it before the event is delivered, and do not deliver on an error.
    ///
    /// While the disk is slow, the bounded queue fills, and events are refused. While the disk
    /// refuses, events are accepted all the same: they wait in the queue and beyond it are counted
    /// as lost, and the next start begins a new epoch.
    pub fn append_behind(&self, log: &LogAddress, entry: JournalEntry) -> Result<(), JournalError> {
        match self {
            Self::Memory => Ok(()),
            Self::Disk(disk) => disk.append_behind(log, entry),
        }
    }

    /// Calls `committed` once the entry outlives the server, or cannot be written. After an error
    /// returned here it is not called. `Memory` calls it at once.
    pub fn append_before(
        &self,
        log: &LogAddress,
        entry: JournalEntry,
        committed: Committed,
    ) -> Result<(), JournalError> {
        match self {
            Self::Memory => {
                committed(Ok(()));
                Ok(())
            }
            Self::Disk(disk) => disk.append_before(log, entry, committed),
        }
    }

    /// Drops the entries up to and with this number. Calls may be lost while the disk is slow or
    /// refuses; a later one makes up for them.
    pub fn trim(&self, log: &LogAddress, up_to: LogNumber) {
        match self {
            Self::Memory => {}
            Self::Disk(disk) => disk.trim(log, up_to),
        }
    }

    /// Drops all entries before this number, which is that of the clearing. `committed` as in
    /// `append_before`; without an error all of it holds after a restart.
    pub fn clear(
        &self,
        log: &LogAddress,
        number: LogNumber,
        committed: Committed,
    ) -> Result<(), JournalError> {
        match self {
            Self::Memory => {
                committed(Ok(()));
                Ok(())
            }
            Self::Disk(disk) => disk.clear(log, number, committed),
        }
    }

    /// The same without waiting. While the disk refuses, the clearing is kept as events of behind
    /// are, until the server ends. It is never lost for lack of room: beyond it this is an error.
    pub fn clear_behind(&self, log: &LogAddress, number: LogNumber) -> Result<(), JournalError> {
        match self {
            Self::Memory => Ok(()),
            Self::Disk(disk) => disk.clear_behind(log, number),
        }
    }

    /// Drops the log, because it has ended. One that is lost, because too many wait for a slow
    /// disk, comes back with the next start, and ends then.
    pub fn forget(&self, log: &LogAddress) {
        match self {
            Self::Memory => {}
            Self::Disk(disk) => disk.forget(log),
        }
    }

    pub fn is_on_disk(&self) -> bool {
        match self {
            Self::Memory => false,
            Self::Disk(_) => true,
        }
    }

    /// `None` if nothing is written.
    pub fn stats(&self) -> Option<JournalStats> {
        match self {
            Self::Memory => None,
            Self::Disk(disk) => Some(disk.stats()),
        }
    }

    /// Writes all that was accepted, and ends. Waits with a time limit.
    pub fn finish(&self) {
        match self {
            Self::Memory => {}
            Self::Disk(disk) => disk.finish(),
        }
    }
}
