//! protocol.md 1.8: segmentation makes no difference, and half a handshake is harmless.

use serde_json::json;

use crate::support::*;

const SUBSCRIBE: &str = r#"{"event":"pusher:subscribe","data":{"channel":"news"}}"#;

const SUBSCRIBED: &str = "pusher_internal:subscription_succeeded";

async fn expect_subscribed_after_handshake(raw: &mut RawSocket) {
    expect_handshake(raw).await;
    let answer = raw.next_frame().await.json();
    assert_eq!(answer["event"], SUBSCRIBED, "{answer}");
}

/// The answers to a subscription and a ping.
async fn expect_subscribed_and_pong(raw: &mut RawSocket) {
    let answers = [raw.next_frame().await.json(), raw.next_frame().await.json()];
    let pong = json!({"event": "pusher:pong", "data": "{}"});
    let [first, second] = &answers;
    let (answer, other) = if *first == pong { (second, first) } else { (first, second) };
    assert_eq!((&answer["event"], other), (&json!(SUBSCRIBED), &pong));
    assert!(answers_are_late() || *second == pong, "{answers:?}");
}

async fn expect_handshake(raw: &mut RawSocket) {
    let head = raw.read_head().await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    let hello = raw.next_frame().await.json();
    assert_eq!(hello["event"], "pusher:connection_established", "{hello}");
}

#[tokio::test]
async fn s1_8_frames_may_share_a_segment_with_the_request() {
    let server = TestServer::start(&config("")).await;
    let mut raw = RawSocket::dial(&server).await;
    let mut bytes = upgrade_request(&server.socket_path(), "");
    bytes.extend(text(SUBSCRIBE));
    bytes.extend(text(r#"{"event":"pusher:ping"}"#));
    raw.write(&bytes).await;
    expect_handshake(&mut raw).await;
    expect_subscribed_and_pong(&mut raw).await;
    server.stop().await;
}

#[tokio::test]
async fn s1_8_half_a_frame_may_share_a_segment_with_the_request() {
    let server = TestServer::start(&config("")).await;
    let subscribe = text(SUBSCRIBE);
    for cut in [1, 2, 3, 5, 6, 7, 20, subscribe.len() - 1] {
        let mut raw = RawSocket::dial(&server).await;
        let mut bytes = upgrade_request(&server.socket_path(), "");
        bytes.extend_from_slice(&subscribe[..cut]);
        raw.write(&bytes).await;
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        raw.write(&subscribe[cut..]).await;
        println!("cut after {cut}");
        expect_subscribed_after_handshake(&mut raw).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn s1_8_bytes_may_arrive_one_by_one() {
    let server = TestServer::start(&config("")).await;
    let mut raw = RawSocket::dial(&server).await;
    let mut bytes = upgrade_request(&server.socket_path(), "");
    bytes.extend(text(SUBSCRIBE));
    bytes.extend(text(r#"{"event":"pusher:ping"}"#));
    for byte in bytes {
        raw.write(&[byte]).await;
        tokio::task::yield_now().await;
    }
    expect_handshake(&mut raw).await;
    expect_subscribed_and_pong(&mut raw).await;
    server.stop().await;
}

#[tokio::test]
async fn s1_8_several_frames_in_one_write_are_answered_in_order() {
    let server = TestServer::start(&config("")).await;
    let mut raw = RawSocket::open(&server).await;
    let mut bytes = Vec::new();
    for i in 0..200 {
        let data = json!({"channel": format!("news-{i}")});
        bytes.extend(text(json!({"event": "pusher:subscribe", "data": data}).to_string()));
        bytes.extend(text(r#"{"event":"pusher:ping"}"#));
    }
    raw.write(&bytes).await;
    let mut answers = Vec::new();
    for _ in 0..400 {
        let answer = raw.next_frame().await.json();
        answers.push(answer["channel"].as_str().unwrap_or("pong").to_owned());
    }
    let mut expected: Vec<_> =
        (0..200).flat_map(|i| [format!("news-{i}"), "pong".into()]).collect();
    if answers_are_late() {
        [&mut answers, &mut expected].into_iter().for_each(|names| names.sort());
    }
    assert_eq!(answers, expected);
    server.stop().await;
}

#[tokio::test]
async fn s1_8_half_open_handshakes_are_harmless() {
    let server = TestServer::start(&config("")).await;
    let mut bystander = server.bystander().await;
    let whole = upgrade_request(&server.socket_path(), "");
    let mut held = Vec::new();
    for cut in [0, 1, 3, 4, 20, whole.len() / 2, whole.len() - 2, whole.len() - 1] {
        for _ in 0..10 {
            let mut raw = RawSocket::dial(&server).await;
            raw.write(&whole[..cut]).await;
            held.push(raw);
        }
        server.still_serves(&mut bystander, format!("stopped after {cut} bytes")).await;
    }
    assert_eq!(server.stats().await["sockets"], 1, "a handshake that is not done is no socket");
    server.connect().await.expect_silence().await;
    drop(held);
    server.stop().await;
}

#[tokio::test]
async fn s1_8_disconnect_in_mid_frame_is_cleaned_up() {
    let server = TestServer::start(&config("")).await;
    let mut bystander = server.bystander().await;
    let subscribe = text(SUBSCRIBE);
    for cut in [1, 3, 7, subscribe.len() - 1] {
        let mut raw = RawSocket::open(&server).await;
        raw.write(&subscribe).await;
        raw.write(&subscribe[..cut]).await;
        drop(raw);
        server.until_stat("sockets", 1).await;
        server.until_stat("subscriptions", 1).await;
        server.still_serves(&mut bystander, format!("left after {cut} bytes")).await;
    }
    // Also a client that leaves before reading the response to the upgrade.
    for _ in 0..10 {
        let mut raw = RawSocket::dial(&server).await;
        raw.write(&upgrade_request(&server.socket_path(), "")).await;
        drop(raw);
    }
    server.still_serves(&mut bystander, "left before the answer").await;
    server.stop().await;
}

#[tokio::test]
async fn s1_8_garbage_instead_of_http_is_harmless() {
    let server = TestServer::start(&config("")).await;
    let mut bystander = server.bystander().await;
    let long_path = format!("GET /app/{} HTTP/1.1\r\nHost: x\r\n\r\n", "k".repeat(100_000));
    let long_header = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "v".repeat(300_000));
    let many_headers = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(5000));
    let rows: [&[u8]; 9] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0\0\0\0\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /apps/it/events HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /apps/it/events HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        long_path.as_bytes(),
        long_header.as_bytes(),
        many_headers.as_bytes(),
    ];
    for bytes in rows {
        let mut raw = RawSocket::dial(&server).await;
        raw.write(bytes).await;
        server
            .still_serves(
                &mut bystander,
                format!("{:?}", String::from_utf8_lossy(&bytes[..20.min(bytes.len())])),
            )
            .await;
    }
    server.stop().await;
}
