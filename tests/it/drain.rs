//! protocol.md 1.6 (4200): a stopping server first sends its clients elsewhere.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::*;

fn draining_in(seconds: u64) -> String {
    config_of(&format!("drain_seconds = {seconds}"), &[(APP, "")])
}

/// Reads until the close frame; returns the time of its arrival.
async fn closed(client: &mut Client, who: &str) -> Instant {
    loop {
        match client.incoming().await {
            // protocol.md 1.4: an error frame may come before the close.
            Incoming::Text(text) => assert!(text.contains("4200"), "{who}: {text}"),
            Incoming::Closed(code, reason) => {
                assert_eq!(code, Some(4200), "{who}: {reason}");
                return Instant::now();
            }
        }
    }
}

#[tokio::test]
async fn s1_6_sigterm_and_sigint_close_with_4200_and_exit_with_success() {
    for signal in ["TERM", "INT"] {
        let server = TestServer::start(&draining_in(0)).await;
        let mut clients = Vec::new();
        for i in 0..10 {
            let mut client = server.connect().await;
            client.subscribe("news").await;
            if i % 2 == 0 {
                client.subscribe("private-x").await;
            }
            clients.push(client);
        }
        server.signal(signal);
        for client in &mut clients {
            closed(client, signal).await;
        }
        drop(clients);
        server.exited().await;
    }
}

#[tokio::test]
async fn s1_6_both_dialects_see_members_leave() {
    let server = TestServer::start(&draining_in(0)).await;
    let mut pusher = server.connect().await;
    let mut jetsocket = server.connect_with("protocol=7&dialect=jetsocket").await;
    for client in [&mut pusher, &mut jetsocket] {
        client.join("presence-x", &json!({"user_id": client.dialect})).await;
        client.sign_in(&json!({"id": client.dialect})).await;
    }
    server.signal("TERM");
    for client in [&mut pusher, &mut jetsocket] {
        let code = loop {
            // The remaining members may see the others leave.
            if let Incoming::Closed(code, _) = client.incoming().await {
                break code;
            }
        };
        assert_eq!(code, Some(4200), "{}", client.dialect);
    }
    drop((pusher, jetsocket));
    server.exited().await;
}

