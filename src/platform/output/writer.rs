//! The writing thread, the only one that waits for a reader or a disk.

use std::{
    io::{ErrorKind, Write},
    mem,
    sync::Arc,
    time::Duration,
};

use super::QueueShared;

pub struct StreamWriter<S> {
    shared: Arc<QueueShared>,
    stream: S,
    /// The lines being written, from `written` on.
    batch: Vec<u8>,
    written: usize,
    report: fn(u64),
}

/// Largest single write, so that lines of several processes on one pipe stay whole: POSIX keeps
/// writes of up to `PIPE_BUF` bytes in one piece. A longer line goes alone.
const CHUNK_BYTES: usize = 4096;
/// Buffer memory kept after a burst.
const MAX_RETAINED_BYTES: usize = 64 * 1024;
/// Retry interval of a full non-blocking pipe.
const FULL_RETRY: Duration = Duration::from_millis(20);
/// Retry interval of a failing stream.
const FAILED_RETRY: Duration = Duration::from_secs(1);

enum WriteProgress {
    Written(usize),
    Wait(Duration),
    Failed,
}

impl<S: Write> StreamWriter<S> {
    pub fn new(shared: Arc<QueueShared>, stream: S, report: fn(u64)) -> Self {
        Self { shared, stream, batch: Vec::new(), written: 0, report }
    }

    pub fn run(mut self) {
        while self.take_batch() {
            while self.written < self.batch.len() {
                match self.write_chunk() {
                    WriteProgress::Written(bytes) => self.advance(bytes),
                    WriteProgress::Wait(time) => self.wait(time),
                    WriteProgress::Failed if self.is_ending() => return self.end(),
                    WriteProgress::Failed => self.wait(FAILED_RETRY),
                }
            }
            self.report_dropped();
        }
        self.end();
    }

    /// Waits for lines; false when there are none and none will come.
    fn take_batch(&mut self) -> bool {
        self.batch.clear();
        self.batch.shrink_to(MAX_RETAINED_BYTES);
        self.written = 0;
        let mut state = self.shared.state.lock();
        while state.waiting.is_empty() {
            if state.ending {
                return false;
            }
            state.writer_sleeps = true;
            self.shared.filled.wait(&mut state);
            state.writer_sleeps = false;
        }
        mem::swap(&mut self.batch, &mut state.waiting);
        state.writing_bytes = self.batch.len();
        state.writing_lines = mem::take(&mut state.waiting_lines);
        true
    }

    fn write_chunk(&mut self) -> WriteProgress {
        let rest = &self.batch[self.written..];
        match self.stream.write(&rest[..chunk(rest)]) {
            Ok(0) => WriteProgress::Failed,
            Ok(bytes) => WriteProgress::Written(bytes),
            Err(error) => match error.kind() {
                ErrorKind::Interrupted => WriteProgress::Written(0),
                ErrorKind::WouldBlock => WriteProgress::Wait(FULL_RETRY),
                _ => WriteProgress::Failed,
            },
        }
    }

    /// Frees queue space as soon as bytes are written.
    fn advance(&mut self, bytes: usize) {
        let lines = count_lines(&self.batch[self.written..self.written + bytes]);
        self.written += bytes;
        let mut state = self.shared.state.lock();
        state.writing_bytes -= bytes;
        // A report of several lines counts as one.
        state.writing_lines = state.writing_lines.saturating_sub(lines);
        if self.written == self.batch.len() {
            state.writing_lines = 0;
        }
    }

    /// Does not delay shutdown: the last attempt follows soon.
    fn wait(&self, time: Duration) {
        let mut state = self.shared.state.lock();
        if state.ending {
            drop(state);
            return std::thread::sleep(time.min(FULL_RETRY));
        }
        state.writer_sleeps = false;
        self.shared.filled.wait_for(&mut state, time);
    }

    fn is_ending(&self) -> bool {
        self.shared.state.lock().ending
    }

    fn report_dropped(&self) {
        let dropped = mem::take(&mut self.shared.state.lock().unreported);
        if dropped > 0 {
            (self.report)(dropped);
        }
    }

    fn end(&self) {
        self.shared.state.lock().ended = true;
        self.shared.emptied.notify_all();
    }
}

/// The whole lines that fit into one write, or one longer line.
fn chunk(bytes: &[u8]) -> usize {
    if bytes.len() <= CHUNK_BYTES {
        return bytes.len();
    }
    let fits = memchr::memrchr(b'\n', &bytes[..CHUNK_BYTES]);
    let end = fits.or_else(|| memchr::memchr(b'\n', bytes));
    end.map_or(bytes.len(), |feed| feed + 1)
}

fn count_lines(bytes: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', bytes).count()
}
