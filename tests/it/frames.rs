//! protocol.md 1.8 at the level of WebSocket frames: violations end their own connection with the
//! right code, and unusual but valid frames work.

use serde_json::Value;

use crate::support::*;

/// Frame sequences that must end the connection, with the expected close code.
fn violations() -> Vec<(&'static str, Vec<u8>, u16)> {
    let subscribe = br#"{"event":"pusher:subscribe","data":{"channel":"x"}}"#;
    let mut rows = Vec::new();
    let mut unmasked = head(FIN | TEXT, subscribe.len() as u64, false);
    unmasked.extend_from_slice(subscribe);
    rows.push(("unmasked", unmasked, 1002));
    rows.push(("an unmasked ping", head(FIN | PING, 0, false), 1002));
    for (name, bit) in [("RSV1", 0x40), ("RSV2", 0x20), ("RSV3", 0x10)] {
        rows.push((name, frame(FIN | bit | TEXT, subscribe), 1002));
    }
    for opcode in [0x3, 0x4, 0x5, 0x6, 0x7, 0xb, 0xc, 0xd, 0xe, 0xf] {
        rows.push(("a reserved opcode", frame(FIN | opcode, b""), 1002));
        rows.push(("a reserved opcode with a payload", frame(FIN | opcode, subscribe), 1002));
    }
    rows.push(("a ping of 126 bytes", frame(FIN | PING, [0; 126]), 1002));
    rows.push(("a pong of 64 KiB", frame(FIN | PONG, [0; 65536]), 1002));
    rows.push(("a close of 126 bytes", frame(FIN | CLOSE, [3; 126]), 1002));
    rows.push(("a ping in fragments", frame(PING, b"half"), 1002));
    rows.push(("a continuation of nothing", frame(FIN | CONTINUATION, b"x"), 1002));
    rows.push(("an open continuation of nothing", frame(CONTINUATION, b"x"), 1002));
    let mut nested = frame(TEXT, b"{\"event\":");
    nested.extend(text("{}"));
    rows.push(("a message inside a message", nested, 1002));
    rows.push(("a close payload of one byte", frame(FIN | CLOSE, b"\x03"), 1002));
    rows.push(("invalid UTF-8", text(b"{\"event\":\"\xff\xfe\"}"), 1007));
    rows.push(("a surrogate in UTF-8", text(b"\"\xed\xa0\x80\""), 1007));
    rows.push(("an overlong UTF-8 form", text(b"\"\xc0\xaf\""), 1007));
    rows.push(("UTF-8 that stops in a character", text(b"\"\xe2\x82"), 1007));
    let mut halves = frame(TEXT, b"{\"event\":\"\xe2\x82");
    halves.extend(frame(FIN | CONTINUATION, b"\"}"));
    rows.push(("invalid UTF-8 over two fragments", halves, 1007));
    rows.push(("one byte over the limit", text(vec![b' '; 65537]), 1009));
    rows.push(("a head that announces 1 MiB", head(FIN | TEXT, 1 << 20, true), 1009));
    rows.push(("a head that announces 2^62 bytes", head(FIN | TEXT, 1 << 62, true), 1009));
    rows.push(("a binary head that announces 2^62 bytes", head(FIN | BINARY, 1 << 62, true), 1009));
    let mut growing = frame(TEXT, vec![b' '; 40000]);
    growing.extend(frame(FIN | CONTINUATION, vec![b' '; 40000]));
    rows.push(("fragments over the limit together", growing, 1009));
    let mut endless = frame(TEXT, b"");
    for _ in 0..70 {
        endless.extend(frame(CONTINUATION, [b' '; 1000]));
    }
    rows.push(("many small fragments over the limit together", endless, 1009));
    rows
}

