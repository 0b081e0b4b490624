//! Faults of clients before their first message: counted, and bounded in the log.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::support::*;

/// Sends these bytes and returns all that the server sends before the end.
async fn response_to(server: &TestServer, bytes: &[u8]) -> String {
    let (mut stream, _line) = server.dial_tcp();
    let _ = stream.write_all(bytes).await;
    let mut response = Vec::new();
    let _ = within("the end", stream.read_to_end(&mut response)).await;
    String::from_utf8_lossy(&response).into_owned()
}

async fn until_fault(server: &TestServer, kind: &str, wanted: f64) {
    server.until_metric("sealcast_client_faults_total", &[("kind", kind)], wanted).await;
}

const CLIENT_HELLO: &[u8] = b"\x16\x03\x01\x00\xf4\x01\x00\x00\xf0\x03\x03\x01\x02\x03\x04";

#[tokio::test]
async fn f13_non_http_traffic_logs_one_line_and_one_at_the_end() {
    const CONNECTIONS: usize = 300;
    let server = Launch::serve_plain(&config("")).start().await;
    for _ in 0..CONNECTIONS / 50 {
        let mut strangers = JoinSet::new();
        for _ in 0..50 {
            let (mut stream, line) = server.dial_tcp();
            strangers.spawn(async move {
                let _line = line;
                let _ = stream.write_all(b"\0\x01rubbish\r\n\r\n").await;
                let _ = stream.read_to_end(&mut Vec::new()).await;
            });
        }
        strangers.join_all().await;
    }
    until_fault(&server, "not_http", CONNECTIONS as f64).await;
    until("the line that sums up", async || {
        server.printed().contains("by a fault of their clients").then_some(())
    })
    .await;
    // Those since that line have one at the end.
    const MORE: usize = 5;
    for _ in 0..MORE {
        response_to(&server, b"\0\x01rubbish\r\n\r\n").await;
    }
    until_fault(&server, "not_http", (CONNECTIONS + MORE) as f64).await;
    let output = server.stop().await;
    let about = |line: &&str| line.contains("fault") || line.contains("actix_http");
    let lines: Vec<&str> = output.stderr.lines().filter(about).collect();
    assert_eq!(lines.len(), 2, "one in the first second, and one at the end: {output:?}");
    let told = lines.iter().filter_map(|line| {
        let (_, count) = line.split_once("client.kinds=not_http=")?;
        count.split(|c: char| !c.is_ascii_digit()).next()?.parse::<usize>().ok()
    });
    assert_eq!(told.sum::<usize>(), CONNECTIONS + MORE, "{output:?}");
    assert!(!output.stderr.contains("ERROR"), "{output:?}");
}

#[tokio::test]
async fn f13_single_faults_are_logged_at_debug_and_bounded() {
    let server = Launch::serve_plain(&config_of("log = \"debug\"", &[(APP, "")])).start().await;
    for _ in 0..100 {
        response_to(&server, b"\0\r\n\r\n").await;
    }
    until_fault(&server, "not_http", 100.0).await;
    let output = server.stop().await;
    let lines = output.stderr.lines().filter(|line| line.contains("connection failed"));
    let lines: Vec<&str> = lines.collect();
    assert!((1..100).contains(&lines.len()), "{lines:?}");
    assert!(
        lines.iter().all(|line| line.contains("DEBUG") && line.contains("not_http")),
        "{lines:?}"
    );
    assert!(!output.stderr.contains("ERROR"), "{output:?}");
}

#[tokio::test]
async fn f13_tls_on_the_plain_port_is_recognised_and_named_once() {
    let server = Launch::serve_plain(&config("")).start().await;
    for _ in 0..5 {
        response_to(&server, CLIENT_HELLO).await;
    }
    until_fault(&server, "tls_on_plain", 5.0).await;
    let output = server.stop().await;
    let named = "speaks TLS to a listener without TLS";
    assert_eq!(output.stderr.matches(named).count(), 1, "{output:?}");
    assert!(output.stderr.contains("client.network=127.0.0.0"), "{output:?}");
}

