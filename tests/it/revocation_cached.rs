//! A revocation outweighs any earlier request, however late or often its answer is used
//! (encryption.md 5.1, the authorizer `forward`).

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::*;

const CHANNEL: &str = "private-encrypted-x";

fn forwarding(target: &StubServer, more: &str) -> String {
    config(&format!(
        "authorizer = \"forward\"\nexplain = true\nmaster_key = \"{}\"\nderivation = \"hkdf\"\n[apps.it.forward]\nurl = \"{}\"\n{more}",
        base64(&master_key("first")),
        target.url("/decide")
    ))
}

fn is(user: &str) -> Reply {
    Reply::json(200, &json!({"user_id": user}))
}

fn no() -> Reply {
    Reply::json(403, &json!({}))
}

async fn reader(server: &TestServer, bearer: &str) -> SealedSubscriber {
    let (client, channel) = (server.connect().await, CHANNEL.to_owned());
    let (bearer, secret) = (Some(bearer.to_owned()), [0; 32]);
    SealedSubscriber { client, channel, user: None, bearer, secret, auth_requests: 0 }
}

async fn revoke(server: &TestServer, user: &str) {
    let path = format!("/channels/{CHANNEL}/revoke");
    server.post(&path, &json!({"user_id": user})).await.expect(200, user);
}

/// Expects no secret and no signature, and this code.
fn expect_nothing(response: &Response, status: u16, code: &str) {
    assert_eq!(response.refused(status, code), code);
    for granted in ["shared_secret", "\"auth\""] {
        assert!(!response.text().contains(granted), "{}", response.text());
    }
}

/// Waits until the target has this many requests.
async fn until_requests(target: &StubServer, count: usize) {
    until("a question", async || (target.requests().len() >= count).then_some(())).await;
}

#[tokio::test]
async fn f1_cached_answer_is_refetched_after_a_revocation() {
    let target = StubServer::start(is("u1")).await;
    // With the default time for cached answers.
    let server = TestServer::start(&forwarding(&target, "")).await;
    let mut theirs = reader(&server, "t1").await;
    theirs.fetch_secret(&server).await;
    theirs.client.subscribe(CHANNEL).await;
    target.set_reply(no());
    revoke(&server, "u1").await;
    let frame = theirs.client.next().await;
    assert_eq!(frame["data"]["type"], "Revoked", "{frame}");
    expect_nothing(&theirs.request_auth(&server).await, 403, "forward_denies");
    assert_eq!(target.requests().len(), 2);
    // It is not valid for another connection of the user either.
    expect_nothing(&reader(&server, "t1").await.request_auth(&server).await, 403, "forward_denies");
    server.stop().await;
}

#[tokio::test]
async fn f1_answer_in_flight_is_not_newer_than_the_revocation() {
    let target = StubServer::start(is("u1")).await;
    let server = TestServer::start(&forwarding(&target, "cache_seconds = 60")).await;
    let (theirs, arrived) = (reader(&server, "t1").await, Arc::new(Notify::new()));
    target.set_reply(Reply::held(&arrived, is("u1")));
    let asking = theirs.request_auth(&server);
    let meanwhile = async {
        until_requests(&target, 1).await;
        revoke(&server, "u1").await;
        // The answer arrives after the second of the revocation: its lateness makes it no newer.
        next_second().await;
        target.set_reply(no());
        arrived.notify_one();
    };
    let (response, ()) = tokio::join!(asking, meanwhile);
    expect_nothing(&response, 403, "revoked");
    // It was not cached either, or the next request would see the revocation.
    expect_nothing(&theirs.request_auth(&server).await, 403, "forward_denies");
    assert_eq!(target.requests().len(), 2);
    // The application now allows again, and its answer is newer than the revocation.
    target.set_reply(is("u1"));
    theirs.request_auth(&server).await.expect(200, "a newer word");
    server.stop().await;
}

