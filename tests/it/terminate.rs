//! protocol.md 5.1 (authorized connections) and 5.4 (terminating a user's connections).

use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn s5_4_only_connections_of_the_user_are_terminated() {
    let server = TestServer::start(&config("")).await;
    let mut targets = Vec::new();
    for _ in 0..3 {
        let mut client = server.connect().await;
        client.sign_in(&json!({"id": "u1"})).await;
        client.subscribe("news").await;
        targets.push(client);
    }
    let mut other = server.connect().await;
    other.sign_in(&json!({"id": "u2"})).await;
    // Presence membership alone does not count.
    let mut member = server.connect().await;
    member.join("presence-x", &json!({"user_id": "u1"})).await;
    let mut anonymous = server.connect().await;

    let response = server.post("/users/u1/terminate_connections", &json!({})).await;
    assert_eq!(response.expect(200, "terminate"), json!({}));
    for mut client in targets {
        let message = client.expect_error(Some(4009)).await;
        assert_eq!(message, "You got disconnected by the app.");
        client.expect_close(4009).await;
    }
    for client in [&mut other, &mut member, &mut anonymous] {
        client.expect_silence().await;
    }
    server.until_stat("sockets", 3).await;
    // The user is gone, and may come back.
    let response = server.post("/users/u1/terminate_connections", &json!({})).await;
    assert_eq!(response.expect(200, "again"), json!({}));
    server.connect().await.sign_in(&json!({"id": "u1"})).await;
    server.stop().await;
}

