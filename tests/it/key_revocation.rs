//! encryption.md 4 and 5.1: a key is revoked at once, a member is removed from a channel.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::*;

const CHANNEL: &str = "private-encrypted-x";
const JWT_SECRET: &str = "jwt-secret-52be1f09a7c3-for-revocation";

fn configuration(app: &str) -> String {
    let key = base64(&master_key("first"));
    config(&format!("master_key = \"{key}\"\n{app}"))
}

const OPEN: &str = "authorizer = \"open\"";

fn hkdf() -> String {
    configuration(&format!("{OPEN}\nderivation = \"hkdf\""))
}

fn with_jwt() -> String {
    configuration(&format!(
        "authorizer = \"jwt\"\njwt_secret = \"{JWT_SECRET}\"\nderivation = \"hkdf\"\njwt.leeway_seconds = 0"
    ))
}

fn bearer(user: &str, issued: i64) -> String {
    let claims = json!({"sub": user, "iat": issued, "exp": unix_now() + 600, "channels": ["*"]});
    token(&json!({"alg": "HS256"}), &claims, JWT_SECRET)
}

async fn revoke_member(server: &TestServer, channel: &str, user: &str) -> u64 {
    let body = json!({"user_id": user});
    let response = server.post(&format!("/channels/{channel}/revoke"), &body).await;
    let answer = response.expect(200, format!("{user} off {channel}"));
    answer["epoch"].as_u64().unwrap_or_else(|| panic!("no epoch: {answer}"))
}

/// Expects the one frame that reports the revocation, and nothing after it.
async fn expect_revoked(client: &mut Client, channel: &str) {
    let frame = client.next().await;
    assert_eq!(frame["event"], "pusher:subscription_error", "{frame}");
    assert_eq!(frame["channel"], channel, "{frame}");
    let data = &frame["data"];
    assert_eq!((&data["type"], &data["status"]), (&json!("Revoked"), &json!(403)), "{frame}");
    assert!(data["error"].as_str().is_some_and(|text| !text.is_empty()), "{frame}");
    client.expect_silence().await;
}

/// Data of the next event with this name; nudges before it are skipped.
async fn sealed_event(client: &mut Client, name: &str) -> String {
    loop {
        let frame = client.next().await;
        if frame["event"] == name {
            return frame["data"].as_str().unwrap_or_else(|| panic!("{frame}")).to_owned();
        }
        assert_eq!(frame["event"], "sealcast:rekey", "{frame}");
    }
}

#[tokio::test]
async fn e4_grace_key_is_revoked_at_once() {
    let server = TestServer::start(&configuration(OPEN)).await;
    let admin = AdminClient::of(&server);
    let query = "protocol=7&client=pusher-dotnet-client";
    let dotnet = server.connect_with(query).await;
    let mut dotnet = SealedSubscriber::join(&server, dotnet, CHANNEL).await;
    let mut moved = SealedSubscriber::join(&server, server.connect().await, CHANNEL).await;
    let first = id(&admin.report().await["keys"][0]);
    let second = admin.rotate_to(&master_key("second")).await;
    moved.expect(&server, "sealcast:rekey", "{}").await;
    let answer = admin.revoke(&first).await.expect(200, "revoke");
    assert_eq!(answer, json!({"revoked": first, "active": second}));
    assert_eq!(admin.states().await, ["retired", "active"]);
    dotnet.client.expect_rejection(4200).await;
    let envelope = seal(&shared_secret(&master_key("first"), CHANNEL), [2; 24], b"x");
    let body = json!({"name": "e", "channels": [CHANNEL], "data": envelope});
    assert_eq!(server.post("/events", &body).await.refused(422, "old"), "envelope_does_not_open");
    server.publish(CHANNEL, "e", "x").await;
    moved.expect(&server, "e", "x").await;
    assert_eq!(
        admin.rotate(&json!({"key": base64(&master_key("first"))})).await.refused(409, "first"),
        "known_key"
    );
    server.stop().await;
}

