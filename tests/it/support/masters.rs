//! A Redis Cluster of three masters.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use redis::{FromRedisValue, Value};

use super::redis::free_port;
use super::{FAILOVER_TIMEOUT, Redis, until_within};

/// First and last slot of each master.
const SLOTS: [(u16, u16); 3] = [(0, 5460), (5461, 10_922), (10_923, 16_383)];

const WAIT_FOR_REPLICAS: [(&str, &str); 2] =
    [("min-replicas-to-write", "1"), ("min-replicas-max-lag", "10")];

pub struct Masters {
    /// Replicas stand behind the masters.
    pub servers: Vec<Redis>,
}

impl Masters {
    /// Those that all tests of this process share, if the variable `IT_MASTERS` is set: clusters on
    /// the shared Redis are on them.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Masters> = OnceLock::new();
        let is_wanted = std::env::var_os("IT_MASTERS").is_some();
        is_wanted.then(|| SHARED.get_or_init(Self::start_masters))
    }

    pub fn start() -> Self {
        Self::start_masters()
    }

    /// This one has two replicas.
    pub async fn start_replicated(at: usize) -> Self {
        let mut masters = Self::start_masters();
        for _ in 0..2 {
            masters.servers.push(start_one());
            masters.meet(masters.servers.len() - 1);
        }
        let is_complete = async || masters.is_complete().then_some(());
        until_within(FAILOVER_TIMEOUT, "all servers know each other", is_complete).await;
        masters.replicate(at).await;
        masters
    }

    fn start_masters() -> Self {
        let masters = Self { servers: (0..3).map(|_| start_one()).collect() };
        for (at, (first, last)) in SLOTS.iter().enumerate() {
            if at > 0 {
                masters.meet(at);
            }
            masters.cluster(at, &["ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
        }
        while !masters.is_complete() {
            std::thread::sleep(std::time::Duration::from_millis(30));
        }
        masters
    }

    fn meet(&self, at: usize) {
        let port = self.servers[at].addr().port().to_string();
        let bus: Vec<String> = self.ask(at, &["CONFIG", "GET", "cluster-port"]);
        self.cluster(0, &["MEET", "127.0.0.1", &port, &bus[1]]);
    }

    async fn replicate(&self, at: usize) {
        let id = self.id(at);
        for server in [at, 3, 4].map(|at| &self.servers[at]) {
            WAIT_FOR_REPLICAS.iter().for_each(|(name, value)| server.set(name, value));
        }
        (3..5).for_each(|replica| self.cluster(replica, &["REPLICATE", &id]));
        until_within(FAILOVER_TIMEOUT, "the replicas are there", async || {
            let info: String = self.ask(at, &["INFO", "replication"]);
            info.contains("min_slaves_good_slaves:2").then_some(())
        })
        .await;
    }

    fn is_complete(&self) -> bool {
        let count = format!("cluster_known_nodes:{}\r", self.servers.len());
        (0..self.servers.len()).all(|at| {
            let info: String = self.ask(at, &["CLUSTER", "INFO"]);
            info.contains("cluster_state:ok") && info.contains(&count)
        })
    }

    /// Of two of them: they know the third.
    pub fn url(&self) -> String {
        let [first, second, ..] = &self.servers[..] else { panic!("three masters") };
        format!("redis-cluster://{},{}", first.addr(), second.addr())
    }

    /// The slots with keys or topics of nodes that the master has.
    pub fn slots_of(&self, at: usize, prefix: &str) -> Vec<u16> {
        let of_key = |key: &str| self.ask::<u16>(0, &["CLUSTER", "KEYSLOT", key]);
        let more = [of_key("{ctl}"), of_key(&format!("{prefix}:id"))];
        let (first, last) = SLOTS[at];
        // The key of the identity may be in the slot of a partition.
        let all: BTreeSet<u16> =
            (0..128).map(|partition| 128 * partition + 64).chain(more).collect();
        all.into_iter().filter(|slot| (first..=last).contains(slot)).collect()
    }

    /// The master and the slot of the only key of this form.
    pub fn place_of(&self, pattern: &str) -> (usize, u16) {
        let key_of = |at: usize| Some((at, self.servers[at].only_key(pattern)?));
        let (at, key) = (0..3).find_map(key_of).expect("a key");
        let mut command = redis::cmd("CLUSTER");
        command.arg("KEYSLOT").arg(key);
        (at, self.servers[at].query(&command).expect("CLUSTER KEYSLOT"))
    }

    /// As `redis-cli --cluster reshard` does it.
    pub fn move_slot(&self, slot: u16, from: usize, to: usize) {
        let (ids, text) = ([self.id(from), self.id(to)], slot.to_string());
        self.cluster(to, &["SETSLOT", &text, "IMPORTING", &ids[0]]);
        self.cluster(from, &["SETSLOT", &text, "MIGRATING", &ids[1]]);
        let port = self.servers[to].addr().port().to_string();
        loop {
            let keys: Vec<Vec<u8>> = self.ask(from, &["CLUSTER", "GETKEYSINSLOT", &text, "100"]);
            if keys.is_empty() {
                break;
            }
            let mut migrate = redis::cmd("MIGRATE");
            migrate.arg(&["127.0.0.1", &port, "", "0", "5000", "KEYS"]).arg(keys);
            let moved: Value = self.servers[from].query(&migrate).expect("the keys move");
            drop(moved);
        }
        for at in [to, from].into_iter().chain((0..3).filter(|at| ![from, to].contains(at))) {
            self.cluster(at, &["SETSLOT", &text, "NODE", &ids[1]]);
        }
    }

    fn id(&self, at: usize) -> String {
        self.ask(at, &["CLUSTER", "MYID"])
    }

    fn cluster(&self, at: usize, words: &[&str]) {
        self.ask::<Value>(at, &[&["CLUSTER"], words].concat());
    }

    fn ask<T: FromRedisValue>(&self, at: usize, words: &[&str]) -> T {
        let answer = self.servers[at].ask(words).and_then(|it| Ok(redis::from_redis_value(it)?));
        answer.unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }
}

fn start_one() -> Redis {
    let bus = free_port().to_string();
    let options = ["--cluster-enabled", "yes", "--cluster-port", &bus];
    let timing = ["--cluster-node-timeout", "3000", "--repl-diskless-sync-delay", "0"];
    Redis::start_with(&[&options[..], &timing].concat())
}
