//! A client of event streams: it reads blocks of lines, as a browser does.

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{APP, BoxedStream, DisconnectGuard, TestServer, inner, percent, within};

/// One block of a stream, without comments.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    pub event: Option<String>,
    pub data: Option<Value>,
    pub id: Option<String>,
    pub retry: Option<u64>,
}

pub struct EventStream {
    stream: BoxedStream,
    buffer: Vec<u8>,
    _line: DisconnectGuard,
    /// The status line and the headers, in lower case.
    pub head: String,
    pub socket_id: String,
    pub last_id: Option<String>,
    pub retry: Option<u64>,
    /// Comments read so far.
    pub comments: usize,
}

/// The target of a stream of [`APP`] on these channels.
pub fn stream_target(server: &TestServer, channels: &[&str]) -> String {
    let query: Vec<_> = channels.iter().map(|name| format!("channel={}", percent(name))).collect();
    format!("{}/app/{}/sse?{}", server.prefix, APP.key, query.join("&"))
}

impl EventStream {
    /// Opens a stream and reads its handshake.
    pub async fn open(server: &TestServer, channels: &[&str]) -> Self {
        Self::open_with(server, &stream_target(server, channels), "").await
    }

    pub async fn open_with(server: &TestServer, target: &str, headers: &str) -> Self {
        let mut stream = Self::dial(server, target, headers).await;
        stream.shake_hands().await;
        stream
    }

    /// Sends the request. `headers`: whole lines, each with its CRLF.
    pub async fn dial(server: &TestServer, target: &str, headers: &str) -> Self {
        let (stream, line) = server.dial().await;
        let mut stream = Self::over(stream, line);
        stream.write(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")).await;
        stream
    }

    pub fn over(stream: BoxedStream, line: DisconnectGuard) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            _line: line,
            head: String::new(),
            socket_id: String::new(),
            last_id: None,
            retry: None,
            comments: 0,
        }
    }

    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = within("writing", self.stream.write_all(bytes.as_ref())).await;
    }

    pub async fn shake_hands(&mut self) {
        self.read_head().await;
        assert!(self.head.starts_with("http/1.1 200 "), "{}", self.head);
        let block = self.next_block().await.expect("a handshake");
        let frame = block.data.expect("a handshake");
        assert_eq!(frame["event"], "pusher:connection_established", "{frame}");
        self.socket_id = inner(&frame)["socket_id"].as_str().expect("a socket id").to_owned();
    }

    async fn fill(&mut self) -> bool {
        let mut chunk = [0; 16 * 1024];
        match within("reading a stream", self.stream.read(&mut chunk)).await {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.buffer.extend_from_slice(&chunk[..count]);
                true
            }
        }
    }

    async fn until(&mut self, end: &[u8]) -> Option<String> {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|window| window == end) {
                let rest = self.buffer.split_off(at + end.len());
                let text = std::mem::replace(&mut self.buffer, rest);
                return Some(String::from_utf8(text).expect("text"));
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    pub async fn read_head(&mut self) {
        self.head = self.try_head().await.expect("the connection ended in a response head");
    }

    /// `None` if the connection ends first.
    pub async fn try_head(&mut self) -> Option<String> {
        self.until(b"\r\n\r\n").await.map(|head| head.to_ascii_lowercase())
    }

    /// Reads up to and including `end`, for a client that is cut there.
    pub async fn read_until(&mut self, end: &str) -> String {
        let text = self.until(end.as_bytes()).await;
        text.unwrap_or_else(|| panic!("the connection ended before {end:?}"))
    }

    /// The next block that is no comment; `None` at the end. What is incomplete is dropped.
    pub async fn next_block(&mut self) -> Option<Block> {
        loop {
            let text = self.until(b"\n\n").await?;
            let mut block = Block::default();
            for line in text.lines().filter(|line| !line.is_empty()) {
                match line.split_once(": ") {
                    Some(("data", data)) => {
                        assert_eq!(block.data, None, "one line of data: {text}");
                        block.data = Some(serde_json::from_str(data).expect("JSON"));
                    }
                    Some(("id", id)) => block.id = Some(id.to_owned()),
                    Some(("retry", retry)) => block.retry = Some(retry.parse().expect("a number")),
                    Some(("event", event)) => block.event = Some(event.to_owned()),
                    _ => {
                        assert_eq!(line, ":", "a comment: {text}");
                        self.comments += 1;
                    }
                }
            }
            assert_eq!(block.event, None, "a type would call the browser's own handlers: {text}");
            self.retry = block.retry.or(self.retry);
            if block.data.is_some() {
                self.last_id = block.id.clone().or_else(|| self.last_id.take());
                return Some(block);
            }
        }
    }

    pub async fn next(&mut self) -> Value {
        let block = self.next_block().await.expect("the stream ended");
        block.data.expect("a block with data")
    }

    pub async fn expect_subscribed(&mut self, channel: &str) -> Value {
        let frame = self.next().await;
        assert_eq!(frame["event"], "pusher_internal:subscription_succeeded", "{frame}");
        assert_eq!(frame["channel"], channel, "{frame}");
        inner(&frame)
    }

    /// Expects an event with this text.
    pub async fn expect_event(&mut self, channel: &str, data: &str) {
        let frame = self.next().await;
        assert_eq!((&frame["channel"], &frame["data"]), (&channel.into(), &data.into()), "{frame}");
    }

    /// Expects the last message, with this code, and the end of the stream.
    pub async fn expect_end(&mut self, code: u16) -> String {
        let frame = self.next().await;
        assert_eq!(frame["event"], "sealcast:end", "{frame}");
        let end = inner(&frame);
        assert_eq!(end["code"], code, "{frame}");
        self.expect_cut().await;
        end["message"].as_str().expect("a message").to_owned()
    }

    /// Expects the end of the connection, without a further message.
    pub async fn expect_cut(&mut self) {
        let more = self.next_block().await;
        assert_eq!(more, None, "nothing follows the end");
    }
}
