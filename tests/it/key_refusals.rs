//! Refused key changes: each names its reason and changes nothing.

use serde_json::{Value, json};

use crate::support::*;

const CHANNEL: &str = "private-encrypted-x";

/// Three apps: one with a key, one in blind mode, one with blind channels.
fn configuration() -> String {
    let key = base64(&master_key("first"));
    let app = format!("authorizer = \"open\"\nmaster_key = \"{key}\"\n\n[apps.it.rotation]");
    config_of("log = \"trace\"", &[(APP, &app), (OTHER, "mode = \"blind\"")])
}

/// The state that a refusal must not change.
async fn state(admin: &AdminClient) -> (Value, Option<String>) {
    let keys = admin.report().await["keys"].clone();
    let file = admin.socket.with_file_name("it.keys.json");
    (keys, std::fs::read_to_string(file).ok())
}

#[tokio::test]
async fn e3_unusable_keys_are_refused_and_never_echoed() {
    let server = TestServer::start(&configuration()).await;
    let admin = AdminClient::of(&server);
    admin.rotate_to(&master_key("second")).await;
    let before = state(&admin).await;
    let rows = [
        (base64(&master_key("second")), 409, "same_key"),
        (format!("hex:{}", hex(&master_key("second"))), 409, "same_key"),
        (base64(&master_key("first")), 409, "known_key"),
        ("canary-that-is-no-key".to_owned(), 422, "invalid_key"),
        (format!("base64:{}", base64(&[3, 77].repeat(15))), 422, "invalid_key"),
        (format!("hex:{}", &hex(&master_key("canary"))[2..]), 422, "invalid_key"),
        (base64(&[0x5c; 32]), 422, "invalid_key"),
        ("abcdefghijklmnopqrstuvwxyz012345".to_owned(), 422, "invalid_key"),
        (String::new(), 422, "invalid_key"),
        ("file:/no/such/file".to_owned(), 422, "invalid_key"),
    ];
    for (key, status, code) in &rows {
        for extra in [json!({"key": key}), json!({"key": key, "activate_in_seconds": 60})] {
            let response = admin.rotate(&extra).await;
            assert_eq!(response.refused(*status, key), *code, "{key}");
            let value = key.rsplit(':').next().unwrap_or_default();
            assert!(
                value.len() < 5
                    || *code == "invalid_key" && key.starts_with("file:")
                    || !response.text().contains(value),
                "{}",
                response.text()
            );
            assert_eq!(state(&admin).await, before, "{key}");
        }
    }
    for (key, _, _) in rows {
        let value = key.rsplit(':').next().unwrap_or_default();
        let shown = server.printed();
        assert!(value.len() < 5 || key.starts_with("file:") || !shown.contains(value), "{key}");
    }
    // The refused key is not in use: envelopes under it are refused.
    let envelope = seal(&shared_secret(&master_key("canary"), CHANNEL), [1; 24], b"x");
    let body = json!({"name": "e", "channels": [CHANNEL], "data": envelope});
    assert_eq!(
        server.post("/events", &body).await.refused(422, "canary"),
        "envelope_does_not_open"
    );
    server.stop().await;
}

#[tokio::test]
async fn e3_invalid_bodies_change_nothing() {
    let server = TestServer::start(&configuration()).await;
    let admin = AdminClient::of(&server);
    let before = state(&admin).await;
    let secret = "canary-in-the-wrong-place-4f1d";
    let bodies = [
        "{".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        format!("\"{secret}\""),
        json!({"kye": secret}).to_string(),
        json!({"key": [secret]}).to_string(),
        json!({"grace_seconds": secret}).to_string(),
        json!({"activate_in_seconds": -1}).to_string(),
        json!({"activate_in_seconds": 1.5}).to_string(),
    ];
    for body in bodies {
        let request = admin.request("POST", "/rotate").body("application/json", body.clone());
        let response = admin.send(&request).await;
        assert_eq!(response.refused(400, &body), "invalid_json", "{body}");
        assert!(!response.text().contains(secret), "{}", response.text());
    }
    for name in ["activate_in_seconds", "grace_seconds"] {
        for seconds in [31_536_001, u64::MAX] {
            let response = admin.rotate(&json!({ name: seconds })).await;
            assert_eq!(response.refused(400, name), "invalid_seconds", "{name} {seconds}");
        }
    }
    let long = json!({"key": "x".repeat(5000)});
    assert_eq!(admin.rotate(&long).await.refused(413, "long"), "body_too_large");
    let revoke = admin.request("POST", "/0123456789ab/revoke").json(&json!({"now": true}));
    assert_eq!(admin.send(&revoke).await.refused(400, "revoke"), "invalid_json");
    assert!(!server.printed().contains(secret));
    assert_eq!(state(&admin).await, before);
    server.stop().await;
}

