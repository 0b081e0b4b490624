//! Several nodes on one Redis. Their clock is the test's, and each effect is carried out at once.

use std::time::{Duration, Instant};

use redis::{Cmd, Connection, ConnectionLike, Pipeline, Value};

use super::node::MemberNode;
use crate::{
    cluster::{
        content::FactContent,
        key::{ClusterKey, tests::example_key},
        membership::{Now, context::command, values},
        names::KeyLayout,
        node::keys::control_keys,
        redis::{scripts::Scripts, tests::server::RedisServer},
        settings::KeyPrefix,
    },
    domain::channel::Channel,
};

pub const LEASE: Duration = Duration::from_secs(12);
const STEP: Duration = Duration::from_millis(250);

pub struct MembershipScene {
    pub nodes: Vec<MemberNode>,
    pub redis: TestRedis,
    began: Instant,
    passed: Duration,
}

pub struct TestRedis {
    connection: Connection,
    pub layout: KeyLayout,
    _server: RedisServer,
}

pub fn layout() -> KeyLayout {
    KeyLayout::new(KeyPrefix::parse("sealcast").expect("a prefix"))
}

pub fn channel(name: &str) -> Channel {
    Channel::parse(name, 200).expect("a channel")
}

impl MembershipScene {
    /// So many nodes are members.
    pub fn with(nodes: usize) -> Self {
        let server = RedisServer::start();
        let connection = server.connect();
        let mut redis = TestRedis { connection, layout: layout(), _server: server };
        for command in Scripts::new().load() {
            redis.run(&command);
        }
        let mut scene =
            Self { nodes: Vec::new(), redis, began: Instant::now(), passed: Duration::ZERO };
        (0..nodes).for_each(|_| {
            scene.add();
        });
        scene.pass(Duration::from_secs(3));
        assert!(scene.nodes.iter().all(MemberNode::is_joined));
        scene
    }

    pub fn now(&self) -> Now {
        // The machine has run before.
        Now { at: self.began + self.passed, boot: Duration::from_secs(1000) + self.passed }
    }

    pub fn add(&mut self) -> usize {
        self.add_as(example_key(), "apps")
    }

    pub fn add_as(&mut self, key: ClusterKey, identity: &'static str) -> usize {
        self.add_with(key, identity, LEASE)
    }

    pub fn add_with(&mut self, key: ClusterKey, identity: &'static str, lease: Duration) -> usize {
        let now = self.now();
        let mut node = MemberNode::new(key, identity, lease, self.redis.time_ms(), now);
        node.link(&mut self.redis, now);
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    pub fn pass(&mut self, time: Duration) {
        let end = self.passed + time;
        while self.passed < end {
            self.passed += STEP;
            let now = self.now();
            for node in &mut self.nodes {
                node.tick(&mut self.redis, now);
            }
        }
    }

    pub fn act(&mut self, at: usize, act: impl FnOnce(&mut MemberNode, &mut TestRedis, Now)) {
        let now = self.now();
        act(&mut self.nodes[at], &mut self.redis, now);
    }

    /// The node has a subscriber of the channel, who is that user.
    pub fn arrive(&mut self, at: usize, name: &str, user: &'static str) {
        self.act(at, |node, redis, now| node.arrive(redis, now, &channel(name), user));
    }

    /// The users of a channel, and its total.
    pub fn room(&mut self, name: &str) -> (usize, u64) {
        let key = self.nodes[0].sealing.keys(&self.nodes[0].channel(&channel(name)));
        let mut length = redis::cmd("HLEN");
        let members = number(&self.redis.run(length.arg(&key.m[..])));
        let mut total = redis::cmd("HGET");
        let total = self.redis.run(total.arg(&key.c[..]).arg("n"));
        (members as usize, number(&total))
    }

    pub fn counted(&self, count: &str) -> usize {
        let counts = self.nodes.iter().flat_map(|node| &node.counts);
        counts.filter(|it| format!("{it:?}") == count).count()
    }

    /// The facts of a channel that hosts were told, in their order on each node.
    pub fn facts(&self, name: &str) -> Vec<String> {
        let facts = self.nodes.iter().flat_map(|node| &node.facts);
        let parsed = facts.map(|entry| FactContent::parse(&entry.content).expect("a fact"));
        let here = parsed.filter(|fact| fact.channel == name);
        here.map(|fact| format!("{:?}", fact.fact.kind())).collect()
    }

    /// What lingers is over.
    pub fn elapse(&mut self) {
        for key in self.redis.keys("*}g") {
            let entries = self.redis.run(command("ZRANGE", &key).arg(0).arg(-1));
            for entry in values::texts(entries).expect("entries") {
                self.redis.run(command("ZADD", &key).arg(1).arg(&entry[..]));
            }
        }
    }

    /// Redis lets ownerships go that nobody renews. Its clock is not the test's.
    pub fn expire_owners(&mut self) {
        for key in self.redis.keys("*}o") {
            self.redis.run(&command("DEL", &key));
        }
    }

    /// Facts in the streams.
    pub fn queued(&mut self) -> u64 {
        let keys = self.redis.keys("*}w");
        keys.iter().map(|key| number(&self.redis.run(&command("XLEN", key)))).sum()
    }

    /// Nodes with an entry, alive or dying.
    pub fn entries(&mut self) -> usize {
        let mut length = redis::cmd("HLEN");
        length.arg(&control_keys(&self.redis.layout).nodes[..]);
        number(&self.redis.run(&length)) as usize
    }

    /// All partitions' lists of nodes, by their length.
    pub fn listed(&mut self) -> u64 {
        let keys = self.redis.keys("*}p");
        keys.iter().map(|key| number(&self.redis.run(redis::cmd("HLEN").arg(&key[..])))).sum()
    }
}

impl TestRedis {
    pub fn run(&mut self, command: &Cmd) -> Value {
        self.connection.req_command(command).expect("Redis is there")
    }

    pub fn pipeline(&mut self, commands: &[Cmd]) -> Vec<Value> {
        let mut pipeline = Pipeline::new();
        commands.iter().for_each(|command| {
            pipeline.add_command(command.clone());
        });
        let packed = pipeline.get_packed_pipeline();
        self.connection.req_packed_commands(&packed, 0, commands.len()).expect("Redis is there")
    }

    pub fn time_ms(&mut self) -> u64 {
        let time = values::texts(self.run(&redis::cmd("TIME"))).expect("a time");
        let parts: Vec<u64> = time.iter().map(|it| parse(it)).collect();
        parts[0] * 1000 + parts[1] / 1000
    }

    pub fn keys(&mut self, pattern: &str) -> Vec<bytes::Bytes> {
        let mut keys = redis::cmd("KEYS");
        let mut keys = values::texts(self.run(keys.arg(pattern))).expect("keys");
        keys.sort();
        keys
    }

    pub fn words(&mut self, words: &[&str]) -> Value {
        let mut command = redis::cmd(words[0]);
        words[1..].iter().for_each(|word| {
            command.arg(word);
        });
        self.run(&command)
    }

    pub fn forget_control(&mut self) {
        for key in self.keys("*{ctl}*") {
            self.run(redis::cmd("DEL").arg(&key[..]));
        }
    }
}

pub fn number(value: &Value) -> u64 {
    match value {
        Value::Int(number) => *number as u64,
        Value::BulkString(text) => parse(text),
        _ => 0,
    }
}

fn parse(text: &[u8]) -> u64 {
    str::from_utf8(text).ok().and_then(|text| text.parse().ok()).expect("a number")
}
