//! The journal on disk: one file for all logs of the server, written by a thread of its own.

mod error;
mod file;
mod index;
mod meta;
mod queue;
mod record;
mod restore;
mod sealing;
mod trims;
mod writer;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use parking_lot::Mutex;

pub use error::HistoryFileError;

use error::FileFault;
use file::HistoryFile;
use queue::{Op, Queue};
use restore::{Restored, restore};
use sealing::FileKeys;
use writer::{OpenFile, Writer};

use super::{
    journal::{Committed, JournalContents, JournalEntry, JournalError, JournalStats, LogAddress},
    keys::{HistoryKeyError, HistoryKeyFile, HistoryKeys},
    position::{Epoch, Epochs},
};
use crate::{
    channels::log::LogNumber,
    crypto::key::MasterKey,
    domain::time::UnixSeconds,
    platform::{
        state_dir, system,
        threads::{JoinOutcome, join_within},
    },
};

/// Cloning copies a reference. The last one ends the thread.
#[derive(Clone)]
pub struct DiskJournal(Arc<DiskThread>);

struct DiskThread {
    queue: Arc<Queue>,
    /// Returns the number of changes that it could not write.
    thread: Mutex<Option<JoinHandle<usize>>>,
}

/// A history on disk at the start of a server.
pub struct DiskHistory {
    pub keys: HistoryKeys,
    pub journal: DiskJournal,
    pub contents: JournalContents,
}

#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error(transparent)]
    Keys(#[from] HistoryKeyError),
    #[error(transparent)]
    File(#[from] HistoryFileError),
}

impl DiskHistory {
    /// Loads or makes the history key, opens the file, and drops older keys without records.
    pub fn open(
        directory: &Path,
        configured: Option<MasterKey>,
        now: UnixSeconds,
    ) -> Result<Self, HistoryError> {
        let key_file = HistoryKeyFile::of(directory);
        let keys = key_file.load(configured, now)?;
        let (journal, contents) = DiskJournal::open(directory, &keys, now)?;
        let keys = key_file.retire(&keys, &contents.keys_in_use)?;
        Ok(Self { keys, journal, contents })
    }
}

/// The most bytes of events that wait for the disk.
const QUEUE_BYTES: usize = 16 << 20;
/// Bound on shutdown while the disk hangs. A disk that refuses is given up earlier.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

impl DiskJournal {
    /// Opens `history.db` in the state directory, which this server has claimed, and reads all of
    /// it. Changes nothing in a file that it cannot read.
    pub fn open(
        directory: &Path,
        keys: &HistoryKeys,
        now: UnixSeconds,
    ) -> Result<(Self, JournalContents), HistoryFileError> {
        Self::open_bounded(directory, keys, now, QUEUE_BYTES)
    }

    fn open_bounded(
        directory: &Path,
        keys: &HistoryKeys,
        now: UnixSeconds,
        bound: usize,
    ) -> Result<(Self, JournalContents), HistoryFileError> {
        let path = directory.join(state_dir::HISTORY);
        let failed = |fault| HistoryFileError { path: path.clone(), fault };
        let file_keys = FileKeys::new(keys);
        let Restored { file, index, epochs, logs, keys_in_use } =
            read_file(&path, &file_keys, now).map_err(failed)?;
        warn_if_volatile(directory);
        let epochs = Epochs {
            memory: Epoch::random().map_err(|e| failed(e.into()))?,
            disk_behind: epochs.behind,
            disk_before: epochs.before,
            // Without a log in Redis it is never used.
            redis: Epoch::random().map_err(|e| failed(e.into()))?,
        };
        let contents = JournalContents { epochs, floor: index.floor(), logs, keys_in_use };
        let queue = Arc::new(Queue::new(bound));
        queue.change_stats(|stats| stats.file_bytes = file.bytes());
        let open = OpenFile { file, index };
        let writer = Writer::new(queue.clone(), path.clone(), file_keys, open);
        let thread = thread::Builder::new()
            .name("history".into())
            .spawn(|| writer.run())
            .map_err(|e| failed(FileFault::Thread(e)))?;
        let thread = DiskThread { queue, thread: Mutex::new(Some(thread)) };
        Ok((Self(Arc::new(thread)), contents))
    }

    pub fn begin(&self, log: &LogAddress, origin: LogNumber) {
        self.0.queue.begin(log, origin);
    }

    pub fn append_behind(&self, log: &LogAddress, entry: JournalEntry) -> Result<(), JournalError> {
        self.0.queue.push_behind(Op::Append { log: log.clone(), entry, committed: None })
    }

    pub fn append_before(
        &self,
        log: &LogAddress,
        entry: JournalEntry,
        committed: Committed,
    ) -> Result<(), JournalError> {
        let committed = Some(committed);
        self.0.queue.push_before(Op::Append { log: log.clone(), entry, committed })
    }

    pub fn trim(&self, log: &LogAddress, up_to: LogNumber) {
        self.0.queue.trim(log, up_to);
    }

    pub fn clear(
        &self,
        log: &LogAddress,
        number: LogNumber,
        committed: Committed,
    ) -> Result<(), JournalError> {
        let committed = Some(committed);
        self.0.queue.push_before(Op::Clear { log: log.clone(), number, committed })
    }

    pub fn clear_behind(&self, log: &LogAddress, number: LogNumber) -> Result<(), JournalError> {
        self.0.queue.push_kept(Op::Clear { log: log.clone(), number, committed: None })
    }

    pub fn forget(&self, log: &LogAddress) {
        self.0.queue.forget(log);
    }

    pub fn stats(&self) -> JournalStats {
        self.0.queue.stats()
    }

    pub fn finish(&self) {
        self.0.finish();
    }
}

/// A damaged file may make the library panic, too.
fn read_file(path: &Path, keys: &FileKeys, now: UnixSeconds) -> Result<Restored, FileFault> {
    let read = || Ok(restore(HistoryFile::open(path, true)?, keys, now)?);
    catch_unwind(AssertUnwindSafe(read)).unwrap_or(Err(FileFault::Unreadable))
}

fn warn_if_volatile(directory: &Path) {
    if let Some(kind) = system::volatile_filesystem(directory) {
        tracing::warn!(
            state.directory = %directory.display(),
            "the state directory is on {kind}: the history is lost with the container or the machine. Mount a volume there"
        );
    }
}

impl DiskThread {
    fn finish(&self) {
        let Some(thread) = self.thread.lock().take() else { return };
        self.queue.end();
        match join_within(thread, SHUTDOWN_TIMEOUT) {
            JoinOutcome::Ended(0) => {}
            JoinOutcome::Ended(changes) => {
                tracing::error!(
                    history.changes = changes,
                    "the end of the history was not written"
                );
            }
            JoinOutcome::Panicked => tracing::error!("the thread of the history has failed"),
            JoinOutcome::Running => {
                tracing::error!("the disk takes nothing: the end of the history is lost");
            }
        }
    }
}

impl Drop for DiskThread {
    fn drop(&mut self) {
        self.finish();
    }
}

#[cfg(test)]
mod tests;
