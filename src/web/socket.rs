//! A WebSocket connection after its handshake: reads frames for the session, writes its outbox,
//! keeps its deadlines.
//!
//! It has two parts. The `Link` is shared with the worker's shard, which writes to the socket
//! directly while it delivers. The `Connection` is the task that reads; it is woken when a full
//! socket takes bytes again.

mod link;

use std::{
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::{Bytes, BytesMut};
use link::Link;
use tokio::io::ReadBuf;

use super::{transport::Transport, worker::Worker};
use crate::{
    engine::{ClientFault, Tenant},
    hub::{
        LOST,
        outbox::Outbox,
        reauthorization::Reauthorization,
        shard::{Peer, Socket},
        topics::Slot,
    },
    ids::SocketId,
    live::{Entry, Type, What},
    meter::Pace,
    protocol::{
        code::Close,
        dialect::Dialect,
        server::answer,
        websocket::{Decoder, Message},
    },
    session::{Session, SessionContext},
};

/// The initial state of a connection.
pub struct Opening {
    /// The HTTP response that completes the upgrade.
    pub handshake: Bytes,
    /// Bytes that the client sent directly after its request.
    pub early: BytesMut,
    pub id: SocketId,
    pub dialect: Dialect,
    pub legacy_java: bool,
    pub reauthorization: Reauthorization,
    /// See `Peer`.
    pub dismissals: u32,
    pub admission: Result<Arc<Tenant>, Close>,
}

/// Reads before other connections get their turn.
const READS: usize = 4;

/// The task of one connection.
pub struct Connection<T: Transport> {
    link: Rc<Link<T>>,
    worker: Rc<Worker>,
    slot: Slot,
    id: SocketId,
    /// `None` if the connection was refused.
    session: Option<Session>,
    decoder: Decoder,
    /// The beginning of an incomplete frame; preceded by complete frames if `unread`.
    partial: Vec<u8>,
    /// Received frames are not parsed until the peer has read its responses.
    unread: bool,
    /// Limits the rate of frames from the client.
    pace: Pace,
    hearing: Hearing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Hearing {
    Listening,
    /// The peer sent its close frame; nothing follows it.
    Finished,
    /// The peer broke the framing, so the rest has no meaning, or sends too many frames. Its bytes
    /// are read and discarded until it is gone: closing a socket with unread bytes resets the
    /// connection, and the peer might lose the close frame with the reason.
    Discarding,
}

impl<T: Transport> Connection<T> {
    pub fn start(worker: Rc<Worker>, io: T, opening: Opening) {
        let settings = worker.settings_kept();
        worker.make_room(settings.message_bytes);
        let now = Instant::now();
        let outbox = Outbox::new(opening.dialect, settings.outbox_bytes);
        let link = Rc::new(Link::new(io, outbox, (worker.shard.clone(), settings), now));
        let id = opening.id;
        let peer = Peer {
            tenant: opening.admission.as_ref().ok().map(|tenant| tenant.terms.tenant),
            dismissals: opening.dismissals,
            legacy_java: opening.legacy_java,
            reauthorization: opening.reauthorization,
        };
        let slot = worker.shard.add(id, peer, link.clone());
        let decoder = Decoder::new(link.settings.message_bytes);
        let mut connection = Self {
            link,
            worker,
            slot,
            id,
            session: None,
            decoder,
            partial: Vec::new(),
            unread: false,
            pace: Pace::new(now),
            hearing: Hearing::Listening,
        };
        connection.open(opening, now);
        actix_rt::spawn(connection);
    }

    fn open(&mut self, opening: Opening, now: Instant) {
        let Self { link, worker, .. } = self;
        link.outbox.push(opening.handshake);
        let admitted = opening.admission.and_then(|tenant| {
            let guard = tenant.connect().ok_or(Close::OverConnectionQuota)?;
            Ok((tenant, guard))
        });
        match admitted {
            Ok((tenant, guard)) => {
                let timeout = link.settings.activity_timeout.as_secs();
                link.outbox.push(answer::connection_established(opening.dialect, self.id, timeout));
                link.authorize_until.set(tenant.app().authorization_timeout.map(|t| now + t));
                let context = SessionContext {
                    engine: worker.engine.clone(),
                    shard: worker.shard.clone(),
                    socket: link.clone(),
                    slot: self.slot,
                    id: self.id,
                    tenant,
                };
                self.session = Some(Session::new(context, guard));
            }
            Err(reason) => {
                worker.engine.live.note(|| refused(self.id, &reason));
                link.outbox.close(reason);
            }
        }
        let mut early = opening.early;
        self.take_in(&mut early);
    }

    /// Parses the frames in `bytes` and keeps the beginning of an incomplete one.
    fn take_in(&mut self, bytes: &mut [u8]) {
        let Self { link, session, hearing, pace, .. } = self;
        let now = Instant::now();
        let steps = session.as_ref().and_then(Session::frames);
        let (mut heard, mut full) = (false, false);
        let used = self.decoder.read(bytes, |message| {
            // Only complete messages count as activity: a peer that sends single bytes of an
            // unfinished message is silent.
            heard |= message != Message::Fragment;
            if let Message::Close(_) = message {
                *hearing = Hearing::Finished;
            }
            if steps.is_some_and(|steps| !pace.take(steps, now)) {
                link.outbox.close(Close::TooManyFrames);
                // Later frames are not parsed any more.
                *hearing = Hearing::Discarding;
            }
            on_message(&message, link, session.as_mut());
            full = link.outbox.has_many_answers() && !link.outbox.is_closing();
            *hearing == Hearing::Listening && !full
        });
        if heard {
            link.heard.set(now);
            link.ping_sent.set(None);
        }
        self.unread = false;
        match used {
            Ok(used) if self.hearing == Hearing::Listening => {
                self.unread = full && used < bytes.len();
                keep_rest(&mut self.partial, &bytes[used..]);
            }
            Ok(_) => self.partial = Vec::new(),
            Err(violation) => {
                self.partial = Vec::new();
                self.hearing = Hearing::Discarding;
                self.link.outbox.close(violation);
            }
        }
        if self.session.as_ref().is_some_and(Session::is_authorized) {
            self.link.authorize_until.set(None);
        }
    }

    /// Ready with true if the peer is gone.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let worker = self.worker.clone();
        let mut scratch = worker.scratch.borrow_mut();
        for _ in 0..READS {
            if self.link.waits(cx) {
                return Poll::Pending;
            }
            if self.unread {
                let mut unread = std::mem::take(&mut self.partial);
                self.take_in(&mut unread);
                continue;
            }
            let kept = self.partial.len();
            scratch[..kept].copy_from_slice(&self.partial);
            let mut buffer = ReadBuf::new(&mut scratch[kept..]);
            let read = Pin::new(&mut *self.link.io.borrow_mut()).poll_read(cx, &mut buffer);
            let count = buffer.filled().len();
            match ready!(read) {
                Ok(()) if count > 0 => {}
                Ok(()) | Err(_) => return Poll::Ready(true),
            }
            if self.hearing == Hearing::Listening {
                self.take_in(&mut scratch[..kept + count]);
            }
        }
        // More bytes may be waiting, but pending writes and other connections come first.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn note_held(&self) {
        let session = self.session.as_ref().map_or(0, Session::bytes);
        let begun = self.partial.capacity() + self.decoder.kept_bytes();
        self.link.held.set(begun + session);
    }

    /// The steps after everything is sent.
    fn finish(&self, gone: bool, cx: &mut Context<'_>) -> Poll<()> {
        match self.hearing {
            _ if gone && T::SAYS_ITS_END => {
                let _ = self.shut_down(cx);
                Poll::Ready(())
            }
            _ if gone => Poll::Ready(()),
            Hearing::Listening => Poll::Pending,
            Hearing::Finished if T::SAYS_ITS_END => self.shut_down(cx),
            Hearing::Finished => Poll::Ready(()),
            Hearing::Discarding => {
                let _ = self.shut_down(cx);
                Poll::Pending
            }
        }
    }

    /// Ends our half of the transport.
    fn shut_down(&self, cx: &mut Context<'_>) -> Poll<()> {
        // A failure means that the peer is gone; the next read reports it as well.
        Pin::new(&mut *self.link.io.borrow_mut()).poll_shutdown(cx).map(|_| ())
    }
}

fn refused(id: SocketId, reason: &Close) -> Entry<'static> {
    let what = What::Closed { code: reason.code(), reason: reason.public_message() };
    Entry { socket_id: Some(id), what, ..Entry::new(Type::ConnectionRefused) }
}

