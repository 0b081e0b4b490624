//! A revoked member cannot return with earlier authorizations for the life of its connection: a
//! missing record never means permission.

use serde_json::{Value, json};

use crate::support::*;

const CHANNEL: &str = "private-encrypted-x";
const JWT_SECRET: &str = "jwt-secret-52be1f09a7c3-for-sockets";

fn hkdf(more: &str) -> String {
    let key = base64(&master_key("first"));
    config(&format!("master_key = \"{key}\"\nderivation = \"hkdf\"\n{more}"))
}

fn open() -> String {
    hkdf("authorizer = \"open\"")
}

fn jwt() -> String {
    hkdf(&format!(
        "authorizer = \"jwt\"\njwt_secret = \"{JWT_SECRET}\"\njwt.leeway_seconds = 0\nexplain = true"
    ))
}

fn bearer(user: &str, issued: i64) -> String {
    let claims = json!({"sub": user, "iat": issued, "exp": unix_now() + 600, "channels": ["*"]});
    token(&json!({"alg": "HS256"}), &claims, JWT_SECRET)
}

async fn with_token(server: &TestServer, bearer: String) -> SealedSubscriber {
    let (client, channel) = (server.connect().await, CHANNEL.to_owned());
    let (bearer, secret) = (Some(bearer), [0; 32]);
    let mut reader =
        SealedSubscriber { client, channel, user: None, bearer, secret, auth_requests: 0 };
    reader.fetch_secret(server).await;
    reader
}

async fn revoke(server: &TestServer, user: &str) {
    let path = format!("/channels/{CHANNEL}/revoke");
    server.post(&path, &json!({"user_id": user})).await.expect(200, user);
}

async fn expect_taken_off(client: &mut Client) {
    let frame = client.next().await;
    assert_eq!(frame["data"]["type"], "Revoked", "{frame}");
}

/// Every attempt is refused, and no published event arrives.
async fn expect_shut_out(server: &TestServer, client: &mut Client) {
    for attempt in 0..3 {
        client.send_subscribe(CHANNEL).await;
        let data: Value = client.expect_refused(CHANNEL).await;
        let said = (&data["type"], &data["status"], &data["code"]);
        assert_eq!(said, (&json!("Revoked"), &json!(403), &json!("revoked")), "{attempt}: {data}");
    }
    server.publish(CHANNEL, "e", "x").await;
    client.expect_silence().await;
    until_empty(server, CHANNEL).await;
}

/// The channel has no subscribers.
async fn until_empty(server: &TestServer, channel: &str) {
    until("an empty channel", async || {
        let state = server.get(&format!("/channels/{channel}"), &[]).await.expect(200, channel);
        (state["occupied"] == false).then_some(())
    })
    .await;
}

#[tokio::test]
async fn f4_endpoint_authorization_is_void_after_a_revocation() {
    // Unlimited, and limited by the token.
    for configuration in [open(), jwt()] {
        let server = TestServer::start(&configuration).await;
        let mut theirs = if configuration == open() {
            SealedSubscriber::join_as(&server, CHANNEL, "u1").await
        } else {
            let mut theirs = with_token(&server, bearer("u1", unix_now() - 60)).await;
            theirs.client.subscribe(CHANNEL).await;
            theirs
        };
        revoke(&server, "u1").await;
        expect_taken_off(&mut theirs.client).await;
        expect_shut_out(&server, &mut theirs.client).await;
        server.stop().await;
    }
}

#[tokio::test]
async fn f4_backend_signature_for_a_signed_in_user_is_void() {
    let server = TestServer::start(&hkdf("")).await;
    let mut client = server.connect().await;
    client.sign_in(&json!({"id": "u1"})).await;
    client.subscribe(CHANNEL).await;
    revoke(&server, "u1").await;
    expect_taken_off(&mut client).await;
    expect_shut_out(&server, &mut client).await;
    // A signature for a connection newer than the revocation is newer, too.
    next_second().await;
    let mut client = server.connect().await;
    client.sign_in(&json!({"id": "u1"})).await;
    client.subscribe(CHANNEL).await;
    server.stop().await;
}

#[tokio::test]
async fn f4_unsubscribing_before_the_revocation_does_not_help() {
    let server = TestServer::start(&open()).await;
    let mut theirs = SealedSubscriber::join_as(&server, CHANNEL, "u1").await;
    theirs.client.unsubscribe(CHANNEL).await;
    until_empty(&server, CHANNEL).await;
    revoke(&server, "u1").await;
    expect_shut_out(&server, &mut theirs.client).await;
    // Signed by the backend, for a signed-in connection.
    let mut client = server.connect().await;
    client.sign_in(&json!({"id": "u2"})).await;
    client.subscribe(CHANNEL).await;
    client.unsubscribe(CHANNEL).await;
    until_empty(&server, CHANNEL).await;
    revoke(&server, "u2").await;
    expect_shut_out(&server, &mut client).await;
    server.stop().await;
}

