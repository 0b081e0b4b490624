//! protocol.md 3: channel_data, limits, and members from a sign-in.

use serde_json::{Value, json};

use crate::support::*;

#[tokio::test]
async fn s3_invalid_channel_data_is_refused() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    let too_long = json!({"user_id": "u".repeat(129)}).to_string();
    let rows = [
        "{}",
        "{\"user_info\":{}}",
        "{\"user_id\":\"\"}",
        "{\"user_id\":null}",
        "{\"user_id\":true}",
        "{\"user_id\":{}}",
        "{\"user_id\":[]}",
        "{\"userId\":\"u\"}",
        "[]",
        "[\"u\"]",
        "null",
        "\"u\"",
        "5",
        "u",
        "{",
        "{\"user_id\":\"u\"",
        "{\"user_id\":\"u\"}x",
        &too_long,
    ];
    for channel_data in rows {
        println!("{channel_data}");
        client.send_presence_subscribe("presence-x", channel_data).await;
        client.expect_refused("presence-x").await;
    }
    let state = server.get("/channels/presence-x", &[]).await.expect(200, "the channel");
    assert_eq!(state["occupied"], false, "{state}");
    client.join("presence-x", &json!({"user_id": "u".repeat(128)})).await;
    server.stop().await;
}

#[tokio::test]
async fn s3_presence_without_channel_data_needs_a_sign_in() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    let auth = client.auth("presence-x", None);
    for channel_data in [None, Some(Value::Null), Some(json!(""))] {
        let mut data = json!({"channel": "presence-x", "auth": auth});
        if let Some(value) = channel_data {
            data["channel_data"] = value;
        }
        client.send(&json!({"event": "pusher:subscribe", "data": data})).await;
        client.expect_refused("presence-x").await;
    }
    server.stop().await;
}

#[tokio::test]
async fn s3_signed_in_connection_joins_as_its_user() {
    let server = TestServer::start(&config("")).await;
    let mut watcher = server.connect().await;
    watcher.join("presence-x", &json!({"user_id": "w"})).await;
    let mut client = server.connect().await;
    client.sign_in(&json!({"id": "u1", "user_info": {"name": "U"}, "more": 1})).await;
    let auth = client.auth("presence-x", None);
    client
        .send(
            &json!({"event": "pusher:subscribe", "data": {"channel": "presence-x", "auth": auth}}),
        )
        .await;
    let presence = client.expect_joined("presence-x").await;
    assert_eq!(presence["hash"]["u1"], json!({"name": "U"}), "{presence}");
    assert_eq!(presence["count"], 2, "{presence}");
    let data = json!({"user_id": "u1", "user_info": {"name": "U"}});
    watcher
        .expect(
            json!({"event": "pusher_internal:member_added", "channel": "presence-x", "data": data}),
        )
        .await;
    // A signature is still needed.
    client
        .send(
            &json!({"event": "pusher:subscribe", "data": {"channel": "presence-y", "auth": auth}}),
        )
        .await;
    client.expect_refused("presence-y").await;

    let mut bare = server.connect().await;
    bare.sign_in(&json!({"id": "u2"})).await;
    let auth = bare.auth("presence-x", None);
    bare.send(
        &json!({"event": "pusher:subscribe", "data": {"channel": "presence-x", "auth": auth}}),
    )
    .await;
    let presence = bare.expect_joined("presence-x").await;
    assert_eq!(presence["hash"].get("u2"), Some(&Value::Null), "{presence}");
    server.stop().await;
}

#[tokio::test]
async fn s3_members_are_limited_by_users_and_not_connections() {
    let server = TestServer::start(&config("limits.presence_members = 2")).await;
    let mut clients = Vec::new();
    for user in ["a", "b", "b", "a"] {
        let mut client = server.connect().await;
        client.join("presence-x", &json!({"user_id": user})).await;
        clients.push(client);
    }
    let mut third = server.connect().await;
    third.send_presence_subscribe("presence-x", r#"{"user_id":"c"}"#).await;
    let refusal = third.expect_refused("presence-x").await;
    assert_eq!(refusal["type"], "LimitReached", "{refusal}");
    // Other channels have room, and so has this one after a departure.
    third.join("presence-y", &json!({"user_id": "c"})).await;
    for _ in 0..2 {
        clients.remove(1).close().await;
    }
    server.until_stat("sockets", 3).await;
    third.join("presence-x", &json!({"user_id": "c"})).await;
    server.stop().await;
}

#[tokio::test]
async fn s3_hundred_members_by_default() {
    let server = TestServer::start(&config("")).await;
    let mut clients = Vec::new();
    for i in 0..100 {
        let mut client = server.connect().await;
        client.join("presence-x", &json!({"user_id": i})).await;
        clients.push(client);
    }
    let mut one_more = server.connect().await;
    one_more.send_presence_subscribe("presence-x", r#"{"user_id":"x"}"#).await;
    one_more.expect_refused("presence-x").await;
    server.stop().await;
}

#[tokio::test]
async fn s3_member_size_is_limited() {
    let server =
        TestServer::start(&config("limits.presence_member_bytes = 300\nlimits.user_id_chars = 10"))
            .await;
    let mut client = server.connect().await;
    client
        .join("presence-x", &json!({"user_id": "u", "user_info": {"bio": "b".repeat(200)}}))
        .await;
    client.unsubscribe("presence-x").await;
    client
        .send_presence_subscribe(
            "presence-x",
            &json!({"user_id": "u", "user_info": {"bio": "b".repeat(301)}}).to_string(),
        )
        .await;
    let refusal = client.expect_refused("presence-x").await;
    assert_ne!(refusal["type"], "AuthError", "{refusal}");
    client
        .send_presence_subscribe("presence-x", &json!({"user_id": "u".repeat(11)}).to_string())
        .await;
    client.expect_refused("presence-x").await;
    // Characters, not bytes.
    client.join("presence-x", &json!({"user_id": "é".repeat(10)})).await;
    server.stop().await;
}

#[tokio::test]
async fn s3_one_kilobyte_per_member_by_default() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    client
        .join("presence-x", &json!({"user_id": "u", "user_info": {"bio": "b".repeat(900)}}))
        .await;
    client.unsubscribe("presence-x").await;
    client
        .send_presence_subscribe(
            "presence-x",
            &json!({"user_id": "u", "user_info": {"bio": "b".repeat(1025)}}).to_string(),
        )
        .await;
    client.expect_refused("presence-x").await;
    server.stop().await;
}
