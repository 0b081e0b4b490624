//! The stream under HTTP: it spares the system calls that HTTP makes in vain. Backends that open a
//! connection for each trigger profit from it.

use std::{
    cell::{Cell, RefCell},
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix_http::{Extensions, Protocol, error::DispatchError};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    http_connections::HttpConnections,
    http_intake::{Intake, MAX_HEAD_BYTES},
    http_usage::HttpUsage,
};
use crate::{
    domain::refusal::RefusalCode,
    web::{
        carrier::transport::Transport,
        context::worker::Worker,
        event_stream::{
            connection::{NotStarted, StreamConnection, StreamSetup},
            handover::{Handover, StreamCarrier},
        },
        http::{
            plain_refusal::plain_refusal,
            remote::{HasRemote, Remote, RemoteSource},
        },
    },
};

/// Bytes of a refused request that are read at a time, and how often before others have a turn.
const SCRATCH_BYTES: usize = 4096;
const SCRATCH_READS: usize = 16;

pub struct HttpStream<IO> {
    shared: Rc<SharedSocket<IO>>,
    usage: Rc<HttpUsage>,
    intake: Intake,
}

/// The socket, until it is taken over. Requests of the connection share it, so that a handler can
/// take it over for an event stream, or ask for the peer's address: looking it up for every
/// connection would cost a system call, several times the cost of sharing.
struct SharedSocket<IO> {
    io: RefCell<Option<IO>>,
    usage: Rc<HttpUsage>,
    /// The first byte of the connection.
    first: Cell<Option<u8>>,
}

impl<IO: HasRemote> HasRemote for SharedSocket<IO> {
    fn remote(&self) -> Option<Remote> {
        self.io.borrow().as_ref()?.remote()
    }

    fn is_over_tls(&self) -> bool {
        self.io.borrow().as_ref().is_some_and(IO::is_over_tls)
    }
}

impl<IO: Transport> Handover for SharedSocket<IO> {
    fn is_ready(&self) -> bool {
        !self.usage.is_blocked()
    }

    fn start(&self, worker: &Rc<Worker>, setup: StreamSetup) -> Result<(), NotStarted> {
        let Some(io) = self.io.take() else { return Err(NotStarted::Gone) };
        match StreamConnection::start(worker, io, setup) {
            Ok(()) => {
                self.usage.leave();
                Ok(())
            }
            Err((io, refusal)) => {
                self.io.replace(Some(io));
                Err(refusal)
            }
        }
    }

    fn cut(&self) {
        self.usage.leave();
        self.io.take();
    }
}

/// A connection in the form of the HTTP service. Without the peer's address: see `SharedSocket`.
pub type Accepted<IO> = (HttpStream<IO>, Protocol, Option<SocketAddr>);

pub fn accepted<IO>(
    io: IO,
    protocol: Protocol,
    connections: &HttpConnections,
) -> Result<Accepted<IO>, DispatchError> {
    let usage = connections.admit(protocol == Protocol::Http2);
    let usage = usage.ok_or(DispatchError::Io(io::ErrorKind::QuotaExceeded.into()))?;
    let io = RefCell::new(Some(io));
    let shared = Rc::new(SharedSocket { io, usage: usage.clone(), first: Cell::new(None) });
    Ok((HttpStream { shared, usage, intake: Intake::default() }, protocol, None))
}

/// The connection's usage, for request handlers.
pub struct Watched(pub Rc<HttpUsage>);

pub fn share<IO: Transport>(stream: &HttpStream<IO>, connection: &mut Extensions) {
    connection.insert(RemoteSource::OnDemand(stream.shared.clone()));
    connection.insert(Watched(stream.usage.clone()));
    connection.insert(match &stream.usage.event_streams {
        Some(streams) => StreamCarrier::Body(streams.clone()),
        None => StreamCarrier::Connection(stream.shared.clone()),
    });
}

/// The connection as the HTTP service began it, to explain a later HTTP error.
pub struct ConnectionStart<IO> {
    shared: Rc<SharedSocket<IO>>,
    usage: Rc<HttpUsage>,
}

impl<IO: HasRemote> ConnectionStart<IO> {
    pub fn first(&self) -> Option<u8> {
        self.shared.first.get()
    }

    pub fn remote(&self) -> Option<Remote> {
        self.shared.remote()
    }

    pub fn head_was_too_large(&self) -> bool {
        self.usage.is_refused()
    }
}

