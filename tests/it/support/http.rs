//! A small HTTP/1.1 client over a plain socket: libraries refuse to send what some tests need.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::{BoxedStream, within};

#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub host: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn new(method: &str, target: impl Into<String>) -> Self {
        Self {
            method: method.to_owned(),
            target: target.into(),
            host: "localhost".to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub fn host(self, host: &str) -> Self {
        Self { host: host.to_owned(), ..self }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("Content-Type", content_type)
    }

    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub fn form(self, body: &str) -> Self {
        self.body("application/x-www-form-urlencoded", body)
    }

    /// The bytes on the wire, `Content-Length` included where a body or a POST needs it.
    pub fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        head += &format!("Host: {}\r\n", self.host);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !self.body.is_empty() || self.method == "POST" {
            head += &format!("Content-Length: {}\r\n", self.body.len());
        }
        head += "\r\n";
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; the content type must say so.
    pub fn json(&self) -> Value {
        let kind = self.header("Content-Type").unwrap_or("");
        assert!(kind.starts_with("application/json"), "Content-Type {kind:?}: {}", self.text());
        serde_json::from_slice(&self.body).unwrap_or_else(|err| panic!("{err}: {:?}", self.text()))
    }

    /// Expects this status and returns the JSON body; `input` names the case on failure.
    #[track_caller]
    pub fn expect(&self, status: u16, input: impl std::fmt::Display) -> Value {
        assert_eq!(self.status, status, "{input}: {}", self.text());
        self.json()
    }

    /// Expects a refusal with this status and a sentence; returns its code.
    #[track_caller]
    pub fn refused(&self, status: u16, input: impl std::fmt::Display) -> String {
        let body = self.expect(status, &input);
        let sentence = body["error"].as_str().unwrap_or_default();
        assert!(!sentence.is_empty(), "{input}: no sentence in {body}");
        let code = body["code"].as_str().unwrap_or_default();
        let snake = !code.is_empty()
            && code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        assert!(snake, "{input}: code is not snake_case in {body}");
        code.to_owned()
    }
}

/// A connection for several requests.
pub struct HttpConnection {
    stream: BufReader<BoxedStream>,
}

impl HttpConnection {
    pub async fn dial(addr: SocketAddr) -> Self {
        let stream = within("connecting", TcpStream::connect(addr)).await;
        Self::over(Box::new(stream.unwrap_or_else(|err| panic!("{addr}: {err}"))))
    }

    pub fn over(wire: BoxedStream) -> Self {
        Self { stream: BufReader::new(wire) }
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        // A server that refuses early may already have closed its side: the read shows it.
        let _ = within("writing a request", self.stream.get_mut().write_all(bytes)).await;
    }

    pub async fn send(&mut self, request: &Request) -> Response {
        self.write(&request.bytes()).await;
        self.read(&request.method).await
    }

    pub async fn read(&mut self, method: &str) -> Response {
        within("an HTTP response", self.read_response(method)).await
    }

    async fn read_line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).await.expect("a header line");
        assert!(line.ends_with('\n'), "the connection ended inside a response head: {line:?}");
        line.trim_end().to_owned()
    }

    async fn read_response(&mut self, method: &str) -> Response {
        let status_line = self.read_line().await;
        let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("not a status line: {status_line:?}"));
        let mut headers = Vec::new();
        loop {
            let line = self.read_line().await;
            if line.is_empty() {
                break;
            }
            let (name, value) =
                line.split_once(':').unwrap_or_else(|| panic!("not a header: {line:?}"));
            headers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
        let mut response = Response { status, headers, body: Vec::new() };
        if matches!(status, 101 | 204 | 304) || method == "HEAD" {
            return response;
        }
        if response.header("Transfer-Encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
            loop {
                let size = self.read_line().await;
                let size = usize::from_str_radix(&size, 16).expect("a chunk size");
                let mut chunk = vec![0; size];
                self.stream.read_exact(&mut chunk).await.expect("a chunk");
                response.body.extend_from_slice(&chunk);
                assert_eq!(self.read_line().await, "", "a chunk ends with an empty line");
                if size == 0 {
                    break;
                }
            }
        } else {
            let length = response.header("Content-Length").and_then(|v| v.parse().ok());
            let length: usize = length.unwrap_or_else(|| panic!("no length in {response:?}"));
            response.body = vec![0; length];
            self.stream.read_exact(&mut response.body).await.expect("a complete body");
        }
        response
    }
}

/// One request on a connection of its own.
pub async fn exchange(addr: SocketAddr, request: &Request) -> Response {
    HttpConnection::dial(addr).await.send(request).await
}
