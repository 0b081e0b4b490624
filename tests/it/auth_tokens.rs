//! Access tokens: issued by the signed API or offline, accepted at the endpoints, revoked.

use serde_json::{Value, json};

use crate::support::*;

async fn mint(server: &TestServer, body: &Value) -> Value {
    server.post("/tokens", body).await.expect(200, body)
}

async fn ask(server: &TestServer, client: &Client, channel: &str, token: &str) -> Response {
    let request = Request::new("POST", "/apps/it/auth/channel")
        .header("Authorization", &format!("Bearer {token}"))
        .form(&client.auth_form(channel));
    server.send(request).await
}

async fn join(server: &TestServer, client: &mut Client, channel: &str, token: &str) {
    let answer = ask(server, client, channel, token).await.expect(200, channel);
    let data = json!({"channel": channel, "auth": answer["auth"]});
    client.send(&json!({"event": "pusher:subscribe", "data": data})).await;
    client.expect_subscribed(channel).await;
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

#[tokio::test]
async fn s10_access_tokens_work_with_any_authorizer() {
    for authorizer in ["deny", "jwt"] {
        let server =
            TestServer::start(&config(&format!("authorizer = \"{authorizer}\"\nexplain = true")))
                .await;
        let client = server.connect().await;
        let wanted = json!({"user_id": "u1", "user_info": {"name": "é"}, "channels": ["private-a-*", "presence-x"], "ttl": 60});
        let response = server.post("/tokens", &wanted).await;
        assert_eq!(response.header("Cache-Control"), Some("no-store"));
        let minted = response.expect(200, authorizer);
        assert!((55..=61).contains(&(minted["expires"].as_i64().expect("a time") - unix_now())));
        let token = text(&minted["token"]);
        ask(&server, &client, "private-a-1", token).await.expect(200, "covered");
        let answer = ask(&server, &client, "presence-x", token).await.expect(200, "covered");
        assert_eq!(text(&answer["channel_data"]), r#"{"user_id":"u1","user_info":{"name":"é"}}"#);
        let response = ask(&server, &client, "private-b", token).await;
        assert_eq!(response.refused(403, "not covered"), "channel_not_covered");
        let request = Request::new("POST", "/apps/it/auth/user")
            .header("Authorization", &format!("Bearer {token}"))
            .form(&format!("socket_id={}", client.socket_id));
        server.send(request).await.expect(200, "a user");
        // A token signed with the app secret itself is not an access token.
        let claims = json!({"aud": "it", "sub": "u1", "jti": "x", "iat": unix_now(), "exp": unix_now() + 60, "channels": ["*"]});
        let head = json!({"alg": "HS256", "typ": "sealcast-access+jwt"});
        let forged = crate::support::token(&head, &claims, APP.secret);
        let response = ask(&server, &client, "private-a-1", &forged).await;
        assert_eq!(response.refused(401, "forged"), "token_signature");
        // An access token is not a token of the application either.
        let parts: Vec<&str> = token.split('.').collect();
        let renamed = format!("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.{}.{}", parts[1], parts[2]);
        let response = ask(&server, &client, "private-a-1", &renamed).await;
        assert!(matches!(response.status, 401 | 403), "{response:?}");
        server.stop().await;
    }
}

#[tokio::test]
async fn s10_tokens_give_the_abilities_they_name() {
    let server = TestServer::start(&config("client_events = true\nexplain = true")).await;
    let mut client = server.connect().await;
    let wanted = |allow: Value| json!({"user_id": "u1", "channels": ["private-*"], "allow": allow});
    for (channel, allow, sends) in [
        ("private-a", json!(["subscribe", "client_events", "history"]), true),
        ("private-b", json!(["subscribe", "clear"]), false),
        ("private-c", Value::Null, true),
    ] {
        let minted = mint(&server, &wanted(allow)).await;
        join(&server, &mut client, channel, text(&minted["token"])).await;
        client.client_event(channel, "client-x", json!({})).await;
        if !sends {
            assert!(client.expect_error(None).await.contains("does not include them"));
        }
    }
    client.expect_silence().await;
    let minted = mint(&server, &wanted(json!(["trigger"]))).await;
    let response = ask(&server, &client, "private-d", text(&minted["token"])).await;
    assert_eq!(response.refused(403, "no subscribe"), "ability_missing");
    for allow in [json!([]), json!(["read"]), json!(["Subscribe"]), json!(["client_events"])] {
        let response = server.post("/tokens", &wanted(allow.clone())).await;
        assert_eq!(response.refused(400, allow), "invalid_allow");
    }
    server.stop().await;
}

#[tokio::test]
async fn s10_token_of_another_app_or_origin_is_refused() {
    let server = TestServer::start(&config_of("", &[(APP, ""), (OTHER, "")])).await;
    let (client, theirs) = (server.connect().await, server.connect_as(OTHER).await);
    let minted = mint(&server, &json!({"user_id": "u1", "channels": ["private-*"]})).await;
    let request = Request::new("POST", "/apps/other/auth/channel")
        .header("Authorization", &format!("Bearer {}", text(&minted["token"])))
        .form(&theirs.auth_form("private-a"));
    server.send(request).await.refused(401, "another app");
    let bound = json!({"user_id": "u1", "channels": ["private-*"], "origin": "https://a.example"});
    let minted = mint(&server, &bound).await;
    for (origin, status) in
        [(Some("https://a.example"), 200), (Some("https://b.example"), 401), (None, 401)]
    {
        let mut request = Request::new("POST", "/apps/it/auth/channel")
            .header("Authorization", &format!("Bearer {}", text(&minted["token"])))
            .form(&client.auth_form("private-a"));
        if let Some(origin) = origin {
            request = request.header("Origin", origin);
        }
        let response = server.send(request).await;
        assert_eq!(response.status, status, "{origin:?}: {response:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn s10_invalid_token_requests_are_refused() {
    let server = TestServer::start(&config("")).await;
    for (body, code) in [
        (json!({"user_id": "u1", "channels": []}), "invalid_channels"),
        (json!({"user_id": "u1", "channels": ["a b"]}), "invalid_channels"),
        (json!({"user_id": "", "channels": ["a"]}), "invalid_user_id"),
        (json!({"user_id": "u1", "channels": ["a"], "ttl": 0}), "invalid_ttl"),
        (json!({"user_id": "u1", "channels": ["a"], "ttl": 86401}), "invalid_ttl"),
        (json!({"user_id": "u1", "channels": ["a"], "ttl": -1}), "invalid_json"),
        (json!({"user_id": 5, "channels": ["a"]}), "invalid_json"),
        (
            json!({"user_id": "u1", "channels": ["a"], "origin": "https://a.example/path"}),
            "invalid_origin",
        ),
        (json!({"channels": ["a"]}), "invalid_json"),
        (json!({"user_id": "u1", "channels": ["a"], "admin": true}), "invalid_json"),
        (
            json!({"user_id": "u1", "channels": ["a"], "user_info": "x".repeat(9000)}),
            "token_too_long",
        ),
    ] {
        assert_eq!(server.post("/tokens", &body).await.refused(400, &body), code, "{body}");
    }
    for body in [json!({}), json!({"jti": "a", "user_id": "b"}), json!({"jti": ""})] {
        let response = server.post("/tokens/revoke", &body).await;
        assert_eq!(response.refused(400, &body), "invalid_revocation");
    }
    let unsigned =
        Request::new("POST", "/apps/it/tokens").json(&json!({"user_id": "u1", "channels": ["*"]}));
    server.send(unsigned).await.refused(401, "unsigned");
    server.stop().await;
}

#[tokio::test]
async fn e5_revocation_ends_subscriptions_and_survives_a_restart() {
    let launch = Launch::serve(&config("explain = true")).arg("--state-dir").arg("state");
    let server = launch.start().await;
    let wanted = |user: &str| json!({"user_id": user, "channels": ["private-*"]});
    let (one, two) = (mint(&server, &wanted("u1")).await, mint(&server, &wanted("u1")).await);
    let other = mint(&server, &wanted("u2")).await;
    let mut clients = Vec::new();
    for minted in [&one, &two, &other] {
        let mut client = server.connect().await;
        join(&server, &mut client, "private-a", text(&minted["token"])).await;
        clients.push(client);
    }
    let expect_end = async |client: &mut Client| {
        let frame = client.next().await;
        assert_eq!(frame["data"]["type"], "AuthRevoked", "{frame}");
        assert_eq!(
            (&frame["channel"], &frame["data"]["status"]),
            (&json!("private-a"), &json!(401))
        );
    };
    server.post("/tokens/revoke", &json!({"jti": one["jti"]})).await.expect(200, "one token");
    expect_end(&mut clients[0]).await;
    server.publish("private-a", "news", "1").await;
    clients[0].expect_silence().await;
    assert_eq!(clients[1].next().await["event"], "news");
    let response = ask(&server, &clients[0], "private-a", text(&one["token"])).await;
    assert_eq!(response.refused(401, "revoked"), "token_revoked");
    // The earlier signature is refused as well.
    clients[0].send_subscribe("private-a").await;
    assert_eq!(clients[0].expect_refused("private-a").await["type"], "AuthExpired");
    server.post("/tokens/revoke", &json!({"user_id": "u1"})).await.expect(200, "one user");
    expect_end(&mut clients[1]).await;
    server.publish("private-a", "news", "2").await;
    clients[1].expect_silence().await;
    for event in ["news", "news"] {
        assert_eq!(clients[2].next().await["event"], event);
    }
    let file = std::fs::read_to_string(server.dir.path().join("state/it.revoked.json"));
    let file = file.expect("the list of revoked tokens");
    assert!(file.contains(text(&one["jti"])) && !file.contains(text(&one["token"])));
    server.stop().await;

    let launch = Launch::serve(&config("")).arg("--state-dir").arg("state");
    std::fs::create_dir(launch.dir().path().join("state")).expect("a directory");
    launch.dir().write("state/it.revoked.json", &file);
    let server = launch.start().await;
    let client = server.connect().await;
    for minted in [&one, &two] {
        ask(&server, &client, "private-a", text(&minted["token"]))
            .await
            .refused(401, "still revoked");
    }
    ask(&server, &client, "private-a", text(&other["token"])).await.expect(200, "the other user");
    server.stop().await;
}

/// Repeated, since the old and the new one may by chance be of two seconds.
#[tokio::test]
async fn f1_only_tokens_issued_after_a_revocation_work() {
    let sealed = "private-encrypted-a";
    let key = base64(&master_key("tokens"));
    let server =
        TestServer::start(&config(&format!("master_key = \"{key}\"\nderivation = \"hkdf\""))).await;
    let client = server.connect().await;
    let wanted = json!({"user_id": "u1", "channels": ["private-*"]});
    for path in ["/tokens/revoke", "/channels/private-encrypted-a/revoke"].repeat(2) {
        let before = mint(&server, &wanted).await;
        ask(&server, &client, sealed, text(&before["token"])).await.expect(200, "before");
        server.post(path, &json!({"user_id": "u1"})).await.expect(200, path);
        let after = mint(&server, &wanted).await;
        let answer = ask(&server, &client, sealed, text(&before["token"])).await;
        assert!([401, 403].contains(&answer.status), "{path}: {}", answer.text());
        let granted = ask(&server, &client, sealed, text(&after["token"])).await;
        assert!(granted.expect(200, path)["shared_secret"].is_string(), "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn c_token_made_offline_is_accepted() {
    let settings = config("");
    let make = async |more: &[&str]| {
        let mut arguments = vec!["token", "--user", "u1", "--channel", "private-*"];
        arguments.extend(more);
        Launch::new(&arguments).config(&settings).output("").await
    };
    let output = make(&["--ttl", "60", "--user-info", "{\"a\":1}"]).await;
    assert!(output.status.success(), "{output:?}");
    let server = TestServer::start(&settings).await;
    let client = server.connect().await;
    ask(&server, &client, "private-a", output.stdout.trim()).await.expect(200, "made offline");
    server.stop().await;
    for more in [&["--ttl", "0"][..], &["--user-info", "{"], &["--app", "none"]] {
        let output = make(more).await;
        assert!(!output.status.success(), "{more:?}: {output:?}");
    }
    let launch = Launch::new(&["auth", "test", "-", "private-a"]).config(&settings);
    let tested = launch.output(&output.stdout).await;
    assert!(tested.stdout.contains("private-a: granted"), "{tested:?}");
}
