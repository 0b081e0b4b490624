//! The PROXY protocol in front of TLS, HTTP and WebSockets: client addresses and trust.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::*;

const TRUSTED: &str = "proxy_protocol = true\ntrusted_proxies = [\"127.0.0.1\"]";

/// The client address limits connects: a burst of ten, then one per second.
const FEW: &str = "[apps.it.limits]\nconnects_per_ip = 1";

fn launches(top: &str, app: &str) -> [Launch; 2] {
    let config = config_of(top, &[(APP, app)]);
    [Launch::serve_plain(&config), Launch::serve_plain(&config).tls(&TestCertificate::new())]
}

/// Opens a socket behind this header; returns its close code, if it is closed.
async fn opens(server: &TestServer, header: &[u8], headers: &str) -> Option<u16> {
    let mut raw = raw_behind(server, header).await;
    raw.write(&upgrade_request(&server.socket_path(), headers)).await;
    raw.read_head().await;
    let first = raw.next_frame().await.json();
    if first["event"] == "pusher:connection_established" {
        return None;
    }
    let code = first["data"]["code"].as_u64().and_then(|code| code.try_into().ok());
    raw.expect_close(code.expect("a code"), &first).await;
    code
}

/// Opens sockets up to the limit for this client.
async fn use_up(server: &TestServer, header: &[u8], headers: &str) {
    for n in 0..30 {
        if opens(server, header, headers).await.is_some() {
            assert!(n >= 10, "{n}");
            return;
        }
    }
    panic!("it is never too often");
}

