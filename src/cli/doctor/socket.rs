//! A connection as a client has it: the handshake frame, subscriptions, events.

use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::dial::Dialer;
use crate::cli::client::{
    ClientError,
    http::{ClientRequest, ClientResponse},
    websocket::{WebSocketClient, WebSocketEvent},
};

/// For a frame that should come at once.
pub const FRAME_DEADLINE: Duration = Duration::from_secs(5);

pub struct ProbeSocket {
    client: WebSocketClient,
    pub id: String,
    /// The server pings after so many seconds of silence.
    pub activity_timeout: u64,
    /// The server or a proxy compresses messages.
    pub is_compressed: bool,
}

/// The result of a handshake.
pub enum SocketOpening {
    Open(Box<ProbeSocket>),
    /// Answered with another status than 101.
    NoUpgrade(Box<ClientResponse>),
    /// A WebSocket, with a refusal in its first frame.
    Refused {
        code: Option<u64>,
        message: String,
    },
    /// A WebSocket that does not begin as the protocol says.
    Ended(SocketEnd),
    Failed(ClientError),
}

#[derive(Debug)]
pub struct ProbeEvent {
    pub name: String,
    pub channel: Option<String>,
    /// A text for nearly all events, and an object for errors.
    pub data: Value,
}

/// The reason for which no further frame came.
#[derive(Debug)]
pub enum SocketEnd {
    Silent,
    Closed { code: u16, reason: String },
    Lost,
    Failed(ClientError),
}

impl std::fmt::Display for SocketEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Silent => write!(f, "nothing came within {} s", FRAME_DEADLINE.as_secs()),
            Self::Closed { code, reason } if reason.is_empty() => write!(f, "closed with {code}"),
            Self::Closed { code, reason } => write!(f, "closed with {code}: {reason}"),
            Self::Lost => f.write_str("the connection ended without a close frame"),
            Self::Failed(error) => write!(f, "{error}"),
        }
    }
}

/// Offered by every browser.
const DEFLATE: (HeaderName, HeaderValue) = (
    HeaderName::from_static("sec-websocket-extensions"),
    HeaderValue::from_static("permessage-deflate; client_max_window_bits"),
);

impl ProbeSocket {
    /// `origin`: of the page that the client would be.
    pub async fn open(dialer: &Dialer, key: &str, origin: Option<&HeaderValue>) -> SocketOpening {
        let request = handshake(key, origin);
        Self::begin(dialer.websocket(request).await).await
    }

    /// The same with an offer to compress, as a browser makes it.
    pub async fn open_like_a_browser(dialer: &Dialer, key: &str) -> SocketOpening {
        let request = handshake(key, None).header(DEFLATE.0, DEFLATE.1);
        Self::begin(dialer.websocket(request).await).await
    }

    async fn begin(opened: Result<WebSocketClient, ClientError>) -> SocketOpening {
        let client = match opened {
            Ok(client) => client,
            Err(ClientError::NoUpgrade(answer)) => return SocketOpening::NoUpgrade(answer),
            Err(error) => return SocketOpening::Failed(error),
        };
        let is_compressed = client.headers.contains_key(&DEFLATE.0);
        let mut socket = Self { client, id: String::new(), activity_timeout: 0, is_compressed };
        let first = match socket.next(Instant::now() + FRAME_DEADLINE).await {
            Ok(first) => first,
            Err(end) => return SocketOpening::Ended(end),
        };
        if first.name == "pusher:error" {
            return SocketOpening::Refused {
                code: first.data["code"].as_u64(),
                message: first.data["message"].as_str().unwrap_or_default().to_owned(),
            };
        }
        let data = first.inner();
        let established = (first.name == "pusher:connection_established").then_some(());
        match (established, data["socket_id"].as_str(), data["activity_timeout"].as_u64()) {
            (Some(()), Some(id), Some(activity_timeout)) => {
                (socket.id, socket.activity_timeout) = (id.to_owned(), activity_timeout);
                SocketOpening::Open(Box::new(socket))
            }
            _ => SocketOpening::Refused {
                code: None,
                message: format!("it begins with {:?}", first.name),
            },
        }
    }

