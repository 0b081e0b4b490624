//! Events over the nodes of a cluster: one order, exclusions, counts, queries.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::*;

#[tokio::test]
async fn j_events_of_either_node_reach_clients_on_both() {
    let cluster = Cluster::start(2, &config("")).await;
    let mut clients = [cluster[0].connect().await, cluster[1].connect().await];
    for client in &mut clients {
        client.subscribe("news").await;
    }
    for (node, data) in [(0, "from the first"), (1, "from the second")] {
        cluster[node].publish("news", "e", data).await;
        for client in &mut clients {
            client.expect(json!({"event": "e", "channel": "news", "data": data})).await;
        }
    }
    for client in &mut clients {
        client.expect_silence().await;
    }
    cluster.stop().await;
}

#[tokio::test]
async fn j_crossed_publishes_on_two_nodes_have_one_order() {
    const EVENTS: usize = 100;
    let cluster = Cluster::start(2, &config("")).await;
    let mut clients = [cluster[0].connect().await, cluster[1].connect().await];
    for client in &mut clients {
        client.subscribe("news").await;
    }
    let publish = async |node: usize| {
        for number in 0..EVENTS {
            cluster[node].publish("news", "e", &format!("{node}:{number}")).await;
        }
    };
    tokio::join!(publish(0), publish(1));
    let mut orders = Vec::new();
    for client in &mut clients {
        let mut order = Vec::new();
        for _ in 0..2 * EVENTS {
            order.push(client.next().await["data"].as_str().expect("text").to_owned());
        }
        client.expect_silence().await;
        orders.push(order);
    }
    assert_eq!(orders[0], orders[1], "both nodes deliver in one order");
    for node in 0..2 {
        let own = orders[0].iter().filter(|data| data.starts_with(&format!("{node}:")));
        let wanted: Vec<String> = (0..EVENTS).map(|number| format!("{node}:{number}")).collect();
        assert!(own.eq(&wanted), "the order of the publisher on node {node}: {:?}", orders[0]);
    }
    cluster.stop().await;
}

#[tokio::test]
async fn j_triggers_sent_in_turn_to_two_nodes_keep_their_order() {
    let cluster = Cluster::start(2, &config("")).await;
    let mut clients = [cluster[0].connect().await, cluster[1].connect().await];
    for client in &mut clients {
        client.subscribe("news").await;
    }
    for number in 0..40 {
        cluster[number % 2].publish("news", "e", &number.to_string()).await;
    }
    for client in &mut clients {
        for number in 0..40 {
            assert_eq!(client.expect_event("e").await, json!(number));
        }
    }
    cluster.stop().await;
}

#[tokio::test]
async fn j_socket_of_another_node_is_excluded() {
    let cluster = Cluster::start(2, &config("")).await;
    let mut clients = [cluster[0].connect().await, cluster[1].connect().await];
    for client in &mut clients {
        client.subscribe("news").await;
    }
    let excluded = clients[1].socket_id.clone();
    let body = json!({"name": "e", "channel": "news", "data": "1", "socket_id": excluded});
    cluster[0].post("/events", &body).await.expect(200, "with socket_id");
    cluster[0].publish("news", "e", "2").await;
    assert_eq!(clients[0].expect_event("e").await, json!(1));
    for client in &mut clients {
        assert_eq!(client.expect_event("e").await, json!(2));
    }
    cluster.stop().await;
}

#[tokio::test]
async fn j_client_events_cross_the_nodes_and_do_not_come_back() {
    let cluster = Cluster::start(2, &config("client_events = true")).await;
    let mut sender = cluster[0].connect().await;
    let mut receivers = [cluster[0].connect().await, cluster[1].connect().await];
    sender.join("presence-x", &json!({"user_id": "sender"})).await;
    for receiver in &mut receivers {
        receiver.join("presence-x", &json!({"user_id": "receiver"})).await;
    }
    sender.expect_event("pusher_internal:member_added").await;
    sender.client_event("presence-x", "client-hi", json!({"n": 1})).await;
    for receiver in &mut receivers {
        let wanted = json!({
            "event": "client-hi", "channel": "presence-x", "data": {"n": 1}, "user_id": "sender",
        });
        assert_eq!(normalized(receiver.next().await), wanted);
    }
    cluster[1].publish("presence-x", "marker", "1").await;
    sender.expect_event("marker").await;
    cluster.stop().await;
}

/// The frame with its `data` as an object, in whichever form it was sent.
fn normalized(mut frame: Value) -> Value {
    if frame["data"].is_string() {
        frame["data"] = inner(&frame);
    }
    frame
}

