//! Wrong or stepping clocks revive nothing revoked.

use serde_json::{Value, json};

use crate::support::*;

const CHANNEL: &str = "private-encrypted-x";
const JWT_SECRET: &str = "jwt-secret-52be1f09a7c3-for-clocks";

fn jwt(leeway: u32) -> String {
    let key = base64(&master_key("first"));
    config(&format!(
        "master_key = \"{key}\"\nderivation = \"hkdf\"\nexplain = true\nauthorizer = \"jwt\"\njwt_secret = \"{JWT_SECRET}\"\njwt.leeway_seconds = {leeway}"
    ))
}

fn bearer(user: &str, issued: &Value) -> String {
    let claims = json!({"sub": user, "iat": issued, "exp": unix_now() + 3000, "channels": ["*"]});
    token(&json!({"alg": "HS256"}), &claims, JWT_SECRET)
}

async fn ask(server: &TestServer, client: &Client, channel: &str, token: &str) -> Response {
    let request = Request::new("POST", "/apps/it/auth/channel")
        .header("Authorization", &format!("Bearer {token}"))
        .form(&client.auth_form(channel));
    server.send(request).await
}

/// A signed POST of a backend whose clock is this many seconds ahead.
async fn post(server: &TestServer, offset: i64, path: &str, body: &Value) -> Response {
    let (path, body) = (format!("/apps/it{path}"), body.to_string());
    let auth = unsigned_params(APP, body.as_bytes());
    let time = (unix_now() + offset).to_string();
    let auth = with(auth, "auth_timestamp", Some(&time));
    let target = format!("{path}?{}", query(&sign(APP, "POST", &path, auth)));
    server.send(Request::new("POST", target).body("application/json", body)).await
}

async fn revoke(server: &TestServer, offset: i64, user: &str) {
    let path = format!("/channels/{CHANNEL}/revoke");
    post(server, offset, &path, &json!({"user_id": user})).await.expect(200, user);
}

fn expect_no_secret(response: &Response, code: &str) {
    assert_eq!(response.refused(403, code), code);
    assert!(!response.text().contains("shared_secret"), "{}", response.text());
}

#[tokio::test]
async fn f2_token_from_the_future_is_refused() {
    let server = TestServer::start(&jwt(10)).await;
    let client = server.connect().await;
    let now = unix_now();
    for (issued, code) in [
        (json!(now + 30), "token_from_the_future"),
        (json!(now + 1_000_000_000), "token_from_the_future"),
        (json!(1e300), "token_time"),
        (json!(u64::MAX), "token_time"),
        (json!(-1), "token_time"),
        (json!("soon"), "token_time"),
        (json!(now * 1000), "token_milliseconds"),
    ] {
        let response = ask(&server, &client, CHANNEL, &bearer("u1", &issued)).await;
        assert_eq!(response.refused(401, &issued), code, "{issued}");
        assert!(!response.text().contains("shared_secret"), "{}", response.text());
    }
    ask(&server, &client, CHANNEL, &bearer("u1", &json!(now + 5))).await.expect(200, "the leeway");
    server.stop().await;
}

#[tokio::test]
async fn f2_issuer_clock_ahead_makes_no_token_newer_than_a_revocation() {
    let server = TestServer::start(&jwt(3)).await;
    let client = server.connect().await;
    // Issued before the revocation, within the leeway for clocks.
    let tokens = [0, 2].map(|ahead| bearer("u1", &json!(unix_now() + ahead)));
    for token in &tokens {
        ask(&server, &client, CHANNEL, token).await.expect(200, "before");
    }
    revoke(&server, 0, "u1").await;
    for _ in 0..3 {
        for token in &tokens {
            expect_no_secret(&ask(&server, &client, CHANNEL, token).await, "revoked");
        }
        next_second().await;
    }
    until("a token that is newer for certain", async || {
        let token = bearer("u1", &json!(unix_now()));
        (ask(&server, &client, CHANNEL, &token).await.status == 200).then_some(())
    })
    .await;
    for token in &tokens {
        expect_no_secret(&ask(&server, &client, CHANNEL, token).await, "revoked");
    }
    server.stop().await;
}

