//! Keys fetched from a well-behaved or misbehaving issuer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::*;

fn claims() -> Value {
    json!({"sub": "u1", "exp": unix_now() + 600, "channels": ["private-*"]})
}

fn fetching(issuer: &StubServer, cooldown: u32) -> String {
    config(&format!(
        "authorizer = \"jwt\"\nexplain = true\n[apps.it.jwt]\nalgorithms = [\"RS256\", \"ES256\"]\njwks_url = \"{}\"\njwks_cooldown_seconds = {cooldown}",
        issuer.url("/keys")
    ))
}

fn keys(list: &[Value]) -> Reply {
    Reply::json(200, &json!({"keys": list}))
}

async fn ask(server: &TestServer, client: &Client, token: &str) -> Response {
    let request = Request::new("POST", "/apps/it/auth/channel")
        .header("Authorization", &format!("Bearer {token}"))
        .form(&client.auth_form("private-a"));
    server.send(request).await
}

#[tokio::test]
async fn s10_keys_are_fetched_once_and_unknown_ids_are_throttled() {
    let (first, second) = (IssuerKey::new(Algorithm::RS256), IssuerKey::new(Algorithm::ES256));
    let issuer = StubServer::start(keys(&[first.jwk("a")])).await;
    let server = TestServer::start(&fetching(&issuer, 3600)).await;
    let client = server.connect().await;
    for _ in 0..3 {
        ask(&server, &client, &first.token(Some("a"), &claims())).await.expect(200, "a known key");
        ask(&server, &client, &first.token(None, &claims())).await.expect(200, "the only key");
    }
    issuer.set_reply(keys(&[first.jwk("a"), second.jwk("b")]));
    for index in 0..20 {
        let token = second.token(Some(&format!("made-up-{index}")), &claims());
        let code = ask(&server, &client, &token).await.refused(401, index);
        assert_eq!(code, "token_unknown_key");
    }
    // A key of another type under a known id.
    let token = second.token(Some("a"), &claims());
    ask(&server, &client, &token).await.refused(401, "another kind");
    assert_eq!(issuer.requests().len(), 1, "{:?}", issuer.requests());
    assert!(issuer.requests()[0].starts_with("GET /keys HTTP/1.1\r\n"), "{:?}", issuer.requests());
    server.stop().await;
}

#[tokio::test]
async fn s10_new_key_is_fetched_when_a_token_names_it() {
    let (first, second) = (IssuerKey::new(Algorithm::RS256), IssuerKey::new(Algorithm::ES256));
    let issuer = StubServer::start(keys(&[first.jwk("a")])).await;
    let server = TestServer::start(&fetching(&issuer, 1)).await;
    let client = server.connect().await;
    ask(&server, &client, &first.token(Some("a"), &claims())).await.expect(200, "a known key");
    issuer.set_reply(keys(&[second.jwk("b")]));
    let token = second.token(Some("b"), &claims());
    until("the new key", async || {
        (ask(&server, &client, &token).await.status == 200).then_some(())
    })
    .await;
    let code = ask(&server, &client, &first.token(Some("a"), &claims())).await.refused(401, "gone");
    assert_eq!(code, "token_unknown_key");
    server.stop().await;
}

