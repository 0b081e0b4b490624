//! encryption.md 4: master keys change without losses for subscribers.

use serde_json::{Value, json};

use crate::support::*;

const CHANNEL: &str = "private-encrypted-x";

fn configuration(rotation: &str) -> String {
    let key = base64(&master_key("first"));
    config(&format!(
        "authorizer = \"open\"\nmaster_key = \"{key}\"\n\n[apps.it.rotation]\n{rotation}"
    ))
}

async fn publish_all(server: &TestServer, from: usize, to: usize) {
    for n in from..to {
        server.publish(CHANNEL, "numbers", &n.to_string()).await;
    }
}

#[tokio::test]
async fn e4_keys_pass_through_their_states() {
    let server = TestServer::start(&configuration("grace_seconds = 1")).await;
    let admin = AdminClient::of(&server);
    let first = admin.report().await;
    assert_eq!((&first["app"], &first["derivation"]), (&json!("it"), &json!("pusher")), "{first}");
    assert_eq!(admin.states().await, ["active"]);
    let before = id(&first["keys"][0]);
    let answer = admin.rotate(&json!({})).await.expect(200, "rotate");
    assert_eq!((&answer["state"], answer.get("until")), (&json!("active"), None), "{answer}");
    let report = admin.report().await;
    let keys = report["keys"].as_array().expect("keys");
    assert_eq!((id(&keys[0]), id(&keys[1])), (before.clone(), id(&answer)), "{report}");
    assert_eq!((&keys[0]["state"], &keys[1]["state"]), (&json!("grace"), &json!("active")));
    let (since, until) = (keys[0]["since"].as_u64(), keys[0]["until"].as_u64());
    assert_eq!(until, since.map(|since| since + 1), "{report}");
    assert!(keys[1]["since"].is_u64() && keys[1].get("until").is_none(), "{report}");
    admin.until_states(&["retired", "active"]).await;
    let report = admin.report().await;
    assert_eq!(id(&report["keys"][0]), before, "what was is remembered: {report}");
    // Retired keys are not listed in metrics.
    let stats = server.stats().await;
    let wanted = json!([{"app": "it", "id": id(&answer), "state": "active", "subscriptions": 0}]);
    assert_eq!(stats["keys"], wanted, "{stats}");
    server.stop().await;
}

#[tokio::test]
async fn e4_subscribers_are_rekeyed_during_traffic() {
    // On a busy machine, an auth request may come late.
    let server = TestServer::start(&configuration("settle_ms = 50\nhold_ms = 10000")).await;
    let admin = AdminClient::of(&server);
    let mut readers = Vec::new();
    for _ in 0..4 {
        readers.push(SealedSubscriber::join(&server, server.connect().await, CHANNEL).await);
    }
    publish_all(&server, 0, 10).await;
    admin.rotate_to(&master_key("second")).await;
    let read_all = async |reader: &mut SealedSubscriber| {
        for n in 0..60 {
            let mut read = reader.read(&server).await;
            if read.0 == "sealcast:rekey" {
                // The channel was quiet for long enough between two events.
                read = reader.read(&server).await;
            }
            assert_eq!(read, ("numbers".to_owned(), n.to_string()));
        }
    };
    // All at once: a reader asks for its secret when it needs it, and not after the others.
    let reading = futures_util::future::join_all(readers.iter_mut().map(read_all));
    tokio::join!(publish_all(&server, 10, 60), reading);
    admin.until_moved().await;
    for reader in &readers {
        assert_eq!(reader.auth_requests, 1, "one authorization for one rotation");
        assert_eq!(reader.secret, shared_secret(&master_key("second"), CHANNEL));
    }
    let rotation = admin.report().await["rotation"].clone();
    let wanted = json!({"in_progress": false, "remaining": 0, "nudges": 4, "reauthorized": 4, "reverted": 0, "closed": 0});
    assert_eq!(rotation, wanted);
    let moves = server.stats().await["moves"].clone();
    let wanted = json!([{"app": "it", "nudges": 4, "reauthorized": 4, "reverted": 0, "closed": 0}]);
    assert_eq!(moves, wanted);
    // Nothing new opens with the old key.
    server.publish(CHANNEL, "after", "x").await;
    let frame = readers[0].client.next().await;
    let data = frame["data"].as_str().expect("data");
    assert_eq!(try_open(&shared_secret(&master_key("first"), CHANNEL), data), None);
    server.stop().await;
}