#[tokio::test]
async fn e4_pending_key_is_withdrawn() {
    let server = TestServer::start(&configuration(OPEN)).await;
    let admin = AdminClient::of(&server);
    let mut reader = SealedSubscriber::join(&server, server.connect().await, CHANNEL).await;
    let announced = json!({"key": base64(&master_key("second")), "activate_in_seconds": 1});
    let pending = id(&admin.rotate(&announced).await.expect(200, "announce"));
    let active = id(&admin.report().await["keys"][0]);
    let answer = admin.revoke(&pending).await.expect(200, "revoke");
    assert_eq!(answer, json!({"revoked": pending, "active": active}));
    // Beyond the announced time: nothing must happen then.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(admin.states().await, ["active", "retired"]);
    server.publish(CHANNEL, "e", "x").await;
    reader.expect(&server, "e", "x").await;
    assert_eq!(reader.auth_requests, 0);
    server.stop().await;
}

#[tokio::test]
async fn e4_revoked_active_key_opens_no_new_event() {
    // `turns_per_second` does not apply to a forced rekey.
    let slow = format!("{OPEN}\n\n[apps.it.rotation]\nturns_per_second = 1");
    let server = TestServer::start(&configuration(&slow)).await;
    let admin = AdminClient::of(&server);
    let old = shared_secret(&master_key("first"), CHANNEL);
    let cached = "private-encrypted-cache-x";
    server.publish(cached, "kept", "value").await;
    let mut readers = Vec::new();
    for _ in 0..3 {
        readers.push(SealedSubscriber::join(&server, server.connect().await, CHANNEL).await);
    }
    let query = "protocol=7&client=pusher-dotnet-client";
    let mut dotnet =
        SealedSubscriber::join(&server, server.connect_with(query).await, CHANNEL).await;
    let first = id(&admin.report().await["keys"][0]);
    let answer = admin.revoke(&first).await.expect(200, "revoke");
    let report = admin.report().await;
    assert_eq!(admin.states().await, ["retired", "active"]);
    assert_eq!((&answer["active"], &answer["revoked"]), (&report["keys"][1]["id"], &json!(first)));
    for n in 0..10 {
        server.publish(CHANNEL, "e", &n.to_string()).await;
    }
    for reader in &mut readers {
        for n in 0..10 {
            let data = sealed_event_or_first_nudge(reader, &server).await;
            assert_eq!(data, ("e".to_owned(), n.to_string()));
        }
        assert_eq!(reader.auth_requests, 1, "one authorization, however many events");
        assert_ne!(reader.secret, old);
    }
    dotnet.client.expect_rejection(4200).await;
    admin.until_moved().await;
    let envelope = seal(&old, [2; 24], b"x");
    let body = json!({"name": "e", "channels": [CHANNEL], "data": envelope});
    assert_eq!(server.post("/events", &body).await.refused(422, "old"), "envelope_does_not_open");
    let mut late = SealedSubscriber::join(&server, server.connect().await, cached).await;
    late.expect(&server, "kept", "value").await;
    assert_eq!(late.auth_requests, 0, "what was kept has been sealed anew");
    let file =
        std::fs::read_to_string(admin.socket.with_file_name("it.keys.json")).expect("a file");
    assert!(!file.contains(&base64(&master_key("first"))), "a key that is taken back is forgotten");
    server.stop().await;
}

/// The nudge comes first, unless the first event served as the nudge.
async fn sealed_event_or_first_nudge(
    reader: &mut SealedSubscriber,
    server: &TestServer,
) -> (String, String) {
    let read = reader.read(server).await;
    if read.0 == "sealcast:rekey" { reader.read(server).await } else { read }
}

