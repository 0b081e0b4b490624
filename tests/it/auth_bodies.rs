//! protocol.md 10: bodies and paths of the auth endpoints as pages and tools send them.

use serde_json::json;

use crate::support::*;

const PAGE: &str = "https://app.example.com";
const BOUNDARY: &str = "----WebKitFormBoundary7MA4YWxkTrZu0gW";

fn multipart(fields: &[(&str, &str)]) -> String {
    let part = |(name, value): &(&str, &str)| {
        format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        )
    };
    fields.iter().map(part).collect::<String>() + &format!("--{BOUNDARY}--\r\n")
}

#[tokio::test]
async fn f24_body_is_read_with_any_content_type() {
    let server = TestServer::start(&config("authorizer = \"open\"")).await;
    let client = server.connect().await;
    let id = client.socket_id.as_str();
    let wanted = client.auth("private-x", None);
    let form = client.auth_form("private-x");
    let json = json!({"socket_id": id, "channel_name": "private-x"}).to_string();
    let parts = multipart(&[("socket_id", id), ("channel_name", "private-x"), ("_token", "é")]);
    let multipart = format!("multipart/form-data; boundary={BOUNDARY}");
    for (kind, body) in [
        (Some("application/vnd.api+json"), &json),
        (Some("application/ld+json; charset=utf-8"), &json),
        (Some("text/plain;charset=UTF-8"), &json),
        (Some("application/x-www-form-urlencoded"), &json),
        (Some("text/json"), &json),
        (None, &json),
        (None, &form),
        (Some("text/plain"), &form),
        (Some(&*multipart), &parts),
    ] {
        let mut request = Request::new("POST", "/pusher/auth");
        request.body = body.clone().into();
        if let Some(kind) = kind {
            request = request.header("Content-Type", kind);
        }
        let answer = server.send(request).await.expect(200, format!("{kind:?}"));
        assert_eq!(answer["auth"], wanted, "{kind:?}");
    }
    for (kind, body) in [
        ("application/xml", "<socket_id>1.2</socket_id>"),
        ("text/html", "x"),
        ("application/octet-stream", &form),
    ] {
        let request = Request::new("POST", "/pusher/auth").body(kind, body);
        let response = server.send(request.header("Origin", PAGE)).await;
        assert_eq!(response.refused(415, kind), "unsupported_media_type");
        let error = response.json()["error"].to_string();
        for named in [kind, "x-www-form-urlencoded", "application/json", "multipart/form-data"] {
            assert!(error.contains(named), "{named}: {error}");
        }
    }
    for (kind, body) in [
        ("multipart/form-data", parts.clone()),
        (&*multipart, parts.replace("\r\n", "\n")),
        (&*multipart, parts.replacen("_token", "socket_id", 1)),
    ] {
        let request = Request::new("POST", "/pusher/auth").body(kind, body);
        server.send(request).await.refused(400, kind);
    }
    let long = multipart_of(17_000);
    let request = Request::new("POST", "/pusher/auth").body(&multipart, long);
    server.send(request).await.refused(413, "a long multipart body");
    server.stop().await;
}

fn multipart_of(length: usize) -> String {
    multipart(&[("socket_id", "1.2"), ("x", &"x".repeat(length))])
}

#[tokio::test]
async fn f24_cookies_are_ignored_with_cross_site_content_types() {
    const JWT: &str = "jwt-secret-of-the-body-tests";
    let server = TestServer::start(&config(&format!(
        "authorizer = \"jwt\"\njwt_secret = \"{JWT}\"\njwt.cookie = \"session\"\norigins = [\"{PAGE}\"]"
    )))
    .await;
    let client = server.connect().await;
    let claims = json!({"sub": "u1", "exp": unix_now() + 600, "channels": ["private-*"]});
    let good = token(&json!({"alg": "HS256"}), &claims, JWT);
    let form = client.auth_form("private-x");
    let json = json!({"socket_id": client.socket_id, "channel_name": "private-x"}).to_string();
    let parts =
        multipart(&[("socket_id", client.socket_id.as_str()), ("channel_name", "private-x")]);
    let multipart = format!("multipart/form-data; boundary={BOUNDARY}");
    let request = |kind: &str, body: &str| {
        let request = Request::new("POST", "/pusher/auth").body(kind, body);
        request.header("Origin", PAGE).header("Sec-Fetch-Site", "same-origin")
    };
    let cookie = format!("session={good}");
    for (kind, body, counts) in [
        ("application/x-www-form-urlencoded", &form, true),
        ("application/json", &json, true),
        ("text/plain", &json, false),
        ("text/plain", &form, false),
        ("application/x-www-form-urlencoded", &json, false),
        ("application/vnd.api+json", &json, false),
        (&*multipart, &parts, false),
        ("application/octet-stream", &json, false),
    ] {
        let response = server.send(request(kind, body).header("Cookie", &cookie)).await;
        match counts {
            true => drop(response.expect(200, kind)),
            false => assert_eq!(response.refused(401, kind), "cookie_not_accepted", "{kind}"),
        }
        // A page of another site cannot set this header without a preflight.
        let bearer = format!("Bearer {good}");
        server.send(request(kind, body).header("Authorization", &bearer)).await.expect(200, kind);
    }
    server.stop().await;
}

