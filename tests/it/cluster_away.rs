//! A cluster whose Redis is silent, emptied, or killed and started again.

use serde_json::{Value, json};

use crate::support::*;

const SILENT: &str = "Redis did not answer in time";
pub const CHANNEL: &str = "presence-x";

async fn publish(node: &TestServer, data: &str) -> Response {
    node.post("/events", &json!({"name": "e", "channel": "news", "data": data})).await
}

#[tokio::test]
async fn j_stopped_redis_delays_events_to_other_nodes_and_loses_none() {
    let redis = Redis::start();
    let cluster = Cluster::start_with(2, &config(""), ClusterSection::on(&redis)).await;
    let mut clients = [cluster[0].connect().await, cluster[1].connect().await];
    for client in &mut clients {
        client.subscribe("news").await;
    }
    let before = publish(&cluster[0], "before").await;
    assert_eq!((before.status, before.header("Sealcast-Delivery")), (200, None));
    redis.signal("STOP");
    for node in cluster.running() {
        until_red(node, SILENT).await;
    }
    for (node, data) in [(0, "of the first"), (1, "of the second")] {
        let answer = publish(&cluster[node], data).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("Sealcast-Delivery"), Some("local"), "{answer:?}");
    }
    for (client, own) in clients.iter_mut().zip(["of the first", "of the second"]) {
        for data in ["before", own] {
            client.expect(json!({"event": "e", "channel": "news", "data": data})).await;
        }
        client.expect_silence().await;
    }
    redis.signal("CONT");
    cluster.until_ready().await;
    for (client, other) in clients.iter_mut().zip(["of the second", "of the first"]) {
        client.expect(json!({"event": "e", "channel": "news", "data": other})).await;
    }
    let after = publish(&cluster[1], "after").await;
    assert_eq!((after.status, after.header("Sealcast-Delivery")), (200, None));
    for client in &mut clients {
        client.expect(json!({"event": "e", "channel": "news", "data": "after"})).await;
        client.expect_silence().await;
    }
    cluster.stop().await;
}

/// The node has not noticed yet: it says so when the answer is late, and delivers at once then.
#[tokio::test]
async fn j_trigger_in_the_first_second_of_an_outage_is_marked_too() {
    let redis = Redis::start();
    let cluster = Cluster::start_with(2, &config(""), ClusterSection::on(&redis)).await;
    let mut client = cluster[0].connect().await;
    client.subscribe("news").await;
    redis.signal("STOP");
    let answer = publish(&cluster[0], "early").await;
    assert_eq!(answer.header("Sealcast-Delivery"), Some("local"), "{answer:?}");
    assert_eq!(client.expect_event("e").await, json!("early"));
    redis.signal("CONT");
    cluster.until_ready().await;
    publish(&cluster[1], "late").await.expect(200, "after the outage");
    assert_eq!(client.expect_event("e").await, json!("late"), "the early one comes once");
    cluster.stop().await;
}

#[tokio::test]
async fn j_triggers_are_refused_during_an_outage_where_configured() {
    let redis = Redis::start();
    let section = ClusterSection::on(&redis).with("when_away = \"refuse\"");
    let cluster = Cluster::start_with(2, &config(""), section).await;
    let mut client = cluster[0].connect().await;
    client.subscribe("news").await;
    redis.signal("STOP");
    until_red(&cluster[0], SILENT).await;
    assert_eq!(publish(&cluster[0], "refused").await.refused(503, "away"), "cluster_away");
    client.expect_silence().await;
    redis.signal("CONT");
    cluster.until_ready().await;
    publish(&cluster[1], "taken").await.expect(200, "after the outage");
    assert_eq!(client.expect_event("e").await, json!("taken"));
    cluster.stop().await;
}

