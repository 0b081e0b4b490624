//! protocol.md 7.1: signed and unsigned requests, and the explanations in refusals.

use serde_json::json;

use crate::support::*;

const EVENTS: &str = "/apps/it/events";

fn body() -> String {
    json!({"name": "e", "channel": "news", "data": "1"}).to_string()
}

async fn post(
    server: &TestServer,
    path: &str,
    params: &[(String, String)],
    body: &str,
) -> Response {
    let target = format!("{path}?{}", query(params));
    server.send(Request::new("POST", target).body("application/json", body)).await
}

#[tokio::test]
async fn s7_1_each_row_of_the_refusal_table() {
    let server = TestServer::start(&config_of("", &[(APP, ""), (OTHER, "enabled = false")])).await;
    let mut client = server.connect().await;
    client.subscribe("news").await;
    let body = body();
    let base = || unsigned_params(APP, body.as_bytes());
    let at = |offset: i64| Some((unix_now() + offset).to_string());
    let signed = |list: Params| sign(APP, "POST", EVENTS, list);
    let rows: Vec<(&str, &str, Params)> = vec![
        ("nothing at all", "missing_parameter", vec![]),
        ("no key", "missing_parameter", signed(with(base(), "auth_key", None))),
        ("an unknown key", "unknown_auth_key", signed(with(base(), "auth_key", Some("nobody")))),
        (
            "the key of another app",
            "foreign_auth_key",
            signed(with(base(), "auth_key", Some(OTHER.key))),
        ),
        ("an empty key", "unknown_auth_key", signed(with(base(), "auth_key", Some("")))),
        ("no version", "missing_version", signed(with(base(), "auth_version", None))),
        ("version 2.0", "unsupported_version", signed(with(base(), "auth_version", Some("2.0")))),
        ("version 1", "unsupported_version", signed(with(base(), "auth_version", Some("1")))),
        ("no timestamp", "missing_timestamp", signed(with(base(), "auth_timestamp", None))),
        (
            "a timestamp in words",
            "invalid_timestamp",
            signed(with(base(), "auth_timestamp", Some("now"))),
        ),
        (
            "an empty timestamp",
            "missing_timestamp",
            signed(with(base(), "auth_timestamp", Some(""))),
        ),
        (
            "a negative timestamp",
            "invalid_timestamp",
            signed(with(base(), "auth_timestamp", Some("-1"))),
        ),
        (
            "a timestamp beyond 64 bits",
            "invalid_timestamp",
            signed(with(base(), "auth_timestamp", Some("99999999999999999999999"))),
        ),
        (
            "a timestamp in milliseconds",
            "invalid_timestamp",
            signed(with(base(), "auth_timestamp", Some(&format!("{}000", unix_now())))),
        ),
        (
            "ten minutes late",
            "timestamp_expired",
            signed(with(base(), "auth_timestamp", at(-600).as_deref())),
        ),
        (
            "ten minutes early",
            "timestamp_expired",
            signed(with(base(), "auth_timestamp", at(610).as_deref())),
        ),
        ("2012", "timestamp_expired", signed(with(base(), "auth_timestamp", Some("1353088179")))),
        ("no signature", "missing_parameter", base()),
        ("an empty signature", "invalid_signature", with(base(), "auth_signature", Some(""))),
        ("zeros", "invalid_signature", with(base(), "auth_signature", Some(&"0".repeat(64)))),
        ("not hex", "invalid_signature", with(base(), "auth_signature", Some("signature"))),
        (
            "a short signature",
            "invalid_signature",
            with(base(), "auth_signature", signed(base()).last().map(|(_, s)| &s[..63])),
        ),
        ("another secret", "invalid_signature", sign(OTHER, "POST", EVENTS, base())),
        ("another method", "invalid_signature", sign(APP, "GET", EVENTS, base())),
        ("another path", "invalid_signature", sign(APP, "POST", "/apps/it/batch_events", base())),
        (
            "a parameter added after signing",
            "invalid_signature",
            [signed(base()), params(&[("info", "user_count")])].concat(),
        ),
        (
            "a parameter changed after signing",
            "invalid_signature",
            with(signed(base()), "auth_timestamp", at(1).as_deref()),
        ),
        ("no body_md5", "missing_parameter", signed(with(base(), "body_md5", None))),
        ("an empty body_md5", "body_md5_mismatch", signed(with(base(), "body_md5", Some("")))),
        (
            "the md5 of another body",
            "body_md5_mismatch",
            signed(with(base(), "body_md5", Some(&md5_hex(b"{}")))),
        ),
    ];
    for (name, code, list) in rows {
        let response = post(&server, EVENTS, &list, &body).await;
        assert_eq!(response.refused(401, name), code, "{name}");
        let text = response.text();
        assert!(!text.contains(APP.secret) && !text.contains(OTHER.secret), "{name}: {text}");
    }
    let ours = sign(APP, "POST", "/apps/nobody/events", base());
    let response = post(&server, "/apps/nobody/events", &ours, &body).await;
    assert_eq!(response.refused(404, "an unknown app"), "unknown_app");
    let path = "/apps/other/events";
    let theirs = sign(OTHER, "POST", path, unsigned_params(OTHER, body.as_bytes()));
    let response = post(&server, path, &theirs, &body).await;
    assert_eq!(response.refused(403, "a disabled app"), "app_disabled");

    client.expect_silence().await;
    // The unmodified request is accepted.
    post(&server, EVENTS, &signed(base()), &body).await.expect(200, "a good request");
    client.expect_event("e").await;
    server.stop().await;
}

