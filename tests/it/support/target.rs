//! A fake upstream server (application, issuer) with a configurable reply.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::process::lock;

#[derive(Clone)]
pub enum Reply {
    /// Status line, headers and body, as on the wire.
    Bytes(Vec<u8>),
    /// Reads the request and sends nothing.
    Silence,
    /// Sends the head without the body.
    PartialBody,
    /// Closes the connection in place of a reply.
    Disconnect,
    /// Sends a body without an end.
    EndlessBody,
    /// Sends this reply after the notification of the test.
    Held(Arc<Notify>, Vec<u8>),
}

impl Reply {
    pub fn new(status: u16, content_type: &str, body: &str) -> Self {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} Said\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n"
        );
        Self::Bytes(format!("{head}\r\n{body}").into_bytes())
    }

    pub fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", &body.to_string())
    }

    pub fn held(until: &Arc<Notify>, reply: Self) -> Self {
        let Self::Bytes(bytes) = reply else { panic!("only an answer can be held") };
        Self::Held(Arc::clone(until), bytes)
    }

    pub fn redirect(to: &str) -> Self {
        let head = format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
        Self::Bytes(head.into_bytes())
    }
}

pub struct StubServer {
    pub addr: SocketAddr,
    reply: Arc<Mutex<Reply>>,
    requests: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl StubServer {
    pub async fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let (reply, requests) = (Arc::new(Mutex::new(reply)), Arc::<Mutex<Vec<_>>>::default());
        let (replies, recorded) = (Arc::clone(&reply), Arc::clone(&requests));
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&replies), Arc::clone(&recorded)));
            }
        });
        Self { addr, reply, requests, task }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    pub fn set_reply(&self, reply: Reply) {
        *lock(&self.reply) = reply;
    }

    /// Head and body of each request so far.
    pub fn requests(&self) -> Vec<String> {
        lock(&self.requests).clone()
    }
}

impl Drop for StubServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, reply: Arc<Mutex<Reply>>, requests: Arc<Mutex<Vec<String>>>) {
    while let Some(request) = read_request(&mut stream).await {
        lock(&requests).push(request);
        let reply = lock(&reply).clone();
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
        match reply {
            Reply::Bytes(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Reply::Held(until, bytes) => {
                until.notified().await;
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Reply::Disconnect => return,
            Reply::Silence => std::future::pending().await,
            Reply::PartialBody => {
                let _ = stream.write_all(head).await;
                let _ = stream.write_all(b"Content-Length: 100\r\n\r\n{").await;
                std::future::pending::<()>().await;
            }
            Reply::EndlessBody => {
                let _ = stream.write_all(head).await;
                let _ = stream.write_all(b"Content-Length: 10485760\r\n\r\n").await;
                while stream.write_all(&[b' '; 65536]).await.is_ok() {}
                return;
            }
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length = length.and_then(|value| value.trim().parse().ok()).unwrap_or(0);
            if body.len() >= length {
                return Some(String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(count @ 1..) => bytes.extend_from_slice(&chunk[..count]),
            _ => return None,
        }
    }
}
