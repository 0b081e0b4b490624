//! One master, two replicas and three Sentinels.

use std::process::Child;
use std::time::Duration;

use redis::{RedisResult, Value};

use super::redis::{free_port, guarded};
use super::{Redis, TempDir, until_within};

const MASTER: &str = "shop";

/// Far beyond the time of a failover, with the longest pause of a node.
pub const FAILOVER_TIMEOUT: Duration = Duration::from_secs(45);

/// What nodes ask for.
pub const SAFE: [&str; 4] = ["--min-replicas-to-write", "1", "--min-replicas-max-lag", "10"];

pub struct SentinelSet {
    /// The first one begins as the master.
    pub servers: Vec<Redis>,
    sentinels: Vec<Sentinel>,
}

struct Sentinel {
    guard: Child,
    port: u16,
}

impl SentinelSet {
    pub async fn start() -> Self {
        let master = Redis::start_with(&SAFE);
        let master_port = master.addr().port();
        let replica_of = format!("127.0.0.1 {master_port}");
        let more = ["--replicaof", &replica_of, "--repl-diskless-sync-delay", "0"];
        let replicas = [(); 2].map(|()| Redis::start_with(&[&more[..], &SAFE].concat()));
        let servers = [master].into_iter().chain(replicas).collect();
        let sentinels = (0..3).map(|_| Sentinel::start(master_port)).collect();
        let set = Self { servers, sentinels };
        until_within(FAILOVER_TIMEOUT, "all know each other", async || {
            set.is_complete().then_some(())
        })
        .await;
        set
    }

    pub fn url(&self) -> String {
        let hosts: Vec<_> =
            self.sentinels.iter().map(|it| format!("127.0.0.1:{}", it.port)).collect();
        format!("redis+sentinel://{}/{MASTER}", hosts.join(","))
    }

    /// In order, as an operator does it.
    pub fn fail_over(&self) {
        self.sentinels[0].ask(&["SENTINEL", "FAILOVER", MASTER]).expect("a failover begins");
    }

    /// Waits until most Sentinels name another master than the first.
    pub async fn new_master(&self) -> &Redis {
        let first = self.servers[0].addr().port();
        let named = async || {
            let named: Vec<_> = self
                .sentinels
                .iter()
                .filter_map(Sentinel::master)
                .filter(|it| *it != first)
                .collect();
            let port = *named.first().filter(|_| named.len() > 1)?;
            self.servers.iter().find(|it| it.addr().port() == port)
        };
        until_within(FAILOVER_TIMEOUT, "another master", named).await
    }

    fn is_complete(&self) -> bool {
        let known = |sentinel: &Sentinel, what: &str| {
            let list = sentinel.ask(&["SENTINEL", what, MASTER]).ok();
            list.and_then(|it| it.into_sequence().ok()).map_or(0, |list| list.len())
        };
        let is_whole = |it: &Sentinel| known(it, "REPLICAS") == 2 && known(it, "SENTINELS") == 2;
        let info = self.servers[0].ask(&["INFO", "replication"]).expect("INFO");
        let info: String = redis::from_redis_value(info).expect("text");
        info.contains("min_slaves_good_slaves:2") && self.sentinels.iter().all(is_whole)
    }
}

impl Sentinel {
    fn start(master: u16) -> Self {
        let (port, directory) = (free_port(), TempDir::new().keep());
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\n\
             sentinel monitor {MASTER} 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds {MASTER} 1500\n\
             sentinel failover-timeout {MASTER} 6000\n\
             sentinel parallel-syncs {MASTER} 2\n",
            directory.display()
        );
        let file = directory.join("sentinel.conf");
        std::fs::write(&file, text).expect("a file");
        let (guard, _) = guarded(&directory, &[file.to_str().expect("a path"), "--sentinel"]);
        Self { guard, port }
    }

    fn master(&self) -> Option<u16> {
        let answer = self.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER]).ok()?;
        let (_, port): (String, u16) = redis::from_redis_value(answer).ok()?;
        Some(port)
    }

    fn ask(&self, words: &[&str]) -> RedisResult<Value> {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.port))?;
        let mut connection = client.get_connection_with_timeout(Duration::from_secs(1))?;
        redis::cmd(words[0]).arg(&words[1..]).query(&mut connection)
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}
