//! Refusals name the actual fault.

use serde_json::json;

use crate::support::*;

const EVENTS: &str = "/apps/it/events";

async fn at(server: &TestServer, timestamp: &str) -> Response {
    let body = json!({"name": "e", "channel": "news", "data": "1"}).to_string();
    let list = with(unsigned_params(APP, body.as_bytes()), "auth_timestamp", Some(timestamp));
    let target = format!("{EVENTS}?{}", query(&sign(APP, "POST", EVENTS, list)));
    server.send(Request::new("POST", target).body("application/json", body)).await
}

#[tokio::test]
async fn f28_timestamp_in_a_wrong_format_or_unit_is_named() {
    let server = TestServer::start(&config("")).await;
    let now = unix_now();
    for (given, code, says) in [
        (format!("{now}.25"), "invalid_timestamp", "no whole number"),
        ("2026-11-08T12:00:00Z".to_owned(), "invalid_timestamp", "no whole number"),
        (format!("{now}250"), "invalid_timestamp", "milliseconds"),
        (String::new(), "missing_timestamp", "Timestamp required"),
        ("1353088179".to_owned(), "timestamp_expired", "seconds behind"),
    ] {
        let response = at(&server, &given).await;
        assert_eq!(response.refused(401, &given), code, "{}", response.text());
        assert!(response.text().contains(says), "{given}: {}", response.text());
    }
    server.stop().await;
}

#[tokio::test]
async fn f28_failed_sign_in_does_not_mention_a_subscription() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    let key = APP.key;
    for auth in ["x".to_owned(), format!("nobody:{}", "0".repeat(64)), format!("{key}:{:064}", 0)] {
        let data = json!({"auth": auth, "user_data": "{\"id\":\"u1\"}"});
        client.send(&json!({"event": "pusher:signin", "data": data})).await;
        let message = client.expect_error(Some(4009)).await;
        assert!(message.contains("does not fit this sign-in"), "{auth}: {message}");
    }
    server.stop().await;
}

#[tokio::test]
async fn f28_user_id_is_not_called_a_channel() {
    let server = TestServer::start(&config("authorizer = \"open\"")).await;
    let mut client = server.connect().await;
    client.send_sign_in(r#"{"id":"a|b"}"#).await;
    let mut said = vec![client.expect_error(Some(4009)).await];
    let form = format!("socket_id={}&user_id=a%7Cb", client.socket_id);
    let answers = [
        server.send(Request::new("POST", "/pusher/user-auth").form(&form)).await,
        server.post("/users/a%7Cb/terminate_connections", &json!({})).await,
        server.post("/tokens", &json!({"user_id": "a|b", "channels": ["private-x"]})).await,
    ];
    said.extend(answers.iter().map(|answer| {
        assert_eq!(answer.refused(400, "a|b"), "invalid_user_id");
        answer.json()["error"].as_str().unwrap_or_default().to_owned()
    }));
    for message in said {
        assert!(message.contains("user id") && message.contains("contains '|'"), "{message}");
        assert!(!message.contains("channel"), "{message}");
    }
    server.stop().await;
}

#[tokio::test]
async fn f28_unfetchable_keys_are_not_called_a_denial() {
    let issuer = StubServer::start(Reply::json(500, &json!({}))).await;
    let server = TestServer::start(&config(&format!(
        "authorizer = \"jwt\"\n[apps.it.jwt]\nalgorithms = [\"RS256\"]\njwks_url = \"{}\"",
        issuer.url("/keys")
    )))
    .await;
    let client = server.connect().await;
    let key = IssuerKey::new(jsonwebtoken::Algorithm::RS256);
    let token = key.token(Some("a"), &json!({"sub": "u1", "exp": unix_now() + 600}));
    let request = Request::new("POST", "/pusher/auth").form(&client.auth_form("private-a"));
    let response = server.send(request.header("Authorization", &format!("Bearer {token}"))).await;
    assert_eq!(response.refused(503, "an issuer that fails"), "keys_unavailable");
    assert!(response.text().contains("cannot be decided at the moment"), "{}", response.text());
    server.stop().await;
}

/// As some editors save it: with a byte order mark.
fn utf16(text: &str) -> Vec<u8> {
    "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

#[tokio::test]
async fn f28_utf16_file_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let write = |launch: &Launch, name: &str, bytes: &[u8]| {
        let path = launch.dir().write(name, "");
        std::fs::write(&path, bytes).expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("a mode");
        path
    };
    let key = base64(&master_key("utf-16"));
    for in_key_file in [false, true] {
        let launch = Launch::new(&["config", "check"]);
        let path = write(&launch, "key", &utf16(&key));
        let key_file = format!("master_key_file = \"{}\"", path.display());
        let (text, name) = match in_key_file {
            false => (utf16(&config("")), "sealcast.toml"),
            true => (config(&key_file).into_bytes(), "key"),
        };
        let file = write(&launch, "sealcast.toml", &text);
        let output = launch.arg("--config").arg(file).output("").await;
        assert!(!output.status.success(), "{output:?}");
        let says = &output.stderr;
        assert!(says.contains(name) && says.contains("UTF-16"), "{says}");
        assert!(says.contains("save it as UTF-8"), "{says}");
    }
    let launch = Launch::new(&["config", "check"]);
    let file = write(&launch, "marked.toml", format!("\u{feff}{}", config("")).as_bytes());
    let output = launch.arg("--config").arg(file).output("").await;
    assert!(output.status.success(), "the mark of UTF-8 is none of the text: {output:?}");
}
