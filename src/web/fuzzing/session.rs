//! Two conversations with one app, driven by bytes as commands, and the invariants of the server's
//! output.

use std::{
    collections::{HashSet, VecDeque},
    rc::Rc,
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use tokio::task::{LocalSet, yield_now};

use super::wire::Wire;
use crate::{
    app::{App, AppRegistry},
    auth::Abilities,
    config::{Config, Flags, Source},
    crypto::secret::Salt,
    domain::{channel::Channel, ids::SocketId},
    engine::{AppRuntime, Engine, event::PublishedEvent, keys::keyfile::KeyFile},
    hub::{
        Hub,
        authorization_cache::AuthorizationScope,
        channel_opener::{ChannelOpener, WaitingSubscription},
        mailbox::WorkerCommand,
        rekey::reauthorization::Reauthorization,
    },
    platform::clock::KnownAsOf,
    protocol::{dialect::Dialect, signed::signed_for_channel},
    web::{
        context::worker::{SharedState, Worker},
        server::worker_thread::WorkerThread,
        settings::Settings,
        ws::socket::{Connection, ConnectionSetup},
    },
};

const CHANNELS: [&str; 7] = [
    "room",
    "cache-room",
    "private-room",
    "private-encrypted-room",
    "private-encrypted-cache-room",
    "presence-room",
    "#server-to-user-u1",
];
/// The published data. It must never appear on an encrypted channel.
const PLAINTEXT: &str = "PLAINTEXT-7f3a";

pub fn session(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    LocalSet::new().block_on(&runtime, async {
        let mut server = FuzzServer::new(bytes.first().is_some_and(|first| first & 0x10 != 0));
        let mut commands = Commands(bytes);
        while let Some(command) = commands.byte() {
            server.step(command, &mut commands).await;
            for _ in 0..3 {
                yield_now().await;
            }
        }
        server.finish().await;
    });
}

struct Commands<'a>(&'a [u8]);

impl Commands<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self, below: usize) -> usize {
        usize::from(self.byte().unwrap_or(0)) % below
    }

    fn bytes(&mut self) -> &[u8] {
        let count = self.number(256).min(self.0.len());
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn text(&mut self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }
}

struct FuzzClient {
    wire: Wire,
    id: SocketId,
}

struct FuzzServer {
    engine: Arc<Engine>,
    runtime: Arc<AppRuntime>,
    clients: Vec<FuzzClient>,
    worker: Rc<Worker>,
    /// Subscriptions that wait for their channel, if channels open late.
    opening: Receiver<WaitingSubscription>,
    unanswered: VecDeque<WaitingSubscription>,
}