#[tokio::test]
async fn s1_6_clients_cannot_keep_a_stopping_server_alive() {
    let server = TestServer::start(&draining_in(1)).await;
    // A socket that answers nothing, half a handshake, half a request, and an idle connection.
    let deaf = RawSocket::open(&server).await;
    let mut half_upgrade = RawSocket::dial(&server).await;
    half_upgrade.write(&upgrade_request(&server.socket_path(), "")[..40]).await;
    let mut half_post = RawSocket::dial(&server).await;
    half_post
        .write(b"POST /apps/it/events HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
        .await;
    let mut idle = server.http_connection().await;
    idle.send(&Request::new("GET", "/health")).await.expect(200, "health");
    server.signal("TERM");
    server.exited().await;
    drop((deaf, half_upgrade, half_post, idle));
}

/// A publisher that keeps its connection would else lose the request behind the last response.
#[tokio::test]
async fn s1_6_draining_server_announces_the_end_of_http_connections() {
    let server = TestServer::start(&draining_in(2)).await;
    let clients = [server.connect().await, server.connect().await];
    let mut kept = server.http_connection().await;
    let response = kept.send(&Request::new("GET", "/health")).await;
    assert_eq!((response.status, response.header("connection")), (200, None));
    server.signal("TERM");
    until("the drain", async || {
        (server.send(Request::new("GET", "/ready")).await.status == 503).then_some(())
    })
    .await;
    let response = kept.send(&Request::new("GET", "/health")).await;
    assert_eq!((response.status, response.header("connection")), (200, Some("close")));
    drop(clients);
    server.exited().await;
}

#[tokio::test]
async fn s1_6_server_without_sockets_stops_at_once() {
    let server = TestServer::start(&config("")).await;
    server.signal("TERM");
    server.exited().await;
}

/// The closes are spread, and the last one is within the drain time.
#[tokio::test]
async fn s1_6_sockets_are_closed_evenly_over_the_drain_time() {
    const SOCKETS: usize = 60;
    const SECONDS: u64 = 3;
    let server = TestServer::start(&draining_in(SECONDS)).await;
    let mut clients = Vec::new();
    for _ in 0..SOCKETS {
        let mut client = server.connect().await;
        client.subscribe("news").await;
        clients.push(client);
    }
    let start = Instant::now();
    server.signal("TERM");
    let mut closing = JoinSet::new();
    for mut client in clients {
        closing.spawn(async move { (closed(&mut client, "spread").await, client) });
    }
    let mut after = Vec::new();
    while let Some(Ok((at, _))) = closing.join_next().await {
        after.push(at - start);
    }
    assert_eq!(after.len(), SOCKETS);
    after.sort();
    // Evenly spread, 15 to 45 are due by then.
    let by = |part: f64| {
        let end = Duration::from_secs(SECONDS).mul_f64(part);
        after.iter().filter(|at| **at <= end).count()
    };
    assert!(by(0.25) < 35, "a quarter of the time: {after:?}");
    assert!(by(0.75) > 20, "three quarters of the time: {after:?}");
    assert!(after[SOCKETS - 1] > Duration::from_secs(SECONDS) / 2, "{after:?}");
    assert!(after[SOCKETS - 1] < Duration::from_secs(SECONDS + 2), "{after:?}");
    server.exited().await;
}

#[tokio::test]
async fn s1_6_draining_server_reports_it_and_refuses_new_sockets() {
    let server = TestServer::start(&draining_in(2)).await;
    let ready = async || server.send(Request::new("GET", "/ready")).await;
    let before = ready().await.expect(200, "before");
    assert_eq!(before, json!({"status": "ready"}));
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(server.connect().await);
    }
    server.signal("TERM");
    let answer = until("the readiness to be red", async || {
        let answer = ready().await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    let answer = answer.expect(503, "while draining");
    let reasons = (&answer["status"], &answer["reasons"][0]["code"]);
    assert_eq!(reasons, (&json!("not_ready"), &json!("draining")));
    let ops = exchange(server.ops(), &Request::new("GET", "/ready")).await;
    assert_eq!(ops.status, 503);
    let scheme = if server.tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}", server.addr);
    let check = Launch::new(&["healthcheck", "--ready", "--url", &url]).output("").await;
    assert_eq!(check.status.code(), Some(1), "{check:?}");
    assert!(check.stderr.contains("503") && check.stderr.contains("draining"), "{check:?}");
    let check = Launch::new(&["healthcheck", "--url", &url]).output("").await;
    assert_eq!(check.status.code(), Some(0), "{check:?}");
    let refused = send_watch_request(&server, "", &[]).await;
    assert_eq!(refused.refused(503, "a new watcher"), "shutting_down");
    // `/live` stays 200: a restart would not end it sooner.
    server.send(Request::new("GET", "/live")).await.expect(200, "alive");
    let mut late = RawSocket::dial(&server).await;
    late.write(&upgrade_request(&server.socket_path(), "")).await;
    late.read_head().await;
    let error = late.next_frame().await.json();
    assert_eq!((&error["event"], &error["data"]["code"]), (&json!("pusher:error"), &json!(4100)));
    late.expect_close(4100, "a new socket").await;
    for client in &mut clients {
        closed(client, "old").await;
    }
    drop((clients, late));
    server.exited().await;
}

/// Numbers of events until the close frame, and how many were accepted when it was read.
async fn numbers(client: &mut Client, accepted: &AtomicUsize) -> (Vec<usize>, usize) {
    let mut numbers = Vec::new();
    loop {
        match client.incoming().await {
            Incoming::Text(text) if text.contains("4200") => {}
            Incoming::Text(text) => {
                let frame: Value = serde_json::from_str(&text).expect("JSON");
                numbers
                    .push(frame["data"].as_str().and_then(|n| n.parse().ok()).expect("a number"));
            }
            Incoming::Closed(code, _) => {
                assert_eq!(code, Some(4200));
                return (numbers, accepted.load(Ordering::SeqCst));
            }
        }
    }
}

/// On a new connection each time, as the responses of a draining server ask for.
async fn publish_without_pause(server: Arc<TestServer>, accepted: Arc<AtomicUsize>) {
    for number in 0.. {
        server.publish("news", "e", &number.to_string()).await;
        accepted.fetch_add(1, Ordering::SeqCst);
    }
}

/// The API keeps accepting, and its events reach each socket up to its close frame, without a gap.
#[tokio::test]
async fn s1_6_events_accepted_while_draining_reach_remaining_clients() {
    const IN_FLIGHT: usize = 2;
    let server = Arc::new(TestServer::start(&draining_in(1)).await);
    let accepted = Arc::new(AtomicUsize::new(0));
    let mut reading = JoinSet::new();
    for _ in 0..40 {
        let (mut client, accepted) = (server.connect().await, accepted.clone());
        client.subscribe("news").await;
        reading.spawn(async move { numbers(&mut client, &accepted).await });
    }
    server.signal("TERM");
    let publishing = tokio::spawn(publish_without_pause(server.clone(), accepted));
    let mut most = 0;
    while let Some(result) = reading.join_next().await {
        let (numbers, accepted) = result.expect("a client that reads");
        assert!(numbers.iter().copied().eq(0..numbers.len()), "{numbers:?}");
        assert!(numbers.len() + IN_FLIGHT >= accepted, "{} of {accepted}", numbers.len());
        most = most.max(numbers.len());
    }
    assert!(most > 20, "events while draining: {most}");
    publishing.abort();
    // It may have met the closed listener before that.
    let _ = publishing.await;
    Arc::into_inner(server).expect("nobody publishes any more").exited().await;
}

/// Neither a socket with unread frames nor a webhook receiver without an answer delays the end: one
/// second for sockets, one for close frames, one for requests, two for webhooks.
#[tokio::test]
async fn s1_6_shutdown_is_bounded() {
    const BOUND: Duration = Duration::from_secs(1 + 1 + 1 + 2);
    let receiver = WebhookReceiver::start(ReceiverReply::Hang).await;
    let app = with_webhooks("", &[&hooks_url(&receiver, "")]);
    let state = TempDir::new();
    let launch = Launch::serve(&format!("drain_seconds = 1\n{app}"));
    let server = launch.env("SEALCAST_STATE_DIR", state.path()).start().await;
    let mut deaf = RawSocket::open(&server).await;
    deaf.write(&text(r#"{"event":"pusher:subscribe","data":{"channel":"news"}}"#)).await;
    deaf.next_frame().await;
    for _ in 0..80 {
        server.publish("news", "e", &"x".repeat(10_000)).await;
    }
    assert!(server.stats().await["outbox_bytes"].as_u64() > Some(0), "it reads nothing");
    let start = Instant::now();
    server.signal("TERM");
    let output = server.exited().await;
    assert!(start.elapsed() < BOUND + Duration::from_secs(2), "{:?}: {output:?}", start.elapsed());
    let names: Vec<_> = dead_letters(&state.path().join("it.webhooks.jsonl"))
        .iter()
        .map(|letter| letter["event"]["name"].clone())
        .collect();
    assert_eq!(names, ["channel_occupied", "channel_vacated"]);
    drop(deaf);
}
