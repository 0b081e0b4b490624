//! TLS in the server's process: WebSockets and API, the end of connections, and hostile clients.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::version::TLS12;
use tokio_rustls::rustls::{HandshakeKind, ProtocolVersion};

use crate::support::*;

fn launch(config: &str) -> (Launch, TestCertificate) {
    let pair = TestCertificate::new();
    (Launch::serve_plain(config).tls(&pair), pair)
}

async fn start(config: &str) -> TestServer {
    launch(config).0.start().await
}

#[tokio::test]
async fn c_websockets_and_api_share_the_port_over_tls() {
    let server = start(&config("")).await;
    let mut client = server.connect().await;
    client.subscribe("news").await;
    client.subscribe("private-x").await;
    server.publish("news", "hello", "over TLS").await;
    client.expect(json!({"event": "hello", "channel": "news", "data": "over TLS"})).await;
    let mut line = server.http_connection().await;
    for _ in 0..2 {
        line.send(&Request::new("GET", "/health")).await.expect(200, "kept alive");
    }
    client.close().await;
    server.stop().await;
}

#[tokio::test]
async fn c_tls_1_2_works_and_sessions_are_resumed() {
    let (launch, pair) = launch(&config(""));
    let server = launch.start().await;
    for (config, version) in [
        (pair.config_of(&[&TLS12], &[]), ProtocolVersion::TLSv1_2),
        (pair.config(&["http/1.1"]), ProtocolVersion::TLSv1_3),
    ] {
        let connector = TlsConnector::from(Arc::new(config));
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let (stream, _line) = server.dial_tcp();
            let mut tls = try_tls(&connector, stream).await.expect("a handshake");
            let request = Request::new("GET", "/health").header("Connection", "close");
            tls.write_all(&request.bytes()).await.expect("a request");
            let mut answer = Vec::new();
            // A missing close_notify would be an error here.
            within("an answer", tls.read_to_end(&mut answer)).await.expect("a said end");
            assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
            let session = tls.get_ref().1;
            assert_eq!(session.protocol_version(), Some(version));
            assert_eq!(session.handshake_kind(), Some(kind), "{version:?}");
        }
    }
    server.stop().await;
}

