//! Rates of a backend's publishes and reads (protocol.md 11), and of a socket's subscriptions.

use std::time::Instant;

use serde_json::{Value, json};

use crate::support::*;

fn event(channels: usize) -> Value {
    let channels: Vec<String> = (0..channels).map(|n| format!("c-{n}")).collect();
    json!({"name": "e", "channels": channels, "data": "1"})
}

fn batch(events: usize) -> Value {
    json!({"batch": vec![json!({"name": "e", "channel": "c-0", "data": "1"}); events]})
}

/// Checks a refusal for a rate; returns its `Retry-After` in seconds.
fn refused(response: &Response, code: &str, setting: &str, limit: u32) -> u64 {
    assert_eq!(response.refused(429, "over the rate"), code);
    let body = response.json();
    assert_eq!(body["limit"], limit, "{body}");
    assert!(body["error"].as_str().is_some_and(|text| text.contains(setting)), "{body}");
    let wait = response.header("Retry-After").and_then(|seconds| seconds.parse().ok());
    wait.unwrap_or_else(|| panic!("no whole seconds: {response:?}"))
}

#[tokio::test]
async fn s11_publish_rate_applies_and_a_batch_is_refused_whole() {
    let app = "limits.events_per_second = 5\nlimits.channels_per_event = 20";
    let server = TestServer::start(&config_of("", &[(APP, app), (OTHER, "")])).await;
    let mut client = server.connect().await;
    client.subscribe("c-0").await;
    let start = Instant::now();
    // Each channel counts, and the largest allowed event passes at once.
    server.post("/events", &event(20)).await.expect(200, "twenty channels");
    client.expect_event("e").await;
    let mut more = 0;
    let response = loop {
        let response = server.post("/events", &event(1)).await;
        if response.status != 200 {
            break response;
        }
        client.expect_event("e").await;
        more += 1;
    };
    assert!(f64::from(more) <= start.elapsed().as_secs_f64() * 5.0, "{more}");
    assert_eq!(refused(&response, "too_many_events", "limits.events_per_second", 5), 1);
    let response = server.post("/batch_events", &batch(10)).await;
    let wait = refused(&response, "too_many_events", "limits.events_per_second", 5);
    assert!((1..=2).contains(&wait), "{wait}");
    client.expect_silence().await;
    // The legacy route counts as well; other apps and reads do not.
    let target = signed_target(APP, "POST", "/apps/it/channels/c-0/events", &[("name", "e")], b"1");
    let older = Request::new("POST", target).body("text/plain", "1");
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(server.send(older.clone()).await.status);
    }
    assert!(statuses.contains(&429), "{statuses:?}");
    server.post_as(OTHER, "/events", &event(20)).await.expect(200, "another app");
    server.get("/channels", &[]).await.expect(200, "a question");
    // The wait itself is the subject: after it, the same request passes.
    tokio::time::sleep(std::time::Duration::from_secs(wait)).await;
    until("the batch", async || {
        (server.post("/batch_events", &batch(10)).await.status == 200).then_some(())
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn s11_otherwise_refused_requests_do_not_count() {
    let app =
        "limits.events_per_second = 1\nlimits.channels_per_event = 3\nlimits.batch_events = 3";
    let server = TestServer::start(&config(app)).await;
    for body in [json!({}), event(4), json!({"name": "e", "channel": "a b", "data": "1"})] {
        server.post("/events", &body).await.refused(400, &body);
    }
    server.post("/batch_events", &batch(4)).await.refused(400, "four");
    server.post("/batch_events", &batch(3)).await.expect(200, "all three are left");
    let response = server.post("/batch_events", &batch(3)).await;
    let wait = refused(&response, "too_many_events", "limits.events_per_second", 1);
    assert!((1..=3).contains(&wait), "{wait}");
    server.stop().await;
}

#[tokio::test]
async fn s11_read_rate_applies() {
    let server = TestServer::start(&config("limits.reads_per_second = 10")).await;
    let paths = ["/channels", "/channels/c", "/channels/presence-c/users"];
    let (start, mut granted) = (Instant::now(), 0);
    let response = loop {
        let response = server.get(paths[granted % 3], &[]).await;
        if response.status != 200 {
            break response;
        }
        granted += 1;
    };
    let most = 10.0 + start.elapsed().as_secs_f64() * 10.0;
    assert!(granted >= 10 && granted as f64 <= most, "{granted} of {most}");
    assert_eq!(refused(&response, "too_many_reads", "limits.reads_per_second", 10), 1);
    // A second fills the rate up. Unsigned requests do not count, and events count elsewhere.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    for _ in 0..30 {
        let target = signed_target(APP, "GET", "/apps/it/channels", &[], b"");
        let wrong = Request::new("GET", target.replace("auth_signature=", "auth_signature=0"));
        server.send(wrong).await.refused(401, "a wrong signature");
    }
    server.get("/channels", &[]).await.expect(200, "the backend's own");
    server.post("/events", &event(100)).await.expect(200, "an event");
    server.stop().await;
}

#[tokio::test]
async fn s11_without_a_setting_there_is_no_rate() {
    let server = TestServer::start(&config("")).await;
    for n in 0..300 {
        server.post("/events", &event(100)).await.expect(200, n);
        server.get("/channels", &[]).await.expect(200, n);
    }
    server.stop().await;
}

/// Joins and leaves until the first refusal; returns the number of joins.
async fn flap(client: &mut Client, channel: &str, most: usize) -> usize {
    for n in 0..most {
        client.send_presence_subscribe(channel, r#"{"user_id":"flaps"}"#).await;
        let frame = client.next().await;
        if frame["event"] == "pusher:subscription_error" {
            let data = &frame["data"];
            assert_eq!(
                (&data["type"], &data["status"], &data["code"]),
                (&json!("LimitReached"), &json!(429), &json!("subscribe_rate")),
                "{frame}"
            );
            let said = data["error"].as_str().unwrap_or_default();
            assert!(said.contains("limits.subscribes_per_second"), "{frame}");
            client.expect_error(None).await;
            return n;
        }
        client.unsubscribe(channel).await;
    }
    most
}

#[tokio::test]
async fn s11_rapid_joins_and_leaves_are_slowed_down() {
    let settings = "limits.subscribes_per_second = 3\nlimits.member_returns_per_minute = 0";
    let server = TestServer::start(&config(settings)).await;
    let mut watcher = server.connect().await;
    watcher.join("presence-x", &json!({"user_id": "watches"})).await;
    let mut client = server.connect().await;
    client.subscribe("news").await;
    let start = Instant::now();
    let joined = flap(&mut client, "presence-x", 1000).await;
    // The first join is free.
    let most = 31.0 + start.elapsed().as_secs_f64() * 3.0;
    assert!(joined >= 31 && joined as f64 <= most, "{joined} of {most}");
    for _ in 0..joined {
        watcher.expect_event("pusher_internal:member_added").await;
        watcher.expect_event("pusher_internal:member_removed").await;
    }
    watcher.expect_silence().await;
    server.publish("news", "e", "1").await;
    client.expect_event("e").await;
    // Other sockets have their own rate, and after a moment this one may join again.
    let mut other = server.connect().await;
    assert_eq!(flap(&mut other, "presence-x", 20).await, 20);
    until("another join", async || (flap(&mut client, "presence-x", 1).await == 1).then_some(()))
        .await;
    server.stop().await;
}

#[tokio::test]
async fn s11_refused_subscriptions_count_and_first_ones_do_not() {
    let server = TestServer::start(&config("limits.subscribes_per_second = 1")).await;
    let mut client = server.connect().await;
    for n in 0..500 {
        client.subscribe(&format!("c-{n}")).await;
    }
    let refusals = async |client: &mut Client| {
        let mut codes = Vec::new();
        for _ in 0..30 {
            client.send_subscribe("a b").await;
            codes.push(client.expect_refused("a b").await["code"].clone());
        }
        codes
    };
    let codes = refusals(&mut client).await;
    assert_eq!(codes[..11], vec![json!("invalid_channel"); 11], "{codes:?}");
    assert!(codes.contains(&json!("subscribe_rate")), "{codes:?}");
    server.stop().await;
}

#[tokio::test]
async fn s11_thousand_channels_can_be_swapped_by_default() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    for page in 0..2 {
        for n in 0..1000 {
            client.subscribe(&format!("page-{page}-{n}")).await;
        }
        if page == 0 {
            for n in 0..1000 {
                client.unsubscribe(&format!("page-0-{n}")).await;
            }
        }
    }
    client.expect_silence().await;
    server.stop().await;
}