#[tokio::test]
async fn f24_trailing_slash_is_the_same_path() {
    let server = TestServer::start(&config("authorizer = \"open\"")).await;
    let client = server.connect().await;
    let form = client.auth_form("private-x") + "&user_id=u1";
    for path in [
        "/pusher/auth",
        "/jetsocket/auth",
        "/broadcasting/auth",
        "/apps/it/auth/channel",
        "/pusher/user-auth",
        "/jetsocket/user-auth",
        "/broadcasting/user-auth",
        "/apps/it/auth/user",
    ] {
        let slashed = format!("{path}/");
        let answer = server.send(Request::new("POST", &slashed).form(&form)).await;
        let plain = server.send(Request::new("POST", path).form(&form)).await;
        assert_eq!(answer.expect(200, path), plain.expect(200, path), "{path}");
        server.send(Request::new("GET", &slashed)).await.refused(405, path);
        let mut twice = slashed.clone();
        twice.push('/');
        server.send(Request::new("POST", twice).form(&form)).await.refused(404, path);
    }
    server.stop().await;
}

#[tokio::test]
async fn f24_non_string_fields_are_refused_for_their_channel() {
    for explain in ["", "explain = true"] {
        let server = TestServer::start(&config(explain)).await;
        let mut client = server.connect().await;
        let auth = client.auth("presence-x", Some(r#"{"user_id":"u1"}"#));
        for (data, code, says) in [
            (
                json!({"auth": auth, "channel_data": {"user_id": "u1"}}),
                "channel_data_not_a_string",
                "channel_data is an object",
            ),
            (
                json!({"auth": auth, "channel_data": ["u1"]}),
                "channel_data_not_a_string",
                "channel_data is a list",
            ),
            (json!({"auth": {"auth": auth}}), "auth_not_a_string", "auth is an object"),
            (json!({"auth": 5}), "auth_not_a_string", "auth is a number"),
            (json!({"auth": true, "channel_data": []}), "auth_not_a_string", "a boolean"),
        ] {
            for text in [false, true] {
                let mut asked = data.clone();
                asked["channel"] = json!("presence-x");
                let asked = if text { json!(asked.to_string()) } else { asked };
                client.send(&json!({"event": "pusher:subscribe", "data": asked})).await;
                let frame = client.next().await;
                assert_eq!(frame["event"], "pusher:subscription_error", "{data}: {frame}");
                assert_eq!(frame["channel"], "presence-x", "{frame}");
                let refusal = &frame["data"];
                assert_eq!(refusal["code"], code, "{data}: {refusal}");
                assert_eq!(refusal["status"], 400, "{data}: {refusal}");
                assert_eq!(refusal["id"].as_str().map(str::len), Some(8), "{refusal}");
                let error = refusal["error"].as_str().unwrap_or_default();
                assert!(error.contains(says), "{says}: {error}");
                client.expect_error(None).await;
            }
        }
        // A sign-in has no channel, but still a code and an id.
        let data = json!({"auth": auth, "user_data": {"id": "u1"}});
        client.send(&json!({"event": "pusher:signin", "data": data})).await;
        let message = client.expect_error(Some(4009)).await;
        assert!(message.contains("[user_data_not_a_string, refusal "), "{message}");
        server.stop().await;
    }
}
