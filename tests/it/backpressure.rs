//! protocol.md 1.6 (4100): a client that does not read is closed and delays no other.

use serde_json::json;
use tokio::net::TcpSocket;

use crate::support::*;

/// Large events fill the buffers of the kernel fastest.
pub const LARGE: usize = 400_000;

pub fn with_outbox(outbox: usize) -> String {
    let top = format!("outbox_bytes = {outbox}\nhttp_body_bytes = 2000000");
    config_of(
        &top,
        &[(
            APP,
            "limits.event_bytes = 1000000\nlimits.client_events_per_second = 100000\nclient_events = true",
        )],
    )
}

/// A subscriber of `channel` that never reads again, on a socket with a small buffer.
pub async fn sleeper(server: &TestServer, channel: &str) -> (BoxedStream, DisconnectGuard) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a socket option");
    let stream = within("connecting", socket.connect(server.addr)).await.expect("a connection");
    let (stream, line) = server.adopt(stream.into_std().expect("a plain socket"));
    let mut stream = server.wire(stream).await;
    let mut bytes = upgrade_request(&server.socket_path(), "");
    bytes.extend(text(
        json!({"event": "pusher:subscribe", "data": {"channel": channel}}).to_string(),
    ));
    within("writing", stream.write_all(&bytes)).await.expect("an upgrade");
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("subscription_succeeded") {
        let mut chunk = [0; 512];
        let n = within("reading", stream.read(&mut chunk)).await.expect("an answer");
        assert!(n > 0, "closed before the subscription: {}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&chunk[..n]);
    }
    (stream, line)
}

#[tokio::test]
async fn s1_6_slow_consumer_is_closed_and_others_miss_nothing() {
    let server = TestServer::start(&with_outbox(1_000_000)).await;
    let mut reader = server.connect().await;
    reader.subscribe("firehose").await;
    let mut neighbour = server.connect().await;
    neighbour.subscribe("quiet").await;
    let sleepers = [sleeper(&server, "firehose").await, sleeper(&server, "firehose").await];
    assert_eq!(server.stats().await["sockets"], 4);
    // 16 MB: more than the kernel and the budget of 1 MB can hold together.
    for published in 0..40 {
        let data = format!("{published}:{}", "x".repeat(LARGE));
        server.publish("firehose", "e", &data).await;
        reader.expect(json!({"event": "e", "channel": "firehose", "data": data})).await;
        server.publish("quiet", "e", "1").await;
        neighbour.expect_event("e").await;
    }
    server.until_stat("sockets", 2).await;
    server.until_stat("slow_readers", 2).await;
    reader.expect_silence().await;
    server.until_stat("outbox_bytes", 0).await;
    drop(sleepers);
    server.stop().await;
}

#[tokio::test]
async fn s1_6_closed_slow_consumer_sees_the_end_of_the_connection() {
    use tokio::io::AsyncReadExt as _;
    let server = TestServer::start(&with_outbox(1_000_000)).await;
    let (mut stream, line) = sleeper(&server, "firehose").await;
    let data = "x".repeat(LARGE);
    for _ in 0..40 {
        server.publish("firehose", "e", &data).await;
    }
    server.until_stat("sockets", 0).await;
    // Earlier frames can still be read; then the connection ends.
    let mut chunk = vec![0; 1 << 16];
    while let Ok(1..) = within("the end of the stream", stream.read(&mut chunk)).await {}
    drop(line);
    server.stop().await;
}

/// One turn of the server may add more than a socket's budget while its peer reads all the time:
/// only the remaining bytes count.
#[tokio::test]
async fn s1_6_burst_above_the_budget_is_not_a_slow_consumer() {
    let server = TestServer::start(&config_of("outbox_bytes = 16384", &[(APP, "")])).await;
    let mut reader = server.connect().await;
    reader.subscribe("burst").await;
    let data = "x".repeat(10_000);
    let item = json!({"name": "e", "channel": "burst", "data": data});
    server.post("/batch_events", &json!({"batch": vec![item; 10]})).await.expect(200, "a batch");
    for _ in 0..10 {
        reader.expect(json!({"event": "e", "channel": "burst", "data": data})).await;
    }
    assert_eq!(server.stats().await["slow_readers"], 0);
    server.stop().await;
}

