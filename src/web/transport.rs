//! What carries a WebSocket's bytes.

use actix_rt::net::{ActixStream, TcpStream};
use actix_tls::accept::rustls_0_23::TlsStream;
use tokio::io::{AsyncRead, AsyncWrite};

use super::remote::{HasRemote, Remote};

pub trait Transport: AsyncRead + AsyncWrite + HasRemote + Unpin + 'static {
    /// Whether the end is said in the stream itself, so that the peer can tell it from a cut.
    const SAYS_ITS_END: bool;

    /// When it is no more HTTP.
    fn taken_over(&mut self) {}
}

impl Transport for TcpStream {
    /// Closing the socket ends it; shutting it down first would end it twice.
    const SAYS_ITS_END: bool = false;
}

/// One full record, so that a large event still is as few of them as it can be. What is waiting
/// belongs into the outbox, where it is shared by all subscribers, counted, and can be dropped.
const UNSENT_BYTES: usize = 16 * 1024;

impl<IO: ActixStream + HasRemote + 'static> Transport for TlsStream<IO> {
    const SAYS_ITS_END: bool = true;

    fn taken_over(&mut self) {
        self.get_mut().1.set_buffer_limit(Some(UNSENT_BYTES));
    }
}

impl<IO: HasRemote> HasRemote for TlsStream<IO> {
    fn remote(&self) -> Option<Remote> {
        self.get_ref().0.remote()
    }
}
