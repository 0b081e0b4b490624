//! Duplicate headers are refused, and so are tokens with another meaning.

use serde_json::{Value, json};

use crate::support::*;

const SECRET: &str = "jwt-secret-0c4d9e21a7b8f356-of-the-strict";
const PAGE: &str = "https://a.example";

fn question(client: &Client, channel: &str) -> Request {
    Request::new("POST", "/apps/it/auth/channel").form(&client.auth_form(channel))
}

#[tokio::test]
async fn f7_socket_with_two_origins_is_refused() {
    // Also if all origins are allowed.
    for app in ["", "origins = [\"https://a.example\"]"] {
        let server = TestServer::start(&config(app)).await;
        for second in [PAGE, "https://evil.example", "null", ""] {
            for headers in
                [[("Origin", PAGE), ("Origin", second)], [("Origin", second), ("Origin", PAGE)]]
            {
                let path = server.socket_path();
                let mut client = Client::dial(&server, APP, &path, &headers).await;
                client.expect_rejection(4009).await;
            }
        }
        let headers = [("Origin", PAGE)];
        Client::connect(&server, APP, &server.socket_path(), &headers).await.close().await;
        server.stop().await;
    }
}

#[tokio::test]
async fn f7_endpoints_refuse_duplicate_headers() {
    let server = TestServer::start(&config(&format!(
        "authorizer = \"open\"\norigins = [\"{PAGE}\"]\nexplain = true"
    )))
    .await;
    let headers = [("Origin", PAGE)];
    let client = Client::connect(&server, APP, &server.socket_path(), &headers).await;
    let allowed = |response: &Response| response.header("Access-Control-Allow-Origin").is_some();
    for second in [PAGE, "https://evil.example"] {
        let twice = |request: Request| request.header("Origin", PAGE).header("Origin", second);
        let user = Request::new("POST", "/apps/it/auth/user")
            .form(&format!("socket_id={}&user_id=u1", client.socket_id));
        for request in [question(&client, "private-a"), user] {
            let response = server.send(twice(request)).await;
            assert_eq!(response.refused(400, second), "duplicate_header");
            assert!(!allowed(&response), "{response:?}");
        }
        let preflight = Request::new("OPTIONS", "/apps/it/auth/channel")
            .header("Access-Control-Request-Method", "POST");
        let response = server.send(twice(preflight)).await;
        assert!(!allowed(&response), "{response:?}");
    }
    let response = server.send(question(&client, "private-a").header("Origin", PAGE)).await;
    response.expect(200, "one");
    server.stop().await;
}

#[tokio::test]
async fn f7_other_deciding_headers_must_be_single_too() {
    let target = StubServer::start(Reply::json(200, &json!({"user_id": "u1"}))).await;
    let server = TestServer::start(&config(&format!(
        "authorizer = \"forward\"\norigins = [\"{PAGE}\"]\nexplain = true\n[apps.it.forward]\nurl = \"{}\"\nheaders = [\"authorization\", \"x-team\"]\ncookies = [\"session\"]",
        target.url("/decide")
    )))
    .await;
    let headers = [("Origin", PAGE)];
    let client = Client::connect(&server, APP, &server.socket_path(), &headers).await;
    let request = question(&client, "private-a").header("Origin", PAGE);
    let cookie = request.clone().header("Cookie", "session=s1");
    let rows = [
        request.clone().header("X-Team", "red").header("X-Team", "blue"),
        request.clone().header("Authorization", "Bearer a").header("Authorization", "Bearer a"),
        request.clone().header("Authorization", "Bearer a").header("Authorization", "Basic b"),
        cookie.clone().header("Sec-Fetch-Site", "same-site").header("Sec-Fetch-Site", "cross-site"),
        cookie.clone().header("Sec-Fetch-Site", "cross-site").header("Sec-Fetch-Site", "same-site"),
    ];
    for request in rows {
        let response = server.send(request.clone()).await;
        let code = response.refused(400, format!("{request:?}"));
        assert_eq!(code, "duplicate_header", "{request:?}");
    }
    // Cookies have their own rule, across all headers.
    let response = server.send(cookie.clone().header("Cookie", "session=s2")).await;
    assert_eq!(response.refused(401, "two cookies"), "cookie_not_accepted");
    assert_eq!(target.requests().len(), 0, "nobody was asked");
    server.send(cookie.header("Sec-Fetch-Site", "same-site")).await.expect(200, "once each");
    server.stop().await;
}

