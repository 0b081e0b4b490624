//! Event streams over HTTP/1.1: protocol, takeover of the connection, refusals.

use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn h_stream_carries_the_messages_of_a_websocket() {
    let server = TestServer::start(&config("")).await;
    let mut stream = EventStream::open(&server, &["news", "cache-a,b"]).await;
    let retry = stream.retry.expect("a retry");
    assert!((500..=3000).contains(&retry), "{retry}");
    for header in [
        "content-type: text/event-stream\r\n",
        "cache-control: no-store, no-transform\r\n",
        "x-accel-buffering: no\r\n",
        "x-content-type-options: nosniff\r\n",
        "connection: close\r\n",
    ] {
        assert!(stream.head.contains(header), "{header} in {}", stream.head);
    }
    for header in ["content-length", "transfer-encoding", "content-encoding"] {
        assert!(!stream.head.contains(header), "{header} in {}", stream.head);
    }
    stream.expect_subscribed("news").await;
    stream.expect_subscribed("cache-a,b").await;
    assert_eq!(
        stream.next().await,
        json!({"event": "pusher:cache_miss", "channel": "cache-a,b", "data": "{}"})
    );
    server.publish("news", "e", "line\nbreak\r").await;
    assert_eq!(
        stream.next().await,
        json!({"event": "e", "channel": "news", "data": "line\nbreak\r"})
    );
    // Many at once, in order, and large ones.
    let large = "x".repeat(9000);
    for n in 0..50 {
        server.publish(["news", "cache-a,b"][n % 2], "e", &format!("{n}{large}")).await;
    }
    for n in 0..50 {
        stream.expect_event(["news", "cache-a,b"][n % 2], &format!("{n}{large}")).await;
    }
    let mut again = EventStream::open(&server, &["cache-a,b"]).await;
    again.expect_subscribed("cache-a,b").await;
    again.expect_event("cache-a,b", &format!("49{large}")).await;
    drop((stream, again));
    server.stop().await;
}

#[tokio::test]
async fn h_stream_counts_and_leaves_like_a_socket() {
    let server = TestServer::start(&config("")).await;
    let stream = EventStream::open(&server, &["news"]).await;
    server.until_stat("sockets", 1).await;
    let channels = server.get("/channels/news", &[("info", "subscription_count")]).await;
    let channel = channels.expect(200, "a channel");
    assert_eq!(channel["occupied"], true, "{channel}");
    drop(stream);
    server.until_stat("sockets", 0).await;
    server.stop().await;
}

#[tokio::test]
async fn h_takeover_writes_earlier_responses_first_and_ignores_later_requests() {
    let server = TestServer::start(&config("")).await;
    let target = stream_target(&server, &["news"]);
    let (wire, line) = server.dial().await;
    let mut stream = EventStream::over(wire, line);
    let upgrade = String::from_utf8(upgrade_request(&server.socket_path(), "")).expect("text");
    let body = json!({"name": "e", "channel": "news", "data": "ignored"}).to_string();
    let publish = signed_target(APP, "POST", "/apps/it/events", &[], body.as_bytes());
    let publish = Request::new("POST", publish).body("application/json", body);
    let publish = String::from_utf8(publish.bytes()).expect("text");
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    // Two before, and behind it an event, and a request that would take the connection over too.
    let all = [get("/health"), get("/nowhere"), get(&target), publish, upgrade].concat();
    stream.write(all).await;
    for (status, kind) in [("200", ""), ("404", ""), ("200", "text/event-stream")] {
        // A body stands in front of the next head.
        stream.read_head().await;
        assert!(stream.head.contains(&format!("http/1.1 {status} ")), "{}", stream.head);
        assert!(stream.head.contains(kind), "{}", stream.head);
    }
    assert_eq!(stream.next().await["event"], "pusher:connection_established");
    stream.expect_subscribed("news").await;
    // What the client sends is discarded.
    stream.write(vec![b'x'; 100_000]).await;
    server.publish("news", "e", "1").await;
    stream.expect_event("news", "1").await;
    drop(stream);
    server.until_stat("sockets", 0).await;
    server.stop().await;
}

#[tokio::test]
async fn h_head_answers_without_a_stream() {
    let server = TestServer::start(&config("")).await;
    let target = stream_target(&server, &["news"]);
    let mut line = server.http_connection().await;
    for _ in 0..2 {
        let head = line.send(&Request::new("HEAD", target.clone())).await;
        assert_eq!((head.status, head.header("Content-Type")), (200, Some("text/event-stream")));
    }
    for channel in ["private-news", "a channel"] {
        let target = stream_target(&server, &[channel]);
        let get = line.send(&Request::new("GET", target.clone())).await;
        let head = line.send(&Request::new("HEAD", target)).await;
        assert_eq!((head.status, head.status < 500), (get.status, get.status >= 400), "{channel}");
    }
    let post = line.send(&Request::new("POST", target)).await;
    assert_eq!(
        (post.refused(405, "POST"), post.header("Allow")),
        ("method_not_allowed".into(), Some("GET, HEAD"))
    );
    server.until_stat("sockets", 0).await;
    server.stop().await;
}

