//! The thread that owns the file. Nothing else waits for it, except those that ask to.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    file::{EntryKey, FileChanges, HistoryFile},
    index::LogIndex,
    meta::{self, MetaError},
    queue::{Op, Queue, Work},
    restore::{reindex, undo},
    sealing::FileKeys,
};
use crate::history::journal::JournalError;

pub struct Writer {
    queue: Arc<Queue>,
    path: PathBuf,
    keys: FileKeys,
    open: Option<OpenFile>,
    /// Changes that could not be written, and that nobody waits for.
    unwritten: Vec<Op>,
    /// Entries that failed: their publishers were told so.
    refused: BTreeSet<EntryKey>,
    /// Since the start. What was lost then is unknown to the next one.
    has_failed: bool,
}

pub struct OpenFile {
    pub file: HistoryFile,
    pub index: LogIndex,
}

/// Refuses what waits if the thread panics.
struct AbandonGuard(Arc<Queue>);

impl Drop for AbandonGuard {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// Changes in one commit, of those that waited for a disk.
const MAX_RETRIED: usize = 4096;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(10);
/// How long shutdown retries on a full disk.
const SHUTDOWN_RETRY_WINDOW: Duration = Duration::from_secs(2);
const SHUTDOWN_RETRY_INTERVAL: Duration = Duration::from_millis(200);

impl Writer {
    pub fn new(queue: Arc<Queue>, path: PathBuf, keys: FileKeys, open: OpenFile) -> Self {
        Self {
            queue,
            path,
            keys,
            open: Some(open),
            unwritten: Vec::new(),
            refused: BTreeSet::new(),
            has_failed: false,
        }
    }

    /// Returns the number of changes that could not be written.
    pub fn run(mut self) -> usize {
        let _abandoned = AbandonGuard(self.queue.clone());
        while let Work::Write(ops) = self.queue.next() {
            if !self.write(ops) {
                self.retry();
            }
        }
        let lost = self.unwritten.len();
        if lost == 0 && !self.has_failed {
            self.mark_clean();
        }
        lost
    }

    /// After a failure the operations are refused, or kept for another attempt.
    fn write(&mut self, mut ops: Vec<Op>) -> bool {
        match self.commit(&ops) {
            Ok(()) => {
                self.settle(&mut ops);
                true
            }
            Err(error) => {
                // First, so that nobody who is told tries again at once.
                self.note_failure(&error);
                self.keep(ops);
                false
            }
        }
    }

    fn commit(&mut self, ops: &[Op]) -> Result<(), MetaError> {
        let open = self.open.as_mut().expect("reopening comes first after a failure");
        let mut changes = FileChanges::default();
        undo(&self.refused, &mut open.index, &mut changes);
        for op in ops {
            open.index.apply(op, &self.keys, &mut changes)?;
        }
        // Trims often find nothing. What is tried without changes asks the disk.
        if ops.is_empty() || !changes.is_empty() {
            open.file.commit(&changes)?;
        }
        self.refused.clear();
        Ok(())
    }

    fn settle(&self, ops: &mut [Op]) {
        let appended = ops.iter().filter(|op| matches!(op, Op::Append { .. })).count();
        let bytes: usize = ops.iter().map(Op::cost).sum();
        let file_bytes = self.open.as_ref().map_or(0, |open| open.file.bytes());
        self.queue.release(bytes);
        self.queue.change_stats(|stats| {
            stats.written += appended as u64;
            stats.file_bytes = file_bytes;
        });
        ops.iter_mut().filter_map(Op::take_committed).for_each(|told| told(Ok(())));
    }

    /// Refuses what somebody waits for, and keeps the rest.
    fn keep(&mut self, ops: Vec<Op>) {
        for mut op in ops {
            let Some(told) = op.take_committed() else {
                self.unwritten.push(op);
                continue;
            };
            if let (Op::Append { log, entry, .. }, Some(open)) = (&op, &self.open) {
                self.refused.insert(open.index.key_of(log, entry.number));
            }
            self.queue.release(op.cost());
            told(Err(JournalError::Unwritable));
        }
    }

    fn note_failure(&mut self, error: &MetaError) {
        let mut is_first = false;
        self.queue.change_stats(|stats| {
            stats.write_errors += 1;
            is_first = !std::mem::replace(&mut stats.is_failing, true);
        });
        self.has_failed = true;
        if is_first {
            tracing::error!(
                history.file = %self.path.display(),
                %error,
                "the history cannot be written. Events of channels with sync = \"before\" are refused; others are delivered, wait for room, and beyond it are lost from the history. Make room on the disk; the server goes on by itself"
            );
        }
    }

    /// Returns when all is written, or at the end of the server.
    fn retry(&mut self) {
        // Nobody who waits already is to wait for the pause.
        let waiting = self.queue.pause(Duration::ZERO);
        self.keep(waiting);
        let mut pause = FIRST_PAUSE;
        while !self.queue.is_ending() {
            let came = self.queue.pause(pause);
            self.keep(came);
            match self.write_unwritten() {
                Ok(()) => return self.note_recovery(),
                Err(error) => self.note_failure(&error),
            }
            pause = (pause * 2).min(MAX_PAUSE);
        }
        self.finish();
    }

    fn finish(&mut self) {
        let deadline = Instant::now() + SHUTDOWN_RETRY_WINDOW;
        loop {
            let came = self.queue.pause(Duration::ZERO);
            self.keep(came);
            if self.write_unwritten().is_ok() || Instant::now() > deadline {
                return;
            }
            std::thread::sleep(SHUTDOWN_RETRY_INTERVAL);
        }
    }

    fn note_recovery(&self) {
        let mut lost = 0;
        self.queue.change_stats(|stats| {
            stats.is_failing = false;
            lost = stats.lost;
        });
        tracing::info!(history.lost = lost, "the history can be written again");
    }

    /// Opens the file again, because a failed commit leaves it in a state that only opening mends.
    fn write_unwritten(&mut self) -> Result<(), MetaError> {
        self.reopen()?;
        // At least once: it also removes what was refused.
        loop {
            let group: Vec<Op> =
                self.unwritten.drain(..self.unwritten.len().min(MAX_RETRIED)).collect();
            match self.commit(&group) {
                Ok(()) => {
                    let mut group = group;
                    self.settle(&mut group);
                }
                Err(error) => {
                    self.unwritten.splice(..0, group);
                    return Err(error);
                }
            }
            if self.unwritten.is_empty() {
                return Ok(());
            }
        }
    }

    fn reopen(&mut self) -> Result<(), MetaError> {
        // Its lock has to go first.
        self.open = None;
        let file = HistoryFile::open(&self.path, false)?;
        let index = reindex(&file, &self.keys)?;
        self.open = Some(OpenFile { file, index });
        Ok(())
    }

    fn mark_clean(&self) {
        let Some(OpenFile { file, index }) = &self.open else { return };
        let floor = index.floor().0.to_be_bytes().to_vec();
        let marks = vec![(meta::FLOOR, Some(floor)), (meta::CLEAN, Some(vec![1]))];
        if let Err(error) = file.commit(&FileChanges { meta: marks, ..FileChanges::default() }) {
            tracing::error!(%error, "the history is written, but not its end: clients of channels with sync = \"behind\" will be told of a gap");
        }
    }
}