#[tokio::test]
async fn e4_early_question_gets_the_secret_in_use() {
    let server = TestServer::start(&configuration("turns_per_second = 1")).await;
    let admin = AdminClient::of(&server);
    let mut readers = Vec::new();
    for _ in 0..6 {
        readers.push(SealedSubscriber::join(&server, server.connect().await, CHANNEL).await);
    }
    let old = readers[0].secret;
    admin.rotate_to(&master_key("second")).await;
    for reader in &mut readers {
        reader.fetch_secret(&server).await;
    }
    let behind = readers.iter().filter(|reader| reader.secret == old).count();
    assert!(behind > 0, "at one turn a second some are still to have theirs");
    server.publish(CHANNEL, "e", "x").await;
    for reader in &mut readers {
        while reader.read(&server).await.0 != "e" {}
    }
    server.stop().await;
}

#[tokio::test]
async fn e4_quiet_channel_is_rekeyed_by_an_empty_event() {
    let server = TestServer::start(&configuration("nudge_event = \"wake\"")).await;
    let admin = AdminClient::of(&server);
    let mut reader = SealedSubscriber::join(&server, server.connect().await, CHANNEL).await;
    admin.rotate_to(&master_key("second")).await;
    assert_eq!(admin.report().await["rotation"]["remaining"], 1);
    reader.expect(&server, "wake", "{}").await;
    admin.until_moved().await;
    let report = admin.report().await;
    let subscriptions: Vec<&Value> =
        report["keys"].as_array().expect("keys").iter().map(|key| &key["subscriptions"]).collect();
    assert_eq!(subscriptions, [0, 1], "{report}");
    server.stop().await;
}

#[tokio::test]
async fn e4_pending_key_opens_at_once_and_seals_when_active() {
    let server = TestServer::start(&configuration("")).await;
    let admin = AdminClient::of(&server);
    let mut reader = SealedSubscriber::join(&server, server.connect().await, CHANNEL).await;
    let (first, second) = (reader.secret, shared_secret(&master_key("second"), CHANNEL));
    let now = unix_now() as u64;
    let body = json!({"key": base64(&master_key("second")), "activate_in_seconds": 3});
    let answer = admin.rotate(&body).await.expect(200, "announce");
    let at = answer["until"].as_u64().expect("a time");
    assert!(answer["state"] == "pending" && (now + 3..now + 6).contains(&at), "{answer}");
    assert_eq!(admin.states().await, ["active", "pending"]);
    assert_eq!(admin.rotate(&json!({})).await.refused(409, "another"), "key_pending");
    // An envelope under the pending key is accepted, and subscribers notice nothing.
    let early = seal(&second, [9; 24], b"early");
    server.publish(CHANNEL, "e", &early).await;
    reader.expect(&server, "e", "early").await;
    reader.fetch_secret(&server).await;
    assert_eq!((reader.secret, reader.auth_requests), (first, 0));
    admin.until_states(&["grace", "active"]).await;
    assert!(unix_now() as u64 >= at, "not before its time");
    reader.expect(&server, "sealcast:rekey", "{}").await;
    assert_eq!((reader.secret, reader.auth_requests), (second, 1));
    server.stop().await;
}

#[tokio::test]
async fn e4_incapable_client_is_served_until_the_grace_period_ends() {
    let server = TestServer::start(&configuration("grace_seconds = 3\nhold_ms = 500")).await;
    let admin = AdminClient::of(&server);
    let query = "protocol=7&client=pusher-dotnet-client&version=6.0";
    let dotnet = server.connect_with(query).await;
    let mut dotnet = SealedSubscriber::join(&server, dotnet, CHANNEL).await;
    let mut other = SealedSubscriber::join(&server, server.connect().await, CHANNEL).await;
    admin.rotate_to(&master_key("second")).await;
    other.expect(&server, "sealcast:rekey", "{}").await;
    // It has moved once its events are sealed with the next key.
    until("the other has moved", async || {
        (admin.report().await["rotation"]["remaining"] == 1).then_some(())
    })
    .await;
    for n in 0..5 {
        server.publish(CHANNEL, "e", &n.to_string()).await;
        dotnet.expect(&server, "e", &n.to_string()).await;
        other.expect(&server, "e", &n.to_string()).await;
    }
    assert_eq!((dotnet.auth_requests, other.auth_requests), (0, 1));
    dotnet.client.expect_rejection(4200).await;
    admin.until_states(&["retired", "active"]).await;
    // It reconnects, and is served with the active key.
    let again = SealedSubscriber::join(&server, server.connect_with(query).await, CHANNEL).await;
    assert_eq!(again.secret, shared_secret(&master_key("second"), CHANNEL));
    server.publish(CHANNEL, "e", "last").await;
    other.expect(&server, "e", "last").await;
    server.stop().await;
}

