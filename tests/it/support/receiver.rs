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
pub enum Answer {
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
pub struct Hook {
    pub path: String,
    pub head: String,
    pub body: Vec<u8>,
}

struct State {
    answer: Answer,
    hooks: Vec<Hook>,
    at_once: usize,
    most_at_once: usize,
}

pub struct Receiver {
    pub addr: SocketAddr,
    state: Arc<Mutex<State>>,
    accepting: JoinHandle<()>,
}

impl Receiver {
    pub async fn start(answer: Answer) -> Self {
        Self::at("127.0.0.1:0".parse().expect("an address"), answer).await
    }

    /// A free port, for a receiver that starts later.
    pub async fn nowhere() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        listener.local_addr().expect("an address")
    }

    pub async fn at(addr: SocketAddr, answer: Answer) -> Self {
        let listener = TcpListener::bind(addr).await.expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let state = State { answer, hooks: Vec::new(), at_once: 0, most_at_once: 0 };
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

    pub fn answer(&self, answer: Answer) {
        lock(&self.state).answer = answer;
    }

    pub fn hooks(&self) -> Vec<Hook> {
        lock(&self.state).hooks.clone()
    }

    pub fn most_at_once(&self) -> usize {
        lock(&self.state).most_at_once
    }

    /// The events of all requests, in the order of arrival.
    pub fn events(&self) -> Vec<Value> {
        self.hooks().iter().flat_map(Hook::events).collect()
    }

    /// The events of one channel as `name` or `name value` with a distinguishing value.
    pub fn told(&self, channel: &str) -> Vec<String> {
        let of_channel = |event: &Value| event["channel"] == channel;
        self.events().iter().filter(|event| of_channel(event)).map(shown).collect()
    }

    pub async fn until_told(&self, channel: &str, wanted: &[&str]) {
        let end = Instant::now() + DEADLINE;
        loop {
            let told = self.told(channel);
            if told == wanted {
                return;
            }
            let may_come = wanted.starts_with(&told.iter().map(String::as_str).collect::<Vec<_>>());
            assert!(
                may_come && Instant::now() < end,
                "{channel}:\n   got {told:?}\nwanted {wanted:?}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn shown(event: &Value) -> String {
    let name = event["name"].as_str().expect("a name");
    let value = ["data", "user_id", "subscription_count"].into_iter().find_map(|n| event.get(n));
    match value {
        Some(Value::String(text)) => format!("{name} {text}"),
        Some(value) => format!("{name} {value}"),
        None => name.to_owned(),
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Hook {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The events without id and time, which must be present.
    pub fn events(&self) -> Vec<Value> {
        let mut events = self.stamped();
        for event in events.iter_mut().filter_map(Value::as_object_mut) {
            let (id, time) = (event.remove("id"), event.remove("occurred_ms"));
            assert!(id.is_some_and(|id| id.is_string()), "{event:?} has no id");
            assert!(time.is_some_and(|time| time.is_u64()), "{event:?} has no time");
        }
        events
    }

    pub fn stamped(&self) -> Vec<Value> {
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
        if answer == Answer::CloseEarly {
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
            state.hooks.push(Hook { path, head, body });
            state.at_once += 1;
            state.most_at_once = state.most_at_once.max(state.at_once);
        }
        let goes_on = reply(&mut stream, answer).await;
        lock(&state).at_once -= 1;
        if !goes_on {
            return;
        }
    }
}

async fn reply(stream: &mut BufReader<TcpStream>, answer: Answer) -> bool {
    let text = match answer {
        Answer::Status(status) => format!("HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\nOK"),
        Answer::Redirect => {
            "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n".to_owned()
        }
        Answer::DripBody => "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n".to_owned(),
        Answer::Drip | Answer::Hang | Answer::CloseEarly => String::new(),
    };
    if stream.write_all(text.as_bytes()).await.is_err() {
        return false;
    }
    let dripped = match answer {
        Answer::Status(_) | Answer::Redirect => return true,
        Answer::Drip => "HTTP/1.1 200 OK\r\nX: ",
        Answer::DripBody | Answer::Hang | Answer::CloseEarly => "",
    };
    let mut bytes = dripped.bytes().chain(std::iter::repeat(b'x'));
    let mut ignored = [0];
    loop {
        // Until the sender closes the connection.
        tokio::select! {
            read = stream.read(&mut ignored) => if !matches!(read, Ok(1..)) { return false },
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
        }
        if answer != Answer::Hang {
            let byte = bytes.next().expect("endless");
            if stream.write_all(&[byte]).await.is_err() {
                return false;
            }
        }
    }
}
