//! One socket's outgoing queue, with the whole back-pressure policy:
//!
//! * A frame is queued by reference and charged its cost: its allocation, as if no other socket
//!   shared it, and its slot in the queue.
//! * A socket with a non-empty outbox is not read from, so that answers do not pile up.
//! * Over the budget the connection is closed with 4100, on which clients back off and reconnect.
//!   Queued frames are dropped, except one written in part: the error and the close frame are the
//!   next that the client reads, if it reads at all.
//! * After the close nothing more is queued. The socket's owner ends it when the close frame is
//!   written, or after `CLOSE_DEADLINE`.
//! * No thread ever waits for a socket.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    io::{self, IoSlice},
    task::Poll,
    time::Duration,
};

use bytes::{Buf, Bytes};

use crate::protocol::{code::Close, form::Form};

/// The time in which a peer has to read the close frame and answer it.
pub const CLOSE_DEADLINE: Duration = Duration::from_secs(5);

/// The maximum of frames in one vectored write.
const VECTORS: usize = 64;

/// A queue that grew beyond this many frames is freed once it is empty.
const KEPT_CAPACITY: usize = 32;

/// Bytes of a queued frame beyond its text: a slot in a queue that doubles (64), the reference
/// count (32), allocator and frame header (32).
const FRAME_OVERHEAD: usize = 128;

/// Bytes charged for a queued frame. Its buffer is a quarter larger than its text, because it is
/// allocated before the text is escaped.
pub const fn cost(length: usize) -> usize {
    length + length / 4 + FRAME_OVERHEAD
}

/// Answers of this cost are written before more input is read.
const ANSWERS: usize = 16 * 1024;

pub struct Outbox {
    form: Form,
    budget: usize,
    queue: RefCell<VecDeque<Bytes>>,
    bytes: Cell<usize>,
    /// The sum of `cost` over the queue.
    charged: Cell<usize>,
    /// Bytes of the first frame that have been written.
    front_written: Cell<usize>,
    /// The peer took bytes since the last call of `take_progress`.
    progress: Cell<bool>,
    closing: RefCell<Option<Close>>,
    dirty: Cell<bool>,
}

impl Outbox {
    pub fn new(form: Form, budget: usize) -> Self {
        Self {
            form,
            budget,
            queue: RefCell::default(),
            bytes: Cell::new(0),
            charged: Cell::new(0),
            front_written: Cell::new(0),
            progress: Cell::new(false),
            closing: RefCell::new(None),
            dirty: Cell::new(false),
        }
    }

    pub fn form(&self) -> Form {
        self.form
    }

    pub fn budget(&self) -> usize {
        self.budget
    }

    pub fn queued_bytes(&self) -> usize {
        self.bytes.get()
    }

    /// The cost of the queue, bounded by the budget.
    pub fn charged(&self) -> usize {
        self.charged.get()
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.get() == 0
    }

    /// True if the queue must be written before more is read.
    pub fn has_many_answers(&self) -> bool {
        self.charged.get() >= ANSWERS
    }

    /// True if the peer took bytes since the last call.
    pub fn take_progress(&self) -> bool {
        self.progress.take()
    }

    /// The close reason, once the connection is closing.
    pub fn closing(&self) -> Option<Close> {
        self.closing.borrow().clone()
    }

    pub fn is_closing(&self) -> bool {
        self.closing.borrow().is_some()
    }

    /// Marks the outbox as waiting to be written. False if it was marked already.
    pub fn mark_dirty(&self) -> bool {
        !self.dirty.replace(true)
    }