#[tokio::test]
async fn f7_operators_send_one_token_and_one_origin() {
    const TOKEN: &str = "admin-token-of-the-strict-tests-31";
    let server =
        TestServer::start(&config_of(&format!("admin_token = \"{TOKEN}\""), &[(APP, "")])).await;
    let bearer = format!("Bearer {TOKEN}");
    let keys = Request::new("GET", "/admin/apps/it/keys").header("Authorization", &bearer);
    let response = exchange(server.ops(), &keys.header("Authorization", "Bearer x")).await;
    assert_eq!(response.refused(400, "two tokens"), "duplicate_header");
    let watch = |second: &str| {
        Request::new("GET", "/ops/live")
            .header("Authorization", &bearer)
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("Origin", "http://localhost")
            .header(second, "http://localhost")
    };
    for second in ["Origin", "Host"] {
        let response = exchange(server.ops(), &watch(second)).await;
        assert_eq!(response.status, 400, "{second}: {response:?}");
    }
    let long = Request::new("GET", "/admin/apps/it/keys")
        .header("Authorization", &format!("Bearer {}", "x".repeat(20_000)));
    let response = exchange(server.ops(), &long).await;
    assert_eq!(response.refused(401, "a long token"), "admin_token_wrong");
    server.stop().await;
}

#[tokio::test]
async fn f7_confused_token_is_refused_with_its_own_message() {
    let server = TestServer::start(&config(&format!(
        "authorizer = \"jwt\"\njwt_secret = \"{SECRET}\"\nexplain = true"
    )))
    .await;
    let client = server.connect().await;
    let now = unix_now();
    let claims = json!({"sub": "u1", "exp": now + 600, "channels": ["*"]});
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        token(&json!({"alg": "HS256"}), &claims, SECRET)
    };
    let headed = |more: Value| {
        let mut head = more;
        head["alg"] = json!("HS256");
        token(&head, &claims, SECRET)
    };
    let rows = [
        (headed(json!({"crit": ["exp"]})), "token_critical", "crit"),
        (headed(json!({"crit": ["b64"], "b64": false})), "token_critical", "crit"),
        (headed(json!({"crit": ["urn:x"], "urn:x": 1})), "token_critical", "crit"),
        (headed(json!({"b64": false})), "token_unencoded", "b64"),
        (headed(json!({"b64": 1})), "token_unencoded", "b64"),
        (with("exp", json!(now * 1000)), "token_milliseconds", "exp"),
        (with("nbf", json!(now * 1000)), "token_milliseconds", "nbf"),
        (with("iat", json!(now * 1000)), "token_milliseconds", "iat"),
        (with("exp", json!(253_402_300_800_u64)), "token_time", "exp"),
        (with("exp", json!(1e20)), "token_time", "exp"),
        (with("exp", json!("tomorrow")), "token_time", "exp"),
        (with("nbf", json!(-5)), "token_time", "nbf"),
        (with("exp", Value::Null), "token_without_expiry", "exp"),
    ];
    for (token, code, word) in rows {
        let request = question(&client, "private-a");
        let response =
            server.send(request.header("Authorization", &format!("Bearer {token}"))).await;
        assert_eq!(response.refused(401, code), code);
        let says = response.json()["error"].to_string();
        assert!(says.contains(word), "{code}: {says}");
    }
    let good = headed(json!({"b64": true, "typ": "JWT"}));
    let request = question(&client, "private-a");
    let response = server.send(request.header("Authorization", &format!("Bearer {good}"))).await;
    response.expect(200, "a plain token");
    server.stop().await;
}
