//! Who may do what: each ability, each request, and each way to be given it.

use serde_json::{Value, json};

use crate::support::*;

const JWT: &str = "jwt-secret-of-the-abilities";
const PAGE: &str = "https://app.example.com";
const CHANNEL: &str = "private-log";
const CACHE: &str = "private-cache-log";
const ALL: [&str; 5] = ["subscribe", "client_events", "history", "trigger", "clear"];

const CHANNELS: &str = "[[apps.it.channels]]\npattern = \"*\"\nhistory = { blind = true }\n";

/// Each request, and the ability that it needs.
fn requests() -> Vec<(&'static str, Request)> {
    let event = json!({"name": "client-x", "channel": CHANNEL, "data": ""});
    let get =
        |channel: &str, what: &str| page_request("GET", &format!("/channels/{channel}/{what}"));
    vec![
        ("history", get(CHANNEL, "history")),
        ("history", get(CACHE, "history")),
        ("history", get(CHANNEL, "last")),
        ("subscribe", get(CACHE, "last")),
        ("subscribe", get(CHANNEL, "encryption-settings")),
        ("trigger", page_request("POST", "/events").json(&event)),
        ("clear", page_request("DELETE", &format!("/channels/{CHANNEL}/history"))),
        ("subscribe", page_request("POST", "/tickets").json(&json!({"channels": [CHANNEL]}))),
    ]
}

/// Sends all requests, and expects those within `allow` alone to be answered.
async fn check(server: &TestServer, allow: &[&str], with: impl Fn(Request) -> Request) {
    let body = json!({"name": "e", "channels": [CHANNEL, CACHE], "data": "1"});
    server.post("/events", &body).await.expect(200, "something to read");
    for (needed, request) in requests() {
        let request = with(request);
        let input = format!("{} {} with {allow:?}", request.method, request.target);
        let response = server.send(request).await;
        if allow.contains(&needed) {
            assert!(matches!(response.status, 200 | 204), "{input}: {}", response.text());
        } else {
            assert_eq!(response.refused(403, &input), "ability_missing", "{input}");
        }
    }
}

fn sets() -> Vec<Vec<&'static str>> {
    let mut sets: Vec<Vec<&str>> = vec![ALL.to_vec(), vec!["subscribe", "client_events"]];
    sets.extend(["subscribe", "history", "trigger", "clear"].map(|ability| vec![ability]));
    sets
}

#[tokio::test]
async fn access_tokens_give_what_they_name() {
    let server = TestServer::start(&config(&format!("explain = true\n{CHANNELS}"))).await;
    for allow in sets() {
        let token = server.token(&allow).await;
        check(&server, &allow, |request| request.bearer(&token)).await;
    }
    let minted = server.post("/tokens", &json!({"user_id": "u1", "channels": ["*"]})).await;
    let minted = minted.expect(200, "without allow");
    let token = minted["token"].as_str().expect("a token");
    check(&server, &["subscribe"], |request| request.bearer(token)).await;
    let narrow = server.token_for("u1", &["private-other"], &ALL).await;
    for (_, request) in requests() {
        let response = server.send(request.bearer(&narrow)).await;
        assert_eq!(response.refused(403, "another channel"), "channel_not_covered");
    }
    server.stop().await;
}

fn own_token(more: &Value) -> String {
    let mut claims = json!({"sub": "u1", "exp": unix_now() + 600, "channels": ["private-*"]});
    claims.as_object_mut().expect("an object").extend(more.as_object().expect("one").clone());
    token(&json!({"alg": "HS256"}), &claims, JWT)
}

fn jwt(more: &str) -> String {
    config(&format!(
        "explain = true\nauthorizer = \"jwt\"\njwt_secret = \"{JWT}\"\norigins = [\"{PAGE}\"]\njwt.cookie = \"session\"\n{more}\n{CHANNELS}"
    ))
}

