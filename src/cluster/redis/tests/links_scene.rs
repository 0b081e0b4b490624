//! Two nodes on a Redis Cluster, each with its links to all masters.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use redis::{Cmd, Value};

use super::link_scene::{Receiver, endpoint};
use crate::cluster::{
    names::{ChannelId, Incarnation, KeyLayout, Partition, PartitionSet},
    node::keys::{keys_of, partition_keys},
    redis::{
        backlog::Backlog,
        keys::Keys,
        lane::{Answered, CommandKind},
        link::{LinkError, LinkEvent, PartitionNames},
        links::{EngineAddress, EngineSettings, MasterLinks},
        listener::TopicGroup,
        scripts::Scripts,
        slots::slot_of,
        verbs::Verb,
    },
    settings::KeyPrefix,
    url::RedisHost,
};

const PATIENCE: Duration = Duration::from_secs(60);
const CHANNEL: [u8; 16] = [5; 16];

pub struct LinksNode {
    pub links: MasterLinks<u64>,
    scripts: Arc<Scripts>,
    counter: u64,
    pub receiver: Receiver,
    pub reached: PartitionSet,
    pub control: bool,
    /// Partitions that were away at some time.
    pub away: PartitionSet,
    pub changed: PartitionSet,
    pub subscribed: BTreeSet<Bytes>,
    pub done: BTreeSet<u64>,
    pub refused: usize,
    pub reads: Vec<(u64, Vec<Value>)>,
    pub errors: Vec<LinkError>,
}

pub fn layout() -> KeyLayout {
    KeyLayout::new(KeyPrefix::parse("SC").expect("a prefix"))
}

pub fn slot(partition: Partition) -> u16 {
    slot_of(partition.hash_tag().as_bytes())
}

fn keys(partition: Partition) -> Keys {
    let app = crate::cluster::names::AppHash::from_bytes([1; 16]);
    let node = Incarnation::from_bytes([7; 16]);
    keys_of(&layout(), partition, ChannelId::from_bytes(CHANNEL), &app, &node)
}

pub fn topic(partition: Partition) -> Bytes {
    keys(partition).t
}

impl LinksNode {
    pub fn new(seed: u16, number: u8) -> Self {
        let node = Incarnation::from_bytes([number; 16]);
        let names = Partition::all().map(|partition| PartitionNames {
            partition,
            keys: partition_keys(&layout(), partition, &node),
            mark_topic: layout().partition(partition).mark_topic(&node).into(),
        });
        let seed = RedisHost { host: "127.0.0.1".into(), port: seed };
        let scripts = Arc::new(Scripts::new());
        let settings = EngineSettings {
            address: EngineAddress::Cluster(vec![seed]),
            access: Arc::new(endpoint(1, "").access),
            scripts: scripts.clone(),
            inbox_bytes: 1 << 20,
            identity_slot: slot_of(&layout().identity()),
        };
        Self {
            links: MasterLinks::new(settings, names, &Backlog::new(1 << 24)),
            scripts,
            counter: 0,
            receiver: Receiver::default(),
            reached: PartitionSet::default(),
            control: false,
            away: PartitionSet::default(),
            changed: PartitionSet::default(),
            subscribed: BTreeSet::new(),
            done: BTreeSet::new(),
            refused: 0,
            reads: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// An event of the channel in that partition, without a script.
    pub fn publish(&mut self, partition: Partition, event: u64) {
        let blob = self.seal(event);
        let mut command = redis::cmd("SPUBLISH");
        command.arg(&topic(partition)[..]).arg(&blob[..]);
        self.push(partition, CommandKind::Event, command, event);
    }

    /// By a script, which needs several keys.
    pub fn publish_last(&mut self, partition: Partition, event: u64) {
        let (blob, sent_ms) = (self.seal(event), self.counter);
        let verb = Verb::Last { channel: CHANNEL, blob, ttl_ms: 60_000, sent_ms };
        let command = verb.command(&self.scripts, &keys(partition));
        self.push(partition, CommandKind::State, command, event);
    }

    fn push(&mut self, partition: Partition, kind: CommandKind, command: Cmd, event: u64) {
        // The partition stands in the token for another sealing.
        let token = (partition.index() as u64) << 32 | event;
        self.links.push(partition, kind, command, token);
    }

    pub fn follow(&mut self, partition: Partition) {
        self.links.subscribe(TopicGroup::Partition(partition), topic(partition));
    }

    fn seal(&mut self, event: u64) -> Bytes {
        self.counter += 1;
        [&[1][..], &self.counter.to_be_bytes(), &event.to_be_bytes()].concat().into()
    }

    fn take(&mut self, event: LinkEvent<u64>) {
        match event {
            LinkEvent::Up { reach, changed } => {
                self.reached = self.reached.union(reach.partitions);
                self.changed = self.changed.union(changed);
                self.control |= reach.control;
            }
            LinkEvent::Away { reach, error } => {
                self.reached = self.reached.without(reach.partitions);
                self.away = self.away.union(reach.partitions);
                self.control &= !reach.control;
                self.errors.push(error);
            }
            LinkEvent::Subscribed(topic) => _ = self.subscribed.insert(topic),
            LinkEvent::Message { message, .. } => self.receiver.receive(&message),
            LinkEvent::Answered(Answered::Done { token, .. }) => {
                _ = self.done.insert(token & u64::from(u32::MAX));
            }
            LinkEvent::Answered(Answered::NotDone { token, refusal }) => {
                assert!(refusal.may_repeat(), "{refusal:?}");
                self.refused += 1;
                let partition = Partition::all().nth((token >> 32) as usize).expect("ours");
                self.publish_last(partition, token & u64::from(u32::MAX));
            }
            LinkEvent::Read { token, answers } => self.reads.push((token, answers)),
            LinkEvent::ReadLost(token) => self.reads.push((token, Vec::new())),
            _ => {}
        }
    }

    /// Runs all nodes until it is so.
    pub async fn until(nodes: &mut [Self], what: &str, is_so: impl Fn(&[Self]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(nodes) {
            assert!(Instant::now() < deadline, "{what}");
            Self::run_for(nodes, Duration::from_millis(5)).await;
        }
    }

    pub async fn run_for(nodes: &mut [Self], time: Duration) {
        let end = Instant::now() + time;
        for node in nodes {
            while let Ok(event) = tokio::time::timeout_at(end.into(), node.links.next()).await {
                node.take(event);
                if Instant::now() >= end {
                    break;
                }
            }
            // The others get their turn, also behind a busy one.
            while let Ok(event) =
                tokio::time::timeout(Duration::from_millis(1), node.links.next()).await
            {
                node.take(event);
            }
        }
    }

    pub fn is_whole(&self) -> bool {
        self.reached == PartitionSet::all() && self.control
    }
}