#[tokio::test]
async fn s7_7_python_sdk_path_finds_the_app_by_its_key() {
    let server = TestServer::start(&config_of("", &[(APP, ""), (OTHER, "")])).await;
    let mut ours = server.connect().await;
    let mut theirs = server.connect_as(OTHER).await;
    ours.sign_in(&json!({"id": "u1"})).await;
    theirs.sign_in(&json!({"id": "u1"})).await;
    let target = signed_target(OTHER, "POST", "/users/u1/terminate_connections", &[], b"{}");
    let response = server.send(Request::new("POST", target).body("application/json", "{}")).await;
    assert_eq!(response.expect(200, "alias"), json!({}));
    theirs.expect_rejection(4009).await;
    ours.expect_silence().await;
    // Unsigned requests are refused.
    let response = server
        .send(
            Request::new("POST", "/users/u1/terminate_connections").body("application/json", "{}"),
        )
        .await;
    response.refused(401, "unsigned");
    ours.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn s5_4_termination_is_per_app_and_needs_a_signature() {
    let server = TestServer::start(&config_of("", &[(APP, ""), (OTHER, "")])).await;
    let mut ours = server.connect().await;
    ours.sign_in(&json!({"id": "u1"})).await;
    server
        .post_as(OTHER, "/users/u1/terminate_connections", &json!({}))
        .await
        .expect(200, "the other app");
    let response = server
        .send(Request::new("POST", "/apps/it/users/u1/terminate_connections").json(&json!({})))
        .await;
    response.refused(401, "unsigned");
    ours.expect_silence().await;
    // An empty body is accepted as well.
    let target = signed_target(APP, "POST", "/apps/it/users/u1/terminate_connections", &[], b"");
    server.send(Request::new("POST", target)).await.expect(200, "without a body");
    ours.expect_rejection(4009).await;
    server.stop().await;
}

#[tokio::test]
async fn s5_4_id_may_be_percent_encoded_in_the_path() {
    let server = TestServer::start(&config("")).await;
    for path in ["/users/a@b,c/terminate_connections", "/users/a%40b%2Cc/terminate_connections"] {
        let mut client = server.connect().await;
        client.sign_in(&json!({"id": "a@b,c"})).await;
        server.post(path, &json!({})).await.expect(200, path);
        client.expect_rejection(4009).await;
    }
    server.stop().await;
}

/// Reads frames up to the close frame, which must have this code.
async fn read_close(raw: &mut RawSocket, code: u16) {
    loop {
        if let Some(found) = raw.next_frame().await.close_code() {
            assert_eq!(found, code);
            return;
        }
    }
}

#[tokio::test]
async fn s5_4_terminated_client_can_do_nothing_on_an_open_connection() {
    let server = TestServer::start(&config("client_events = true")).await;
    let mut watcher = server.connect().await;
    watcher.subscribe("private-x").await;
    watcher.join("presence-x", &json!({"user_id": "w"})).await;

    let (mut raw, socket_id) = RawSocket::open_with_id(&server).await;
    let user_data = r#"{"id":"u1"}"#;
    let member = r#"{"user_id":"u1"}"#;
    let private =
        json!({"channel": "private-x", "auth": APP.channel_auth(&socket_id, "private-x", None)});
    let auth = APP.channel_auth(&socket_id, "presence-x", Some(member));
    let presence = json!({"channel": "presence-x", "auth": auth, "channel_data": member});
    let sign_in = json!({"auth": APP.user_auth(&socket_id, user_data), "user_data": user_data});
    for (event, data) in [("signin", sign_in), ("subscribe", private), ("subscribe", presence)] {
        raw.write(&text(json!({"event": format!("pusher:{event}"), "data": data}).to_string()))
            .await;
        raw.next_frame().await;
    }
    watcher.expect_event("pusher_internal:member_added").await;

    server.post("/users/u1/terminate_connections", &json!({})).await.expect(200, "terminate");
    read_close(&mut raw, 4009).await;
    // The connection is still open, and the close frame is unanswered.
    raw.write(&text(
        json!({"event": "client-x", "channel": "private-x", "data": "late"}).to_string(),
    ))
    .await;
    raw.write(&text(
        json!({"event": "client-x", "channel": "presence-x", "data": "late"}).to_string(),
    ))
    .await;
    raw.write(&text(r#"{"event":"pusher:subscribe","data":{"channel":"news"}}"#)).await;
    // The member leaves with the close frame, not with the client's answer to it.
    server.until_stat("members", 1).await;
    assert_eq!(server.stats().await["sockets"], 2, "its line is still open");
    server.publish("private-x", "e", "1").await;
    let data = watcher.expect_event("pusher_internal:member_removed").await;
    assert_eq!(data, json!({"user_id": "u1"}));
    watcher.expect(json!({"event": "e", "channel": "private-x", "data": "1"})).await;
    watcher.expect_silence().await;
    raw.expect_end("after the close frame").await;
    server.stop().await;
}

#[tokio::test]
async fn s5_1_authorized_connections_closes_unproven_sockets() {
    let keys = "authorized_connections = true\nauthorization_timeout_seconds = 1";
    let server = TestServer::start(&config(keys)).await;
    let mut signed_in = server.connect().await;
    signed_in.sign_in(&json!({"id": "u1"})).await;
    let mut authorized = server.connect().await;
    authorized.subscribe("private-x").await;
    let mut member = server.connect().await;
    member.join("presence-x", &json!({"user_id": "u2"})).await;

    let mut idle = server.connect().await;
    let mut public = server.connect().await;
    public.subscribe("news").await;
    let mut refused = server.connect().await;
    refused.send(&json!({"event": "pusher:signin", "data": {"auth": "x:y", "user_data": "{\"id\":\"u\"}"}})).await;
    refused.expect_error(Some(4009)).await;
    refused
        .send(
            &json!({"event": "pusher:subscribe", "data": {"channel": "private-x", "auth": "x:y"}}),
        )
        .await;
    refused.expect_refused("private-x").await;

    for client in [&mut idle, &mut public, &mut refused] {
        client.expect_rejection(4009).await;
    }
    // The authorized sockets are older than the timeout by now.
    for client in [&mut signed_in, &mut authorized, &mut member] {
        client.expect_silence().await;
    }
    server.stop().await;
}