#[tokio::test]
async fn s7_1_each_route_needs_a_signature() {
    let server = TestServer::start(&config("")).await;
    let rows = [
        ("POST", "/apps/it/events"),
        ("POST", "/apps/it/batch_events"),
        ("GET", "/apps/it/channels"),
        ("GET", "/apps/it/channels/news"),
        ("GET", "/apps/it/channels/presence-x/users"),
        ("POST", "/apps/it/users/u1/terminate_connections"),
        ("POST", "/apps/it/channels/news/events"),
        ("POST", "/users/u1/terminate_connections"),
    ];
    for (method, path) in rows {
        let request = Request::new(method, path);
        let request = if method == "POST" { request.json(&json!({})) } else { request };
        server.send(request).await.refused(401, format!("{method} {path}"));
    }
    server.stop().await;
}

#[tokio::test]
async fn s7_1_clock_skew_below_ten_minutes_is_accepted() {
    let server = TestServer::start(&config("")).await;
    for offset in [-590, -60, 0, 60, 590] {
        let stamp = (unix_now() + offset).to_string();
        let list = with(unsigned_params(APP, body().as_bytes()), "auth_timestamp", Some(&stamp));
        post(&server, EVENTS, &sign(APP, "POST", EVENTS, list), &body()).await.expect(200, offset);
    }
    server.stop().await;
}

#[tokio::test]
async fn s7_1_refusal_shows_the_string_to_sign() {
    let server = TestServer::start(&config("")).await;
    let list = unsigned_params(APP, body().as_bytes());
    let wanted = string_to_sign("POST", EVENTS, &list);
    let good = hex(&hmac_sha256(APP.secret.as_bytes(), wanted.as_bytes()));
    let list = with(list, "auth_signature", Some("deadbeef"));
    let response = post(&server, EVENTS, &list, &body()).await;
    assert_eq!(response.refused(401, "deadbeef"), "invalid_signature");
    let answer = response.json();
    let sentence = answer["error"].as_str().unwrap_or_default();
    let flat = wanted.replace('\n', "\\n");
    assert!(
        sentence.contains(&wanted) || sentence.contains(&flat),
        "{sentence:?} does not show {wanted:?}"
    );
    assert!(!response.text().contains(&good), "the right signature is told: {sentence}");

    let stamp = with(unsigned_params(APP, body().as_bytes()), "auth_timestamp", Some("1353088179"));
    let response = post(&server, EVENTS, &sign(APP, "POST", EVENTS, stamp), &body()).await;
    assert_eq!(response.refused(401, "2012"), "timestamp_expired");
    server.stop().await;
}

#[tokio::test]
async fn s7_1_duplicate_auth_parameters_are_refused() {
    let server = TestServer::start(&config("")).await;
    for name in ["auth_key", "auth_timestamp", "auth_version", "body_md5", "auth_signature"] {
        let good = sign(APP, "POST", EVENTS, unsigned_params(APP, body().as_bytes()));
        let twice =
            good.iter().find(|(k, _)| k == name).cloned().expect("a parameter of every request");
        let unsigned_twin = [good.clone(), vec![twice.clone()]].concat();
        let other_twin = [params(&[(name, "x")]), good.clone()].concat();
        let mut signed_twin = vec![twice];
        signed_twin.extend(good);
        signed_twin.retain(|(k, _)| name == "auth_signature" || k != "auth_signature");
        let signed_twin = sign(APP, "POST", EVENTS, signed_twin);
        for list in [unsigned_twin, other_twin, signed_twin] {
            let response = post(&server, EVENTS, &list, &body()).await;
            assert!(
                [400, 401].contains(&response.status),
                "{name} twice: {} {}",
                response.status,
                response.text()
            );
        }
    }
    server.stop().await;
}
