//! The numbers of a node: `/metrics` and the object `cluster` of `/stats`.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn j_metrics_count_the_events_and_channels_of_each_node() {
    let cluster = Cluster::start(2, &config("")).await;
    let mut clients = [cluster[0].connect().await, cluster[1].connect().await];
    for client in &mut clients {
        client.subscribe("news").await;
    }
    cluster[0].publish("news", "e", "1").await;
    for client in &mut clients {
        client.expect_event("e").await;
    }
    let mut slots = BTreeSet::new();
    for (node, published) in [(0, 1.0), (1, 0.0)] {
        let node = &cluster[node];
        node.until_metric("sealcast_cluster_nodes", &[], 2.0).await;
        node.until_metric("sealcast_cluster_published_total", &[], published).await;
        let open = &[("state", "open")];
        let scrape = node.until_metric("sealcast_cluster_replicas", open, 1.0).await;
        assert!(scrape.sum("sealcast_cluster_heard_total", &[]) >= 1.0, "{}", scrape.text);
        for (name, value) in [
            ("sealcast_cluster_up", 1.0),
            ("sealcast_cluster_local_only_total", 0.0),
            ("sealcast_cluster_dropped_total", 0.0),
            ("sealcast_cluster_facts_lost_total", 0.0),
            ("sealcast_cluster_rejected_total", 0.0),
            ("sealcast_cluster_repairs_total", 0.0),
            ("sealcast_cluster_ack_seconds_count", published),
            ("sealcast_cluster_facts", 0.0),
        ] {
            assert_eq!(scrape.sum(name, &[]), value, "{name}");
        }
        let stats = node.stats().await["cluster"].take();
        assert_eq!((&stats["nodes"], &stats["link"]), (&json!(2), &json!("up")), "{stats}");
        let slot = stats["slot"].as_u64().expect("a number");
        assert!(slots.insert(slot), "each has its own: {stats}");
        let since = stats["since"].as_u64().expect("a time");
        assert!(since > 1_700_000_000, "in seconds since 1970: {stats}");
    }
    cluster.stop().await;
}

#[tokio::test]
async fn j_metrics_tell_of_an_outage_and_its_losses() {
    let redis = Redis::start();
    let cluster = Cluster::start_with(1, &config(""), ClusterSection::on(&redis)).await;
    let node = &cluster[0];
    redis.signal("STOP");
    until_red(node, "Redis").await;
    node.publish("news", "e", "local").await;
    let scrape = node.until_metric("sealcast_cluster_local_only_total", &[], 1.0).await;
    assert_eq!(scrape.sum("sealcast_cluster_up", &[]), 0.0);
    assert!(scrape.sum("sealcast_cluster_away_seconds_total", &[]) > 0.0, "{}", scrape.text);
    assert!(scrape.sum("sealcast_cluster_lane_bytes", &[]) > 0.0, "{}", scrape.text);
    assert_eq!(node.stats().await["cluster"]["link"], "away");
    // It waits for ten seconds.
    until_within(DEADLINE * 2, "the event is given up", async || {
        let dropped = node.scrape().await.sum("sealcast_cluster_dropped_total", &[]);
        (dropped == 1.0).then_some(())
    })
    .await;
    redis.signal("CONT");
    cluster.until_ready().await;
    node.until_metric("sealcast_cluster_up", &[], 1.0).await;
    cluster.stop().await;
}

#[tokio::test]
async fn j_metrics_tell_who_took_a_dead_node_away() {
    let mut cluster = Cluster::start(2, &config("")).await;
    cluster[0].until_metric("sealcast_cluster_nodes", &[], 2.0).await;
    cluster.kill(1).await;
    until_within(DEADLINE * 2, "one node is left", async || {
        let scrape = cluster[0].scrape().await;
        let [nodes, reaped] = ["sealcast_cluster_nodes", "sealcast_cluster_reaped_total"]
            .map(|name| scrape.sum(name, &[]));
        ((nodes, reaped) == (1.0, 1.0)).then_some(())
    })
    .await;
    assert_eq!(cluster[0].scrape().await.sum("sealcast_cluster_fenced_total", &[]), 0.0);
    cluster.stop().await;
}

/// Redis sends the node its missed messages no second time.
#[tokio::test]
async fn j_metrics_tell_what_was_repaired_and_which_facts_wait() {
    let redis = Redis::start();
    let receiver = WebhookReceiver::start(ReceiverReply::Status(500)).await;
    let app = with_webhooks("", &[&hooks_url(&receiver, "events = [\"channel_occupied\"]")]);
    let cluster = Cluster::start_with(1, &app, ClusterSection::on(&redis)).await;
    let node = &cluster[0];
    let mut client = node.connect().await;
    client.join("presence-x", &json!({"user_id": "a"})).await;
    node.until_metric("sealcast_cluster_facts", &[], 1.0).await;
    redis.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).expect("a count");
    let cause = &[("cause", "reconnected")];
    node.until_metric("sealcast_cluster_repairs_total", cause, 1.0).await;
    cluster.until_ready().await;
    cluster.stop().await;
}
