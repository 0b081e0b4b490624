//! Revocations that cannot be written to disk. A limit on the size of files stands for the full
//! disk; it applies to root as well.

use serde_json::{Value, json};

use crate::support::*;

const CHANNEL: &str = "private-encrypted-x";
const CODE: &str = "revoked_until_restart";

fn app(key: &str) -> String {
    let key = base64(&master_key(key));
    format!("authorizer = \"open\"\nderivation = \"hkdf\"\nmaster_key = \"{key}\"")
}

fn configuration() -> String {
    config(&app("first"))
}

async fn revoke_member(server: &TestServer, user: &str) -> Response {
    server.post(&format!("/channels/{CHANNEL}/revoke"), &json!({"user_id": user})).await
}

/// `reasons` of `/ready` on the operations listener.
async fn notices(server: &TestServer) -> Vec<Value> {
    let answer = exchange(server.ops(), &Request::new("GET", "/ready")).await;
    let answer = answer.expect(200, "it is ready all the same");
    assert_eq!(answer["status"], "ready");
    answer["reasons"].as_array().cloned().unwrap_or_default()
}

async fn until_written(server: &TestServer) {
    until("it is written", async || notices(server).await.is_empty().then_some(())).await;
}

fn waits_for_restart(response: &Response, says: &str) {
    assert_eq!(response.refused(503, says), CODE);
    // The server retries by itself: a repeated revocation would only rekey all others again.
    assert_eq!(response.header("Retry-After"), None);
    let text = response.text();
    for part in [says, "until the server restarts", "Make room on the disk", "do not restart"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

async fn unwritten_revocations(server: &TestServer, list: &str) -> f64 {
    let labels = [("app", APP.id), ("list", list)];
    server.scrape().await.sum("sealcast_revocations_unwritten", &labels)
}

async fn key_file(server: &TestServer) -> String {
    let path = server.dir.path().join(".sealcast/it.keys.json");
    std::fs::read_to_string(path).unwrap_or_default()
}

#[tokio::test]
async fn f5_member_is_revoked_in_memory_and_written_later() {
    let dir = TempDir::new();
    let audit = dir.path().join("audit.jsonl");
    let top = format!("audit_file = \"{}\"", audit.display());
    let server = TestServer::start(&config_of(&top, &[(APP, &app("first"))])).await;
    let mut theirs = SealedSubscriber::join_as(&server, CHANNEL, "u1").await;
    let mut other = SealedSubscriber::join_as(&server, CHANNEL, "u2").await;
    let old = theirs.secret;
    server.fill_disk();
    waits_for_restart(&revoke_member(&server, "u1").await, "the member is off the channel");
    // All of them are in force.
    let frame = theirs.client.next().await;
    assert_eq!(frame["data"]["type"], "Revoked", "{frame}");
    assert_eq!(theirs.request_auth(&server).await.refused(403, "u1"), "revoked");
    server.publish(CHANNEL, "e", "after").await;
    loop {
        let frame = other.client.next().await;
        let data = frame["data"].as_str().expect("an envelope");
        assert_eq!(try_open(&old, data), None, "{frame}");
        if try_open(&other.secret, data).is_none() {
            other.fetch_secret(&server).await;
        }
        if frame["event"] == "e" {
            assert_eq!(open(&other.secret, data), "after");
            break;
        }
    }
    // The operations listener shows it, the public one does not.
    let reasons = notices(&server).await;
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    assert_eq!(reasons[0]["code"], CODE);
    let public = server.send(Request::new("GET", "/ready")).await;
    assert_eq!(public.expect(200, "ready"), json!({"status": "ready"}));
    assert_eq!(unwritten_revocations(&server, "keys").await, 1.0);
    assert_eq!(unwritten_revocations(&server, "tokens").await, 0.0);
    // A second failed write is not logged again.
    waits_for_restart(&revoke_member(&server, "u3").await, "the member is off the channel");
    assert_eq!(server.printed().matches("a restart would undo it; it is tried again").count(), 1);
    assert!(!key_file(&server).await.contains("u1"));
    server.empty_disk();
    until_written(&server).await;
    let file = key_file(&server).await;
    assert!(file.contains("\"u1\"") && file.contains("\"u3\""), "{file}");
    assert_eq!(unwritten_revocations(&server, "keys").await, 0.0);
    revoke_member(&server, "u4").await.expect(200, "there is room again");
    let state = TempDir::new();
    state.write("it.keys.json", &key_file(&server).await);
    server.stop().await;
    let audit = std::fs::read_to_string(audit).expect("an audit log");
    for event in ["channel_revoked", "revocation_not_written", "revocation_written"] {
        assert!(audit.contains(event), "{event}: {audit}");
    }
    let launch = Launch::serve(&configuration()).arg("--state-dir").arg(state.path());
    let server = launch.start().await;
    let client = server.connect().await;
    let mut reader = SealedSubscriber::authorized(&server, client, CHANNEL).await;
    reader.user = Some("u1");
    assert_eq!(reader.request_auth(&server).await.refused(403, "u1"), "revoked");
    server.stop().await;
}

#[tokio::test]
async fn f5_key_is_revoked_in_memory_and_the_command_reports_the_disk() {
    let server = TestServer::start(&configuration().replace("hkdf", "pusher")).await;
    let admin = AdminClient::of(&server);
    let mut reader = SealedSubscriber::join(&server, server.connect().await, CHANNEL).await;
    let first = id(&admin.report().await["keys"][0]);
    server.fill_disk();
    let state_dir = server.dir.path().join(".sealcast");
    let revoke = |id: &str| {
        let launch = Launch::new(&["keys", "revoke", "--app", "it", id, "--now"]);
        launch.arg("--state-dir").arg(&state_dir)
    };
    let output = revoke(&first).output("").await;
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    for part in ["the key is forgotten", "until the server restarts", "do not restart"] {
        assert!(output.stderr.contains(part), "{output:?}");
    }
    assert_eq!(admin.states().await, ["retired", "active"]);
    reader.expect(&server, "sealcast:rekey", "{}").await;
    let envelope = seal(&shared_secret(&master_key("first"), CHANNEL), [2; 24], b"x");
    let body = json!({"name": "e", "channels": [CHANNEL], "data": envelope});
    assert_eq!(server.post("/events", &body).await.refused(422, "old"), "envelope_does_not_open");
    server.publish(CHANNEL, "e", "sealed with the new one").await;
    reader.expect(&server, "e", "sealed with the new one").await;
    assert_eq!(notices(&server).await.len(), 1);
    assert_eq!(admin.revoke(&first).await.refused(409, "again"), "key_retired");
    server.empty_disk();
    until_written(&server).await;
    let file = key_file(&server).await;
    assert!(file.contains("retired") && !file.contains(&base64(&master_key("first"))), "{file}");
    server.stop().await;
}

#[tokio::test]
async fn f5_pending_and_grace_keys_are_revoked_as_well() {
    let server = TestServer::start(&configuration()).await;
    let admin = AdminClient::of(&server);
    let first = id(&admin.report().await["keys"][0]);
    admin.rotate_to(&master_key("second")).await;
    let pending = id(&admin.rotate(&json!({"activate_in_seconds": 3600})).await.expect(200, "in"));
    server.fill_disk();
    waits_for_restart(&admin.revoke(&pending).await, "the key is forgotten");
    waits_for_restart(&admin.revoke(&first).await, "the key is forgotten");
    assert_eq!(admin.states().await, ["retired", "active", "retired"]);
    server.empty_disk();
    until_written(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn f5_tokens_are_revoked_in_memory() {
    let server = TestServer::start(&configuration()).await;
    let wanted = json!({"user_id": "u1", "channels": ["private-*"]});
    let minted = server.post("/tokens", &wanted).await.expect(200, "a token");
    let client = server.connect().await;
    let ask = async || {
        let request = Request::new("POST", "/apps/it/auth/channel");
        let request = request.form(&client.auth_form("private-a"));
        let token = minted["token"].as_str().expect("a token");
        server.send(request.header("Authorization", &format!("Bearer {token}"))).await
    };
    ask().await.expect(200, "before");
    server.fill_disk();
    let response = server.post("/tokens/revoke", &json!({"jti": minted["jti"]})).await;
    waits_for_restart(&response, "it is revoked");
    ask().await.refused(401, "after");
    assert_eq!(notices(&server).await[0]["code"], CODE);
    assert_eq!(unwritten_revocations(&server, "tokens").await, 1.0);
    server.empty_disk();
    until_written(&server).await;
    let file = std::fs::read_to_string(server.dir.path().join(".sealcast/it.revoked.json"));
    assert!(file.expect("a list").contains(minted["jti"].as_str().expect("an id")));
    server.stop().await;
}

#[tokio::test]
async fn f5_rotation_and_reload_keep_pending_writes() {
    let both = config_of("", &[(APP, &app("first")), (OTHER, &app("other"))]);
    let server = TestServer::start(&both).await;
    let admin = AdminClient::of(&server);
    server.fill_disk();
    waits_for_restart(&revoke_member(&server, "u1").await, "the member is off the channel");
    assert_eq!(admin.rotate(&json!({})).await.refused(503, "rotate"), "state_not_written");
    let next = both.replace(&base64(&master_key("first")), &base64(&master_key("next")));
    server.reload_refused(&next).await;
    assert_eq!(admin.states().await, ["active"]);
    // The app is removed and added again.
    server.reload(&config_of("", &[(OTHER, &app("other"))])).await;
    revoke_member(&server, "u2").await.refused(404, "it is gone");
    // By then, the server would have dropped an app without sockets.
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    assert_eq!(notices(&server).await.len(), 1, "and what waits is still known");
    server.reload(&both).await;
    let client = server.connect().await;
    let mut reader = SealedSubscriber::authorized(&server, client, CHANNEL).await;
    reader.user = Some("u1");
    assert_eq!(reader.request_auth(&server).await.refused(403, "u1"), "revoked");
    server.empty_disk();
    admin.rotate(&json!({})).await.expect(200, "there is room again");
    assert!(notices(&server).await.is_empty(), "which has written all");
    assert!(key_file(&server).await.contains("\"u1\""));
    server.stop().await;
}

#[tokio::test]
async fn f5_shutdown_before_the_write_reports_the_loss() {
    let server = TestServer::start(&configuration()).await;
    server.fill_disk();
    waits_for_restart(&revoke_member(&server, "u1").await, "the member is off the channel");
    let output = server.stop().await;
    assert!(output.stderr.contains("revoke again after the start"), "{output:?}");

    let server = TestServer::start(&configuration()).await;
    server.fill_disk();
    waits_for_restart(&revoke_member(&server, "u1").await, "the member is off the channel");
    let state = server.dir.path().join(".sealcast/it.keys.json");
    server.empty_disk();
    server.signal("TERM");
    // Its directory is removed with the server, so read the file while it ends.
    until("the last attempt", async || state.exists().then_some(())).await;
    let output = server.exited().await;
    assert!(!output.stderr.contains("revoke again after the start"), "{output:?}");
}