/// An idle connection holds no read buffer.
fn keep_rest(partial: &mut Vec<u8>, rest: &[u8]) {
    if rest.is_empty() {
        *partial = Vec::new();
    } else {
        partial.clear();
        partial.extend_from_slice(rest);
    }
}

fn on_message<T: Transport>(message: &Message<'_>, link: &Link<T>, session: Option<&mut Session>) {
    match message {
        Message::Close(code) => link.outbox.close(Close::ByClient(*code)),
        Message::Fragment => {}
        // Messages of a closing connection are ignored.
        _ if link.outbox.is_closing() => {}
        Message::Text(text) => session.into_iter().for_each(|session| session.on_text(text)),
        Message::Binary => link.outbox.close(Close::BinaryFrame),
        Message::Ping(payload) => link.send(answer::websocket_pong(payload)),
        Message::Pong(payload) => session.into_iter().for_each(|session| session.on_pong(payload)),
    }
}

impl<T: Transport> Future for Connection<T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let same =
            self.link.waker.borrow().as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        if !same {
            *self.link.waker.borrow_mut() = Some(cx.waker().clone());
        }
        let revoked = std::mem::take(&mut *self.link.revoked.borrow_mut());
        if let Some(session) = &mut self.session {
            revoked.iter().for_each(|(channel, why)| session.revoke(channel, *why));
        }
        let gone = matches!(self.read(cx), Poll::Ready(true));
        if self.link.outbox.is_closing() {
            // A closing connection leaves its channels at once, however long the transport takes to
            // end.
            self.session = None;
        }
        self.note_held();
        match self.link.write(cx) {
            _ if self.link.broken.get() => Poll::Ready(()),
            Poll::Ready(Ok(())) => self.finish(gone, cx),
            Poll::Pending if !gone => Poll::Pending,
            _ => Poll::Ready(()),
        }
    }
}

impl<T: Transport> Drop for Connection<T> {
    fn drop(&mut self) {
        // The session first: it leaves its channels while it still owns the slot.
        self.session = None;
        self.worker.shard.remove(self.slot);
        // A delivery under way may still hold the link; without a waker it writes nothing more.
        self.link.waker.take();
        self.link.shard.gauges().outbox_bytes.fetch_sub(self.link.waiting.get(), Ordering::Relaxed);
        self.link.waiting.set(0);
        let closing = self.link.outbox.closing();
        let reason = closing.as_ref().map_or(LOST, Close::reason);
        self.link.shard.gauges().closed.add(reason);
        if let Some(reason) = closing.as_ref().filter(|reason| reason.drops_what_waits()) {
            self.link.shard.gauges().slow_readers.fetch_add(1, Ordering::Relaxed);
            self.worker.engine.client_faults.note(ClientFault::SlowReader, reason.message());
        }
        match closing {
            Some(reason) => {
                tracing::debug!(socket.id = %self.id, close.code = reason.code(), close.reason = reason.public_message(), "connection closed");
            }
            None => tracing::debug!(socket.id = %self.id, "connection lost"),
        }
    }
}

#[cfg(test)]
mod tests;
