//! The writing half of a connection: it writes an outbox to a transport, and judges how the peer
//! takes it. The connection's task and its worker's shard share it: the shard writes to the
//! transport directly while it delivers.
//!
//! It reads nothing, so that a connection that carries frames in one direction can use it alone.

use std::{
    cell::{Cell, RefCell, RefMut},
    io,
    pin::Pin,
    rc::Rc,
    sync::atomic::Ordering,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::transport::Transport;
use crate::{
    hub::{
        CONNECTION_LOST,
        outbox::{CLOSE_DEADLINE, Outbox},
        shard::Shard,
    },
    protocol::code::Close,
};

/// The reason for taking no more input for the outbox.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pause {
    No,
    /// The peer must read first.
    Unread,
    /// The server is short of memory, and the connection exceeds its fair share.
    Heavy,
}

pub struct FrameWriter<T> {
    io: RefCell<T>,
    pub outbox: Outbox,
    shard: Rc<Shard>,
    /// The waker of the connection's task; `None` before its first turn, and after its end.
    waker: RefCell<Option<Waker>>,
    /// This socket's part of the shard's gauge of outbox bytes.
    waiting: Cell<usize>,
    broken: Cell<bool>,
    /// The transport is full and will wake the task: until then deliveries need not try to write.
    blocked: Cell<bool>,
    pause: Cell<Pause>,
    /// Start of the time in which the peer took none of its waiting bytes.
    stalled_since: Cell<Option<Instant>>,
    close_since: Cell<Option<Instant>>,
    /// Bytes held by the connection's task.
    held_bytes: Cell<usize>,
    /// Bytes held by the shard for the connection's authorizations.
    authorizations: Cell<usize>,
}

impl<T: Transport> FrameWriter<T> {
    pub fn new(io: T, outbox: Outbox, shard: Rc<Shard>) -> Self {
        Self {
            io: RefCell::new(io),
            outbox,
            shard,
            waker: RefCell::new(None),
            waiting: Cell::new(0),
            broken: Cell::new(false),
            blocked: Cell::new(false),
            pause: Cell::new(Pause::No),
            stalled_since: Cell::new(None),
            close_since: Cell::new(None),
            held_bytes: Cell::new(0),
            authorizations: Cell::new(0),
        }
    }

