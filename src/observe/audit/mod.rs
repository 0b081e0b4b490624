//! The audit log: access, keys and refusals, as a chain of lines in which a change does not go
//! unnoticed (`docs/audit.md`).

mod chain;
mod fact;
mod file;
mod live_feed;
mod recent;
mod tail;
mod verify;
mod writer;

use std::{
    path::Path,
    sync::{
        Arc,
        mpsc::{SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

use serde_json::value::RawValue;

pub use fact::{
    AdminSubject, AuditFact, AuthRequestFields, RevealScope, RevocationList, WatchOrigin,
};
pub use file::{AuditError, check};
pub use recent::MAX_RECENT;
pub use verify::{ChainVerifyError, LogSummary, verify};

use chain::Chain;
use file::{OpenedLog, Sink};
use recent::RecentFacts;
use tail::Torn;
use writer::{LogWriter, NotedFact, WriterState};

use crate::{
    observe::live::LiveBroadcaster,
    platform::threads::{JoinOutcome, join_within},
};

/// Records facts, from any thread, without waiting.
#[derive(Clone)]
pub struct Audit {
    file: Option<LogHandle>,
    /// Watchers receive the facts with or without a file.
    feed: Arc<LiveBroadcaster>,
    recent: Arc<RecentFacts>,
}

#[derive(Clone)]
struct LogHandle {
    facts: SyncSender<NotedFact>,
    shared: Arc<WriterState>,
}

/// The newest facts, as operators see them.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub struct AuditPage {
    /// Newest first. As in the log; without one they have no number and no hash.
    #[schema(value_type = Vec<Object>)]
    pub facts: Vec<Box<RawValue>>,
    /// Of the last line of the log. `None` without a log.
    pub last_hash: Option<Arc<str>>,
    /// True if there is a log.
    pub file: bool,
}

#[derive(serde::Serialize, Default)]
pub struct AuditStats {
    /// Lines written since the start.
    pub written: u64,
    /// Facts dropped because the queue was full.
    pub lost: u64,
    /// Failed attempts to write.
    pub write_errors: u64,
}

/// Queue to the file, in facts.
const QUEUE_CAPACITY: usize = 8192;
/// Bound on shutdown while the disk hangs. A disk that refuses is given up earlier.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(4);

impl Audit {
    pub fn off() -> Self {
        Self { file: None, feed: Arc::default(), recent: Arc::default() }
    }

    pub fn with_feed(self, feed: Arc<LiveBroadcaster>) -> Self {
        Self { feed, ..self }
    }

    /// Opens the log, if a file is configured. Dropping the [`Recorder`] writes the rest.
    pub fn begin(path: Option<&Path>) -> Result<(Self, Recorder), AuditError> {
        match path {
            Some(path) => {
                let OpenedLog { file, chain, torn } = file::open(path)?;
                let hash = chain.last_hash().unwrap_or("none, the file is new");
                tracing::info!(audit.file = %path.display(), audit.hash = hash, "audit log begins after");
                let (audit, recorder) = Self::write_to(file, chain, QUEUE_CAPACITY)?;
                audit.note_torn(torn);
                Ok((audit, recorder))
            }
            None => Ok((Self::off(), Recorder(None))),
        }
    }

    fn write_to(
        sink: impl Sink + Send + 'static,
        chain: Chain,
        capacity: usize,
    ) -> Result<(Self, Recorder), AuditError> {
        let (facts, noted) = sync_channel(capacity);
        let (shared, recent) = (Arc::new(WriterState::default()), Arc::<RecentFacts>::default());
        recent.begin_after(chain.last_hash());
        let writer = LogWriter::new(sink, chain, noted, shared.clone(), recent.clone());
        let thread = thread::Builder::new()
            .name("audit".into())
            .spawn(|| writer.run())
            .map_err(AuditError::Thread)?;
        let open = LogHandle { facts, shared };
        let audit = Self { file: Some(open.clone()), feed: Arc::default(), recent };
        Ok((audit, Recorder(Some((thread, open)))))
    }

    /// Records the torn line, as the first fact after it.
    fn note_torn(&self, torn: Option<Torn>) {
        let Some(torn) = torn else { return };
        tracing::warn!(audit.file = %torn.kept_in.display(), "the last line of the audit log was torn: it is moved to a file beside it, and the chain goes on");
        self.note(torn.fact());
    }

    /// A fact without room is counted.
    pub fn note(&self, fact: AuditFact) {
        self.try_note(fact);
    }

    /// False if the log has no room for the fact.
    pub fn try_note(&self, fact: AuditFact) -> bool {
        fact.note_live(&self.feed);
        let Some(LogHandle { facts, shared }) = &self.file else {
            self.recent.add_fact(SystemTime::now(), fact);
            return true;
        };
        let has_room = facts.try_send(Some((SystemTime::now(), fact))).is_ok();
        if !has_room {
            shared.count_lost();
        }
        has_room
    }

    /// At most `limit` of the newest facts. With a log they are those that its thread has taken.
    pub fn recent(&self, limit: usize) -> AuditPage {
        let (facts, last_hash) = self.recent.newest(limit);
        AuditPage { facts, last_hash, file: self.file.is_some() }
    }

    /// `None` without a file.
    pub fn stats(&self) -> Option<AuditStats> {
        self.file.as_ref().map(|open| open.shared.stats())
    }
}

/// On drop, ends the log: all facts recorded before are written.
#[must_use]
pub struct Recorder(Option<(JoinHandle<(Chain, u64)>, LogHandle)>);

impl Drop for Recorder {
    fn drop(&mut self) {
        let Some((thread, LogHandle { facts, shared })) = self.0.take() else { return };
        shared.end();
        // Wakes a thread waiting for facts; `unpark` wakes one waiting for the disk. If the queue
        // is full, it does not wait for facts.
        let _ = facts.try_send(None);
        thread.thread().unpark();
        match join_within(thread, SHUTDOWN_TIMEOUT) {
            JoinOutcome::Ended((chain, 0)) => {
                let hash = chain.last_hash().unwrap_or("none");
                tracing::info!(audit.hash = hash, "audit log ended");
            }
            JoinOutcome::Ended((_, lines)) => {
                tracing::error!(audit.lines = lines, "the end of the audit log was not written")
            }
            JoinOutcome::Panicked => tracing::error!("the thread of the audit log has failed"),
            JoinOutcome::Running => {
                tracing::error!("the last lines of the audit log could not be written and are lost")
            }
        }
    }
}

#[cfg(test)]
mod tests;