/// After a lease without the others, this node may no longer know who may read.
#[tokio::test]
async fn j_connections_are_closed_in_a_long_outage_where_configured() {
    let redis = Redis::start();
    let section = ClusterSection::on(&redis).with("when_away = \"close\"");
    let cluster = Cluster::start_with(2, &config(""), section).await;
    let mut client = cluster[0].connect().await;
    client.subscribe("news").await;
    redis.signal("STOP");
    until_red(&cluster[0], SILENT).await;
    assert_eq!(publish(&cluster[0], "refused").await.refused(503, "away"), "cluster_away");
    client.expect_rejection(4100).await;
    let path = cluster[0].socket_path();
    Client::dial(&cluster[0], APP, &path, &[]).await.expect_rejection(4100).await;
    redis.signal("CONT");
    cluster.until_ready().await;
    let mut back = cluster[0].connect().await;
    back.subscribe("news").await;
    publish(&cluster[1], "taken").await.expect(200, "after the outage");
    assert_eq!(back.expect_event("e").await, json!("taken"));
    cluster.stop().await;
}

/// Events wait for Redis for ten seconds. A few large ones fill the smallest backlog before.
#[tokio::test]
async fn j_triggers_beyond_the_backlog_are_refused() {
    const BACKLOG_BYTES: usize = 1 << 20;
    let redis = Redis::start();
    let section = ClusterSection::on(&redis).with(&format!("backlog_bytes = {BACKLOG_BYTES}"));
    let cluster = Cluster::start_with(1, &config(""), section).await;
    let mut client = cluster[0].connect().await;
    client.subscribe("news").await;
    redis.signal("STOP");
    until_red(&cluster[0], SILENT).await;
    let event = json!({"name": "e", "channel": "news", "data": "x".repeat(10_000)});
    let batch = json!({"batch": vec![event; 10]});
    let mut taken = 0;
    let refused = loop {
        let answer = cluster[0].post("/batch_events", &batch).await;
        if answer.status != 200 {
            break answer;
        }
        for _ in 0..10 {
            client.expect_event("e").await;
        }
        taken += 1;
        assert!(taken * 100_000 < 2 * BACKLOG_BYTES, "the backlog has a limit");
    };
    assert_eq!(refused.refused(503, "try again"), "cluster_backlog");
    // Nothing of what is refused is sent, here or later.
    client.expect_silence().await;
    redis.signal("CONT");
    cluster.until_ready().await;
    publish(&cluster[0], "after").await.expect(200, "with room again");
    assert_eq!(client.expect_event("e").await, json!("after"));
    cluster.stop().await;
}

#[tokio::test]
async fn j_queries_that_need_redis_are_refused_without_it() {
    let redis = Redis::start();
    let cluster = Cluster::start_with(1, &config(""), ClusterSection::on(&redis)).await;
    redis.signal("STOP");
    until_red(&cluster[0], SILENT).await;
    let answer = cluster[0].get("/channels", &[]).await;
    assert_eq!(answer.refused(503, "Redis"), "cluster_away");
    redis.signal("CONT");
    cluster.until_ready().await;
    cluster[0].get("/channels", &[]).await.expect(200, "with Redis");
    cluster.stop().await;
}

#[tokio::test]
async fn j_outage_longer_than_the_lease_removes_nobody() {
    let redis = Redis::start();
    let cluster = Cluster::start_with(2, &config(""), ClusterSection::on(&redis)).await;
    let mut members = joined(&cluster).await;
    redis.signal("STOP");
    tokio::time::sleep(std::time::Duration::from_secs(LEASE_SECONDS + 2)).await;
    redis.signal("CONT");
    cluster.until_ready().await;
    expect_right_again(&cluster, &mut members).await;
    cluster.stop().await;
}

#[tokio::test]
async fn j_rosters_and_counts_are_right_after_a_flush_under_traffic() {
    let redis = Redis::start();
    let cluster = Cluster::start_with(2, &config(""), ClusterSection::on(&redis)).await;
    let mut members = joined(&cluster).await;
    for number in 0..60 {
        if number == 30 {
            redis.flush();
        }
        cluster[number % 2].publish(CHANNEL, "traffic", &number.to_string()).await;
    }
    expect_right_again(&cluster, &mut members).await;
    cluster.stop().await;
}

