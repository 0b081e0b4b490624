//! A Redis Cluster of three masters.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use redis::{Connection, FromRedisValue, Value};

use super::server::{RedisServer, ask, free_port};

const PATIENCE: Duration = Duration::from_secs(60);
const SLOTS: [Range<u16>; 3] = [0..5461, 5461..10_923, 10_923..16_384];

pub struct Masters {
    /// Replicas stand behind the masters.
    pub servers: Vec<RedisServer>,
}

impl Masters {
    /// Three of them, the last one with so many replicas.
    pub fn start(replicas: usize) -> Self {
        let servers: Vec<_> = (0..3 + replicas).map(|_| start_one()).collect();
        let masters = Self { servers };
        for at in 1..masters.servers.len() {
            let port = masters.servers[at].port().to_string();
            let bus: Vec<(String, String)> = masters.ask(at, &["CONFIG", "GET", "cluster-port"]);
            masters.cluster(0, &["MEET", "127.0.0.1", &port, &bus[0].1]);
        }
        for (at, slots) in SLOTS.iter().enumerate() {
            let (first, last) = (slots.start.to_string(), (slots.end - 1).to_string());
            masters.cluster(at, &["ADDSLOTSRANGE", &first, &last]);
        }
        masters.until("all know each other", || {
            let known = |at: usize| masters.info(at, &["CLUSTER", "INFO"]);
            let count = format!("cluster_known_nodes:{}\r", masters.servers.len());
            (0..masters.servers.len()).all(|at| {
                let info = known(at);
                info.contains("cluster_state:ok") && info.contains(&count)
            })
        });
        masters.replicate();
        masters
    }

    fn replicate(&self) {
        let (id, replicas) = (self.id(2), self.servers.len() - 3);
        if replicas == 0 {
            return;
        }
        for at in 2..self.servers.len() {
            for (name, value) in [("min-replicas-to-write", "1"), ("min-replicas-max-lag", "10")] {
                self.ask::<Value>(at, &["CONFIG", "SET", name, value]);
            }
        }
        (3..self.servers.len()).for_each(|at| self.cluster(at, &["REPLICATE", &id]));
        let count = format!("min_slaves_good_slaves:{replicas}\r");
        self.until("the replicas are there", || {
            self.info(2, &["INFO", "replication"]).contains(&count)
        });
    }

    /// The number of a slot's master, as the first server knows it.
    pub fn master_of(slot: u16) -> usize {
        SLOTS.iter().position(|slots| slots.contains(&slot)).expect("a master")
    }

    /// As `redis-cli --cluster reshard` does it. `half_way` is called with all keys moved, before
    /// the slot is.
    pub fn move_slot(&self, slot: u16, from: usize, to: usize, half_way: impl FnOnce()) {
        let (ids, text) = ([self.id(from), self.id(to)], slot.to_string());
        self.cluster(to, &["SETSLOT", &text, "IMPORTING", &ids[0]]);
        self.cluster(from, &["SETSLOT", &text, "MIGRATING", &ids[1]]);
        let port = self.servers[to].port().to_string();
        loop {
            let keys: Vec<Vec<u8>> = self.ask(from, &["CLUSTER", "GETKEYSINSLOT", &text, "100"]);
            if keys.is_empty() {
                break;
            }
            let mut migrate = redis::cmd("MIGRATE");
            migrate.arg(&["127.0.0.1", &port, "", "0", "5000", "KEYS"]).arg(keys);
            ask(&mut self.connect(from), &migrate).expect("the keys move");
        }
        half_way();
        for at in [to, from].into_iter().chain((0..3).filter(|at| ![from, to].contains(at))) {
            self.cluster(at, &["SETSLOT", &text, "NODE", &ids[1]]);
        }
    }

    pub fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < deadline, "{what}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    pub fn info(&self, at: usize, words: &[&str]) -> String {
        self.ask(at, words)
    }

    pub fn connect(&self, at: usize) -> Connection {
        self.servers[at].connect()
    }

    fn id(&self, at: usize) -> String {
        self.ask(at, &["CLUSTER", "MYID"])
    }

    fn cluster(&self, at: usize, words: &[&str]) {
        self.ask::<Value>(at, &[&["CLUSTER"], words].concat());
    }

    pub fn ask<T: FromRedisValue>(&self, at: usize, words: &[&str]) -> T {
        let mut command = redis::cmd(words[0]);
        let answer = ask(&mut self.connect(at), command.arg(&words[1..]));
        let answer = answer.unwrap_or_else(|error| panic!("{words:?}: {error}"));
        redis::from_redis_value(answer).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }
}

fn start_one() -> RedisServer {
    let bus = free_port().to_string();
    let options = ["--cluster-enabled", "yes", "--cluster-port", &bus];
    let timing = ["--cluster-node-timeout", "1500", "--repl-diskless-sync-delay", "0"];
    RedisServer::start_with(&[&options[..], &timing].concat())
}