async fn http2(
    server: &TestServer,
    pair: &TestCertificate,
) -> (h2::client::SendRequest<bytes::Bytes>, DisconnectGuard) {
    let (stream, line) = server.dial_tcp();
    let connector = TlsConnector::from(Arc::new(pair.config(&["h2", "http/1.1"])));
    let stream = try_tls(&connector, stream).await.expect("a handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut builder = h2::client::Builder::new();
    builder.initial_max_send_streams(1000);
    let (client, connection) =
        within("HTTP/2", builder.handshake(stream)).await.expect("an HTTP/2 connection");
    tokio::spawn(connection);
    (within("readiness", client.ready()).await.expect("a ready client"), line)
}

fn signed(body: &Value) -> http::Request<()> {
    let target = signed_target(APP, "POST", "/apps/it/events", &[], body.to_string().as_bytes());
    http::Request::post(format!("https://localhost{target}"))
        .header("Content-Type", "application/json")
        .body(())
        .expect("a request")
}

async fn answer(response: h2::client::ResponseFuture) -> (u16, Value) {
    let response = within("an answer", response).await.expect("an answer");
    let (head, mut body) = response.into_parts();
    let mut text = Vec::new();
    while let Some(chunk) = within("a body", body.data()).await {
        let chunk = match chunk {
            // The response is complete, and the rest of the request is ignored.
            Err(end) if end.reason() == Some(h2::Reason::NO_ERROR) => break,
            chunk => chunk.expect("a chunk"),
        };
        body.flow_control().release_capacity(chunk.len()).expect("room");
        text.extend_from_slice(&chunk);
    }
    (head.status.as_u16(), serde_json::from_slice(&text).expect("JSON"))
}

#[tokio::test]
async fn s7_1_api_is_served_over_http_2() {
    let (launch, pair) = launch(&config(""));
    let server = launch.start().await;
    let mut client = server.connect().await;
    client.subscribe("news").await;
    let (mut http, _line) = http2(&server, &pair).await;
    for n in 0..3 {
        let body = json!({"name": "e", "channel": "news", "data": n.to_string()});
        let (response, mut stream) = http.send_request(signed(&body), false).expect("a stream");
        stream.send_data(body.to_string().into(), true).expect("a body");
        assert_eq!(answer(response).await, (200, json!({})));
        client.expect(json!({"event": "e", "channel": "news", "data": n.to_string()})).await;
    }
    let (response, _) = http
        .send_request(http::Request::get("https://localhost/nowhere").body(()).unwrap(), true)
        .expect("a stream");
    assert_eq!(answer(response).await.0, 404);
    drop(http);
    server.stop().await;
}

#[tokio::test]
async fn s7_1_requests_of_one_http_2_connection_are_bounded() {
    let (launch, pair) = launch(&config(""));
    let server = launch.start().await;
    let (mut http, _line) = http2(&server, &pair).await;
    let body = json!({"name": "e", "channel": "news", "data": ""});
    // Signed, so that the server waits for their bodies.
    let mut open = Vec::new();
    for _ in 0..250 {
        open.push(http.send_request(signed(&body), false).expect("a stream"));
    }
    let (response, _stream) = http.send_request(signed(&body), false).expect("a stream");
    let (status, refusal) = answer(response).await;
    assert_eq!((status, &refusal["code"]), (503, &json!("too_many_requests")));
    // Accepted requests are still answered, and make room.
    for (response, mut stream) in open {
        stream.send_data(body.to_string().into(), true).expect("a body");
        assert_eq!(answer(response).await.0, 200);
    }
    let (response, mut stream) = http.send_request(signed(&body), false).expect("a stream");
    stream.send_data(body.to_string().into(), true).expect("a body");
    assert_eq!(answer(response).await.0, 200);
    drop(http);
    server.stop().await;
}

/// A subscriber of `channel` on a socket with a small buffer.
async fn slow_reader(server: &TestServer, channel: &str) -> RawSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a socket option");
    let stream = within("connecting", socket.connect(server.addr)).await.expect("a connection");
    let (stream, line) = server.adopt(stream.into_std().expect("a plain socket"));
    let mut slow = RawSocket::over(server.wire(stream).await, line);
    slow.upgrade(server).await;
    let subscribe = json!({"event": "pusher:subscribe", "data": {"channel": channel}});
    slow.write(&text(subscribe.to_string())).await;
    assert_eq!(slow.next_frame().await.json()["event"], "pusher_internal:subscription_succeeded");
    slow
}

/// Publishes ten events of 10 KB, numbered from `first`, to `firehose`.
async fn publish_batch(server: &TestServer, first: usize) {
    let item = |n| json!({"name": "e", "channel": "firehose", "data": payload(n)});
    let batch: Vec<Value> = (first..first + 10).map(item).collect();
    server.post("/batch_events", &json!({ "batch": batch })).await.expect(200, first);
}

fn payload(n: usize) -> String {
    format!("{n}:{}", "x".repeat(10_000))
}

#[tokio::test]
async fn s1_6_slow_consumer_over_tls_can_read_the_close_reason() {
    let server = start(&config_of("outbox_bytes = 50000", &[(APP, "")])).await;
    let mut slow = slow_reader(&server, "firehose").await;
    let mut sent = 0;
    // The kernel takes some, then the outbox; a closing client is no subscriber any more.
    while server.stats().await["subscriptions"] != 0 {
        assert!(sent < 5_000, "50 MB, and nobody noticed");
        publish_batch(&server, sent).await;
        sent += 10;
    }
    let mut read = 0;
    let error = loop {
        let frame = slow.next_frame().await.json();
        if frame["event"] != "e" {
            break frame;
        }
        assert_eq!(frame["data"], payload(read), "in order and whole");
        read += 1;
    };
    assert!(read < sent, "everything arrived, and still it was closed");
    assert_eq!((&error["event"], &error["data"]["code"]), (&json!("pusher:error"), &json!(4100)));
    assert_eq!(slow.next_frame().await.close_code(), Some(4100));
    slow.write(&frame(FIN | CLOSE, 4100u16.to_be_bytes())).await;
    slow.expect_close_notify().await;
    server.until_stat("slow_readers", 1).await;
    server.stop().await;
}

