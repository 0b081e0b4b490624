//! A well-behaved or misbehaving receiver of webhooks.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::process::lock;
use super::{App, DEADLINE, hex, hmac_sha256};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReceiverReply {
    Status(u16),
    /// Redirects to another path of the same receiver.
    Redirect,
    /// Reads the request and sends nothing.
    Hang,
    /// Closes the connection before the body.
    CloseEarly,
    /// Sends an endless head, a byte at a time.
    Drip,
    /// Sends 200 and an endless body.
    DripBody,
}

#[derive(Clone, Debug)]
pub struct WebhookRequest {
    pub path: String,
    pub head: String,
    pub body: Vec<u8>,
}

struct State {
    answer: ReceiverReply,
    requests: Vec<WebhookRequest>,
    in_flight: usize,
    max_in_flight: usize,
}

pub struct WebhookReceiver {
    pub addr: SocketAddr,
    state: Arc<Mutex<State>>,
    accepting: JoinHandle<()>,
}

impl WebhookReceiver {
    pub async fn start(answer: ReceiverReply) -> Self {
        Self::at("127.0.0.1:0".parse().expect("an address"), answer).await
    }

    /// A free port, for a receiver that starts later.
    pub async fn unused_address() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        listener.local_addr().expect("an address")
    }

    pub async fn at(addr: SocketAddr, answer: ReceiverReply) -> Self {
        let listener = TcpListener::bind(addr).await.expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let state = State { answer, requests: Vec::new(), in_flight: 0, max_in_flight: 0 };
        let state = Arc::new(Mutex::new(state));
        let shared = state.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, shared.clone()));
            }
        });
        Self { addr, state, accepting }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    pub fn answer(&self, answer: ReceiverReply) {
        lock(&self.state).answer = answer;
    }

    pub fn requests(&self) -> Vec<WebhookRequest> {
        lock(&self.state).requests.clone()
    }

    pub fn max_in_flight(&self) -> usize {
        lock(&self.state).max_in_flight
    }

    /// The events of all requests, in the order of arrival.
    pub fn events(&self) -> Vec<Value> {
        self.requests().iter().flat_map(WebhookRequest::events).collect()
    }

    /// The events of one channel as `name` or `name value` with a distinguishing value.
    pub fn events_on(&self, channel: &str) -> Vec<String> {
        let of_channel = |event: &Value| event["channel"] == channel;
        self.events().iter().filter(|event| of_channel(event)).map(summary).collect()
    }

    pub async fn until_events(&self, channel: &str, wanted: &[&str]) {
        let end = Instant::now() + DEADLINE;
        loop {
            let events = self.events_on(channel);
            if events == wanted {
                return;
            }
            let may_come =
                wanted.starts_with(&events.iter().map(String::as_str).collect::<Vec<_>>());
            assert!(
                may_come && Instant::now() < end,
                "{channel}:\n   got {events:?}\nwanted {wanted:?}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn summary(event: &Value) -> String {
    let name = event["name"].as_str().expect("a name");
    let value = ["data", "user_id", "subscription_count"].into_iter().find_map(|n| event.get(n));
    match value {
        Some(Value::String(text)) => format!("{name} {text}"),
        Some(value) => format!("{name} {value}"),
        None => name.to_owned(),
    }
}

impl Drop for WebhookReceiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl WebhookRequest {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The events without id and time, which must be present.
    pub fn events(&self) -> Vec<Value> {
        let mut events = self.events_with_ids();
        for event in events.iter_mut().filter_map(Value::as_object_mut) {
            let (id, time) = (event.remove("id"), event.remove("occurred_ms"));
            assert!(id.is_some_and(|id| id.is_string()), "{event:?} has no id");
            assert!(time.is_some_and(|time| time.is_u64()), "{event:?} has no time");
        }
        events
    }

    pub fn events_with_ids(&self) -> Vec<Value> {
        self.json()["events"].as_array().expect("a list").clone()
    }

    /// The header with exactly this spelling.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub fn assert_signed(&self, app: App) {
        let signature = hex(&hmac_sha256(app.secret.as_bytes(), &self.body));
        assert_eq!(self.header("X-Pusher-Key"), Some(app.key), "{self:?}");
        assert_eq!(self.header("X-Pusher-Signature"), Some(&*signature), "{self:?}");
        assert_eq!(self.header("Content-Type"), Some("application/json"), "{self:?}");
    }
}

async fn serve(stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if !matches!(stream.read_line(&mut head).await, Ok(1..)) {
                return;
            }
        }
        let answer = lock(&state).answer;
        if answer == ReceiverReply::CloseEarly {
            return;
        }
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let mut body = vec![0; length.and_then(|n| n.parse().ok()).unwrap_or(0)];
        if stream.read_exact(&mut body).await.is_err() {
            return;
        }
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        {
            let mut state = lock(&state);
            state.requests.push(WebhookRequest { path, head, body });
            state.in_flight += 1;
            state.max_in_flight = state.max_in_flight.max(state.in_flight);
        }
        let goes_on = reply(&mut stream, answer).await;
        lock(&state).in_flight -= 1;
        if !goes_on {
            return;
        }
    }
}

async fn reply(stream: &mut BufReader<TcpStream>, answer: ReceiverReply) -> bool {
    let text = match answer {
        ReceiverReply::Status(status) => {
            format!("HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\nOK")
        }
        ReceiverReply::Redirect => {
            "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n".to_owned()
        }
        ReceiverReply::DripBody => "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n".to_owned(),
        ReceiverReply::Drip | ReceiverReply::Hang | ReceiverReply::CloseEarly => String::new(),
    };
    if stream.write_all(text.as_bytes()).await.is_err() {
        return false;
    }
    let dripped = match answer {
        ReceiverReply::Status(_) | ReceiverReply::Redirect => return true,
        ReceiverReply::Drip => "HTTP/1.1 200 OK\r\nX: ",
        ReceiverReply::DripBody | ReceiverReply::Hang | ReceiverReply::CloseEarly => "",
    };
    let mut bytes = dripped.bytes().chain(std::iter::repeat(b'x'));
    let mut ignored = [0];
    loop {
        // Until the sender closes the connection.
        tokio::select! {
            read = stream.read(&mut ignored) => if !matches!(read, Ok(1..)) { return false },
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
        }
        if answer != ReceiverReply::Hang {
            let byte = bytes.next().expect("endless");
            if stream.write_all(&[byte]).await.is_err() {
                return false;
            }
        }
    }
}
