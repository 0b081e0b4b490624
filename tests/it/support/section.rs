//! The `[cluster]` section of tests.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::{
    DEADLINE, Masters, Redis, Request, TestServer, base64, exchange, hex, master_key, sha256,
    until_within,
};

/// The smallest `lease_seconds` that the configuration takes.
pub const LEASE_SECONDS: u64 = 4;

/// Members of a dead node are gone 3 s after its lease: whoever waits for a frame sees that.
const _: () = assert!(LEASE_SECONDS + 3 < DEADLINE.as_secs());

/// A `[cluster]` section, the same on all nodes.
#[derive(Clone)]
pub struct ClusterSection {
    url: String,
    key: String,
    prefix: String,
    lease_seconds: u64,
    more: String,
}

impl ClusterSection {
    /// With a prefix that no other test uses, and the shortest lease.
    pub fn on(redis: &Redis) -> Self {
        let masters = Masters::shared().filter(|_| std::ptr::eq(redis, Redis::shared()));
        Self {
            url: masters.map_or_else(|| redis.url(), Masters::url),
            key: base64(&master_key("cluster")),
            prefix: unused_prefix(),
            lease_seconds: LEASE_SECONDS,
            more: String::new(),
        }
    }

    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    pub fn url(self, url: String) -> Self {
        Self { url, ..self }
    }

    /// The user of the documents, word for word, on each of these servers.
    pub fn for_documented_user(self, servers: &[&Redis]) -> Self {
        let text = include_str!("../../../docs/cluster.md");
        let rule = text.lines().find(|line| line.starts_with("ACL SETUSER")).expect("a rule");
        let rule = rule.replace("~sealcast*", &format!("~{}*", self.prefix));
        let rule = rule.replace("&sealcast*", &format!("&{}*", self.prefix));
        for server in servers {
            server.ask(&rule.split(' ').collect::<Vec<_>>()).expect("a user");
        }
        Self { url: self.url.replace("//", "//sealcast:PASSWORD@"), ..self }
    }

    pub fn key(self, label: &str) -> Self {
        Self { key: base64(&master_key(label)), ..self }
    }

    pub fn lease(self, lease_seconds: u64) -> Self {
        Self { lease_seconds, ..self }
    }

    /// Adds these lines.
    pub fn with(mut self, lines: &str) -> Self {
        self.more += lines;
        self.more.push('\n');
        self
    }

    /// The configuration of one node.
    pub fn config(&self, apps: &str) -> String {
        let Self { url, key, prefix, lease_seconds, more } = self;
        format!(
            "{apps}\n[cluster]\nurl = \"{url}\"\nkey = \"{key}\"\nprefix = \"{prefix}\"\nlease_seconds = {lease_seconds}\n{more}"
        )
    }
}

fn unused_prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is after 1970");
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let seed = format!("{} {number} {}", std::process::id(), now.as_nanos());
    format!("it-{}", &hex(&sha256(seed.as_bytes()))[..16])
}

/// Status and text of a node's `/ready`.
pub async fn ready(node: &TestServer) -> (u16, String) {
    let answer = exchange(node.own_ops(), &Request::new("GET", "/ready")).await;
    (answer.status, answer.text())
}

pub async fn until_ready(node: &TestServer) {
    let is_green = async || (ready(node).await.0 == 200).then_some(());
    until_within(DEADLINE * 2, "/ready is 200", is_green).await;
}
