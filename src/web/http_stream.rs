//! What HTTP reads from and writes to: a socket that is not asked and told what nobody needs. It
//! matters to backends that open a connection for each trigger.

use std::{
    future::{Ready, ready},
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use actix_http::{Protocol, error::DispatchError};
use actix_rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub struct HttpStream(TcpStream);

/// A connection as the HTTP service takes it. Without the peer's address: no handler looks at it.
type Accepted = (HttpStream, Protocol, Option<SocketAddr>);

pub fn accepted(io: TcpStream) -> Ready<Result<Accepted, DispatchError>> {
    ready(Ok((HttpStream(io), Protocol::Http1, None)))
}

impl HttpStream {
    pub fn into_inner(self) -> TcpStream {
        self.0
    }
}

impl AsyncRead for HttpStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for HttpStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    /// Nothing: HTTP shuts a stream down as the last thing before it drops it, and closing the
    /// socket ends the transport by itself.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
