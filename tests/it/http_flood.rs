//! Bounds of the memory that a stranger can take over plain HTTP, without a key and a WebSocket.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    memory::{flood, resident},
    support::*,
};

const GET: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
const HEAD: &[u8] = b"HEAD /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
const MIB: u64 = 1024 * 1024;

/// Reads until the server ends the connection.
async fn rest(stream: &mut BoxedStream) -> String {
    let mut said = Vec::new();
    let _ = tokio::time::timeout(3 * DEADLINE, stream.read_to_end(&mut said))
        .await
        .expect("the server ends the connection");
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn f14_a_client_that_takes_no_answers_is_not_read_from() {
    let server = TestServer::start(&config_of("stalled_seconds = 2", &[(APP, "")])).await;
    let mut bystander = server.bystander().await;
    let before = resident(&server);
    let mut streams = Vec::new();
    for n in 0..20 {
        let (mut stream, line) = server.dial().await;
        let request = [GET, HEAD][n % 2];
        let most = 32 * MIB as usize / request.len();
        let taken = flood(&mut stream, request, most).await;
        assert!(taken < most, "only what the kernel keeps is taken");
        streams.push((stream, line));
    }
    let now = resident(&server);
    assert!(now < before + 12 * MIB, "{before} before, {now} now");
    server.still_serves(&mut bystander, "requests without end").await;
    // Nobody who only reads on later would see an end: the answers would go on.
    for (stream, _line) in &mut streams {
        tokio::time::timeout(DEADLINE, async {
            while stream.write(GET).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
        .await
        .expect("a stalled client is let go");
    }
    server.stop().await;
}

#[tokio::test]
async fn f14_late_reader_gets_every_answer() {
    const MANY: usize = 5000;
    let server = TestServer::start(&config("")).await;
    let (stream, _line) = server.dial().await;
    let (mut read, mut write) = tokio::io::split(stream);
    let mut bytes = GET.repeat(MANY);
    bytes.extend(upgrade_request(&server.socket_path(), ""));
    bytes.extend(text(r#"{"event":"pusher:ping","data":{}}"#));
    let writing = tokio::spawn(async move {
        write.write_all(&bytes).await.expect("the server reads on");
        write
    });
    // The late reader is the subject: the answers fill all buffers first.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut said = Vec::new();
    let mut chunk = [0; 16 * 1024];
    while !said.windows(11).rev().take(400).any(|w| w == b"pusher:pong") {
        let count = within("an answer", read.read(&mut chunk)).await.expect("bytes");
        assert!(count > 0, "the connection has ended");
        said.extend_from_slice(&chunk[..count]);
    }
    let said = String::from_utf8_lossy(&said);
    assert_eq!(said.matches("HTTP/1.1 200 ").count(), MANY);
    assert_eq!(said.matches("HTTP/1.1 101 ").count(), 1);
    assert_eq!(said.matches("connection_established").count(), 1);
    drop(within("writing", writing).await.expect("a task"));
    server.stop().await;
}

fn head_of(bytes: usize) -> Vec<u8> {
    let mut head = b"GET /health HTTP/1.1\r\nHost: localhost\r\n".to_vec();
    while head.len() < bytes {
        head.extend(format!("X-{}: {}\r\n", head.len(), "a".repeat(1000)).bytes());
    }
    head
}

#[tokio::test]
async fn f14_a_head_without_end_is_refused_at_16_kib() {
    let server = TestServer::start(&config("")).await;
    // Whole, and within the limit: on a connection that stays.
    let whole = [head_of(14_000), b"\r\n".to_vec()].concat();
    let mut raw = RawSocket::dial(&server).await;
    for _ in 0..3 {
        raw.write(&whole).await;
        // The body before it is in front.
        assert!(raw.read_head().await.contains("HTTP/1.1 200 "));
    }
    let (mut stream, _line) = server.dial().await;
    let _ = stream.write_all(&head_of(120_000)).await;
    let said = rest(&mut stream).await;
    assert!(said.starts_with("HTTP/1.1 431 ") && said.contains("head_too_large"), "{said}");
    // Behind another request, there is no telling a head from the rest of a body.
    let (mut stream, _second) = server.dial().await;
    let _ = stream.write_all(&[GET, &head_of(120_000)].concat()).await;
    let said = rest(&mut stream).await;
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
    let kind = [("kind", "head_too_large")];
    server.until_metric("sealcast_client_faults_total", &kind, 2.0).await;
    server.stop().await;
}

#[tokio::test]
async fn f14_the_second_head_has_a_deadline() {
    let server = TestServer::start(&config_of("keep_alive_seconds = 1", &[(APP, "")])).await;
    let (mut stream, _line) = server.dial().await;
    stream.write_all(&[GET, b"GET /health HT"].concat()).await.expect("a request");
    let said = rest(&mut stream).await;
    assert_eq!(said.matches("HTTP/1.1 200 ").count(), 1, "{said}");
    server.stop().await;
}

/// With each body, as far as it goes: what follows may be read only when it is answered.
#[tokio::test]
async fn f14_large_bodies_pass_one_after_the_other() {
    let app = "limits.event_bytes = 1000000";
    let server = TestServer::start(&config_of("", &[(APP, app)])).await;
    let mut client = server.connect().await;
    client.subscribe("news").await;
    let mut line = server.http_connection().await;
    for n in 0..3 {
        let data = format!("{n}{}", "\r\n\r\n".repeat(20_000));
        let body = json!({"name": "e", "channel": "news", "data": data}).to_string();
        let target = signed_target(APP, "POST", "/apps/it/events", &[], body.as_bytes());
        let request = Request::new("POST", target).body("application/json", body);
        line.send(&request).await.expect(200, n);
        assert_eq!(client.next().await["data"], data);
    }
    server.stop().await;
}

#[tokio::test]
async fn f14_when_memory_is_tight_http_goes_before_sockets() {
    let probe = TestServer::start(&config("")).await;
    let used = resident(&probe);
    probe.stop().await;
    // Tight from the beginning, and not so short that newcomers are refused.
    let limit = used + used / 6;
    let top = format!("memory_limit_bytes = {limit}\nworkers = 1");
    let app = "limits.frames_per_second = 0";
    let server = TestServer::start(&config_of(&top, &[(APP, app)])).await;
    let mut streams = Vec::new();
    for _ in 0..30 {
        let (mut stream, line) = server.dial().await;
        stream.write_all(GET).await.expect("a request");
        streams.push((stream, line));
    }
    for (stream, _line) in &mut streams {
        let said = rest(stream).await;
        assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
    }
    let scrape = server.scrape().await;
    assert_eq!(scrape.sum("sealcast_connections_closed_total", &[("reason", "shed")]), 0.0);
    server.stop().await;
}

#[tokio::test]
async fn f26_idle_connections_make_room_for_the_api() {
    let server = Launch::serve(&config("")).descriptors(160, 160).start().await;
    let mut idle = Vec::new();
    for _ in 0..200 {
        let (mut stream, line) = server.dial_tcp();
        let _ = stream.write_all(GET).await;
        idle.push((stream, line));
    }
    // Answered or closed. A request before that may be the one that no room is left for.
    for (stream, _line) in &mut idle {
        let _ = within("an idle connection", stream.read_u8()).await;
    }
    for _ in 0..20 {
        server.publish("news", "e", "1").await;
    }
    server.send(Request::new("GET", "/live")).await.expect(200, "beside idle connections");
    drop(idle);
    server.stop().await;
}
