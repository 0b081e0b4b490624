//! protocol.md 1.7: pings in both directions, and silent clients.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::*;

/// One second of silence, then one second to answer a ping.
const IMPATIENT: &str = "activity_timeout_seconds = 1\npong_timeout_seconds = 1";

/// The same with more time for the answer, for tests that do answer.
const PATIENT: &str = "activity_timeout_seconds = 1\npong_timeout_seconds = 2";

#[tokio::test]
async fn s1_7_each_form_of_ping_event_is_answered() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    let rows = [
        r#"{"event":"pusher:ping","data":{}}"#,
        r#"{"event": "pusher:ping"}"#,
        r#"{"event":"pusher:ping","data":""}"#,
        r#"{"event":"pusher:ping","data":null}"#,
        r#"{"event":"pusher:ping","data":"{}"}"#,
        r#"{"data":{},"event":"pusher:ping"}"#,
        r#" { "event" : "pusher:ping" , "data" : { "x" : [1, 2] } , "more" : true } "#,
    ];
    for row in rows {
        client.send_text(row).await;
        println!("{row}");
        assert_eq!(client.next().await, json!({"event": "pusher:pong", "data": "{}"}), "{row}");
    }
    server.stop().await;
}

#[tokio::test]
async fn s1_7_pong_event_is_accepted_silently() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    for frame in [json!({"event": "pusher:pong", "data": {}}), json!({"event": "pusher:pong"})] {
        client.send(&frame).await;
        client.expect_silence().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn s1_7_ping_frame_gets_its_payload_back() {
    let server = TestServer::start(&config("")).await;
    let mut raw = RawSocket::open(&server).await;
    for payload in [&b""[..], b"swift", &[0xff; 125]] {
        raw.write(&frame(FIN | PING, payload)).await;
        let pong = raw.next_frame().await;
        assert_eq!(pong, Frame { first: FIN | PONG, payload: payload.to_vec() });
    }
    raw.write(&frame(FIN | PONG, b"unasked")).await;
    raw.expect_alive("an unasked pong").await;
    server.stop().await;
}

/// The next frame, without the additional ping event that a server may send.
async fn next_control(raw: &mut RawSocket) -> Frame {
    loop {
        let frame = raw.next_frame().await;
        if frame.opcode() == TEXT && frame.json()["event"] == "pusher:ping" {
            continue;
        }
        return frame;
    }
}

#[tokio::test]
async fn s1_7_silence_is_probed_by_a_ping_frame_and_closed_with_4201() {
    let server = TestServer::start(&config_of(IMPATIENT, &[(APP, "")])).await;
    let mut raw = RawSocket::open(&server).await;
    let probe = next_control(&mut raw).await;
    assert_eq!(probe.first, FIN | PING, "{probe:?}");
    let mut last = next_control(&mut raw).await;
    while last.opcode() == PING {
        last = next_control(&mut raw).await;
    }
    let error = last.json();
    assert_eq!(error["event"], "pusher:error", "{error}");
    assert_eq!(error["data"]["code"], 4201, "{error}");
    raw.expect_close(4201, "no answer to a ping").await;
    server.stop().await;
}

#[tokio::test]
async fn s1_7_silent_member_leaves_the_channel() {
    let server = TestServer::start(&config_of(IMPATIENT, &[(APP, "")])).await;
    let mut watcher = server.connect().await;
    watcher.join("presence-room", &json!({"user_id": "w"})).await;

    let (mut raw, socket_id) = RawSocket::open_with_id(&server).await;
    let channel_data = json!({"user_id": "silent"}).to_string();
    let auth = APP.channel_auth(&socket_id, "presence-room", Some(&channel_data));
    let data = json!({"channel": "presence-room", "auth": auth, "channel_data": channel_data});
    raw.write(&text(json!({"event": "pusher:subscribe", "data": data}).to_string())).await;

    let event = watcher.expect_event("pusher_internal:member_added").await;
    assert_eq!(event["user_id"], "silent");
    let event = watcher.expect_event("pusher_internal:member_removed").await;
    assert_eq!(event, json!({"user_id": "silent"}));
    server.stop().await;
}

#[tokio::test]
async fn s1_7_any_answer_keeps_the_connection() {
    let server = TestServer::start(&config_of(PATIENT, &[(APP, "")])).await;
    let answers: [(&str, Vec<u8>); 4] = [
        ("a pong frame", frame(FIN | PONG, b"")),
        ("a ping frame", frame(FIN | PING, b"")),
        ("a pong event", text(r#"{"event":"pusher:pong","data":{}}"#)),
        ("an unknown event", text(r#"{"event":"hello"}"#)),
    ];
    let mut sockets = Vec::new();
    for (name, answer) in answers {
        sockets.push((name, answer, RawSocket::open(&server).await));
    }
    // Four rounds are more than the silence and the grace time together.
    for round in 0..4 {
        for (name, answer, raw) in &mut sockets {
            loop {
                let frame = next_control(raw).await;
                assert_eq!(frame.close_code(), None, "{name}, round {round}: {frame:?}");
                if frame.opcode() == PING {
                    break;
                }
                if frame.opcode() == TEXT {
                    assert_eq!(frame.json()["data"]["code"], Value::Null, "{name}: {frame:?}");
                }
            }
            raw.write(answer).await;
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn s1_7_outgoing_events_are_not_client_activity() {
    let server = TestServer::start(&config_of(IMPATIENT, &[(APP, "")])).await;
    let mut raw = RawSocket::open(&server).await;
    raw.write(&text(r#"{"event":"pusher:subscribe","data":{"channel":"news"}}"#)).await;
    let end = tokio::time::Instant::now() + DEADLINE;
    let mut code = None;
    while code.is_none() {
        assert!(tokio::time::Instant::now() < end, "a socket that answers no ping is still there");
        server.publish("news", "e", "1").await;
        let pause = Duration::from_millis(100);
        while let (None, Ok(frame)) = (code, tokio::time::timeout(pause, raw.try_frame()).await) {
            code = frame.expect("a close frame before the end").close_code();
        }
    }
    assert_eq!(code, Some(4201));
    server.stop().await;
}
