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
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::{Bytes, BytesMut};
use link::Link;
use tokio::io::ReadBuf;

use crate::{
    domain::{ids::SocketId, rate_limit::LocalRateLimiter},
    engine::{AppRuntime, ClientFault, facts::Fact},
    hub::{
        client_names::ClientName,
        outbox::Outbox,
        rekey::reauthorization::Reauthorization,
        socket::{Peer, Socket},
        topics::Slot,
    },
    protocol::{
        code::Close,
        dialect::Dialect,
        form::{Form, websocket_pong},
        message::Message,
        websocket::{Decoder, WsMessage},
    },
    session::{Session, SessionContext},
    web::{
        carrier::{frame_writer::FrameWriter, transport::Transport},
        context::worker::Worker,
    },
};

/// The initial state of a connection.
pub struct ConnectionSetup {
    /// The HTTP response that completes the upgrade.
    pub handshake: Bytes,
    /// Bytes that the client sent directly after its request.
    pub early: BytesMut,
    pub id: SocketId,
    pub dialect: Dialect,
    pub legacy_java: bool,
    pub reauthorization: Reauthorization,
    pub client: ClientName,
    /// See `Peer`.
    pub app_closings: u32,
    pub admission: Result<Arc<AppRuntime>, Close>,
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
    frame_limiter: LocalRateLimiter,
    read_state: ReadState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ReadState {
    Listening,
    /// The peer sent its close frame; nothing follows it.
    Finished,
    /// The peer broke the framing, so the rest has no meaning, or sends too many frames. Its bytes
    /// are read and discarded until it is gone: closing a socket with unread bytes resets the
    /// connection, and the peer might lose the close frame with the reason.
    Discarding,
}

impl<T: Transport> Connection<T> {
    pub fn start(worker: Rc<Worker>, io: T, mut setup: ConnectionSetup) {
        let settings = worker.settings_snapshot();
        worker.reserve_scratch(settings.message_bytes);
        let now = Instant::now();
        let outbox = Outbox::new(Form::from(setup.dialect), settings.outbox_bytes);
        let writer = FrameWriter::new(io, outbox, worker.shard.clone());
        let link = Rc::new(Link::new(writer, settings, now));
        let id = setup.id;
        let peer = Peer {
            runtime: setup.admission.as_ref().ok().map(|runtime| runtime.rekey_policy.runtime),
            app_closings: setup.app_closings,
            legacy_java: setup.legacy_java,
            reauthorization: setup.reauthorization,
            client: worker.shard.client_name_id(std::mem::take(&mut setup.client)),
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
            frame_limiter: LocalRateLimiter::new(now),
            read_state: ReadState::Listening,
        };
        connection.open(setup, now);
        actix_rt::spawn(connection);
    }

    fn open(&mut self, setup: ConnectionSetup, now: Instant) {
        let Self { link, worker, .. } = self;
        link.outbox().push(setup.handshake);
        let admitted = setup.admission.and_then(|runtime| {
            let guard = runtime.connect().ok_or(Close::OverConnectionQuota)?;
            Ok((runtime, guard))
        });
        match admitted {
            Ok((runtime, guard)) => {
                let timeout = link.settings.activity_timeout.as_secs();
                let established = Message::connection_established(self.id, timeout);
                link.outbox().push(link.outbox().form().encode(&established));
                link.authorize_until.set(runtime.app().authorization_timeout.map(|t| now + t));
                let context = SessionContext {
                    engine: worker.engine.clone(),
                    shard: worker.shard.clone(),
                    socket: link.clone(),
                    slot: self.slot,
                    id: self.id,
                    runtime,
                };
                self.session = Some(Session::new(context, guard));
            }
            Err(reason) => {
                worker.engine.note(Fact::ConnectionRefused(self.id, &reason));
                link.outbox().close(reason);
            }
        }
        let mut early = setup.early;
        self.read_frames(&mut early);
    }

    /// Parses the frames in `bytes` and keeps the beginning of an incomplete one.
    fn read_frames(&mut self, bytes: &mut [u8]) {
        let Self { link, session, read_state, frame_limiter, .. } = self;
        let now = Instant::now();
        let frame_rate = session.as_ref().and_then(Session::frames);
        let (mut heard, mut full) = (false, false);
        let used = self.decoder.read(bytes, |message| {
            // Only complete messages count as activity: a peer that sends single bytes of an
            // unfinished message is silent.
            heard |= message != WsMessage::Fragment;
            if let WsMessage::Close(_) = message {
                *read_state = ReadState::Finished;
            }
            if frame_rate.is_some_and(|rate| frame_limiter.take(rate, now).is_err()) {
                link.outbox().close(Close::TooManyFrames);
                // Later frames are not parsed any more.
                *read_state = ReadState::Discarding;
            }
            on_message(&message, link, session.as_mut());
            full = link.outbox().has_many_answers() && !link.outbox().is_closing();
            *read_state == ReadState::Listening && !full
        });
        if heard {
            link.note_received(now);
        }
        self.unread = false;
        match used {
            Ok(used) if self.read_state == ReadState::Listening => {
                self.unread = full && used < bytes.len();
                keep_rest(&mut self.partial, &bytes[used..]);
            }
            Ok(_) => self.partial = Vec::new(),
            Err(violation) => {
                self.partial = Vec::new();
                self.read_state = ReadState::Discarding;
                self.link.outbox().close(violation);
            }
        }
        self.update_authorization_deadline();
    }