#[tokio::test]
async fn tokens_of_the_application_give_what_they_name() {
    let server = TestServer::start(&jwt("")).await;
    for allow in sets() {
        let token = own_token(&json!({"allow": allow}));
        check(&server, &allow, |request| request.bearer(&token)).await;
    }
    let token = own_token(&json!({}));
    check(&server, &["subscribe"], |request| request.bearer(&token)).await;
    for allow in [json!(["read"]), json!("history"), json!([])] {
        let token = own_token(&json!({"allow": allow}));
        let response = server.page_get(&token, &format!("/channels/{CHANNEL}/history")).await;
        assert_eq!(response.refused(401, allow), "token_malformed");
    }
    server.stop().await;
}

#[tokio::test]
async fn rules_give_what_they_name_to_bearers_and_cookies() {
    for allow in sets() {
        let rule = format!("[[apps.it.rules]]\nchannel = \"private-*\"\nallow = {allow:?}\n");
        let server = TestServer::start(&jwt(&rule)).await;
        let token = own_token(&json!({"allow": ALL}));
        check(&server, &allow, |request| request.bearer(&token)).await;
        for (needed, request) in requests() {
            let cookie = format!("session={token}");
            let is_ticket = request.target.ends_with("/tickets");
            let request = request.header("Cookie", &cookie).header("Origin", PAGE);
            let response = server.send(request.clone()).await;
            if is_ticket {
                assert_eq!(response.refused(401, "a cookie"), "token_missing");
            } else if allow.contains(&needed) {
                assert!(matches!(response.status, 200 | 204), "{request:?}: {response:?}");
            } else {
                assert_eq!(response.refused(403, "a cookie"), "ability_missing", "{request:?}");
            }
        }
        server.stop().await;
    }
    let old = "[[apps.it.rules]]\nchannel = \"private-*\"\n";
    let server = TestServer::start(&jwt(old)).await;
    let token = own_token(&json!({"allow": ALL}));
    check(&server, &["subscribe"], |request| request.bearer(&token)).await;
    server.stop().await;
}