#[tokio::test]
async fn h_lasting_refusal_is_a_status_with_the_channel_and_passing_one_an_end() {
    let server = TestServer::start(&config("limits.connections = 1")).await;
    let many: Vec<String> = (0..101).map(|n| format!("c{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let path = |app: &str, query: &str| format!("/app/{app}/sse?{query}");
    for (target, status, code) in [
        (path(APP.key, ""), 400, "invalid_channels"),
        (path(APP.key, "channel="), 400, "invalid_channel"),
        (path(APP.key, "channel=a&channel=b%00c"), 400, "invalid_channel"),
        (path(APP.key, "channel=a&channel=b%0Ac"), 400, "invalid_channel"),
        (path(APP.key, "channel=a&channel=b%22c"), 400, "invalid_channel"),
        (path(APP.key, "channel=a&channel=private-b"), 403, "forbidden"),
        (path(APP.key, "channel=%23server-to-user-1"), 400, "reserved_channel"),
        (stream_target(&server, &many), 400, "invalid_channels"),
        (path(APP.key, &"a&".repeat(200)), 400, "too_many_parameters"),
        (path(APP.key, &"a".repeat(9000)), 414, "uri_too_long"),
        (path("nobody", "channel=a"), 404, "unknown_app"),
    ] {
        let response = server.send(Request::new("GET", target.clone())).await;
        assert_eq!(response.refused(status, &target), code, "{target}");
        assert_eq!(response.header("Cache-Control"), Some("no-store"), "{target}");
        assert_eq!(response.header("X-Content-Type-Options"), Some("nosniff"), "{target}");
    }
    let response =
        server.send(Request::new("GET", path(APP.key, "channel=a&channel=private-b"))).await;
    assert!(response.text().contains("private-b"), "{}", response.text());
    let first = EventStream::open(&server, &["news"]).await;
    let mut line = server.http_connection().await;
    for _ in 0..2 {
        // The connection stays usable.
        let passing = line.send(&Request::new("GET", stream_target(&server, &["news"]))).await;
        assert_eq!(passing.status, 200);
        assert_eq!(passing.header("Content-Type"), Some("text/event-stream"));
        let text = passing.text();
        assert!(text.starts_with("retry: ") && text.ends_with("\n\n"), "{text}");
        assert!(
            text.contains(r#"data: {"event":"sealcast:end","data":"{\"code\":4004,"#),
            "{text}"
        );
    }
    drop(first);
    server.until_stat("sockets", 0).await;
    drop(EventStream::open(&server, &["news"]).await);
    server.stop().await;
}

#[tokio::test]
async fn h_flood_of_passing_refusals_gets_no_answer() {
    let server = TestServer::start(&config("limits.connections = 1")).await;
    let only = EventStream::open(&server, &["news"]).await;
    let (mut answered, mut cut) = (0, 0);
    for _ in 0..130 {
        let mut stream = EventStream::dial(&server, &stream_target(&server, &["news"]), "").await;
        match stream.try_head().await {
            Some(_) => answered += 1,
            None => cut += 1,
        }
    }
    assert!(answered >= 100 && cut > 0, "{answered} answered, {cut} cut");
    drop(only);
    server.stop().await;
}

#[tokio::test]
async fn h_drain_tells_a_stream_to_return_later() {
    let top = "drain_seconds = 1";
    let server = TestServer::start(&config_of(top, &[(APP, "")])).await;
    let mut stream = EventStream::open(&server, &["news"]).await;
    stream.expect_subscribed("news").await;
    stream.retry = None;
    server.signal("TERM");
    let message = stream.expect_end(4200).await;
    assert!(message.contains("shutting down"), "{message}");
    assert!(stream.retry.is_some_and(|retry| (500..=3000).contains(&retry)), "{:?}", stream.retry);
    drop(stream);
    server.exited().await;
}

#[tokio::test]
async fn h_reader_that_never_reads_is_ended_and_others_are_served() {
    let top = "outbox_bytes = 65536";
    let server = TestServer::start(&config_of(top, &[(APP, "")])).await;
    let (mut stuck, mut other) =
        (EventStream::open(&server, &["news"]).await, EventStream::open(&server, &["news"]).await);
    other.expect_subscribed("news").await;
    let large = "x".repeat(9000);
    let mut sent = 0;
    until("the end of the slow reader", async || {
        for _ in 0..50 {
            server.publish("news", "e", &large).await;
            other.expect_event("news", &large).await;
        }
        sent += 50;
        (server.stats().await["slow_readers"] == 1).then_some(())
    })
    .await;
    // It reads what was on its way, and no message in pieces.
    stuck.expect_subscribed("news").await;
    let mut read = 0;
    while let Some(block) = stuck.next_block().await {
        let frame = block.data.expect("data");
        assert_eq!(frame["data"], large.as_str(), "no end behind dropped events");
        read += 1;
    }
    assert!(read < sent, "{read} of {sent}");
    drop((stuck, other));
    server.stop().await;
}
