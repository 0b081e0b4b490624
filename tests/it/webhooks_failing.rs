//! protocol.md 8: webhooks of failing backends.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::*;

/// Ten events of one channel, and their names at the receiver.
async fn ten_events(client: &mut Client, channel: &str) -> Vec<String> {
    for n in 0..10 {
        client.client_event(channel, "client-n", json!(n)).await;
    }
    (0..10).map(|n| format!("client_event {n}")).collect()
}

#[tokio::test]
async fn s8_failing_receiver_delays_no_other_and_gets_missed_events_later() {
    let rows = [
        (ReceiverReply::Hang, "no whole answer within"),
        (ReceiverReply::Status(500), "it answered 500"),
        (ReceiverReply::Redirect, "it answered 302, and redirects are not followed"),
        (ReceiverReply::CloseEarly, "there was no answer"),
        (ReceiverReply::Drip, "no whole answer within"),
    ];
    let mut bad = Vec::new();
    for (answer, _) in rows {
        bad.push(WebhookReceiver::start(answer).await);
    }
    let good = WebhookReceiver::start(ReceiverReply::DripBody).await;
    let rules = "timeout_seconds = 1\nretry_seconds = 2\nevents = [\"client_event\"]";
    let mut webhooks: Vec<String> = bad.iter().map(|receiver| hooks_url(receiver, rules)).collect();
    webhooks.push(hooks_url(&good, "events = [\"client_event\"]"));
    let webhooks: Vec<&str> = webhooks.iter().map(String::as_str).collect();
    let server = TestServer::start(&with_webhooks("", &webhooks)).await;
    let mut client = server.connect().await;
    client.subscribe("private-x").await;
    client.client_event("private-x", "client-n", json!("1")).await;
    client.client_event("private-x", "client-n", json!("2")).await;
    let start = Instant::now();
    good.until_events("private-x", &["client_event 1", "client_event 2"]).await;
    assert!(start.elapsed() < Duration::from_millis(1900), "{:?}", start.elapsed());
    until_webhook_stat(&server, "dead_letters", 10).await;
    let path = state_dir(&server).join("it.webhooks.jsonl");
    let mode = std::fs::metadata(&path).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for (receiver, (answer, reason)) in bad.iter().zip(rows) {
        let of = |letter: &&Value| letter["endpoint"] == receiver.url("/hooks");
        let letters = dead_letters(&path);
        let letters: Vec<_> = letters.iter().filter(of).collect();
        assert_eq!(letters.len(), 2, "{answer:?}");
        let told = letters[0]["reason"].as_str().unwrap();
        assert!(told.contains(reason), "{answer:?}: {told}");
        assert_eq!(letters[0]["event"]["data"], "1", "{answer:?}");
        assert!(letters[0]["attempts"].as_u64() >= Some(2), "{answer:?}: {letters:?}");
        // The same bytes and the same signature each time.
        let hooks = receiver.requests();
        for hook in &hooks {
            assert_eq!(hook.path, "/hooks", "a redirect is not followed");
            hook.assert_signed(APP);
        }
        let first: Vec<_> = hooks.iter().filter(|hook| hook.events()[0]["data"] == "1").collect();
        assert!(first.iter().all(|hook| hook.body == first[0].body), "{answer:?}");
    }
    let listed = webhooks_command(&server, &["list"]).await;
    assert_eq!(listed.status.code(), Some(0), "{listed:?}");
    assert!(listed.stdout.contains("10 in the dead-letter file"), "{listed:?}");
    assert!(listed.stdout.contains("(failing: it answered 500)"), "{listed:?}");

    let seen: Vec<usize> = bad.iter().map(|receiver| receiver.requests().len()).collect();
    bad.iter().for_each(|receiver| receiver.answer(ReceiverReply::Status(200)));
    let one = webhooks_command(&server, &["replay", "--endpoint", &bad[1].url("/hooks")]).await;
    assert_eq!((one.status.code(), &*one.stdout), (Some(0), "2 on their way again\n"), "{one:?}");
    until_webhook_stat(&server, "dead_letters", 8).await;
    let rest = webhooks_command(&server, &["replay"]).await;
    assert_eq!(&*rest.stdout, "8 on their way again\n", "{rest:?}");
    until_webhook_stat(&server, "dead_letters", 0).await;
    for (receiver, seen) in bad.iter().zip(seen) {
        let hooks = receiver.requests();
        let data: Vec<_> =
            hooks[seen..].iter().map(|hook| hook.events()[0]["data"].clone()).collect();
        assert_eq!(data, ["1", "2"], "once, and in order");
    }
    assert_eq!(std::fs::read_to_string(&path).expect("a file"), "");
    let none = webhooks_command(&server, &["replay", "--id", "1"]).await;
    assert_eq!(none.status.code(), Some(1), "{none:?}");
    assert!(none.stderr.contains("webhooks list"), "{none:?}");
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn s8_recovered_receiver_gets_everything_in_order() {
    let addr = WebhookReceiver::unused_address().await;
    let webhook = format!("url = \"http://{addr}/hooks\"\nevents = [\"client_event\"]");
    let server = TestServer::start(&with_webhooks(
        "[apps.it.limits]\nclient_events_per_second = 100",
        &[&webhook],
    ))
    .await;
    let mut client = server.connect().await;
    let mut wanted = Vec::new();
    for channel in ["private-a", "private-b"] {
        client.subscribe(channel).await;
        wanted = ten_events(&mut client, channel).await;
    }
    until("an attempt", async || {
        let stats = server.stats().await;
        (stats["webhooks"]["failed_attempts"].as_u64()? >= 2).then_some(())
    })
    .await;
    let receiver = WebhookReceiver::at(addr, ReceiverReply::Status(200)).await;
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    receiver.until_events("private-a", &wanted).await;
    receiver.until_events("private-b", &wanted).await;
    until_webhook_stat(&server, "delivered", 20).await;
    assert_eq!(server.stats().await["webhooks"]["queued"], 0);
    drop(client);
    let output = server.stop().await;
    assert!(output.stderr.contains("webhooks do not arrive"), "{output:?}");
    assert!(output.stderr.contains("webhooks arrive again"), "{output:?}");
}

#[tokio::test]
async fn s8_concurrent_requests_are_limited() {
    let receiver = WebhookReceiver::start(ReceiverReply::Hang).await;
    let rules = "concurrency = 3\ntimeout_seconds = 1\nevents = [\"channel_occupied\"]";
    let server = TestServer::start(&with_webhooks("", &[&hooks_url(&receiver, rules)])).await;
    let mut client = server.connect().await;
    for n in 0..20 {
        client.subscribe(&format!("c-{n}")).await;
    }
    until("several attempts", async || (receiver.requests().len() >= 7).then_some(())).await;
    assert_eq!(receiver.max_in_flight(), 3);
    receiver.answer(ReceiverReply::Status(200));
    drop(client);
    server.stop().await;
}

/// A receiver that never answers, behind a queue with room for seven events of `overflow`.
async fn small_queue() -> (WebhookReceiver, TestServer, Client) {
    let receiver = WebhookReceiver::start(ReceiverReply::Hang).await;
    let rules = "queue_bytes = 65536\nevents = [\"client_event\"]";
    let limits = "[apps.it.limits]\nclient_events_per_second = 1000";
    let server = TestServer::start(&with_webhooks(limits, &[&hooks_url(&receiver, rules)])).await;
    let mut client = server.connect().await;
    client.subscribe("private-x").await;
    (receiver, server, client)
}

async fn overflow(client: &mut Client) {
    for n in 0..20 {
        let data = format!("{n} {}", "x".repeat(8900));
        client.client_event("private-x", "client-n", json!(data)).await;
    }
}

#[tokio::test]
async fn s8_overflow_goes_to_the_dead_letter_file() {
    let (_receiver, server, mut client) = small_queue().await;
    overflow(&mut client).await;
    client.expect_silence().await;
    until_webhook_stat(&server, "dead_letters", 13).await;
    let stats = server.stats().await["webhooks"].clone();
    assert_eq!((&stats["queued"], &stats["lost"]), (&json!(7), &json!(0)), "{stats}");
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn s8_overflow_onto_a_full_disk_is_lost_and_counted() {
    let (_receiver, server, mut client) = small_queue().await;
    server.fill_disk();
    overflow(&mut client).await;
    until_webhook_stat(&server, "lost", 13).await;
    let stats = server.stats().await["webhooks"].clone();
    assert_eq!((&stats["queued"], &stats["dead_letters"]), (&json!(7), &json!(0)), "{stats}");
    let scrape = server.scrape().await;
    assert_eq!(scrape.sum("sealcast_drops_total", &[("reason", "webhook_lost")]), 13.0);
    assert_eq!(scrape.sum("sealcast_drops_total", &[("reason", "webhook_queue_full")]), 13.0);
    server.empty_disk();
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn s8_stopping_server_delivers_what_it_can_and_keeps_the_rest() {
    let (good, bad) = (
        WebhookReceiver::start(ReceiverReply::Status(200)).await,
        WebhookReceiver::start(ReceiverReply::Status(503)).await,
    );
    let webhooks = [hooks_url(&good, ""), hooks_url(&bad, "")];
    let server = TestServer::start(&with_webhooks("", &[&webhooks[0], &webhooks[1]])).await;
    let path = state_dir(&server).join("it.webhooks.jsonl");
    let mut client = server.connect().await;
    client.join("presence-x", &json!({"user_id": "u"})).await;
    client.client_event("presence-x", "client-n", json!("1")).await;
    client.expect_silence().await;
    server.signal("TERM");
    let wanted = [
        "channel_occupied",
        "member_added u",
        "client_event 1",
        "member_removed u",
        "channel_vacated",
    ];
    good.until_events("presence-x", &wanted).await;
    let kept = until("five letters", async || {
        let letters = dead_letters(&path);
        (letters.len() == 5).then_some(letters)
    })
    .await;
    let names: Vec<_> = kept.iter().map(|letter| letter["event"]["name"].clone()).collect();
    let all =
        ["channel_occupied", "member_added", "client_event", "member_removed", "channel_vacated"];
    assert_eq!(names, all, "{kept:?}");
    drop(client);
    server.exited().await;
}

#[tokio::test]
async fn s8_dead_letters_survive_a_restart() {
    let receiver = WebhookReceiver::start(ReceiverReply::Status(200)).await;
    let dir = TempDir::new();
    let state = dir.path().join("state");
    std::fs::create_dir(&state).expect("a directory");
    let letter = |id: u64, endpoint: &str| {
        let channel = format!("c-{id}");
        let event =
            json!({"name": "channel_vacated", "channel": channel, "occurred_ms": 5, "id": "a-1"});
        json!({"id": id, "time": "2026-01-01T00:00:00Z", "endpoint": endpoint, "reason": "r", "attempts": 3, "event": event})
    };
    let lines = [
        letter(1, &receiver.url("/hooks")),
        letter(2, "https://gone.example/"),
        letter(3, &receiver.url("/hooks")),
        json!({"delivered": 3}),
    ];
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    dir.write("state/it.webhooks.jsonl", &text);
    let config = with_webhooks("", &[&hooks_url(&receiver, "")]);
    let server = Launch::serve(&config).env("SEALCAST_STATE_DIR", &state).start().await;
    let replay = Launch::new(&["webhooks", "replay", "--app", "it", "--state-dir"]).arg(&state);
    let output = replay.output("").await;
    let wanted = "1 on their way again\n1 are for an endpoint that is no longer configured\n";
    assert_eq!((output.status.code(), &*output.stdout), (Some(0), wanted), "{output:?}");
    receiver.until_events("c-1", &["channel_vacated"]).await;
    until_webhook_stat(&server, "dead_letters", 1).await;
    // The timestamp is that of sending: receivers refuse old ones.
    let time = receiver.requests()[0].json()["time_ms"].as_i64().expect("an integer");
    assert!((time / 1000 - unix_now()).abs() < 60, "{time}");
    assert_eq!(receiver.events().len(), 1);
    server.stop().await;
}
