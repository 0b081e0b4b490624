//! encryption.md 6: at the most verbose log level, neither logs nor responses contain a secret or a
//! payload.

use serde_json::{Value, json};

use crate::support::*;

const JWT_SECRET: &str = "jwt-secret-canary-5d20f7c1e9";
const PAYLOAD: &str = "payload-canary-83bd1f60aa";

/// Uses each secret in valid and invalid requests; returns all HTTP bodies except authorizations.
async fn exercise(server: &TestServer) -> String {
    let mut bodies = String::new();
    let channel = "private-encrypted-x";
    let mut client = server.connect().await;
    client.subscribe(channel).await;
    client.subscribe("private-x").await;
    client.join("presence-x", &json!({"user_id": "u1", "user_info": {"note": PAYLOAD}})).await;
    client.sign_in(&json!({"id": "u1", "user_info": {"note": PAYLOAD}})).await;
    for bad in [
        json!({"channel": "private-y", "auth": "x:y"}),
        json!({"channel": channel, "auth": client.auth("private-y", None)}),
    ] {
        client.send(&json!({"event": "pusher:subscribe", "data": bad})).await;
        for _ in 0..2 {
            let frame = client.next().await;
            if frame["data"]["error"].is_null() && frame["data"]["message"].is_null() {
                panic!("{frame}");
            }
            bodies += &frame.to_string();
            if frame["event"] == "pusher:error" {
                break;
            }
        }
    }
    client.expect_silence().await;
    client.client_event("private-x", "client-x", json!(PAYLOAD)).await;
    client.send_text(format!("{{\"event\":\"{PAYLOAD}")).await;
    server.publish(channel, "e", PAYLOAD).await;
    server.publish("private-x", "e", PAYLOAD).await;

    let sealed = seal(&[9; 32], [1; 24], PAYLOAD.as_bytes());
    let requests = [
        json!({"name": "e", "channel": channel, "data": sealed}),
        json!({"name": "e", "channels": [channel, "private-x"], "data": PAYLOAD}),
        json!({"name": "e", "channel": "private-encrypted", "data": PAYLOAD}),
        json!({"name": "e", "channel": "a b", "data": PAYLOAD}),
        json!({"name": "e", "channel": "x", "data": {"o": PAYLOAD}}),
        json!({"name": "e", "channel": "x", "data": PAYLOAD.repeat(1000)}),
    ];
    for body in requests {
        let response = server.post("/events", &body).await;
        assert_ne!(response.status, 200, "{body}");
        bodies += &response.text();
    }
    let response =
        server.post_as(App { secret: "wrong", ..APP }, "/events", &json!({"data": PAYLOAD})).await;
    bodies += &response.text();
    let response = server
        .send(
            Request::new("POST", "/apps/it/events?auth_key=nobody")
                .body("application/json", PAYLOAD),
        )
        .await;
    bodies += &response.text();

    let claims = json!({"sub": "u1", "exp": unix_now() + 600, "channels": ["private-encrypted-*"]});
    let good = token(&json!({"alg": "HS256"}), &claims, JWT_SECRET);
    let bad = token(&json!({"alg": "HS256"}), &claims, "wrong");
    for (bearer, name) in
        [(&good, channel), (&good, "private-x"), (&bad, channel), (&"rubbish".to_owned(), channel)]
    {
        let request = Request::new("POST", "/pusher/auth")
            .form(&format!("socket_id={}&channel_name={name}", client.socket_id));
        let response =
            server.send(request.header("Authorization", &format!("Bearer {bearer}"))).await;
        if response.status != 200 {
            bodies += &response.text();
        }
    }
    for query in ["", "?app_key=nobody"] {
        bodies += &server
            .send(Request::new("POST", format!("/pusher/auth{query}")).form("socket_id=1.2"))
            .await
            .text();
    }
    bodies += &server.stats().await.to_string();
    bodies
}

#[tokio::test]
async fn e6_logs_and_responses_contain_no_secrets_or_payloads() {
    let master = master_key("canary");
    let mut canaries = Canaries::default();
    canaries.plant("app secret", APP.secret);
    canaries.plant("master key", master);
    canaries.plant("token secret", JWT_SECRET);
    canaries.plant("shared secret", shared_secret(&master, "private-encrypted-x"));
    canaries.plant("payload", PAYLOAD);
    let keys = format!(
        "authorizer = \"jwt\"\njwt_secret = \"{JWT_SECRET}\"\nclient_events = true\nmaster_key = \"{}\"",
        base64(&master)
    );
    for format in ["text", "json"] {
        let dir = TempDir::new();
        let audit = dir.path().join("audit.jsonl");
        let top = format!(
            "log = \"trace\"\nlog_format = \"{format}\"\naudit_file = \"{}\"",
            audit.display()
        );
        let launch = Launch::serve(&config_of(&top, &[(APP, &keys)]));
        let server = launch.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full").start().await;
        let mut watcher = Watcher::of(&server, "").await;
        let bodies = exercise(&server).await;
        let output = server.stop().await;
        let (entries, code, _) = watcher.until_closed().await;
        assert_eq!(code, 1001, "it has seen everything");
        let told = entries.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
        for kind in ["subscribed", "event", "client_event", "refused", "auth_denied", "api_call"] {
            assert!(told.contains(&format!("\"type\":\"{kind}\"")), "{kind}: {told}");
        }
        canaries.search("the live feed", &told);
        assert!(
            output.stderr.len() + output.stdout.len() > 2000,
            "nothing was logged at trace: {output:?}"
        );
        canaries.search("the log", &format!("{}{}", output.stdout, output.stderr));
        for trace in ["auth_signature", "auth_key", "Bearer "] {
            assert!(!output.stderr.contains(trace), "{trace} is in the log");
        }
        let audit = std::fs::read_to_string(audit).expect("an audit log");
        assert!(audit.contains("auth_granted") && audit.contains("auth_denied"), "{audit}");
        canaries.search("the audit log", &audit);
        // The message of a bad signature may show the signed text, never a key.
        canaries.search("an answer", &bodies);
    }
}
