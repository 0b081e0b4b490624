//! A master and two replicas. One of them takes the place of the master by hand, without what it
//! had not got yet.
//!
//! No Sentinel: the round decides when, and the proxies of the nodes lead to the new master. So a
//! failover takes as long as the round says, and the nodes find it on their own all the same.

use super::proxy::{Flow, Line, Proxy};
use crate::support::*;

const SERVERS: usize = 3;

pub struct ReplicaSet {
    servers: Vec<Redis>,
    /// Each server reaches its master through its own.
    to_master: Vec<Proxy>,
    master: usize,
    /// The master of before, until it is a replica.
    former: Option<usize>,
}

impl ReplicaSet {
    pub async fn start() -> Self {
        let servers: Vec<_> = (0..SERVERS).map(|_| start_server()).collect();
        let proxy = |_| Proxy::start(servers[0].addr());
        let to_master = (0..SERVERS).map(proxy).collect();
        let set = Self { servers, to_master, master: 0, former: None };
        (1..SERVERS).for_each(|at| set.follow(at));
        set.until_replicated(SERVERS - 1).await;
        set
    }

    pub fn master(&self) -> &Redis {
        &self.servers[self.master]
    }

    /// What the master takes from now on, its replicas do not get. It does not know that: it takes
    /// writes, as they were there a moment ago.
    pub fn hold(&self) {
        let replicas = (0..SERVERS).filter(|at| *at != self.master);
        replicas.for_each(|at| self.to_master[at].set(Flow::Stalled, Line::Both));
    }

    /// The next replica becomes the master, and takes writes as soon as the other one has followed
    /// it. The former master may be dead; if not, it goes on without replicas.
    pub async fn promote(&mut self) {
        let next = (self.master + 1) % SERVERS;
        let other = (self.master + 2) % SERVERS;
        // Before the cut: a replica connects again at once.
        self.to_master[other].lead_to(self.servers[next].addr());
        // What was held is lost.
        [next, other].iter().for_each(|at| self.to_master[*at].cut(Line::Both));
        self.servers[next].ask(&["REPLICAOF", "NO", "ONE"]).expect("a promotion");
        self.former = Some(std::mem::replace(&mut self.master, next));
        self.to_master[other].set(Flow::Open, Line::Both);
        self.until_replicated(1).await;
    }

    /// The former master comes back as an empty replica.
    pub async fn rejoin(&mut self) {
        let Some(former) = self.former.take() else { return };
        let started = tokio::task::spawn_blocking(start_server);
        self.servers[former] = started.await.expect("a server starts");
        self.to_master[former].lead_to(self.master().addr());
        self.to_master[former].set(Flow::Open, Line::Both);
        self.follow(former);
        self.until_replicated(SERVERS - 1).await;
    }

    fn follow(&self, at: usize) {
        let port = self.to_master[at].addr.port().to_string();
        self.servers[at].ask(&["REPLICAOF", "127.0.0.1", &port]).expect("a replica");
    }

    async fn until_replicated(&self, replicas: usize) {
        let wanted = format!("min_slaves_good_slaves:{replicas}\r");
        until_within(FAILOVER_TIMEOUT, "the replicas are there", async || {
            let info = self.master().ask(&["INFO", "replication"]).ok()?;
            let info: String = redis::from_redis_value(info).ok()?;
            info.contains(&wanted).then_some(())
        })
        .await;
    }
}

fn start_server() -> Redis {
    Redis::start_with(&[&["--repl-diskless-sync-delay", "0"][..], &SAFE].concat())
}
