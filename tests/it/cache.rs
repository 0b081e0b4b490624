//! protocol.md 4: channels that keep their last event.

use serde_json::{Value, json};

use crate::support::*;

fn miss(channel: &str) -> Value {
    json!({"event": "pusher:cache_miss", "channel": channel, "data": "{}"})
}

fn event(channel: &str, data: &str) -> Value {
    json!({"event": "e", "channel": channel, "data": data})
}

#[tokio::test]
async fn s4_cache_miss_first_then_the_last_event() {
    let server = TestServer::start(&config("")).await;
    for channel in ["cache-x", "private-cache-x"] {
        let mut first = server.connect().await;
        first.subscribe(channel).await;
        first.expect(miss(channel)).await;
        for data in ["1", "{ \"n\" : 2 }"] {
            server.publish(channel, "e", data).await;
            first.expect(event(channel, data)).await;
        }
        let mut second = server.connect().await;
        second.subscribe(channel).await;
        second.expect(event(channel, "{ \"n\" : 2 }")).await;
        second.expect_silence().await;
        // The cached event goes to the newcomer only.
        first.expect_silence().await;
        first.unsubscribe(channel).await;
        first.subscribe(channel).await;
        first.expect(event(channel, "{ \"n\" : 2 }")).await;
    }
    assert_eq!(server.stats().await["cached_events"], 2);
    server.stop().await;
}

