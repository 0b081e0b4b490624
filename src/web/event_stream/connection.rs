//! An event stream after its request: writes its outbox, discards what the client sends, and sees
//! its end.

use std::{
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::io::ReadBuf;

use super::link::StreamLink;
use crate::{
    auth::tickets::{Started, TicketStream},
    domain::ids::SocketId,
    engine::{AppRuntime, ClientFault, ConnectionGuard},
    hub::{
        client_names::ClientNameId,
        outbox::Outbox,
        rekey::reauthorization::Reauthorization,
        socket::{Peer, Socket},
        topics::Slot,
    },
    protocol::form::Form,
    session::{
        Session, SessionContext,
        stream_positions::StreamPositions,
        streams::{RefusedChannel, StreamRequest},
    },
    web::{
        carrier::{frame_writer::FrameWriter, transport::Transport},
        context::worker::Worker,
    },
};

/// The initial state of a stream.
pub struct StreamSetup {
    /// Over HTTP/1.1 the head of the response; empty over HTTP/2.
    pub head: Bytes,
    pub id: SocketId,
    /// See `Peer`.
    pub app_closings: u32,
    pub runtime: Arc<AppRuntime>,
    pub guard: ConnectionGuard,
    pub request: StreamRequest,
    pub ticket: Option<TicketStream>,
}

/// The reason for which no stream was started.
pub enum NotStarted {
    /// The connection has been taken over, or is gone.
    Gone,
    /// A later request with the same ticket has opened its stream already.
    Superseded,
    /// HTTP/2: the connection carries as many streams as it may.
    TooManyOnConnection,
    Channel(RefusedChannel),
}

/// Ends the former stream of the ticket, after this one has joined: otherwise its members would leave
/// and return, or count twice until TCP gives up on a dead connection.
fn replace(
    positions: &StreamPositions,
    worker: &Worker,
    runtime: &AppRuntime,
    id: SocketId,
) -> Result<(), NotStarted> {
    let Some(ticket) = positions.ticket() else { return Ok(()) };
    match ticket.started(id) {
        Some(Started::Newest { former }) => {
            let engine = &worker.engine;
            former.into_iter().for_each(|socket| engine.replace_stream(runtime, socket));
            Ok(())
        }
        Some(Started::Superseded) => Err(NotStarted::Superseded),
        None => Ok(()),
    }
}

/// Reads before other connections get their turn, and the size of each.
const READS: usize = 4;
const READ_BYTES: usize = 512;

/// The task of one stream.
pub struct StreamConnection<T: Transport> {
    link: Rc<StreamLink<T>>,
    worker: Rc<Worker>,
    slot: Slot,
    id: SocketId,
    /// `None` once the stream is closing.
    session: Option<Session>,
}

impl<T: Transport> StreamConnection<T> {
    /// Joins all channels, or none: then the transport is given back unused.
    pub fn start(worker: &Rc<Worker>, io: T, setup: StreamSetup) -> Result<(), (T, NotStarted)> {
        let StreamSetup { head, id, app_closings, runtime, guard, request, ticket } = setup;
        let settings = worker.settings_snapshot();
        let outbox = Outbox::new(Form::Stream, settings.outbox_bytes);
        if !head.is_empty() {
            outbox.push(head);
        }
        let writer = FrameWriter::new(io, outbox, worker.shard.clone());
        let (engine, shard) = (worker.engine.clone(), worker.shard.clone());
        let positions = StreamPositions::new(engine.clone(), runtime.clone(), ticket);
        let positions = Rc::new(positions);
        let link = Rc::new(StreamLink::new(writer, settings, positions.clone()));
        let peer = Peer {
            runtime: Some(runtime.rekey_policy.runtime),
            app_closings,
            legacy_java: false,
            reauthorization: Reauthorization::Once,
            client: ClientNameId::NONE,
        };
        let slot = worker.shard.add(id, peer, link.clone());
        let socket = link.clone();
        let context = SessionContext { engine, shard, socket, slot, id, runtime: runtime.clone() };
        let mut session = Session::new(context, guard);
        let opened = session.open_stream(request, positions.clone());
        let started = opened
            .map_err(NotStarted::Channel)
            .and_then(|()| replace(&positions, worker, &runtime, id));
        if let Err(reason) = started {
            drop(session);
            worker.shard.remove(slot);
            let link = Rc::into_inner(link).expect("the session and the shard have let go of it");
            return Err((link.into_io(), reason));
        }
        link.writer.io().begin_stream();
        worker.shard.gauges().event_stream_opened();
        let session = Some(session);
        actix_rt::spawn(Self { link, worker: worker.clone(), slot, id, session });
        Ok(())
    }

    /// Ready at the client's end. A stream has nothing to read.
    fn discard(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut bytes = [0; READ_BYTES];
        for _ in 0..READS {
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut *self.link.writer.io()).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<T: Transport> Future for StreamConnection<T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { link, session, .. } = &mut *self;
        link.writer.register(cx.waker());
        link.commands.run(session.as_mut(), link.outbox());
        if link.outbox().is_closing() {
            // A closing stream leaves its channels at once.
            *session = None;
        }
        link.writer.charge_held_bytes(session.as_ref().map_or(0, Session::bytes));
        let written = link.writer.write(cx);
        if self.discard(cx).is_ready() || self.link.writer.is_broken() {
            return Poll::Ready(());
        }
        match written {
            Poll::Ready(Err(_)) => Poll::Ready(()),
            // The client ends its half next, or `FrameWriter::tick` ends the stream: closing a
            // socket with unread bytes could lose the last event.
            Poll::Ready(Ok(())) if self.link.outbox().is_closing() => {
                let _ = self.link.writer.shut_down(cx);
                Poll::Pending
            }
            Poll::Ready(Ok(())) => {
                if !self.link.commands.is_empty() {
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T: Transport> Drop for StreamConnection<T> {
    fn drop(&mut self) {
        // The session first: it leaves its channels while it still owns the slot.
        self.session = None;
        self.worker.shard.remove(self.slot);
        self.worker.shard.gauges().event_stream_closed();
        let closing = self.link.writer.finish();
        if let Some(reason) = closing.as_ref().filter(|reason| reason.drops_what_waits()) {
            self.worker.engine.client_faults.note(ClientFault::SlowReader, reason.message());
        }
        let reason = closing.map_or_else(|| "lost".to_owned(), |reason| reason.public_message());
        tracing::debug!(socket.id = %self.id, close.reason = reason, "event stream closed");
    }
}
