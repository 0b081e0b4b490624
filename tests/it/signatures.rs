//! protocol.md 2.3 and 2.4: the signed text, and the form of a refused subscription.

use serde_json::{Value, json};

use crate::support::*;

async fn ask(client: &mut Client, channel: &str, auth: Value, channel_data: Option<&str>) {
    let mut data = json!({"channel": channel, "auth": auth});
    if let Some(text) = channel_data {
        data["channel_data"] = json!(text);
    }
    client.send(&json!({"event": "pusher:subscribe", "data": data})).await;
}

#[tokio::test]
async fn s2_3_valid_signatures_are_accepted() {
    let server = TestServer::start(&config("")).await;
    let data = r#"{"user_id":"u","user_info":{"name":"ü"}}"#;
    for channel in ["private-x", "private-cache-x", "private-a=@,.;b"] {
        let mut client = server.connect().await;
        let plain = client.auth(channel, None);
        let with_data = client.auth(channel, Some(data));
        let (key, signature) = plain.split_once(':').expect("key:signature");
        let upper = format!("{key}:{}", signature.to_uppercase());
        // Custom authorizers send channel_data on plain private channels, signed or not.
        let rows = [
            (plain.clone(), None),
            (upper, None),
            (with_data, Some(data)),
            (plain.clone(), Some(data)),
            (plain, Some("")),
        ];
        for (auth, channel_data) in rows {
            println!("{channel} {auth} {channel_data:?}");
            ask(&mut client, channel, json!(auth), channel_data).await;
            client.expect_subscribed(channel).await;
            if channel.contains("cache") {
                client.expect_event("pusher:cache_miss").await;
            }
            client.unsubscribe(channel).await;
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn s2_3_presence_signatures_cover_channel_data_byte_for_byte() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    for data in [
        r#"{"user_id":"u"}"#,
        r#" { "user_id" : "u" , "user_info":null } "#,
        r#"{"user_info":{"é":"\u00e9"},"user_id":"u"}"#,
    ] {
        client.send_presence_subscribe("presence-x", data).await;
        client.expect_joined("presence-x").await;
        client.unsubscribe("presence-x").await;
    }
    let signed = client.auth("presence-x", Some(r#"{"user_id":"u"}"#));
    for other in [
        r#"{"user_id":"v"}"#,
        r#"{"user_id": "u"}"#,
        r#"{"user_id":"u"} "#,
        r#"{"user_id":"u","user_info":{}}"#,
    ] {
        ask(&mut client, "presence-x", json!(signed), Some(other)).await;
        let refusal = client.expect_refused("presence-x").await;
        assert_eq!(refusal["status"], 401, "{other}: {refusal}");
    }
    // A signature without channel_data must not cover channel_data: it would allow any identity.
    let bare = client.auth("presence-x", None);
    ask(&mut client, "presence-x", json!(bare), Some(r#"{"user_id":"admin"}"#)).await;
    client.expect_refused("presence-x").await;
    ask(&mut client, "presence-x", json!(bare), None).await;
    client.expect_refused("presence-x").await;
    server.stop().await;
}

#[tokio::test]
async fn s2_4_bad_signatures_get_both_frames_in_order() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    let stranger = server.connect().await;
    for (channel, data) in
        [("private-x", None), ("presence-x", Some(r#"{"user_id":"u"}"#)), ("private-cache-x", None)]
    {
        let good = client.auth(channel, data);
        let (_, signature) = good.split_once(':').expect("key:signature");
        let wrong_secret = App { secret: "not the secret", ..APP };
        let rows = [
            json!(""),
            Value::Null,
            json!(":"),
            json!(APP.key),
            json!(format!("{}:", APP.key)),
            json!(signature),
            json!(format!(":{signature}")),
            json!(format!("{}:{signature}", OTHER.key)),
            json!(format!("{good}0")),
            json!(format!("{good} ")),
            json!(format!(" {good}")),
            json!(good[..good.len() - 1]),
            json!(format!("{}:{}", APP.key, "0".repeat(64))),
            json!(format!("{}:{}", APP.key, "z".repeat(64))),
            json!(format!("{}:{}", APP.key, "é".repeat(32))),
            json!(stranger.auth(channel, data)),
            json!(client.auth("private-y", data)),
            json!(wrong_secret.channel_auth(&client.socket_id, channel, data)),
            json!(client.app.user_auth(&client.socket_id, data.unwrap_or("{}"))),
        ];
        for auth in rows {
            println!("{channel} {auth}");
            ask(&mut client, channel, auth.clone(), data).await;
            let refusal = client.expect_refused(channel).await;
            assert_eq!(refusal["type"], "AuthError", "{auth}: {refusal}");
            assert_eq!(refusal["status"], 401, "{auth}: {refusal}");
            let message = refusal.to_string();
            let told = auth.as_str().is_some_and(|text| text.contains(signature));
            assert!(
                told || !message.contains(signature),
                "{auth}: the answer tells the right signature: {message}"
            );
            assert!(!message.contains(APP.secret), "{auth}: {message}");
        }
    }
    // Nothing above subscribed, and nothing closed the connection.
    for channel in ["private-x", "presence-x", "private-cache-x"] {
        server.publish(channel, "e", "1").await;
    }
    client.expect_silence().await;
    client.subscribe("private-x").await;
    server.stop().await;
}

#[tokio::test]
async fn s2_4_missing_signature_is_refused_like_a_bad_one() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    for channel in [
        "private-x",
        "presence-x",
        "private-cache-x",
        "presence-cache-x",
        "private-encrypted-x",
        "private-encrypted-cache-x",
    ] {
        client.send(&json!({"event": "pusher:subscribe", "data": {"channel": channel}})).await;
        let refusal = client.expect_refused(channel).await;
        assert_eq!(
            (&refusal["type"], &refusal["status"]),
            (&json!("AuthError"), &json!(401)),
            "{channel}: {refusal}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn s2_3_signature_does_not_survive_a_reconnect() {
    let server = TestServer::start(&config("")).await;
    let mut first = server.connect().await;
    first.subscribe("private-x").await;
    let old = first.auth("private-x", None);
    first.close().await;
    let mut second = server.connect().await;
    ask(&mut second, "private-x", json!(old), None).await;
    second.expect_refused("private-x").await;
    second.subscribe("private-x").await;
    server.stop().await;
}
