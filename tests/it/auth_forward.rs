//! The authorizer `forward`, with a well-behaved or misbehaving application.

use std::time::Instant;

use serde_json::{Value, json};

use crate::support::*;

fn forwarding(target: &StubServer, more: &str) -> String {
    config(&format!(
        "authorizer = \"forward\"\nexplain = true\nclient_events = true\norigins = [\"https://a.example\"]\nmaster_key = \"{}\"\n[apps.it.forward]\nurl = \"{}\"\n{more}",
        base64(&master_key("forward")),
        target.url("/decide?x=y")
    ))
}

fn question(client: &Client, channel: &str) -> Request {
    Request::new("POST", "/apps/it/auth/channel").form(&client.auth_form(channel))
}

async fn ask(server: &TestServer, client: &Client, channel: &str, bearer: &str) -> Response {
    server.send(question(client, channel).header("Authorization", bearer)).await
}

#[tokio::test]
async fn s10_application_allows() {
    let target = StubServer::start(Reply::new(200, "text/plain", "")).await;
    let server = TestServer::start(&forwarding(
        &target,
        "headers = [\"authorization\", \"X-CSRF-Token\"]\ncookies = [\"session\"]\ncache_seconds = 0",
    ))
    .await;
    let mut client = server.connect().await;
    let id = client.socket_id.clone();
    let request = question(&client, "private-a")
        .header("Authorization", "Bearer t1")
        .header("X-CSRF-Token", "c1")
        .header("X-Other", "o1")
        .header("Origin", "https://a.example")
        .header("Sec-Fetch-Site", "same-site")
        .header("Cookie", "other=1; session=s1");
    let answer = server.send(request).await.expect(200, "an empty yes");
    assert_eq!(answer["auth"], APP.channel_auth(&id, "private-a", None));
    let asked = target.requests().remove(0);
    let (head, body) = asked.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with("POST /decide?x=y HTTP/1.1\r\n"), "{head}");
    for line in [
        "authorization: Bearer t1",
        "x-csrf-token: c1",
        "cookie: session=s1",
        "content-type: application/x-www-form-urlencoded",
    ] {
        assert!(head.lines().any(|l| l.eq_ignore_ascii_case(line)), "{line}: {head}");
    }
    assert!(!head.contains("o1") && !head.contains("other"), "{head}");
    assert_eq!(body, format!("socket_id={id}&channel_name=private-a"));

    let user = json!({"user_id": "u1", "user_info": {"name": "é"}, "auth": "ignored"});
    target.set_reply(Reply::json(200, &user));
    let answer = ask(&server, &client, "presence-a", "Bearer t1").await.expect(200, "presence");
    let data: Value =
        serde_json::from_str(answer["channel_data"].as_str().expect("a text")).expect("JSON");
    assert_eq!(data, json!({"user_id": "u1", "user_info": {"name": "é"}}));
    let secret = base64(&shared_secret(&master_key("forward"), "private-encrypted-a"));
    let answer = ask(&server, &client, "private-encrypted-a", "Bearer t1").await;
    assert_eq!(answer.expect(200, "encrypted")["shared_secret"], json!(secret));
    let request = Request::new("POST", "/apps/it/auth/user").form(&format!("socket_id={id}"));
    let answer = server.send(request).await.expect(200, "a user");
    assert!(answer["user_data"].as_str().is_some_and(|data| data.contains("u1")), "{answer}");
    assert!(
        target
            .requests()
            .last()
            .is_some_and(|asked| asked.ends_with(&format!("\r\n\r\nsocket_id={id}")))
    );

    // Cookies from an unlisted page are not forwarded.
    for (name, value) in [("Origin", ""), ("Sec-Fetch-Site", "cross-site")] {
        let mut request = question(&client, "private-a").header("Cookie", "session=s1");
        if name != "Origin" {
            request = request.header("Origin", "https://a.example").header(name, value);
        }
        server.send(request).await;
        assert!(!target.requests().last().expect("a question").contains("s1"), "{name}");
    }

    target.set_reply(Reply::json(200, &json!({"allow": ["subscribe"]})));
    let answer = ask(&server, &client, "private-b", "Bearer t1").await.expect(200, "to listen");
    client.send(&json!({"event": "pusher:subscribe", "data": {"channel": "private-b", "auth": answer["auth"]}})).await;
    client.expect_subscribed("private-b").await;
    client.client_event("private-b", "client-x", json!({})).await;
    assert!(client.expect_error(None).await.contains("does not include them"));
    server.stop().await;
}

