//! A link under test, behind the proxy, with an owner that seals events and a second node that hears
//! them.

use std::{
    collections::VecDeque,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use bytes::Bytes;
use redis::{Cmd, Connection, PushInfo, PushKind};

use super::{
    engine::{ACL, bytes},
    names::{channel, keys, mark_topic, node},
    proxy::Proxy,
    server::{RedisServer, ask},
};
use crate::cluster::{
    names::Partition,
    redis::{
        backlog::Backlog,
        lane::{Answered, CommandKind},
        link::{
            LinkError, LinkEvent, LinkPartition, LinkSettings, MasterAddress, MasterLink,
            PartitionNames, RedisAccess,
        },
        listener::TopicGroup,
        messages::TopicMessage,
        refusals::Refusal,
        scripts::Scripts,
        verbs::Verb,
    },
    url::{ClusterUrl, RedisHost},
};

/// Far beyond every deadline of the link: a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(60);
pub const USER: &str = "sealcast:secret@";
const INBOX_BYTES: usize = 1 << 20;
pub const BACKLOG_BYTES: usize = 1 << 20;

pub struct LinkScene {
    pub link: MasterLink<u64>,
    pub proxy: Proxy,
    pub server: RedisServer,
    pub scripts: Arc<Scripts>,
    pub backlog: Backlog,
    /// Drawn for each sealing.
    pub counter: u64,
    pub own: Receiver,
    pub other: OtherNode,
    pub seen: Vec<Seen>,
}

/// What the owner was told, apart from messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Seen {
    Connected { engine_time_ms: u64 },
    Up { changed: bool },
    Away(LinkError),
    Done(u64),
    NotDone(u64, Refusal),
    Expired(u64),
    Read(u64),
    ReadLost(u64),
    Snapshot(u64, Option<u64>),
    Mark(u64),
    Subscribed(Bytes),
    Unsubscribed(Bytes),
    Dropped(u64),
    MemoryChanged { is_full: bool },
}

/// Takes an event once: counters of a sender only rise.
#[derive(Default)]
pub struct Receiver {
    last: u64,
    pub events: Vec<u64>,
    pub numbers: Vec<(u64, u64)>,
}

/// Connected to Redis without the proxy.
pub struct OtherNode {
    connection: Connection,
    pushed: mpsc::Receiver<PushInfo>,
    pub receiver: Receiver,
}

pub fn partition(index: usize) -> Partition {
    Partition::all().nth(index).expect("a partition")
}

pub fn topic() -> Bytes {
    keys(&node(1), &channel(0)).t
}

/// An address, and the rights there.
pub struct Endpoint {
    pub address: MasterAddress,
    pub access: RedisAccess,
}

pub fn endpoint(port: u16, user: &str) -> Endpoint {
    let url = ClusterUrl::parse(&format!("redis://{user}127.0.0.1:{port}")).expect("a URL");
    let host = RedisHost { host: "127.0.0.1".into(), port };
    let access = RedisAccess { login: url.login, tls: None };
    Endpoint { address: MasterAddress::Fixed(host), access }
}

/// The user of the documents.
pub fn add_user(server: &RedisServer, rules: &str) {
    let mut set_user = redis::cmd("ACL");
    set_user.arg("SETUSER").arg("sealcast").arg("on").arg(">secret");
    rules.split_whitespace().for_each(|rule| {
        set_user.arg(rule);
    });
    ask(&mut server.connect(), &set_user).expect("a user");
}

pub fn place(backlog: &Backlog) -> LinkPartition<u64> {
    let keys = keys(&node(1), &channel(0));
    let names = PartitionNames { partition: partition(0), keys, mark_topic: mark_topic() };
    LinkPartition::new(names, backlog)
}

pub fn settings(endpoint: Endpoint, scripts: &Arc<Scripts>) -> LinkSettings {
    let Endpoint { address, access } = endpoint;
    let access = Arc::new(access);
    LinkSettings { address, access, scripts: scripts.clone(), inbox_bytes: INBOX_BYTES }
}

/// Serves one partition.
pub fn link_to(endpoint: Endpoint, scripts: &Arc<Scripts>, backlog: &Backlog) -> MasterLink<u64> {
    let mut link = MasterLink::new(settings(endpoint, scripts));
    link.serve(place(backlog));
    link
}

impl LinkScene {
    /// Up, and subscribed to the topic.
    pub async fn start() -> Self {
        Self::over(RedisServer::start()).await
    }

    pub async fn over(server: RedisServer) -> Self {
        add_user(&server, ACL);
        let proxy = Proxy::start(server.port()).await;
        let (scripts, backlog) = (Arc::new(Scripts::new()), Backlog::new(BACKLOG_BYTES));
        let link = link_to(endpoint(proxy.port, USER), &scripts, &backlog);
        let other = OtherNode::new(&server);
        let (own, seen) = (Receiver::default(), Vec::new());
        let mut scene =
            Self { link, proxy, server, scripts, backlog, counter: 0, own, other, seen };
        scene.link.subscribe(TopicGroup::Partition(partition(0)), topic());
        scene.until(|seen| matches!(seen, Seen::Up { .. })).await;
        scene
    }

    /// Seals an event that is published without a script.
    pub fn publish(&mut self, event: u64) {
        let blob = self.seal(event);
        let mut command = redis::cmd("SPUBLISH");
        command.arg(&topic()[..]).arg(&blob[..]);
        self.push(CommandKind::Event, command, event);
    }