#[tokio::test]
async fn s1_8_broken_frames_close_their_own_connection_only() {
    let server = TestServer::start(&config("")).await;
    let mut bystander = server.bystander().await;
    for (name, bytes, code) in violations() {
        let input = format!("{name}: {:02x?}", &bytes[..bytes.len().min(12)]);
        let mut raw = RawSocket::open(&server).await;
        raw.write(&bytes).await;
        raw.expect_close(code, &input).await;
        server.still_serves(&mut bystander, &input).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn s1_8_length_with_the_top_bit_is_rejected() {
    let server = TestServer::start(&config("")).await;
    let mut bystander = server.bystander().await;
    let mut raw = RawSocket::open(&server).await;
    raw.write(&head(FIN | TEXT, u64::MAX, true)).await;
    let code = loop {
        if let Some(code) = raw.next_frame().await.close_code() {
            break code;
        }
    };
    assert!([1002, 1009].contains(&code), "{code}");
    server.still_serves(&mut bystander, "a length of 2^64-1").await;
    server.stop().await;
}

#[tokio::test]
async fn s1_8_message_of_the_exact_limit_is_accepted() {
    let server = TestServer::start(&config("")).await;
    let mut raw = RawSocket::open(&server).await;
    let mut message = br#"{"event":"pusher:subscribe","data":{"channel":"x"}}"#.to_vec();
    message.resize(65536, b' ');
    raw.write(&text(&message)).await;
    let frame = raw.next_frame().await.json();
    assert_eq!(frame["event"], "pusher_internal:subscription_succeeded", "{frame}");
    server.stop().await;
}

#[tokio::test]
async fn s1_8_fragments_may_be_interleaved_with_control_frames() {
    let server = TestServer::start(&config("")).await;
    let mut raw = RawSocket::open(&server).await;
    let message = br#"{"event":"pusher:subscribe","data":{"channel":"fragments"}}"#;
    let mut bytes = frame(TEXT, &message[..1]);
    for (i, byte) in message[1..message.len() - 1].iter().enumerate() {
        bytes.extend(frame(CONTINUATION, [*byte]));
        if i % 10 == 0 {
            bytes.extend(frame(FIN | PING, [i as u8]));
            bytes.extend(frame(CONTINUATION, b""));
            bytes.extend(frame(FIN | PONG, b"nobody asked"));
        }
    }
    bytes.extend(frame(FIN | CONTINUATION, &message[message.len() - 1..]));
    raw.write(&bytes).await;
    for i in (0..message.len() - 2).step_by(10) {
        assert_eq!(raw.next_frame().await, Frame { first: FIN | PONG, payload: vec![i as u8] });
    }
    let frame = raw.next_frame().await.json();
    assert_eq!(frame["event"], "pusher_internal:subscription_succeeded", "{frame}");
    raw.expect_alive("after fragments").await;
    server.stop().await;
}

#[tokio::test]
async fn s1_8_character_may_be_split_between_fragments() {
    let server = TestServer::start(&config("client_events = true")).await;
    let mut alice = server.connect().await;
    alice.subscribe("private-x").await;

    let (mut raw, socket_id) = RawSocket::open_with_id(&server).await;
    let auth = APP.channel_auth(&socket_id, "private-x", None);
    let subscribe = format!(
        r#"{{"event":"pusher:subscribe","data":{{"channel":"private-x","auth":"{auth}"}}}}"#
    );
    raw.write(&text(subscribe)).await;
    raw.next_frame().await;
    let message = r#"{"event":"client-x","channel":"private-x","data":"€"}"#.as_bytes();
    let cut = message.iter().position(|byte| *byte == 0x82).expect("the middle of the euro sign");
    let mut bytes = frame(TEXT, &message[..cut]);
    bytes.extend(frame(FIN | CONTINUATION, &message[cut..]));
    raw.write(&bytes).await;
    assert_eq!(alice.expect_event("client-x").await, "€");
    server.stop().await;
}

#[tokio::test]
async fn s1_8_binary_frames_are_ignored_or_refused_politely() {
    let server = TestServer::start(&config("")).await;
    let mut bystander = server.bystander().await;
    for payload in [&b""[..], b"\x00\xff\xfe", br#"{"event":"pusher:ping"}"#] {
        let mut raw = RawSocket::open(&server).await;
        raw.write(&frame(FIN | BINARY, payload)).await;
        raw.write(&text(r#"{"event":"pusher:ping"}"#)).await;
        loop {
            let frame = raw.next_frame().await;
            if let Some(code) = frame.close_code() {
                assert_eq!(code, 1003, "{payload:?}");
                break;
            }
            let json = frame.json();
            if json["event"] == "pusher:pong" {
                break;
            }
            assert_eq!(json["data"]["code"], Value::Null, "{payload:?}: {json}");
        }
        server.still_serves(&mut bystander, format!("binary {payload:?}")).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn s1_8_close_frame_is_answered_and_the_connection_ends() {
    let server = TestServer::start(&config("")).await;
    for (payload, wanted) in
        [(vec![], 1005), (1000u16.to_be_bytes().to_vec(), 1000), (b"\x0f\xa0bye".to_vec(), 4000)]
    {
        let mut raw = RawSocket::open(&server).await;
        raw.write(&frame(FIN | CLOSE, &payload)).await;
        let answer = raw.next_frame().await;
        let code = answer.close_code();
        assert!([Some(wanted), Some(1000), Some(1005)].contains(&code), "{payload:?}: {answer:?}");
        raw.expect_end(format!("after close {payload:?}")).await;
    }
    for code in [0u16, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535] {
        let mut raw = RawSocket::open(&server).await;
        raw.write(&frame(FIN | CLOSE, code.to_be_bytes())).await;
        let answer = raw.next_frame().await;
        // RFC 6455 7.4: such a code must not be sent, and so must not be echoed either.
        assert!(
            [Some(1002), Some(1000), Some(1005)].contains(&answer.close_code()),
            "{code}: {answer:?}"
        );
        raw.expect_end(format!("after close {code}")).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn s1_8_frames_after_a_close_frame_are_ignored() {
    let server = TestServer::start(&config("")).await;
    let mut bystander = server.bystander().await;
    let mut raw = RawSocket::open(&server).await;
    let mut bytes = frame(FIN | CLOSE, 1000u16.to_be_bytes());
    bytes.extend(text(r#"{"event":"pusher:subscribe","data":{"channel":"late"}}"#));
    raw.write(&bytes).await;
    let answer = raw.next_frame().await;
    assert!(answer.close_code().is_some(), "{answer:?}");
    server.until_stat("sockets", 1).await;
    assert_eq!(server.stats().await["subscriptions"], 1, "only the bystander's");
    server.still_serves(&mut bystander, "a frame after a close").await;
    server.stop().await;
}