#[tokio::test]
async fn s10_concurrent_requests_share_one_fetch() {
    let key = IssuerKey::new(Algorithm::ES256);
    let issuer = StubServer::start(keys(&[key.jwk("a")])).await;
    let server = TestServer::start(&fetching(&issuer, 3600)).await;
    let client = server.connect().await;
    let token = key.token(Some("a"), &claims());
    let asking = (0..20).map(|_| ask(&server, &client, &token));
    for answer in futures_util::future::join_all(asking).await {
        answer.expect(200, "one of many");
    }
    assert_eq!(issuer.requests().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn s10_misbehaving_issuers() {
    let key = IssuerKey::new(Algorithm::RS256);
    let elsewhere = StubServer::start(keys(&[key.jwk("a")])).await;
    let token = key.token(Some("a"), &claims());
    let secret = json!({"kty": "oct", "kid": "s", "alg": "HS256", "k": "c2VjcmV0"});
    let of_secret =
        |alg: &str| crate::support::token(&json!({"alg": alg, "kid": "s"}), &claims(), "secret");
    for (name, reply, token) in [
        ("silence", Reply::Silence, token.clone()),
        ("half an answer", Reply::PartialBody, token.clone()),
        ("hangs up", Reply::Disconnect, token.clone()),
        ("ten megabytes", Reply::EndlessBody, token.clone()),
        ("HTML", Reply::new(200, "text/html", "<html>"), token.clone()),
        ("no keys", keys(&[]), token.clone()),
        ("an error", Reply::json(500, &json!({"keys": [key.jwk("a")]})), token.clone()),
        ("a redirect", Reply::redirect(&elsewhere.url("/keys")), token.clone()),
        ("a secret", keys(&[secret]), of_secret("RS256")),
        ("rubbish", Reply::Bytes(b"rubbish\r\n\r\n".to_vec()), token.clone()),
    ] {
        let issuer = StubServer::start(reply).await;
        let server = TestServer::start(&fetching(&issuer, 1)).await;
        let client = server.connect().await;
        let began = Instant::now();
        let code = ask(&server, &client, &token).await.refused(503, name);
        assert_eq!(code, "keys_unavailable", "{name}");
        assert!(began.elapsed() < DEADLINE, "{name}: {:?}", began.elapsed());
        if name == "a secret" {
            ask(&server, &client, &of_secret("HS256")).await.refused(401, name);
        }
        issuer.set_reply(keys(&[key.jwk("a")]));
        let good = key.token(Some("a"), &claims());
        until(format!("{name}: recovers"), async || {
            (ask(&server, &client, &good).await.status == 200).then_some(())
        })
        .await;
        server.stop().await;
    }
    assert_eq!(elsewhere.requests().len(), 0, "a redirect was followed");
}

/// Fetched keys stay in use for a while.
#[tokio::test]
async fn s10_keys_outlive_an_unreachable_issuer() {
    let key = IssuerKey::new(Algorithm::RS256);
    let issuer = StubServer::start(keys(&[key.jwk("a")])).await;
    let text = fetching(&issuer, 1) + "\njwks_refresh_seconds = 1\n";
    let server = TestServer::start(&text).await;
    let client = server.connect().await;
    let token = key.token(Some("a"), &claims());
    ask(&server, &client, &token).await.expect(200, "fetched");
    issuer.set_reply(Reply::Disconnect);
    until("another fetch", async || {
        ask(&server, &client, &token).await.expect(200, "the key from before");
        (issuer.requests().len() > 2).then_some(())
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn f1_age_of_keys_counts_from_their_request() {
    let (key, arrived) = (IssuerKey::new(Algorithm::ES256), Arc::new(Notify::new()));
    let issuer = StubServer::start(Reply::held(&arrived, keys(&[key.jwk("a")]))).await;
    let configuration = fetching(&issuer, 1) + "\njwks_refresh_seconds = 2";
    let server = TestServer::start(&configuration).await;
    let client = server.connect().await;
    let token = key.token(Some("a"), &claims());
    let late = async {
        // The age of an answer is the subject.
        tokio::time::sleep(Duration::from_millis(2200)).await;
        arrived.notify_one();
    };
    let (response, ()) = tokio::join!(ask(&server, &client, &token), late);
    response.expect(200, "they came in time for this one");
    // Their request is older than the time for which keys are trusted without a new one.
    issuer.set_reply(keys(&[IssuerKey::new(Algorithm::ES256).jwk("b")]));
    let response = ask(&server, &client, &token).await;
    assert_eq!(response.refused(401, "a key that was withdrawn"), "token_unknown_key");
    server.stop().await;
}
