//! Transports of a WebSocket's bytes.

use actix_rt::net::{ActixStream, TcpStream};
use actix_tls::accept::rustls_0_23::TlsStream;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::web::http::remote::{HasRemote, Remote};

pub trait Transport: AsyncRead + AsyncWrite + HasRemote + Unpin + 'static {
    /// True if the stream itself marks its end, so that the peer can tell it from a cut.
    const HAS_CLOSE_NOTIFY: bool;

    /// Called at the change from HTTP to WebSocket.
    fn begin_websocket(&mut self) {}
}

impl Transport for TcpStream {
    /// Closing the socket ends the stream; a shutdown before would be one more system call.
    const HAS_CLOSE_NOTIFY: bool = false;
}

/// One full TLS record, so that a large event takes as few of them as possible. Waiting bytes
/// belong into the outbox, where all subscribers share them, and where they are counted and can be
/// dropped.
const UNSENT_BYTES: usize = 16 * 1024;

impl<IO: ActixStream + HasRemote + 'static> Transport for TlsStream<IO> {
    const HAS_CLOSE_NOTIFY: bool = true;

    fn begin_websocket(&mut self) {
        self.get_mut().1.set_buffer_limit(Some(UNSENT_BYTES));
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
