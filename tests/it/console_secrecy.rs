//! What a session of the console opens, and what it never shows.

use serde_json::{Value, json};

use crate::support::*;

const TOKEN: &str = "canary-admin-token-2f60e1c09a";
const CANARY: &str = "canary-payload-77d3";

fn configuration(top: &str) -> String {
    config_of(&format!("admin_token = \"{TOKEN}\"\n{top}"), &[(APP, "authorizer = \"open\"\n")])
}

async fn start(top: &str) -> (TestServer, ConsoleSession) {
    let server = Launch::serve_plain(&configuration(top)).start().await;
    let session = ConsoleSession::by_code(&server).await;
    (server, session)
}

#[tokio::test]
async fn l_cookie_opens_nothing_without_its_key() {
    let (server, session) = start("console = \"local\"").await;
    let other = ConsoleSession::by_code(&server).await;
    let cookie = || Request::new("GET", "/console/api/stats").header("Cookie", &session.cookie);
    for (request, about) in [
        (cookie(), "a cookie, as servers on other ports of the host get it"),
        (cookie().header("Sealcast-Console-Key", &other.key), "the key of another session"),
        (cookie().header("Sealcast-Console-Key", ""), "an empty key"),
        (
            Request::new("GET", "/console/api/stats").header("Sealcast-Console-Key", &session.key),
            "a key alone",
        ),
    ] {
        let refused = session.send(&request).await;
        assert_eq!(refused.refused(401, about), "console_signed_out");
    }
    let said = session.get("/console/session").await.expect(200, "both");
    assert_eq!(said["key"], Value::Null, "it is told once");
    session.get("/console/api/stats").await.expect(200, "both");
    session.socket().await.close().await;
    server.stop().await;
}

#[tokio::test]
async fn l_right_code_is_let_in_beyond_the_limit() {
    let (server, _session) = start("console = \"local\"").await;
    for attempt in 0..10 {
        let wrong = try_sign_in(&server, &json!({ "code": "wrong" })).await;
        assert_eq!(wrong.refused(401, attempt), "console_code_refused");
    }
    let refused = try_sign_in(&server, &json!({ "token": TOKEN })).await;
    assert_eq!(refused.refused(429, "a right token"), "too_many_sign_ins");
    ConsoleSession::by_code(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn l_no_answer_has_a_payload() {
    let receiver = WebhookReceiver::start(ReceiverReply::Status(500)).await;
    let rules = "retry_seconds = 1\ntimeout_seconds = 1\nevents = [\"client_event\"]";
    let text = with_webhooks("", &[&hooks_url(&receiver, rules)]);
    let top = format!("admin_token = \"{TOKEN}\"\nconsole = \"local\"\n");
    let log = "\n[[apps.it.channels]]\npattern = \"cache-log\"\nhistory = { events = 10 }\n";
    let server = Launch::serve_plain(&format!("{top}{text}{log}")).start().await;
    let session = ConsoleSession::by_code(&server).await;
    let mut client = server.connect().await;
    client.subscribe("private-x").await;
    client.subscribe("cache-log").await;
    client.client_event("private-x", "client-n", json!(CANARY)).await;
    server.publish("cache-log", "e", CANARY).await;
    until_webhook_stat(&server, "dead_letters", 1).await;

    let app = "/console/api/admin/apps/it";
    let history = session.get(&format!("{app}/history?channel=cache-log")).await;
    assert_eq!(history.refused(404, "the history"), "not_found");
    let letters = session.get(&format!("{app}/webhooks")).await.expect(200, "letters");
    let event = &letters["letters"][0]["event"];
    assert_eq!((&event["name"], &event["channel"]), (&json!("client_event"), &json!("private-x")));
    assert!(event["bytes"].as_u64() > Some(20) && event["data"].is_null(), "{event}");
    let own = Request::new("GET", "/admin/apps/it/webhooks");
    let own = AdminClient::of(&server).send(&own).await;
    assert!(own.expect(200, "by the socket").to_string().contains(CANARY), "scripts get it");

    let one = format!("{app}/connections/{}", client.socket_id);
    let paths =
        ["keys", "top", "channels", "channels/cache-log", "channels/private-x", "connections"]
            .map(|path| format!("{app}/{path}"));
    let more = ["webhooks", "webhooks/log"].map(|path| format!("{app}/{path}"));
    let server_wide =
        ["admin/apps", "admin/config", "admin/audit", "admin/nodes", "stats", "openapi.json"]
            .map(|path| format!("/console/api/{path}"));
    for path in paths.iter().chain(&more).chain(&server_wide).chain([&one]) {
        let answer = session.get(path).await;
        assert!(matches!(answer.status, 200 | 409), "{path}: {}", answer.status);
        let text = String::from_utf8(answer.body).expect("text");
        assert!(!text.contains(CANARY) && !text.contains(TOKEN), "{path}: {text}");
    }
    server.stop().await;
}

#[tokio::test]
async fn l_reload_ends_what_it_forbids() {
    let (server, session) = start("console = \"local\"\nconsole_reveal = \"ask\"").await;
    let mut socket = session.socket().await;
    socket.ask(&json!({"id": 1, "watch": "feed"})).await;
    let wish = json!({"id": 2, "watch": "reveal", "app": "it", "channel": "*", "minutes": 10, "reason": "a test"});
    assert!(socket.ask(&wish).await["ok"]["until"].is_u64());
    let mut follower = Watcher::of(&server, "?type=event").await;

    server.reload(&configuration("console = \"local\"\nlive_feed = \"off\"")).await;
    server.publish("public", "e", CANARY).await;
    let mut ended = 0;
    while ended < 2 {
        let frame = socket.next().await.expect("a frame");
        assert!(!frame.to_string().contains(CANARY), "{frame}");
        let is_reveal_over = frame == json!({"watch": 2, "ended": "settings"});
        let is_feed_over = frame["id"] == 1 && frame["error"]["code"] == "live_feed_refused";
        ended += usize::from(is_reveal_over) + usize::from(is_feed_over);
    }
    let (_, code, says) = follower.until_closed().await;
    assert_eq!((code, says.contains("live_feed")), (1008, true), "{says}");

    let proxied = "console = \"anywhere\"\nops_behind_tls = true";
    server.reload(&configuration(proxied)).await;
    assert_eq!(socket.closed().await, Some(4401), "others may open the console now");
    let session = ConsoleSession::by_code(&server).await;
    let mut socket = session.socket().await;
    server.reload(&configuration("console = \"local\"")).await;
    assert_eq!(socket.closed().await, Some(4401), "this one may be from elsewhere");
    server.stop().await;
}
