//! protocol.md 9 and encryption.md 1: the server seals plaintext events.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::support::*;

const CHANNEL: &str = "private-encrypted-x";

fn keys(label: &str) -> String {
    format!("master_key = \"{}\"", base64(&master_key(label)))
}

async fn start() -> (TestServer, [u8; 32]) {
    (TestServer::start(&config(&keys("sealing"))).await, master_key("sealing"))
}

fn data(frame: &Value) -> &str {
    frame["data"].as_str().unwrap_or_else(|| panic!("data is not a string: {frame}"))
}

#[tokio::test]
async fn s9_plaintext_arrives_sealed_and_opens_with_the_derived_key() {
    let (server, master) = start().await;
    let mut client = server.connect().await;
    let wide = "é".repeat(5120);
    let rows = [
        "",
        " ",
        "0",
        "null",
        "hello",
        "{\"a\":1}",
        "{ \"b\" : [ 1 ] , \"a\" : \"é ✓\" }",
        "\"",
        "\u{0}",
        "{\"nonce\":\"x\"}",
        &wide,
    ];
    for channel in [
        CHANNEL,
        "private-encrypted-my-channel",
        "private-encrypted-cache-a",
        "private-encrypted-=@,.;",
    ] {
        client.subscribe(channel).await;
        if channel.contains("cache") {
            client
                .expect(json!({"event": "pusher:cache_miss", "channel": channel, "data": "{}"}))
                .await;
        }
        for plaintext in rows {
            server.publish(channel, "e", plaintext).await;
            let frame = client.next().await;
            assert_eq!(
                (&frame["event"], &frame["channel"]),
                (&json!("e"), &json!(channel)),
                "{frame}"
            );
            let fields: Value = serde_json::from_str(data(&frame)).expect("an envelope");
            assert_eq!(
                fields.as_object().map(|o| o.len()),
                Some(2),
                "nonce, ciphertext and no more: {frame}"
            );
            // The channel name is part of the derivation: no other channel's key opens it.
            assert_eq!(
                open(&shared_secret(&master, channel), data(&frame)),
                plaintext,
                "{channel}"
            );
            assert_eq!(
                try_open(&shared_secret(&master, "private-encrypted-y"), data(&frame)),
                None
            );
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn e1_key_never_opens_another_channel_with_a_common_prefix() {
    let (server, master) = start().await;
    let mut client = server.connect().await;
    let names = [
        "private-encrypted-a",
        "private-encrypted-aa",
        "private-encrypted-a-b",
        "private-encrypted-cache-a",
        "private-encrypted-A",
    ];
    for name in names {
        client.subscribe(name).await;
        if name.contains("cache") {
            client.expect_event("pusher:cache_miss").await;
        }
    }
    // One trigger for all of them: each is sealed with its own key.
    let body = json!({"name": "e", "channels": names, "data": "same"});
    server.post("/events", &body).await.expect(200, &body);
    for _ in names {
        let frame = client.next().await;
        for name in names {
            let opened = try_open(&shared_secret(&master, name), data(&frame));
            let wanted = (frame["channel"] == name).then(|| b"same".to_vec());
            assert_eq!(opened, wanted, "{name}: {frame}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn e2_event_is_sealed_once_for_all_subscribers() {
    let (server, _) = start().await;
    let mut clients = Vec::new();
    for _ in 0..6 {
        let mut client = server.connect().await;
        client.subscribe(CHANNEL).await;
        clients.push(client);
    }
    let mut nonces = HashSet::new();
    for _ in 0..20 {
        server.publish(CHANNEL, "e", "same").await;
        let first = clients[0].next_text().await;
        for client in &mut clients[1..] {
            assert_eq!(client.next_text().await, first, "two subscribers, two frames");
        }
        let frame: Value = serde_json::from_str(&first).expect("JSON");
        let nonce = inner(&frame)["nonce"].as_str().unwrap_or_default().to_owned();
        assert!(nonces.insert(nonce), "a nonce was used twice");
    }
    server.stop().await;
}

#[tokio::test]
async fn e1_same_channel_of_two_apps_has_two_keys() {
    let apps = config_of("", &[(APP, &keys("one")), (OTHER, &keys("two"))]);
    let server = TestServer::start(&apps).await;
    let rows = [
        (APP, master_key("one"), master_key("two")),
        (OTHER, master_key("two"), master_key("one")),
    ];
    for (app, own, foreign) in rows {
        let mut client = server.connect_as(app).await;
        client.subscribe(CHANNEL).await;
        let body = json!({"name": "e", "channel": CHANNEL, "data": app.id});
        server.post_as(app, "/events", &body).await.expect(200, app.id);
        let frame = client.next().await;
        assert_eq!(open(&shared_secret(&own, CHANNEL), data(&frame)), app.id);
        assert_eq!(try_open(&shared_secret(&foreign, CHANNEL), data(&frame)), None, "{}", app.id);
    }
    server.stop().await;
}

#[tokio::test]
async fn s9_shared_secret_in_a_subscribe_frame_is_tolerated() {
    let (server, master) = start().await;
    let mut client = server.connect().await;
    let data = json!({"channel": CHANNEL, "auth": client.auth(CHANNEL, None), "shared_secret": base64(&[1; 32])});
    client.send(&json!({"event": "pusher:subscribe", "data": data})).await;
    client.expect_subscribed(CHANNEL).await;
    server.publish(CHANNEL, "e", "1").await;
    let frame = client.next().await;
    assert_eq!(
        open(&shared_secret(&master, CHANNEL), frame["data"].as_str().unwrap_or_default()),
        "1"
    );
    server.stop().await;
}

#[tokio::test]
async fn e1_size_limit_applies_to_the_plaintext() {
    let (server, master) = start().await;
    let mut client = server.connect().await;
    client.subscribe(CHANNEL).await;
    let plaintext = "x".repeat(10240);
    server.publish(CHANNEL, "e", &plaintext).await;
    assert_eq!(open(&shared_secret(&master, CHANNEL), data(&client.next().await)), plaintext);
    let body = json!({"name": "e", "channel": CHANNEL, "data": format!("{plaintext}x")});
    assert_eq!(server.post("/events", &body).await.refused(413, "10241 bytes"), "event_too_large");
    client.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn s9_cached_event_is_sealed() {
    let (server, master) = start().await;
    let channel = "private-encrypted-cache-x";
    let secret = shared_secret(&master, channel);
    let mut first = server.connect().await;
    first.subscribe(channel).await;
    first.expect_event("pusher:cache_miss").await;
    server.publish(channel, "e", "{\"canary\":1}").await;
    let live = first.next_text().await;
    let mut second = server.connect().await;
    second.subscribe(channel).await;
    let cached = second.next().await;
    assert_eq!(cached["event"], "e", "{cached}");
    assert_eq!(open(&secret, data(&cached)), "{\"canary\":1}");
    let live: Value = serde_json::from_str(&live).expect("JSON");
    assert_eq!(
        live["data"], cached["data"],
        "sealed once: the cached envelope is the one that was delivered"
    );
    // The query returns the event as subscribers get it.
    let answer = server.get(&format!("/channels/{channel}"), &[("info", "cache")]).await;
    assert!(!answer.text().contains("canary"), "{}", answer.text());
    let answer = answer.expect(200, channel);
    assert_eq!(
        open(&secret, answer["cache"]["data"].as_str().unwrap_or_default()),
        "{\"canary\":1}",
        "{answer}"
    );
    server.stop().await;
}

#[tokio::test]
async fn s7_3_each_item_of_a_batch_is_sealed() {
    let (server, master) = start().await;
    let mut client = server.connect().await;
    for channel in [CHANNEL, "private-encrypted-y", "news"] {
        client.subscribe(channel).await;
    }
    let item = |channel: &str, data: &str| json!({"name": "e", "channel": channel, "data": data});
    let body = json!({"batch": [item(CHANNEL, "1"), item("news", "2"), item("private-encrypted-y", "3"), item(CHANNEL, "4")]});
    server.post("/batch_events", &body).await.expect(200, &body);
    for (channel, wanted) in
        [(CHANNEL, "1"), ("news", "2"), ("private-encrypted-y", "3"), (CHANNEL, "4")]
    {
        let frame = client.next().await;
        assert_eq!(frame["channel"], channel, "{frame}");
        let text = if channel == "news" {
            data(&frame).to_owned()
        } else {
            open(&shared_secret(&master, channel), data(&frame))
        };
        assert_eq!(text, wanted, "{frame}");
    }
    server.stop().await;
}

#[tokio::test]
async fn s7_8_legacy_publish_route_seals_too() {
    let (server, master) = start().await;
    let mut client = server.connect().await;
    client.subscribe(CHANNEL).await;
    let path = format!("/apps/it/channels/{CHANNEL}/events");
    let target = signed_target(APP, "POST", &path, &[("name", "e")], b"plain");
    let response =
        server.send(Request::new("POST", target).body("application/json", "plain")).await;
    assert_eq!(response.status, 202, "{}", response.text());
    assert_eq!(open(&shared_secret(&master, CHANNEL), data(&client.next().await)), "plain");
    server.stop().await;
}

#[tokio::test]
async fn e1_dotnet_derivation() {
    let server =
        TestServer::start(&config(&format!("{}\nderivation = \"dotnet\"", keys("dotnet")))).await;
    let master = master_key("dotnet");
    let mut client = server.connect().await;
    client.subscribe(CHANNEL).await;
    server.publish(CHANNEL, "e", "hello").await;
    let frame = client.next().await;
    assert_eq!(open(&dotnet_secret(&master, CHANNEL), data(&frame)), "hello");
    assert_eq!(try_open(&shared_secret(&master, CHANNEL), data(&frame)), None);
    let sealed = seal(&dotnet_secret(&master, CHANNEL), [3; 24], b"by the SDK");
    server.publish(CHANNEL, "e", &sealed).await;
    client.expect(json!({"event": "e", "channel": CHANNEL, "data": sealed})).await;
    server.stop().await;
}

#[tokio::test]
async fn e3_all_notations_of_a_key_are_equal() {
    let master = master_key("formats");
    let standard = base64(&master);
    let rows = [
        standard.clone(),
        format!("base64:{standard}"),
        standard.trim_end_matches('=').to_owned(),
        standard.replace('+', "-").replace('/', "_"),
        hex(&master),
        hex(&master).to_uppercase(),
        format!("hex:{}", hex(&master)),
    ];
    for row in rows {
        let server = TestServer::start(&config(&format!("master_key = \"{row}\""))).await;
        let mut client = server.connect().await;
        client.subscribe(CHANNEL).await;
        server.publish(CHANNEL, "e", "1").await;
        assert_eq!(
            open(&shared_secret(&master, CHANNEL), data(&client.next().await)),
            "1",
            "{row}"
        );
        server.stop().await;
    }
    // 32 printable characters are the key itself.
    let raw = "aB3$efgh1jklmn0pqrstuvwxyz?!#%&/";
    for row in [raw.to_owned(), format!("raw:{raw}")] {
        let server = TestServer::start(&config(&format!("master_key = \"{row}\""))).await;
        let mut client = server.connect().await;
        client.subscribe(CHANNEL).await;
        server.publish(CHANNEL, "e", "1").await;
        let master: [u8; 32] = raw.as_bytes().try_into().expect("32 characters");
        assert_eq!(
            open(&shared_secret(&master, CHANNEL), data(&client.next().await)),
            "1",
            "{row}"
        );
        server.stop().await;
    }
}
