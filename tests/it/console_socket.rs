//! The console's socket: figures, the feed, and its end.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::*;

const TOKEN: &str = "canary-admin-token-7be2d6853a11";

fn configuration(top: &str) -> String {
    let top = format!("admin_token = \"{TOKEN}\"\nconsole = \"local\"\n{top}");
    config_of(&top, &[(APP, "limits = { events_per_second = 0 }\n")])
}

async fn start() -> (TestServer, ConsoleSession) {
    let server = Launch::serve_plain(&configuration("")).start().await;
    let session = ConsoleSession::by_code(&server).await;
    (server, session)
}

fn code(answer: &Value) -> &str {
    let says = answer["error"]["error"].as_str().unwrap_or_default();
    assert!(!says.is_empty(), "{answer}");
    answer["error"]["code"].as_str().expect("a code")
}

#[tokio::test]
async fn l_series_begins_with_the_past() {
    let (server, session) = start().await;
    let mut socket = session.socket().await;
    let watch = json!({"id": 1, "watch": "series", "range": 2});
    let answer = until("two rows", async || {
        let mut socket = session.socket().await;
        let answer = socket.ask(&watch).await;
        (answer["ok"]["rows"].as_array()?.len() == 2).then_some(answer)
    })
    .await;
    let names: Vec<_> = answer["ok"]["names"].as_array().expect("names").iter().collect();
    assert_eq!(
        (names.len(), names[0], names[15]),
        (16, &json!("connections"), &json!("webhooks_waiting"))
    );
    assert!(answer["ok"]["at"].is_u64() && answer["ok"]["marks"][0]["type"] == "server_started");

    let _client = server.connect().await;
    let answer = socket.ask(&watch).await;
    let rows = answer["ok"]["rows"].as_array().expect("rows");
    assert!(rows.iter().all(|row| row.as_array().expect("a row").len() == 16), "{rows:?}");
    socket.find(|frame| frame["watch"] == 1 && frame["v"][0] == 1).await;
    server.publish("news", "e", "x").await;
    let row = socket.find(|frame| frame["v"][4].as_f64().is_some_and(|rate| rate > 0.0)).await;
    assert!(row["v"][6].as_f64().is_some_and(|micros| micros > 0.0), "{row}");
    assert!(row["v"][8].is_null(), "{row}");
    server.reload(&configuration("drain_seconds = 1")).await;
    socket.find(|frame| frame["mark"]["type"] == "config_reloaded").await;

    assert_eq!(socket.ask(&json!({"id": 2, "stop": 1})).await, json!({"id": 2, "ok": {}}));
    let again = socket.ask(&json!({"id": 3, "stop": 1})).await;
    assert_eq!(code(&again), "invalid_watch");
    server.stop().await;
}

#[tokio::test]
async fn l_busy_feed_is_capped_and_shows_refusals_first() {
    let (server, session) = start().await;
    let mut socket = session.socket().await;
    let watch = json!({"id": 2, "watch": "feed", "filter": "app=it&type=event,api_call,refused"});
    assert_eq!(socket.ask(&watch).await, json!({"id": 2, "ok": {}}));
    let batch: Vec<_> =
        (0..10).map(|_| json!({"name": "e", "channel": "news", "data": "canary"})).collect();
    let publish = async {
        let start = Instant::now();
        for round in 0..40 {
            for _ in 0..20 {
                server
                    .post("/batch_events", &json!({ "batch": batch }))
                    .await
                    .expect(200, "a batch");
            }
            // An operation that fails, among them.
            let wrong = server.post("/events", &json!({"name": "", "channel": "news"})).await;
            assert_eq!(wrong.status, 400, "{round}");
            let due = start + Duration::from_millis(100 * (round + 1));
            tokio::time::sleep(due.saturating_duration_since(Instant::now())).await;
        }
    };
    let mut frames = Vec::new();
    let watched = async {
        let (mut shown, mut more, mut counted) = (0, 0, 0);
        loop {
            let frame = socket.find(|frame| frame["watch"] == 2).await;
            let entries = frame["entries"].as_array().map_or(&[][..], |entries| entries);
            more += frame["more"].as_u64().unwrap_or(0);
            shown += entries.len() as u64;
            frames.push((Instant::now(), entries.to_vec()));
            if let Some(counts) = frame.get("counts") {
                let of = |name| counts[name].as_u64().expect(name);
                counted += of("events") + of("access") + of("calls") + of("refused");
                if counted >= 8000 + 840 && of("events") == 0 {
                    return (shown, more, counted);
                }
            }
        }
    };
    let ((), (shown, more, counted)) = tokio::join!(publish, watched);
    assert_eq!(counted, 8000 + 840, "events and calls");
    assert_eq!(shown + more, counted, "shown, or counted as more");
    let of_type = |wanted: &Value| {
        let entries = frames.iter().flat_map(|(_, entries)| entries);
        entries.filter(|entry| entry["status"] == *wanted).count()
    };
    assert_eq!(of_type(&json!(400)), 40, "no failure is left out");
    for (at, _) in &frames {
        let second = frames
            .iter()
            .filter(|(other, _)| other >= at && *other < *at + Duration::from_millis(850));
        let entries: usize = second.map(|(_, entries)| entries.len()).sum();
        assert!(entries <= 200, "{entries}");
    }
    let text = format!("{frames:?}");
    assert!(!text.contains("canary"), "payloads are not shown");
    server.stop().await;
}

