//! The client side of the live feed's WebSocket.

use std::{io, time::Duration};

use actix_codec::{Decoder, Encoder};
use actix_http::ws::{Codec, Frame, Message};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    time::timeout,
};
use zeroize::Zeroizing;

use crate::{
    cli::{
        CliResult,
        http::{self, CliResponse},
        server::{AdminEndpoint, CONNECT_DEADLINE, error_message, no_server_at},
    },
    platform::http::USER_AGENT_NAME,
};

trait FeedStream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> FeedStream for T {}

pub struct FeedClient {
    stream: Box<dyn FeedStream>,
    codec: Codec,
    read: BytesMut,
}

pub enum FeedMessage {
    Entry(String),
    End(TailEnd),
}

pub enum TailEnd {
    Lost,
    Closed { code: u16, reason: String },
}

#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The server may be there later.
    #[error("{0}")]
    Unreachable(String),
    #[error("{0}")]
    Refused(String),
}

/// Time limit of the handshake.
const DEADLINE: Duration = Duration::from_secs(30);
const HEAD_BYTES: usize = 16 * 1024;
/// Larger than any entry: an entry holds a request body as an envelope, which is a third longer.
const ENTRY_BYTES: usize = 64 * 1024 * 1024;
const SHUTTING_DOWN: &str = "shutting_down";
const SERVER_ENDS: u16 = 1001;
const NO_SUCH_PATH: u16 = 4005;

impl TailEnd {
    pub fn may_reconnect(&self) -> bool {
        matches!(self, Self::Lost | Self::Closed { code: SERVER_ENDS, .. })
    }

    pub fn sentence(&self) -> String {
        match self {
            Self::Lost => "the connection to the server is lost".into(),
            Self::Closed { code: SERVER_ENDS, .. } => "the server has ended".into(),
            Self::Closed { code: NO_SUCH_PATH, .. } => {
                "that is the public listener, and the live feed is on the operations listener (ops_listen)".into()
            }
            Self::Closed { code, reason } if reason.is_empty() => {
                format!("the server has closed the feed ({code})")
            }
            Self::Closed { code, reason } => {
                format!("the server has closed the feed ({code}): {reason}")
            }
        }
    }
}

impl FeedClient {
    pub async fn open(
        endpoint: &AdminEndpoint,
        path: &str,
    ) -> std::result::Result<Self, FeedError> {
        let (stream, request) = connect_any(endpoint, path).await?;
        let shaken = timeout(DEADLINE, handshake(stream, &request)).await;
        shaken.map_err(|_| FeedError::Unreachable("the server does not answer in time".into()))?
    }

    pub async fn next(&mut self) -> CliResult<FeedMessage> {
        loop {
            match self.codec.decode(&mut self.read)? {
                // The public listener sends other messages; its close frame gives the reason.
                Some(Frame::Text(text)) if !text.starts_with(b"{\"time\":") => {}
                Some(Frame::Text(text)) => {
                    return Ok(FeedMessage::Entry(String::from_utf8(text.into())?));
                }
                Some(Frame::Ping(payload)) => self.answer(Message::Pong(payload)).await?,
                Some(Frame::Close(reason)) => {
                    let _ = self.answer(Message::Close(None)).await;
                    let (code, reason) = reason.map_or((1005, String::new()), |reason| {
                        (reason.code.into(), reason.description.unwrap_or_default())
                    });
                    return Ok(FeedMessage::End(TailEnd::Closed { code, reason }));
                }
                Some(Frame::Pong(_) | Frame::Binary(_) | Frame::Continuation(_)) => {}
                None => match self.stream.read_buf(&mut self.read).await {
                    Ok(1..) => {}
                    Ok(0) | Err(_) => return Ok(FeedMessage::End(TailEnd::Lost)),
                },
            }
        }
    }

    async fn answer(&mut self, message: Message) -> CliResult<()> {
        let mut bytes = BytesMut::new();
        self.codec.encode(message, &mut bytes)?;
        Ok(self.stream.write_all(&bytes).await?)
    }
}

async fn connect_any(
    endpoint: &AdminEndpoint,
    path: &str,
) -> std::result::Result<(Box<dyn FeedStream>, Zeroizing<String>), FeedError> {
    match endpoint {
        AdminEndpoint::Socket(file) => {
            let stream = UnixStream::connect(file).await;
            let stream = stream.map_err(|e| FeedError::Unreachable(no_server_at(file, &e)))?;
            Ok((Box::new(stream), request(path, "localhost", None)))
        }
        AdminEndpoint::Token { addresses, prefix, token } => {
            let mut failure = String::from("the host has no address");
            for address in addresses {
                match timeout(CONNECT_DEADLINE, TcpStream::connect(address)).await {
                    Ok(Ok(stream)) => {
                        let path = format!("{prefix}{path}");
                        let request = request(&path, &address.to_string(), Some(token));
                        return Ok((Box::new(stream), request));
                    }
                    Ok(Err(error)) => failure = format!("{address} does not answer: {error}"),
                    Err(_) => failure = format!("{address} does not answer"),
                }
            }
            Err(FeedError::Unreachable(failure))
        }
    }
}

fn request(path: &str, host: &str, token: Option<&Zeroizing<String>>) -> Zeroizing<String> {
    // A new key for each request keeps proxies from answering out of a cache.
    let key = STANDARD.encode(getrandom::u64().unwrap_or_default().to_be_bytes().repeat(2));
    let token = token.map_or_else(Zeroizing::default, |token| {
        Zeroizing::new(format!("Authorization: Bearer {}\r\n", token.as_str()))
    });
    Zeroizing::new(format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {USER_AGENT_NAME}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{}\r\n",
        *token
    ))
}

async fn handshake(
    mut stream: Box<dyn FeedStream>,
    request: &str,
) -> std::result::Result<FeedClient, FeedError> {
    let lost =
        |error: io::Error| FeedError::Unreachable(format!("the server does not answer: {error}"));
    stream.write_all(request.as_bytes()).await.map_err(lost)?;
    let mut read = BytesMut::new();
    let (answer, head_bytes) = loop {
        if let Some(answer) = http::parse_partial(&read) {
            break answer;
        }
        let is_http = b"HTTP/1.1 ".starts_with(&read[..read.len().min(9)]);
        if read.len() > HEAD_BYTES || !is_http {
            return Err(FeedError::Refused(http::NOT_HTTP.into()));
        }
        if stream.read_buf(&mut read).await.map_err(lost)? == 0 {
            return Err(FeedError::Unreachable(http::NOT_HTTP.into()));
        }
    };
    match answer {
        CliResponse { status: 101, .. } => {
            let _ = read.split_to(head_bytes);
            let codec = Codec::new().client_mode().max_size(ENTRY_BYTES);
            Ok(FeedClient { stream, codec, read })
        }
        answer if answer.body.contains(SHUTTING_DOWN) => {
            Err(FeedError::Unreachable(error_message(&answer)))
        }
        answer => Err(FeedError::Refused(error_message(&answer))),
    }
}