#[tokio::test]
async fn s1_6_slow_reader_within_its_budget_gets_everything() {
    let server = TestServer::start(&with_outbox(60_000_000)).await;
    let mut slow = server.connect().await;
    slow.subscribe("firehose").await;
    let data = "x".repeat(LARGE);
    for n in 0..30 {
        server.publish("firehose", "e", &format!("{n}:{data}")).await;
    }
    let waiting = server.stats().await["outbox_bytes"].clone();
    assert!(waiting.is_u64(), "{waiting}");
    for n in 0..30 {
        slow.expect(json!({"event": "e", "channel": "firehose", "data": format!("{n}:{data}")}))
            .await;
    }
    slow.expect_silence().await;
    server.until_stat("outbox_bytes", 0).await;
    server.stop().await;
}

/// The answers of channels that open at one moment may be more than an outbox holds.
#[tokio::test]
async fn s1_6_answers_to_many_joins_wait_for_a_late_reader() {
    let server = TestServer::start(&with_outbox(100_000)).await;
    // 6 MB: more than the kernel and the budget hold together.
    let names: Vec<String> = (0..300).map(|n| format!("cache-{n}")).collect();
    let data = "x".repeat(20_000);
    for channels in names.chunks(100) {
        let body = json!({"name": "e", "channels": channels, "data": data});
        server.post("/events", &body).await.expect(200, "an event");
    }
    let (stream, line) = sleeper(&server, "firehose").await;
    let mut raw = RawSocket::over(stream, line);
    // In one write: TLS keeps small ones to itself while the server takes no input.
    let join = |name| json!({"event": "pusher:subscribe", "data": {"channel": name}});
    let joins: Vec<u8> = names.iter().flat_map(|name| text(join(name).to_string())).collect();
    raw.write(&joins).await;
    until("the first joins", async || {
        (server.stats().await["subscriptions"].as_u64() >= Some(10)).then_some(())
    })
    .await;
    let mut joined = Vec::new();
    for _ in &names {
        let answer = raw.next_frame().await.json();
        assert_eq!(answer["event"], "pusher_internal:subscription_succeeded", "{answer}");
        let event = raw.next_frame().await.json();
        assert_eq!((&event["event"], &event["channel"]), (&json!("e"), &answer["channel"]));
        joined.push(answer["channel"].as_str().unwrap_or_default().to_owned());
    }
    let mut expected = names;
    if answers_are_late() {
        [&mut joined, &mut expected].into_iter().for_each(|names| names.sort());
    }
    assert_eq!(joined, expected);
    raw.expect_alive("late").await;
    assert_eq!(server.stats().await["slow_readers"], 0);
    server.stop().await;
}

#[tokio::test]
async fn s1_6_ping_flood_without_reading_is_bounded() {
    use tokio::io::AsyncWriteExt as _;
    let server = TestServer::start(&with_outbox(200_000)).await;
    let mut bystander = server.bystander().await;
    let (mut stream, line) = sleeper(&server, "firehose").await;
    let mut flood = Vec::new();
    for _ in 0..500 {
        flood.extend(text(r#"{"event":"pusher:ping"}"#));
        flood.extend(frame(FIN | PING, [7; 125]));
    }
    // Write until the server stops reading or closes the connection.
    for _ in 0..400 {
        let write =
            tokio::time::timeout(std::time::Duration::from_millis(200), stream.write_all(&flood))
                .await;
        if !matches!(write, Ok(Ok(()))) {
            break;
        }
    }
    let stats = server.stats().await;
    assert!(stats["outbox_bytes"].as_u64().is_some_and(|bytes| bytes <= 400_000), "{stats}");
    server.still_serves(&mut bystander, "a flood of pings").await;
    drop((stream, line));
    server.stop().await;
}
