//! What the nodes of a cluster ask of Redis.

use crate::support::*;

const BATCHES: usize = 20;
const BATCH: usize = 10;
const EVENTS: usize = BATCHES * BATCH;

/// Words of the commands, each without its quotes.
fn commands(monitored: &str) -> impl Iterator<Item = Vec<&str>> {
    monitored.lines().filter_map(|line| {
        let words = line.split_once("] \"")?.1.strip_suffix('"')?;
        Some(words.split("\" \"").collect())
    })
}

async fn publish_takes_one_command(nodes: usize) {
    let redis = Redis::start();
    let cluster = Cluster::start_with(nodes, &config(""), ClusterSection::on(&redis)).await;
    let mut clients = Vec::new();
    for node in cluster.running() {
        let mut client = node.connect().await;
        client.subscribe("news").await;
        clients.push(client);
    }
    // Their subscriptions are counted, and the counts are told.
    for node in 0..nodes {
        let wanted = serde_json::json!({"occupied": true, "subscription_count": nodes});
        until_all_answer(&cluster, "/channels/news", "subscription_count", &wanted).await;
        cluster[node].publish("news", "before", "1").await;
        for client in &mut clients {
            client.expect_event("before").await;
        }
    }
    let monitor = redis.monitor();
    let event = serde_json::json!({"name": "e", "channel": "news", "data": "1"});
    let batch = serde_json::json!({"batch": vec![event; BATCH]});
    for _ in 0..BATCHES {
        cluster[0].post("/batch_events", &batch).await.expect(200, "a batch");
    }
    for client in &mut clients {
        for _ in 0..EVENTS {
            client.expect_event("e").await;
        }
    }
    redis.ask(&["ECHO", "the-end"]).expect("a command");
    monitor.until_it_has("\"the-end\"");
    let text = monitor.text();
    let published = commands(&text).find(|words| words[0] == "SPUBLISH").expect("an event");
    let (_, id) = published[1].split_once("}t:").expect("the topic of a channel");
    let of_channel: Vec<_> = commands(&text)
        .filter(|words| words.iter().any(|word| word.contains(id)))
        .map(|words| words[0])
        .collect();
    assert!(of_channel.iter().all(|name| *name == "SPUBLISH"), "{of_channel:?}");
    assert_eq!(of_channel.len(), EVENTS);
    // Nor is anything told to all nodes, or to one.
    let messages =
        commands(&text).filter(|words| words[0].to_ascii_uppercase().contains("PUBLISH"));
    assert_eq!(messages.count(), EVENTS);
    cluster.stop().await;
}

#[tokio::test]
async fn j_publish_is_one_command_and_one_message_with_two_nodes() {
    publish_takes_one_command(2).await;
}

#[tokio::test]
async fn j_publish_is_one_command_and_one_message_with_three_nodes() {
    publish_takes_one_command(3).await;
}
