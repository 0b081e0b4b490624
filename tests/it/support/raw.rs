//! A hand-written WebSocket, for frames that libraries refuse to send.

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{BoxedStream, TestServer, inner, within};

pub const FIN: u8 = 0x80;
pub const CONTINUATION: u8 = 0x0;
pub const TEXT: u8 = 0x1;
pub const BINARY: u8 = 0x2;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xa;

/// A received frame; `first` holds FIN, the reserved bits and the opcode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub first: u8,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn opcode(&self) -> u8 {
        self.first & 0x0f
    }

    pub fn json(&self) -> Value {
        assert_eq!(self.first, FIN | TEXT, "a whole, plain text frame: {self:?}");
        serde_json::from_slice(&self.payload).unwrap_or_else(|err| panic!("{err}: {self:?}"))
    }

    /// The code of a close frame.
    pub fn close_code(&self) -> Option<u16> {
        (self.opcode() == CLOSE)
            .then(|| self.payload.first_chunk::<2>().map_or(1005, |code| u16::from_be_bytes(*code)))
    }
}

/// The head of a client frame: first byte, announced length, and a mask of zeros if masked.
pub fn head(first: u8, length: u64, masked: bool) -> Vec<u8> {
    let mask_bit = if masked { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match length {
        0..=125 => bytes.push(mask_bit | length as u8),
        126..=0xffff => {
            bytes.push(mask_bit | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(mask_bit | 127);
            bytes.extend_from_slice(&length.to_be_bytes());
        }
    }
    bytes
}

/// A masked client frame.
pub fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = head(first, payload.len() as u64, true);
    bytes.extend_from_slice(&mask);
    bytes.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ mask[i % 4]));
    bytes
}

/// A whole masked text frame.
pub fn text(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(FIN | TEXT, payload)
}

/// An upgrade request; `headers` are complete lines, each with its CRLF.
pub fn upgrade_request(path: &str, headers: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    )
    .into_bytes()
}

/// A TCP connection for arbitrary bytes.
pub struct RawSocket {
    stream: BoxedStream,
    buffer: Vec<u8>,
    _line: super::DisconnectGuard,
}

impl RawSocket {
    pub async fn dial(server: &TestServer) -> Self {
        let (stream, line) = server.dial().await;
        Self::over(stream, line)
    }

    pub fn over(stream: BoxedStream, line: super::DisconnectGuard) -> Self {
        Self { stream, buffer: Vec::new(), _line: line }
    }

    /// Connects, upgrades at the path of the usual app and reads the handshake frame.
    pub async fn open(server: &TestServer) -> Self {
        Self::open_with_id(server).await.0
    }

    /// As [`Self::open`], and returns the socket id for signatures.
    pub async fn open_with_id(server: &TestServer) -> (Self, String) {
        let mut raw = Self::dial(server).await;
        let socket_id = raw.upgrade(server).await;
        (raw, socket_id)
    }

    /// Upgrades at the path of the usual app and reads the handshake frame; returns the socket id.
    pub async fn upgrade(&mut self, server: &TestServer) -> String {
        self.write(&upgrade_request(&server.socket_path(), "")).await;
        self.read_head().await;
        let hello = self.next_frame().await.json();
        assert_eq!(hello["event"], "pusher:connection_established", "{hello}");
        inner(&hello)["socket_id"].as_str().expect("a socket id").to_owned()
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        // The server may have closed already; tests check its earlier frames.
        let _ = within("writing", self.stream.write_all(bytes)).await;
    }

    /// Reads more bytes; false at the end of the connection.
    async fn fill(&mut self) -> bool {
        let mut chunk = [0; 16 * 1024];
        match within("reading", self.stream.read(&mut chunk)).await {
            Ok(0) | Err(_) => false,
            Ok(n) => {
                self.buffer.extend_from_slice(&chunk[..n]);
                true
            }
        }
    }

    /// The response head up to and including the empty line.
    pub async fn read_head(&mut self) -> String {
        self.try_head().await.expect("the connection ended in a response head")
    }

    /// `None` when the server closes the connection instead.
    pub async fn try_head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                let rest = self.buffer.split_off(end + 4);
                let head = std::mem::replace(&mut self.buffer, rest);
                return Some(String::from_utf8(head).expect("a head of ASCII"));
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    /// The next frame, `None` when the server has closed the connection.
    pub async fn try_frame(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.take_frame() {
                return Some(frame);
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    pub async fn next_frame(&mut self) -> Frame {
        self.try_frame().await.expect("the server closed the connection")
    }

    fn take_frame(&mut self) -> Option<Frame> {
        let (first, second) = (*self.buffer.first()?, *self.buffer.get(1)?);
        assert_eq!(second & 0x80, 0, "a server never masks");
        let (at, length) = match second & 0x7f {
            126 => (4, u64::from(u16::from_be_bytes(*self.buffer.get(2..)?.first_chunk()?))),
            127 => (10, u64::from_be_bytes(*self.buffer.get(2..)?.first_chunk()?)),
            short => (2, u64::from(short)),
        };
        let end = at + usize::try_from(length).expect("a frame that fits into memory");
        if self.buffer.len() < end {
            return None;
        }
        let rest = self.buffer.split_off(end);
        let payload = std::mem::replace(&mut self.buffer, rest).split_off(at);
        Some(Frame { first, payload })
    }

    /// Reads until a close frame and wants this code, then the end of the connection.
    pub async fn expect_close(&mut self, code: u16, input: impl std::fmt::Display) {
        let mut seen = Vec::new();
        loop {
            let Some(frame) = self.try_frame().await else {
                panic!("{input}: the connection ended without a close frame after {seen:?}");
            };
            if let Some(found) = frame.close_code() {
                assert_eq!(found, code, "{input}: {frame:?} after {seen:?}");
                break;
            }
            seen.push(String::from_utf8_lossy(&frame.payload).into_owned());
        }
        self.write(&frame(FIN | CLOSE, code.to_be_bytes())).await;
        self.expect_end(input).await;
    }

    pub async fn expect_end(&mut self, input: impl std::fmt::Display) {
        let more = self.try_frame().await;
        assert_eq!(more, None, "{input}: nothing follows a close frame");
    }

    /// Expects an orderly end: with TLS, a connection without close_notify is an error.
    pub async fn expect_close_notify(&mut self) {
        assert_eq!(self.buffer, b"", "nothing follows a close frame");
        let end = within("the end", self.stream.read(&mut [0; 16])).await;
        assert!(matches!(end, Ok(0)), "{end:?}");
    }

    /// A ping event and its answer; one error without a code may come before it.
    pub async fn expect_alive(&mut self, input: impl std::fmt::Display) {
        self.write(&text(r#"{"event":"pusher:ping","data":{}}"#)).await;
        for _ in 0..3 {
            let Some(frame) = self.try_frame().await else {
                panic!("{input}: the connection was closed")
            };
            if frame.close_code().is_some() {
                panic!("{input}: closed with {frame:?}");
            }
            let json = frame.json();
            if json["event"] == "pusher:pong" {
                return;
            }
            assert_eq!(json["event"], "pusher:error", "{input}: {json}");
            assert_eq!(json["data"]["code"], Value::Null, "{input}: {json}");
        }
        panic!("{input}: several errors for one frame");
    }
}
