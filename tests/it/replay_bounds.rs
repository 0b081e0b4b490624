//! The bytes that a returning client with many channels makes the server send again.

use std::{collections::BTreeMap, time::Instant};

use serde_json::{Value, json};

use crate::support::*;

/// 40 channels with ten events of 9,000 bytes: 3.6 MB.
const CHANNELS: usize = 40;
const EVENTS: usize = 10;
const EVENT_BYTES: usize = 9000;

const MIB: usize = 1024 * 1024;
/// The bounds of docs/history.md.
const BYTES_PER_MINUTE: usize = 2 * MIB;
const BYTES_AT_ONCE: usize = MIB / 2;

fn logged() -> String {
    config_of(
        "outbox_bytes = 1048576",
        &[(APP, "[[apps.it.channels]]\npattern = \"c*\"\nhistory = { bytes = \"1MiB\" }\n")],
    )
}

fn names() -> Vec<String> {
    (0..CHANNELS).map(|n| format!("c{n}")).collect()
}

async fn publish_to_all(server: &TestServer, names: &[String]) {
    let data = "x".repeat(EVENT_BYTES);
    for _ in 0..EVENTS {
        let body = json!({"name": "e", "channels": names, "data": data});
        server.post("/events", &body).await.expect(200, "an event");
    }
}

/// What a returning client has been sent, by channel.
#[derive(Default)]
struct Replayed {
    events: BTreeMap<String, usize>,
    gaps: BTreeMap<String, String>,
}

impl Replayed {
    /// Counts an event or a gap; everything else is no part of a replay.
    fn note(&mut self, frame: &Value) {
        let channel = || frame["channel"].as_str().expect("a channel").to_owned();
        match frame["event"].as_str().expect("a name") {
            "e" => *self.events.entry(channel()).or_default() += 1,
            "sealcast:gap" => {
                let reason = inner(frame)["reason"].as_str().expect("a reason").to_owned();
                assert_eq!(self.gaps.insert(channel(), reason), None, "told once: {frame}");
            }
            _ => {}
        }
    }

    /// All channels are whole or a gap.
    fn is_over(&self) -> bool {
        self.gaps.len() + self.events.values().filter(|count| **count == EVENTS).count() == CHANNELS
    }

    fn expect_whole_or_too_many(&self) {
        for name in names() {
            let (events, gap) = (self.events.get(&name).copied(), self.gaps.get(&name));
            match gap {
                None => assert_eq!(events, Some(EVENTS), "{name}: all that was missed"),
                Some(reason) => assert_eq!((reason.as_str(), events), ("too_many", None), "{name}"),
            }
        }
    }

    fn bytes(&self) -> usize {
        self.events.values().sum::<usize>() * EVENT_BYTES
    }
}

async fn subscribe(client: &mut Client, channel: &str, wish: &Value) {
    let data = json!({"channel": channel, "recover": wish});
    client.send(&json!({"event": "pusher:subscribe", "data": data})).await;
}

#[tokio::test]
async fn h18_socket_with_many_channels_gets_two_mebibytes_a_minute() {
    let server = TestServer::start(&logged()).await;
    let names = names();
    let mut reader = server.connect().await;
    let mut positions = Vec::new();
    for name in &names {
        subscribe(&mut reader, name, &json!(true)).await;
        let frame = reader.next().await;
        positions.push(inner(&frame)["recover"]["position"].clone());
    }
    reader.close().await;
    publish_to_all(&server, &names).await;

    let mut back = server.connect().await;
    let (begun, mut sent) = (Instant::now(), 0);
    // It asks for all again and again.
    for round in 0..3 {
        let mut replayed = Replayed::default();
        for (name, position) in names.iter().zip(&positions) {
            subscribe(&mut back, name, position).await;
        }
        while !replayed.is_over() {
            replayed.note(&back.next().await);
        }
        replayed.expect_whole_or_too_many();
        sent += replayed.bytes();
        let earned = begun.elapsed().as_secs_f64().ceil() as usize * BYTES_PER_MINUTE / 60;
        assert!(sent <= BYTES_PER_MINUTE + earned, "round {round}: {sent} bytes");
        if round == 0 {
            assert!(sent > BYTES_PER_MINUTE / 4, "{sent} bytes: less than it may have");
            assert!(replayed.gaps.len() >= CHANNELS / 4, "{:?}", replayed.gaps);
        }
        for name in &names {
            back.unsubscribe(name).await;
        }
    }
    // It is still served, behind the gaps.
    subscribe(&mut back, "c0", &json!(true)).await;
    assert_eq!(back.next().await["event"], "pusher_internal:subscription_succeeded");
    server.publish("c0", "e", "live").await;
    assert_eq!(back.next().await["data"], "live");
    drop(back);
    server.stop().await;
}

/// Returns with this id and reads up to an event of now; returns what came before it, and the new id.
async fn return_with(server: &TestServer, target: &str, id: &str) -> (Replayed, String) {
    let mut stream = EventStream::dial(server, target, &format!("Last-Event-ID: {id}\r\n")).await;
    stream.read_head().await;
    server.publish("c0", "live", "").await;
    let mut replayed = Replayed::default();
    loop {
        let frame = stream.next().await;
        if frame["event"] == "live" {
            return (replayed, stream.last_id.clone().expect("an id"));
        }
        replayed.note(&frame);
    }
}

#[tokio::test]
async fn h18_stream_with_many_channels_gets_half_a_queue_and_then_what_is_new() {
    let server = TestServer::start(&logged()).await;
    let names = names();
    let wanted: Vec<&str> = names.iter().map(String::as_str).collect();
    let stream = EventStream::open(&server, &wanted).await;
    let id = stream.last_id.clone().expect("an id");
    drop(stream);
    publish_to_all(&server, &names).await;
    let target = stream_target(&server, &wanted);
    let (replayed, id) = return_with(&server, &target, &id).await;
    replayed.expect_whole_or_too_many();
    let bytes = replayed.bytes();
    assert!((BYTES_AT_ONCE / 4..=BYTES_AT_ONCE).contains(&bytes), "{bytes} bytes");
    let (replayed, _) = return_with(&server, &target, &id).await;
    assert_eq!((replayed.bytes(), replayed.gaps.len()), (0, 0), "nothing comes twice");
    server.stop().await;
}
