//! Memory that clients can make the server use is bounded, and given back.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    backpressure::{LARGE, sleeper},
    support::*,
};

const PING_EVENT: &str = r#"{"event":"pusher:ping"}"#;

fn with_long_timeouts(app: &str) -> String {
    config(&format!("limits.frames_per_second = 0\n{app}"))
}

/// Resident bytes of the server.
pub fn resident(server: &TestServer) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{}/statm", server.pid())).expect("statm");
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("pages") * 4096
}

/// Writes the frame again and again until the server takes no more; how often it was taken whole.
pub async fn flood(stream: &mut BoxedStream, frame: &[u8], most: usize) -> usize {
    let many = frame.repeat(1 + 16 * 1024 / frame.len());
    let (mut written, most) = (0, most * frame.len());
    while written < most {
        let from = &many[written % frame.len()..];
        let from = &from[..from.len().min(most - written)];
        match tokio::time::timeout(Duration::from_millis(500), stream.write(from)).await {
            Ok(Ok(count)) if count > 0 => written += count,
            _ => break,
        }
    }
    // The rest of a partly written frame is irrelevant.
    written / frame.len()
}

#[tokio::test]
async fn f14_socket_that_never_reads_is_not_read_from() {
    let server = TestServer::start(&with_long_timeouts("")).await;
    let mut bystander = server.bystander().await;
    let rubbish = text("{");
    let floods = [text(""), text(PING_EVENT), frame(FIN | PING, ""), rubbish];
    let mut streams = Vec::new();
    for frame in &floods {
        let (mut stream, line) = sleeper(&server, "firehose").await;
        // The kernel takes some; the server reads until the first answer finds no room.
        let taken = flood(&mut stream, frame, 4 << 20).await;
        assert!(taken < 4 << 20, "it is read from without end: {taken} frames");
        streams.push((stream, line));
    }
    let stats = server.stats().await;
    let waiting = stats["outbox_bytes"].as_u64().expect("a number");
    // TLS has its own buffer of a bounded size.
    let is_counted = std::env::var_os("IT_OVER_TLS").is_none();
    assert!(
        (waiting > 0 || !is_counted) && waiting < 4 * 32 * 1024,
        "answers are not piled up: {stats}"
    );
    assert_eq!(stats["sockets"], 5, "and nobody is closed for it: {stats}");
    server.still_serves(&mut bystander, "a flood").await;
    drop(streams);
    server.stop().await;
}

/// Late reads in the middle of one segment lose and reorder nothing.
#[tokio::test]
async fn f14_late_reader_gets_each_answer_in_order() {
    let server =
        TestServer::start(&with_long_timeouts("limits.channels_per_connection = 100000")).await;
    let mut raw = RawSocket::open(&server).await;
    const MANY: usize = 3000;
    let mut bytes = Vec::new();
    for n in 0..MANY {
        let data = json!({"channel": format!("c{n}")});
        bytes.extend(text(json!({"event": "pusher:subscribe", "data": data}).to_string()));
        bytes.extend(frame(FIN | PING, (n as u32).to_be_bytes()));
    }
    for piece in bytes.chunks(20_000) {
        raw.write(piece).await;
    }
    let (mut channels, mut pongs) = (Vec::new(), 0_u32);
    for n in 0..2 * MANY {
        let frame = raw.next_frame().await;
        if frame.opcode() == PONG {
            assert_eq!(*frame.payload, pongs.to_be_bytes());
            pongs += 1;
            assert!(answers_are_late() || n % 2 == 1, "pong {pongs} before the answer");
        } else {
            channels.push(frame.json()["channel"].as_str().unwrap_or_default().to_owned());
        }
    }
    let mut expected: Vec<String> = (0..MANY).map(|n| format!("c{n}")).collect();
    if answers_are_late() {
        [&mut channels, &mut expected].into_iter().for_each(|names| names.sort());
    }
    assert_eq!(channels, expected);
    raw.expect_alive("late").await;
    server.stop().await;
}

#[tokio::test]
async fn f14_two_sending_clients_do_not_block_each_other() {
    let app = "client_events = true\nlimits.client_events_per_second = 1000000";
    let server = TestServer::start(&with_long_timeouts(app)).await;
    let mut bystander = server.bystander().await;
    let mut raws = Vec::new();
    for _ in 0..2 {
        let (mut raw, id) = RawSocket::open_with_id(&server).await;
        let data =
            json!({"channel": "private-x", "auth": APP.channel_auth(&id, "private-x", None)});
        raw.write(&text(json!({"event": "pusher:subscribe", "data": data}).to_string())).await;
        assert_eq!(raw.next_frame().await.json()["channel"], "private-x");
        raws.push(raw);
    }
    let data = "x".repeat(9000);
    let event = json!({"event": "client-e", "channel": "private-x", "data": data}).to_string();
    for _ in 0..40 {
        for raw in &mut raws {
            raw.write(&text(&event)).await;
        }
    }
    for raw in &mut raws {
        for n in 0..40 {
            assert_eq!(raw.next_frame().await.json()["event"], "client-e", "{n}");
        }
        raw.expect_alive("who has read").await;
    }
    server.still_serves(&mut bystander, "two senders").await;
    server.stop().await;
}