impl<IO> Drop for HttpStream<IO> {
    fn drop(&mut self) {
        self.usage.leave();
    }
}

impl<IO: Transport> HttpStream<IO> {
    pub fn connection_start(&self) -> ConnectionStart<IO> {
        ConnectionStart { shared: self.shared.clone(), usage: self.usage.clone() }
    }

    /// The transport, and the bytes read from it and not yet passed on. `None` if it has become an
    /// event stream.
    pub fn into_inner(mut self) -> Option<(IO, Vec<u8>)> {
        let io = self.shared.io.take()?;
        Some((io, self.intake.surplus()))
    }

    /// Once the socket is taken over, reading finds the end, and writing swallows the answer of the
    /// handler that took it: the result is `taken`.
    fn poll<T>(
        &self,
        taken: T,
        poll: impl FnOnce(Pin<&mut IO>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match &mut *self.shared.io.borrow_mut() {
            Some(io) => poll(Pin::new(io)),
            None => Poll::Ready(Ok(taken)),
        }
    }

    /// A write or a flush: behind each, as much is read as before.
    fn poll_out<T>(
        &mut self,
        cx: &mut Context<'_>,
        taken: T,
        poll: impl FnOnce(Pin<&mut IO>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        self.usage.check(cx)?;
        self.intake.next_pass();
        let written = self.poll(taken, |io| poll(io, cx));
        self.usage.wrote(cx, written.is_pending());
        written
    }

    fn poll_requests(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.intake.follow(&self.usage);
        if self.usage.is_refused() {
            return self.poll_discard(cx);
        }
        if let Some(code) = self.intake.refusal() {
            self.refuse(code, cx);
            return self.poll_discard(cx);
        }
        if self.intake.waits_for_answer(&self.usage) {
            return Poll::Pending;
        }
        match &mut *self.shared.io.borrow_mut() {
            Some(io) => self.intake.poll_read(Pin::new(io), cx, buffer),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Answers with the reason on a connection without an earlier request. After an answer given
    /// before its body was read, these bytes may still be that body.
    fn refuse(&self, code: RefusalCode, cx: &mut Context<'_>) {
        self.usage.refuse();
        if self.usage.begun() == 0 {
            let (status, message) = match code {
                RefusalCode::UriTooLong => ("414 URI Too Long", code.text().to_owned()),
                _ => (
                    "431 Request Header Fields Too Large",
                    format!("The head of the request is larger than {MAX_HEAD_BYTES} bytes"),
                ),
            };
            let answer = plain_refusal(status, "Connection: close", &message, code);
            // No other response is due, and so few bytes fit into the socket's buffer.
            let _ = self.poll(0, |io| io.poll_write(cx, answer.as_bytes()));
            let _ = self.poll((), |io| io.poll_flush(cx));
        }
    }

    /// Reads what the client still sends, since closing at once would reset the connection and the
    /// answer would be lost. See `HttpUsage::is_overdue`.
    fn poll_discard(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut scratch = [0; SCRATCH_BYTES];
        for _ in 0..SCRATCH_READS {
            let mut buffer = ReadBuf::new(&mut scratch);
            let read = ready!(self.poll((), |io| io.poll_read(cx, &mut buffer)));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<IO: Transport> AsyncRead for HttpStream<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.usage.check(cx)?;
        if this.usage.denies_reading() {
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let read = if this.usage.is_multiplexed {
            this.poll((), |io| io.poll_read(cx, buffer))
        } else {
            this.poll_requests(cx, buffer)
        };
        let new = &buffer.filled()[before..];
        this.usage.read(new.len());
        if this.shared.first.get().is_none() {
            this.shared.first.set(new.first().copied());
        }
        read
    }
}

impl<IO: Transport> AsyncWrite for HttpStream<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_out(cx, bytes.len(), |io, cx| io.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes = slices.iter().map(|slice| slice.len()).sum();
        self.get_mut().poll_out(cx, bytes, |io, cx| io.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_out(cx, (), |io, cx| io.poll_flush(cx))
    }

    /// HTTP shuts a stream down as the last thing before it drops it. Where closing the socket ends
    /// the transport by itself, there is nothing to do.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if IO::HAS_CLOSE_NOTIFY {
            return self.poll((), |io| io.poll_shutdown(cx));
        }
        Poll::Ready(Ok(()))
    }
}