#[tokio::test]
async fn j_subscription_counts_are_those_of_the_cluster() {
    let cluster = Cluster::start(2, &config("subscription_count = true")).await;
    let mut first = cluster[0].connect().await;
    let mut second = cluster[1].connect().await;
    first.subscribe("news").await;
    until_count(&mut first, 1).await;
    second.subscribe("news").await;
    until_count(&mut first, 2).await;
    until_count(&mut second, 2).await;
    second.close().await;
    until_count(&mut first, 1).await;
    cluster.stop().await;
}

/// Counts of nodes are gathered, and an earlier one may come first.
async fn until_count(client: &mut Client, wanted: u32) {
    loop {
        let count = client.expect_event("pusher_internal:subscription_count").await;
        if count == json!({"subscription_count": wanted}) {
            return;
        }
    }
}

#[tokio::test]
async fn j_queries_answer_for_the_cluster_on_every_node() {
    let cluster = Cluster::start(2, &config("subscription_count = true")).await;
    let mut clients = [cluster[0].connect().await, cluster[1].connect().await];
    until_subscribed(&mut clients[0], "only-first").await;
    until_subscribed(&mut clients[1], "only-second").await;
    for (client, user) in clients.iter_mut().zip(["a", "b"]) {
        until_subscribed(client, "both").await;
        until_joined(client, "presence-x", user).await;
    }
    let mut tab = cluster[1].connect().await;
    until_joined(&mut tab, "presence-x", "a").await;
    let all = json!({"both": {}, "only-first": {}, "only-second": {}, "presence-x": {}});
    for (path, info, wanted) in [
        ("/channels", "", json!({"channels": all})),
        ("/channels/only-first", "subscription_count", counted(1)),
        ("/channels/only-second", "subscription_count", counted(1)),
        ("/channels/both", "subscription_count", counted(2)),
        ("/channels/presence-x", "user_count", json!({"occupied": true, "user_count": 2})),
        ("/channels/nowhere", "", json!({"occupied": false})),
    ] {
        until_all_answer(&cluster, path, info, &wanted).await;
    }
    for node in cluster.running() {
        assert_eq!(
            users_of(node, "presence-x").await,
            BTreeSet::from(["a", "b"].map(String::from))
        );
        let only = [("filter_by_prefix", "only-")];
        let answer = node.get("/channels", &only).await.expect(200, "a prefix");
        assert_eq!(answer, json!({"channels": {"only-first": {}, "only-second": {}}}));
    }
    let [first, second] = clients;
    second.close().await;
    tab.close().await;
    until_all_answer(&cluster, "/channels/only-second", "", &json!({"occupied": false})).await;
    let left = json!({"channels": {"both": {}, "only-first": {}, "presence-x": {}}});
    until_all_answer(&cluster, "/channels", "", &left).await;
    first.close().await;
    until_all_answer(&cluster, "/channels", "", &json!({"channels": {}})).await;
    cluster.stop().await;
}

/// One channel has subscribers. Redis is told of the others, so that the test needs no more clients.
#[tokio::test]
async fn j_list_of_too_many_channels_is_refused() {
    let redis = Redis::start();
    let cluster = Cluster::start_with(1, &config(""), ClusterSection::on(&redis)).await;
    let mut client = cluster[0].connect().await;
    client.subscribe("news").await;
    let occupied = until("a set of occupied channels", async || {
        redis.only_key(&format!("{}1:*}}a:*", cluster.section().prefix()))
    })
    .await;
    redis.fill_set(&occupied, 19_999);
    cluster[0].get("/channels", &[]).await.expect(200, "as many as are allowed");
    redis.fill_set(&occupied, 20_000);
    let answer = cluster[0].get("/channels", &[]).await;
    assert_eq!(answer.refused(503, "20000 occupied channels"), "too_many");
    cluster[0].get("/channels/news", &[]).await.expect(200, "a single channel");
    cluster.stop().await;
}

fn counted(subscribers: u32) -> Value {
    json!({"occupied": true, "subscription_count": subscribers})
}

async fn until_subscribed(client: &mut Client, channel: &str) {
    client.send_subscribe(channel).await;
    until_answered(client, channel).await;
}

async fn until_joined(client: &mut Client, channel: &str, user: &str) {
    client.send_presence_subscribe(channel, &json!({"user_id": user}).to_string()).await;
    until_answered(client, channel).await;
}

/// Counts of other channels come in between.
async fn until_answered(client: &mut Client, channel: &str) {
    let succeeded = json!("pusher_internal:subscription_succeeded");
    loop {
        let frame = client.next().await;
        if (&frame["event"], &frame["channel"]) == (&succeeded, &json!(channel)) {
            return;
        }
    }
}