#[tokio::test]
async fn l_frames_of_a_browser_are_checked() {
    let (server, session) = start().await;
    let mut socket = session.socket().await;
    for (frame, wanted) in [
        (json!({"id": 1}), "invalid_watch"),
        (json!({"id": 1, "watch": "all"}), "invalid_watch"),
        (json!({"id": 1, "do": "POST /admin/apps/it/keys/rotate"}), "invalid_watch"),
        (json!({"id": 1, "watch": "feed", "filter": "colour=red"}), "unknown_filter"),
        (json!({"id": 1, "watch": "feed", "filter": "type=evnt"}), "unknown_filter"),
    ] {
        socket.send(&frame).await;
        let answer = socket.next().await.expect("an answer");
        assert_eq!(code(&answer), wanted, "{frame}");
    }
    for id in 1..=8 {
        let answer = socket.ask(&json!({"id": id, "watch": "feed", "filter": ""})).await;
        assert_eq!(answer["ok"], json!({}), "{answer}");
    }
    for id in [3, 9] {
        let answer = socket.ask(&json!({"id": id, "watch": "feed"})).await;
        assert_eq!(code(&answer), "invalid_watch", "a known id, and too many");
    }
    socket.send_text(&format!("{{\"id\":1,\"filter\":\"{}\"}}", "x".repeat(70_000))).await;
    let closed = socket.closed().await;
    assert!(matches!(closed, Some(1009) | None), "{closed:?}");

    let other = ConsoleSession::by_code(&server).await;
    let mut sockets = Vec::new();
    for _ in 0..8 {
        sockets.push(other.socket().await);
    }
    let handshake = other
        .request("GET", "/console/socket")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    let ninth = other.send(&handshake).await;
    assert_eq!(ninth.refused(503, "the ninth"), "too_many_watchers");
    sockets.pop().expect("eight").close().await;
    until("a free place", async || (other.send(&handshake).await.status == 101).then_some(()))
        .await;
    server.stop().await;
}

#[tokio::test]
async fn l_socket_ends_with_its_session_and_its_server() {
    let (server, session) = start().await;
    let (mut one, mut two) = (session.socket().await, session.socket().await);
    one.ask(&json!({"id": 1, "watch": "series"})).await;
    let other = ConsoleSession::by_code(&server).await;
    let mut third = other.socket().await;
    session.send(&session.request("DELETE", "/console/session")).await;
    assert_eq!(one.closed().await, Some(4401));
    assert_eq!(two.closed().await, Some(4401));
    let off = configuration("").replace("\"local\"", "\"off\"");
    server.reload(&off).await;
    assert_eq!(third.closed().await, Some(4401));
    server.reload(&configuration("")).await;

    let session = ConsoleSession::by_code(&server).await;
    let mut last = session.socket().await;
    last.ask(&json!({"id": 1, "watch": "series"})).await;
    let client = server.connect().await;
    let (closed, ()) = tokio::join!(
        async {
            last.find(|frame| frame["mark"]["type"] == "server_draining").await;
            last.closed().await
        },
        async {
            drop(client);
            server.stop().await;
        }
    );
    assert_eq!(closed, Some(1001));
}
