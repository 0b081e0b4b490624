//! A client as an application has it: a WebSocket with the verbs of the protocol.

use std::collections::HashSet;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};

use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

/// A request for a WebSocket.
pub type Upgrade = tokio_tungstenite::tungstenite::http::Request<()>;

use super::{App, BoxedStream, DisconnectGuard, TestServer, eavesdropper, percent, within};

/// A text frame from the server, or the end with code and reason.
#[derive(Debug)]
pub enum Incoming {
    Text(String),
    Closed(Option<u16>, String),
}

pub struct Client {
    socket: WebSocketStream<BoxedStream>,
    _line: DisconnectGuard,
    pub app: App,
    /// `pusher` or `jetsocket`: the prefix of protocol events.
    pub dialect: &'static str,
    pub socket_id: String,
    /// The sub-protocol the server chose.
    pub subprotocol: Option<String>,
}

impl Client {
    /// Connects and expects the handshake frame.
    pub async fn connect(
        server: &TestServer,
        app: App,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Self {
        let mut client = Self::dial(server, app, path, headers).await;
        client.handshake().await;
        client
    }

    /// Upgrades only; the handshake frame (or an error) is still to be read.
    pub async fn dial(server: &TestServer, app: App, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut request =
            format!("ws://{}{path}", server.addr).into_client_request().expect("a good URL");
        for (name, value) in headers {
            let name: HeaderName = name.parse().expect("a header name");
            request
                .headers_mut()
                .append(name, HeaderValue::from_str(value).expect("a header value"));
        }
        let (stream, line) = server.dial().await;
        Self::over(stream, line, app, request).await
    }

    /// Upgrades an open connection.
    pub async fn over(
        stream: BoxedStream,
        line: DisconnectGuard,
        app: App,
        request: Upgrade,
    ) -> Self {
        let path = request.uri().path().to_owned();
        let upgrade =
            within(format!("upgrade of {path}"), tokio_tungstenite::client_async(request, stream))
                .await;
        let (socket, response) = upgrade.unwrap_or_else(|err| panic!("upgrade of {path}: {err}"));
        let subprotocol = response.headers().get("Sec-WebSocket-Protocol");
        let subprotocol = subprotocol.map(|value| value.to_str().expect("ASCII").to_owned());
        Self { socket, _line: line, app, dialect: "pusher", socket_id: String::new(), subprotocol }
    }

    /// Reads the handshake frame, keeps the socket id and returns the frame's data.
    pub async fn handshake(&mut self) -> Value {
        let frame = self.next().await;
        let event = frame["event"].as_str().unwrap_or_default();
        self.dialect = match event.strip_suffix(":connection_established") {
            Some("pusher") => "pusher",
            Some("jetsocket") => "jetsocket",
            _ => panic!("not a handshake: {frame}"),
        };
        let data = inner(&frame);
        self.socket_id = data["socket_id"]
            .as_str()
            .unwrap_or_else(|| panic!("no socket id: {frame}"))
            .to_owned();
        data
    }

    pub fn event(&self, name: &str) -> String {
        format!("{}:{name}", self.dialect)
    }

    pub fn internal(&self, name: &str) -> String {
        format!("{}_internal:{name}", self.dialect)
    }

    pub async fn send(&mut self, frame: &Value) {
        eavesdropper::say(frame);
        self.send_text(frame.to_string()).await;
    }

    pub async fn send_text(&mut self, text: impl Into<String>) {
        let text = text.into();
        let sent = within("sending", self.socket.send(Message::text(text))).await;
        sent.unwrap_or_else(|err| panic!("sending: {err}"));
    }

    /// The next message or the end; pings are answered by the library.
    pub async fn incoming(&mut self) -> Incoming {
        within("a frame", async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Text(text))) => return Incoming::Text(text.to_string()),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(Message::Close(frame))) => {
                        let (code, reason) = match frame {
                            Some(frame) => (Some(frame.code.into()), frame.reason.to_string()),
                            None => (None, String::new()),
                        };
                        return Incoming::Closed(code, reason);
                    }
                    Some(Ok(other)) => panic!("a frame of an unknown kind: {other:?}"),
                    None | Some(Err(Error::ConnectionClosed)) => {
                        return Incoming::Closed(None, String::new());
                    }
                    Some(Err(err)) => panic!("reading: {err}"),
                }
            }
        })
        .await
    }

    pub async fn next_text(&mut self) -> String {
        match self.incoming().await {
            Incoming::Text(text) => text,
            other => panic!("wanted a frame: {other:?}"),
        }
    }

    pub async fn next(&mut self) -> Value {
        let text = self.next_text().await;
        serde_json::from_str(&text).unwrap_or_else(|err| panic!("{err}: {text:?}"))
    }

    /// The next frame must be this. An object given as `data` stands for a string holding it.
    #[track_caller]
    pub fn expect(&mut self, wanted: Value) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let got = self.next().await;
            assert!(same(&got, &wanted), "{caller}:\n   got {got}\nwanted {wanted}");
        }
    }

    /// Expects this event; returns its `data`, parsed if it is JSON.
    pub async fn expect_event(&mut self, name: &str) -> Value {
        let frame = self.next().await;
        assert_eq!(frame["event"], name, "{frame}");
        inner(&frame)
    }

    /// Expects a protocol error with this code; returns the message.
    pub async fn expect_error(&mut self, code: Option<u16>) -> String {
        let frame = self.next().await;
        assert_eq!(frame["event"], self.event("error"), "{frame}");
        assert!(frame["data"].is_object(), "1.5: data of an error is an object: {frame}");
        assert_eq!(frame["data"].get("code"), Some(&json!(code)), "{frame}");
        let message = frame["data"]["message"].as_str().unwrap_or_default();
        assert!(!message.is_empty(), "an error has a message: {frame}");
        message.to_owned()
    }

    /// Expects a close frame with this code.
    pub async fn expect_close(&mut self, code: u16) {
        match self.incoming().await {
            Incoming::Closed(Some(found), reason) => {
                assert_eq!(found, code, "{reason}");
                assert!(!reason.is_empty(), "1.4: a short reason goes with {code}");
            }
            other => panic!("wanted close {code}: {other:?}"),
        }
    }

    /// Expects the end of the connection, with or without a close frame. Frames before it are
    /// skipped.
    pub async fn expect_end(&mut self) {
        within("the end", async { while let Some(Ok(_)) = self.socket.next().await {} }).await;
    }

    /// The error frame and then the close, both with this code (protocol.md 1.4).
    pub async fn expect_rejection(&mut self, code: u16) {
        self.expect_error(Some(code)).await;
        self.expect_close(code).await;
    }

    /// Expects no frame in flight: the next frame must be the answer to a ping. Twice, so that
    /// other workers had time to deliver.
    #[track_caller]
    pub fn expect_silence(&mut self) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            for _ in 0..2 {
                self.send(&json!({"event": self.event("ping"), "data": {}})).await;
                let frame = self.next().await;
                let pong = json!({"event": self.event("pong"), "data": "{}"});
                assert_eq!(frame, pong, "{caller}: wanted silence");
            }
        }
    }

    pub fn auth(&self, channel: &str, channel_data: Option<&str>) -> String {
        self.app.channel_auth(&self.socket_id, channel, channel_data)
    }

    /// The form of an auth request for this channel.
    pub fn auth_form(&self, channel: &str) -> String {
        format!("socket_id={}&channel_name={}", self.socket_id, percent(channel))
    }

    /// Sends a subscribe frame with the signature the channel needs.
    pub async fn send_subscribe(&mut self, channel: &str) {
        let auth =
            if channel.starts_with("private-") { self.auth(channel, None) } else { String::new() };
        self.send(
            &json!({"event": self.event("subscribe"), "data": {"channel": channel, "auth": auth}}),
        )
        .await;
    }

    pub async fn expect_subscribed(&mut self, channel: &str) {
        let event = self.internal("subscription_succeeded");
        let frame = self.next().await;
        assert_eq!(
            frame,
            json!({"event": event, "channel": channel, "data": "{}"}),
            "2.2: {channel}"
        );
    }

    /// Expects one answer for each of these channels. The order is that in which they open.
    pub async fn expect_all_subscribed(&mut self, channels: &[String]) {
        let mut left: HashSet<&str> = channels.iter().map(String::as_str).collect();
        while !left.is_empty() {
            let frame = self.next().await;
            assert_eq!(frame["event"], self.internal("subscription_succeeded"), "{frame}");
            let channel = frame["channel"].as_str().unwrap_or_default();
            assert!(left.remove(channel), "not awaited, or answered twice: {frame}");
        }
    }

    pub async fn subscribe(&mut self, channel: &str) {
        self.send_subscribe(channel).await;
        self.expect_subscribed(channel).await;
    }

    pub async fn unsubscribe(&mut self, channel: &str) {
        self.send(&json!({"event": self.event("unsubscribe"), "data": {"channel": channel}})).await;
    }

    /// Sends a signed presence subscribe frame with this channel data.
    pub async fn send_presence_subscribe(&mut self, channel: &str, channel_data: &str) {
        let auth = self.auth(channel, Some(channel_data));
        let data = json!({"channel": channel, "auth": auth, "channel_data": channel_data});
        self.send(&json!({"event": self.event("subscribe"), "data": data})).await;
    }

    /// Joins a presence channel and returns the `presence` object of the answer.
    pub async fn join(&mut self, channel: &str, channel_data: &Value) -> Value {
        self.send_presence_subscribe(channel, &channel_data.to_string()).await;
        self.expect_joined(channel).await
    }

    pub async fn expect_joined(&mut self, channel: &str) -> Value {
        let frame = self.next().await;
        assert_eq!(frame["event"], self.internal("subscription_succeeded"), "{frame}");
        assert_eq!(frame["channel"], channel, "{frame}");
        assert!(frame["data"].is_string(), "{frame}");
        inner(&frame)["presence"].clone()
    }

    /// The two frames of a refused subscription (protocol.md 2.4); returns the data of the first.
    pub async fn expect_refused(&mut self, channel: &str) -> Value {
        let frame = self.next().await;
        assert_eq!(frame["event"], self.event("subscription_error"), "{channel}: {frame}");
        assert_eq!(frame["channel"], channel, "{frame}");
        let data = frame["data"].clone();
        for name in ["type", "error"] {
            assert!(data[name].as_str().is_some_and(|text| !text.is_empty()), "no {name}: {frame}");
        }
        assert!(data["status"].is_u64(), "{frame}");
        let error = self.next().await;
        assert_eq!(error["event"], self.event("error"), "{channel}: {error}");
        assert_eq!(error.get("channel"), None, "{error}");
        assert_eq!(error["data"]["code"], Value::Null, "{error}");
        assert_eq!(error["data"]["message"], data["error"], "both frames say the same: {error}");
        data
    }

    /// Signs in with this user data; the server echoes it byte for byte.
    pub async fn sign_in(&mut self, user_data: &Value) {
        let text = user_data.to_string();
        self.send_sign_in(&text).await;
        let data = json!({"user_data": text});
        self.expect(json!({"event": self.event("signin_success"), "data": data})).await;
    }

    pub async fn send_sign_in(&mut self, user_data: &str) {
        let auth = self.app.user_auth(&self.socket_id, user_data);
        let data = json!({"auth": auth, "user_data": user_data});
        self.send(&json!({"event": self.event("signin"), "data": data})).await;
    }

    pub async fn client_event(&mut self, channel: &str, event: &str, data: Value) {
        self.send(&json!({"event": event, "channel": channel, "data": data})).await;
    }

    /// Says goodbye and waits for the end of the connection.
    pub async fn close(mut self) {
        let bye = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        let _ = within("closing", self.socket.close(Some(bye))).await;
        within("the end", async { while let Some(Ok(_)) = self.socket.next().await {} }).await;
    }
}

/// The content of a frame's `data` string: JSON if it is JSON, else the text itself.
pub fn inner(frame: &Value) -> Value {
    let text = frame["data"].as_str().unwrap_or_else(|| panic!("data is not a string: {frame}"));
    serde_json::from_str(text).unwrap_or_else(|_| json!(text))
}

/// Equality of frames. Except in errors, an expected object in `data` may arrive as a JSON string.
fn same(got: &Value, wanted: &Value) -> bool {
    let is_error = wanted["event"]
        .as_str()
        .is_some_and(|event| event.ends_with("_error") || event.ends_with(":error"));
    if is_error || !(wanted["data"].is_object() || wanted["data"].is_array()) {
        return got == wanted;
    }
    let mut got = got.clone();
    let Some(text) = got["data"].as_str() else { return false };
    let Ok(data) = serde_json::from_str(text) else { return false };
    got["data"] = data;
    got == *wanted
}
