//! Encrypted channels over the nodes of a cluster.

use super::{Cluster, SealedSubscriber, TestServer, base64, config, id, master_key};

/// The encrypted channel of these tests.
pub const SEALED: &str = "private-encrypted-x";

/// Longer than other nodes are waited for.
pub const LONG_LEASE: u64 = 30;

pub fn sealed_config(more: &str) -> String {
    let key = base64(&master_key("first"));
    let rotation = "[apps.it.rotation]\nsettle_ms = 50\nhold_ms = 10000";
    config(&format!("authorizer = \"open\"\nmaster_key = \"{key}\"\n{more}\n\n{rotation}"))
}

pub async fn publish_in_turn(cluster: &Cluster, numbers: std::ops::Range<usize>) {
    let nodes: Vec<_> = cluster.running().collect();
    for n in numbers {
        nodes[n % nodes.len()].publish(SEALED, "numbers", &n.to_string()).await;
    }
}

/// Events in their order. Empty ones, of a channel that was quiet, are passed over.
pub async fn expect_numbers(
    node: &TestServer,
    reader: &mut SealedSubscriber,
    numbers: std::ops::Range<usize>,
) {
    for n in numbers {
        let mut read = reader.read(node).await;
        while read.0 == "sealcast:rekey" {
            read = reader.read(node).await;
        }
        assert_eq!(read, ("numbers".to_owned(), n.to_string()));
    }
}

/// The ids of all keys, oldest first, as this node knows them.
pub async fn key_ids(cluster: &Cluster, node: usize) -> Vec<String> {
    let report = cluster.admin(node).report().await;
    report["keys"].as_array().expect("keys").iter().map(id).collect()
}
