//! The settings of the auth endpoints change while sockets are open.

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::support::*;

const SECRET: &str = "jwt-secret-of-before-41d0c9a2e7";
const NEXT: &str = "jwt-secret-of-after-7be20f5513";

fn claims() -> Value {
    json!({"sub": "u1", "exp": unix_now() + 600, "channels": ["private-*"]})
}

fn session(claims: &Value, secret: &str) -> String {
    token(&json!({"alg": "HS256"}), claims, secret)
}

async fn ask(it: &ReloadFixture, channel: &str, token: &str) -> Response {
    let request = Request::new("POST", "/apps/it/auth/channel")
        .header("Authorization", &format!("Bearer {token}"))
        .form(&it.open_client.auth_form(channel));
    it.server.send(request).await
}

/// Starts with a socket subscribed to `private-a` through our endpoint.
async fn started(text: &str, token: &str) -> ReloadFixture {
    let mut it = ReloadFixture::start(text).await;
    let answer = ask(&it, "private-a", token).await.expect(200, "the first question");
    let data = json!({"channel": "private-a", "auth": answer["auth"]});
    it.open_client.send(&json!({"event": "pusher:subscribe", "data": data})).await;
    it.open_client.expect_subscribed("private-a").await;
    it
}

/// The socket is still subscribed, and has received nothing else.
async fn expect_still_subscribed(it: &mut ReloadFixture, input: &str) {
    it.open_client.expect_silence().await;
    it.server.publish("private-a", "e", input).await;
    assert_eq!(it.open_client.expect_event("e").await, json!(input));
}

fn jwt(more: &str) -> String {
    config(&format!("authorizer = \"jwt\"\nexplain = true\n{more}"))
}

#[tokio::test]
async fn c_rules_change_for_the_next_request() {
    let of = |pattern: &str| {
        jwt(&format!(
            "jwt_secret = \"{SECRET}\"\n[[apps.it.rules]]\nchannel = \"{pattern}\"\nallow = [\"subscribe\"]"
        ))
    };
    let token = session(&claims(), SECRET);
    let mut it = started(&of("private-a"), &token).await;
    assert_eq!(ask(&it, "private-b", &token).await.refused(403, "before"), "no_rule");
    it.apply(&of("private-b")).await;
    assert_eq!(ask(&it, "private-a", &token).await.refused(403, "after"), "no_rule");
    ask(&it, "private-b", &token).await.expect(200, "after");
    expect_still_subscribed(&mut it, "other rules").await;
    // Without rules, the token's own list decides.
    it.apply(&jwt(&format!("jwt_secret = \"{SECRET}\""))).await;
    ask(&it, "private-a", &token).await.expect(200, "no rules");
    expect_still_subscribed(&mut it, "no rules").await;
    it.apply(&config("")).await;
    ask(&it, "private-a", &token).await.refused(403, "no authorizer");
    expect_still_subscribed(&mut it, "no authorizer").await;
    it.stop().await;
}

#[tokio::test]
async fn c_token_requirements_change_for_the_next_request() {
    let of = |secret: &str, more: &str| jwt(&format!("jwt_secret = \"{secret}\"\n{more}"));
    let (old, new) = (session(&claims(), SECRET), session(&claims(), NEXT));
    let mut it = started(&of(SECRET, ""), &old).await;
    ask(&it, "private-a", &new).await.refused(401, "the secret to come");
    it.apply(&of(NEXT, "")).await;
    ask(&it, "private-a", &old).await.refused(401, "the secret of before");
    ask(&it, "private-a", &new).await.expect(200, "the new secret");
    expect_still_subscribed(&mut it, "another secret").await;

    it.apply(&of(NEXT, "jwt.issuer = \"https://id.example\"")).await;
    ask(&it, "private-a", &new).await.refused(401, "no issuer");
    let mut named = claims();
    named["iss"] = json!("https://id.example");
    ask(&it, "private-a", &session(&named, NEXT)).await.expect(200, "the issuer");
    expect_still_subscribed(&mut it, "an issuer").await;

    // Another type of key: the old secret is worth nothing.
    let key = IssuerKey::new(Algorithm::ES256);
    it.server.dir.write("issuer.pem", &key.public_pem);
    let path = it.server.dir.path().join("issuer.pem");
    let public =
        format!("jwt.algorithms = [\"ES256\"]\njwt.public_key_file = \"{}\"", path.display());
    it.apply(&jwt(&public)).await;
    ask(&it, "private-a", &session(&named, NEXT)).await.refused(401, "the secret");
    ask(&it, "private-a", &key.token(None, &claims())).await.expect(200, "the public key");
    expect_still_subscribed(&mut it, "a public key").await;
    it.stop().await;
}

