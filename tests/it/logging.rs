//! The log, as docs/logging.md describes it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::*;

/// All fields in the table of docs/logging.md.
fn documented() -> BTreeSet<String> {
    let text = include_str!("../../docs/logging.md");
    let (_, table) = text.split_once("## Fields").expect("a section of fields");
    let (table, _) = table.split_once("\n## ").expect("another section behind it");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let names = rows.flat_map(|row| {
        let names = row.split(" |").next().unwrap_or_default();
        names.split(", ").map(|name| name.trim_matches('`').to_owned()).collect::<Vec<_>>()
    });
    names.chain(["timestamp", "level", "message", "target"].map(str::to_owned)).collect()
}

/// The lines of the server itself; all must be JSON objects.
fn lines(output: &Output) -> Vec<Value> {
    let lines = output.stderr.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
        assert!(line.is_object(), "{line}");
        line
    });
    let is_ours =
        |line: &Value| line["target"].as_str().is_some_and(|target| target.starts_with("sealcast"));
    lines.filter(is_ours).collect()
}

fn find<'a>(lines: &'a [Value], message: &str) -> &'a Value {
    let found = lines.iter().find(|line| line["message"] == message);
    found.unwrap_or_else(|| panic!("no line says {message:?}: {lines:#?}"))
}

#[tokio::test]
async fn c_json_logs_have_one_object_per_line_with_documented_fields() {
    let receiver = WebhookReceiver::start(ReceiverReply::Status(500)).await;
    let top = "log = \"debug\"\nlog_format = \"json\"\n";
    let hooks = with_webhooks("", &[&hooks_url(&receiver, "")]);
    let server = TestServer::start(&format!("{top}{hooks}")).await;
    let mut client = server.connect().await;
    client.send_subscribe("private-encrypted").await;
    client.expect_refused("private-encrypted").await;
    let nasty = json!({"channel": "a\nb\u{1b}[2J", "auth": ""});
    client.send(&json!({"event": "pusher:subscribe", "data": nasty})).await;
    client.expect_refused("a\nb\u{1b}[2J").await;
    client.subscribe("c").await;
    until("a webhook that fails", async || {
        server.printed().contains("webhooks do not arrive").then_some(())
    })
    .await;
    let id = client.socket_id.clone();
    client.close().await;
    server.until_stat("sockets", 0).await;
    let output = server.stop().await;
    let lines = lines(&output);

    let known = documented();
    assert!(known.contains("refusal.id") && known.contains("error"), "{known:?}");
    for line in &lines {
        for name in line.as_object().expect("an object").keys() {
            assert!(known.contains(name), "{name} is not in docs/logging.md: {line}");
        }
        let level = line["level"].as_str().unwrap_or_default();
        assert!(["ERROR", "WARN", "INFO", "DEBUG"].contains(&level), "{line}");
    }
    let refused = find(&lines, "refused");
    assert_eq!(refused["app.id"], "it", "{refused}");
    assert_eq!(refused["socket.id"], id.as_str(), "{refused}");
    assert_eq!(refused["channel"], "private-encrypted", "{refused}");
    assert_eq!(refused["refusal.code"], "invalid_channel", "{refused}");
    assert!(refused["refusal.id"].as_str().is_some_and(|id| id.len() == 8), "{refused}");
    assert!(refused["refusal.cause"].as_str().is_some_and(|cause| !cause.is_empty()), "{refused}");
    let closed = find(&lines, "connection closed");
    assert_eq!((&closed["level"], &closed["close.code"]), (&json!("DEBUG"), &json!(1000)));
    let failing = find(&lines, "webhooks do not arrive; they are tried again");
    assert_eq!(failing["webhook.endpoint"], receiver.url("/hooks"), "{failing}");
    assert_eq!(failing["webhook.failure"], "it answered 500", "{failing}");
    assert_eq!(find(&lines, "shutting down")["level"], "INFO");
}

#[tokio::test]
async fn c_client_input_is_escaped_in_the_log() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    let nasty = json!({"channel": "a\n2026-01-31 ERROR forged\u{1b}[2J", "auth": ""});
    client.send(&json!({"event": "pusher:subscribe", "data": nasty})).await;
    client.incoming().await;
    let output = server.stop().await;
    let line = output.stderr.lines().find(|line| line.contains("forged")).expect("a refusal");
    assert!(line.contains(" refused ") && line.contains("refusal.id="), "{line:?}");
    assert!(!output.stderr.contains('\u{1b}'), "{output:?}");
}

#[tokio::test]
async fn f13_secrets_in_the_place_of_keys_and_controls_do_not_reach_the_log() {
    let top = "log = \"debug\"\nlog_format = \"json\"\n";
    let server = TestServer::start(&format!("{top}{}", config(""))).await;
    let master = base64(&master_key("first")).replace('/', "%2F");
    for path in [
        format!("/app/{}?protocol=7", APP.secret),
        format!("/{}/app/{}?protocol=7", APP.secret, APP.key),
        format!("/{master}/app/{}?protocol=7", APP.key),
        "/app/%C2%9B31m%E2%80%AE?protocol=7".to_owned(),
    ] {
        let mut raw = RawSocket::dial(&server).await;
        raw.write(&upgrade_request(&path, "")).await;
        raw.read_head().await;
        raw.next_frame().await;
    }
    let mut client = server.connect().await;
    let channel = "private-\u{9b}31m\u{202e}";
    client
        .send(&json!({"event": "pusher:subscribe", "data": {"channel": channel, "auth": ""}}))
        .await;
    client.expect_refused(channel).await;
    client.close().await;
    server.until_stat("sockets", 0).await;
    let output = server.stop().await;
    assert!(lines(&output).iter().any(|line| line["message"] == "connection refused"));
    for secret in [APP.secret, &master, &base64(&master_key("first"))] {
        assert!(!output.stderr.contains(secret), "{secret} is in the log: {}", output.stderr);
    }
    let acts = |c: &char| matches!(c, '\u{80}'..='\u{9f}' | '\u{202a}'..='\u{202e}');
    assert_eq!(output.stderr.chars().find(acts), None, "{}", output.stderr);
}
