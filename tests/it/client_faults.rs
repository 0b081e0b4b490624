//! Faults of clients before their first message: counted, and bounded in the log.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use crate::support::*;

/// Sends these bytes and returns all that the server sends before the end.
async fn said_to(server: &TestServer, bytes: &[u8]) -> String {
    let (mut stream, _line) = server.dial_tcp();
    let _ = stream.write_all(bytes).await;
    let mut said = Vec::new();
    let _ = within("the end", stream.read_to_end(&mut said)).await;
    String::from_utf8_lossy(&said).into_owned()
}

async fn until_fault(server: &TestServer, kind: &str, wanted: f64) {
    server.until_metric("sealcast_client_faults_total", &[("kind", kind)], wanted).await;
}

const CLIENT_HELLO: &[u8] = b"\x16\x03\x01\x00\xf4\x01\x00\x00\xf0\x03\x03\x01\x02\x03\x04";

#[tokio::test]
async fn f13_strangers_that_speak_no_http_write_one_line() {
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
    let output = server.stop().await;
    let about = |line: &&str| line.contains("fault") || line.contains("actix_http");
    assert_eq!(output.stderr.lines().filter(about).count(), 1, "{output:?}");
    assert!(output.stderr.contains("client.kinds=not_http="), "{output:?}");
    assert!(!output.stderr.contains("ERROR"), "{output:?}");
}

#[tokio::test]
async fn f13_single_faults_are_lines_at_debug_and_bounded() {
    let server = Launch::serve_plain(&config_of("log = \"debug\"", &[(APP, "")])).start().await;
    for _ in 0..100 {
        said_to(&server, b"\0\r\n\r\n").await;
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
        said_to(&server, CLIENT_HELLO).await;
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
        let launch = Launch::serve_plain(&config_of(top, &[(APP, "")])).tls(&Pair::new());
        let server = launch.start().await;
        let header = if top.is_empty() { Vec::new() } else { proxy_line("203.0.113.7") };
        for request in [&request[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &large] {
            let said = said_to(&server, &[&header, request].concat()).await;
            assert!(said.starts_with("HTTP/1.1 400 ") && said.contains("use https://"), "{said}");
        }
        until_fault(&server, "plain_on_tls", 3.0).await;
        // Neither TLS nor answerable HTTP.
        assert!(
            !said_to(&server, &[&header, &b"\0\0\0\0\0\0\0\0"[..]].concat()).await.contains("HTTP")
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