#[tokio::test]
async fn e5_revoked_member_reads_nothing_more() {
    let server = TestServer::start(&hkdf()).await;
    let admin = AdminClient::of(&server);
    let mut theirs = SealedSubscriber::join_as(&server, CHANNEL, "u1").await;
    let mut again = SealedSubscriber::join_as(&server, CHANNEL, "u1").await;
    let mut others = Vec::new();
    for user in ["u2", "u3", "u4"] {
        others.push(SealedSubscriber::join_as(&server, CHANNEL, user).await);
    }
    let mut elsewhere = SealedSubscriber::join_as(&server, "private-encrypted-y", "u1").await;
    server.publish(CHANNEL, "e", "before").await;
    for reader in others.iter_mut().chain([&mut theirs, &mut again]) {
        reader.expect(&server, "e", "before").await;
    }
    let old = theirs.secret;
    let start = Instant::now();
    let first = revoke_member(&server, CHANNEL, "u1").await;
    for n in 0..5 {
        server.publish(CHANNEL, "e", &n.to_string()).await;
    }
    for reader in &mut others {
        for n in 0..5 {
            let read = sealed_event_or_first_nudge(reader, &server).await;
            assert_eq!(read, ("e".to_owned(), n.to_string()));
        }
        assert_eq!(reader.auth_requests, 1);
        assert_ne!(reader.secret, old);
    }
    let moved = start.elapsed();
    assert!(moved < Duration::from_secs(5), "{moved:?}");
    for reader in [&mut theirs, &mut again] {
        expect_revoked(&mut reader.client, CHANNEL).await;
        assert_eq!(reader.request_auth(&server).await.refused(403, "u1"), "revoked");
    }
    assert_eq!(admin.report().await["rotation"]["remaining"], 0);
    // Neither earlier nor later events open with the revoked member's secret.
    server.publish(CHANNEL, "e", "after").await;
    let data = sealed_event(&mut others[0].client, "e").await;
    assert_eq!(open(&others[0].secret, &data), "after");
    assert_eq!(try_open(&old, &data), None);
    theirs.client.expect_silence().await;
    // Other channels are not affected, and the user can be removed from those as well.
    server.publish("private-encrypted-y", "e", "y").await;
    elsewhere.expect(&server, "e", "y").await;
    revoke_member(&server, "private-encrypted-y", "u1").await;
    expect_revoked(&mut elsewhere.client, "private-encrypted-y").await;
    assert!(revoke_member(&server, CHANNEL, "u2").await > first);
    expect_revoked(&mut others[0].client, CHANNEL).await;
    // The channel may be empty.
    revoke_member(&server, "private-encrypted-empty", "u1").await;
    server.stop().await;
}

