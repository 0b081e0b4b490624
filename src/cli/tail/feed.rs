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
    auth::http::SEALCAST,
    cli::{
        Result,
        http::{self, Answer},
        server::{CONNECT_DEADLINE, Way, nobody_at, refused},
    },
};

trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

pub struct Feed {
    stream: Box<dyn Stream>,
    codec: Codec,
    read: BytesMut,
}

pub enum Said {
    Entry(String),
    End(End),
}

pub enum End {
    Lost,
    Closed { code: u16, reason: String },
}

#[derive(Debug, thiserror::Error)]
pub enum NoFeed {
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

impl End {
    pub fn may_come_back(&self) -> bool {
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

impl Feed {
    pub async fn open(way: &Way, path: &str) -> std::result::Result<Self, NoFeed> {
        let (stream, request) = reach(way, path).await?;
        let shaken = timeout(DEADLINE, shake_hands(stream, &request)).await;
        shaken.map_err(|_| NoFeed::Unreachable("the server does not answer in time".into()))?
    }

    pub async fn next(&mut self) -> Result<Said> {
        loop {
            match self.codec.decode(&mut self.read)? {
                // The public listener sends other messages; its close frame gives the reason.
                Some(Frame::Text(text)) if !text.starts_with(b"{\"time\":") => {}
                Some(Frame::Text(text)) => {
                    return Ok(Said::Entry(String::from_utf8(text.into())?));
                }
                Some(Frame::Ping(payload)) => self.answer(Message::Pong(payload)).await?,
                Some(Frame::Close(reason)) => {
                    let _ = self.answer(Message::Close(None)).await;
                    let (code, reason) = reason.map_or((1005, String::new()), |reason| {
                        (reason.code.into(), reason.description.unwrap_or_default())
                    });
                    return Ok(Said::End(End::Closed { code, reason }));
                }
                Some(Frame::Pong(_) | Frame::Binary(_) | Frame::Continuation(_)) => {}
                None => match self.stream.read_buf(&mut self.read).await {
                    Ok(1..) => {}
                    Ok(0) | Err(_) => return Ok(Said::End(End::Lost)),
                },
            }
        }
    }

    async fn answer(&mut self, message: Message) -> Result<()> {
        let mut bytes = BytesMut::new();
        self.codec.encode(message, &mut bytes)?;
        Ok(self.stream.write_all(&bytes).await?)
    }
}

async fn reach(
    way: &Way,
    path: &str,
) -> std::result::Result<(Box<dyn Stream>, Zeroizing<String>), NoFeed> {
    match way {
        Way::Socket(file) => {
            let stream = UnixStream::connect(file).await;
            let stream = stream.map_err(|e| NoFeed::Unreachable(nobody_at(file, &e)))?;
            Ok((Box::new(stream), request(path, "localhost", None)))
        }
        Way::Token { addresses, prefix, token } => {
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
            Err(NoFeed::Unreachable(failure))
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
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {SEALCAST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{}\r\n",
        *token
    ))
}

async fn shake_hands(
    mut stream: Box<dyn Stream>,
    request: &str,
) -> std::result::Result<Feed, NoFeed> {
    let lost =
        |error: io::Error| NoFeed::Unreachable(format!("the server does not answer: {error}"));
    stream.write_all(request.as_bytes()).await.map_err(lost)?;
    let mut read = BytesMut::new();
    let (answer, head_bytes) = loop {
        if let Some(answer) = http::answered(&read) {
            break answer;
        }
        let is_http = b"HTTP/1.1 ".starts_with(&read[..read.len().min(9)]);
        if read.len() > HEAD_BYTES || !is_http {
            return Err(NoFeed::Refused(http::NOT_HTTP.into()));
        }
        if stream.read_buf(&mut read).await.map_err(lost)? == 0 {
            return Err(NoFeed::Unreachable(http::NOT_HTTP.into()));
        }
    };
    match answer {
        Answer { status: 101, .. } => {
            let _ = read.split_to(head_bytes);
            let codec = Codec::new().client_mode().max_size(ENTRY_BYTES);
            Ok(Feed { stream, codec, read })
        }
        answer if answer.body.contains(SHUTTING_DOWN) => Err(NoFeed::Unreachable(refused(&answer))),
        answer => Err(NoFeed::Refused(refused(&answer))),
    }
}
