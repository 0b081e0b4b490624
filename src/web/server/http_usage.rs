//! The state of one HTTP connection. Its stream and its requests record it; its worker closes the
//! connection when it takes too long or holds too much.

use std::{
    cell::{Cell, RefCell},
    io,
    rc::Rc,
    task::{Context, Waker},
    time::{Duration, Instant},
};

use super::deadlines::LINGER;
use crate::web::event_stream::handover::CarriedStreams;

/// A client that reads a large response more slowly counts as stalled.
const MIN_BYTES_PER_SECOND: u64 = 4096;

/// Under memory pressure, large requests of this age are closed. An honest request ends sooner.
pub const LONG_REQUEST_AGE: Duration = Duration::from_secs(5);

/// The size of a large request on HTTP/1, and of all requests together on HTTP/2.
const LARGE_REQUEST_BYTES: usize = 64 * 1024;
const LARGE_CONNECTION_BYTES: usize = 1024 * 1024;

pub struct HttpUsage {
    /// HTTP/2: requests run beside each other, and the protocol keeps its own connection alive.
    pub is_multiplexed: bool,
    /// Open connections of the worker, this one included until `leave`.
    open: Rc<Cell<usize>>,
    has_left: Cell<bool>,
    is_ended: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    /// Since when a write to the client has been pending.
    blocked: Cell<Option<Instant>>,
    is_read_denied: Cell<bool>,
    /// Since when the request has been refused for its head; later bytes are discarded.
    refused: Cell<Option<Instant>>,
    begun: Cell<usize>,
    /// The maximum body of the latest request, in bytes.
    body: Cell<u64>,
    answering: Cell<usize>,
    unsent: Cell<usize>,
    /// When a response was last sent, and the extra time for the next one.
    sent: Cell<Instant>,
    longer: Cell<Duration>,
    /// When the connection was accepted, or a request last began or ended.
    since: Cell<Instant>,
    /// An upper bound on the bytes read for requests in progress.
    taken: Cell<usize>,
    /// HTTP/2: open event streams, which are no requests under way.
    pub event_streams: Option<Rc<CarriedStreams>>,
}

/// Time limits of a connection.
#[derive(Clone, Copy)]
pub struct Patience {
    pub stalled: Duration,
    /// Between two requests, including the head of the second.
    pub waiting: Duration,
}

impl HttpUsage {
    pub fn new(open: Rc<Cell<usize>>, is_multiplexed: bool) -> Self {
        open.set(open.get() + 1);
        let now = Instant::now();
        Self {
            is_multiplexed,
            open,
            has_left: Cell::new(false),
            is_ended: Cell::new(false),
            waker: RefCell::default(),
            blocked: Cell::default(),
            is_read_denied: Cell::default(),
            refused: Cell::default(),
            begun: Cell::default(),
            body: Cell::default(),
            answering: Cell::default(),
            unsent: Cell::default(),
            sent: Cell::new(now),
            longer: Cell::default(),
            since: Cell::new(now),
            taken: Cell::default(),
            event_streams: is_multiplexed.then(Rc::default),
        }
    }

    /// Called when the connection closes, or becomes a WebSocket or an event stream.
    pub fn leave(&self) {
        if !self.has_left.replace(true) {
            self.open.set(self.open.get() - 1);
            self.event_streams.iter().for_each(|streams| streams.end());
        }
    }

    pub fn has_left(&self) -> bool {
        self.has_left.get()
    }

