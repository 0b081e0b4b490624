//! The thread that owns the file. No other thread waits for it.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use super::{AuditFact, AuditStats, chain::Chain, file::Sink, recent::RecentFacts};

/// A fact and its time. `None` only makes the writer look at the flags.
pub type NotedFact = Option<(SystemTime, AuditFact)>;

/// State shared by the writer and all that record facts.
#[derive(Default)]
pub struct WriterState {
    ending: AtomicBool,
    written: AtomicU64,
    lost: AtomicU64,
    /// Lost facts not yet reported in the log.
    unreported: AtomicU64,
    errors: AtomicU64,
}

impl WriterState {
    pub fn count_lost(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        self.unreported.fetch_add(1, Ordering::Relaxed);
    }

    pub fn end(&self) {
        self.ending.store(true, Ordering::Release);
    }

    fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }

    pub fn stats(&self) -> AuditStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        AuditStats {
            written: read(&self.written),
            lost: read(&self.lost),
            write_errors: read(&self.errors),
        }
    }
}

pub struct LogWriter<S> {
    sink: S,
    chain: Chain,
    noted: Receiver<NotedFact>,
    shared: Arc<WriterState>,
    recent: Arc<RecentFacts>,
    /// Lines not written yet, wholly or in part.
    pending: Vec<u8>,
    pending_lines: u64,
    needs_sync: bool,
    failing: bool,
    /// The file's name was lost, and that has been logged.
    name_lost: bool,
}

/// Facts in one write.
const MAX_BATCH_FACTS: usize = 1024;
/// Longest delay before lost facts are reported.
const IDLE_INTERVAL: Duration = Duration::from_secs(1);
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How long shutdown retries on a full disk.
const SHUTDOWN_RETRY_WINDOW: Duration = Duration::from_secs(2);
const SHUTDOWN_RETRY_INTERVAL: Duration = Duration::from_millis(100);

impl<S: Sink> LogWriter<S> {
    pub fn new(
        sink: S,
        chain: Chain,
        noted: Receiver<NotedFact>,
        shared: Arc<WriterState>,
        recent: Arc<RecentFacts>,
    ) -> Self {
        Self {
            sink,
            chain,
            noted,
            shared,
            recent,
            pending: Vec::new(),
            pending_lines: 0,
            needs_sync: false,
            failing: false,
            name_lost: false,
        }
    }

    /// Returns the final chain, and the number of lines not written.
    pub fn run(mut self) -> (Chain, u64) {
        while !self.shared.is_ending() {
            // While the file takes nothing, facts wait in the bounded channel.
            if self.pending.is_empty() {
                match self.noted.recv_timeout(IDLE_INTERVAL) {
                    Ok(noted) => self.take(noted),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => self.shared.end(),
                }
                self.collect();
            } else {
                thread::park_timeout(RETRY_INTERVAL);
            }
            self.write();
        }
        self.finish();
        (self.chain, self.pending_lines)
    }

    /// Writes all accepted facts, unless the disk refuses to the end.
    fn finish(&mut self) {
        let deadline = Instant::now() + SHUTDOWN_RETRY_WINDOW;
        loop {
            while self.collect() > 0 {}
            self.write();
            if self.pending.is_empty() || Instant::now() > deadline {
                return;
            }
            thread::sleep(SHUTDOWN_RETRY_INTERVAL);
        }
    }

    /// Collects waiting facts, up to a batch.
    fn collect(&mut self) -> usize {
        let mut taken = 0;
        while taken < MAX_BATCH_FACTS
            && let Ok(noted) = self.noted.try_recv()
        {
            self.take(noted);
            taken += 1;
        }
        let count = self.shared.unreported.swap(0, Ordering::Relaxed);
        if count > 0 {
            self.take(Some((SystemTime::now(), AuditFact::FactsLost { count })));
        }
        taken
    }

    fn take(&mut self, noted: NotedFact) {
        let Some((time, fact)) = noted else { return };
        // Never within a line: its rest belongs to the file with its beginning.
        if self.pending.is_empty() {
            self.reopen_if_replaced();
        }
        self.append(time, &fact);
    }

    /// Continues in the file that has the name now.
    fn reopen_if_replaced(&mut self) {
        match self.sink.reopen_if_replaced() {
            Ok(None) => self.name_lost = false,
            Ok(Some((chain, torn))) => {
                let before = std::mem::replace(&mut self.chain, chain);
                let after = before.last_hash().map(str::to_owned);
                tracing::warn!(
                    audit.hash = after,
                    "the audit file was moved, deleted or cut: the log goes on in what now has its name"
                );
                let now = SystemTime::now();
                torn.iter().for_each(|torn| self.append(now, &torn.fact()));
                self.append(now, &AuditFact::FileReplaced { after });
            }
            // The open file is still written: better there than nowhere.
            Err(error) if !self.name_lost => {
                self.name_lost = true;
                tracing::error!(%error, "the audit file was replaced, and the new one cannot be used: the log stays in the old one");
            }
            Err(_) => {}
        }
    }

    fn append(&mut self, time: SystemTime, fact: &AuditFact) {
        self.needs_sync |= fact.is_durable();
        let begin = self.pending.len();
        self.chain.append(time, fact, &mut self.pending);
        self.recent.add_line(&self.pending[begin..], self.chain.last_hash());
        self.pending_lines += 1;
    }

    fn write(&mut self) {
        match self.try_write() {
            Ok(()) if self.failing => {
                self.failing = false;
                tracing::info!("the audit log can be written again");
            }
            Ok(()) => {}
            Err(error) => {
                self.shared.errors.fetch_add(1, Ordering::Relaxed);
                if !self.failing {
                    self.failing = true;
                    tracing::error!(
                        %error,
                        "the audit log cannot be written. The server goes on; facts wait for room, and those that find none are counted"
                    );
                }
            }
        }
    }

    fn try_write(&mut self) -> io::Result<()> {
        self.sink.repair_end()?;
        // Not `write_all`: after an error it would be unknown how much of a line was written.
        while !self.pending.is_empty() {
            match self.sink.write(&self.pending) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => drop(self.pending.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.shared.written.fetch_add(std::mem::take(&mut self.pending_lines), Ordering::Relaxed);
        if self.needs_sync {
            self.sink.sync()?;
            self.needs_sync = false;
        }
        Ok(())
    }
}
