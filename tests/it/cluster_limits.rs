//! What Redis has no more room for: its memory, its disk, the buffers of its readers.

use serde_json::{Value, json};

use crate::support::*;

const CHANNEL: &str = "presence-x";
const FULL: &str = "raise its `maxmemory`";
const FAILING_DISK: &str = "free its disk";

fn member(user: &str) -> Value {
    json!({"user_id": user})
}

async fn publish(node: &TestServer, channel: &str, data: &str) -> Response {
    node.post("/events", &json!({"name": "e", "channel": channel, "data": data})).await
}

/// The members whom this node's clients know.
async fn until_users(node: &TestServer, users: &[&str]) {
    until(format!("the members {users:?}"), async || {
        users_of(node, CHANNEL).await.iter().eq(users).then_some(())
    })
    .await;
}

#[tokio::test]
async fn j28_full_redis_turns_its_nodes_red_and_events_go_on() {
    let redis = Redis::start();
    let cluster = Cluster::start_with(2, &config(""), ClusterSection::on(&redis)).await;
    let mut early = [cluster[0].connect().await, cluster[1].connect().await];
    for (client, user) in early.iter_mut().zip(["a", "b"]) {
        client.join(CHANNEL, &member(user)).await;
    }
    for node in cluster.running() {
        until_users(node, &["a", "b"]).await;
    }
    redis.set("maxmemory", "1");
    let mut late = [cluster[0].connect().await, cluster[1].connect().await];
    for (client, user) in late.iter_mut().zip(["c", "d"]) {
        client.send_presence_subscribe(CHANNEL, &member(user).to_string()).await;
    }
    for (node, client) in cluster.running().zip(&mut late) {
        until_red(node, FULL).await;
        // They are answered by their node alone.
        client.expect_joined(CHANNEL).await;
        let scrape = node.until_metric("sealcast_cluster_up", &[], 0.0).await;
        let detached = [("state", "detached")];
        assert_eq!(scrape.sum("sealcast_cluster_replicas", &detached), 1.0, "{}", scrape.text);
        assert_eq!(node.stats().await["cluster"]["link"], "full");
    }
    // Events go on, and cache channels alone refuse theirs.
    let mut readers = [cluster[0].connect().await, cluster[1].connect().await];
    for reader in &mut readers {
        reader.subscribe("news").await;
    }
    for (node, data) in [(0, "first"), (1, "second")] {
        let answer = publish(&cluster[node], "news", data).await;
        assert_eq!((answer.status, answer.header("Sealcast-Delivery")), (200, None));
        for reader in &mut readers {
            assert_eq!(reader.expect_event("e").await, json!(data));
        }
    }
    let refused = publish(&cluster[0], "cache-x", "kept").await;
    assert_eq!(refused.refused(503, "a full Redis keeps no event"), "cluster_away");
    redis.set("maxmemory", "0");
    cluster.until_ready().await;
    for node in cluster.running() {
        until_users(node, &["a", "b", "c", "d"]).await;
        node.until_metric("sealcast_cluster_up", &[], 1.0).await;
        node.until_metric("sealcast_cluster_replicas", &[("state", "detached")], 0.0).await;
        // A line for the beginning, and none for each channel and second.
        let log = node.printed();
        assert_eq!(log.matches(FULL).count(), 1, "{log}");
        assert_eq!(log.matches(" ERROR ").count(), 1, "{log}");
    }
    publish(&cluster[0], "cache-x", "kept").await.expect(200, "with room again");
    cluster.stop().await;
}

/// A directory in the place of its file: Redis cannot save, as on a full disk.
#[tokio::test]
async fn j_redis_that_cannot_save_turns_its_nodes_red_until_it_can() {
    let redis = Redis::start();
    let cluster = Cluster::start_with(2, &config(""), ClusterSection::on(&redis)).await;
    let mut clients = [cluster[0].connect().await, cluster[1].connect().await];
    for client in &mut clients {
        client.subscribe("news").await;
    }
    let obstacle = redis.block_saving();
    for node in cluster.running() {
        until_red(node, FAILING_DISK).await;
        node.until_metric("sealcast_cluster_up", &[], 0.0).await;
    }
    for ((node, client), data) in cluster.running().zip(&mut clients).zip(["first", "second"]) {
        let answer = publish(node, "news", data).await;
        assert_eq!((answer.status, answer.header("Sealcast-Delivery")), (200, Some("local")));
        assert_eq!(client.expect_event("e").await, json!(data));
    }
    obstacle.remove(&redis);
    cluster.until_ready().await;
    publish(&cluster[0], "news", "after").await.expect(200, "with room again");
    for (client, other) in clients.iter_mut().zip(["second", "first"]) {
        // That of the other node is late, or was published before this one had subscribed again.
        let mut data = client.expect_event("e").await;
        if data == other {
            data = client.expect_event("e").await;
        }
        assert_eq!(data, "after");
    }
    cluster.stop().await;
}

/// More than Redis and the kernel keep for a node that does not read.
const FLOOD_BYTES: usize = 24 << 20;

#[tokio::test]
async fn j14_node_that_redis_has_cut_for_not_reading_repairs_what_it_missed() {
    let redis = Redis::start();
    redis.set("client-output-buffer-limit", "pubsub 1mb 0 0");
    // The node stands still for as long as the flood takes, and nobody takes it for dead.
    let section = ClusterSection::on(&redis).lease(60);
    let cluster = Cluster::start_with(2, &config(""), section).await;
    let mut first = cluster[0].connect().await;
    first.join(CHANNEL, &member("a")).await;
    let mut second = cluster[1].connect().await;
    second.join(CHANNEL, &member("b")).await;
    second.subscribe("cache-x").await;
    second.expect_event("pusher:cache_miss").await;
    let mut flooded = cluster[1].connect().await;
    flooded.subscribe("flood").await;
    let listening = || listening_connections(&redis);
    assert_eq!(listening(), 2);
    let event = json!({"name": "e", "channel": "flood", "data": "x".repeat(10_000)});
    let batch = json!({"batch": vec![event; 10]});
    let mut newcomer = cluster[0].connect().await;
    cluster[1]
        .while_frozen(async {
            let mut sent = 0;
            while listening() == 2 {
                assert!(sent < FLOOD_BYTES, "Redis cuts no reader");
                cluster[0].post("/batch_events", &batch).await.expect(200, "a part of the flood");
                sent += 100_000;
            }
            newcomer.join(CHANNEL, &member("c")).await;
            publish(&cluster[0], "cache-x", "kept").await.expect(200, "nobody else is concerned");
        })
        .await;
    drop(flooded);
    assert_eq!(second.expect_event("pusher_internal:member_added").await, member("c"));
    assert_eq!(second.expect_event("e").await, json!("kept"));
    cluster.until_ready().await;
    assert_eq!(listening(), 2, "it is back");
    publish(&cluster[0], "cache-x", "after").await.expect(200, "afterwards");
    assert_eq!(second.expect_event("e").await, json!("after"));
    second.expect_silence().await;
    cluster.stop().await;
}

fn listening_connections(redis: &Redis) -> usize {
    let mut list = redis::cmd("CLIENT");
    let clients: String = redis.query(list.arg("LIST")).expect("the clients");
    clients.matches("name=sealcast-listening").count()
}
