//! The queue with streams that fail, block or take little.

use std::{
    io::{self, ErrorKind, Write},
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::*;

/// A stream that does what the test wants.
#[derive(Clone, Default)]
struct TestStream(Arc<Mutex<Behaviour>>);

#[derive(Default)]
struct Behaviour {
    bytes: Vec<u8>,
    writes: Vec<usize>,
    error: Option<ErrorKind>,
    tried: usize,
    /// At most so many bytes a write.
    most: Option<usize>,
    /// Held until the other end goes away.
    stuck: Option<mpsc::Receiver<()>>,
}

impl Write for TestStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let stuck = self.0.lock().stuck.take();
        if let Some(stuck) = stuck {
            let _ = stuck.recv();
        }
        let mut state = self.0.lock();
        state.tried += 1;
        if let Some(kind) = state.error {
            return Err(kind.into());
        }
        let taken = bytes.len().min(state.most.unwrap_or(usize::MAX));
        state.bytes.extend_from_slice(&bytes[..taken]);
        state.writes.push(taken);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const BOUND: Duration = Duration::from_secs(20);

impl TestStream {
    fn queue(&self) -> OutputQueue {
        OutputQueue::start("test", self.clone(), |_| {}).expect("a thread")
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().bytes.clone()).expect("text")
    }

    /// Waits until the writer holds the first line and is stuck with it.
    fn stuck(&self) -> (OutputQueue, mpsc::Sender<()>) {
        let (release, stuck) = mpsc::channel();
        self.0.lock().stuck = Some(stuck);
        let queue = self.queue();
        queue.push(b"first\n");
        until("a write", || self.0.lock().stuck.is_none());
        (queue, release)
    }
}

fn until(what: &str, mut probe: impl FnMut() -> bool) {
    let end = Instant::now() + BOUND;
    while !probe() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn lines_are_written_in_order_before_shutdown() {
    let stream = TestStream::default();
    let queue = stream.queue();
    let lines: Vec<String> = (0..5000).map(|n| format!("line {n}\n")).collect();
    lines.iter().for_each(|line| queue.push(line.as_bytes()));
    queue.finish(BOUND);
    assert_eq!(stream.text(), lines.concat());
    assert_eq!(queue.dropped().get(), 0);
    queue.push(b"late\n");
    assert_eq!(queue.dropped().get(), 1, "nobody writes it");
}

#[test]
fn lines_beyond_the_bound_are_dropped_including_the_current_one() {
    let stream = TestStream::default();
    let (queue, release) = stream.stuck();
    (0..MAX_LINES + 9).for_each(|_| queue.push(b"x\n"));
    assert_eq!(queue.dropped().get(), 10);
    drop(release);
    until("room again", || stream.text().len() == "first\n".len() + (MAX_LINES - 1) * 2);
    queue.push(b"again\n");
    queue.finish(BOUND);
    assert!(stream.text().ends_with("x\nagain\n"));
    assert_eq!(queue.dropped().get(), 10);
}

#[test]
fn bytes_beyond_the_bound_are_dropped() {
    let stream = TestStream::default();
    let (queue, release) = stream.stuck();
    let line = [&[b'x'; 1024 * 1024 - 1][..], b"\n"].concat();
    (0..10).for_each(|_| queue.push(&line));
    assert_eq!(queue.dropped().get(), 7, "the first line has some bytes, too");
    assert!(queue.0.state.lock().waiting.len() <= MAX_BYTES);
    drop(release);
    queue.finish(BOUND);
    assert_eq!(stream.text().len(), "first\n".len() + 3 * line.len());
}

#[test]
fn dropped_lines_are_reported_once_after_recovery() {
    static REPORTS: Mutex<Vec<u64>> = Mutex::new(Vec::new());
    let stream = TestStream::default();
    stream.0.lock().error = Some(ErrorKind::StorageFull);
    let report = |count| REPORTS.lock().push(count);
    let queue = OutputQueue::start("test", stream.clone(), report).expect("a thread");
    (0..MAX_LINES + 3).for_each(|_| queue.push(b"x\n"));
    queue.drop_line();
    until("a try", || stream.0.lock().tried > 0);
    assert!(REPORTS.lock().is_empty());
    stream.0.lock().error = None;
    until("a report", || !REPORTS.lock().is_empty());
    queue.finish(BOUND);
    assert_eq!(*REPORTS.lock(), [4]);
    assert_eq!(stream.text().len(), MAX_LINES * 2, "what was accepted is written");
}

#[test]
fn partial_writes_are_completed() {
    let stream = TestStream::default();
    stream.0.lock().error = Some(ErrorKind::WouldBlock);
    stream.0.lock().most = Some(3);
    let queue = stream.queue();
    queue.push(b"abcdefgh\n");
    queue.push(b"ijk\n");
    until("several tries", || stream.0.lock().tried > 2);
    stream.0.lock().error = None;
    queue.finish(BOUND);
    assert_eq!(stream.text(), "abcdefgh\nijk\n");
}

#[test]
fn whole_lines_are_written_in_one_call() {
    let stream = TestStream::default();
    let (queue, release) = stream.stuck();
    let line = |bytes: usize| [&vec![b'x'; bytes - 1][..], b"\n"].concat();
    (0..5).for_each(|_| queue.push(&line(1500)));
    queue.push(&line(10_000));
    queue.push(&line(10));
    drop(release);
    queue.finish(BOUND);
    assert_eq!(stream.0.lock().writes, [6, 3000, 3000, 1500, 10_000, 10]);
}

#[test]
fn shutdown_does_not_wait_for_a_failing_or_blocked_stream() {
    let failing = TestStream::default();
    failing.0.lock().error = Some(ErrorKind::BrokenPipe);
    let queue = failing.queue();
    queue.push(b"x\n");
    until("a try", || failing.0.lock().tried > 0);
    queue.finish(BOUND);
    assert!(queue.0.state.lock().ended, "it ends long before the bound");

    let (queue, _release) = TestStream::default().stuck();
    queue.finish(Duration::from_millis(20));
    assert!(!queue.0.state.lock().ended);
}
