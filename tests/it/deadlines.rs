//! Deadlines for missing input, tested from both sides.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::*;

/// The fixed deadlines for heads and handshakes, with a margin for a busy machine.
const FIXED: std::ops::Range<Duration> = Duration::from_secs(4)..Duration::from_secs(9);

async fn time_until_end(mut stream: impl tokio::io::AsyncRead + Unpin, start: Instant) -> Duration {
    let mut said = Vec::new();
    let _ = within("the end", stream.read_to_end(&mut said)).await;
    start.elapsed()
}

async fn sent(server: &TestServer, bytes: &[u8]) -> (TcpStream, DisconnectGuard) {
    let (mut stream, line) = server.dial_tcp();
    stream.write_all(bytes).await.expect("a write");
    (stream, line)
}

#[tokio::test]
async fn c_request_head_must_arrive_within_five_seconds() {
    let server = Launch::serve_plain(&config("")).start().await;
    let start = Instant::now();
    let (silent, _a) = sent(&server, b"").await;
    let (half, _b) = sent(&server, b"GET /health HTTP/1.1\r\nHost: local").await;
    let (mut slow, _c) = sent(&server, b"GET /health HTTP/1.1\r\n").await;
    let (mut late, _d) = sent(&server, b"GET /health HTTP/1.1\r\n").await;
    let dripping = async {
        // Further bytes do not restart the deadline.
        while start.elapsed() < FIXED.end && slow.write_all(b"X-A: b\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        time_until_end(slow, start).await
    };
    let in_time = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        late.write_all(b"Host: localhost\r\n\r\n").await.expect("it is open yet");
        let mut line = HttpConnection::over(Box::new(late));
        line.read("GET").await.expect(200, "in time");
    };
    let (a, b, c, ()) =
        tokio::join!(time_until_end(silent, start), time_until_end(half, start), dripping, in_time);
    assert!([a, b, c].iter().all(|after| FIXED.contains(after)), "{a:?} {b:?} {c:?}");
    server.stop().await;
}

#[tokio::test]
async fn c_tls_handshake_must_end_within_five_seconds() {
    let server = Launch::serve_plain(&config("")).tls(&TestCertificate::new()).start().await;
    let start = Instant::now();
    let (silent, _a) = sent(&server, b"").await;
    let (half, _b) = sent(&server, b"\x16\x03\x01\x00\xf4\x01\x00").await;
    let (late, _c) = server.dial_tcp();
    let in_time = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        let mut line = HttpConnection::over(server.wire(late).await);
        line.send(&Request::new("GET", "/health")).await.expect(200, "in time");
    };
    let (a, b, ()) =
        tokio::join!(time_until_end(silent, start), time_until_end(half, start), in_time);
    assert!([a, b].iter().all(|after| FIXED.contains(after)), "{a:?} {b:?}");
    server.stop().await;
}