    /// An empty queue takes any one frame: a single large event is no sign of a slow reader.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.is_empty() || self.charged.get() + cost(bytes) <= self.budget
    }

    /// Clears the mark. Called when the outbox is written, or cannot be.
    pub fn clear_dirty(&self) {
        self.dirty.set(false);
    }

    /// True if a frame may be written past the queue.
    pub fn is_idle(&self) -> bool {
        self.is_empty() && !self.is_closing()
    }

    /// Queues the rest of a frame that was written past the queue.
    pub fn push_rest(&self, frame: &Bytes, written: usize) {
        debug_assert!(self.is_idle(), "only then is a frame written past the queue");
        self.enqueue(frame.slice(written..));
        // The buffer stays whole until the rest is written.
        self.charged.set(cost(frame.len()));
        self.front_written.set(written);
    }

    pub fn push(&self, frame: Bytes) {
        if self.is_closing() {
            return;
        }
        if !self.has_room(frame.len()) {
            self.close(Close::TooSlow);
            return;
        }
        self.enqueue(frame);
    }

    /// Queues the error frame, if there is one, and the close frame; later frames are ignored.
    pub fn close(&self, reason: Close) {
        if self.is_closing() {
            return;
        }
        if reason.drops_what_waits() {
            self.drop_unwritten();
        }
        self.form.close(&reason).for_each(|frame| self.enqueue(frame));
        *self.closing.borrow_mut() = Some(reason);
    }

    fn enqueue(&self, frame: Bytes) {
        self.bytes.set(self.bytes.get() + frame.len());
        self.charged.set(self.charged.get() + cost(frame.len()));
        self.queue.borrow_mut().push_back(frame);
    }

    fn drop_unwritten(&self) {
        let mut queue = self.queue.borrow_mut();
        let front_written = self.front_written.get();
        queue.truncate(usize::from(front_written > 0));
        queue.shrink_to_fit();
        self.bytes.set(queue.iter().map(Bytes::len).sum());
        self.charged.set(queue.iter().map(|frame| cost(frame.len() + front_written)).sum());
    }

    /// Writes until the queue is empty or the writer takes no more.
    pub fn write_to(
        &self,
        mut write: impl FnMut(&[IoSlice<'_>]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<()>> {
        let mut queue = self.queue.borrow_mut();
        while let Some(first) = queue.front() {
            let result = match queue.len() {
                // By far the most common case; it needs no list.
                1 => write(&[IoSlice::new(first)]),
                count => {
                    let mut slices = [IoSlice::new(&[]); VECTORS];
                    let list = slices.iter_mut().zip(queue.iter());
                    list.for_each(|(slice, frame)| *slice = IoSlice::new(frame));
                    write(&slices[..count.min(VECTORS)])
                }
            };
            match result {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => self.written(&mut queue, written),
            }
        }
        if queue.capacity() > KEPT_CAPACITY {
            *queue = VecDeque::new();
        }
        Poll::Ready(Ok(()))
    }

    fn written(&self, queue: &mut VecDeque<Bytes>, mut count: usize) {
        self.bytes.set(self.bytes.get() - count);
        self.progress.set(true);
        while let Some(first) = queue.front_mut() {
            if count < first.len() {
                first.advance(count);
                self.front_written.set(self.front_written.get() + count);
                return;
            }
            count -= first.len();
            let whole = first.len() + self.front_written.replace(0);
            self.charged.set(self.charged.get() - cost(whole));
            queue.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn outbox(budget: usize) -> Outbox {
        Outbox::new(Form::Pusher, budget)
    }

    fn drain(outbox: &Outbox, mut room: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let _ = outbox.write_to(|slices| {
            if room == 0 {
                return Poll::Pending;
            }
            let bytes: Vec<u8> = slices.iter().flat_map(|s| s.iter().copied()).take(room).collect();
            room -= bytes.len();
            out.extend_from_slice(&bytes);
            Poll::Ready(Ok(bytes.len()))
        });
        out
    }

    #[test]
    fn over_budget_outbox_closes_and_finishes_the_current_frame() {
        let outbox = outbox(2 * cost(4) + 5);
        for frame in ["abcd", "efgh"] {
            outbox.push(Bytes::from_static(frame.as_bytes()));
        }
        assert_eq!(drain(&outbox, 2), b"ab");
        outbox.push(Bytes::from_static(b"ijklm"));
        assert_eq!(outbox.closing(), Some(Close::TooSlow));
        outbox.push(Bytes::from_static(b"never"));
        let rest = drain(&outbox, usize::MAX);
        assert!(rest.starts_with(b"cd\x81"), "{rest:?}");
        let close = Form::Pusher.close(&Close::TooSlow).last().expect("a close frame");
        assert!(rest.ends_with(&close));
        assert!(!rest.windows(4).any(|w| w == b"efgh"));
        assert!(outbox.is_empty());
    }

    #[test]
    fn partly_sent_frame_is_completed() {
        let outbox = outbox(1000);
        outbox.push_rest(&Bytes::from_static(b"abcd"), 2);
        outbox.push(Bytes::from_static(b"efgh"));
        assert_eq!((outbox.queued_bytes(), outbox.charged()), (6, 2 * cost(4)));
        outbox.close(Close::TooSlow);
        let rest = drain(&outbox, usize::MAX);
        assert!(rest.starts_with(b"cd\x81"), "{rest:?}");
        assert_eq!(outbox.charged(), 0);
    }

    #[test]
    fn f14_budget_counts_the_cost_of_frames_and_not_their_length() {
        let queued = |budget: usize, frames: usize| {
            let outbox = outbox(budget);
            (0..frames).for_each(|_| outbox.push(Bytes::from_static(b"\x8a\0")));
            (outbox.queued_bytes(), outbox.charged(), outbox.is_closing())
        };
        let one = cost(2);
        assert!(one >= 128, "a pong is two bytes, and costs a place, a buffer and a count");
        assert_eq!(queued(10 * one, 9), (18, 9 * one, false));
        assert_eq!(queued(10 * one, 10), (20, 10 * one, false));
        assert!(queued(10 * one, 11).2);
        assert!(!queued(1, 1).2, "an empty queue takes any one frame");
    }

    #[test]
    fn f14_progress_is_measured_by_bytes_taken_from_the_queue() {
        let outbox = outbox(1000);
        outbox.push(Bytes::from_static(b"abcd"));
        assert!(!outbox.take_progress(), "to queue is no progress");
        drain(&outbox, 1);
        assert!(outbox.take_progress() && !outbox.take_progress());
    }

    #[test]
    fn orderly_close_keeps_queued_frames() {
        let outbox = outbox(1000);
        outbox.push(Bytes::from_static(b"abcd"));
        outbox.close(Close::ShuttingDown);
        outbox.close(Close::TooSlow);
        assert_eq!(outbox.closing(), Some(Close::ShuttingDown));
        assert!(drain(&outbox, usize::MAX).starts_with(b"abcd"));
    }

    proptest! {
        #[test]
        fn bytes_leave_in_order_with_any_chunking(frames in prop::collection::vec("[a-z]{1,9}", 0..200), rooms in prop::collection::vec(0usize..50, 0..100)) {
            let outbox = outbox(usize::MAX);
            let mut out = Vec::new();
            let mut rooms = rooms.into_iter();
            for frame in &frames {
                outbox.push(Bytes::from(frame.clone()));
                out.extend(drain(&outbox, rooms.next().unwrap_or(0)));
                prop_assert_eq!(out.len() + outbox.queued_bytes(), frames.iter().take_while(|f| !std::ptr::eq(*f, frame)).map(String::len).sum::<usize>() + frame.len());
            }
            out.extend(drain(&outbox, usize::MAX));
            prop_assert_eq!((outbox.queued_bytes(), outbox.charged()), (0, 0));
            prop_assert_eq!(out, frames.concat().into_bytes());
        }
    }
}
