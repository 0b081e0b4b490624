//! Channels that take ciphertext only (`payload = "ciphertext"`), and reserved names of events.

use serde_json::{Value, json};

use crate::support::*;

const RULE: &str = "client_events = true\n\
    [[apps.it.channels]]\npattern = \"private-open-*\"\npayload = \"any\"\n\
    [[apps.it.channels]]\npattern = \"*\"\npayload = \"ciphertext\"";

fn url(bytes: &[u8]) -> String {
    base64(bytes).trim_end_matches('=').replace('+', "-").replace('/', "_")
}

/// As a page encrypts with AES-GCM.
fn encrypted() -> String {
    format!("{}.{}", url(&[0xfb; 12]), url(&[0xfe; 40]))
}

/// Plaintext in the forms of mistakes.
fn mistakes() -> Vec<String> {
    let text = br#"{"text":"hello everybody, this is encoded"}"#;
    vec![
        String::new(),
        "hello".into(),
        r#"{"text":"hello"}"#.into(),
        json!({"nonce": "", "ciphertext": ""}).to_string(),
        json!({"iv": url(&[0xfb; 12]), "ct": url(&[0xfe; 40])}).to_string(),
        base64(text),
        url(text),
        format!("{}.{}", url(&text[..12]), url(&text[12..])),
        format!("{}.{}", base64(&[0xfb; 12]), base64(&[0xfe; 40])),
        format!("{}.{}", url(&[0xfb; 12]), url(&[0xfe; 16])),
    ]
}

#[tokio::test]
async fn h_plaintext_is_refused_audited_and_not_delivered() {
    let dir = TempDir::new();
    let audit = dir.path().join("audit.jsonl");
    let settings = format!("audit_file = \"{}\"", audit.display());
    let server = TestServer::start(&config_of(&settings, &[(APP, RULE)])).await;
    let mut client = server.connect().await;
    client.subscribe("news").await;
    client.subscribe("private-open-x").await;
    let mut refused = 0;
    for data in mistakes() {
        let body = json!({"name": "e", "channels": ["private-open-x", "news"], "data": data});
        let response = server.post("/events", &body).await;
        assert_eq!(response.refused(422, &data), "plaintext_refused");
        let sentence = response.json()["error"].as_str().unwrap_or_default().to_owned();
        assert!(sentence.starts_with("channel news takes ciphertext only"), "{sentence}");
        let good = json!({"name": "e", "channel": "news", "data": encrypted()});
        let bad = json!({"name": "e", "channel": "news", "data": data});
        let response = server.post("/batch_events", &json!({"batch": [good, bad]})).await;
        assert_eq!(response.refused(422, &data), "plaintext_refused");
        assert_eq!(response.json()["index"], 1);
        refused += 2;
    }
    client.expect_silence().await;
    assert_eq!(server.stats().await["refused"]["plaintext"], refused);
    server
        .until_metric("sealcast_plaintext_refused_total", &[("app", APP.id)], refused as f64)
        .await;
    server.publish("private-open-x", "e", "plaintext").await;
    client.expect(json!({"event": "e", "channel": "private-open-x", "data": "plaintext"})).await;
    let output = server.stop().await;
    let text = std::fs::read_to_string(&audit).expect("an audit file");
    let facts: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a JSON line"))
        .filter(|line| line["event"] == "plaintext_refused")
        .collect();
    assert_eq!(facts.len(), refused as usize);
    assert!(facts.iter().all(|fact| fact["app"] == "it" && fact["channel"] == "news"));
    assert!(!text.contains("hello") && !output.stderr.contains("hello"), "{output:?}");
}

#[tokio::test]
async fn h_ciphertext_arrives_as_it_was_sent() {
    let key = format!("master_key = \"{}\"\n{RULE}", base64(&master_key("payload rule")));
    let server = TestServer::start(&config(&key)).await;
    let mut client = server.connect().await;
    client.subscribe("news").await;
    client.subscribe("private-encrypted-x").await;
    let envelope = seal(&[42; 32], [7; 24], b"hello");
    for data in [encrypted(), format!("\"{}\"", encrypted()), envelope] {
        server.publish("news", "e", &data).await;
        client.expect(json!({"event": "e", "channel": "news", "data": data})).await;
    }
    // On a sealed channel the rule is about what the backend sends.
    let body = json!({"name": "e", "channel": "private-encrypted-x", "data": "plaintext"});
    assert_eq!(server.post("/events", &body).await.refused(422, &body), "plaintext_refused");
    server.publish("private-encrypted-x", "e", &encrypted()).await;
    let frame = client.next().await;
    let secret = shared_secret(&master_key("payload rule"), "private-encrypted-x");
    assert_eq!(open(&secret, frame["data"].as_str().unwrap_or_default()), encrypted());
    server.stop().await;
}