    pub fn io(&self) -> RefMut<'_, T> {
        self.io.borrow_mut()
    }

    /// Gives the transport back, before anything was written to it.
    pub fn into_io(self) -> T {
        self.io.into_inner()
    }

    /// Called at each turn of the connection's task.
    pub fn register(&self, waker: &Waker) {
        let same = self.waker.borrow().as_ref().is_some_and(|known| known.will_wake(waker));
        if !same {
            *self.waker.borrow_mut() = Some(waker.clone());
        }
    }

    pub fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    pub fn write(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut io = self.io.borrow_mut();
        let written = self.outbox.write_to(|slices| match slices {
            // The kernel takes a single buffer faster than a list of one.
            [frame] => Pin::new(&mut *io).poll_write(cx, frame),
            frames => Pin::new(&mut *io).poll_write_vectored(cx, frames),
        });
        self.update_outbox_gauge();
        // TLS may still hold written bytes: only a flush sends all of them.
        let sent = match written {
            Poll::Ready(Ok(())) => Pin::new(&mut *io).poll_flush(cx),
            unsent => unsent,
        };
        self.blocked.set(sent.is_pending());
        if sent.is_ready() && self.pause.get() == Pause::Unread {
            // A delivery may have written the bytes that the task waits for.
            cx.waker().wake_by_ref();
        }
        sent
    }

    /// True if the task must take no more input until the peer has read. The input of a closing
    /// connection is always taken, for the peer's close frame.
    pub fn must_wait(&self, cx: &mut Context<'_>) -> bool {
        self.pause.set(Pause::No);
        if self.outbox.is_closing() {
            return false;
        }
        if !self.is_sent() && self.write(cx).is_pending() {
            self.pause.set(Pause::Unread);
        } else if self.is_heavy() {
            self.pause.set(Pause::Heavy);
        }
        self.pause.get() != Pause::No
    }

    /// True if the peer has read everything, and the task takes its input.
    pub fn is_up_to_date(&self) -> bool {
        self.is_sent() && self.pause.get() == Pause::No
    }

    /// Writes as much as the peer takes now; the task writes the rest.
    pub fn flush(&self) {
        let waker = self.waker.borrow();
        // The task has no waker before its first turn, and flushes by itself then.
        let Some(waker) = &*waker else { return };
        self.outbox.clear_dirty();
        if self.blocked.get() {
            self.update_outbox_gauge();
        } else if let Poll::Ready(Err(_)) = self.write(&mut Context::from_waker(waker)) {
            self.broken.set(true);
        }
        if self.broken.get() || self.outbox.is_closing() {
            waker.wake_by_ref();
        }
    }

    /// Writes one frame past the outbox. False if earlier bytes wait: the frame must be queued.
    pub fn try_deliver(&self, frame: &Bytes) -> bool {
        let waker = self.waker.borrow();
        let Some(waker) = waker.as_ref().filter(|_| self.outbox.is_idle() && !self.blocked.get())
        else {
            return false;
        };
        let mut io = self.io.borrow_mut();
        let mut cx = Context::from_waker(waker);
        match Pin::new(&mut *io).poll_write(&mut cx, frame) {
            Poll::Ready(Ok(all)) if all == frame.len() => {
                let flushed = Pin::new(&mut *io).poll_flush(&mut cx);
                self.blocked.set(flushed.is_pending());
            }
            Poll::Ready(Ok(count)) => {
                drop(io);
                self.outbox.push_rest(frame, count);
                self.flush();
            }
            Poll::Pending => {
                self.blocked.set(true);
                self.outbox.push(frame.clone());
                self.update_outbox_gauge();
            }
            Poll::Ready(Err(_)) => {
                self.broken.set(true);
                waker.wake_by_ref();
            }
        }
        true
    }

    pub fn close(&self, reason: Close) {
        self.outbox.close(reason);
        self.flush();
    }

    /// Called about once a second. False if the connection is closing: then it is ended in time.
    /// `stalled`: the time limit of a peer that takes none of its waiting bytes.
    pub fn tick(&self, now: Instant, stalled: Duration) -> bool {
        if self.outbox.is_closing() {
            if self.is_overdue(now) {
                self.break_off();
            }
            return false;
        }
        let heavy = self.pause.get() == Pause::Heavy;
        if self.is_stalled(now, stalled) {
            self.close(if heavy { Close::Shed } else { Close::Stalled });
            return false;
        }
        if heavy && !self.is_heavy() {
            self.wake();
        }
        true
    }

    fn is_overdue(&self, now: Instant) -> bool {
        let since = self.close_since.get().unwrap_or(now);
        self.close_since.set(Some(since));
        now.duration_since(since) >= CLOSE_DEADLINE
    }

    /// Ends a connection that has been sent its close frame, without waiting for an answer to it.
    pub fn cut(&self) {
        if self.outbox.is_closing() && self.is_sent() {
            self.break_off();
        }
    }

    fn break_off(&self) {
        self.broken.set(true);
        self.wake();
    }

    /// True if the transport has failed, or the connection is to end at once.
    pub fn is_broken(&self) -> bool {
        self.broken.get()
    }

    fn is_sent(&self) -> bool {
        self.outbox.is_empty() && !self.blocked.get()
    }

    /// True if the peer has taken nothing for the time, or the server had no memory to read from
    /// it.
    fn is_stalled(&self, now: Instant, limit: Duration) -> bool {
        let moves = self.is_up_to_date() || self.outbox.take_progress();
        let since = self.stalled_since.get().filter(|_| !moves).unwrap_or(now);
        self.stalled_since.set(Some(since));
        now.duration_since(since) >= limit
    }

    /// Bytes of memory beyond those of an idle connection.
    pub fn weight(&self) -> usize {
        self.outbox.charged() + self.held_bytes.get() + self.authorizations.get()
    }

    fn is_heavy(&self) -> bool {
        self.weight() > self.shard.fair_share()
    }

    pub fn charge_held_bytes(&self, bytes: usize) {
        self.held_bytes.set(bytes);
    }

    pub fn charge_authorizations(&self, bytes: usize) {
        self.authorizations.set(bytes);
    }

    /// Ends our half of the transport.
    pub fn shut_down(&self, cx: &mut Context<'_>) -> Poll<()> {
        // A failure means that the peer is gone; the next read reports it as well.
        Pin::new(&mut *self.io.borrow_mut()).poll_shutdown(cx).map(|_| ())
    }

    /// Called at the end of the connection's task: counts it, and returns the reason of the close.
    pub fn finish(&self) -> Option<Close> {
        // A delivery under way may still hold the writer; without a waker it writes nothing more.
        self.waker.take();
        let gauges = self.shard.gauges();
        gauges.outbox_bytes.fetch_sub(self.waiting.take(), Ordering::Relaxed);
        let closing = self.outbox.closing();
        gauges.closed.add(closing.as_ref().map_or(CONNECTION_LOST, Close::reason));
        if closing.as_ref().is_some_and(Close::drops_what_waits) {
            gauges.slow_readers.fetch_add(1, Ordering::Relaxed);
        }
        closing
    }

    fn update_outbox_gauge(&self) {
        let waiting = self.outbox.queued_bytes();
        let before = self.waiting.replace(waiting);
        if waiting != before {
            // Two operations instead of a difference, since the gauge is unsigned.
            let gauge = &self.shard.gauges().outbox_bytes;
            gauge.fetch_add(waiting, Ordering::Relaxed);
            gauge.fetch_sub(before, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
