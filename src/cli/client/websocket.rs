//! A WebSocket client that shares no code with the server's WebSockets, for `tail`, `listen` and
//! `doctor`.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use hyper::{
    header::{
        CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
        SEC_WEBSOCKET_VERSION, UPGRADE,
    },
    upgrade::Upgraded,
};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        handshake::{client::generate_key, derive_accept_key},
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use super::{
    connect::{BoxedStream, Destination},
    error::{ClientError, innermost},
    http::{ClientRequest, MAX_RESPONSE_BYTES, open_on},
};

/// Time limit of a handshake, and of a message's way out.
const DEADLINE: Duration = Duration::from_secs(10);

pub struct WebSocketClient {
    stream: WebSocketStream<TokioIo<Upgraded>>,
    /// Of the answer to the handshake.
    pub headers: HeaderMap,
}

#[derive(Debug, PartialEq, Eq)]
pub enum WebSocketEvent {
    Text(String),
    Binary(Vec<u8>),
    /// It is answered already.
    Ping,
    Pong,
    /// The server has closed the connection. 1005 stands for a close frame without a code.
    Closed {
        code: u16,
        reason: String,
    },
    /// The connection has ended without a close frame.
    Lost,
}

impl WebSocketClient {
    /// Opens a WebSocket on this stream. `request`: a GET with headers such as `Origin`. A message
    /// of more than `max_bytes` is an error.
    pub async fn open(
        stream: BoxedStream,
        to: &Destination,
        request: ClientRequest,
        max_bytes: usize,
    ) -> Result<Self, ClientError> {
        let key = generate_key();
        let request = request
            .header(CONNECTION, HeaderValue::from_static("Upgrade"))
            .header(UPGRADE, HeaderValue::from_static("websocket"))
            .header(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))
            .header(SEC_WEBSOCKET_KEY, header_value(&key)?);
        let handshake = async {
            let answer = open_on(stream, to, request).await?;
            if answer.status() != 101 {
                let whole = answer.whole(MAX_RESPONSE_BYTES).await?;
                return Err(ClientError::NoUpgrade(Box::new(whole)));
            }
            check(answer.headers(), &key)?;
            let headers = answer.headers().clone();
            Ok((answer.upgraded().await?, headers))
        };
        let shaken = timeout(DEADLINE, handshake).await;
        let (upgraded, headers) = shaken.map_err(|_| ClientError::Deadline(DEADLINE))??;
        let bounds = WebSocketConfig::default()
            .max_message_size(Some(max_bytes))
            .max_frame_size(Some(max_bytes));
        let (io, role) = (TokioIo::new(upgraded), Role::Client);
        let stream = WebSocketStream::from_raw_socket(io, role, Some(bounds)).await;
        Ok(Self { stream, headers })
    }

    /// The next message, or the end of the connection. It may be dropped and called again.
    pub async fn next(&mut self) -> Result<WebSocketEvent, ClientError> {
        let event = match self.stream.next().await {
            Some(Ok(Message::Text(text))) => WebSocketEvent::Text(text.as_str().to_owned()),
            Some(Ok(Message::Binary(bytes))) => WebSocketEvent::Binary(bytes.to_vec()),
            Some(Ok(Message::Ping(_))) => {
                // The answer waits in the stream until it is flushed.
                let _ = self.stream.flush().await;
                WebSocketEvent::Ping
            }
            Some(Ok(Message::Pong(_) | Message::Frame(_))) => WebSocketEvent::Pong,
            Some(Ok(Message::Close(frame))) => {
                let _ = timeout(DEADLINE, self.stream.flush()).await;
                closed(frame)
            }
            Some(Err(Error::Io(_) | Error::ConnectionClosed | Error::AlreadyClosed)) | None => {
                WebSocketEvent::Lost
            }
            Some(Err(Error::Protocol(error))) if is_lost(&error) => WebSocketEvent::Lost,
            Some(Err(error)) => return Err(ClientError::Protocol(innermost(&error))),
        };
        Ok(event)
    }

    pub async fn send_text(&mut self, text: impl Into<String>) -> Result<(), ClientError> {
        self.send(Message::text(text.into())).await
    }

    /// Begins the close; `next` then gives the server's answer.
    pub async fn close(&mut self, code: u16, reason: &str) -> Result<(), ClientError> {
        let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
        self.send(Message::Close(Some(frame))).await
    }

    async fn send(&mut self, message: Message) -> Result<(), ClientError> {
        let sent = timeout(DEADLINE, self.stream.send(message)).await;
        let sent = sent.map_err(|_| ClientError::Deadline(DEADLINE))?;
        sent.map_err(|error| ClientError::Lost(innermost(&error)))
    }
}

fn closed(frame: Option<CloseFrame>) -> WebSocketEvent {
    let (code, reason) = match frame {
        Some(frame) => (frame.code.into(), frame.reason.as_str().to_owned()),
        None => (1005, String::new()),
    };
    WebSocketEvent::Closed { code, reason }
}

fn is_lost(error: &tokio_tungstenite::tungstenite::error::ProtocolError) -> bool {
    use tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;
    matches!(error, ResetWithoutClosingHandshake)
}

/// A proxy may answer 101 to anything: the key shows that a WebSocket server has read the request.
fn check(headers: &HeaderMap, key: &str) -> Result<(), ClientError> {
    let is = |name: HeaderName, wanted: &str| {
        headers
            .get(name)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(wanted.as_bytes()))
    };
    if !is(UPGRADE, "websocket") {
        return Err(ClientError::Protocol("101 without Upgrade: websocket".into()));
    }
    let accept = headers.get(SEC_WEBSOCKET_ACCEPT);
    match accept
        .is_some_and(|value| value.as_bytes() == derive_accept_key(key.as_bytes()).as_bytes())
    {
        true => Ok(()),
        false => Err(ClientError::Protocol("101 with another Sec-WebSocket-Accept".into())),
    }
}

fn header_value(text: &str) -> Result<HeaderValue, ClientError> {
    HeaderValue::from_str(text).map_err(|error| ClientError::Protocol(error.to_string()))
}
