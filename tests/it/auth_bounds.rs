//! The scope of an authorization: its end, and its abilities.

use serde_json::{Value, json};

use crate::support::*;

fn configuration(more: &str) -> String {
    config(&format!(
        "authorizer = \"jwt\"\nclient_events = true\nmaster_key = \"{}\"\n{more}",
        base64(&master_key("bounds"))
    ))
}

fn bearer(seconds: i64) -> String {
    let claims =
        json!({"sub": "u1", "exp": unix_now() + seconds, "iat": unix_now(), "channels": ["*"]});
    format!("Bearer {}", token(&json!({"alg": "HS256"}), &claims, APP.secret))
}

async fn authorize(server: &TestServer, client: &Client, channel: &str, bearer: &str) -> Value {
    let request = Request::new("POST", "/apps/it/auth/channel")
        .header("Authorization", bearer)
        .form(&client.auth_form(channel));
    server.send(request).await.expect(200, channel)
}

async fn subscribe(client: &mut Client, channel: &str, answer: &Value) {
    let mut data = json!({"channel": channel, "auth": answer["auth"]});
    if let Some(member) = answer.get("channel_data") {
        data["channel_data"] = member.clone();
    }
    client.send(&json!({"event": "pusher:subscribe", "data": data})).await;
}

async fn expect_end(client: &mut Client, channel: &str, kind: &str) {
    let frame = client.next().await;
    assert_eq!(frame["event"], "pusher:subscription_error", "{frame}");
    assert_eq!(
        (&frame["channel"], &frame["data"]["type"]),
        (&json!(channel), &json!(kind)),
        "{frame}"
    );
    assert_eq!(frame["data"]["status"], 401, "{frame}");
    if kind == "AuthExpired" {
        assert_eq!(frame["data"]["code"], "authorization_expired", "{frame}");
    }
}

const LEEWAY: &str = "[apps.it.jwt]\nleeway_seconds = 0";

#[tokio::test]
async fn e5_subscription_ends_with_its_token() {
    let server = TestServer::start(&configuration(LEEWAY)).await;
    for channel in ["private-a", "presence-a"] {
        let mut client = server.connect().await;
        let answer = authorize(&server, &client, channel, &bearer(2)).await;
        subscribe(&mut client, channel, &answer).await;
        assert_eq!(client.next().await["event"], "pusher_internal:subscription_succeeded");
        server.publish(channel, "before", "1").await;
        assert_eq!(client.next().await["event"], "before");
        expect_end(&mut client, channel, "AuthExpired").await;
        server.publish(channel, "after", "2").await;
        client.expect_silence().await;
        // The same signature is no longer accepted.
        subscribe(&mut client, channel, &answer).await;
        let refused = client.expect_refused(channel).await;
        assert_eq!((&refused["type"], &refused["status"]), (&json!("AuthExpired"), &json!(401)));
        let again = authorize(&server, &client, channel, &bearer(60)).await;
        assert_eq!(again["auth"], answer["auth"]);
        subscribe(&mut client, channel, &again).await;
        assert_eq!(client.next().await["event"], "pusher_internal:subscription_succeeded");
    }
    server.stop().await;
}

#[tokio::test]
async fn e5_resubscribing_does_not_extend_the_time() {
    let server = TestServer::start(&configuration(LEEWAY)).await;
    let mut client = server.connect().await;
    let answer = authorize(&server, &client, "private-a", &bearer(2)).await;
    subscribe(&mut client, "private-a", &answer).await;
    client.expect_subscribed("private-a").await;
    client.unsubscribe("private-a").await;
    subscribe(&mut client, "private-a", &answer).await;
    client.expect_subscribed("private-a").await;
    expect_end(&mut client, "private-a", "AuthExpired").await;
    // Signatures of a backend have no limit here.
    client.subscribe("private-b").await;
    server.stop().await;
}

#[tokio::test]
async fn e5_newer_authorization_extends_a_running_subscription() {
    let server = TestServer::start(&configuration(LEEWAY)).await;
    let mut client = server.connect().await;
    let answer = authorize(&server, &client, "private-a", &bearer(2)).await;
    subscribe(&mut client, "private-a", &answer).await;
    client.expect_subscribed("private-a").await;
    authorize(&server, &client, "private-a", &bearer(600)).await;
    let short = authorize(&server, &client, "private-b", &bearer(2)).await;
    subscribe(&mut client, "private-b", &short).await;
    client.expect_subscribed("private-b").await;
    expect_end(&mut client, "private-b", "AuthExpired").await;
    server.publish("private-a", "still", "1").await;
    assert_eq!(client.next().await["event"], "still");
    server.stop().await;
}