#[tokio::test]
async fn s10_application_denies() {
    let target = StubServer::start(Reply::json(403, &json!({"user_id": "u1"}))).await;
    let server = TestServer::start(&forwarding(&target, "")).await;
    let client = server.connect().await;
    for (reply, status, code) in [
        (Reply::json(403, &json!({"user_id": "u1"})), 403, "forward_denies"),
        (Reply::new(401, "text/html", "<html>"), 401, "forward_unauthenticated"),
        (Reply::json(200, &json!({"allow": []})), 403, "forward_denies"),
        (Reply::json(200, &json!({"allow": ["client_events"]})), 403, "forward_denies"),
        (Reply::json(200, &json!({"allow": ["SUBSCRIBE"]})), 403, "forward_denies"),
        (Reply::json(200, &json!({})), 403, "no_user_id"),
    ] {
        target.set_reply(reply);
        let bearer = format!("Bearer {status}-{code}-{}", target.requests().len());
        let response = ask(&server, &client, "presence-a", &bearer).await;
        assert_eq!(response.refused(status, code), code);
        assert!(!response.text().contains("\"auth\""), "{}", response.text());
    }
    server.stop().await;
}

#[tokio::test]
async fn s10_misbehaving_application_allows_nothing() {
    let elsewhere = StubServer::start(Reply::json(200, &json!({}))).await;
    for (reply, status, code) in [
        (Reply::Silence, 503, "forward_timeout"),
        (Reply::PartialBody, 503, "forward_timeout"),
        (Reply::Disconnect, 503, "forward_unreachable"),
        (Reply::Bytes(b"rubbish\r\n\r\n".to_vec()), 503, "forward_unreachable"),
        (Reply::EndlessBody, 502, "forward_too_large"),
        (Reply::new(200, "text/html", "<html>Log in</html>"), 502, "forward_bad_answer"),
        (Reply::new(200, "text/html", "{}"), 502, "forward_bad_answer"),
        (Reply::new(200, "application/json", "true"), 502, "forward_bad_answer"),
        (Reply::json(200, &json!({"user_id": 5})), 502, "forward_bad_answer"),
        (Reply::json(200, &json!({"user_id": ""})), 502, "forward_bad_answer"),
        (Reply::json(200, &json!({"ttl": "long"})), 502, "forward_bad_answer"),
        (Reply::json(500, &json!({})), 502, "forward_status"),
        (Reply::json(404, &json!({})), 502, "forward_status"),
        (Reply::json(201, &json!({})), 502, "forward_status"),
        (Reply::redirect(&elsewhere.url("/")), 502, "forward_redirect"),
    ] {
        let target = StubServer::start(reply).await;
        let server = TestServer::start(&forwarding(&target, "timeout_ms = 500")).await;
        let client = server.connect().await;
        for channel in ["private-a", "presence-a", "private-encrypted-a"] {
            let began = Instant::now();
            let response = ask(&server, &client, channel, "Bearer t").await;
            assert_eq!(response.refused(status, code), code, "{channel}");
            assert!(began.elapsed() < DEADLINE, "{code}");
            for granted in ["\"auth\"", "shared_secret"] {
                assert!(!response.text().contains(granted), "{}", response.text());
            }
        }
        server.stop().await;
    }
    assert_eq!(elsewhere.requests().len(), 0, "a redirect was followed");
}

