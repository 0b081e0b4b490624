//! protocol.md 7.1: the many forms of one signed request.

use serde_json::{Value, json};

use crate::support::*;

const EVENTS: &str = "/apps/it/events";

fn body() -> String {
    json!({"name": "e", "channel": "news", "data": "1"}).to_string()
}

/// A signed GET with separate paths for the wire and for the signature.
async fn get(
    server: &TestServer,
    wire: &str,
    signed: &str,
    raw_query: &str,
    meant: &[(&str, &str)],
) -> Response {
    let auth = unsigned_params(APP, b"");
    let all = sign(APP, "GET", signed, [params(meant), auth.clone()].concat());
    let signature = all.last().map(|(_, s)| s.clone()).unwrap_or_default();
    let rest = if raw_query.is_empty() { String::new() } else { format!("&{raw_query}") };
    server
        .send(Request::new(
            "GET",
            format!("{wire}?{}&auth_signature={signature}{rest}", query(&auth)),
        ))
        .await
}

#[tokio::test]
async fn s7_1_paths_are_signed_as_sent_or_decoded() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    let channel = "presence-a@b,c;d=e";
    client.join(channel, &json!({"user_id": "u"})).await;
    let raw = format!("/apps/it/channels/{channel}/users");
    let encoded = format!("/apps/it/channels/{}/users", percent(channel));
    let lower = "/apps/it/channels/presence-a%40b%2cc%3bd%3de/users";
    let rows = [
        (raw.as_str(), raw.as_str()),
        (&encoded, &encoded),
        (&encoded, &raw),
        (lower, lower),
        (lower, &raw),
    ];
    for (wire, signed) in rows {
        let answer = get(&server, wire, signed, "", &[])
            .await
            .expect(200, format!("{wire} signed as {signed}"));
        assert_eq!(answer, json!({"users": [{"id": "u"}]}), "{wire} signed as {signed}");
    }
    for path in [
        "/apps/it/channels/%ff",
        "/apps/it/channels/a%2Fb",
        "/apps/it/channels/a%00b",
        "/apps/it/channels/a%20b",
    ] {
        let response = get(&server, path, path, "", &[]).await;
        assert!(
            [400, 404].contains(&response.status),
            "{path}: {} {}",
            response.status,
            response.text()
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn s7_1_forms_of_the_query_string() {
    let server = TestServer::start(&config("subscription_count = true")).await;
    let mut client = server.connect().await;
    client.join("presence-x", &json!({"user_id": "u"})).await;
    let path = "/apps/it/channels/presence-x";
    // The path on the wire, and the signed path.
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)]);
    let rows: [Row<'_>; 13] = [
        ("info=user_count", &[("info", "user_count")]),
        ("info=user%5Fcount", &[("info", "user_count")]),
        ("info=user_count,subscription_count", &[("info", "user_count,subscription_count")]),
        ("info=user_count%2Csubscription_count", &[("info", "user_count,subscription_count")]),
        (
            "info[]=user_count&info[]=subscription_count",
            &[("info[]", "user_count"), ("info[]", "subscription_count")],
        ),
        (
            "info%5B%5D=user_count&info%5B%5D=subscription_count",
            &[("info[]", "user_count"), ("info[]", "subscription_count")],
        ),
        ("Name=Something%20else", &[("name", "Something else")]),
        ("name=Something+else", &[("name", "Something else")]),
        ("name=%C3%A9%E2%9C%93%26%3D%23", &[("name", "é✓&=#")]),
        ("zeta=1&ALPHA=2&beta=3", &[("alpha", "2"), ("beta", "3"), ("zeta", "1")]),
        ("empty=", &[("empty", "")]),
        ("twice=b&twice=a", &[("twice", "b"), ("twice", "a")]),
        ("authority=x&body_md=y", &[("authority", "x"), ("body_md", "y")]),
    ];
    for (wire, meant) in rows {
        let answer = get(&server, path, path, wire, meant).await.expect(200, wire);
        assert_eq!(answer["occupied"], true, "{wire}: {answer}");
        assert_eq!(answer["user_count"].is_u64(), wire.contains("info"), "{wire}: {answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn s7_1_php_array_parameters() {
    let server = TestServer::start(&config("subscription_count = true")).await;
    let path = "/apps/it/channels/presence-x";
    let meant = [("info", "user_count,subscription_count")];
    for wire in [
        "info[0]=user_count&info[1]=subscription_count",
        "info%5B0%5D=user_count&info%5B1%5D=subscription_count",
    ] {
        get(&server, path, path, wire, &meant).await.expect(200, wire);
    }
    server.stop().await;
}

#[tokio::test]
async fn s7_1_get_may_carry_an_empty_body_md5_and_a_content_type() {
    let server = TestServer::start(&config("")).await;
    let empty = md5_hex(b"");
    assert_eq!(empty, "d41d8cd98f00b204e9800998ecf8427e");
    for path in
        ["/apps/it/channels", "/apps/it/channels/news", "/apps/it/channels/presence-x/users"]
    {
        let list = with(unsigned_params(APP, b""), "body_md5", Some(&empty));
        let target = format!("{path}?{}", query(&sign(APP, "GET", path, list.clone())));
        server.send(Request::new("GET", target.clone())).await.expect(200, path);
        let request = Request::new("GET", target).header("Content-Type", "application/json");
        server.send(request).await.expect(200, path);
        // `body_md5` is part of the signed text.
        let unsigned =
            [sign(APP, "GET", path, unsigned_params(APP, b"")), params(&[("body_md5", &empty)])]
                .concat();
        server
            .send(Request::new("GET", format!("{path}?{}", query(&unsigned))))
            .await
            .refused(401, path);
    }
    server.stop().await;
}

#[tokio::test]
async fn s7_keep_alive_for_valid_and_invalid_requests() {
    let server = TestServer::start(&config("")).await;
    let mut line = server.http_connection().await;
    let good = || {
        let target = signed_target(APP, "POST", EVENTS, &[], body().as_bytes());
        Request::new("POST", target).body("application/json", body())
    };
    for round in 0..20 {
        assert_eq!(line.send(&good()).await.expect(200, round), json!({}));
        line.send(&Request::new("GET", "/apps/it/channels")).await.refused(401, round);
        // A refusal with an unread body may end the connection, but must announce it.
        let refused = line.send(&Request::new("POST", EVENTS).json(&json!({}))).await;
        refused.refused(401, round);
        if refused.header("Connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            line = server.http_connection().await;
        }
        let response = line.send(&Request::new("GET", "/nowhere")).await;
        assert_eq!(response.status, 404, "{round}");
        line.send(&Request::new("GET", "/health")).await.expect(200, round);
    }
    // Two requests in one write are answered in order.
    let mut both = good().bytes();
    both.extend(Request::new("GET", "/health").bytes());
    line.write(&both).await;
    assert_eq!(line.read("POST").await.expect(200, "the first"), json!({}));
    assert_eq!(line.read("GET").await.expect(200, "the second"), json!({"status": "ok"}));
    server.stop().await;
}

#[tokio::test]
async fn s7_1_chunked_body_is_signed_as_received() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    client.subscribe("news").await;
    let body = body();
    let target = signed_target(APP, "POST", EVENTS, &[], body.as_bytes());
    let head =
        format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut line = server.http_connection().await;
    line.write(head.as_bytes()).await;
    for part in body.as_bytes().chunks(7) {
        line.write(format!("{:x}\r\n", part.len()).as_bytes()).await;
        line.write(part).await;
        line.write(b"\r\n").await;
    }
    line.write(b"0\r\n\r\n").await;
    line.read("POST").await.expect(200, "chunks");
    client.expect_event("e").await;
    // No content type, and a wrong one.
    for kind in ["", "text/plain", "application/x-www-form-urlencoded"] {
        let mut request =
            Request::new("POST", signed_target(APP, "POST", EVENTS, &[], body.as_bytes()))
                .body(kind, body.clone());
        if kind.is_empty() {
            request.headers.clear();
        }
        let answer: Value = server.send(request).await.expect(200, kind);
        assert_eq!(answer, json!({}), "{kind}");
        client.expect_event("e").await;
    }
    server.stop().await;
}

#[tokio::test]
async fn s7_1_refusal_of_a_large_request_reaches_its_sender() {
    let server = TestServer::start(&config("authorizer = \"open\"")).await;
    for length in [10_000, 100_000, 900_000] {
        for (path, status) in
            [(EVENTS, 401), ("/apps/it/batch_events", 401), ("/apps/it/auth/channel", 413)]
        {
            if length < 16_384 && status == 413 {
                continue;
            }
            let request = Request::new("POST", path).body("application/json", vec![b' '; length]);
            server.send(request).await.refused(status, format!("{length} bytes to {path}"));
        }
    }
    server.stop().await;
}