#[tokio::test]
async fn f13_http_on_the_tls_port_is_told_to_use_https() {
    let request = Request::new("GET", "/health").bytes();
    let large = [&request[..], &[b'x'; 10_000]].concat();
    for top in ["", "proxy_protocol = true\ntrusted_proxies = [\"127.0.0.1\"]"] {
        let launch =
            Launch::serve_plain(&config_of(top, &[(APP, "")])).tls(&TestCertificate::new());
        let server = launch.start().await;
        let header = if top.is_empty() { Vec::new() } else { proxy_line("203.0.113.7") };
        for request in [&request[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &large] {
            let response = response_to(&server, &[&header, request].concat()).await;
            assert!(
                response.starts_with("HTTP/1.1 400 ") && response.contains("use https://"),
                "{response}"
            );
        }
        until_fault(&server, "plain_on_tls", 3.0).await;
        // Neither TLS nor answerable HTTP.
        assert!(
            !response_to(&server, &[&header, &b"\0\0\0\0\0\0\0\0"[..]].concat())
                .await
                .contains("HTTP")
        );
        until_fault(&server, "tls_handshake", 1.0).await;
        // A health check that only connects is not a fault.
        drop(server.dial_tcp());
        let output = server.stop().await;
        let named = "speaks HTTP in clear to a listener with TLS";
        assert_eq!(output.stderr.matches(named).count(), 1, "{output:?}");
        assert!(!output.stderr.contains("ERROR"), "{output:?}");
    }
}

type Tls = TlsStream<tokio::net::TcpStream>;

async fn tls(
    server: &TestServer,
    pair: &TestCertificate,
    protocol: &str,
) -> (Tls, DisconnectGuard) {
    let (stream, line) = server.dial_tcp();
    let connector = TlsConnector::from(Arc::new(pair.config(&[protocol])));
    (try_tls(&connector, stream).await.expect("a handshake"), line)
}

/// Asks once over HTTP/2 and closes after the answer: with GOAWAY, or without a word.
async fn ask_over_http2(server: &TestServer, pair: &TestCertificate, farewell: bool) {
    let (stream, _line) = tls(server, pair, "h2").await;
    let (client, connection) =
        within("HTTP/2", h2::client::handshake(stream)).await.expect("a connection");
    let connection = tokio::spawn(connection);
    let mut client = within("readiness", client.ready()).await.expect("a ready client");
    let request = http::Request::get("https://localhost/health").body(()).expect("a request");
    let (response, _) = client.send_request(request, true).expect("a stream");
    let answer = within("an answer", response).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    drop((answer, client));
    if !farewell {
        connection.abort();
    }
    let _ = within("the end of the connection", connection).await;
}

#[tokio::test]
async fn f13_close_after_the_response_is_not_a_fault() {
    let pair = TestCertificate::new();
    let server = Launch::serve_plain(&config("")).tls(&pair).start().await;
    let request = Request::new("GET", "/health").bytes();
    for round in 0..4 {
        ask_over_http2(&server, &pair, round % 2 == 0).await;
        // Between two requests, in the middle of a head, and before one; TLS is never ended.
        for sent in [&request[..], &request[..request.len() / 2], b""] {
            let (mut stream, _line) = tls(&server, &pair, "http/1.1").await;
            stream.write_all(sent).await.expect("a request");
            if sent.len() == request.len() {
                assert!(stream.read(&mut [0; 1024]).await.expect("an answer") > 0);
            }
        }
        drop(tls(&server, &pair, "h2").await);
        drop(server.dial_tcp());
    }
    let (mut stream, _line) = tls(&server, &pair, "h2").await;
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x01\0\0\0\0\0\0x")
        .await
        .expect("bytes");
    let _ = within("the end", stream.read_to_end(&mut Vec::new())).await;
    until_fault(&server, "http2", 1.0).await;
    let all = server.scrape().await.sum("sealcast_client_faults_total", &[]);
    let output = server.stop().await;
    assert_eq!(all, 1.0, "{output:?}");
}

#[tokio::test]
async fn f13_early_close_on_the_plain_port_is_not_a_fault() {
    let server = Launch::serve_plain(&config("")).start().await;
    let request = Request::new("GET", "/health").bytes();
    for sent in [&request[..], &request[..request.len() / 2], b"G", b""] {
        let (mut stream, _line) = server.dial_tcp();
        stream.write_all(sent).await.expect("a request");
        if sent.len() == request.len() {
            assert!(stream.read(&mut [0; 1024]).await.expect("an answer") > 0);
        }
    }
    response_to(&server, b"\0\r\n\r\n").await;
    until_fault(&server, "not_http", 1.0).await;
    let all = server.scrape().await.sum("sealcast_client_faults_total", &[]);
    let output = server.stop().await;
    assert_eq!(all, 1.0, "{output:?}");
}
