//! The stream under HTTP: it spares the system calls that HTTP makes in vain. Backends that open a
//! connection for each trigger profit from it.

use std::{
    cell::{Cell, RefCell},
    future::{Ready, ready},
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_http::{Extensions, Protocol, error::DispatchError};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    remote::{HasRemote, Known, Remote},
    transport::Transport,
};

pub struct HttpStream<IO>(Rc<Shared<IO>>);

/// The socket, until it is taken over. Requests of the connection share it, so that a handler can
/// ask for the peer's address: looking it up for every connection would cost a system call, several
/// times the cost of sharing.
struct Shared<IO> {
    io: RefCell<Option<IO>>,
    /// The first byte of the connection.
    first: Cell<Option<u8>>,
}

impl<IO: HasRemote> HasRemote for Shared<IO> {
    fn remote(&self) -> Option<Remote> {
        self.io.borrow().as_ref()?.remote()
    }
}

/// A connection in the form of the HTTP service. Without the peer's address: see `Shared`.
pub type Accepted<IO> = (HttpStream<IO>, Protocol, Option<SocketAddr>);

pub fn accepted<IO>(io: IO) -> Ready<Result<Accepted<IO>, DispatchError>> {
    let shared = Rc::new(Shared { io: RefCell::new(Some(io)), first: Cell::new(None) });
    ready(Ok((HttpStream(shared), Protocol::Http1, None)))
}

pub fn share<IO: Transport>(stream: &HttpStream<IO>, connection: &mut Extensions) {
    connection.insert(Known::Asked(stream.0.clone()));
}

/// Information about a connection for the report of an HTTP failure.
pub struct Beginning<IO>(Rc<Shared<IO>>);

impl<IO: HasRemote> Beginning<IO> {
    pub fn first(&self) -> Option<u8> {
        self.0.first.get()
    }

    pub fn remote(&self) -> Option<Remote> {
        self.0.remote()
    }
}

impl<IO: Transport> HttpStream<IO> {
    pub fn beginning(&self) -> Beginning<IO> {
        Beginning(self.0.clone())
    }

    pub fn into_inner(self) -> IO {
        self.0.io.take().expect("it is taken over once, and is no HttpStream any longer then")
    }

    fn poll<T>(
        &self,
        poll: impl FnOnce(Pin<&mut IO>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match &mut *self.0.io.borrow_mut() {
            Some(io) => poll(Pin::new(io)),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl<IO: Transport> AsyncRead for HttpStream<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = self.poll(|io| io.poll_read(cx, buffer));
        if self.0.first.get().is_none() {
            self.0.first.set(buffer.filled().get(before).copied());
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
        self.poll(|io| io.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll(|io| io.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|io| io.poll_flush(cx))
    }

    /// Does nothing: HTTP shuts a stream down directly before it drops it, and closing the socket
    /// ends the transport.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