#[tokio::test]
async fn h_client_events_in_plaintext_are_refused() {
    let server = TestServer::start(&config(RULE)).await;
    let (mut alice, mut bob) = (server.connect().await, server.connect().await);
    for client in [&mut alice, &mut bob] {
        client.subscribe("private-x").await;
    }
    for data in [json!("hello"), json!({"text": "hello"}), json!(5)] {
        alice.client_event("private-x", "client-x", data).await;
        let message = alice.expect_error(None).await;
        assert!(message.contains("channel private-x takes ciphertext only"), "{message}");
    }
    bob.expect_silence().await;
    assert_eq!(server.stats().await["refused"]["plaintext"], 3);
    for data in [encrypted(), seal(&[42; 32], [7; 24], b"hello")] {
        alice.client_event("private-x", "client-x", json!(data)).await;
        bob.expect(json!({"event": "client-x", "channel": "private-x", "data": data})).await;
    }
    alice.expect_silence().await;
    server.stop().await;
}

/// An event of a page, with an access token.
async fn publish_as_page(server: &TestServer, token: &str, data: &str) -> Response {
    let body = json!({"name": "client-x", "channel": "private-x", "data": data});
    let request = Request::new("POST", format!("/app/{}/events", APP.key))
        .header("Authorization", &format!("Bearer {token}"))
        .body("application/json", body.to_string());
    server.send(request).await
}

#[tokio::test]
async fn h_plaintext_of_pages_over_http_is_refused() {
    let server = TestServer::start(&config(RULE)).await;
    let wanted =
        json!({"user_id": "u1", "channels": ["private-x"], "ttl": 60, "allow": ["trigger"]});
    let minted = server.post("/tokens", &wanted).await.expect(200, &wanted);
    let token = minted["token"].as_str().expect("a token");
    let mut client = server.connect().await;
    client.subscribe("private-x").await;
    // A user may publish ten events a second.
    for data in mistakes().into_iter().take(5) {
        let response = publish_as_page(&server, token, &data).await;
        assert_eq!(response.refused(422, &data), "plaintext_refused");
    }
    client.expect_silence().await;
    publish_as_page(&server, token, &encrypted()).await.expect(200, "ciphertext");
    client.expect_event("client-x").await;
    server.stop().await;
}

#[tokio::test]
async fn h_payload_rule_is_reloaded_for_open_channels() {
    let mut it = ReloadFixture::start(&config("")).await;
    it.server.publish("news", "e", "plaintext").await;
    it.open_client.expect_event("e").await;
    it.apply(&config(RULE)).await;
    let body = json!({"name": "e", "channel": "news", "data": "plaintext"});
    assert_eq!(it.server.post("/events", &body).await.refused(422, &body), "plaintext_refused");
    it.apply(&config("")).await;
    it.server.publish("news", "e", "plaintext").await;
    it.open_client.expect_event("e").await;
    it.stop().await;
}

#[tokio::test]
async fn h22_events_of_the_server_cannot_be_forged() {
    let server = TestServer::start(&config("client_events = true")).await;
    let (mut alice, mut bob) = (server.connect().await, server.connect().await);
    for client in [&mut alice, &mut bob] {
        client.subscribe("private-x").await;
    }
    for name in ["sealcast:gap", "sealcast:end", "sealcast:rekey", "sealcast_internal:x"] {
        let event = json!({"name": name, "channel": "private-x", "data": "{}"});
        let response = server.post("/events", &event).await;
        assert_eq!(response.refused(400, name), "invalid_event_name");
        let response = server.post("/batch_events", &json!({"batch": [event]})).await;
        assert_eq!(response.refused(400, name), "invalid_event_name");
        alice.client_event("private-x", name, json!("{}")).await;
        alice.expect_error(None).await;
    }
    bob.expect_silence().await;
    server.publish("private-x", "sealcast-like", "1").await;
    bob.expect_event("sealcast-like").await;
    server.stop().await;
}