#[tokio::test]
async fn e4_envelopes_of_the_previous_key_are_resealed() {
    let server = TestServer::start(&configuration("")).await;
    let admin = AdminClient::of(&server);
    let mut moved = SealedSubscriber::join(&server, server.connect().await, CHANNEL).await;
    admin.rotate_to(&master_key("second")).await;
    moved.expect(&server, "sealcast:rekey", "{}").await;
    admin.until_moved().await;
    let dotnet = server.connect_with("protocol=7&client=pusher-dotnet-client").await;
    let mut late = SealedSubscriber::join(&server, dotnet, CHANNEL).await;
    assert_eq!(late.secret, moved.secret, "newcomers are given the active key's");
    for (label, opens) in [("first", true), ("second", true), ("third", false)] {
        let envelope = seal(&shared_secret(&master_key(label), CHANNEL), [7; 24], label.as_bytes());
        let body = json!({"name": "e", "channels": [CHANNEL], "data": envelope});
        let response = server.post("/events", &body).await;
        if opens {
            response.expect(200, label);
            for reader in [&mut moved, &mut late] {
                let frame = reader.client.next().await;
                let data = frame["data"].as_str().expect("data");
                assert_eq!(open(&reader.secret, data), label);
                // An envelope under the subscribers' own key is relayed unchanged.
                assert_eq!(data == envelope, label == "second", "{label}");
            }
        } else {
            assert_eq!(response.refused(422, label), "envelope_does_not_open");
            moved.client.expect_silence().await;
        }
    }
    assert_eq!((moved.auth_requests, late.auth_requests), (1, 0));
    server.stop().await;
}

#[tokio::test]
async fn e4_cached_event_opens_with_each_subscribers_secret() {
    let server = TestServer::start(&configuration("")).await;
    let admin = AdminClient::of(&server);
    let channel = "private-encrypted-cache-x";
    server.publish(channel, "kept", "value").await;
    let mut before = SealedSubscriber::authorized(&server, server.connect().await, channel).await;
    admin.rotate_to(&master_key("second")).await;
    let mut after = SealedSubscriber::authorized(&server, server.connect().await, channel).await;
    assert_ne!(before.secret, after.secret);
    for reader in [&mut before, &mut after] {
        reader.client.subscribe(channel).await;
        reader.expect(&server, "kept", "value").await;
        assert_eq!(reader.auth_requests, 0, "what it gets first opens with what it was given");
    }
    before.expect(&server, "sealcast:rekey", "{}").await;
    admin.until_moved().await;
    let body = json!({"name": "kept", "channels": [channel], "data": "newer"});
    server.post("/events", &body).await.expect(200, "newer");
    for reader in [&mut before, &mut after] {
        reader.expect(&server, "kept", "newer").await;
    }
    assert_eq!((before.auth_requests, after.auth_requests), (1, 0));
    let mut third = SealedSubscriber::join(&server, server.connect().await, channel).await;
    third.expect(&server, "kept", "newer").await;
    server.stop().await;
}

#[tokio::test]
async fn e4_subscribers_of_a_backend_endpoint_move_after_a_fixed_hold() {
    let server = TestServer::start(&configuration("hold_ms = 700")).await;
    let admin = AdminClient::of(&server);
    let mut client = server.connect().await;
    client.subscribe(CHANNEL).await;
    let secrets = ["first", "second"].map(|label| shared_secret(&master_key(label), CHANNEL));
    server.publish(CHANNEL, "e", "before").await;
    let frame = client.next().await;
    assert_eq!(open(&secrets[0], frame["data"].as_str().expect("data")), "before");
    let answer = admin.rotate(&json!({"key": base64(&master_key("second"))})).await;
    answer.expect(200, "rotate");
    // The first event under the next key is the nudge; later ones wait for the fixed hold.
    let mut read = Vec::new();
    for n in 0..20 {
        server.publish(CHANNEL, "e", &n.to_string()).await;
    }
    let mut seen = [0, 0];
    while read.len() < 20 {
        let frame = client.next().await;
        let data = frame["data"].as_str().expect("data");
        let key = usize::from(try_open(&secrets[0], data).is_none());
        assert!(key == 1 || seen[1] == 0, "no way back: {frame}");
        seen[key] += 1;
        if frame["event"] == "e" {
            read.push(open(&secrets[key], data));
        }
    }
    let wanted: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    assert_eq!(read, wanted);
    admin.until_moved().await;
    server.publish(CHANNEL, "e", "after").await;
    // On a channel that had become quiet, the nudge was an empty event.
    let frame = loop {
        let frame = client.next().await;
        if frame["event"] == "e" {
            break frame;
        }
    };
    assert_eq!(open(&secrets[1], frame["data"].as_str().expect("data")), "after");
    server.stop().await;
}
