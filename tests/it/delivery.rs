//! protocol.md 2.7 and 11: delivery to subscribers, and the limit of subscriptions.

use serde_json::{Value, json};

use crate::support::*;

#[tokio::test]
async fn s2_7_data_arrives_unchanged() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    client.subscribe("news").await;
    let big = "x".repeat(10240);
    let rows = [
        "",
        " ",
        "null",
        "0",
        "true",
        "hello",
        "\"",
        "\\",
        "{}",
        "[]",
        "{\"b\":1,\"a\":2}",
        "{ \"spaced\" :  [ 1 ,2 ] }",
        "1.0",
        "1e2",
        "\"\\u00e9\"",
        "é ✓ 🦀",
        "\u{0}\u{1}\u{1f}\u{7f}",
        "\u{2028}\u{2029}",
        "<script>&amp;</script>",
        "a\r\n\tb",
        "{\"a\":1,\"a\":2}",
        "{not json",
        "\u{feff}",
        "\u{ffff}",
        &big,
    ];
    for data in rows {
        server.publish("news", "e", data).await;
        let frame = client.next().await;
        assert_eq!(frame, json!({"event": "e", "channel": "news", "data": data}), "{data:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn s2_7_event_names_arrive_unchanged() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    client.subscribe("news").await;
    let longest = "é".repeat(200);
    for name in [
        "e",
        "App\\Events\\OrderShipped",
        "a b",
        "quote\"d",
        "é ✓ 🦀",
        "client-from-server",
        "pusher",
        "\t",
        &longest,
    ] {
        server.publish("news", name, "1").await;
        client.expect(json!({"event": name, "channel": "news", "data": "1"})).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn s2_7_duplicate_channel_gets_the_event_once() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    client.subscribe("a").await;
    client.subscribe("b").await;
    let body = json!({"name": "e", "channels": ["a", "b", "a", "a"], "data": "1"});
    server.post("/events", &body).await.expect(200, &body);
    // Both channels of one trigger, in any order.
    let mut channels = [client.next().await, client.next().await]
        .map(|f| f["channel"].as_str().unwrap_or("").to_owned());
    channels.sort();
    assert_eq!(channels, ["a", "b"]);
    client.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn s2_apps_are_separate() {
    let server = TestServer::start(&config_of("", &[(APP, ""), (OTHER, "")])).await;
    let mut ours = server.connect().await;
    let mut theirs = server.connect_as(OTHER).await;
    for client in [&mut ours, &mut theirs] {
        client.subscribe("news").await;
        client.subscribe("private-news").await;
        client.join("presence-news", &json!({"user_id": "u"})).await;
    }
    for channel in ["news", "private-news", "presence-news"] {
        server.publish(channel, "e", "1").await;
        ours.expect(json!({"event": "e", "channel": channel, "data": "1"})).await;
    }
    theirs.expect_silence().await;
    // A signature of one app is invalid in the other.
    let auth = OTHER.channel_auth(&ours.socket_id, "private-x", None);
    ours.send(
        &json!({"event": "pusher:subscribe", "data": {"channel": "private-x", "auth": auth}}),
    )
    .await;
    assert_eq!(ours.expect_refused("private-x").await["status"], 401);
    server.stop().await;
}

#[tokio::test]
async fn s11_thousands_of_subscriptions_on_one_connection() {
    let server = TestServer::start(&config("limits.subscribes_per_second = 0")).await;
    let mut client = server.connect().await;
    for round in 0..2 {
        for chunk in 0..20 {
            let names: Vec<String> = (0..100).map(|i| format!("c-{chunk}-{i}")).collect();
            for name in &names {
                client.send_subscribe(name).await;
            }
            client.expect_all_subscribed(&names).await;
        }
        let stats = server.stats().await;
        assert_eq!(
            (&stats["subscriptions"], &stats["channels"]),
            (&json!(2000), &json!(2000)),
            "round {round}"
        );
        for channel in ["c-0-0", "c-19-99", "c-7-50"] {
            server.publish(channel, "e", "1").await;
            client.expect(json!({"event": "e", "channel": channel, "data": "1"})).await;
        }
        for chunk in 0..20 {
            for i in 0..100 {
                client.unsubscribe(&format!("c-{chunk}-{i}")).await;
            }
        }
        client.expect_silence().await;
        assert_eq!(server.stats().await["channels"], 0, "round {round}");
    }
    server.stop().await;
}

#[tokio::test]
async fn s11_subscriptions_per_connection_are_limited() {
    let server = TestServer::start(&config("limits.channels_per_connection = 3")).await;
    let mut client = server.connect().await;
    for channel in ["a", "private-b", "c"] {
        client.subscribe(channel).await;
    }
    for channel in ["d", "private-d"] {
        client.send_subscribe(channel).await;
        let data: Value = client.expect_refused(channel).await;
        assert_eq!(data["type"], "LimitReached", "{data}");
    }
    client.unsubscribe("c").await;
    client.subscribe("d").await;
    server.publish("d", "e", "1").await;
    client.expect_event("e").await;
    server.stop().await;
}
