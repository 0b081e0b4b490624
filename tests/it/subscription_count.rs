//! protocol.md 2.6: subscription counts, sent to the subscribers.

use serde_json::{Value, json};

use crate::support::*;

fn count(channel: &str, n: u32) -> Value {
    json!({"event": "pusher_internal:subscription_count", "channel": channel, "data": {"subscription_count": n}})
}

#[tokio::test]
async fn s2_6_counts_follow_every_change_when_enabled() {
    let server = TestServer::start(&config("subscription_count = true")).await;
    for channel in ["news", "private-news"] {
        let mut first = server.connect().await;
        let mut second = server.connect().await;
        first.subscribe(channel).await;
        first.expect(count(channel, 1)).await;
        second.subscribe(channel).await;
        second.expect(count(channel, 2)).await;
        first.expect(count(channel, 2)).await;
        // protocol.md 2.5: a repeated subscribe counts nothing.
        second.send_subscribe(channel).await;
        second.expect_error(None).await;
        first.expect_silence().await;
        second.unsubscribe(channel).await;
        first.expect(count(channel, 1)).await;
        second.expect_silence().await;
        second.subscribe(channel).await;
        first.expect(count(channel, 2)).await;
        second.close().await;
        first.expect(count(channel, 1)).await;
        first.expect_silence().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn s2_6_no_counts_on_presence_channels() {
    let server = TestServer::start(&config("subscription_count = true")).await;
    let mut first = server.connect().await;
    let mut second = server.connect().await;
    for channel in ["presence-x", "presence-cache-x"] {
        for client in [&mut first, &mut second] {
            client.join(channel, &json!({"user_id": "same"})).await;
            if channel.contains("cache") {
                client.expect_event("pusher:cache_miss").await;
            }
        }
        first.expect_silence().await;
        second.expect_silence().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn s2_6_off_by_default() {
    let server = TestServer::start(&config("")).await;
    let mut first = server.connect().await;
    first.subscribe("news").await;
    server.connect().await.subscribe("news").await;
    first.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn s2_6_java_client_gets_no_counts_on_encrypted_channels() {
    let keys =
        format!("subscription_count = true\nmaster_key = \"{}\"", base64(&master_key("counts")));
    let server = TestServer::start(&config(&keys)).await;
    let mut js = server.connect().await;
    let mut java = server.connect_with("client=java-client&protocol=5&version=2.4.4").await;
    let channel = "private-encrypted-x";
    js.subscribe(channel).await;
    js.expect(count(channel, 1)).await;
    java.subscribe(channel).await;
    js.expect(count(channel, 2)).await;
    java.expect_silence().await;
    // Only encrypted channels are the problem.
    java.subscribe("private-x").await;
    java.expect(count("private-x", 1)).await;
    server.stop().await;
}

#[tokio::test]
async fn s2_6_cached_and_counted_frames_follow_the_success_frame() {
    let server = TestServer::start(&config("subscription_count = true")).await;
    let mut client = server.connect().await;
    client.subscribe("cache-x").await;
    let mut names = [client.next().await, client.next().await]
        .map(|f| f["event"].as_str().unwrap_or("").to_owned());
    // protocol.md 2.2: the cached event or the miss comes immediately after the success frame.
    assert_eq!(names[0], "pusher:cache_miss", "{names:?}");
    names.sort();
    assert_eq!(names, ["pusher:cache_miss", "pusher_internal:subscription_count"]);
    server.stop().await;
}

#[tokio::test]
async fn s2_6_counts_of_large_channels_are_throttled_and_end_exact() {
    let server = TestServer::start(&config("subscription_count = true")).await;
    let mut observer = server.connect().await;
    observer.subscribe("crowd").await;
    observer.expect(count("crowd", 1)).await;
    let mut crowd = Vec::new();
    for n in 2..=100 {
        let mut client = server.connect().await;
        client.subscribe("crowd").await;
        observer.expect(count("crowd", n)).await;
        crowd.push(client);
    }
    for _ in 101..=140 {
        let mut client = server.connect().await;
        client.subscribe("crowd").await;
        crowd.push(client);
    }
    let mut frames = 0;
    loop {
        let data = observer.expect_event("pusher_internal:subscription_count").await;
        frames += 1;
        if data["subscription_count"] == 140 {
            break;
        }
    }
    assert!(frames <= 10, "{frames} frames for 40 changes above 100 subscribers");
    server.stop().await;
}
