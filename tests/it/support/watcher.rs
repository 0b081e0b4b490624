//! A client of the live feed.

use std::net::SocketAddr;

use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::net::{TcpStream, UnixStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::{BoxedStream, HttpConnection, Request, Response, TestServer, state_dir, within};

pub struct Watcher {
    socket: WebSocketStream<BoxedStream>,
}

impl Watcher {
    /// Connects over the socket of the state directory.
    pub async fn of(server: &TestServer, query: &str) -> Self {
        let path = state_dir(server).join("admin.sock");
        let stream = within("connecting", UnixStream::connect(&path)).await.expect("a socket");
        Self::over(Box::new(stream), query, None).await
    }

    pub async fn at(ops: SocketAddr, query: &str, token: &str) -> Self {
        let stream = within("connecting", TcpStream::connect(ops)).await.expect("a connection");
        Self::over(Box::new(stream), query, Some(token)).await
    }

    pub async fn over(stream: BoxedStream, query: &str, token: Option<&str>) -> Self {
        let mut request = tokio_tungstenite::tungstenite::http::Request::get(format!(
            "ws://localhost/ops/live{query}"
        ))
        .header("Host", "localhost")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let request = request.body(()).expect("a request");
        let upgrade = within("upgrade", tokio_tungstenite::client_async(request, stream)).await;
        let (socket, _) = upgrade.unwrap_or_else(|err| panic!("/ops/live{query}: {err}"));
        Self { socket }
    }

    pub async fn incoming(&mut self) -> Message {
        loop {
            match within("an entry", self.socket.next()).await {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(message)) => return message,
                other => panic!("wanted an entry: {other:?}"),
            }
        }
    }

    /// The next entry as its text.
    pub async fn next_text(&mut self) -> String {
        match self.incoming().await {
            Message::Text(text) => text.to_string(),
            other => panic!("wanted an entry: {other:?}"),
        }
    }

    pub async fn next(&mut self) -> Value {
        let line = self.next_text().await;
        serde_json::from_str(&line).unwrap_or_else(|err| panic!("{err}: {line}"))
    }

    /// The next entry of this type; others are skipped.
    pub async fn find(&mut self, r#type: &str) -> Value {
        loop {
            let entry = self.next().await;
            if entry["type"] == r#type {
                return entry;
            }
        }
    }

    /// All entries up to the close frame, and its code and reason.
    pub async fn until_closed(&mut self) -> (Vec<Value>, u16, String) {
        let mut entries = Vec::new();
        loop {
            match self.incoming().await {
                Message::Text(text) => {
                    entries.push(serde_json::from_str(&text).expect("JSON"));
                }
                Message::Close(Some(frame)) => {
                    return (entries, frame.code.into(), frame.reason.to_string());
                }
                other => panic!("wanted an entry or the end: {other:?}"),
            }
        }
    }

    pub async fn close(mut self) {
        let _ = within("closing", self.socket.close(None)).await;
        within("the end", async { while let Some(Ok(_)) = self.socket.next().await {} }).await;
    }
}

/// The upgrade request for the feed with these headers, for tests of refusals.
pub fn watch_request(query: &str, headers: &[(&str, &str)]) -> Request {
    let request = Request::new("GET", format!("/ops/live{query}"))
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    headers.iter().fold(request, |request, (name, value)| request.header(name, value))
}

/// Sends the request over the socket of the state directory.
pub async fn send_watch_request(
    server: &TestServer,
    query: &str,
    headers: &[(&str, &str)],
) -> Response {
    let stream = UnixStream::connect(state_dir(server).join("admin.sock")).await;
    let stream = stream.expect("a socket");
    HttpConnection::over(Box::new(stream)).send(&watch_request(query, headers)).await
}
