//! What HTTP reads from and writes to: a socket that is not asked and told what nobody needs. It
//! matters to backends that open a connection for each trigger.

use std::{
    cell::RefCell,
    future::{Ready, ready},
    io::{self, IoSlice},
    net::{IpAddr, SocketAddr},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_http::{Extensions, Protocol, error::DispatchError};
use actix_rt::net::TcpStream;
use actix_web::HttpRequest;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub struct HttpStream(Shared);

/// The socket, until it is taken over. Shared with the connection's requests, so that a handler
/// that wants to know the peer can ask: looking for everybody would take a system call for each
/// connection, several times what the sharing costs.
type Shared = Rc<RefCell<Option<TcpStream>>>;

struct Asked(Shared);

/// A connection as the HTTP service takes it. Without the peer's address: see `peer`.
type Accepted = (HttpStream, Protocol, Option<SocketAddr>);

pub fn accepted(io: TcpStream) -> Ready<Result<Accepted, DispatchError>> {
    let shared = Rc::new(RefCell::new(Some(io)));
    ready(Ok((HttpStream(shared), Protocol::Http1, None)))
}

pub fn share(stream: &HttpStream, connection: &mut Extensions) {
    connection.insert(Asked(stream.0.clone()));
}

/// Whoever is at the other end of the connection: a client, or the proxy in front of us.
pub fn peer(request: &HttpRequest) -> Option<IpAddr> {
    let address = request.peer_addr().or_else(|| {
        let Asked(socket) = request.conn_data()?;
        socket.borrow().as_ref()?.peer_addr().ok()
    });
    address.map(|address| address.ip().to_canonical())
}

impl HttpStream {
    pub fn into_inner(self) -> TcpStream {
        self.0.take().expect("it is taken over once, and is no HttpStream any longer then")
    }

    fn poll<T>(
        &self,
        poll: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match &mut *self.0.borrow_mut() {
            Some(io) => poll(Pin::new(io)),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncRead for HttpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll(|io| io.poll_read(cx, buffer))
    }
}

impl AsyncWrite for HttpStream {
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

    /// Nothing: HTTP shuts a stream down as the last thing before it drops it, and closing the
    /// socket ends the transport by itself.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