#[tokio::test]
async fn f2_clock_set_back_before_a_revocation_revives_no_token() {
    let clock = SteppingClock::new();
    let server = clock.of(Launch::serve(&jwt(0))).start().await;
    let client = server.connect().await;
    let old = bearer("u1", &json!(unix_now()));
    ask(&server, &client, CHANNEL, &old).await.expect(200, "before");
    let body = json!({"user_id": "u2", "channels": ["private-*"]});
    let minted = server.post("/tokens", &body).await.expect(200, "an access token");
    let access = minted["token"].as_str().expect("a token").to_owned();
    ask(&server, &client, "private-a", &access).await.expect(200, "before");
    clock.set(-300);
    // Both remain valid: other users are not affected.
    ask(&server, &client, CHANNEL, &old).await.expect(200, "set back");
    ask(&server, &client, "private-a", &access).await.expect(200, "set back");
    revoke(&server, -300, "u1").await;
    let revoked = post(&server, -300, "/tokens/revoke", &json!({"user_id": "u2"})).await;
    revoked.expect(200, "revoked");
    for offset in [-300, -200, -1, 0, 100] {
        clock.set(offset);
        expect_no_secret(&ask(&server, &client, CHANNEL, &old).await, "revoked");
        let response = ask(&server, &client, "private-a", &access).await;
        assert_eq!(response.refused(401, offset), "token_revoked");
    }
    // A token issued later by the right time is newer.
    clock.set(0);
    next_second().await;
    let new = bearer("u1", &json!(unix_now()));
    ask(&server, &client, CHANNEL, &new).await.expect(200, "a newer token");
    server.stop().await;
}

#[tokio::test]
async fn f2_clock_temporarily_ahead_keeps_revocations() {
    let clock = SteppingClock::new();
    let server = clock.of(Launch::serve(&jwt(0))).start().await;
    let client = server.connect().await;
    let mut tokens = Vec::new();
    for user in ["u1", "u2"] {
        let body = json!({"user_id": user, "channels": ["private-*"], "ttl": 86400});
        tokens.push(server.post("/tokens", &body).await.expect(200, user));
    }
    server.post("/tokens/revoke", &json!({"jti": tokens[0]["jti"]})).await.expect(200, "the first");
    // More than the day after which the next revocation drops older ones.
    const AHEAD: i64 = 25 * 60 * 60;
    clock.set(AHEAD);
    let second = json!({"jti": tokens[1]["jti"]});
    post(&server, AHEAD, "/tokens/revoke", &second).await.expect(200, "the second");
    clock.set(0);
    for minted in &tokens {
        let token = minted["token"].as_str().expect("a token");
        let response = ask(&server, &client, "private-a", token).await;
        assert_eq!(response.refused(401, minted), "token_revoked");
    }
    server.stop().await;
}

#[tokio::test]
async fn f2_clock_a_month_ahead_keeps_revoked_members() {
    let clock = SteppingClock::new();
    let server = clock.of(Launch::serve(&jwt(0))).start().await;
    let client = server.connect().await;
    let old = bearer("u1", &json!(unix_now() - 60));
    revoke(&server, 0, "u1").await;
    // Longer than a revocation is remembered. The next one forgets those that are too old.
    const AHEAD: i64 = 31 * 24 * 60 * 60;
    clock.set(AHEAD);
    revoke(&server, AHEAD, "u2").await;
    clock.set(0);
    expect_no_secret(&ask(&server, &client, CHANNEL, &old).await, "revoked");
    server.stop().await;
}

#[tokio::test]
async fn f2_server_started_with_a_slow_clock_knows_the_latest_time() {
    let (clock, state) = (SteppingClock::new(), TempDir::new());
    let launch = || clock.of(Launch::serve(&jwt(0))).arg("--state-dir").arg(state.path());
    let server = launch().start().await;
    let old = ["u1", "u2"].map(|user| bearer(user, &json!(unix_now())));
    revoke(&server, 0, "u1").await;
    server.stop().await;

    clock.set(-300);
    let server = launch().start().await;
    let client = server.connect().await;
    expect_no_secret(&ask(&server, &client, CHANNEL, &old[0]).await, "revoked");
    ask(&server, &client, CHANNEL, &old[1]).await.expect(200, "not revoked yet");
    revoke(&server, -300, "u2").await;
    for offset in [-300, 0] {
        clock.set(offset);
        for token in &old {
            expect_no_secret(&ask(&server, &client, CHANNEL, token).await, "revoked");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn f2_new_forward_answer_counts_after_the_clock_was_set_back() {
    let (clock, target) = (
        SteppingClock::new(),
        StubServer::start(Reply::json(200, &json!({"user_id": "u1"}))).await,
    );
    let key = base64(&master_key("first"));
    let configuration = config(&format!(
        "master_key = \"{key}\"\nderivation = \"hkdf\"\nauthorizer = \"forward\"\n[apps.it.forward]\nurl = \"{}\"",
        target.url("/decide")
    ));
    let server = clock.of(Launch::serve(&configuration)).start().await;
    let client = server.connect().await;
    ask(&server, &client, CHANNEL, "t").await.expect(200, "before");
    revoke(&server, 0, "u1").await;
    clock.set(-300);
    next_second().await;
    ask(&server, &client, CHANNEL, "t").await.expect(200, "asked after the revocation");
    assert_eq!(target.requests().len(), 2);
    server.stop().await;
}
