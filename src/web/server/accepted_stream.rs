//! Connections beyond plain TCP: over Unix sockets, or with a PROXY header. They know their remote
//! address; plain TCP connections need not, and bypass this type.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use actix_rt::net::{ActixStream, Ready, TcpStream, UnixStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    client_faults::Peek,
    deadlines::HEAD_DEADLINE,
    proxy_protocol::{self, ProxyHeader, ReadError},
};
use crate::web::{
    carrier::transport::{Transport, limit_unacknowledged},
    context::worker::Worker,
    http::remote::{HasRemote, Remote},
};

pub struct AcceptedStream {
    io: Io,
    remote: Remote,
}

/// One type for both, so that the layers above are compiled once.
pub enum Io {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl From<TcpStream> for Io {
    fn from(io: TcpStream) -> Self {
        Self::Tcp(io)
    }
}

impl From<UnixStream> for Io {
    fn from(io: UnixStream) -> Self {
        Self::Unix(io)
    }
}

/// Reasons to close a connection before its first request.
#[derive(Debug, thiserror::Error)]
pub enum ProxyRejection {
    #[error("its peer is not in trusted_proxies")]
    NotTrusted,
    #[error("no whole PROXY header came in time")]
    TooSlow,
    #[error(transparent)]
    Header(#[from] ReadError),
}

impl AcceptedStream {
    pub fn local(io: UnixStream) -> Self {
        Self { io: Io::Unix(io), remote: Remote::Local }
    }

    /// Reads the PROXY header, which comes before TLS and HTTP. `rejected` is called before the
    /// connection closes, so that a peer that sees the end finds itself counted.
    pub async fn proxied(
        io: impl Into<Io>,
        worker: &Worker,
        rejected: impl FnOnce(&ProxyRejection),
    ) -> io::Result<Self> {
        let mut io = io.into();
        match io.read_proxy_header(worker).await {
            Ok(remote) => Ok(Self { io, remote }),
            Err(reason) => {
                rejected(&reason);
                Err(io::Error::other(reason))
            }
        }
    }
}

impl Io {
    fn remote(&self) -> Option<Remote> {
        match self {
            Self::Tcp(io) => io.remote(),
            Self::Unix(io) => io.remote(),
        }
    }

    async fn read_proxy_header(&mut self, worker: &Worker) -> Result<Remote, ProxyRejection> {
        let peer = match self.remote() {
            Some(Remote::Local) => None,
            Some(Remote::Address(peer)) if worker.settings().proxies.trust(peer) => Some(peer),
            _ => return Err(ProxyRejection::NotTrusted),
        };
        match actix_rt::time::timeout(HEAD_DEADLINE, proxy_protocol::read(self)).await {
            Ok(Ok(ProxyHeader::Client(address))) => Ok(Remote::Address(address)),
            Ok(Ok(ProxyHeader::Unspecified)) => Ok(Remote::Balancer(peer)),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(ProxyRejection::TooSlow),
        }
    }
}

impl HasRemote for AcceptedStream {
    fn remote(&self) -> Option<Remote> {
        Some(self.remote)
    }
}

impl Peek for AcceptedStream {
    /// Unix sockets have neither peeking nor TLS.
    fn poll_first(&self, cx: &mut Context<'_>) -> Poll<io::Result<Option<u8>>> {
        match &self.io {
            Io::Tcp(io) => io.poll_first(cx),
            Io::Unix(_) => Poll::Ready(Ok(Some(0))),
        }
    }
}

impl Transport for AcceptedStream {
    const HAS_CLOSE_NOTIFY: bool = false;

    fn begin_stream(&mut self) {
        match &self.io {
            Io::Tcp(io) => limit_unacknowledged(io),
            // The other end is a process of this machine.
            Io::Unix(_) => {}
        }
    }
}

impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(io) => Pin::new(io).poll_read(cx, buffer),
            Self::Unix(io) => Pin::new(io).poll_read(cx, buffer),
        }
    }
}

impl AsyncRead for AcceptedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl AsyncWrite for AcceptedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Tcp(io) => Pin::new(io).poll_write(cx, bytes),
            Io::Unix(io) => Pin::new(io).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Tcp(io) => Pin::new(io).poll_write_vectored(cx, slices),
            Io::Unix(io) => Pin::new(io).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Tcp(io) => Pin::new(io).poll_flush(cx),
            Io::Unix(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Tcp(io) => Pin::new(io).poll_shutdown(cx),
            Io::Unix(io) => Pin::new(io).poll_shutdown(cx),
        }
    }
}

impl ActixStream for AcceptedStream {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        match &self.io {
            Io::Tcp(io) => ActixStream::poll_read_ready(io, cx),
            Io::Unix(io) => ActixStream::poll_read_ready(io, cx),
        }
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        match &self.io {
            Io::Tcp(io) => ActixStream::poll_write_ready(io, cx),
            Io::Unix(io) => ActixStream::poll_write_ready(io, cx),
        }
    }
}