    fn update_authorization_deadline(&self) {
        let Some(session) = &self.session else { return };
        self.link.awaits_authorized_channel.set(session.awaits_authorized_channel());
        if session.is_authorized() {
            self.link.authorize_until.set(None);
        }
    }

    /// Ready with true if the peer is gone.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let worker = self.worker.clone();
        let mut scratch = worker.scratch.borrow_mut();
        for _ in 0..READS {
            if self.link.writer.must_wait(cx) {
                return Poll::Pending;
            }
            if self.unread {
                let mut unread = std::mem::take(&mut self.partial);
                self.read_frames(&mut unread);
                continue;
            }
            let kept = self.partial.len();
            scratch[..kept].copy_from_slice(&self.partial);
            let mut buffer = ReadBuf::new(&mut scratch[kept..]);
            let read = Pin::new(&mut *self.link.writer.io()).poll_read(cx, &mut buffer);
            let count = buffer.filled().len();
            match ready!(read) {
                Ok(()) if count > 0 => {}
                Ok(()) | Err(_) => return Poll::Ready(true),
            }
            if self.read_state == ReadState::Listening {
                self.read_frames(&mut scratch[..kept + count]);
            }
        }
        // More bytes may be waiting, but pending writes and other connections come first.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn handle_commands(&mut self) {
        self.link.commands.run(self.session.as_mut(), self.link.outbox());
        self.update_authorization_deadline();
    }

    fn update_held_bytes(&self) {
        let session = self.session.as_ref().map_or(0, Session::bytes);
        let begun = self.partial.capacity() + self.decoder.kept_bytes();
        self.link.writer.charge_held_bytes(begun + session);
    }

    /// The steps after everything is sent.
    fn finish(&self, gone: bool, cx: &mut Context<'_>) -> Poll<()> {
        match self.read_state {
            _ if gone && T::HAS_CLOSE_NOTIFY => {
                let _ = self.link.writer.shut_down(cx);
                Poll::Ready(())
            }
            _ if gone => Poll::Ready(()),
            ReadState::Listening => Poll::Pending,
            ReadState::Finished if T::HAS_CLOSE_NOTIFY => self.link.writer.shut_down(cx),
            ReadState::Finished => Poll::Ready(()),
            ReadState::Discarding => {
                let _ = self.link.writer.shut_down(cx);
                Poll::Pending
            }
        }
    }
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

fn on_message<T: Transport>(
    message: &WsMessage<'_>,
    link: &Link<T>,
    session: Option<&mut Session>,
) {
    match message {
        WsMessage::Close(code) => link.outbox().close(Close::ByClient(*code)),
        WsMessage::Fragment => {}
        // Messages of a closing connection are ignored.
        _ if link.outbox().is_closing() => {}
        WsMessage::Text(text) => session.into_iter().for_each(|session| session.on_text(text)),
        WsMessage::Binary => link.outbox().close(Close::BinaryFrame),
        WsMessage::Ping(payload) => link.send(websocket_pong(payload)),
        WsMessage::Pong(payload) => {
            session.into_iter().for_each(|session| session.on_pong(payload))
        }
    }
}

impl<T: Transport> Future for Connection<T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.link.writer.register(cx.waker());
        self.handle_commands();
        let gone = matches!(self.read(cx), Poll::Ready(true));
        if self.link.outbox().is_closing() {
            // A closing connection leaves its channels at once, however long the transport takes to
            // end.
            self.session = None;
        }
        self.update_held_bytes();
        match self.link.writer.write(cx) {
            _ if self.link.writer.is_broken() => Poll::Ready(()),
            Poll::Ready(Ok(())) => {
                if !self.link.commands.is_empty() {
                    cx.waker().wake_by_ref();
                }
                self.finish(gone, cx)
            }
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
        let closing = self.link.writer.finish();
        if let Some(reason) = closing.as_ref().filter(|reason| reason.drops_what_waits()) {
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
