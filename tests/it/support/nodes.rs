//! A server that is several nodes behind one address.

use serde_json::Value;

use super::{ClusterSection, Door, TestServer, until};

/// The nodes after the first, and what leads to all of them.
pub struct Peers {
    servers: Vec<TestServer>,
    section: ClusterSection,
    _door: Door,
}

impl Peers {
    pub(super) fn into_servers(self) -> Vec<TestServer> {
        self.servers
    }
}

impl TestServer {
    /// One server at the address of the door. Its output, counters and signals are those of all
    /// nodes.
    pub(super) fn of_nodes(
        mut first: Self,
        servers: Vec<Self>,
        section: ClusterSection,
        door: Door,
    ) -> Self {
        first.addr = door.addr;
        first.peers = Some(Peers { servers, section, _door: door });
        first
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(self.peers.iter().flat_map(|peers| &peers.servers))
    }

    /// For what only one process has.
    pub(super) fn expect_alone(&self, what: &str) {
        assert!(
            self.peers.is_none(),
            "two nodes do not have {what}: list this test in tests/it/support/two_nodes.rs"
        );
    }

    /// Writes the configuration of all nodes.
    pub fn write_config(&self, text: &str) {
        let text = match &self.peers {
            Some(peers) => peers.section.config(text),
            None => text.to_owned(),
        };
        self.nodes().for_each(|node| drop(node.dir.write("sealcast.toml", &text)));
    }

    /// The numbers of `/stats`; of several nodes, their sums.
    pub async fn stats(&self) -> Value {
        let mut sums = Value::Null;
        for node in self.nodes() {
            add(&mut sums, node.own_stats().await);
        }
        sums
    }

    /// Waits until one number of `/stats` is `wanted`.
    pub async fn until_stat(&self, name: &str, wanted: u64) {
        until(format!("{name} = {wanted}"), async || {
            (self.stats().await[name] == wanted).then_some(())
        })
        .await;
    }

    /// Waits until this many connections were refused for this reason.
    pub async fn until_refused(&self, name: &str, wanted: u64) {
        until(format!("refused.{name} = {wanted}"), async || {
            (self.stats().await["refused"][name] == wanted).then_some(())
        })
        .await;
    }
}

/// Adds numbers, also those in objects. Anything else stays that of the first node.
fn add(sums: &mut Value, more: Value) {
    match (sums, more) {
        (sums @ Value::Null, more) => *sums = more,
        (Value::Object(sums), Value::Object(more)) => {
            for (name, value) in more {
                add(sums.entry(name).or_insert(Value::Null), value);
            }
        }
        (sums, more) => {
            if let (Some(one), Some(other)) = (sums.as_u64(), more.as_u64()) {
                *sums = (one + other).into();
            }
        }
    }
}

#[test]
fn numbers_of_nodes_are_added() {
    let mut sums = Value::Null;
    for node in [1, 2] {
        add(&mut sums, serde_json::json!({"a": node, "b": {"c": node}, "d": "text"}));
    }
    assert_eq!(sums, serde_json::json!({"a": 3, "b": {"c": 3}, "d": "text"}));
}