#[tokio::test]
async fn answers_of_the_application_give_what_they_name() {
    let target = StubServer::start(Reply::json(200, &json!({}))).await;
    let forward = format!(
        "explain = true\nauthorizer = \"forward\"\n[apps.it.forward]\nurl = \"{}\"\ncache_seconds = 0\n{CHANNELS}",
        target.url("/auth")
    );
    let server = TestServer::start(&config(&forward)).await;
    for allow in sets() {
        let reply = json!({"user_id": "u1", "allow": allow});
        target.set_reply(Reply::json(200, &reply));
        check(&server, &allow, |request| request.bearer("x")).await;
    }
    assert!(target.requests().iter().all(|request| !request.contains("socket_id")));
    for reply in [json!({}), json!({"allow": ["subscribe", "read"]})] {
        target.set_reply(Reply::json(200, &reply));
        check(&server, &["subscribe"], |request| request.bearer("x")).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn nobody_gains_by_an_open_authorizer_or_a_signature() {
    let open = format!("explain = true\nauthorizer = \"open\"\n{CHANNELS}");
    let server = TestServer::start(&config(&open)).await;
    for (needed, request) in requests() {
        let is_ticket = request.target.ends_with("/tickets");
        for request in [request.clone(), request.bearer("x")] {
            let response = server.send(request).await;
            match needed {
                "subscribe" if is_ticket => {
                    assert_eq!(response.refused(401, "nothing verified"), "token_missing");
                }
                "subscribe" => assert!(matches!(response.status, 200 | 204), "{response:?}"),
                _ => assert_eq!(response.refused(403, needed), "ability_missing"),
            }
        }
    }
    server.stop().await;
    let server = TestServer::start(&config(&format!("explain = true\n{CHANNELS}"))).await;
    for (_, request) in requests() {
        let is_ticket = request.target.ends_with("/tickets");
        let response = server.send(request).await;
        if is_ticket {
            response.refused(401, "nobody");
        } else {
            assert_eq!(response.refused(403, "nobody"), "not_authorized_here");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn public_channels_are_read_by_all_as_far_as_subscribers_are_given_them() {
    let server = TestServer::start(&config(&format!("explain = true\n{CHANNELS}"))).await;
    server.publish("cache-news", "e", "1").await;
    let get = |path: &str| page_request("GET", &format!("/channels/{path}"));
    for (path, allowed) in [
        ("cache-news/last", true),
        ("news/encryption-settings", true),
        ("news/last", false),
        ("cache-news/history", false),
    ] {
        let response = server.send(get(path)).await;
        if allowed {
            response.expect(200, path);
        } else {
            assert_eq!(response.refused(403, path), "ability_missing");
        }
        let token = server.token_for("u1", &["*news"], &["history"]).await;
        let response = server.send(get(path).bearer(&token)).await;
        assert!(matches!(response.status, 200 | 204), "{path}: {response:?}");
        let elsewhere = server.token_for("u1", &["private-x"], &["history"]).await;
        let response = server.send(get(path).bearer(&elsewhere)).await;
        assert_eq!(response.status == 200, allowed, "{path}: {response:?}");
        let response = server.send(get(path).bearer(&format!("{token}x"))).await;
        assert!(matches!(response.status, 200 | 401 | 403), "{path}: {response:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn revoked_tokens_read_and_write_nothing() {
    let server = TestServer::start(&config(&format!("explain = true\n{CHANNELS}"))).await;
    let token = server.token(&ALL).await;
    server.post("/tokens/revoke", &json!({"user_id": "u1"})).await.expect(200, "revoked");
    for (_, request) in requests() {
        let response = server.send(request.bearer(&token)).await;
        assert_eq!(response.refused(401, "revoked"), "token_revoked");
    }
    // The next token reads what was logged since.
    server.publish(CHANNEL, "e", "before").await;
    let newer = server.token(&ALL).await;
    let page = server.page_get(&newer, &format!("/channels/{CHANNEL}/history")).await;
    let page = page.expect(200, "let in again");
    assert_eq!((page["events"].as_array().map(Vec::len), &page["more"]), (Some(0), &json!(false)));
    // Times of tokens are whole seconds.
    next_second().await;
    server.publish(CHANNEL, "e", "after").await;
    let page = server.page_get(&newer, &format!("/channels/{CHANNEL}/history")).await;
    assert_eq!(page.expect(200, "since then")["events"][0]["data"], "after");
    server.stop().await;
}

/// Without the tag, the answers of `last` and of a condition would contradict each other for ever.
#[tokio::test]
async fn reader_let_in_again_can_replace_the_event_that_is_hidden_from_him() {
    let channels = CHANNELS.replace("blind = true", "blind = true, client_events = true");
    let server = TestServer::start(&config(&channels)).await;
    for channel in [CHANNEL, CACHE] {
        let path = format!("/channels/{channel}/last");
        server.post("/tokens/revoke", &json!({"user_id": "u1"})).await.expect(200, "revoked");
        server.publish(channel, "e", "before").await;
        let token = server.token(&ALL).await;
        let hidden = server.page_get(&token, &path).await;
        assert_eq!((hidden.status, hidden.body.len()), (204, 0), "{channel}");
        let tag = hidden.header("ETag").expect("the tag of the hidden event").to_owned();
        let event = json!({"name": "client-x", "channel": channel, "data": "mine"});
        let write = async |header: &str, value: &str| {
            let request = page_request("POST", "/events").bearer(&token).header(header, value);
            server.send(request.json(&event)).await
        };
        assert_eq!(write("If-None-Match", "*").await.refused(412, channel), "position_changed");
        let known = page_request("GET", &path).bearer(&token).header("If-None-Match", &tag);
        assert_eq!(server.send(known).await.status, 304, "{channel}");
        next_second().await;
        write("If-Match", &tag).await.expect(200, channel);
        let last = server.page_get(&token, &path).await;
        assert_eq!(last.expect(200, channel)["data"], "mine");
        let clear = page_request("DELETE", &format!("/channels/{channel}/history"));
        assert_eq!(server.send(clear.bearer(&token)).await.status, 204, "{channel}");
        let empty = server.page_get(&token, &path).await;
        assert_eq!((empty.status, empty.header("ETag")), (204, None), "{channel} is empty");
    }
    server.stop().await;
}
