//! protocol.md 6: events from client to client.

use serde_json::{Value, json};

use crate::support::*;

const ON: &str = "client_events = true";

#[tokio::test]
async fn s6_event_reaches_others_and_not_the_sender() {
    let server = TestServer::start(&config(ON)).await;
    for channel in ["private-x", "private-cache-x"] {
        let mut clients = Vec::new();
        for _ in 0..4 {
            let mut client = server.connect().await;
            client.subscribe(channel).await;
            if channel.contains("cache") {
                client.expect_event("pusher:cache_miss").await;
            }
            clients.push(client);
        }
        clients[0].client_event(channel, "client-typing", json!("é { 1 }")).await;
        for client in &mut clients[1..] {
            client
                .expect(json!({"event": "client-typing", "channel": channel, "data": "é { 1 }"}))
                .await;
        }
        clients[0].expect_silence().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn s6_presence_events_carry_the_user_id() {
    let server = TestServer::start(&config(ON)).await;
    let mut alice = server.connect().await;
    let mut bob = server.connect().await;
    alice.join("presence-x", &json!({"user_id": 10})).await;
    bob.join("presence-x", &json!({"user_id": "b"})).await;
    alice.expect_event("pusher_internal:member_added").await;
    // The sender's own user_id is not relayed.
    let forged = json!({
        "event": "client-x", "channel": "presence-x", "data": "1", "user_id": "admin", "socket_id": "1.1", "more": true,
    });
    alice.send(&forged).await;
    bob.expect(json!({"event": "client-x", "channel": "presence-x", "data": "1", "user_id": "10"}))
        .await;

    bob.subscribe("private-x").await;
    alice.subscribe("private-x").await;
    let forged =
        json!({"event": "client-x", "channel": "private-x", "data": "1", "user_id": "admin"});
    alice.send(&forged).await;
    bob.expect(json!({"event": "client-x", "channel": "private-x", "data": "1"})).await;
    server.stop().await;
}

#[tokio::test]
async fn s6_data_arrives_as_a_string() {
    let server = TestServer::start(&config(ON)).await;
    let mut alice = server.connect().await;
    let mut bob = server.connect().await;
    alice.subscribe("private-x").await;
    bob.subscribe("private-x").await;
    for text in ["", "plain", "{\"a\": 1}", "0", "null", "é ✓ 🦀\u{0}"] {
        alice.client_event("private-x", "client-x", json!(text)).await;
        bob.expect(json!({"event": "client-x", "channel": "private-x", "data": text})).await;
    }
    // The rate limit counts per connection: use a new sender.
    let mut carol = server.connect().await;
    carol.subscribe("private-x").await;
    for value in [
        json!({}),
        json!({"b": [1, {"a": null}], "é": "✓"}),
        json!([1, 2]),
        json!(5),
        json!(true),
        json!(1.5),
    ] {
        carol.client_event("private-x", "client-x", value.clone()).await;
        let frame = bob.next().await;
        let text = frame["data"].as_str().unwrap_or_else(|| panic!("{value}: {frame}"));
        assert_eq!(serde_json::from_str::<Value>(text).ok(), Some(value), "{frame}");
    }
    server.stop().await;
}

#[tokio::test]
async fn s6_rejected_client_events() {
    let keys = format!("{ON}\nmaster_key = \"{}\"", base64(&master_key("client events")));
    let server = TestServer::start(&config(&keys)).await;
    let mut watcher = server.connect().await;
    let mut client = server.connect().await;
    for client in [&mut watcher, &mut client] {
        for channel in ["news", "private-x", "private-encrypted-x"] {
            client.subscribe(channel).await;
        }
    }
    watcher.subscribe("private-elsewhere").await;
    let long_name = format!("client-{}", "n".repeat(194));
    let big = "x".repeat(10241);
    let rows = [
        ("a public channel", json!({"event": "client-x", "channel": "news", "data": "1"})),
        (
            "not subscribed",
            json!({"event": "client-x", "channel": "private-elsewhere", "data": "1"}),
        ),
        (
            "a channel nobody has",
            json!({"event": "client-x", "channel": "private-nobody", "data": "1"}),
        ),
        (
            "an impossible channel",
            json!({"event": "client-x", "channel": "private-a b", "data": "1"}),
        ),
        ("no data", json!({"event": "client-x", "channel": "private-x"})),
        ("no channel", json!({"event": "client-x", "data": "1"})),
        ("a name of 201", json!({"event": long_name, "channel": "private-x", "data": "1"})),
        ("10241 bytes", json!({"event": "client-x", "channel": "private-x", "data": big})),
        (
            "an encrypted channel",
            json!({"event": "client-x", "channel": "private-encrypted-x", "data": "1"}),
        ),
        (
            "an envelope on an encrypted channel",
            json!({"event": "client-x", "channel": "private-encrypted-x", "data": seal(&[7; 32], [1; 24], b"1")}),
        ),
    ];
    // At most ten per second: no more rows than that for one connection.
    assert!(rows.len() <= 10);
    for (name, frame) in rows {
        println!("{name}");
        client.send(&frame).await;
        client.expect_error(None).await;
        watcher.expect_silence().await;
    }
    client.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn s6_limits_are_inclusive() {
    let server = TestServer::start(&config(ON)).await;
    let mut alice = server.connect().await;
    let mut bob = server.connect().await;
    alice.subscribe("private-x").await;
    bob.subscribe("private-x").await;
    let name = format!("client-{}", "n".repeat(193));
    let (ascii, wide) = ("x".repeat(10240), "é".repeat(5120));
    for data in [&ascii, &wide] {
        alice.client_event("private-x", &name, json!(data)).await;
        bob.expect(json!({"event": name, "channel": "private-x", "data": data})).await;
    }
    alice.client_event("private-x", "client-x", json!(format!("{wide}x"))).await;
    alice.expect_error(None).await;
    server.stop().await;
}

#[tokio::test]
async fn s6_disabled_by_default() {
    let server = TestServer::start(&config("")).await;
    let mut alice = server.connect().await;
    let mut bob = server.connect().await;
    alice.subscribe("private-x").await;
    bob.subscribe("private-x").await;
    alice.client_event("private-x", "client-x", json!("1")).await;
    alice.expect_error(None).await;
    bob.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn s6_unsubscribed_client_may_not_send() {
    let server = TestServer::start(&config(ON)).await;
    let mut alice = server.connect().await;
    let mut bob = server.connect().await;
    alice.subscribe("private-x").await;
    bob.subscribe("private-x").await;
    alice.unsubscribe("private-x").await;
    alice.client_event("private-x", "client-x", json!("1")).await;
    alice.expect_error(None).await;
    bob.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn s6_rate_is_limited_per_connection_with_4301() {
    let server =
        TestServer::start(&config("client_events = true\nlimits.client_events_per_second = 5"))
            .await;
    let mut hasty = server.connect().await;
    let mut calm = server.connect().await;
    let mut watcher = server.connect().await;
    for client in [&mut hasty, &mut calm, &mut watcher] {
        client.subscribe("private-x").await;
    }
    for n in 0..40 {
        hasty.client_event("private-x", "client-x", json!(n.to_string())).await;
    }
    hasty.send(&json!({"event": "pusher:ping"})).await;
    let mut rejected = 0;
    loop {
        let frame = hasty.next().await;
        if frame["event"] == "pusher:pong" {
            break;
        }
        assert_eq!(frame["event"], "pusher:error", "{frame}");
        assert_eq!(frame["data"]["code"], 4301, "{frame}");
        rejected += 1;
    }
    assert!((1..=35).contains(&rejected), "{rejected} of 40 were refused");
    for client in [&mut watcher, &mut calm] {
        for _ in 0..40 - rejected {
            client.expect_event("client-x").await;
        }
        client.expect_silence().await;
    }
    // The others have their own rate, and the fast one is still connected.
    calm.client_event("private-x", "client-x", json!("calm")).await;
    assert_eq!(watcher.expect_event("client-x").await, "calm");
    assert_eq!(hasty.expect_event("client-x").await, "calm");
    hasty.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn s6_order_per_sender_is_kept() {
    let server =
        TestServer::start(&config("client_events = true\nlimits.client_events_per_second = 1000"))
            .await;
    let mut sender = server.connect().await;
    sender.subscribe("private-x").await;
    let mut others = Vec::new();
    for _ in 0..5 {
        let mut client = server.connect().await;
        client.subscribe("private-x").await;
        others.push(client);
    }
    for n in 0..200 {
        sender.client_event("private-x", "client-n", json!(n)).await;
    }
    for client in &mut others {
        for n in 0..200 {
            assert_eq!(client.expect_event("client-n").await, n);
        }
    }
    server.stop().await;
}
