//! The nodes of a cluster as operators see them, and the end of one of them.

use serde_json::{Value, json};

use crate::support::*;

async fn nodes(admin: &AdminClient) -> Vec<Value> {
    let list = admin.send(&Request::new("GET", "/admin/nodes")).await.expect(200, "nodes");
    assert_eq!(list["cluster"], json!(true));
    list["nodes"].as_array().expect("a list").clone()
}

/// A node hears of another one with its next beat.
async fn both(admin: &AdminClient) -> Vec<Value> {
    until("two nodes", async || Some(nodes(admin).await).filter(|list| list.len() == 2)).await
}

async fn drain(admin: &AdminClient, node: &str) -> Response {
    admin.send(&Request::new("POST", format!("/admin/nodes/{node}/drain")).json(&json!({}))).await
}

fn name(node: &Value) -> &str {
    node["node"].as_str().expect("a name")
}

#[tokio::test]
async fn l_each_node_lists_all_and_drains_another() {
    let mut cluster = Cluster::start(2, &sealed_config("")).await;
    let mut client = cluster[1].connect().await;
    let (first, second) = (cluster.admin(0), cluster.admin(1));
    let (of_first, of_second) = (both(&first).await, both(&second).await);
    assert_eq!(name(&of_first[0]), name(&of_second[1]));
    assert_eq!(name(&of_first[1]), name(&of_second[0]));
    for (node, is_this) in [(&of_first[0], true), (&of_first[1], false)] {
        assert_eq!(node["this"], json!(is_this), "{node}");
        for field in ["ready", "keys_agree"] {
            assert_eq!(node[field], json!(true), "{field} of {node}");
        }
        assert_eq!(node["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!((&node["draining"], node.get("why")), (&json!(false), None));
        assert!(node["since"].as_u64() > Some(1_700_000_000), "{node}");
    }
    assert_eq!([&of_first[0]["connections"], &of_first[1]["connections"]], [&json!(0), &json!(1)]);

    for unknown in ["0", "16000", "x"] {
        if !of_first.iter().any(|node| name(node) == unknown) {
            assert_eq!(drain(&first, unknown).await.refused(404, unknown), "unknown_node");
        }
    }
    let answer = drain(&first, name(&of_first[1])).await.expect(200, "another node");
    assert_eq!(answer, json!({"draining": true}));
    loop {
        if let Incoming::Closed(code, reason) = client.incoming().await {
            assert_eq!(code, Some(4200), "{reason}");
            break;
        }
    }
    drop(client);
    let output = cluster.until_ended(1).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let facts = first.send(&Request::new("GET", "/admin/audit")).await.expect(200, "facts");
    let facts = facts["facts"].as_array().expect("facts");
    let drains: Vec<_> = facts.iter().filter(|it| it["action"] == "drain").collect();
    assert_eq!(drains[0]["node"], of_first[1]["node"], "{facts:?}");
    until("it has left", async || (nodes(&first).await.len() == 1).then_some(())).await;
    cluster.stop().await;
}

#[tokio::test]
async fn l_silent_node_is_listed_with_its_last_beat() {
    let cluster = Cluster::start(2, &config("")).await;
    let admin = cluster.admin(0);
    both(&admin).await;
    let frozen = async {
        let list = both(&admin).await;
        let silent = &list[1];
        assert_eq!((&silent["ready"], &silent["version"]), (&json!(false), &Value::Null));
        assert_eq!((&silent["keys_agree"], &silent["since"]), (&Value::Null, &Value::Null));
        assert!(silent["why"].as_str().is_some_and(|why| why.contains("answer")), "{silent}");
        assert!(silent["seen_seconds"].as_f64() >= Some(1.0), "{silent}");
        assert_eq!(list[0]["ready"], json!(true), "{list:?}");
    };
    cluster[1].while_frozen(frozen).await;
    cluster.stop().await;
}

#[tokio::test]
async fn l_cached_event_is_cleared_for_all_nodes() {
    let history = "[[apps.it.channels]]\npattern = \"cache-*-log\"\nhistory = { events = 10 }";
    let cluster = Cluster::start(2, &config(history)).await;
    let clear = async |at: usize, channel: &str| {
        let path = format!("/admin/apps/it/channels/{channel}/clear");
        cluster.admin(at).send(&Request::new("POST", path).json(&json!({}))).await
    };
    assert_eq!(clear(0, "cache-x").await.expect(200, "none"), json!({"cleared": false}));
    let mut early = cluster[1].connect().await;
    early.subscribe("cache-x").await;
    early.expect_event("pusher:cache_miss").await;
    cluster[0].publish("cache-x", "e", "1").await;
    assert_eq!(early.expect_event("e").await, json!(1));
    assert_eq!(clear(1, "cache-x").await.expect(200, "one"), json!({"cleared": true}));
    for node in cluster.running() {
        let mut late = node.connect().await;
        late.subscribe("cache-x").await;
        late.expect_event("pusher:cache_miss").await;
    }
    early.expect_silence().await;
    cluster[1].publish("cache-x", "e", "2").await;
    assert_eq!(early.expect_event("e").await, json!(2));
    let logged = clear(0, "cache-x-log").await;
    assert_eq!(logged.refused(409, "a history"), "cached_event_logged");
    cluster.stop().await;
}