    /// Closes the connection: its task finds an error at its next read or write.
    pub fn end(&self) {
        self.is_ended.set(true);
        self.leave();
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Called by the stream before each read and write.
    pub fn check(&self, cx: &Context<'_>) -> io::Result<()> {
        if self.is_ended.get() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let mut waker = self.waker.borrow_mut();
        if waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Ok(())
    }

    /// Records the result of a write or flush.
    pub fn wrote(&self, cx: &Context<'_>, is_pending: bool) {
        if is_pending {
            self.blocked.set(self.blocked.get().or_else(|| Some(Instant::now())));
        } else if self.blocked.take().is_some() && self.is_read_denied.take() {
            // Only the write has woken the task, and its read came before it.
            cx.waker().wake_by_ref();
        }
    }

    /// True while earlier responses wait for the client to read.
    pub fn is_blocked(&self) -> bool {
        self.blocked.get().is_some()
    }

    /// True while the client does not read its responses.
    pub fn denies_reading(&self) -> bool {
        let denies = self.blocked.get().is_some();
        self.is_read_denied.set(denies);
        denies
    }

    pub fn read(&self, bytes: usize) {
        self.taken.set(self.taken.get().saturating_add(bytes));
    }

    pub fn refuse(&self) {
        self.refused.set(Some(Instant::now()));
    }

    pub fn is_refused(&self) -> bool {
        self.refused.get().is_some()
    }

    /// The number of requests so far.
    pub fn begun(&self) -> usize {
        self.begun.get()
    }

    pub fn answering(&self) -> usize {
        self.answering.get()
    }

    pub fn taken(&self) -> usize {
        self.taken.get()
    }

    /// True if `behind` bytes exceed the body of the request in progress. While a handler waits, the
    /// HTTP library would read further requests without a bound.
    pub fn waits_for_answer(&self, behind: u64) -> bool {
        let waits = self.answering.get() > 0 && behind >= self.body.get();
        self.is_read_denied.set(self.is_read_denied.get() || waits);
        waits
    }

    /// Begins a request with a body of at most `body` bytes.
    pub fn begin(&self, body: u64) {
        self.body.set(body);
        self.begun.set(self.begun.get().wrapping_add(1));
        self.answering.set(self.answering.get() + 1);
        self.since.set(Instant::now());
    }

    /// Records that a response of `bytes` has been built and is to be sent.
    pub fn send(&self, bytes: u64) {
        let longer = Duration::from_secs(bytes / MIN_BYTES_PER_SECOND);
        if self.unsent.replace(self.unsent.get() + 1) == 0 {
            self.sent.set(Instant::now());
            self.longer.set(longer);
        }
        self.longer.set(self.longer.get().max(longer));
    }

    /// Ends a request: its response was sent, or the request was abandoned.
    pub fn finish(&self, was_sending: bool) {
        let (now, answering) = (Instant::now(), self.answering.get());
        if was_sending {
            self.unsent.set(self.unsent.get() - 1);
            self.sent.set(now);
        }
        self.taken.set(self.taken.get() - self.taken.get() / answering.max(1));
        self.answering.set(answering - 1);
        self.since.set(now);
        if self.is_read_denied.take() {
            self.waker.borrow().iter().for_each(Waker::wake_by_ref);
        }
    }

    /// Since when the connection has been idle or stalled.
    pub fn idle_since(&self) -> Option<Instant> {
        let carries = self.event_streams.as_ref().is_some_and(|streams| !streams.is_empty());
        let is_unused = self.answering.get() == 0 && !carries;
        self.blocked.get().or_else(|| is_unused.then(|| self.since.get()))
    }

    /// True if closing the connection frees enough memory. HTTP/2 requests come and go, so their age
    /// is not known.
    pub fn is_large(&self, now: Instant) -> bool {
        if self.is_multiplexed {
            return self.taken.get() > LARGE_CONNECTION_BYTES;
        }
        let is_long = now.saturating_duration_since(self.since.get()) >= LONG_REQUEST_AGE;
        is_long && self.taken.get() > LARGE_REQUEST_BYTES
    }

    /// When a request last began or ended.
    pub fn since(&self) -> Instant {
        self.since.get()
    }

    pub fn is_overdue(&self, now: Instant, patience: Patience) -> bool {
        let over = |since: Option<Instant>, most: Duration| {
            since.is_some_and(|since| now.saturating_duration_since(since) >= most)
        };
        let unsent = (self.unsent.get() > 0).then(|| self.sent.get());
        let waits = !self.is_multiplexed && self.answering.get() == 0;
        over(self.blocked.get(), patience.stalled)
            || over(unsent, patience.stalled + self.longer.get())
            || over(self.refused.get(), LINGER)
            || over(waits.then(|| self.since.get()), patience.waiting)
    }
}
