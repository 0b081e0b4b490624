//! A browser at the console: its cookie, its requests, its socket.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

use super::{AdminClient, Request, Response, TestServer, exchange, within};

/// A session of the console.
#[derive(Clone)]
pub struct ConsoleSession {
    pub ops: std::net::SocketAddr,
    pub cookie: String,
    pub key: String,
    pub number: String,
}

/// An open socket of the console.
pub struct ConsoleSocket {
    socket: WebSocketStream<TcpStream>,
}

/// A code of the admin socket.
pub async fn console_code(server: &TestServer) -> String {
    let request = Request::new("POST", "/admin/console/code").json(&json!({}));
    let link = AdminClient::of(server).send(&request).await.expect(200, "a code");
    link["code"].as_str().expect("a code").to_owned()
}

pub async fn try_sign_in(server: &TestServer, body: &Value) -> Response {
    exchange(server.ops(), &Request::new("POST", "/console/session").json(body)).await
}

impl ConsoleSession {
    pub async fn by_code(server: &TestServer) -> Self {
        let code = console_code(server).await;
        Self::begin(server, &json!({ "code": code })).await
    }

    pub async fn begin(server: &TestServer, body: &Value) -> Self {
        let answer = try_sign_in(server, body).await;
        let said = answer.expect(200, "signed in");
        let cookie = answer.header("Set-Cookie").expect("a cookie");
        let (cookie, attributes) = cookie.split_once(';').expect("attributes");
        let attributes = attributes.trim_end_matches("; Secure");
        assert_eq!(attributes, " HttpOnly; SameSite=Strict; Path=/console");
        let number = said["session"].as_str().expect("a number").to_owned();
        let key = said["key"].as_str().expect("a key").to_owned();
        Self { ops: server.ops(), cookie: cookie.to_owned(), key, number }
    }

    pub fn request(&self, method: &str, path: &str) -> Request {
        let request = Request::new(method, path).header("Cookie", &self.cookie);
        request.header("Sealcast-Console-Key", &self.key)
    }

    pub async fn send(&self, request: &Request) -> Response {
        exchange(self.ops, request).await
    }

    pub async fn get(&self, path: &str) -> Response {
        self.send(&self.request("GET", path)).await
    }

    pub async fn socket(&self) -> ConsoleSocket {
        let request =
            tokio_tungstenite::tungstenite::http::Request::get("ws://localhost/console/socket")
                .header("Host", "localhost")
                .header("Origin", "http://localhost")
                .header("Cookie", &self.cookie)
                .header("Sec-WebSocket-Protocol", format!("sealcast-console, key.{}", self.key))
                .header("Connection", "Upgrade")
                .header("Upgrade", "websocket")
                .header("Sec-WebSocket-Version", "13")
                .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
                .body(())
                .expect("a request");
        let stream = within("connecting", TcpStream::connect(self.ops)).await.expect("connected");
        let upgrade = within("upgrade", tokio_tungstenite::client_async(request, stream)).await;
        let (socket, _) = upgrade.unwrap_or_else(|err| panic!("/console/socket: {err}"));
        ConsoleSocket { socket }
    }
}

impl ConsoleSocket {
    pub async fn send(&mut self, frame: &Value) {
        self.send_text(&frame.to_string()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        let sent = within("sending", self.socket.send(Message::text(text))).await;
        sent.expect("a frame is sent");
    }

    /// The next frame of text; `None` after the close frame with this code.
    pub async fn next(&mut self) -> Result<Value, Option<u16>> {
        loop {
            match within("a frame", self.socket.next()).await {
                Some(Ok(Message::Text(text))) => {
                    return Ok(serde_json::from_str(&text).expect("JSON"));
                }
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map(|frame| frame.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// The next frame for which `wanted` holds; others are skipped.
    pub async fn find(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            match self.next().await {
                Ok(frame) if wanted(&frame) => return frame,
                Ok(_) => {}
                Err(code) => panic!("closed with {code:?}"),
            }
        }
    }

    /// Sends a frame and returns the answer to it.
    pub async fn ask(&mut self, frame: &Value) -> Value {
        self.send(frame).await;
        self.find(|answer| answer["id"] == frame["id"]).await
    }

    pub async fn close(mut self) {
        // The server may have closed it already.
        let _ = within("closing", self.socket.close(None)).await;
    }

    /// The code of the close frame.
    pub async fn closed(&mut self) -> Option<u16> {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }
}