#[tokio::test]
async fn e3_unknown_apps_and_keys() {
    let server = TestServer::start(&configuration()).await;
    let admin = AdminClient::of(&server);
    let blind = AdminClient { app: OTHER, socket: admin.socket.clone() };
    let get = blind.request("GET", "");
    assert_eq!(blind.send(&get).await.refused(409, "blind"), "no_keys");
    assert_eq!(blind.rotate(&json!({})).await.refused(409, "blind"), "no_keys");
    assert_eq!(blind.revoke("0123456789ab").await.refused(409, "blind"), "no_keys");
    let unknown = AdminClient { app: App { id: "nobody", ..APP }, socket: admin.socket.clone() };
    for (method, path) in [("GET", ""), ("POST", "/rotate"), ("POST", "/0123456789ab/revoke")] {
        let response = unknown.send(&unknown.request(method, path)).await;
        assert_eq!(response.refused(404, path), "unknown_app", "{method} {path}");
    }
    for id in ["0123456789ab", "x", "%00", "..%2f"] {
        assert_eq!(admin.revoke(id).await.refused(404, id), "unknown_key", "{id}");
    }
    admin.rotate(&json!({"grace_seconds": 0})).await.expect(200, "rotate");
    admin.until_states(&["retired", "active"]).await;
    let retired = id(&admin.report().await["keys"][0]);
    assert_eq!(admin.revoke(&retired).await.refused(409, "retired"), "key_retired");
    server.stop().await;
}

#[tokio::test]
async fn e3_apps_cannot_come_to_share_a_key() {
    let app = |label: &str| format!("master_key = \"{}\"", base64(&master_key(label)));
    let text = config_of("", &[(APP, &app("first")), (OTHER, &app("other"))]);
    let server = TestServer::start(&text).await;
    let admin = AdminClient::of(&server);
    let body = json!({"key": base64(&master_key("other"))});
    let response = admin.rotate(&body).await;
    assert_eq!(response.refused(409, "of another app"), "shared_key");
    assert!(response.text().contains("the app other"), "{}", response.text());
    assert_eq!(admin.states().await, ["active"]);
    // The other app moves away from it, and still has it in its grace period.
    let other = AdminClient { app: OTHER, socket: admin.socket.clone() };
    other.rotate(&json!({"grace_seconds": 1})).await.expect(200, "rotate");
    assert_eq!(admin.rotate(&body).await.refused(409, "in grace"), "shared_key");
    other.until_states(&["retired", "active"]).await;
    admin.rotate(&body).await.expect(200, "nobody has it any more");
    server.stop().await;

    let app = |label: &str| format!("{}\nallow_shared_master_key = true", app(label));
    let text = config_of("", &[(APP, &app("first")), (OTHER, &app("other"))]);
    let server = TestServer::start(&text).await;
    AdminClient::of(&server).rotate(&body).await.expect(200, "both say so");
    server.stop().await;
}

#[tokio::test]
async fn e4_one_rotation_at_a_time() {
    let server = TestServer::start(&configuration()).await;
    let admin = AdminClient::of(&server);
    let mut slow = SealedSubscriber::join(&server, server.connect().await, CHANNEL).await;
    admin.rotate_to(&master_key("second")).await;
    let before = state(&admin).await;
    for body in [json!({}), json!({"activate_in_seconds": 5})] {
        let response = admin.rotate(&body).await;
        assert_eq!(response.refused(409, &body), "rotation_in_progress");
        assert!(response.text().contains("1 subscription"), "{}", response.text());
    }
    assert_eq!(state(&admin).await, before);
    slow.expect(&server, "sealcast:rekey", "{}").await;
    admin.until_moved().await;
    admin.rotate_to(&master_key("third")).await;
    slow.expect(&server, "sealcast:rekey", "{}").await;
    admin.until_moved().await;
    assert_eq!(
        (slow.auth_requests, slow.secret),
        (2, shared_secret(&master_key("third"), CHANNEL))
    );
    server.stop().await;
}

#[tokio::test]
async fn e3_full_disk_changes_nothing() {
    let config =
        configuration().replace("[apps.it.rotation]", "derivation = \"hkdf\"\n[apps.it.rotation]");
    let server = TestServer::start(&config).await;
    let admin = AdminClient::of(&server);
    let mut reader = SealedSubscriber::join_as(&server, CHANNEL, "u1").await;
    let secret = reader.secret;
    server.fill_disk();
    let before = state(&admin).await;
    assert_eq!(admin.rotate(&json!({})).await.refused(503, "rotate"), "state_not_written");
    let announce = json!({"activate_in_seconds": 1});
    assert_eq!(admin.rotate(&announce).await.refused(503, "announce"), "state_not_written");
    assert_eq!(state(&admin).await, before);
    server.publish(CHANNEL, "e", "still sealed with the old key").await;
    reader.expect(&server, "e", "still sealed with the old key").await;
    assert_eq!((reader.secret, reader.auth_requests), (secret, 0));
    // With room again, the refused change succeeds.
    server.empty_disk();
    admin.rotate(&json!({})).await.expect(200, "rotate");
    reader.expect(&server, "sealcast:rekey", "{}").await;
    server.stop().await;
}

#[tokio::test]
async fn e3_due_change_waits_for_the_disk() {
    let config =
        configuration().replace("[apps.it.rotation]", "[apps.it.rotation]\ngrace_seconds = 1");
    let server = TestServer::start(&config).await;
    let admin = AdminClient::of(&server);
    admin.rotate(&json!({"activate_in_seconds": 1})).await.expect(200, "announce");
    server.fill_disk();
    until("the log says why", async || {
        server.printed().contains("a change of keys that is due waits").then_some(())
    })
    .await;
    assert_eq!(admin.states().await, ["active", "pending"]);
    server.empty_disk();
    admin.until_states(&["retired", "active"]).await;
    assert_eq!(
        server.printed().matches("that is due waits").count(),
        1,
        "told once, not every second"
    );
    server.stop().await;
}
