//! Connections that fail before their first request: classification, log and response.

use std::{
    future::poll_fn,
    io::{self, ErrorKind},
    net::IpAddr,
    task::{Context, Poll, ready},
    time::Instant,
};

use actix_http::error::{DispatchError, ParseError};
use actix_rt::{net::TcpStream, time::timeout};
use actix_tls::accept::TlsError;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::deadlines::{HEAD_DEADLINE, LINGER};
use crate::{
    engine::{ClientFault, Engine},
    web::http::remote::{HasRemote, Remote, anonymize},
};

/// The type of a TLS record with a handshake message.
const TLS_HANDSHAKE: u8 = 0x16;

/// `first`: the first byte of the connection, if known.
pub fn note(
    engine: &Engine,
    error: &DispatchError,
    first: Option<u8>,
    remote: impl FnOnce() -> Option<Remote>,
) {
    let Some(fault) = fault(error, first) else { return };
    engine.client_faults.note(fault, error);
    if fault == ClientFault::TlsOnPlain {
        log_once_per_network(
            engine,
            remote(),
            "a client speaks TLS to a listener without TLS: it must use http:// and ws://, or the server needs tls_cert_file and tls_key_file",
        );
    }
}

fn fault(error: &DispatchError, first: Option<u8>) -> Option<ClientFault> {
    Some(match error {
        DispatchError::Parse(_) if first == Some(TLS_HANDSHAKE) => ClientFault::TlsOnPlain,
        DispatchError::Parse(ParseError::TooLarge) => ClientFault::HeadTooLarge,
        // A lost connection or a slow client is not worth a line.
        DispatchError::Parse(ParseError::Io(_)) | DispatchError::Io(_) => return None,
        DispatchError::SlowRequestTimeout | DispatchError::DisconnectTimeout => return None,
        DispatchError::Parse(_) => ClientFault::NotHttp,
        // Clients close without a word, or say goodbye (GOAWAY with NO_ERROR).
        DispatchError::H2(error) if error.is_io() || is_farewell(error.reason()) => return None,
        DispatchError::H2(_) => ClientFault::Http2,
        _ => ClientFault::Other,
    })
}

/// The code 0 of HTTP/2 means that nothing is wrong.
fn is_farewell(reason: Option<impl Into<u32>>) -> bool {
    reason.is_some_and(|reason| reason.into() == 0)
}

pub fn note_tls_handshake<E>(engine: &Engine, error: &TlsError<io::Error, E>) {
    match error {
        TlsError::Tls(error) => engine.client_faults.note(ClientFault::TlsHandshake, error),
        TlsError::Timeout => {
            engine.client_faults.note(ClientFault::TlsHandshake, "it took too long")
        }
        TlsError::Service(_) => {}
    }
}

/// Once per network, without the client's full address.
fn log_once_per_network(engine: &Engine, remote: Option<Remote>, sentence: &str) {
    let address = match remote {
        Some(Remote::Address(address) | Remote::Balancer(Some(address))) => address,
        Some(Remote::Local | Remote::Balancer(None)) => IpAddr::from([127, 0, 0, 1]),
        None => return,
    };
    let network = anonymize(address);
    if engine.client_faults.should_log_network(network, Instant::now()) {
        tracing::info!(client.network = %network, "{sentence}");
    }
}

/// A stream that allows to look at its first byte without consuming it.
pub trait Peek {
    /// `None` at the end of the stream.
    fn poll_first(&self, cx: &mut Context<'_>) -> Poll<io::Result<Option<u8>>>;
}

impl Peek for TcpStream {
    fn poll_first(&self, cx: &mut Context<'_>) -> Poll<io::Result<Option<u8>>> {
        let mut byte = [0];
        let count = ready!(self.poll_peek(cx, &mut ReadBuf::new(&mut byte)))?;
        Poll::Ready(Ok((count > 0).then_some(byte[0])))
    }
}

/// Passes TLS connections on. A plaintext request gets a plaintext response, since its client could
/// not read another.
pub async fn expect_tls<IO, E>(mut io: IO, engine: &Engine) -> Result<IO, TlsError<io::Error, E>>
where
    IO: AsyncRead + AsyncWrite + HasRemote + Peek + Unpin,
{
    let first = timeout(HEAD_DEADLINE, poll_fn(|cx| io.poll_first(cx)));
    let first = first.await.map_err(|_| TlsError::Timeout)?.map_err(TlsError::Tls)?;
    match first {
        // No TLS record begins with a letter, and every HTTP method does.
        Some(b'A'..=b'Z') => {
            engine.client_faults.note(ClientFault::PlainOnTls, "it begins with a letter");
            log_once_per_network(
                engine,
                io.remote(),
                "a client speaks HTTP in clear to a listener with TLS: it must use https:// and wss://",
            );
            // A failure only means that the client is gone or slow.
            let _ = timeout(LINGER, answer(&mut io)).await;
            Err(TlsError::Tls(ErrorKind::InvalidData.into()))
        }
        Some(_) => Ok(io),
        // A health check that only connects.
        None => Err(TlsError::Tls(ErrorKind::UnexpectedEof.into())),
    }
}

const NEEDS_TLS_RESPONSE: &str = "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: 76\r\n\r\n{\"error\":\"This port speaks TLS: use https:// and wss://\",\"code\":\"needs_tls\"}";

/// Reads a bounded rest of the request: closing a socket with unread bytes resets the connection,
/// and the response would be lost.
async fn answer(io: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    const MAX_READS: usize = 16;
    io.write_all(NEEDS_TLS_RESPONSE.as_bytes()).await?;
    io.shutdown().await?;
    let mut rest = [0; 4096];
    for _ in 0..MAX_READS {
        if io.read(&mut rest).await? == 0 {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_response_has_its_announced_length() {
        let (head, body) = NEEDS_TLS_RESPONSE.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{}", body.len());
        serde_json::from_str::<serde_json::Value>(body).expect("JSON");
    }

    #[test]
    fn faults_are_classified_and_lost_connections_ignored() {
        let of = |error: DispatchError, first| fault(&error, first);
        let parse = || DispatchError::Parse(ParseError::Header);
        assert_eq!(of(parse(), Some(TLS_HANDSHAKE)), Some(ClientFault::TlsOnPlain));
        assert_eq!(of(parse(), Some(b'G')), Some(ClientFault::NotHttp));
        assert_eq!(of(parse(), None), Some(ClientFault::NotHttp));
        let large = DispatchError::Parse(ParseError::TooLarge);
        assert_eq!(of(large, None), Some(ClientFault::HeadTooLarge));
        let lost = || io::Error::from(ErrorKind::ConnectionReset);
        assert_eq!(of(DispatchError::Io(lost()), None), None);
        assert_eq!(of(DispatchError::Parse(ParseError::Io(lost())), Some(b'G')), None);
        assert_eq!(of(DispatchError::InternalError, None), Some(ClientFault::Other));
    }
}