#[tokio::test]
async fn c_origins_change_for_the_next_request() {
    let of = |origin: &str| {
        jwt(&format!(
            "jwt_secret = \"{SECRET}\"\njwt.cookie = \"session\"\norigins = [\"{origin}\"]"
        ))
    };
    let (first, second) = ("https://a.example", "https://b.example");
    let token = session(&claims(), SECRET);
    let mut it = started(&of(first), &token).await;
    let from = async |it: &ReloadFixture, origin: &str| {
        let request = Request::new("POST", "/pusher/auth")
            .header("Origin", origin)
            .header("Sec-Fetch-Site", "same-site")
            .header("Cookie", &format!("session={token}"))
            .form(&it.open_client.auth_form("private-a"));
        it.server.send(request).await
    };
    for (origin, stranger) in [(first, second), (second, first)] {
        it.apply(&of(origin)).await;
        let answer = from(&it, origin).await;
        answer.expect(200, origin);
        assert_eq!(answer.header("Access-Control-Allow-Origin"), Some(origin));
        let answer = from(&it, stranger).await;
        assert_eq!(answer.refused(403, stranger), "origin_not_allowed");
        assert_eq!(answer.header("Access-Control-Allow-Origin"), None);
        expect_still_subscribed(&mut it, origin).await;
    }
    it.stop().await;
}

fn yes() -> Reply {
    Reply::json(200, &json!({}))
}

#[tokio::test]
async fn c_forward_url_changes_for_the_next_request() {
    let (first, second) = (StubServer::start(yes()).await, StubServer::start(yes()).await);
    let of = |target: &StubServer, app: &str, more: &str| {
        config(&format!(
            "authorizer = \"forward\"\nexplain = true\n{app}\n[apps.it.forward]\nurl = \"{}\"\ncache_seconds = 60\n{more}",
            target.url("/decide")
        ))
    };
    let mut it = started(&of(&first, "", ""), "t").await;
    let asked = || (first.requests().len(), second.requests().len());
    assert_eq!(asked(), (1, 0));
    // Cached answers survive unrelated changes and reloads without changes.
    first.set_reply(Reply::json(403, &json!({})));
    let other = "origins = [\"https://a.example\"]\nlimits.event_bytes = 5000";
    it.apply(&of(&first, other, "")).await;
    it.reject(&of(&second, "nonsense = 1", ""), "unknown setting \"nonsense\"").await;
    it.apply(&of(&first, other, "")).await;
    ask(&it, "private-a", "t").await.expect(200, "an answer that is kept");
    assert_eq!(asked(), (1, 0));
    expect_still_subscribed(&mut it, "something else").await;

    second.set_reply(Reply::json(403, &json!({})));
    it.apply(&of(&second, other, "")).await;
    assert_eq!(ask(&it, "private-a", "t").await.refused(403, "the second"), "forward_denies");
    assert_eq!(asked(), (1, 1));
    second.set_reply(yes());
    ask(&it, "private-a", "t").await.expect(200, "the second");
    expect_still_subscribed(&mut it, "another target").await;

    // Each `forward` setting counts, and a change of one clears the cache.
    it.apply(&of(&second, other, "headers = [\"x-mine\"]")).await;
    let request = Request::new("POST", "/apps/it/auth/channel")
        .header("X-Mine", "m1")
        .header("Authorization", "Bearer t")
        .form(&it.open_client.auth_form("private-a"));
    it.server.send(request).await.expect(200, "with another header");
    let question = second.requests().pop().expect("a question").to_lowercase();
    assert!(question.contains("x-mine: m1") && !question.contains("bearer t"), "{question}");
    assert_eq!(asked(), (1, 3));
    expect_still_subscribed(&mut it, "other headers").await;
    it.stop().await;
}

#[tokio::test]
async fn c_fetched_keys_survive_unrelated_changes() {
    let key = IssuerKey::new(Algorithm::ES256);
    let issuer = StubServer::start(Reply::json(200, &json!({"keys": [key.jwk("a")]}))).await;
    let of = |app: &str, more: &str| {
        jwt(&format!(
            "{app}\n[apps.it.jwt]\nalgorithms = [\"ES256\"]\njwks_url = \"{}\"\njwks_refresh_seconds = 3600\n{more}",
            issuer.url("/keys")
        ))
    };
    let token = key.token(Some("a"), &claims());
    let mut it = started(&of("", ""), &token).await;
    let hook = WebhookReceiver::start(ReceiverReply::Status(200)).await;
    let webhook = format!("\n[[apps.it.webhooks]]\n{}", hooks_url(&hook, ""));
    for (app, more) in [
        ("limits.events_per_second = 5000", ""),
        ("origins = [\"https://a.example\"]\nclient_events = true", ""),
        ("", webhook.as_str()),
        ("", ""),
    ] {
        it.apply(&of(app, more)).await;
        ask(&it, "private-a", &token).await.expect(200, "a key that is known");
        assert_eq!(issuer.requests().len(), 1, "{app}{more}");
        expect_still_subscribed(&mut it, "something else").await;
    }
    it.apply(&of("", "leeway_seconds = 3")).await;
    ask(&it, "private-a", &token).await.expect(200, "fetched again");
    assert_eq!(issuer.requests().len(), 2);
    expect_still_subscribed(&mut it, "other settings of tokens").await;
    it.stop().await;
}