/// An unreadable event makes clients re-authorize, and the new authorization extends the time.
#[tokio::test]
async fn e5_sealed_subscribers_are_nudged_before_their_authorization_ends() {
    let server = TestServer::start(&configuration(LEEWAY)).await;
    let channel = "private-encrypted-a";
    let (mut asks, mut silent) = (server.connect().await, server.connect().await);
    for client in [&mut asks, &mut silent] {
        let answer = authorize(&server, client, channel, &bearer(6)).await;
        subscribe(client, channel, &answer).await;
        client.expect_subscribed(channel).await;
    }
    let secret = shared_secret(&master_key("bounds"), channel);
    for client in [&mut asks, &mut silent] {
        let nudge = client.next().await;
        assert_eq!(
            (&nudge["event"], &nudge["channel"]),
            (&json!("sealcast:rekey"), &json!(channel))
        );
        let envelope = nudge["data"].as_str().expect("an envelope");
        assert!(try_open(&secret, envelope).is_none(), "{nudge}");
    }
    let answer = authorize(&server, &asks, channel, &bearer(600)).await;
    assert_eq!(answer["shared_secret"], json!(base64(&secret)), "the secret stays");
    expect_end(&mut silent, channel, "AuthExpired").await;
    server.publish(channel, "news", "hello").await;
    let frame = asks.next().await;
    assert_eq!(frame["event"], "news");
    let opened = try_open(&secret, frame["data"].as_str().expect("an envelope"));
    assert_eq!(opened.as_deref(), Some(&b"hello"[..]));
    silent.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn e5_rule_limits_time_and_client_events() {
    let rules = r#"
        [[apps.it.rules]]
        channel = "private-talk"
        allow = ["subscribe", "client_events"]
        max_ttl_seconds = 2
        [[apps.it.rules]]
        channel = "private-listen"
        allow = ["subscribe"]
    "#;
    let server = TestServer::start(&configuration(rules)).await;
    let (mut client, mut other) = (server.connect().await, server.connect().await);
    for channel in ["private-talk", "private-listen"] {
        other.subscribe(channel).await;
        let answer = authorize(&server, &client, channel, &bearer(600)).await;
        subscribe(&mut client, channel, &answer).await;
        client.expect_subscribed(channel).await;
    }
    client.client_event("private-talk", "client-a", json!({})).await;
    assert_eq!(other.next().await["event"], "client-a");
    client.client_event("private-listen", "client-a", json!({})).await;
    assert!(client.expect_error(None).await.contains("does not include them"));
    // A signature of the application's own backend has no such limit.
    other.client_event("private-listen", "client-b", json!({})).await;
    assert_eq!(client.next().await["event"], "client-b");
    expect_end(&mut client, "private-talk", "AuthExpired").await;
    server.stop().await;
}

#[tokio::test]
async fn e5_3_authorizations_without_a_subscription_are_limited() {
    const MOST: usize = 500;
    let keys = format!("authorizer = \"open\"\nmaster_key = \"{}\"", base64(&master_key("bounds")));
    let limits = "limits.auth_per_ip = 0\nlimits.auth_per_socket = 0\nlimits.auth_per_user = 0";
    let server = TestServer::start(&config(&format!("{keys}\n{limits}"))).await;
    let mut client = server.connect().await;
    let mut line = server.http_connection().await;
    let mut ask = async |client: &Client, n: usize| {
        let request = Request::new("POST", "/apps/it/auth/channel");
        let form = client.auth_form(&format!("private-encrypted-{n}"));
        line.send(&request.form(&form)).await
    };
    for n in 0..MOST {
        ask(&client, n).await.expect(200, n);
    }
    let response = ask(&client, MOST).await;
    assert_eq!(response.refused(403, "one more"), "too_many_authorizations");
    // A repeated request takes no room, and a joined channel makes room.
    let again = ask(&client, 0).await.expect(200, "the first again");
    subscribe(&mut client, "private-encrypted-0", &again).await;
    client.expect_subscribed("private-encrypted-0").await;
    ask(&client, MOST).await.expect(200, "there is room");
    let other = server.connect().await;
    ask(&other, MOST).await.expect(200, "another connection");
    server.stop().await;
}