#[tokio::test]
async fn f1_answer_without_a_user_may_be_about_the_revoked_one() {
    let target = StubServer::start(Reply::json(200, &json!({}))).await;
    let server = TestServer::start(&forwarding(&target, "cache_seconds = 60")).await;
    let mut theirs = reader(&server, "t1").await;
    theirs.fetch_secret(&server).await;
    theirs.client.sign_in(&json!({"id": "u1"})).await;
    theirs.client.subscribe(CHANNEL).await;
    target.set_reply(no());
    revoke(&server, "u1").await;
    assert_eq!(theirs.client.next().await["data"]["type"], "Revoked");
    expect_nothing(&theirs.request_auth(&server).await, 403, "forward_denies");
    theirs.client.send_subscribe(CHANNEL).await;
    assert_eq!(theirs.client.expect_refused(CHANNEL).await["type"], "Revoked");
    server.stop().await;

    // An answer in flight during the revocation grants nothing afterwards.
    let target = StubServer::start(Reply::json(200, &json!({}))).await;
    let server = TestServer::start(&forwarding(&target, "")).await;
    let (nobody, arrived) = (reader(&server, "t1").await, Arc::new(Notify::new()));
    target.set_reply(Reply::held(&arrived, Reply::json(200, &json!({}))));
    let meanwhile = async {
        until_requests(&target, 1).await;
        revoke(&server, "u1").await;
        arrived.notify_one();
    };
    let (response, ()) = tokio::join!(nobody.request_auth(&server), meanwhile);
    expect_nothing(&response, 503, "secret_replaced");
    target.set_reply(Reply::json(200, &json!({})));
    nobody.request_auth(&server).await.expect(200, "asked after it");
    server.stop().await;
}

#[tokio::test]
async fn f1_cached_answers_about_others_stay() {
    let target = StubServer::start(is("u1")).await;
    let server = TestServer::start(&forwarding(&target, "cache_seconds = 60")).await;
    reader(&server, "t1").await.fetch_secret(&server).await;
    target.set_reply(is("u2"));
    let mut other = reader(&server, "t2").await;
    other.fetch_secret(&server).await;
    let before = other.secret;
    target.set_reply(Reply::Disconnect);
    revoke(&server, "u1").await;
    // They need the new secret at once, and the cache spares the application their requests.
    other.fetch_secret(&server).await;
    assert_ne!(other.secret, before);
    assert_eq!(target.requests().len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn f1_token_revocation_drops_cached_answers_about_the_user() {
    let target = StubServer::start(is("u1")).await;
    let server = TestServer::start(&forwarding(&target, "cache_seconds = 60")).await;
    let client = server.connect().await;
    let sign_in = Request::new("POST", "/apps/it/auth/user")
        .header("Authorization", "Bearer t1")
        .form(&format!("socket_id={}", client.socket_id));
    let join = Request::new("POST", "/apps/it/auth/channel")
        .header("Authorization", "Bearer t1")
        .form(&client.auth_form("presence-a"));
    for _ in 0..2 {
        server.send(sign_in.clone()).await.expect(200, "a user");
        server.send(join.clone()).await.expect(200, "a member");
    }
    assert_eq!(target.requests().len(), 2, "each once");
    target.set_reply(no());
    server.post("/tokens/revoke", &json!({"user_id": "u2"})).await.expect(200, "another user");
    server.send(sign_in.clone()).await.expect(200, "still kept");
    server.post("/tokens/revoke", &json!({"user_id": "u1"})).await.expect(200, "the user");
    for request in [sign_in, join] {
        expect_nothing(&server.send(request).await, 403, "forward_denies");
    }
    server.stop().await;
}

#[tokio::test]
async fn f1_token_revoked_during_verification_gets_nothing() {
    let server = TestServer::start(&config("explain = true")).await;
    let minted = |user: &str| json!({"user_id": user, "channels": ["private-*"]});
    let client = server.connect().await;
    // As many requests as can be in flight during the revocation.
    for round in 0..5 {
        let user = format!("u{round}");
        let minted = server.post("/tokens", &minted(&user)).await.expect(200, &user);
        let question = Request::new("POST", "/apps/it/auth/channel")
            .header("Authorization", &format!("Bearer {}", minted["token"].as_str().expect("one")))
            .form(&client.auth_form("private-a"));
        let asking = (0..10).map(|_| server.send(question.clone()));
        let body = json!({"jti": minted["jti"]});
        let revoking = server.post("/tokens/revoke", &body);
        let (answers, revoked) = tokio::join!(futures_util::future::join_all(asking), revoking);
        revoked.expect(200, "revoked");
        assert!(answers.iter().all(|answer| [200, 401].contains(&answer.status)), "{answers:?}");
        assert_eq!(server.send(question).await.refused(401, round), "token_revoked");
    }
    // Earlier authorizations are refused on the socket.
    let mut client = client;
    client.send_subscribe("private-a").await;
    let data: Value = client.expect_refused("private-a").await;
    assert_eq!(data["type"], "AuthExpired", "{data}");
    server.stop().await;
}