#[tokio::test]
async fn s1_6_events_of_all_sizes_arrive_in_order_over_tls() {
    let server = start(&config("")).await;
    let mut clients = [server.connect().await, server.connect().await, server.connect().await];
    for client in &mut clients {
        client.subscribe("news").await;
    }
    let data = |n: usize| format!("{n}:{}", "x".repeat(n * 37 % 9_000));
    for first in (0..1_000).step_by(10) {
        let item = |n: usize| json!({"name": "e", "channel": "news", "data": data(n)});
        let batch: Vec<Value> = (first..first + 10).map(item).collect();
        server.post("/batch_events", &json!({ "batch": batch })).await.expect(200, first);
        for n in first..first + 10 {
            for client in &mut clients {
                assert_eq!(client.next().await["data"], data(n));
            }
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn s1_6_shutdown_sends_4200_and_close_notify_over_tls() {
    for signal in ["TERM", "INT"] {
        let server = start(&config("")).await;
        let mut raws = Vec::new();
        for _ in 0..5 {
            raws.push(RawSocket::open(&server).await);
        }
        server.signal(signal);
        for raw in &mut raws {
            let code = loop {
                if let Some(code) = raw.next_frame().await.close_code() {
                    break code;
                }
            };
            assert_eq!(code, 4200, "{signal}");
            raw.write(&frame(FIN | CLOSE, 4200u16.to_be_bytes())).await;
            raw.expect_close_notify().await;
        }
        drop(raws);
        server.exited().await;
    }
}

#[tokio::test]
async fn s1_4_protocol_error_and_close_end_with_close_notify() {
    let server = start(&config("")).await;
    let mut rude = RawSocket::open(&server).await;
    rude.write(&frame(FIN | 0x3, "a reserved opcode")).await;
    assert_eq!(rude.next_frame().await.close_code(), Some(1002));
    // The server has sent close_notify, and reads until the peer does the same.
    rude.expect_close_notify().await;
    drop(rude);
    let mut polite = RawSocket::open(&server).await;
    polite.write(&frame(FIN | CLOSE, 1000u16.to_be_bytes())).await;
    assert_eq!(polite.next_frame().await.close_code(), Some(1000));
    polite.expect_close_notify().await;
    let mut confused = RawSocket::dial(&server).await;
    confused.write(b"GET /app/x HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\n\r\n").await;
    assert!(confused.read_head().await.starts_with("HTTP/1.1 426 "));
    server.stop().await;
}

#[tokio::test]
async fn c_plaintext_and_silent_clients_are_not_waited_for() {
    let server = start(&config("")).await;
    let (mut plain, _line) = server.dial_tcp();
    plain.write_all(&Request::new("GET", "/health").bytes()).await.expect("a request");
    let (mut silent, _silent_line) = server.dial_tcp();
    let mut seen = Vec::new();
    let _ = within("the end of a plain request", plain.read_to_end(&mut seen)).await;
    let seen_text = String::from_utf8_lossy(&seen);
    assert!(
        seen_text.starts_with("HTTP/1.1 400 ") && seen_text.contains("https://"),
        "{seen_text}"
    );
    let _ = within("the end of a silent connection", silent.read_to_end(&mut seen)).await;
    server.stop().await;
}

/// More concurrent handshakes than the TLS library allows by default.
#[tokio::test]
async fn c_silent_connections_do_not_block_others() {
    let server = start(&config_of("workers = 1", &[(APP, "")])).await;
    let silent: Vec<_> = (0..600).map(|_| server.dial_tcp()).collect();
    let mut client = server.bystander().await;
    server.still_serves(&mut client, "600 silent connections").await;
    drop(silent);
    server.stop().await;
}
