//! Payloads in the console: never, or for a reason and for minutes.

use serde_json::{Value, json};

use crate::support::*;

const CANARY: &str = "canary-payload-5b1e";
const TOKEN: &str = "canary-admin-token-7be2d6853a12";
const SEALED: &str = "private-encrypted-orders";

fn configuration(reveal: &str, audit: &std::path::Path) -> String {
    let key = base64(&master_key("console reveal"));
    let top = format!(
        "admin_token = \"{TOKEN}\"\nconsole = \"local\"\nconsole_reveal = \"{reveal}\"\naudit_file = \"{}\"",
        audit.display()
    );
    config_of(&top, &[(APP, &format!("authorizer = \"open\"\nmaster_key = \"{key}\""))])
}

fn wish(channel: &str) -> Value {
    json!({"id": 3, "watch": "reveal", "app": "it", "channel": channel, "minutes": 10, "reason": "ticket 12"})
}

fn code(answer: &Value) -> &str {
    answer["error"]["code"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test]
async fn l_payload_is_shown_for_a_reason_and_not_after() {
    let dir = TempDir::new();
    let audit = dir.path().join("audit.jsonl");
    let server = Launch::serve_plain(&configuration("ask", &audit)).start().await;
    let session = ConsoleSession::by_code(&server).await;
    let mut socket = session.socket().await;
    socket.ask(&json!({"id": 1, "watch": "feed"})).await;
    let shown_in_feed = |frame: &Value| {
        assert!(!frame.to_string().contains(CANARY), "{frame}");
        frame["entries"]
            .as_array()
            .is_some_and(|entries| entries.iter().any(|entry| entry["type"] == "event"))
    };
    server.publish(SEALED, "order.paid", CANARY).await;
    socket.find(shown_in_feed).await;

    let until = socket.ask(&wish("private-encrypted-*")).await["ok"]["until"].clone();
    assert!(until.is_u64());
    server.publish(SEALED, "order.paid", CANARY).await;
    server.publish("public", "order.paid", CANARY).await;
    let frame = socket.find(|frame| frame["watch"] == 3).await;
    let event = &frame["revealed"][0];
    assert_eq!((&event["channel"], &event["data"]), (&json!(SEALED), &json!(CANARY)));
    assert_eq!((&event["app"], &event["event"]), (&json!("it"), &json!("order.paid")));
    assert!(frame["revealed"].as_array().is_some_and(|events| events.len() == 1), "{frame}");

    assert_eq!(socket.ask(&json!({"id": 4, "stop": 3})).await["ok"], json!({}));
    assert_eq!(socket.next().await, Ok(json!({"watch": 3, "ended": "stopped"})));
    server.publish(SEALED, "order.paid", CANARY).await;
    socket.find(shown_in_feed).await;

    socket.ask(&wish(SEALED)).await;
    server.reload(&configuration("never", &audit)).await;
    socket.find(|frame| *frame == json!({"watch": 3, "ended": "settings"})).await;
    assert_eq!(code(&socket.ask(&wish(SEALED)).await), "reveal_refused");
    server.reload(&configuration("ask", &audit)).await;
    socket.ask(&wish(SEALED)).await;
    session.send(&session.request("DELETE", "/console/session")).await;
    assert_eq!(socket.closed().await, Some(4401));
    let printed = server.printed();
    assert!(!printed.contains(CANARY), "{printed}");
    server.stop().await;

    let facts = std::fs::read_to_string(&audit).expect("the audit log");
    assert!(!facts.contains(CANARY) && !facts.contains(TOKEN), "{facts}");
    let facts: Vec<Value> =
        facts.lines().map(|line| serde_json::from_str(line).expect("a fact")).collect();
    let of_reveals: Vec<_> = facts
        .iter()
        .filter(|fact| fact["event"].as_str().is_some_and(|name| name.starts_with("reveal_")))
        .collect();
    let begun = of_reveals[0];
    let by = format!("console {}", session.number);
    assert_eq!(begun["event"], "reveal_begun");
    for (name, value) in [
        ("by", json!(by)),
        ("app", json!("it")),
        ("channel", json!("private-encrypted-*")),
        ("until", until),
        ("reason", json!("ticket 12")),
    ] {
        assert_eq!(begun[name], value, "{name}");
    }
    let ends: Vec<_> = of_reveals.iter().filter(|fact| fact["event"] == "reveal_ended").collect();
    let reasons: Vec<_> = ends.iter().map(|fact| fact["reason"].as_str()).collect();
    assert_eq!(reasons, [Some("stopped"), Some("settings"), Some("left")]);
}

#[tokio::test]
async fn l_reveal_needs_the_setting_a_reason_and_a_key() {
    let app = "authorizer = \"open\"";
    let text = |reveal: &str| {
        config_of(&format!("console = \"local\"\nconsole_reveal = \"{reveal}\""), &[(APP, app)])
    };
    let server = Launch::serve_plain(&text("never")).start().await;
    let session = ConsoleSession::by_code(&server).await;
    let mut socket = session.socket().await;
    assert_eq!(code(&socket.ask(&wish("news")).await), "reveal_refused");
    server.reload(&text("ask")).await;
    for (name, value, wanted) in [
        ("minutes", json!(0), "invalid_reveal"),
        ("minutes", json!(11), "invalid_reveal"),
        ("reason", json!(""), "invalid_reveal"),
        ("reason", json!(" ... "), "invalid_reveal"),
        ("reason", json!("x".repeat(201)), "invalid_reveal"),
        ("channel", json!(""), "invalid_reveal"),
        ("app", json!("nobody"), "unknown_app"),
        ("channel", json!(SEALED), "blind_channel"),
    ] {
        let mut wish = wish("news");
        wish[name] = value;
        assert_eq!(code(&socket.ask(&wish).await), wanted, "{wish}");
    }
    socket.ask(&wish("*")).await;
    server.publish("news", "e", CANARY).await;
    let frame = socket.find(|frame| frame["watch"] == 3).await;
    assert_eq!(frame["revealed"][0]["data"], CANARY);
    server.stop().await;
}