fn config() -> Config {
    let key = "8OoMbcdRho2maFYlT21Ja9e7XnBlu0L6EtjuCNmkY/s=";
    let environment = [
        ("SEALCAST_APP_ID", "a"),
        ("SEALCAST_APP_KEY", "k"),
        ("SEALCAST_APP_SECRET", "s"),
        ("SEALCAST_MASTER_KEY", key),
        ("SEALCAST_APP_DERIVATION", "hkdf"),
        ("SEALCAST_APP_CLIENT_EVENTS", "true"),
        ("SEALCAST_APP_WATCHLIST", "true"),
        ("SEALCAST_MESSAGE_BYTES", "2048"),
        ("SEALCAST_OUTBOX_BYTES", "16384"),
        ("SEALCAST_STATE_DIR", "/dev/null"),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let source = Source::new(&Flags::default(), environment.into_iter().collect());
    let salt = Salt::random().expect("random bytes");
    Config::load(&source, salt).expect("a configuration")
}

impl FuzzServer {
    fn new(late: bool) -> Self {
        let (sender, opening) = channel();
        let mut config = config();
        let hub = Hub::new(1, 1 << 20, 1000);
        let app = config.apps.remove(0);
        let (id, key) = (app.id.clone(), app.key.clone());
        // The path is not writable: key changes take effect in memory alone.
        let keys = KeyFile::of_app(std::path::Path::new("/dev/null"), "a");
        let runtime = Arc::new(AppRuntime::new(app, keys, hub.clone()));
        let mut runtimes = AppRegistry::new();
        runtimes.insert(id, key, runtime.clone());
        let mut engine = Engine::new(hub, runtimes);
        if late {
            engine.opener = ChannelOpener::Late(sender);
        }
        let engine = Arc::new(engine);
        let Settings { start, reloadable } = config.settings;
        let settings = Arc::new(ArcSwap::from_pointee(reloadable));
        let shared = SharedState::new(engine.clone(), start, settings);
        let worker = WorkerThread::start(shared).worker.clone();
        let (clients, unanswered) = (Vec::new(), VecDeque::new());
        let mut server = Self { engine, runtime, clients, worker, opening, unanswered };
        server.connect();
        server.connect();
        server
    }

    fn app(&self) -> Arc<App> {
        self.runtime.app_snapshot()
    }

    fn connect(&mut self) {
        let wire = Wire::default();
        let id = self.worker.next_socket_id().expect("random bytes");
        let setup = ConnectionSetup {
            handshake: Bytes::from_static(b"101\r\n\r\n"),
            early: BytesMut::new(),
            id,
            dialect: Dialect::Pusher,
            legacy_java: false,
            reauthorization: Reauthorization::Retries,
            client: Default::default(),
            app_closings: self.engine.hub.app_closings(),
            admission: Ok(self.runtime.clone()),
        };
        Connection::start(self.worker.clone(), wire.clone(), setup);
        self.clients.push(FuzzClient { wire, id });
    }

    /// Answers the oldest waiting subscription, the newest, or both.
    fn open(&mut self, command: u8) {
        self.unanswered.extend(self.opening.try_iter());
        let oldest = (command & 0x20 != 0).then(|| self.unanswered.pop_front()).flatten();
        let newest = (command & 0x40 != 0).then(|| self.unanswered.pop_back()).flatten();
        for waiting in oldest.into_iter().chain(newest) {
            self.engine.hub.post_to(waiting.socket, WorkerCommand::Opened(waiting));
        }
    }

    async fn step(&mut self, command: u8, commands: &mut Commands<'_>) {
        self.open(command);
        let who = usize::from(command >> 7);
        let client = &self.clients[who];
        let channel = CHANNELS[commands.number(CHANNELS.len())];
        match command & 0x0f {
            0 => client.wire.send(commands.bytes()),
            1 => client.wire.send(&frame(0x81, commands.bytes())),
            2 | 3 => client.say("pusher:subscribe", self.subscription(client.id, channel)),
            4 => {
                client.say("pusher:subscribe", json!({"channel": channel, "auth": commands.text()}))
            }
            5 => client.say("pusher:unsubscribe", json!({"channel": channel})),
            6 => {
                let data =
                    json!({"event": "client-x", "channel": channel, "data": commands.text()});
                client.wire.send(&frame(0x81, data.to_string().as_bytes()));
            }
            7 => client.say("pusher:signin", self.sign_in(client.id, commands.number(3))),
            8 | 9 => self.publish(channel),
            10 => client.wire.take(commands.number(256) * 16),
            11 => self.authorize(client.id, channel).await,
            12 => self.revoke(channel),
            13 => client
                .wire
                .send(&frame([0x89, 0x8a, 0x88, 0x01][commands.number(4)], commands.bytes())),
            14 => client.wire.hang_up(),
            _ => self.engine.terminate_here(&self.runtime, "u1", std::time::Instant::now()),
        }
    }

    fn subscription(&self, id: SocketId, name: &str) -> Value {
        let channel = Channel::parse(name, 200).expect("a channel");
        let data = name.starts_with("presence-").then_some(r#"{"user_id":"u1"}"#);
        let auth = self.app().auth(&signed_for_channel(id, &channel, data));
        json!({"channel": name, "auth": auth, "channel_data": data})
    }

    fn sign_in(&self, id: SocketId, number: usize) -> Value {
        let data = json!({"id": format!("u{number}"), "watchlist": ["u1", "u2"]}).to_string();
        let auth = self.app().auth(&format!("{id}::user::{data}"));
        json!({"auth": auth, "user_data": data})
    }

    fn publish(&self, channel: &str) {
        let app = self.app();
        let channel = Channel::parse(channel, 200).expect("a channel");
        let event = PublishedEvent::of_backend("note", PLAINTEXT, vec![channel]);
        if let Ok(prepared) = self.engine.prepare(&self.runtime, &app, vec![event]) {
            let _all_sent = self.engine.publish(&self.runtime, prepared);
        }
    }

    async fn authorize(&self, id: SocketId, name: &str) {
        let channel = Channel::parse(name, 200).expect("a channel");
        let scope = AuthorizationScope { expires: None, abilities: Abilities::LEGACY, token: None };
        let as_of = KnownAsOf::now(self.engine.clock.now());
        let grant = self.engine.grant(&self.runtime, id, &channel, Some("u1".into()), as_of, scope);
        // The worker answers from its mailbox, for a closed connection as well.
        let _ = tokio::time::timeout(Duration::from_secs(5), grant).await;
    }

    fn revoke(&self, name: &str) {
        let channel = Channel::parse(name, 200).expect("a channel");
        let _ = self.engine.revoke_member(&self.runtime, &channel, "u1");
    }

    /// Both clients read the rest and leave: nothing of them may remain.
    async fn finish(self) {
        for client in &self.clients {
            client.wire.take(usize::MAX);
            client.wire.hang_up();
        }
        for _ in 0..50 {
            yield_now().await;
        }
        for client in &self.clients {
            check(&client.wire.received());
        }
        let stats = serde_json::to_value(self.engine.stats()).expect("numbers");
        for name in ["sockets", "subscriptions", "members", "users", "outbox_bytes", "tripwire"] {
            assert_eq!(stats[name], 0, "{name} are left: {stats}");
        }
    }
}

impl FuzzClient {
    fn say(&self, event: &str, data: Value) {
        let text = json!({"event": event, "data": data}).to_string();
        self.wire.send(&frame(0x81, text.as_bytes()));
    }
}

/// A client's frame, under the mask 0.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..=125 => frame.push(0x80 | short as u8),
        long => {
            frame.push(0x80 | 126);
            frame.extend((long as u16).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// Checks the received bytes: complete server frames, and events only on subscribed channels,
/// sealed if the channel is encrypted.
fn check(received: &[u8]) {
    let Some(mut rest) = received.strip_prefix(b"101\r\n\r\n") else {
        assert!(b"101\r\n\r\n".starts_with(received), "another handshake");
        return;
    };
    let mut joined = HashSet::new();
    while let Some((opcode, payload, behind)) = server_frame(rest) {
        rest = behind;
        if opcode == 1 {
            check_event(payload, &mut joined);
        } else {
            assert!(matches!(opcode, 8..=10), "a frame that no server sends: {opcode}");
        }
    }
}

fn check_event(payload: &[u8], joined: &mut HashSet<String>) {
    let text = std::str::from_utf8(payload).expect("UTF-8");
    let frame: Value = serde_json::from_str(text).expect("JSON");
    let event = frame["event"].as_str().expect("an event");
    if event == "pusher:signin_success" {
        joined.insert(format!("#server-to-user-{}", signed_in(&frame)));
    }
    let Some(channel) = frame["channel"].as_str() else { return };
    if channel.starts_with("private-encrypted-") {
        assert!(!text.contains(PLAINTEXT), "plaintext on an encrypted channel: {text}");
    }
    if event == "pusher_internal:subscription_succeeded" {
        joined.insert(channel.to_owned());
    } else if !event.starts_with("pusher") {
        assert!(joined.contains(channel), "an event of a channel that was never joined: {text}");
    }
}

/// The user's id, which needs no subscription to its channel.
fn signed_in(frame: &Value) -> String {
    let inner = |value: &Value| -> Value {
        serde_json::from_str(value.as_str().expect("a string")).expect("JSON")
    };
    let user = inner(&inner(&frame["data"])["user_data"]);
    user["id"].as_str().expect("an id").to_owned()
}

/// Opcode and payload of the first frame, and the rest; `None` if the frame is incomplete.
fn server_frame(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [first, second, rest @ ..] = bytes else { return None };
    assert_eq!((first & 0xf0, second & 0x80), (0x80, 0), "fragmented, reserved or masked");
    let (length, rest) = match second {
        126 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), &rest[2..]),
        127 => (u64::from_be_bytes(*rest.first_chunk()?), &rest[8..]),
        short => (u64::from(*short), rest),
    };
    let length = usize::try_from(length).ok()?;
    (rest.len() >= length).then(|| (first & 0x0f, &rest[..length], &rest[length..]))
}
