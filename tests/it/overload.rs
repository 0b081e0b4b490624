//! protocol.md 6 and 7.3: full mailboxes. A server with the smallest `mailbox_bytes` is stopped
//! while its requests are written. When it goes on, each worker accepts events until its mailbox
//! is full, and delivers the first of them afterwards.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::support::*;

const CHANNELS: usize = 10;
const REQUESTS: usize = 8;

/// Ten of these fill a mailbox, and a request with one is read at once (8 KiB).
const DATA: usize = 7000;

fn channels() -> Vec<String> {
    (0..CHANNELS).map(|n| format!("c{n}")).collect()
}

fn one_event(data: &str) -> (&'static str, Value) {
    ("/events", json!({"name": "e", "channels": channels(), "data": data}))
}

fn batch(data: &str) -> (&'static str, Value) {
    let item = |channel: String| json!({"name": "e", "channel": channel, "data": data});
    ("/batch_events", json!({"batch": channels().into_iter().map(item).collect::<Vec<_>>()}))
}

/// Connections that the server has accepted.
async fn http_connections(server: &TestServer) -> Vec<HttpConnection> {
    let mut lines = Vec::new();
    for n in 0..REQUESTS {
        let mut line = server.http_connection().await;
        line.send(&Request::new("GET", "/ready")).await.expect(200, n);
        lines.push(line);
    }
    lines
}

/// The next events of the client, counted by request: the first word of the data names it.
async fn received(client: &mut Client, events: usize) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for _ in 0..events {
        let frame = client.next().await;
        assert_eq!(frame["event"], "e", "{frame}");
        let request = frame["data"].as_str().and_then(|data| data.split(' ').next());
        *counts.entry(request.expect("the number of a request").to_owned()).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn s7_3_busy_server_accepts_a_request_whole_or_not_at_all() {
    let top = "mailbox_bytes = 65536\noutbox_bytes = 60000000";
    let server = TestServer::start(&config_of(top, &[(APP, "")])).await;
    // On both workers: one full mailbox is enough to refuse a request.
    let mut clients = [server.connect().await, server.connect().await, server.connect().await];
    for client in &mut clients {
        for channel in channels() {
            client.subscribe(&channel).await;
        }
    }
    let mut lines = http_connections(&server).await;
    let mut refused = 0;
    for (round, request) in [one_event, batch, one_event, batch].into_iter().enumerate() {
        server
            .while_frozen(async {
                for (n, line) in lines.iter_mut().enumerate() {
                    let (path, body) = request(&format!("{n} {}", "x".repeat(DATA)));
                    let (path, body) = (format!("/apps/{}{path}", APP.id), body.to_string());
                    let target = signed_target(APP, "POST", &path, &[], body.as_bytes());
                    let request = Request::new("POST", target).body("application/json", body);
                    line.write(&request.bytes()).await;
                }
            })
            .await;
        let mut accepted = HashMap::new();
        for (n, line) in lines.iter_mut().enumerate() {
            let response = line.read("POST").await;
            if response.status == 200 {
                accepted.insert(n.to_string(), CHANNELS);
                continue;
            }
            assert_eq!(response.refused(503, n), "overloaded", "{response:?}");
            assert_eq!(response.header("Retry-After"), Some("1"), "{response:?}");
            refused += 1;
        }
        assert!((1..REQUESTS).contains(&accepted.len()), "round {round}: {accepted:?} accepted");
        for client in &mut clients {
            let events = accepted.len() * CHANNELS;
            assert_eq!(received(client, events).await, accepted, "round {round}");
            client.expect_silence().await;
        }
    }
    assert_eq!(server.stats().await["refused"]["overloaded"], refused);
    let drops = [("reason", "mailbox_full")];
    assert_eq!(server.scrape().await.sum("sealcast_drops_total", &drops), f64::from(refused));
    server.stop().await;
}

#[tokio::test]
async fn s6_client_event_to_a_full_mailbox_is_an_error_without_a_code() {
    const EVENTS: usize = 500;
    const CHANNEL: &str = "private-busy";
    let top = "workers = 1\nmailbox_bytes = 65536";
    let app = "client_events = true\nlimits.client_events_per_second = 100000\nlimits.frames_per_second = 0";
    let server = TestServer::start(&config_of(top, &[(APP, app)])).await;
    let mut receiver = server.connect().await;
    receiver.subscribe(CHANNEL).await;
    let (mut sender, id) = RawSocket::open_with_id(&server).await;
    let data = json!({"channel": CHANNEL, "auth": APP.channel_auth(&id, CHANNEL, None)});
    sender.write(&text(json!({"event": "pusher:subscribe", "data": data}).to_string())).await;
    assert_eq!(sender.next_frame().await.json()["channel"], CHANNEL);
    let event = |n: usize| json!({"event": "client-e", "channel": CHANNEL, "data": n.to_string()});
    let burst: Vec<u8> = (0..EVENTS).flat_map(|n| text(event(n).to_string())).collect();
    server.while_frozen(sender.write(&burst)).await;
    // The ping follows the events, so all frames before its answer are refusals.
    sender.write(&text(r#"{"event":"pusher:ping","data":{}}"#)).await;
    let mut refused = 0;
    loop {
        let frame = sender.next_frame().await.json();
        if frame["event"] == "pusher:pong" {
            break;
        }
        assert_eq!(frame["event"], "pusher:error", "{frame}");
        assert_eq!(frame["data"]["code"], Value::Null, "{frame}");
        let message = frame["data"]["message"].as_str().unwrap_or_default();
        assert!(message.contains("the server has too much to deliver"), "{frame}");
        refused += 1;
    }
    assert!((1..EVENTS).contains(&refused), "{refused} of {EVENTS} refused");
    // Each event is delivered or refused, and the delivered ones are in order.
    let mut last = None;
    for _ in refused..EVENTS {
        let number = receiver.expect_event("client-e").await.as_u64();
        assert!(number > last, "{number:?} after {last:?}");
        last = number;
    }
    receiver.expect_silence().await;
    server.stop().await;
}