#[tokio::test]
async fn s4_event_is_cached_without_subscribers() {
    let server = TestServer::start(&config("")).await;
    server.publish("cache-x", "e", "kept").await;
    for _ in 0..2 {
        let mut client = server.connect().await;
        client.subscribe("cache-x").await;
        client.expect(event("cache-x", "kept")).await;
        client.close().await;
        server.until_stat("sockets", 0).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn s4_event_excluding_a_socket_is_cached_for_it_too() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    client.subscribe("cache-x").await;
    client.expect(miss("cache-x")).await;
    let body =
        json!({"name": "e", "channel": "cache-x", "data": "mine", "socket_id": client.socket_id});
    server.post("/events", &body).await.expect(200, &body);
    client.expect_silence().await;
    client.unsubscribe("cache-x").await;
    client.subscribe("cache-x").await;
    client.expect(event("cache-x", "mine")).await;
    server.stop().await;
}

#[tokio::test]
async fn s4_only_events_published_over_http_are_cached() {
    let server = TestServer::start(&config("client_events = true")).await;
    let mut alice = server.connect().await;
    let mut bob = server.connect().await;
    for client in [&mut alice, &mut bob] {
        client.subscribe("private-cache-x").await;
        client.expect(miss("private-cache-x")).await;
    }
    alice.client_event("private-cache-x", "client-e", json!("typing")).await;
    assert_eq!(bob.expect_event("client-e").await, "typing");
    let mut late = server.connect().await;
    late.subscribe("private-cache-x").await;
    late.expect(miss("private-cache-x")).await;
    server.stop().await;
}

#[tokio::test]
async fn s4_members_come_before_the_cached_event() {
    let server = TestServer::start(&config("")).await;
    let mut first = server.connect().await;
    first.join("presence-cache-x", &json!({"user_id": "a"})).await;
    first.expect(miss("presence-cache-x")).await;
    server.publish("presence-cache-x", "e", "1").await;
    first.expect(event("presence-cache-x", "1")).await;
    let mut second = server.connect().await;
    let presence = second.join("presence-cache-x", &json!({"user_id": "b"})).await;
    assert_eq!(presence["count"], 2, "{presence}");
    second.expect(event("presence-cache-x", "1")).await;
    second.expect_silence().await;
    // The join itself is not cached.
    first.expect_event("pusher_internal:member_added").await;
    let mut third = server.connect().await;
    third.join("presence-cache-x", &json!({"user_id": "c"})).await;
    third.expect(event("presence-cache-x", "1")).await;
    server.stop().await;
}

#[tokio::test]
async fn s4_cache_prefix_elsewhere_in_the_name_caches_nothing() {
    let server = TestServer::start(&config("")).await;
    for channel in ["cacheline", "x-cache-y", "private-nocache-x", "Cache-x"] {
        server.publish(channel, "e", "1").await;
        let mut client = server.connect().await;
        client.subscribe(channel).await;
        client.expect_silence().await;
    }
    assert_eq!(server.stats().await["cached_events"], 0);
    server.stop().await;
}

#[tokio::test]
async fn s4_cached_event_expires() {
    let server = TestServer::start(&config("limits.cache_ttl_seconds = 1")).await;
    server.publish("cache-x", "e", "1").await;
    let client = tokio::sync::Mutex::new(server.connect().await);
    until("a miss after the time to live", async || {
        let mut client = client.lock().await;
        client.subscribe("cache-x").await;
        let frame = client.next().await;
        client.unsubscribe("cache-x").await;
        (frame == miss("cache-x")).then_some(())
    })
    .await;
    let answer = server.get("/channels/cache-x", &[("info", "cache")]).await.expect(200, "expired");
    assert_eq!(answer["cache"], Value::Null, "{answer}");
    // The time of a new event starts with that event.
    server.publish("cache-x", "e", "2").await;
    let mut client = client.into_inner();
    client.subscribe("cache-x").await;
    client.expect(event("cache-x", "2")).await;
    server.stop().await;
}

#[tokio::test]
async fn s4_caches_are_separate_per_app() {
    let server = TestServer::start(&config_of("", &[(APP, ""), (OTHER, "")])).await;
    server.publish("cache-x", "e", "ours").await;
    let mut theirs = server.connect_as(OTHER).await;
    theirs.subscribe("cache-x").await;
    theirs.expect(miss("cache-x")).await;
    server.stop().await;
}

#[tokio::test]
async fn s4_newcomer_during_traffic_gets_each_event_once() {
    let server = TestServer::start(&config("")).await;
    let server_ref = &server;
    let publishing = async {
        for n in 0..150 {
            server_ref.publish("cache-x", "e", &n.to_string()).await;
        }
    };
    let coming = async {
        let mut clients = Vec::new();
        for _ in 0..15 {
            let mut client = server_ref.connect().await;
            client.subscribe("cache-x").await;
            clients.push(client);
        }
        clients
    };
    let ((), clients) = tokio::join!(publishing, coming);
    for mut client in clients {
        let mut frame = client.next().await;
        let missed = frame == miss("cache-x");
        if missed {
            frame = client.next().await;
        }
        let first = inner(&frame).as_u64().unwrap_or_else(|| panic!("{frame}"));
        assert!(first == 0 || !missed, "a miss, and then {frame}");
        for n in first + 1..150 {
            client.expect(event("cache-x", &n.to_string())).await;
        }
        client.expect_silence().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn s4_last_event_of_a_batch_is_cached() {
    let server = TestServer::start(&config("")).await;
    let item = |data: &str| json!({"name": "e", "channel": "cache-x", "data": data});
    let body = json!({"batch": [item("1"), item("2"), item("3")]});
    server.post("/batch_events", &body).await.expect(200, &body);
    let mut client = server.connect().await;
    client.subscribe("cache-x").await;
    client.expect(event("cache-x", "3")).await;
    client.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn f15_oldest_cached_events_are_evicted() {
    let server = TestServer::start(&config("limits.cache_bytes = 60000")).await;
    let data = "x".repeat(8000);
    for n in 0..6 {
        server.publish(&format!("cache-{n}"), "e", &data).await;
    }
    let kept = server.stats().await["cached_events"].as_u64().expect("a number");
    assert!((2..=3).contains(&kept), "some 20,000 bytes each, with their frames: {kept}");
    let scrape = server.scrape().await;
    let app = [("app", APP.id)];
    assert_eq!(scrape.sum("sealcast_cached_events_dropped_total", &app), (6 - kept) as f64);
    let bytes = scrape.sum("sealcast_cache_bytes", &app);
    assert!(bytes > 30_000.0 && bytes <= 60_000.0, "{bytes}");
    let mut client = server.connect().await;
    client.subscribe("cache-0").await;
    client.expect(miss("cache-0")).await;
    client.subscribe("cache-5").await;
    client.expect(event("cache-5", &data)).await;
    // A repeated event counts as the newest.
    server.publish("cache-0", "e", "again").await;
    client.expect(event("cache-0", "again")).await;
    let mut second = server.connect().await;
    second.subscribe("cache-0").await;
    second.expect(event("cache-0", "again")).await;
    server.stop().await;
}

/// Nothing is published after the reload: the budget itself drops what is beyond it.
#[tokio::test]
async fn f15_lowered_budget_applies_at_once() {
    for (before, lowered) in [
        (("", "limits.cache_bytes = 60000"), ("", "limits.cache_bytes = 25000")),
        (("cache_bytes = 60000", ""), ("cache_bytes = 25000", "")),
    ] {
        let text = |(top, app): (&str, &str)| config_of(top, &[(APP, app)]);
        let it = ReloadFixture::start(&text(before)).await;
        let data = "x".repeat(8000);
        for channel in ["cache-0", "cache-1"] {
            it.server.publish(channel, "e", &data).await;
        }
        assert_eq!(it.server.stats().await["cached_events"], 2, "{before:?}");
        it.apply(&text(lowered)).await;
        it.server.until_stat("cached_events", 1).await;
        let mut client = it.server.connect().await;
        client.subscribe("cache-0").await;
        client.expect(miss("cache-0")).await;
        client.subscribe("cache-1").await;
        client.expect(event("cache-1", &data)).await;
        it.stop().await;
    }
}

#[tokio::test]
async fn f15_server_budget_covers_all_apps() {
    let text = config_of("cache_bytes = 60000", &[(APP, ""), (OTHER, "")]);
    let server = TestServer::start(&text).await;
    let data = "x".repeat(8000);
    server.publish("cache-first", "e", &data).await;
    for n in 0..6 {
        let body = json!({"name": "e", "channel": format!("cache-{n}"), "data": data});
        server.post_as(OTHER, "/events", &body).await.expect(200, "an event");
    }
    assert!(server.stats().await["cached_events"].as_u64() <= Some(3));
    let scrape = server.scrape().await;
    let dropped = |app: App| scrape.sum("sealcast_cached_events_dropped_total", &[("app", app.id)]);
    assert_eq!(dropped(APP), 1.0, "the oldest of all is another app's");
    assert!(dropped(OTHER) >= 3.0);
    server.stop().await;
}
