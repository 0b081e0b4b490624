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

use super::{AuditStats, Fact, chain::Chain, file::Sink};

/// A fact and its time. `None` only makes the writer look at the flags.
pub type Noted = Option<(SystemTime, Fact)>;

/// State shared by the writer and all that record facts.
#[derive(Default)]
pub struct Shared {
    ending: AtomicBool,
    written: AtomicU64,
    lost: AtomicU64,
    /// Lost facts not yet reported in the log.
    unsaid: AtomicU64,
    errors: AtomicU64,
}

impl Shared {
    pub fn lost_one(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        self.unsaid.fetch_add(1, Ordering::Relaxed);
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

pub struct Writer<S> {
    sink: S,
    chain: Chain,
    noted: Receiver<Noted>,
    shared: Arc<Shared>,
    /// Lines not written yet, wholly or in part.
    pending: Vec<u8>,
    pending_lines: u64,
    must_last: bool,
    failing: bool,
    /// The file's name was lost, and that has been logged.
    lost_its_name: bool,
}

/// Facts in one write.
const BATCH: usize = 1024;
/// Longest delay before lost facts are reported.
const IDLE: Duration = Duration::from_secs(1);
const RETRY: Duration = Duration::from_secs(1);
/// How long shutdown retries on a full disk.
const LAST_TRIES: Duration = Duration::from_secs(2);
const LAST_RETRY: Duration = Duration::from_millis(100);

impl<S: Sink> Writer<S> {
    pub fn new(sink: S, chain: Chain, noted: Receiver<Noted>, shared: Arc<Shared>) -> Self {
        Self {
            sink,
            chain,
            noted,
            shared,
            pending: Vec::new(),
            pending_lines: 0,
            must_last: false,
            failing: false,
            lost_its_name: false,
        }
    }

    /// Returns the final chain, and the number of lines not written.
    pub fn run(mut self) -> (Chain, u64) {
        while !self.shared.is_ending() {
            // While the file takes nothing, facts wait in the bounded channel.
            if self.pending.is_empty() {
                match self.noted.recv_timeout(IDLE) {
                    Ok(noted) => self.take(noted),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => self.shared.end(),
                }
                self.collect();
            } else {
                thread::park_timeout(RETRY);
            }
            self.write();
        }
        self.finish();
        (self.chain, self.pending_lines)
    }

    /// Writes all accepted facts, unless the disk refuses to the end.
    fn finish(&mut self) {
        let deadline = Instant::now() + LAST_TRIES;
        loop {
            while self.collect() > 0 {}
            self.write();
            if self.pending.is_empty() || Instant::now() > deadline {
                return;
            }
            thread::sleep(LAST_RETRY);
        }
    }

    /// Collects waiting facts, up to a batch.
    fn collect(&mut self) -> usize {
        let mut taken = 0;
        while taken < BATCH
            && let Ok(noted) = self.noted.try_recv()
        {
            self.take(noted);
            taken += 1;
        }
        let count = self.shared.unsaid.swap(0, Ordering::Relaxed);
        if count > 0 {
            self.take(Some((SystemTime::now(), Fact::FactsLost { count })));
        }
        taken
    }

    fn take(&mut self, noted: Noted) {
        let Some((time, fact)) = noted else { return };
        // Never within a line: its rest belongs to the file with its beginning.
        if self.pending.is_empty() {
            self.follow();
        }
        self.append(time, &fact);
    }

    /// Continues in the file that has the name now.
    fn follow(&mut self) {
        match self.sink.follow() {
            Ok(None) => self.lost_its_name = false,
            Ok(Some((chain, torn))) => {
                let before = std::mem::replace(&mut self.chain, chain);
                let after = before.last_hash().map(str::to_owned);
                tracing::warn!(
                    audit.hash = after,
                    "the audit file was moved, deleted or cut: the log goes on in what now has its name"
                );
                let now = SystemTime::now();
                torn.iter().for_each(|torn| self.append(now, &torn.fact()));
                self.append(now, &Fact::FileReplaced { after });
            }
            // The open file is still written: better there than nowhere.
            Err(error) if !self.lost_its_name => {
                self.lost_its_name = true;
                tracing::error!(%error, "the audit file was replaced, and the new one cannot be used: the log stays in the old one");
            }
            Err(_) => {}
        }
    }

    fn append(&mut self, time: SystemTime, fact: &Fact) {
        self.must_last |= fact.must_last();
        self.chain.append(time, fact, &mut self.pending);
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
        self.sink.mend()?;
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
        if self.must_last {
            self.sink.sync()?;
            self.must_last = false;
        }
        Ok(())
    }
}
