//! What one HTTP connection is doing: its stream and its requests say it, and its worker closes the
//! connection when that has taken too long or costs too much.

use std::{
    cell::{Cell, RefCell},
    io,
    rc::Rc,
    task::{Context, Waker},
    time::{Duration, Instant},
};

use super::services::LINGER;

/// Bytes a second. A client that takes a large answer more slowly counts as stalled.
const SLOWEST: u64 = 4096;

/// An honest request is answered sooner.
pub const LONG: Duration = Duration::from_secs(5);

/// Bytes of a large request, and of all requests of a connection that has many.
const LARGE: usize = 64 * 1024;
const LARGE_TOGETHER: usize = 1024 * 1024;

pub struct HttpUsage {
    /// HTTP/2: requests run beside each other, and the protocol keeps its own connection alive.
    pub is_multiplexed: bool,
    /// Connections of the worker; this one counts until it has left.
    open: Rc<Cell<usize>>,
    has_left: Cell<bool>,
    is_ended: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    /// The client takes nothing.
    blocked: Cell<Option<Instant>>,
    is_read_denied: Cell<bool>,
    /// The head was too large: what still comes is thrown away.
    refused: Cell<Option<Instant>>,
    begun: Cell<usize>,
    /// How long the body of the request that began last can be.
    body: Cell<u64>,
    answering: Cell<usize>,
    unsent: Cell<usize>,
    /// When an answer was last sent, and how long the next may take beyond the usual time.
    sent: Cell<Instant>,
    longer: Cell<Duration>,
    /// When it was accepted, or a request last began or ended.
    since: Cell<Instant>,
    /// Bytes read for the requests being answered, at most.
    taken: Cell<usize>,
}

/// How long a connection may wait.
#[derive(Clone, Copy)]
pub struct Patience {
    pub stalled: Duration,
    /// Between two requests, the head of the second included.
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
        }
    }

    /// The connection is closed, or no HTTP any more.
    pub fn leave(&self) {
        if !self.has_left.replace(true) {
            self.open.set(self.open.get() - 1);
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

    /// For the stream, before it reads and writes.
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

    /// What the last write or flush has shown.
    pub fn wrote(&self, cx: &Context<'_>, is_pending: bool) {
        if is_pending {
            self.blocked.set(self.blocked.get().or_else(|| Some(Instant::now())));
        } else if self.blocked.take().is_some() && self.is_read_denied.take() {
            // Only the write has woken the task, and its read came before it.
            cx.waker().wake_by_ref();
        }
    }

    /// A client that does not take its answers is not read from.
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

    /// Requests so far.
    pub fn begun(&self) -> usize {
        self.begun.get()
    }

    pub fn answering(&self) -> usize {
        self.answering.get()
    }

    pub fn taken(&self) -> usize {
        self.taken.get()
    }

    /// Whether as much has come behind the request being answered. The library would read the next
    /// ones without a bound while a handler waits.
    pub fn waits_for_answer(&self, behind: u64) -> bool {
        let waits = self.answering.get() > 0 && behind >= self.body.get();
        self.is_read_denied.set(self.is_read_denied.get() || waits);
        waits
    }

    /// A request begins, with a body of at most so many bytes.
    pub fn begin(&self, body: u64) {
        self.body.set(body);
        self.begun.set(self.begun.get().wrapping_add(1));
        self.answering.set(self.answering.get() + 1);
        self.since.set(Instant::now());
    }

    /// Its answer has been built, and is to be sent.
    pub fn send(&self, bytes: u64) {
        let longer = Duration::from_secs(bytes / SLOWEST);
        if self.unsent.replace(self.unsent.get() + 1) == 0 {
            self.sent.set(Instant::now());
            self.longer.set(longer);
        }
        self.longer.set(self.longer.get().max(longer));
    }

    /// It is over: sent, or given up.
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

    /// Since when it has been of no use: no request is being answered, or the client does not take
    /// the answer.
    pub fn idle_since(&self) -> Option<Instant> {
        self.blocked.get().or_else(|| (self.answering.get() == 0).then(|| self.since.get()))
    }

    /// Whether its requests are worth closing it for. Those of HTTP/2 come and go, so that none tells
    /// how long the others have been there.
    pub fn is_large(&self, now: Instant) -> bool {
        if self.is_multiplexed {
            return self.taken.get() > LARGE_TOGETHER;
        }
        let is_long = now.saturating_duration_since(self.since.get()) >= LONG;
        is_long && self.taken.get() > LARGE
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