#[tokio::test]
async fn c_idle_connection_is_kept_for_its_timeout() {
    let server = TestServer::start(&config_of("keep_alive_seconds = 3", &[(APP, "")])).await;
    let (wire, _line) = server.dial().await;
    let mut line = HttpConnection::over(wire);
    for _ in 0..2 {
        line.send(&Request::new("GET", "/health")).await.expect(200, "kept");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let (mut wire, _line) = server.dial().await;
    wire.write_all(&Request::new("GET", "/health").bytes()).await.expect("a request");
    let after = time_until_end(wire, Instant::now()).await;
    assert!(after > Duration::from_secs(2) && after < Duration::from_secs(8), "{after:?}");
    server.stop().await;
}

/// The head of a publish request, and its body.
fn trigger() -> (Vec<u8>, Vec<u8>) {
    let body = json!({"name": "e", "channel": "c", "data": "x"}).to_string().into_bytes();
    let target = signed_target(APP, "POST", "/apps/it/events", &[], &body);
    let length = body.len();
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    (head.into_bytes(), body)
}

#[tokio::test]
async fn c_request_body_must_arrive_in_time() {
    let server = TestServer::start(&config_of("body_timeout_seconds = 2", &[(APP, "")])).await;
    let (head, body) = trigger();
    let slowly = async |pause: Duration| {
        let (mut wire, _line) = server.dial().await;
        wire.write_all(&head).await.expect("a head");
        let (start, (mut read, mut write)) = (Instant::now(), tokio::io::split(wire));
        let answer = async {
            let mut answer = vec![0; 1024];
            let count = within("an answer", read.read(&mut answer)).await.unwrap_or_default();
            (String::from_utf8_lossy(&answer[..count]).into_owned(), start.elapsed())
        };
        let drip = async {
            for byte in &body {
                // It may already be refused.
                if write.write_all(&[*byte]).await.and(write.flush().await).is_err() {
                    break;
                }
                tokio::time::sleep(pause).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            answer = answer => answer,
            () = drip => unreachable!("it never ends"),
        }
    };
    let (quick, _) = slowly(Duration::from_millis(5)).await;
    assert!(quick.starts_with("HTTP/1.1 200"), "{quick}");
    let (slow, after) = slowly(Duration::from_millis(400)).await;
    assert!(slow.starts_with("HTTP/1.1 408") && slow.contains("body_timeout"), "{slow}");
    assert!(after > Duration::from_secs(1) && after < Duration::from_secs(6), "{after:?}");
    server.stop().await;
}

const IMPATIENT: &str = "activity_timeout_seconds = 1\npong_timeout_seconds = 2";

/// Sends `bytes` one by one; returns the close code if the connection is closed before their end.
async fn drip(raw: &mut RawSocket, bytes: &[u8], pause: Duration) -> Option<u16> {
    for byte in bytes {
        raw.write(&[*byte]).await;
        let frame = tokio::time::timeout(pause, raw.next_frame()).await;
        if let Some(code) = frame.ok().and_then(|frame| frame.close_code()) {
            return Some(code);
        }
    }
    None
}

#[tokio::test]
async fn s1_7_endless_frame_counts_as_silence() {
    let server = TestServer::start(&config_of(IMPATIENT, &[(APP, "")])).await;
    let ping = text(r#"{"event":"pusher:ping","data":{}}"#);
    // Complete within the time, however slowly.
    let mut raw = RawSocket::open(&server).await;
    assert_eq!(drip(&mut raw, &ping, Duration::from_millis(15)).await, None);
    raw.expect_alive("a slow frame").await;
    let endless = text("x".repeat(100));
    let start = Instant::now();
    let code = drip(&mut raw, &endless, Duration::from_millis(300)).await;
    let after = start.elapsed();
    assert_eq!(code, Some(4201));
    assert!(after > Duration::from_secs(2) && after < Duration::from_secs(10), "{after:?}");
    server.stop().await;
}

/// Control frames between the fragments of a message count as activity.
#[tokio::test]
async fn s1_7_client_answering_pings_may_send_slowly() {
    let server = TestServer::start(&config_of(IMPATIENT, &[(APP, "")])).await;
    let mut raw = RawSocket::open(&server).await;
    let (start, mut first) = (Instant::now(), TEXT);
    while start.elapsed() < Duration::from_secs(5) {
        raw.write(&frame(first, b" ")).await;
        raw.write(&frame(FIN | PONG, b"")).await;
        first = 0;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    raw.write(&frame(FIN, br#"{"event":"pusher:ping","data":{}}"#)).await;
    loop {
        let frame = raw.next_frame().await;
        assert_eq!(frame.close_code(), None);
        if frame.opcode() == TEXT && frame.json()["event"] == "pusher:pong" {
            break;
        }
    }
    server.stop().await;
}

/// A client that does not answer a close frame is disconnected.
#[tokio::test]
async fn s1_4_close_frame_is_answered_within_five_seconds() {
    let server = TestServer::start(&config("")).await;
    let mut raw = RawSocket::open(&server).await;
    raw.write(&frame(FIN | 2, b"binary")).await;
    let closed = raw.next_frame().await;
    assert_eq!(closed.close_code(), Some(1003), "{closed:?}");
    let start = Instant::now();
    raw.expect_end("a close frame that is not answered").await;
    let after = start.elapsed();
    assert!(after > Duration::from_secs(3) && after < Duration::from_secs(9), "{after:?}");
    server.stop().await;
}