#[tokio::test]
async fn f14_stalled_socket_is_closed_whatever_it_sends() {
    let top = "stalled_seconds = 2\noutbox_bytes = 60000000\nhttp_body_bytes = 2000000";
    let app = "limits.event_bytes = 1000000\nlimits.frames_per_second = 0";
    let server = TestServer::start(&config_of(top, &[(APP, app)])).await;
    let (mut dead, _dead) = sleeper(&server, "firehose").await;
    let (mut slow, _slow) = sleeper(&server, "firehose").await;
    // Its queue is empty, so it may stay silent without a limit.
    let (_idle, _idle_line) = sleeper(&server, "quiet").await;
    let reading = tokio::spawn(async move {
        let (mut chunk, mut taken) = (vec![0; 64 * 1024], 0);
        while let Ok(count @ 1..) = slow.read(&mut chunk).await {
            taken += count;
            if taken > chunk.len() {
                taken = 0;
                // A slow reader is the subject.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    });
    for _ in 0..30 {
        server.publish("firehose", "e", &"x".repeat(LARGE)).await;
    }
    let pong = frame(FIN | PONG, "");
    let stalled = [("reason", "stalled")];
    until_within(3 * DEADLINE, "the end of a client that only sends pongs", async || {
        let _ = tokio::time::timeout(Duration::from_millis(10), dead.write(&pong)).await;
        let closed = server.scrape().await.sum("sealcast_connections_closed_total", &stalled);
        (closed > 0.0).then_some(())
    })
    .await;
    assert!(!reading.is_finished(), "a slow reader stays");
    assert_eq!(server.stats().await["sockets"], 2);
    reading.abort();
    server.stop().await;
}

/// The rate of one second, ten of them as a burst, and the allowed channels.
#[tokio::test]
async fn f14_frames_up_to_the_limit_pass_and_one_more_closes() {
    let app = "limits.frames_per_second = 1\nlimits.channels_per_connection = 90";
    let server = TestServer::start(&config(app)).await;
    let kinds: [(&str, Vec<u8>, usize); 4] = [
        ("pings", text(PING_EVENT), 1),
        ("control pings", frame(FIN | PING, ""), 1),
        ("pongs", frame(FIN | PONG, ""), 0),
        ("rubbish", text("{"), 1),
    ];
    for (name, frame, answers) in kinds {
        for count in [99, 100, 101] {
            let mut raw = RawSocket::open(&server).await;
            raw.write(&frame.repeat(count)).await;
            for n in 0..count.min(100) * answers {
                assert_ne!(raw.next_frame().await.opcode(), CLOSE, "{name}: {n} of {count}");
            }
            if count > 100 {
                let error = raw.next_frame().await.json();
                assert_eq!(error["event"], "pusher:error", "{name}: {error}");
                assert_eq!(error["data"]["code"], 4301, "{name}: {error}");
                raw.expect_close(4100, name).await;
            }
        }
    }
    // Fragments are frames, too.
    let mut raw = RawSocket::open(&server).await;
    let mut parts = frame(TEXT, "");
    parts.extend(frame(CONTINUATION, "").repeat(100));
    raw.write(&parts).await;
    assert_eq!(raw.next_frame().await.json()["data"]["code"], 4301);
    raw.expect_close(4100, "parts").await;
    drop(raw);
    let closed = [("reason", "too_many_frames"), ("code", "4100")];
    server.until_metric("sealcast_connections_closed_total", &closed, 5.0).await;
    server.stop().await;
}

#[tokio::test]
async fn f14_ten_thousand_channels_can_be_joined_at_once() {
    let server = TestServer::start(&config("")).await;
    let mut raw = RawSocket::open(&server).await;
    for part in 0..20 {
        let mut bytes = Vec::new();
        for n in 0..500 {
            let data = json!({"channel": format!("c{part}-{n}")});
            bytes.extend(text(json!({"event": "pusher:subscribe", "data": data}).to_string()));
        }
        raw.write(&bytes).await;
        for _ in 0..500 {
            let answer = raw.next_frame().await.json();
            assert_eq!(answer["event"], "pusher_internal:subscription_succeeded", "{answer}");
        }
    }
    assert_eq!(server.stats().await["subscriptions"], 10_000);
    raw.expect_alive("ten thousand channels").await;
    server.stop().await;
}

/// The short form of `benches/load/attack`.
#[tokio::test]
async fn f14_memory_recovers_after_an_attack_and_newcomers_are_accepted() {
    let server = TestServer::start(&with_long_timeouts("")).await;
    for _ in 0..20 {
        server.connect().await.close().await;
    }
    let before = resident(&server);
    let floods = [text(""), text(PING_EVENT), frame(FIN | PING, ""), text("{")];
    let mut streams = Vec::new();
    for n in 0..40 {
        let (mut stream, line) = sleeper(&server, "firehose").await;
        flood(&mut stream, &floods[n % floods.len()], 4096).await;
        streams.push((stream, line));
    }
    let peak = resident(&server);
    // Full outboxes of 1 MiB each would need more than that.
    assert!(peak < before + 24 * 1024 * 1024, "{before} before, {peak} at the peak");
    drop(streams);
    server.until_stat("sockets", 0).await;
    for _ in 0..20 {
        server.connect().await.close().await;
    }
    until_within(Duration::from_secs(60), format!("about {before} bytes of memory"), async || {
        (resident(&server) <= before + before / 4).then_some(())
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn f14_memory_shortage_closes_the_fullest_connections() {
    let probe = TestServer::start(&config("")).await;
    let used = resident(&probe);
    probe.stop().await;
    let limit = used + used / 2 + 32 * 1024 * 1024;
    let top = format!(
        "memory_limit_bytes = {limit}\noutbox_bytes = 600000000\nstalled_seconds = 600\nmailbox_bytes = 600000000\nhttp_body_bytes = 2000000"
    );
    let app = "limits.event_bytes = 1000000";
    let server = TestServer::start(&config_of(&top, &[(APP, app)])).await;
    let mut bystander = server.bystander().await;
    let sleepers = [sleeper(&server, "firehose").await, sleeper(&server, "firehose").await];
    let closed = async || {
        let scrape = server.scrape().await;
        scrape.sum("sealcast_connections_closed_total", &[("reason", "shed")])
    };
    let most = limit as usize / LARGE;
    for n in 0.. {
        assert!(n <= 2 * most, "more than the limit was queued and nobody closed");
        server.publish("firehose", "e", &"x".repeat(LARGE)).await;
        if closed().await > 0.0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.still_serves(&mut bystander, "an overload").await;
    until("a newcomer to be let in", async || {
        let mut raw = RawSocket::dial(&server).await;
        raw.write(&upgrade_request(&server.socket_path(), "")).await;
        raw.read_head().await;
        (raw.next_frame().await.json()["event"] == "pusher:connection_established").then_some(())
    })
    .await;
    drop(sleepers);
    server.stop().await;
}

/// In fewer channels than would be its share by their number.
#[tokio::test]
async fn f14_a_connection_is_charged_for_the_members_that_it_brings() {
    let probe = TestServer::start(&config("")).await;
    let used = resident(&probe);
    probe.stop().await;
    let limit = used + used / 2 + 8 * 1024 * 1024;
    let top = format!(
        "memory_limit_bytes = {limit}\nmessage_bytes = 2000000\noutbox_bytes = 60000000\nstalled_seconds = 2"
    );
    let app = "limits.presence_member_bytes = 1500000";
    let server = TestServer::start(&config_of(&top, &[(APP, app)])).await;
    let mut bystander = server.bystander().await;
    let mut client = server.connect().await;
    let data = json!({"user_id": "u", "user_info": "x".repeat(1_000_000)}).to_string();
    let (most, mut joined) = (60, 0);
    let end = loop {
        client.send_presence_subscribe(&format!("presence-{joined}"), &data).await;
        match client.incoming().await {
            Incoming::Text(_) => joined += 1,
            Incoming::Closed(code, _) => break code,
        }
        assert!(joined < most, "{joined} MB of members, and it is still read from");
    };
    assert!(joined > 4 && end.is_none_or(|code| code == 4100), "{joined} joined: {end:?}");
    // It is counted when the connection has gone.
    until("a connection to be shed", async || {
        let scrape = server.scrape().await;
        let shed = scrape.sum("sealcast_connections_closed_total", &[("reason", "shed")]);
        (shed == 1.0).then_some(())
    })
    .await;
    server.still_serves(&mut bystander, "an overload").await;
    server.stop().await;
}
