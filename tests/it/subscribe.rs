//! protocol.md 2: kinds and names of channels, subscribing and unsubscribing.

use serde_json::json;

use crate::support::*;

/// Subscribes without a signature; returns whether that succeeded.
async fn open_to_all(client: &mut Client, channel: &str) -> bool {
    client
        .send(&json!({"event": "pusher:subscribe", "data": {"channel": channel, "auth": ""}}))
        .await;
    let frame = client.next().await;
    if frame["event"] == "pusher_internal:subscription_succeeded" {
        client.unsubscribe(channel).await;
        client.send(&json!({"event": "pusher:ping"})).await;
        // A cached event or a cache miss may come in between.
        while client.next().await["event"] != "pusher:pong" {}
        return true;
    }
    assert_eq!(frame["event"], "pusher:subscription_error", "{channel}: {frame}");
    assert_eq!(frame["channel"], channel, "{frame}");
    let error = client.next().await;
    assert_eq!(error["event"], "pusher:error", "{channel}: {error}");
    false
}

#[tokio::test]
async fn s2_1_prefix_counts_with_its_dash_and_at_the_start_only() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    // name, public, with members, with a cached event
    let rows = [
        ("news", true, false, false),
        ("private", true, false, false),
        ("privateer", true, false, false),
        ("presence", true, false, false),
        ("presenceroom", true, false, false),
        ("cache", true, false, false),
        ("cacheline", true, false, false),
        ("x-cache-y", true, false, false),
        ("x-private-y", true, false, false),
        ("cache-news", true, false, true),
        ("cache-private-x", true, false, true),
        ("private-x", false, false, false),
        ("private-nocache-x", false, false, false),
        ("private-x-cache-y", false, false, false),
        ("private-cacheline", false, false, false),
        ("private-presence-x", false, false, false),
        ("private-cache-x", false, false, true),
        ("presence-x", false, true, false),
        ("presence-nocache-x", false, true, false),
        ("presence-private-x", false, true, false),
        ("presence-cache-x", false, true, true),
    ];
    for (name, open, members, cached) in rows {
        assert_eq!(open_to_all(&mut client, name).await, open, "{name}: without a signature");
        if members {
            let presence = client.join(name, &json!({"user_id": "u"})).await;
            assert_eq!(presence["count"], 1, "{name}");
        } else {
            client.subscribe(name).await;
        }
        if cached {
            client
                .expect(json!({"event": "pusher:cache_miss", "channel": name, "data": "{}"}))
                .await;
        }
        client.expect_silence().await;
        let users = server.get(&format!("/channels/{name}/users"), &[]).await;
        assert_eq!(users.status, if members { 200 } else { 400 }, "{name}: {}", users.text());
    }
    server.stop().await;
}

#[tokio::test]
async fn s2_1_channel_names() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    let longest = "n".repeat(200);
    for name in ["a", "0", "-", "_-=@,.;", "ABC.xyz;k=v,@me", "..", "private-", &longest] {
        client.subscribe(name).await;
    }
    let too_long = "n".repeat(201);
    let bad = [
        "a b",
        " a",
        "a ",
        "a/b",
        "a:b",
        "a!b",
        "a*b",
        "a%20b",
        "a&b",
        "a?b",
        "a+b",
        "a#b",
        "#a",
        "#private-a",
        "a\nb",
        "a\u{0}",
        "é",
        "a\"b",
        "a'b",
        "a\\b",
        "a(b)",
        "a{b}",
        "a|b",
        "a~b",
        "a^b",
        "private-a b",
        "presence-a:b",
        "cache-#",
        &too_long,
    ];
    for name in bad {
        client.send_subscribe(name).await;
        let data = client.expect_refused(name).await;
        assert!(data["status"] == 400 || data["status"] == 413, "{name:?}: {data}");
        assert_ne!(data["type"], "AuthError", "{name:?}: {data}");
        let body = json!({"name": "e", "channels": ["fine", name], "data": ""});
        server.post("/events", &body).await.refused(400, format!("publishing to {name:?}"));
    }
    client.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn s2_1_longest_name_is_configurable() {
    let server = TestServer::start(&config("limits.channel_name_bytes = 164")).await;
    let mut client = server.connect().await;
    let (fits, too_long) = ("n".repeat(164), "n".repeat(165));
    client.subscribe(&fits).await;
    client.send_subscribe(&too_long).await;
    client.expect_refused(&too_long).await;
    server.stop().await;
}

#[tokio::test]
async fn s2_2_forms_of_a_subscribe_frame() {
    let server = TestServer::start(&config("")).await;
    let rows = [
        json!({"channel": "c"}),
        json!({"channel": "c", "auth": ""}),
        json!({"channel": "c", "auth": null}),
        json!({"channel": "c", "auth": null, "channel_data": null}),
        json!({"channel": "c", "channel_data": ""}),
        json!({"channel": "c", "auth": "", "something": {"new": [1]}}),
        // protocol.md 1.8: the object as a string.
        json!("{\"channel\":\"c\"}"),
        json!("{\"auth\":\"\",\"channel\":\"c\"}"),
    ];
    for data in rows {
        let mut client = server.connect().await;
        println!("{data}");
        client.send(&json!({"event": "pusher:subscribe", "data": data})).await;
        client.expect_subscribed("c").await;
        client.expect_silence().await;
        client.send(&json!({"event": "pusher:unsubscribe", "data": data})).await;
        client.expect_silence().await;
        server.publish("c", "e", "1").await;
        client.expect_silence().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn s2_2_unsubscribing_is_silent_and_ends_delivery() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    // Recommended: silence also for a channel without a subscription.
    for name in ["never", "private-never", "presence-never", "not a name"] {
        client.unsubscribe(name).await;
        client.expect_silence().await;
    }
    client.subscribe("news").await;
    client.subscribe("other").await;
    client.unsubscribe("news").await;
    client.expect_silence().await;
    server.publish("news", "e", "1").await;
    server.publish("other", "e", "2").await;
    client.expect(json!({"event": "e", "channel": "other", "data": "2"})).await;
    client.subscribe("news").await;
    server.publish("news", "e", "3").await;
    client.expect(json!({"event": "e", "channel": "news", "data": "3"})).await;
    server.stop().await;
}

#[tokio::test]
async fn s2_5_second_subscribe_is_an_error_and_does_not_double_delivery() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    for channel in ["news", "private-news"] {
        client.subscribe(channel).await;
        for _ in 0..2 {
            client.send_subscribe(channel).await;
            let message = client.expect_error(None).await;
            assert!(message.contains(channel), "{message}");
        }
        server.publish(channel, "e", "1").await;
        client.expect(json!({"event": "e", "channel": channel, "data": "1"})).await;
        client.expect_silence().await;
    }
    assert_eq!(server.stats().await["subscriptions"], 2);
    // The state is unchanged: one unsubscribe suffices.
    client.unsubscribe("news").await;
    client.expect_silence().await;
    server.publish("news", "e", "2").await;
    client.expect_silence().await;

    client.join("presence-x", &json!({"user_id": "u"})).await;
    client.send_presence_subscribe("presence-x", r#"{"user_id":"u"}"#).await;
    client.expect_error(None).await;
    client.send_presence_subscribe("presence-x", r#"{"user_id":"v"}"#).await;
    client.expect_error(None).await;
    let users = server.get("/channels/presence-x/users", &[]).await.expect(200, "users");
    assert_eq!(users, json!({"users": [{"id": "u"}]}));
    server.stop().await;
}