#[tokio::test]
async fn f4_first_subscription_after_the_revocation_is_refused() {
    let server = TestServer::start(&open()).await;
    let mut theirs = server.connect().await;
    let form = theirs.auth_form(CHANNEL) + "&user_id=u1";
    let request = Request::new("POST", "/apps/it/auth/channel").form(&form);
    server.send(request).await.expect(200, "authorized, and not subscribed");
    revoke(&server, "u1").await;
    expect_shut_out(&server, &mut theirs).await;
    // A late sign-in is no way around it either.
    let mut late = server.connect().await;
    revoke(&server, "u2").await;
    late.sign_in(&json!({"id": "u2"})).await;
    expect_shut_out(&server, &mut late).await;
    server.stop().await;
}

#[tokio::test]
async fn f4_asking_again_without_a_user_does_not_hide_it() {
    let server = TestServer::start(&open()).await;
    let mut theirs = SealedSubscriber::join_as(&server, CHANNEL, "u1").await;
    theirs.user = None;
    theirs.fetch_secret(&server).await;
    revoke(&server, "u1").await;
    expect_taken_off(&mut theirs.client).await;
    expect_shut_out(&server, &mut theirs.client).await;
    server.stop().await;
}

#[tokio::test]
async fn f4_new_authorization_readmits_and_other_users_are_unaffected() {
    let server = TestServer::start(&jwt()).await;
    let mut theirs = with_token(&server, bearer("u1", unix_now() - 60)).await;
    theirs.client.subscribe(CHANNEL).await;
    let mut other = with_token(&server, bearer("u2", unix_now() - 60)).await;
    other.client.subscribe(CHANNEL).await;
    revoke(&server, "u1").await;
    expect_taken_off(&mut theirs.client).await;
    server.publish(CHANNEL, "e", "x").await;
    other.expect(&server, "sealcast:rekey", "{}").await;
    other.expect(&server, "e", "x").await;
    // The earlier token changes nothing, on this channel or for the socket.
    assert_eq!(theirs.request_auth(&server).await.refused(403, "the same token"), "revoked");
    theirs.client.send_subscribe(CHANNEL).await;
    assert_eq!(theirs.client.expect_refused(CHANNEL).await["type"], "Revoked");
    next_second().await;
    theirs.bearer = Some(bearer("u1", unix_now()));
    theirs.fetch_secret(&server).await;
    theirs.client.subscribe(CHANNEL).await;
    server.publish(CHANNEL, "e", "y").await;
    theirs.expect(&server, "e", "y").await;
    server.stop().await;
}

#[tokio::test]
async fn f4_authorizations_of_a_revoked_token_end_even_after_leaving() {
    let server = TestServer::start(&config("")).await;
    let body = json!({"user_id": "u1", "channels": ["presence-*"]});
    let minted = server.post("/tokens", &body).await.expect(200, "a token");
    let mut client = server.connect().await;
    let question = Request::new("POST", "/apps/it/auth/channel")
        .header("Authorization", &format!("Bearer {}", minted["token"].as_str().expect("a token")))
        .form(&client.auth_form("presence-x"));
    let answer = server.send(question).await.expect(200, "presence");
    let data = json!({"channel": "presence-x", "auth": answer["auth"], "channel_data": answer["channel_data"]});
    let subscribe = json!({"event": "pusher:subscribe", "data": data});
    client.send(&subscribe).await;
    client.expect_joined("presence-x").await;
    client.unsubscribe("presence-x").await;
    until_empty(&server, "presence-x").await;
    server.post("/tokens/revoke", &json!({"user_id": "u1"})).await.expect(200, "revoked");
    for _ in 0..2 {
        client.send(&subscribe).await;
        assert_eq!(client.expect_refused("presence-x").await["type"], "AuthExpired");
    }
    server.stop().await;
}

/// A token without `sub` names no user, so no revocation is found for it. The connection is
/// remembered.
#[tokio::test]
async fn f4_asking_without_a_user_after_the_revocation_gets_no_secret() {
    let server = TestServer::start(&jwt()).await;
    let mut theirs = with_token(&server, bearer("u1", unix_now() - 60)).await;
    theirs.client.subscribe(CHANNEL).await;
    revoke(&server, "u1").await;
    expect_taken_off(&mut theirs.client).await;
    let claims = json!({"iat": unix_now() - 60, "exp": unix_now() + 600, "channels": ["*"]});
    theirs.bearer = Some(token(&json!({"alg": "HS256"}), &claims, JWT_SECRET));
    assert_eq!(theirs.request_auth(&server).await.refused(403, "without a name"), "revoked");
    theirs.bearer = Some(bearer("u1", unix_now() - 60));
    assert_eq!(theirs.request_auth(&server).await.refused(403, "with the old one"), "revoked");
    expect_shut_out(&server, &mut theirs.client).await;
    server.stop().await;
}