#[tokio::test]
async fn c_header_address_is_the_client_address() {
    for launch in launches(TRUSTED, FEW) {
        let server = launch.start().await;
        use_up(&server, &proxy_line("203.0.113.7"), "").await;
        for (header, same) in [
            (proxy_v2("203.0.113.7"), true),
            (proxy_line("203.0.113.8"), false),
            (proxy_v2("203.0.113.9"), false),
            (proxy_v2("2001:db8::1"), false),
            (proxy_line("2001:db8::2"), false),
            (b"PROXY UNKNOWN\r\n".to_vec(), false),
            (proxy_v2_of(0, 0, b""), false),
            (proxy_v2_of(1, 0x31, &[0; 216]), false),
        ] {
            let closed = opens(&server, &header, "").await;
            assert_eq!(closed, same.then_some(4100), "{:?}", String::from_utf8_lossy(&header));
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn c_forwarded_headers_are_trusted_behind_listed_proxies() {
    let top = "proxy_protocol = true\ntrusted_proxies = [\"127.0.0.1\", \"198.51.100.0/24\"]";
    let server = Launch::serve_plain(&config_of(top, &[(APP, FEW)])).start().await;
    let (cdn, stranger) = (proxy_v2("198.51.100.1"), proxy_v2("203.0.113.1"));
    let from = |address: &str| format!("X-Forwarded-For: {address}\r\n");
    use_up(&server, &cdn, &from("203.0.113.7")).await;
    assert_eq!(opens(&server, &cdn, &from("203.0.113.8")).await, None);
    use_up(&server, &stranger, &from("192.0.2.1")).await;
    assert_eq!(opens(&server, &stranger, &from("192.0.2.2")).await, Some(4100));
    // A forwarded header of a client without a trusted address is that client's claim.
    let nobody = proxy_v2_of(0, 0, b"");
    use_up(&server, &nobody, &from("192.0.2.3")).await;
    assert_eq!(opens(&server, &nobody, &from("192.0.2.4")).await, Some(4100));
    server.stop().await;
}

#[tokio::test]
async fn c_http_and_websockets_share_the_port_behind_a_header() {
    for launch in launches(TRUSTED, "authorizer = \"open\"") {
        let server = launch.start().await;
        let mut raw = raw_behind(&server, &proxy_v2("203.0.113.7")).await;
        raw.upgrade(&server).await;
        raw.write(&text(r#"{"event":"pusher:subscribe","data":{"channel":"news"}}"#)).await;
        let joined = raw.next_frame().await.json();
        assert_eq!(joined["event"], "pusher_internal:subscription_succeeded", "{joined}");
        let (mut line, _line) = line_behind(&server, &proxy_line("203.0.113.8")).await;
        for n in 0..2 {
            let body = json!({"name": "e", "channel": "news", "data": n.to_string()}).to_string();
            let target = signed_target(APP, "POST", "/apps/it/events", &[], body.as_bytes());
            let request = Request::new("POST", target).body("application/json", body);
            line.send(&request).await.expect(200, "kept alive behind one header");
            assert_eq!(raw.next_frame().await.json()["data"], n.to_string());
        }
        drop((raw, line));
        server.stop().await;
    }
}

#[tokio::test]
async fn c_http_2_works_behind_a_header() {
    let pair = TestCertificate::new();
    let server = Launch::serve_plain(&config_of(TRUSTED, &[(APP, "")])).tls(&pair).start().await;
    let (mut stream, _line) = server.dial_tcp();
    stream.write_all(&proxy_v2("203.0.113.7")).await.expect("a header");
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(pair.config(&["h2"])));
    let stream = try_tls(&connector, stream).await.expect("a handshake");
    let (client, connection) =
        within("HTTP/2", h2::client::handshake(stream)).await.expect("a connection");
    tokio::spawn(connection);
    let mut client = within("readiness", client.ready()).await.expect("a ready client");
    let target = signed_target(APP, "GET", "/apps/it/channels", &[], b"");
    let request = http::Request::get(format!("https://localhost{target}")).body(()).expect("one");
    let (answer, _) = client.send_request(request, true).expect("a stream");
    let answer = within("an answer", answer).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    server.stop().await;
}

/// All bytes before the end of a connection, and the time of the end.
async fn until_the_end(mut stream: tokio::net::TcpStream) -> (Vec<u8>, Duration) {
    let (start, mut said) = (Instant::now(), Vec::new());
    // Closing a socket with unread bytes resets it.
    let _ = within("the end", stream.read_to_end(&mut said)).await;
    (said, start.elapsed())
}

#[tokio::test]
async fn c_untrusted_peers_are_closed_at_once_and_logged_once() {
    let top = "proxy_protocol = true\ntrusted_proxies = [\"192.0.2.1\"]";
    for launch in launches(top, "") {
        let server = launch.start().await;
        for _ in 0..3 {
            let (stream, _line) = server.dial_tcp();
            let (said, after) = until_the_end(stream).await;
            assert_eq!(said, b"");
            // The server would wait for the header.
            assert!(after < Duration::from_secs(3), "{after:?}");
        }
        // The last is counted when its connection has ended.
        server.until_refused("strays", 3).await;
        let output = server.stop().await;
        assert_eq!(output.stderr.matches("is not in trusted_proxies").count(), 1, "{output:?}");
    }
}

#[tokio::test]
async fn c_malformed_header_gets_no_response() {
    for launch in launches(TRUSTED, "") {
        let server = launch.start().await;
        let long = [b"PROXY UNKNOWN ", &[b'x'; 200][..]].concat();
        let rows: [&[u8]; 6] = [
            b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"\x16\x03\x01\x00\xf4\x01\x00\x00\xf0\x03\x03\x01\x02\x03\x04",
            b"PROXY TCP4 1.1.1.1 nonsense 1 1\r\nGET /health HTTP/1.1\r\n\r\n",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
            b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c0123456789ab",
            &long,
        ];
        for row in rows {
            let (mut stream, _line) = server.dial_tcp();
            stream.write_all(row).await.expect("a write");
            let (said, after) = until_the_end(stream).await;
            assert_eq!(said, b"", "{:?}", String::from_utf8_lossy(row));
            assert!(after < Duration::from_secs(3), "{after:?}");
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn c_header_may_arrive_in_pieces_within_its_deadline() {
    let server = Launch::serve_plain(&config_of(TRUSTED, &[(APP, "")])).start().await;
    for header in [proxy_line("203.0.113.7"), proxy_v2("203.0.113.7")] {
        let (mut stream, _line) = server.dial_tcp();
        for byte in &header {
            stream.write_all(&[*byte]).await.expect("a byte");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let mut line = HttpConnection::over(Box::new(stream));
        line.send(&Request::new("GET", "/health")).await.expect(200, "in pieces");
    }
    let mut halves = tokio::task::JoinSet::new();
    for half in [&b""[..], b"PROXY TCP4 203.0.113.7", &proxy_v2("203.0.113.7")[..20]] {
        let (mut stream, line) = server.dial_tcp();
        stream.write_all(half).await.expect("a write");
        halves.spawn(async move {
            let _line = line;
            until_the_end(stream).await
        });
    }
    for (said, after) in halves.join_all().await {
        assert_eq!(said, b"");
        assert!(after > Duration::from_secs(3), "{after:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn c_healthcheck_sends_a_header() {
    for launch in launches(TRUSTED, "") {
        let server = launch.start().await;
        let mut check = Launch::new(&["healthcheck"])
            .env("SEALCAST_LISTEN", server.addr.to_string())
            .env("SEALCAST_PROXY_PROTOCOL", "true");
        if server.tls.is_some() {
            check = check.env("SEALCAST_TLS_CERT_FILE", "x").env("SEALCAST_TLS_KEY_FILE", "x");
        }
        let output = check.output("").await;
        assert!(output.status.success(), "{output:?}");
        server.stop().await;
    }
}
