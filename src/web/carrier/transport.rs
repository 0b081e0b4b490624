//! Transports of the bytes of WebSockets and event streams.

use std::time::Duration;

use actix_rt::net::{ActixStream, TcpStream};
use actix_tls::accept::rustls_0_23::TlsStream;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::web::http::remote::{HasRemote, Remote};

pub trait Transport: AsyncRead + AsyncWrite + HasRemote + Unpin + 'static {
    /// True if the stream itself marks its end, so that the peer can tell it from a cut.
    const HAS_CLOSE_NOTIFY: bool;

    /// Called at the change from HTTP to WebSocket.
    fn begin_websocket(&mut self) {}

    /// Called at the change from HTTP to an event stream, whose client answers no ping.
    fn begin_stream(&mut self) {}
}

impl Transport for TcpStream {
    /// Closing the socket ends the stream; a shutdown before would be one more system call.
    const HAS_CLOSE_NOTIFY: bool = false;

    fn begin_stream(&mut self) {
        limit_unacknowledged(self);
    }
}

/// The time after which TCP gives up on a peer that acknowledges nothing: two comments of a stream.
const UNACKNOWLEDGED: Duration = Duration::from_secs(40);

pub fn limit_unacknowledged(socket: &TcpStream) {
    // Without it, the end of a dead connection is found by TCP's own, longer time limit.
    let _ = SockRef::from(socket).set_tcp_user_timeout(Some(UNACKNOWLEDGED));
}

/// One full TLS record, so that a large event takes as few of them as possible. Waiting bytes
/// belong into the outbox, where all subscribers share them, and where they are counted and can be
/// dropped.
const UNSENT_BYTES: usize = 16 * 1024;

impl<IO: ActixStream + Transport> Transport for TlsStream<IO> {
    const HAS_CLOSE_NOTIFY: bool = true;

    fn begin_websocket(&mut self) {
        self.get_mut().1.set_buffer_limit(Some(UNSENT_BYTES));
    }

    fn begin_stream(&mut self) {
        let (io, session) = self.get_mut();
        session.set_buffer_limit(Some(UNSENT_BYTES));
        io.begin_stream();
    }
}

impl<IO: HasRemote> HasRemote for TlsStream<IO> {
    fn remote(&self) -> Option<Remote> {
        self.get_ref().0.remote()
    }

    fn is_over_tls(&self) -> bool {
        true
    }
}