    /// Seals an event that a script publishes and stores.
    pub fn publish_last(&mut self, event: u64) {
        let (blob, sent_ms) = (self.seal(event), self.counter);
        let verb = Verb::Last { channel: channel(0), blob, ttl_ms: 60_000, sent_ms };
        self.run(&verb, event);
    }

    pub fn run(&mut self, verb: &Verb, token: u64) {
        let command = verb.command(&self.scripts, &keys(&node(1), &channel(0)));
        self.push(CommandKind::State, command, token);
    }

    fn push(&mut self, kind: CommandKind, command: Cmd, token: u64) {
        assert!(self.link.push(partition(0), kind, command, token));
    }

    pub fn seal(&mut self, event: u64) -> Bytes {
        self.counter += 1;
        [&[1][..], &self.counter.to_be_bytes(), &event.to_be_bytes()].concat().into()
    }

    /// Takes events of the link until `found`. A refused event is sealed anew.
    pub async fn until(&mut self, found: impl Fn(&Seen) -> bool) -> Seen {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let event = tokio::time::timeout_at(deadline.into(), self.link.next()).await;
            let Ok(event) = event else { panic!("nothing more happens after {:?}", self.seen) };
            if let Some(seen) = self.take(event) {
                self.seen.push(seen.clone());
                if found(&seen) {
                    return seen;
                }
            }
        }
    }

    /// Until all these events have been acknowledged.
    pub async fn until_done(&mut self, events: impl IntoIterator<Item = u64>) {
        let mut missing: VecDeque<u64> = events.into_iter().collect();
        while let Some(event) = missing.pop_front() {
            if !self.seen.contains(&Seen::Done(event)) {
                self.until(|seen| *seen == Seen::Done(event)).await;
            }
        }
    }

    /// Until this node has heard as many events.
    pub async fn until_heard(&mut self, events: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.own.events.len() < events {
            let event = tokio::time::timeout_at(deadline.into(), self.link.next()).await;
            let event = event.unwrap_or_else(|_| panic!("{} events", self.own.events.len()));
            let seen = self.take(event);
            self.seen.extend(seen);
        }
    }

    fn take(&mut self, event: LinkEvent<u64>) -> Option<Seen> {
        Some(match event {
            LinkEvent::Connected { engine_time_ms, .. } => Seen::Connected { engine_time_ms },
            LinkEvent::Up { changed, .. } => Seen::Up { changed: !changed.is_empty() },
            LinkEvent::Away { error, .. } => Seen::Away(error),
            LinkEvent::Moved(_) => return None,
            LinkEvent::Answered(Answered::Done { token, .. }) => Seen::Done(token),
            LinkEvent::Answered(Answered::NotDone { token, refusal }) => {
                self.publish(token);
                Seen::NotDone(token, refusal)
            }
            LinkEvent::Expired(token) => Seen::Expired(token),
            LinkEvent::Read { token, .. } => Seen::Read(token),
            LinkEvent::ReadLost(token) => Seen::ReadLost(token),
            LinkEvent::Snapshot { mark, snapshot } => {
                Seen::Snapshot(mark.snapshot, snapshot.ok().map(|snapshot| snapshot.number))
            }
            LinkEvent::Mark(mark) => Seen::Mark(mark.snapshot),
            LinkEvent::Subscribed(topic) => Seen::Subscribed(topic),
            LinkEvent::Unsubscribed(topic) => Seen::Unsubscribed(topic),
            LinkEvent::Dropped(events) => Seen::Dropped(events),
            LinkEvent::MemoryChanged => Seen::MemoryChanged { is_full: self.link.is_full() },
            LinkEvent::Message { message, .. } => {
                self.own.receive(&message);
                return None;
            }
        })
    }
}

impl Receiver {
    pub fn receive(&mut self, message: &Bytes) {
        let blob = match TopicMessage::parse(message, 1 << 20).expect("a message") {
            TopicMessage::Event(blob) => blob,
            TopicMessage::Numbered(message) => {
                self.numbers.push((message.predecessor, message.number));
                message.blob
            }
            TopicMessage::Total(_) => return,
        };
        let Some((head, event)) = blob.split_last_chunk::<8>() else { return };
        let Some(counter) = head.last_chunk::<8>() else { return };
        let counter = u64::from_be_bytes(*counter);
        if counter > self.last {
            self.last = counter;
            self.events.push(u64::from_be_bytes(*event));
        }
    }
}

impl OtherNode {
    fn new(server: &RedisServer) -> Self {
        let mut connection = server.connect();
        let (sender, pushed) = mpsc::channel();
        connection.set_push_sender(sender);
        let mut subscribe = redis::cmd("SSUBSCRIBE");
        subscribe.arg(&topic()[..]).set_no_response(true).exec(&mut connection).expect("a topic");
        ask(&mut connection, &redis::cmd("PING")).expect("PONG");
        Self { connection, pushed, receiver: Receiver::default() }
    }

    /// All events so far. The answer to a PING comes behind them.
    pub fn events(&mut self) -> &[u64] {
        ask(&mut self.connection, &redis::cmd("PING")).expect("PONG");
        for push in self.pushed.try_iter().filter(|push| push.kind == PushKind::SMessage) {
            let message = push.data.into_iter().nth(1).expect("a message");
            self.receiver.receive(&bytes(message));
        }
        &self.receiver.events
    }
}