#[tokio::test]
async fn j_rosters_and_counts_are_right_after_redis_starts_again_empty() {
    let mut redis = Redis::start();
    let cluster = Cluster::start_with(2, &config(""), ClusterSection::on(&redis)).await;
    let mut members = joined(&cluster).await;
    redis.signal("KILL");
    for node in cluster.running() {
        until_red(node, "Redis").await;
    }
    redis.restart();
    cluster.until_ready().await;
    expect_right_again(&cluster, &mut members).await;
    cluster.stop().await;
}

/// Two members on each node, with nothing more to read.
pub async fn joined(cluster: &Cluster) -> Vec<Client> {
    let mut members: Vec<Client> = Vec::new();
    for at in 0..4 {
        let mut client = cluster[at % 2].connect().await;
        client.join(CHANNEL, &json!({"user_id": format!("u{at}")})).await;
        for earlier in &mut members {
            earlier.expect_event("pusher_internal:member_added").await;
        }
        members.push(client);
    }
    members
}

/// All members stay and are told of nobody's departure; queries, newcomers and events agree.
pub async fn expect_right_again(cluster: &Cluster, members: &mut Vec<Client>) {
    let four = json!({"occupied": true, "user_count": 4});
    until_all_answer(cluster, &format!("/channels/{CHANNEL}"), "user_count", &four).await;
    for node in cluster.running() {
        until("the roster", async || (users_of(node, CHANNEL).await.len() == 4).then_some(()))
            .await;
    }
    for node in 0..2 {
        let mut late = cluster[node].connect().await;
        let user = format!("late-{node}");
        let presence = late.join(CHANNEL, &json!({"user_id": user})).await;
        assert_eq!(presence["count"], 5 + node, "{presence}");
        members.push(late);
    }
    cluster[0].publish(CHANNEL, "marker", "1").await;
    let mut orders = Vec::new();
    for member in &mut *members {
        orders.push(read_until_marker(member).await);
    }
    let wanted: Vec<Value> = orders[0].clone();
    assert!(orders[..4].iter().all(|order| *order == wanted), "one order: {orders:?}");
}

/// The traffic up to the marker, in which only the newcomers are announced.
async fn read_until_marker(member: &mut Client) -> Vec<Value> {
    let mut traffic = Vec::new();
    loop {
        let frame = member.next().await;
        match frame["event"].as_str() {
            Some("marker") => return traffic,
            Some("traffic") => traffic.push(inner(&frame)),
            Some("pusher_internal:member_added") => {
                let user = inner(&frame)["user_id"].as_str().unwrap_or_default().to_owned();
                assert!(user.starts_with("late-"), "{user} never left: {frame}");
            }
            _ => panic!("unexpected: {frame}"),
        }
    }
}

/// Redis has the members of before again. Nobody follows the channel any more.
#[tokio::test]
async fn j_members_who_left_do_not_come_back_with_older_data() {
    const LEFT: &str = "presence-left";
    let mut redis = Redis::start();
    let section = ClusterSection::on(&redis);
    let cluster =
        Cluster::start_with(2, &config("limits.member_returns_per_minute = 0"), section).await;
    let mut member = cluster[0].connect().await;
    member.join(LEFT, &json!({"user_id": "u"})).await;
    let saved = redis.save();
    member.close().await;
    let vacant = json!({"occupied": false, "user_count": 0});
    let path = format!("/channels/{LEFT}");
    until_all_answer(&cluster, &path, "user_count", &vacant).await;
    until("the node to forget the channel", async || {
        let stats = cluster[0].stats().await;
        (stats["channels"] == 0).then_some(())
    })
    .await;
    redis.signal("KILL");
    for node in cluster.running() {
        until_red(node, "Redis").await;
    }
    redis.restart_from(&saved);
    cluster.until_ready().await;
    until_all_answer(&cluster, &path, "user_count", &vacant).await;
    let channels = cluster[1].get("/channels", &[]).await.expect(200, "a list");
    assert_eq!(channels["channels"], json!({}), "nothing is occupied");
    cluster.stop().await;
}