#[tokio::test]
async fn e5_signed_in_user_is_removed_with_any_authorization() {
    let server = TestServer::start(&hkdf()).await;
    let mut client = server.connect().await;
    client.sign_in(&json!({"id": "u1"})).await;
    // The application's own backend signed: this server does not know the user.
    client.subscribe(CHANNEL).await;
    let mut stranger = server.connect().await;
    stranger.sign_in(&json!({"id": "u2"})).await;
    stranger.subscribe(CHANNEL).await;
    revoke_member(&server, CHANNEL, "u1").await;
    expect_revoked(&mut client, CHANNEL).await;
    server.publish(CHANNEL, "e", "x").await;
    sealed_event(&mut stranger, "e").await;
    client.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn e5_newer_token_readmits_the_user() {
    let state = TempDir::new();
    let launch = || Launch::serve(&with_jwt()).arg("--state-dir").arg(state.path());
    let server = launch().start().await;
    let now = unix_now();
    let mut reader = SealedSubscriber {
        client: server.connect().await,
        channel: CHANNEL.to_owned(),
        user: None,
        bearer: Some(bearer("u1", now - 5)),
        secret: [0; 32],
        auth_requests: 0,
    };
    reader.fetch_secret(&server).await;
    let old = reader.secret;
    reader.client.subscribe(CHANNEL).await;
    revoke_member(&server, CHANNEL, "u1").await;
    expect_revoked(&mut reader.client, CHANNEL).await;
    server.stop().await;

    // The revocation survives a restart.
    let server = launch().start().await;
    reader.client = server.connect().await;
    for issued in [now - 5, now - 100_000] {
        reader.bearer = Some(bearer("u1", issued));
        let response = reader.request_auth(&server).await;
        assert_eq!(response.refused(403, issued), "revoked");
        assert!(!response.text().contains("shared_secret"), "{}", response.text());
    }
    let unsigned = json!({"sub": "u1", "exp": now + 600, "channels": ["*"]});
    reader.bearer = Some(token(&json!({"alg": "HS256"}), &unsigned, JWT_SECRET));
    assert_eq!(reader.request_auth(&server).await.refused(403, "no iat"), "revoked");
    // Other users and other channels are not affected.
    reader.bearer = Some(bearer("u2", now - 5));
    reader.fetch_secret(&server).await;
    assert_ne!(reader.secret, old);
    reader.bearer = Some(bearer("u1", now - 5));
    reader.channel = "private-encrypted-y".to_owned();
    reader.fetch_secret(&server).await;
    reader.channel = CHANNEL.to_owned();
    // `iat` counts in seconds: only tokens of a later second are newer.
    next_second().await;
    reader.bearer = Some(bearer("u1", unix_now()));
    reader.fetch_secret(&server).await;
    reader.client.subscribe(CHANNEL).await;
    server.publish(CHANNEL, "e", "back").await;
    reader.expect(&server, "e", "back").await;
    assert_ne!(reader.secret, old);
    server.stop().await;
}

#[tokio::test]
async fn e5_earlier_secret_is_useless() {
    let server = TestServer::start(&hkdf()).await;
    // Authorized, but not subscribed yet.
    let client = server.connect().await;
    let mut reader = SealedSubscriber {
        client,
        channel: CHANNEL.to_owned(),
        user: Some("u1"),
        bearer: None,
        secret: [0; 32],
        auth_requests: 0,
    };
    reader.fetch_secret(&server).await;
    revoke_member(&server, CHANNEL, "u1").await;
    assert_eq!(reader.request_auth(&server).await.refused(403, "u1"), "revoked");
    reader.client.send_subscribe(CHANNEL).await;
    assert_eq!(reader.client.expect_refused(CHANNEL).await["type"], "Revoked");
    server.publish(CHANNEL, "e", "x").await;
    reader.client.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn e5_invalid_revocations_are_refused() {
    let server = TestServer::start(&hkdf()).await;
    let admin = AdminClient::of(&server);
    let rows = [
        ("/channels/private-x/revoke", json!({"user_id": "u1"}), 400, "not_an_encrypted_channel"),
        ("/channels/presence-x/revoke", json!({"user_id": "u1"}), 400, "not_an_encrypted_channel"),
        ("/channels/bad%20name/revoke", json!({"user_id": "u1"}), 400, "invalid_channel"),
        ("/channels/private-encrypted-x/revoke", json!({}), 400, "invalid_json"),
        ("/channels/private-encrypted-x/revoke", json!({"user_id": 7}), 400, "invalid_json"),
        ("/channels/private-encrypted-x/revoke", json!({"user_id": ""}), 400, "invalid_user_id"),
        (
            "/channels/private-encrypted-x/revoke",
            json!({"user_id": "u".repeat(200)}),
            400,
            "invalid_user_id",
        ),
    ];
    for (path, body, status, code) in rows {
        let response = server.post(path, &body).await;
        assert_eq!(response.refused(status, format!("{path} {body}")), code, "{path} {body}");
    }
    let unsigned = Request::new("POST", format!("/apps/it/channels/{CHANNEL}/revoke"));
    let response = server.send(unsigned.json(&json!({"user_id": "u1"}))).await;
    response.refused(401, "unsigned");
    assert!(!admin.socket.with_file_name("it.keys.json").exists(), "nothing was written");
    server.stop().await;

    for (app, code) in [
        (configuration(OPEN), "revocation_needs_hkdf"),
        (configuration("derivation = \"dotnet\""), "revocation_needs_hkdf"),
        (config("mode = \"blind\""), "blind_channel"),
    ] {
        let server = TestServer::start(&app).await;
        let path = format!("/channels/{CHANNEL}/revoke");
        let response = server.post(&path, &json!({"user_id": "u1"})).await;
        assert_eq!(response.refused(409, code), code);
        server.stop().await;
    }
}

#[tokio::test]
async fn e5_rotation_and_revocation_work_together() {
    let server = TestServer::start(&hkdf()).await;
    let admin = AdminClient::of(&server);
    let mut stays = SealedSubscriber::join_as(&server, CHANNEL, "u2").await;
    let mut goes = SealedSubscriber::join_as(&server, CHANNEL, "u1").await;
    admin.rotate(&json!({})).await.expect(200, "rotate");
    revoke_member(&server, CHANNEL, "u1").await;
    for n in 0..20 {
        server.publish(CHANNEL, "e", &n.to_string()).await;
    }
    for n in 0..20 {
        let mut read = stays.read(&server).await;
        while read.0 == "sealcast:rekey" {
            read = stays.read(&server).await;
        }
        assert_eq!(read, ("e".to_owned(), n.to_string()));
    }
    admin.until_moved().await;
    let old = goes.secret;
    loop {
        let frame = goes.client.next().await;
        if frame["event"] == "pusher:subscription_error" {
            assert_eq!(frame["data"]["type"], "Revoked", "{frame}");
            break;
        }
        // A nudge of the rotation may already be on its way.
        assert_eq!(try_open(&old, frame["data"].as_str().expect("data")), None, "{frame}");
    }
    goes.client.expect_silence().await;
    server.stop().await;
}
