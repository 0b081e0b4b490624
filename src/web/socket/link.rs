//! The shared part of a connection, used by its task and by its worker's shard: the shard writes to
//! the socket directly while it delivers.

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, Waker},
    time::Instant,
};

use bytes::Bytes;

use crate::{
    hub::{
        authorization_cache::EndReason,
        outbox::{CLOSE_DEADLINE, Outbox},
        shard::{Shard, Socket},
    },
    protocol::code::Close,
    web::{ServerSettings, transport::Transport},
};

/// The reason for not reading.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pause {
    No,
    /// The peer must read first.
    Unread,
    /// The server is short of memory, and the connection exceeds its fair share.
    Heavy,
}

pub(super) struct Link<T> {
    pub(super) io: RefCell<T>,
    pub(super) outbox: Outbox,
    pub(super) shard: Rc<Shard>,
    /// The settings at the start of the connection: the client knows some of them.
    pub(super) settings: Arc<ServerSettings>,
    /// The waker of the connection's task.
    pub(super) waker: RefCell<Option<Waker>>,
    /// This socket's part of the shard's gauge of outbox bytes.
    pub(super) waiting: Cell<usize>,
    pub(super) broken: Cell<bool>,
    /// The transport is full and will wake the task: until then deliveries need not try to write.
    pub(super) blocked: Cell<bool>,
    pub(super) pause: Cell<Pause>,
    /// Start of the time in which the peer took none of its waiting bytes.
    stalled_since: Cell<Option<Instant>>,
    /// Bytes held by the connection's task: incomplete frames, and the session.
    pub(super) held_bytes: Cell<usize>,
    /// Bytes held by the shard for the connection's authorizations.
    authorizations: Cell<usize>,
    pub(super) last_received: Cell<Instant>,
    pub(super) ping_sent: Cell<Option<Instant>>,
    close_since: Cell<Option<Instant>>,
    pub(super) authorize_until: Cell<Option<Instant>>,
    /// Channels to leave, because access to them was revoked.
    pub(super) revoked: RefCell<Vec<(Arc<str>, EndReason)>>,
}

impl<T: Transport> Link<T> {
    pub(super) fn new(
        io: T,
        outbox: Outbox,
        worker: (Rc<Shard>, Arc<ServerSettings>),
        now: Instant,
    ) -> Self {
        let (shard, settings) = worker;
        Self {
            io: RefCell::new(io),
            outbox,
            shard,
            settings,
            waker: RefCell::new(None),
            waiting: Cell::new(0),
            broken: Cell::new(false),
            blocked: Cell::new(false),
            pause: Cell::new(Pause::No),
            stalled_since: Cell::new(None),
            held_bytes: Cell::new(0),
            authorizations: Cell::new(0),
            last_received: Cell::new(now),
            ping_sent: Cell::new(None),
            close_since: Cell::new(None),
            authorize_until: Cell::new(None),
            revoked: RefCell::default(),
        }
    }

    pub(super) fn write(&self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
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

    /// True if reading must wait for the peer to read first. A closing connection is always read,
    /// for the peer's close frame.
    pub(super) fn must_wait(&self, cx: &mut Context<'_>) -> bool {
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

    fn is_sent(&self) -> bool {
        self.outbox.is_empty() && !self.blocked.get()
    }

    fn is_heavy(&self) -> bool {
        self.weight() > self.shard.fair_share()
    }

    /// True if the peer has taken nothing for the configured time, or the server had no memory to
    /// read from it.
    fn is_stalled(&self, now: Instant) -> bool {
        let moves = self.is_sent() && self.pause.get() == Pause::No || self.outbox.take_progress();
        let since = self.stalled_since.get().filter(|_| !moves).unwrap_or(now);
        self.stalled_since.set(Some(since));
        now.duration_since(since) >= self.settings.stalled
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

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    fn close(&self, reason: Close) {
        self.outbox.close(reason);
        self.flush();
    }

    fn is_overdue(&self, now: Instant) -> bool {
        let since = self.close_since.get().unwrap_or(now);
        self.close_since.set(Some(since));
        now.duration_since(since) >= CLOSE_DEADLINE
    }
}

impl<T: Transport> Socket for Link<T> {
    fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    fn flush(&self) {
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

    fn deliver(&self, frame: &Bytes) {
        let waker = self.waker.borrow();
        let Some(waker) = waker.as_ref().filter(|_| self.outbox.is_idle() && !self.blocked.get())
        else {
            self.send(frame.clone());
            return self.flush();
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
    }

    fn tick(&self, now: Instant) {
        if self.outbox.is_closing() {
            if self.is_overdue(now) {
                self.broken.set(true);
                self.wake();
            }
            return;
        }
        if self.is_stalled(now) {
            let heavy = self.pause.get() == Pause::Heavy;
            return self.close(if heavy { Close::Shed } else { Close::Stalled });
        }
        if self.authorize_until.get().is_some_and(|deadline| now >= deadline) {
            return self.close(Close::NotAuthorizedInTime);
        }
        if self.pause.get() == Pause::Heavy && !self.is_heavy() {
            self.wake();
        }
        if !self.is_sent() || self.pause.get() != Pause::No {
            // The connection is not read from, so a pong may be waiting: the timeout starts when
            // reading does.
            self.ping_sent.set(self.ping_sent.get().map(|_| now));
            return;
        }
        match self.ping_sent.get() {
            Some(sent) if now.duration_since(sent) >= self.settings.pong_timeout => {
                self.close(Close::PongNotReceived);
            }
            Some(_) => {}
            None if now.duration_since(self.last_received.get())
                >= self.settings.activity_timeout =>
            {
                self.outbox.push(self.outbox.form().ping());
                self.ping_sent.set(Some(now));
                self.flush();
            }
            None => {}
        }
    }

    fn weight(&self) -> usize {
        self.outbox.charged() + self.held_bytes.get() + self.authorizations.get()
    }

    fn charge_authorizations(&self, bytes: usize) {
        self.authorizations.set(bytes);
    }

    fn cut(&self) {
        if self.outbox.is_closing() && self.is_sent() {
            self.broken.set(true);
            self.wake();
        }
    }

    fn revoke(&self, channel: Arc<str>, why: EndReason) {
        self.revoked.borrow_mut().push((channel, why));
        self.wake();
    }
}
