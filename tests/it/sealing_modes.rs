//! encryption.md 1: refusals on encrypted channels in both modes.

use serde_json::{Value, json};

use crate::support::*;

const CHANNEL: &str = "private-encrypted-x";

fn auto() -> String {
    config(&format!("master_key = \"{}\"", base64(&master_key("modes"))))
}

fn secret() -> [u8; 32] {
    shared_secret(&master_key("modes"), CHANNEL)
}

fn event(channels: Value, data: &str) -> Value {
    json!({"name": "e", "channels": channels, "data": data})
}

#[tokio::test]
async fn e1_valid_envelope_is_relayed_byte_for_byte() {
    let server = TestServer::start(&auto()).await;
    let mut client = server.connect().await;
    client.subscribe(CHANNEL).await;
    let sealed = seal(&secret(), [5; 24], b"{\"by\":\"the SDK\"}");
    let parts: Value = serde_json::from_str(&sealed).expect("an envelope");
    let (nonce, ciphertext) = (&parts["nonce"], &parts["ciphertext"]);
    let rows = [
        sealed.clone(),
        format!(r#"{{"ciphertext":{ciphertext},"nonce":{nonce}}}"#),
        format!(r#" {{ "nonce" : {nonce} , "ciphertext" : {ciphertext} }} "#),
        seal(&secret(), [6; 24], b""),
    ];
    for data in rows {
        server.publish(CHANNEL, "e", &data).await;
        client.expect(json!({"event": "e", "channel": CHANNEL, "data": data})).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn e1_invalid_envelope_is_refused_and_not_delivered() {
    let server = TestServer::start(&auto()).await;
    let mut client = server.connect().await;
    client.subscribe(CHANNEL).await;
    let good: Value =
        serde_json::from_str(&seal(&secret(), [5; 24], b"hello!")).expect("an envelope");
    assert!(good["ciphertext"].as_str().is_some_and(|text| text.ends_with("==")), "{good}");
    let changed = |field: &str, value: &str| {
        let mut parts = good.clone();
        parts[field] = json!(value);
        parts.to_string()
    };
    let text = |field: &str| good[field].as_str().unwrap_or_default().to_owned();
    let mut bytes = unbase64(&text("ciphertext"));
    bytes[0] ^= 1;
    let rows = [
        ("another key", seal(&[9; 32], [5; 24], b"hello")),
        (
            "another channel's key",
            seal(&shared_secret(&master_key("modes"), "private-encrypted-y"), [5; 24], b"hello"),
        ),
        ("the master key itself", seal(&master_key("modes"), [5; 24], b"hello")),
        ("one bit changed", changed("ciphertext", &base64(&bytes))),
        ("another nonce", changed("nonce", &base64(&[6; 24]))),
        ("a nonce of 23 bytes", changed("nonce", &base64(&[5; 23]))),
        ("a nonce of 25 bytes", changed("nonce", &base64(&[5; 25]))),
        ("no nonce", changed("nonce", "")),
        ("a ciphertext of 15 bytes", changed("ciphertext", &base64(&bytes[..15]))),
        ("no ciphertext", changed("ciphertext", "")),
        ("not base64", changed("ciphertext", "*")),
        ("unpadded", changed("ciphertext", text("ciphertext").trim_end_matches('='))),
        ("the URL alphabet", changed("nonce", &base64(&[0xff; 24]).replace('/', "_"))),
    ];
    let mut answers = Vec::new();
    for (name, data) in rows {
        let response = server.post("/events", &event(json!([CHANNEL]), &data)).await;
        assert_eq!(response.refused(422, name), "envelope_does_not_open", "{name}");
        answers.push(response.text());
    }
    // encryption.md 6: "cannot be opened" and "malformed" must look the same.
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    client.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn e1_accepted_events_open_for_subscribers() {
    let server = TestServer::start(&auto()).await;
    let mut client = server.connect().await;
    client.subscribe(CHANNEL).await;
    // Almost an envelope: the server may take it as plaintext or refuse it, but must never
    // deliver an event that a subscriber cannot open.
    let good: Value =
        serde_json::from_str(&seal(&secret(), [5; 24], b"hello")).expect("an envelope");
    let (nonce, ciphertext) = (&good["nonce"], &good["ciphertext"]);
    let rows = [
        r#"{"nonce":1,"ciphertext":2}"#.to_owned(),
        r#"{"nonce":null,"ciphertext":null}"#.to_owned(),
        r#"{"nonce":"x"}"#.to_owned(),
        r#"{"ciphertext":"x"}"#.to_owned(),
        r#"{"Nonce":"x","Ciphertext":"y"}"#.to_owned(),
        format!(r#"{{"nonce":{nonce},"ciphertext":{ciphertext},"more":1}}"#),
        format!(r#"{{"nonce":{nonce},"nonce":"x","ciphertext":{ciphertext}}}"#),
        format!(r#"{{"nonce":"x","ciphertext":"y","nonce":{nonce},"ciphertext":{ciphertext}}}"#),
        format!(r#"[{{"nonce":{nonce},"ciphertext":{ciphertext}}}]"#),
        json!(good.to_string()).to_string(),
        format!(r#"{{"\u006eonce":{nonce},"ciphertext":{ciphertext}}}"#),
    ];
    for data in rows {
        let response = server.post("/events", &event(json!([CHANNEL]), &data)).await;
        if response.status == 200 {
            let frame = client.next().await;
            let opened = open(&secret(), frame["data"].as_str().unwrap_or_default());
            assert!(opened == data || opened == "hello", "{data}: {opened}");
        } else {
            response.refused(422, &data);
        }
        client.expect_silence().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn e1_one_envelope_for_several_channels_is_refused() {
    let server = TestServer::start(&auto()).await;
    let mut client = server.connect().await;
    client.subscribe(CHANNEL).await;
    client.subscribe("private-encrypted-y").await;
    let data = seal(&secret(), [5; 24], b"hello");
    let response =
        server.post("/events", &event(json!([CHANNEL, "private-encrypted-y"]), &data)).await;
    assert_eq!(response.refused(400, "two channels"), "envelope_for_several_channels");
    client.expect_silence().await;
    // The same channel twice is one channel.
    server
        .post("/events", &event(json!([CHANNEL, CHANNEL]), &data))
        .await
        .expect(200, "one channel, named twice");
    client.expect(json!({"event": "e", "channel": CHANNEL, "data": data})).await;
    client.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn e1_mixing_encrypted_and_other_channels_needs_allow_mixed() {
    let server = TestServer::start(&auto()).await;
    let mut client = server.connect().await;
    client.subscribe(CHANNEL).await;
    client.subscribe("news").await;
    for other in ["news", "private-x", "presence-x", "cache-x", "#server-to-user-u1"] {
        for channels in [json!([CHANNEL, other]), json!([other, CHANNEL])] {
            let response = server.post("/events", &event(channels.clone(), "hello")).await;
            assert_eq!(response.refused(400, &channels), "mixed_channels", "{channels}");
            let mut body = event(channels.clone(), "hello");
            body["allow_mixed"] = json!(false);
            server.post("/events", &body).await.refused(400, &body);
        }
    }
    client.expect_silence().await;
    let mut body = event(json!(["news", CHANNEL]), "hello");
    body["allow_mixed"] = json!(true);
    server.post("/events", &body).await.expect(200, &body);
    let mut frames = [client.next().await, client.next().await];
    frames.sort_by_key(|frame| frame["channel"].to_string());
    assert_eq!(frames[0], json!({"event": "e", "channel": "news", "data": "hello"}));
    assert_eq!(open(&secret(), frames[1]["data"].as_str().unwrap_or_default()), "hello");
    client.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn e1_look_alike_names_are_refused_with_the_right_spelling() {
    let server = TestServer::start(&auto()).await;
    let mut client = server.connect().await;
    for name in [
        "private-encrypted",
        "private_encrypted-x",
        "Private-Encrypted-x",
        "PRIVATE-ENCRYPTED-x",
        "private-Encrypted-x",
    ] {
        let response = server.post("/events", &event(json!([name]), "secret")).await;
        response.refused(400, name);
        let answer = response.json();
        let sentence = answer["error"].as_str().unwrap_or_default();
        assert!(sentence.contains("private-encrypted-"), "{name}: {sentence}");
        client.send_subscribe(name).await;
        let refusal = client.expect_refused(name).await;
        let sentence = refusal["error"].as_str().unwrap_or_default();
        assert!(sentence.contains("private-encrypted-"), "{name}: {sentence}");
    }
    server.stop().await;
}

/// An app in blind mode: without a key, or configured so.
async fn blind_rules(server: TestServer, channel: &str) {
    let mut client = server.connect().await;
    client.subscribe(channel).await;
    let nonce = base64(&[1; 24]);
    let refused = [
        "".to_owned(),
        "hello".to_owned(),
        "{}".to_owned(),
        "null".to_owned(),
        "{\"a\":1}".to_owned(),
        format!(r#"{{"nonce":"{nonce}"}}"#),
        format!(r#"{{"nonce":"{nonce}","ciphertext":null}}"#),
        format!(r#"{{"nonce":"{nonce}","ciphertext":""}}"#),
        format!(r#"{{"nonce":"{nonce}","ciphertext":"{}"}}"#, base64(&[2; 15])),
        format!(r#"{{"nonce":"{}","ciphertext":"{}"}}"#, base64(&[1; 23]), base64(&[2; 16])),
        format!(
            r#"{{"nonce":"{nonce}","ciphertext":"{}"}}"#,
            base64(&[0xff; 18]).replace('/', "_")
        ),
        format!(
            r#"{{"nonce":"{nonce}","ciphertext":"{}"}}"#,
            base64(&[2; 17]).trim_end_matches('=')
        ),
        format!(r#"{{"nonce":"{nonce}","ciphertext":"*"}}"#),
        format!(r#"[{{"nonce":"{nonce}","ciphertext":"{}"}}]"#, base64(&[2; 16])),
        format!(r#"{{"nonce":"{nonce}","ciphertext":"{}"}} and more"#, base64(&[2; 16])),
    ];
    let tries = 2 * refused.len() as u64;
    for data in refused {
        let response = server.post("/events", &event(json!([channel]), &data)).await;
        let code = response.refused(422, &data);
        if !data.contains("nonce") {
            assert_eq!(code, "plaintext_on_encrypted_channel", "{data}");
        }
        let batch = json!({"batch": [{"name": "e", "channel": channel, "data": data}]});
        server.post("/batch_events", &batch).await.refused(422, &data);
    }
    let counted = server.stats().await["refused"].clone();
    let count = |what: &str| counted[what].as_u64().unwrap_or_default();
    assert!(count("plaintext") > 0 && count("envelopes") > 0, "{counted}");
    assert_eq!(count("plaintext") + count("envelopes"), tries, "{counted}");
    client.expect_silence().await;
    // Sealed with a key unknown to this server.
    for plaintext in ["", "hello"] {
        let data = seal(&[42; 32], [7; 24], plaintext.as_bytes());
        server.publish(channel, "e", &data).await;
        client.expect(json!({"event": "e", "channel": channel, "data": data})).await;
    }
    let body =
        event(json!([channel, "private-encrypted-blind-second"]), &seal(&[42; 32], [7; 24], b"x"));
    server.post("/events", &body).await.refused(400, "one envelope for two channels");
    client.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn e1_without_a_key_only_envelopes_pass() {
    blind_rules(TestServer::start(&config("")).await, CHANNEL).await;
}

#[tokio::test]
async fn e1_in_blind_mode_only_envelopes_pass() {
    blind_rules(TestServer::start(&config("mode = \"blind\"")).await, CHANNEL).await;
}

#[tokio::test]
async fn e1_channel_rule_overrides_the_mode_of_the_app() {
    let rule = "channels = [ { pattern = \"private-encrypted-blind-*\", mode = \"blind\" } ]";
    let keys = format!("master_key = \"{}\"\n{rule}", base64(&master_key("modes")));
    let server = TestServer::start(&config(&keys)).await;
    let mut client = server.connect().await;
    client.subscribe(CHANNEL).await;
    server.publish(CHANNEL, "e", "sealed here").await;
    let frame = client.next().await;
    assert_eq!(open(&secret(), frame["data"].as_str().unwrap_or_default()), "sealed here");
    blind_rules(server, "private-encrypted-blind-x").await;
}