#[tokio::test]
async fn s10_failing_application_is_paused_briefly() {
    let target = StubServer::start(Reply::Disconnect).await;
    let server = TestServer::start(&forwarding(&target, "cache_seconds = 0")).await;
    let client = server.connect().await;
    let mut codes = Vec::new();
    for _ in 0..8 {
        let response = ask(&server, &client, "private-a", "Bearer t").await;
        codes.push(response.refused(503, "a failure"));
    }
    assert_eq!(codes[..5], ["forward_unreachable"; 5].map(str::to_owned));
    assert_eq!(codes[5..], ["forward_resting"; 3].map(str::to_owned));
    target.set_reply(Reply::json(200, &json!({})));
    until("it is asked again", async || {
        (ask(&server, &client, "private-a", "Bearer t").await.status == 200).then_some(())
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn s10_allowed_answer_is_cached_per_user_and_channel() {
    let target = StubServer::start(Reply::json(200, &json!({"user_id": "u1"}))).await;
    let server = TestServer::start(&forwarding(&target, "cache_seconds = 60")).await;
    let (first, second) = (server.connect().await, server.connect().await);
    for client in [&first, &second, &first] {
        ask(&server, client, "private-a", "Bearer t1").await.expect(200, "one user");
    }
    assert_eq!(target.requests().len(), 1);
    target.set_reply(Reply::json(403, &json!({})));
    ask(&server, &first, "private-a", "Bearer t2").await.refused(403, "another user");
    ask(&server, &first, "private-b", "Bearer t1").await.refused(403, "another channel");
    server.send(question(&first, "private-a")).await.refused(403, "nobody");
    ask(&server, &first, "private-a", "Bearer t2").await.refused(403, "a no is not remembered");
    assert_eq!(target.requests().len(), 5);
    server.stop().await;
}

#[tokio::test]
async fn s10_concurrent_requests_are_limited() {
    let target = StubServer::start(Reply::Silence).await;
    let server = TestServer::start(&forwarding(&target, "timeout_ms = 800\nconcurrency = 2")).await;
    let client = server.connect().await;
    let asking = (0..6).map(|_| ask(&server, &client, "private-a", "Bearer t"));
    let answers = futures_util::future::join_all(asking).await;
    let codes: Vec<String> = answers.iter().map(|answer| answer.refused(503, "silence")).collect();
    assert!(codes.iter().any(|code| code == "forward_busy"), "{codes:?}");
    assert!(target.requests().len() <= 4, "{}", target.requests().len());
    server.stop().await;
}

#[tokio::test]
async fn c_unsafe_credential_targets_stop_the_start() {
    let forward =
        |text: &str| format!("authorizer = \"forward\"\nexplain = true\n[apps.it.forward]\n{text}");
    for (text, expected) in [
        ("authorizer = \"forward\"\nexplain = true".to_owned(), "forward.url is missing"),
        (forward("url = \"http://app.example.com/\""), "must be https"),
        (forward("url = \"https://u:p@app.example.com/\""), "user name"),
        (forward("url = \"https://app.example.com/\"\nheaders = [\"Cookie\"]"), "no header that"),
        (forward("url = \"https://app.example.com/\"\ncookies = [\"a b\"]"), "no name of a cookie"),
        (forward("url = \"https://app.example.com/\"\ntimeout_ms = 0"), "at least 1"),
        (forward("url = \"https://app.example.com/\"\nca_file = \"/none\""), "/none"),
        (
            "authorizer = \"jwt\"\nexplain = true\nforward = { url = \"https://a.example\" }"
                .to_owned(),
            "is not",
        ),
    ] {
        let output = Launch::new(&["config", "check"]).config(&config(&text)).output("").await;
        assert!(!output.status.success(), "{text}: {output:?}");
        assert!(output.stderr.contains(expected), "{text}: {output:?}");
    }
    let allowed = forward("url = \"http://app:8080/auth\"\nallow_http = true");
    let output = Launch::new(&["config", "check"]).config(&config(&allowed)).output("").await;
    assert!(output.status.success(), "{output:?}");
}
