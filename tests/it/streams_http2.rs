//! Event streams over TLS and HTTP/2.

use std::sync::Arc;

use serde_json::Value;
use tokio_rustls::TlsConnector;

use crate::support::*;

type Client = h2::client::SendRequest<bytes::Bytes>;

async fn http2(server: &TestServer, pair: &TestCertificate) -> (Client, DisconnectGuard) {
    let (stream, line) = server.dial_tcp();
    let connector = TlsConnector::from(Arc::new(pair.config(&["h2"])));
    let stream = try_tls(&connector, stream).await.expect("a handshake");
    let handshake = h2::client::handshake(stream);
    let (client, connection) = within("HTTP/2", handshake).await.expect("a connection");
    tokio::spawn(connection);
    (within("readiness", client.ready()).await.expect("a ready client"), line)
}

async fn get(client: &mut Client, target: &str) -> http::Response<h2::RecvStream> {
    let request = http::Request::get(format!("https://localhost{target}")).body(());
    let sent = client.send_request(request.expect("a request"), true).expect("a free stream");
    within("a response", sent.0).await.expect("a response")
}

/// The events of a body, each a block of lines.
struct Body {
    body: h2::RecvStream,
    buffer: Vec<u8>,
}

impl Body {
    async fn try_next(&mut self) -> Option<Value> {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|window| window == b"\n\n") {
                let rest = self.buffer.split_off(at + 2);
                let block = std::mem::replace(&mut self.buffer, rest);
                let block = String::from_utf8(block).expect("text");
                let data = block.lines().find_map(|line| line.strip_prefix("data: "));
                if let Some(data) = data {
                    return Some(serde_json::from_str(data).expect("JSON"));
                }
                continue;
            }
            let chunk = within("a chunk", self.body.data()).await?.ok()?;
            assert!(chunk.len() <= 16 * 1024, "{}", chunk.len());
            let _ = self.body.flow_control().release_capacity(chunk.len());
            self.buffer.extend_from_slice(&chunk);
        }
    }

    async fn next(&mut self) -> Value {
        self.try_next().await.expect("the stream ended")
    }
}

async fn open(client: &mut Client, target: &str) -> Body {
    let response = get(client, target).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = Body { body: response.into_body(), buffer: Vec::new() };
    assert_eq!(body.next().await["event"], "pusher:connection_established");
    assert_eq!(body.next().await["event"], "pusher_internal:subscription_succeeded");
    body
}

#[tokio::test]
async fn h_tls_stream_is_taken_over_with_its_close_notify() {
    let pair = TestCertificate::new();
    let text = config_of("drain_seconds = 0", &[(APP, "")]);
    let server = Launch::serve_plain(&text).tls(&pair).start().await;
    let mut stream = EventStream::open(&server, &["news"]).await;
    stream.expect_subscribed("news").await;
    let large = "x".repeat(9000);
    for n in 0..20 {
        server.publish("news", "e", &format!("{n}{large}")).await;
    }
    for n in 0..20 {
        stream.expect_event("news", &format!("{n}{large}")).await;
    }
    server.signal("TERM");
    stream.expect_end(4200).await;
    drop(stream);
    server.exited().await;
}

#[tokio::test]
async fn h_http2_stream_carries_events_and_ends_with_its_request() {
    let pair = TestCertificate::new();
    let server = Launch::serve_plain(&config("")).tls(&pair).start().await;
    let (mut client, _line) = http2(&server, &pair).await;
    let target = stream_target(&server, &["news"]);
    let mut bodies = vec![open(&mut client, &target).await, open(&mut client, &target).await];
    server.until_stat("sockets", 2).await;
    let large = "x".repeat(9000);
    for n in 0..20 {
        server.publish("news", "e", &format!("{n}{large}")).await;
    }
    for body in &mut bodies {
        for n in 0..20 {
            assert_eq!(body.next().await["data"], format!("{n}{large}"));
        }
    }
    // Requests on the same connection are answered meanwhile.
    assert_eq!(get(&mut client, "/health").await.status(), 200);
    // HTTP/2 says nothing of an end until something is to be sent.
    drop(bodies.pop());
    until("the end of one stream", async || {
        server.publish("news", "e", "").await;
        (server.stats().await["sockets"] == 1).then_some(())
    })
    .await;
    drop((client, bodies));
    server.until_stat("sockets", 0).await;
    server.stop().await;
}

#[tokio::test]
async fn h15_streams_count_apart_from_requests_and_one_too_many_returns_later() {
    let pair = TestCertificate::new();
    for (proxies, limit) in [("", 100), ("trusted_proxies = [\"127.0.0.1\"]", 400)] {
        let text = config_of(proxies, &[(APP, "limits.connects_per_ip = 0")]);
        let server = Launch::serve_plain(&text).tls(&pair).start().await;
        let (mut client, _line) = http2(&server, &pair).await;
        let target = stream_target(&server, &["news"]);
        let mut bodies = Vec::new();
        for _ in 0..limit {
            bodies.push(open(&mut client, &target).await);
        }
        assert_eq!(get(&mut client, "/health").await.status(), 200, "{limit} streams");
        if limit == 100 {
            let response = get(&mut client, &target).await;
            assert_eq!(response.status(), 200, "a status would end the browser's tries");
            let mut body = Body { body: response.into_body(), buffer: Vec::new() };
            let end = body.next().await;
            assert_eq!(end["event"], "sealcast:end", "{end}");
            assert_eq!(body.try_next().await, None);
            drop(bodies.pop());
            until("the end of one stream", async || {
                server.publish("news", "e", "").await;
                (server.stats().await["sockets"] == limit - 1).then_some(())
            })
            .await;
            bodies.push(open(&mut client, &target).await);
        }
        drop((client, bodies));
        server.until_stat("sockets", 0).await;
        server.stop().await;
    }
}