    /// The next frame; a ping is one as well, with the name `PING`.
    pub async fn next(&mut self, end: Instant) -> Result<ProbeEvent, SocketEnd> {
        loop {
            let event = timeout_at(end, self.client.next()).await;
            match event.map_err(|_| SocketEnd::Silent)?.map_err(SocketEnd::Failed)? {
                WebSocketEvent::Text(text) => return Ok(ProbeEvent::parse(&text)),
                WebSocketEvent::Closed { code, reason } => {
                    return Err(SocketEnd::Closed { code, reason });
                }
                WebSocketEvent::Lost => return Err(SocketEnd::Lost),
                WebSocketEvent::Ping => return Ok(ProbeEvent::ping()),
                WebSocketEvent::Binary(_) | WebSocketEvent::Pong => {}
            }
        }
    }

    pub async fn subscribe(
        &mut self,
        channel: &str,
        auth: Option<(&str, Option<&str>)>,
    ) -> Result<(), String> {
        let mut data = json!({"channel": channel});
        if let Some((auth, channel_data)) = auth {
            data["auth"] = auth.into();
            channel_data.into_iter().for_each(|text| data["channel_data"] = text.into());
        }
        let frame = json!({"event": "pusher:subscribe", "data": data}).to_string();
        self.client.send_text(frame).await.map_err(|error| error.to_string())?;
        let end = Instant::now() + FRAME_DEADLINE;
        loop {
            let event = self.next(end).await.map_err(|end| end.to_string())?;
            match event.name.as_str() {
                "pusher_internal:subscription_succeeded" if event.is_on(channel) => return Ok(()),
                "pusher:subscription_error" if event.is_on(channel) => {
                    return Err(event.data["error"].as_str().unwrap_or("refused").to_owned());
                }
                "pusher:error" => {
                    return Err(event.data["message"].as_str().unwrap_or("refused").to_owned());
                }
                _ => {}
            }
        }
    }

    /// The data of the next event of this name.
    pub async fn event(&mut self, channel: &str, name: &str) -> Result<String, SocketEnd> {
        let end = Instant::now() + FRAME_DEADLINE;
        loop {
            let event = self.next(end).await?;
            if event.is_on(channel) && event.name == name {
                return Ok(event.text());
            }
        }
    }
}

/// The dialect is named, since that of an app may be another.
const QUERY: &str = concat!(
    "protocol=7&client=sealcast-doctor&version=",
    env!("CARGO_PKG_VERSION"),
    "&dialect=pusher"
);

fn handshake(key: &str, origin: Option<&HeaderValue>) -> ClientRequest {
    let key = utf8_percent_encode(key, NON_ALPHANUMERIC);
    let request = ClientRequest::get(format!("/app/{key}?{QUERY}"));
    match origin {
        Some(origin) => request.header(hyper::header::ORIGIN, origin.clone()),
        None => request,
    }
}

/// The server's ping is a control frame, and no event (protocol.md 1.7). No event has this name.
pub const PING: &str = "";
const NO_EVENT: &str = "no event";

impl ProbeEvent {
    fn ping() -> Self {
        Self { name: PING.to_owned(), channel: None, data: Value::Null }
    }

    /// Text that is no event has a name of its own.
    fn parse(text: &str) -> Self {
        let frame: Value = serde_json::from_str(text).unwrap_or_default();
        let field = |name: &str| frame.get(name).and_then(Value::as_str).map(str::to_owned);
        let data = frame.get("data").cloned().unwrap_or_default();
        Self {
            name: field("event").unwrap_or_else(|| NO_EVENT.to_owned()),
            channel: field("channel"),
            data,
        }
    }

    fn is_on(&self, channel: &str) -> bool {
        self.channel.as_deref() == Some(channel)
    }

    fn text(&self) -> String {
        match &self.data {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }

    /// The JSON in the text.
    fn inner(&self) -> Value {
        self.data.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read() {
        let event = ProbeEvent::parse(r#"{"event":"e","channel":"c","data":"{\"a\":1}"}"#);
        assert!(event.is_on("c") && !event.is_on("d"));
        assert_eq!((event.text().as_str(), &event.inner()["a"]), (r#"{"a":1}"#, &json!(1)));
        for rubbish in ["", "null", "[]", "{", r#"{"event":1}"#] {
            assert_eq!(ProbeEvent::parse(rubbish).name, NO_EVENT, "{rubbish}");
        }
    }
}
