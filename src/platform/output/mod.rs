//! Standard output and standard error without blocking any thread.
//!
//! A pipe without a reader blocks `write`; a full disk or a closed terminal fails it. Therefore
//! lines go into a bounded queue, and a separate thread writes them. A line without room is dropped
//! and counted.

mod panics;
mod writer;

use std::{
    fs::File,
    io,
    os::fd::AsFd,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use tracing_subscriber::fmt::MakeWriter;

pub use panics::{PanicForm, report_panics};

use crate::platform::counting::Count;
use writer::StreamWriter;

/// Both bounds include the lines being written.
const MAX_LINES: usize = 8192;
const MAX_BYTES: usize = 4 * 1024 * 1024;

#[derive(Clone)]
pub struct OutputQueue(Arc<QueueShared>);

struct QueueShared {
    state: Mutex<QueueState>,
    /// Wakes the writer.
    filled: Condvar,
    /// Wakes `finish`.
    emptied: Condvar,
    dropped: Arc<Count>,
}

#[derive(Default)]
struct QueueState {
    /// Whole lines in one buffer, so that no line costs an allocation.
    waiting: Vec<u8>,
    waiting_lines: usize,
    /// Taken by the writer, not yet written.
    writing_bytes: usize,
    writing_lines: usize,
    /// Dropped, not yet reported in the log.
    unreported: u64,
    writer_sleeps: bool,
    /// The writer ends when all is written, or at the first failure.
    ending: bool,
    ended: bool,
}

impl OutputQueue {
    /// Time for the last lines at the end of a process.
    pub const FINISH_TIMEOUT: Duration = Duration::from_secs(1);

    /// `report` is called on the writer's thread with the number of dropped lines, once lines can
    /// be written again. It may push a line.
    pub fn start(
        name: &str,
        stream: impl io::Write + Send + 'static,
        report: fn(u64),
    ) -> io::Result<Self> {
        let queue = Self(Arc::new(QueueShared {
            state: Mutex::default(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            dropped: Arc::default(),
        }));
        let writer = StreamWriter::new(queue.0.clone(), stream, report);
        thread::Builder::new().name(name.into()).spawn(|| writer.run())?;
        Ok(queue)
    }

    /// Another handle for this stream, which shares no lock with `std::io`.
    pub fn stream(of: impl AsFd) -> io::Result<File> {
        Ok(File::from(of.as_fd().try_clone_to_owned()?))
    }

    /// Queues a whole line (its line feed included) or drops it.
    pub fn push(&self, line: &[u8]) {
        let mut state = self.0.state.lock();
        if !state.has_room(line.len()) {
            state.unreported += 1;
            self.0.dropped.add();
            return;
        }
        state.waiting.extend_from_slice(line);
        state.waiting_lines += 1;
        if state.writer_sleeps {
            self.0.filled.notify_one();
        }
    }

    /// Counts a line dropped before it was formatted.
    pub fn drop_line(&self) {
        self.0.state.lock().unreported += 1;
        self.0.dropped.add();
    }

    /// Number of dropped lines.
    pub fn dropped(&self) -> Arc<Count> {
        self.0.dropped.clone()
    }

    /// Ends the writer when all is written, without waiting.
    pub fn close(&self) {
        self.0.state.lock().ending = true;
        self.0.filled.notify_one();
    }

    /// Waits until all is written, but no longer than `bound`.
    pub fn finish(&self, bound: Duration) {
        let deadline = Instant::now() + bound;
        self.close();
        let mut state = self.0.state.lock();
        while !state.ended {
            if self.0.emptied.wait_until(&mut state, deadline).timed_out() {
                return;
            }
        }
    }
}

impl QueueState {
    fn has_room(&self, bytes: usize) -> bool {
        !self.ended
            && self.waiting_lines + self.writing_lines < MAX_LINES
            && self.waiting.len() + self.writing_bytes + bytes <= MAX_BYTES
    }
}

/// Writer for one log event: its formatter writes it in one piece.
pub struct EventWriter<'a>(&'a OutputQueue);

impl io::Write for EventWriter<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for OutputQueue {
    type Writer = EventWriter<'a>;

    fn make_writer(&'a self) -> EventWriter<'a> {
        EventWriter(self)
    }
}

#[cfg(test)]
mod tests;
