//! Refused requests are cheap: the server does not read, parse and hash for them first.

use crate::support::*;

const CHANNELS: &str = "/apps/it/channels";

/// A signed request to list channels with this length of path and query.
fn of_length(bytes: usize) -> Request {
    let with = |padding: &str| signed_target(APP, "GET", CHANNELS, &[("padding", padding)], b"");
    let bare = with("").len();
    Request::new("GET", with(&"p".repeat(bytes - bare)))
}

#[tokio::test]
async fn f17_request_with_a_too_long_target_is_not_read() {
    let server = TestServer::start(&config("")).await;
    server.send(of_length(8192)).await.expect(200, "as long as it may be");
    for bytes in [8193, 60_000] {
        let response = server.send(of_length(bytes)).await;
        assert_eq!(response.refused(414, bytes), "uri_too_long", "{bytes}");
        assert!(response.body.len() < 500, "nothing of it is repeated");
    }
    // Neither is one with a wrong signature, an unknown app or an unknown key.
    let long = "x".repeat(60_000);
    for target in [
        format!("{CHANNELS}?auth_key={}&auth_signature={}&x={long}", APP.key, "0".repeat(64)),
        format!("/apps/nobody/channels?{long}"),
        format!("{CHANNELS}?{}", "a&".repeat(30_000)),
    ] {
        let response = server.send(Request::new("GET", target)).await;
        assert_eq!(response.refused(414, "long"), "uri_too_long");
    }
    for path in ["/pusher/auth", "/apps/it/auth/channel", "/apps/it/auth/user"] {
        let request = Request::new("POST", format!("{path}?{long}")).form("socket_id=1.1");
        assert_eq!(server.send(request).await.refused(414, path), "uri_too_long");
    }
    server.stop().await;
}

#[tokio::test]
async fn f17_websocket_with_a_too_long_target_is_refused() {
    let server = TestServer::start(&config("")).await;
    let mut bystander = server.bystander().await;
    for query in ["x".repeat(60_000), "a&".repeat(200)] {
        let path = format!("{}&{query}", server.socket_path());
        let mut raw = RawSocket::dial(&server).await;
        raw.write(&upgrade_request(&path, "")).await;
        let head = raw.read_head().await;
        assert!(head.starts_with("HTTP/1.1 414 "), "{head}");
    }
    server.still_serves(&mut bystander, "a long address").await;
    server.stop().await;
}

#[tokio::test]
async fn f17_rate_limit_answers_before_the_body() {
    let server = TestServer::start(&config_of(
        "",
        &[(APP, "authorizer = \"open\"\nlimits.auth_per_ip = 1"), (OTHER, "authorizer = \"open\"")],
    ))
    .await;
    let client = server.connect().await;
    let form = client.auth_form("private-a");
    until("the rate", async || {
        let request = Request::new("POST", "/apps/it/auth/channel").form(&form);
        (server.send(request).await.status == 429).then_some(())
    })
    .await;
    // The announced body is never sent.
    let key = APP.key;
    for path in ["/apps/it/auth/channel".to_owned(), format!("/pusher/auth?app_key={key}")] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 16000\r\n\r\n"
        );
        let mut line = server.http_connection().await;
        line.write(head.as_bytes()).await;
        let response = line.read("POST").await;
        assert_eq!(response.refused(429, &path), "rate_limited");
        assert!(response.header("Retry-After").is_some(), "{response:?}");
    }
    // Where only the body names the app, it is read, and the request is counted once.
    let request = Request::new("POST", "/pusher/auth").form(&format!("{form}&app_key={key}"));
    assert_eq!(server.send(request).await.refused(429, "by the body"), "rate_limited");
    let metrics = exchange(server.ops(), &Request::new("GET", "/metrics")).await.text();
    assert!(metrics.contains("auth_per_ip"), "{metrics}");
    server.stop().await;
}

#[tokio::test]
async fn f17_cheap_checks_come_before_the_signature() {
    let server = TestServer::start(&config("")).await;
    let good = || sign(APP, "GET", CHANNELS, unsigned_params(APP, b""));
    // Each has a wrong signature, and the cheaper fault is reported.
    let wrong = |list: Params| with(list, "auth_signature", Some(&"0".repeat(64)));
    let many: Params = (0..200).map(|n| (format!("p{n}"), String::new())).collect();
    for (list, status, code) in [
        (wrong([good(), many].concat()), 400, "too_many_parameters"),
        (wrong([good(), params(&[("auth_key", "x")])].concat()), 400, "duplicate_parameter"),
        (wrong(with(good(), "auth_key", Some("nobody"))), 401, "unknown_auth_key"),
        (wrong(with(good(), "auth_version", Some("2"))), 401, "unsupported_version"),
        (wrong(with(good(), "auth_timestamp", Some("1"))), 401, "timestamp_expired"),
        (with(good(), "auth_signature", Some("not hex")), 401, "invalid_signature"),
        (wrong(good()), 401, "invalid_signature"),
    ] {
        let request = Request::new("GET", format!("{CHANNELS}?{}", query(&list)));
        assert_eq!(server.send(request).await.refused(status, code), code);
    }
    server.send(of_length(400)).await.expect(200, "the backend's own");
    server.stop().await;
}

#[tokio::test]
async fn f17_guessing_clients_get_no_details_and_backends_are_served() {
    let server = TestServer::start(&config("")).await;
    let target = signed_target(APP, "GET", CHANNELS, &[("padding", &"p".repeat(7000))], b"");
    let wrong = Request::new("GET", target.replace("auth_signature=", "auth_signature=0"));
    let mut line = server.http_connection().await;
    let mut told = 0;
    let last = loop {
        let response = line.send(&wrong).await;
        if response.status == 429 {
            break response;
        }
        assert_eq!(response.refused(401, told), "invalid_signature");
        told += 1;
        assert!(told < 1000, "nobody counts");
    };
    assert!(told >= 100 && last.body.len() < 500, "{told}: {}", last.text());
    for _ in 0..3 {
        server.send(of_length(8192)).await.expect(200, "the backend's own");
    }
    server.stop().await;
}
