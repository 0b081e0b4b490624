//! Subscribers that do not move to the next key, or move late: their effect on rotations, and their
//! end (encryption.md 4).

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::*;

const CHANNEL: &str = "private-encrypted-x";
const NEVER_ASKS: &str = "protocol=7&client=pusher-dotnet-client&version=6.0";
const JAVA: &str = "client=java-client&protocol=5&version=2.4.4";
const JWT_SECRET: &str = "jwt-secret-0c55d1b7e2a9-for-stragglers";

fn with_key(label: &str, more: &str) -> String {
    let key = base64(&master_key(label));
    config(&format!("authorizer = \"open\"\nmaster_key = \"{key}\"\n{more}"))
}

fn of(label: &str) -> [u8; 32] {
    shared_secret(&master_key(label), CHANNEL)
}

/// One subscriber with the second key, and one straggler.
async fn straggler_and_moved(server: &TestServer) -> (SealedSubscriber, SealedSubscriber) {
    let straggler = server.connect_with(NEVER_ASKS).await;
    let straggler = SealedSubscriber::join(server, straggler, CHANNEL).await;
    let mut moved = SealedSubscriber::join(server, server.connect().await, CHANNEL).await;
    AdminClient::of(server).rotate_to(&master_key("second")).await;
    moved.expect(server, "sealcast:rekey", "{}").await;
    until_behind(server, 1).await;
    (straggler, moved)
}

async fn until_behind(server: &TestServer, wanted: u64) {
    until(format!("{wanted} behind"), async || {
        (rotation(server).await["remaining"] == wanted).then_some(())
    })
    .await;
}

async fn rotation(server: &TestServer) -> Value {
    AdminClient::of(server).report().await["rotation"].clone()
}

#[tokio::test]
async fn f18_forced_rotation_closes_stragglers_and_continues() {
    let dir = TempDir::new();
    let audit = dir.path().join("audit.jsonl");
    let key = format!("authorizer = \"open\"\nmaster_key = \"{}\"", base64(&master_key("first")));
    let top = format!("audit_file = \"{}\"", audit.display());
    let server = TestServer::start(&config_of(&top, &[(APP, &key)])).await;
    let admin = AdminClient::of(&server);
    let (mut straggler, mut moved) = straggler_and_moved(&server).await;

    let refused = admin.rotate(&json!({})).await;
    assert_eq!(refused.refused(409, "a second rotation"), "rotation_in_progress");
    let text = refused.text();
    let until = admin.report().await["keys"][0]["until"].as_u64().expect("an end");
    for part in ["1 subscription", "--force", "its grace time ends at 20"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(until > unix_now() as u64);
    // A request refused for another reason closes no socket.
    let known = json!({"key": base64(&master_key("first")), "force": true});
    assert_eq!(admin.rotate(&known).await.refused(409, "known"), "known_key");
    server.publish(CHANNEL, "e", "still served").await;
    straggler.expect(&server, "e", "still served").await;
    moved.expect(&server, "e", "still served").await;

    let forced = json!({"key": base64(&master_key("third")), "force": true});
    let answer = admin.rotate(&forced).await.expect(200, "by force");
    assert_eq!((&answer["state"], &answer["closed"]), (&json!("active"), &json!(1)), "{answer}");
    straggler.client.expect_rejection(4200).await;
    moved.expect(&server, "sealcast:rekey", "{}").await;
    admin.until_moved().await;
    assert_eq!(moved.secret, of("third"));
    let again =
        SealedSubscriber::join(&server, server.connect_with(NEVER_ASKS).await, CHANNEL).await;
    assert_eq!(again.secret, of("third"));
    // Without stragglers it is an ordinary rotation.
    let answer = admin.rotate(&json!({"force": true})).await.expect(200, "nobody is behind");
    assert_eq!(answer.get("closed"), None, "{answer}");
    server.stop().await;
    let text = std::fs::read_to_string(&audit).expect("an audit file");
    let facts = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let forced: Vec<Value> = facts.filter(|fact| fact["event"] == "rotation_forced").collect();
    assert_eq!(forced.len(), 1, "{forced:?}");
    assert_eq!((&forced[0]["app"], &forced[0]["closed"]), (&json!("it"), &json!(1)));
}

#[tokio::test]
async fn f18_command_has_a_force_flag() {
    let server = TestServer::start(&with_key("first", "")).await;
    let (mut straggler, _moved) = straggler_and_moved(&server).await;
    let rotate = || {
        Launch::new(&["keys", "rotate", "--app", "it", "--no-wait", "--state-dir"])
            .arg(server.dir.path().join(".sealcast"))
    };
    let refused = rotate().output("").await;
    assert_eq!(refused.status.code(), Some(4), "{refused:?}");
    assert!(refused.stderr.contains("--force"), "{refused:?}");
    let done = rotate().arg("--force").output("").await;
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let said = "1 subscriptions that had not moved were closed\n";
    assert!(done.stdout.starts_with(said) && done.stdout.ends_with("is active\n"), "{done:?}");
    straggler.client.expect_rejection(4200).await;
    server.stop().await;
}

const WAITS: &str = "is in force, but for keys that wait for a rotation to end";

#[tokio::test]
async fn f18_reload_applies_the_rest_and_the_key_after_the_rotation() {
    let it = ReloadFixture::start(&with_key("first", "")).await;
    let admin = AdminClient::of(&it.server);
    let (straggler, mut moved) = straggler_and_moved(&it.server).await;
    it.apply_and_log(&with_key("third", "[apps.it.limits]\nevent_bytes = 30"), WAITS).await;
    let printed = it.server.printed();
    for part in
        ["config.waits=\"apps.it.master_key\"", "config.changed=\"apps.it.limits.event_bytes"]
    {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    assert!(printed.contains("1 subscriptions have not moved") && printed.contains("--force"));
    let long = json!({"name": "e", "channel": "news", "data": "x".repeat(31)});
    it.server.post("/events", &long).await.expect(413, "the limit is in force");
    assert_eq!(admin.states().await, ["grace", "active"]);
    let waiting = rotation(&it.server).await["waiting"].clone();
    assert!(waiting.is_string(), "{waiting}");
    let list = Launch::new(&["keys", "list", "--app", "it", "--state-dir"]);
    let list = list.arg(it.server.dir.path().join(".sealcast")).output("").await;
    let line = format!("{}, which the configuration names, is taken", waiting.as_str().unwrap());
    assert!(list.stdout.contains(&line), "{list:?}");
    // Each reload reports it again.
    it.apply_and_log(&with_key("third", "[apps.it.limits]\nevent_bytes = 30"), WAITS).await;
    assert_eq!(admin.states().await, ["grace", "active"]);

    straggler.client.close().await;
    admin.until_states(&["grace", "grace", "active"]).await;
    assert_eq!(admin.report().await["keys"][2]["id"], waiting);
    assert_eq!(rotation(&it.server).await.get("waiting"), None);
    moved.expect(&it.server, "sealcast:rekey", "{}").await;
    assert_eq!(moved.secret, of("third"));
    admin.until_moved().await;
    it.apply(&with_key("third", "[apps.it.limits]\nevent_bytes = 30")).await;
    assert_eq!(admin.states().await, ["grace", "grace", "active"], "the named key is active");
    it.stop().await;
}

#[tokio::test]
async fn f18_waiting_key_is_forced_or_dropped_with_the_configuration() {
    let it = ReloadFixture::start(&with_key("first", "")).await;
    let admin = AdminClient::of(&it.server);
    let (mut straggler, mut moved) = straggler_and_moved(&it.server).await;
    it.apply(&with_key("third", "")).await;
    // The configuration names the previous key again: no key waits any more.
    it.apply(&with_key("first", "")).await;
    assert_eq!(rotation(&it.server).await.get("waiting"), None);
    it.apply(&with_key("third", "")).await;
    let waiting = rotation(&it.server).await["waiting"].clone();
    let answer = admin.rotate(&json!({"force": true})).await.expect(200, "by force");
    assert_eq!((&answer["id"], &answer["closed"]), (&waiting, &json!(1)), "no third key is made");
    straggler.client.expect_rejection(4200).await;
    moved.expect(&it.server, "sealcast:rekey", "{}").await;
    assert_eq!(moved.secret, of("third"));
    until("nothing waits", async || {
        rotation(&it.server).await.get("waiting").is_none().then_some(())
    })
    .await;
    assert_eq!(admin.states().await, ["grace", "grace", "active"]);
    it.stop().await;
}

fn bearer() -> String {
    let claims = json!({"sub": "u1", "exp": unix_now() + 600, "channels": ["*"]});
    token(&json!({"alg": "HS256"}), &claims, JWT_SECRET)
}

async fn join_with_token(server: &TestServer, query: &str) -> SealedSubscriber {
    let client = server.connect_with(query).await;
    let (channel, bearer) = (CHANNEL.to_owned(), Some(bearer()));
    let (user, secret) = (None, [0; 32]);
    let mut reader = SealedSubscriber { client, channel, user, bearer, secret, auth_requests: 0 };
    reader.fetch_secret(server).await;
    reader.client.subscribe(CHANNEL).await;
    reader
}

/// An event under the next key only, unreadable for a client whose auth requests fail.
async fn expect_nudge(reader: &mut SealedSubscriber) {
    let frame = reader.client.next().await;
    let data = frame["data"].as_str().expect("data");
    assert_eq!(try_open(&reader.secret, data), None, "{frame}");
}

#[tokio::test]
async fn f31_refused_question_closes_only_a_client_without_its_secret() {
    let key = base64(&master_key("first"));
    let text = config(&format!(
        "authorizer = \"jwt\"\njwt_secret = \"{JWT_SECRET}\"\nmaster_key = \"{key}\"\n[apps.it.rotation]\nhold_ms = 3000"
    ));
    let server = TestServer::start(&text).await;
    let mut java = join_with_token(&server, JAVA).await;
    let mut js = join_with_token(&server, "protocol=7&client=js").await;
    // Without a nudge before it, a refusal closes nothing.
    java.bearer = None;
    java.request_auth(&server).await.expect(401, "without a token");
    server.publish(CHANNEL, "e", "1").await;
    java.expect(&server, "e", "1").await;
    js.expect(&server, "e", "1").await;

    AdminClient::of(&server).rotate_to(&master_key("second")).await;
    js.bearer = None;
    for reader in [&mut java, &mut js] {
        expect_nudge(reader).await;
        reader.request_auth(&server).await.expect(401, "in its turn");
    }
    server.publish(CHANNEL, "e", "2").await;
    java.client.expect_rejection(4200).await;
    js.expect(&server, "e", "2").await;
    assert_eq!((js.auth_requests, js.secret), (0, of("first")), "it goes on with what it has");
    let counts = rotation(&server).await;
    assert_eq!((&counts["closed"], &counts["reverted"]), (&json!(1), &json!(1)), "{counts}");
    let again = join_with_token(&server, JAVA).await;
    assert_eq!(again.secret, of("second"));
    server.stop().await;
}

#[tokio::test]
async fn f31_client_without_its_secret_is_closed_if_it_does_not_ask() {
    let server = TestServer::start(&with_key("first", "[apps.it.rotation]\nhold_ms = 400")).await;
    let java = server.connect_with(JAVA).await;
    let mut java = SealedSubscriber::join(&server, java, CHANNEL).await;
    AdminClient::of(&server).rotate_to(&master_key("second")).await;
    expect_nudge(&mut java).await;
    for n in 0..5 {
        server.publish(CHANNEL, "e", &n.to_string()).await;
    }
    java.client.expect_rejection(4200).await;
    let again = SealedSubscriber::join(&server, server.connect_with(JAVA).await, CHANNEL).await;
    assert_eq!(again.secret, of("second"));
    server.stop().await;
}

#[tokio::test]
async fn f31_quiet_channel_answers_a_late_question_with_the_next_secret() {
    let server = TestServer::start(&with_key("first", "[apps.it.rotation]\nhold_ms = 300")).await;
    let admin = AdminClient::of(&server);
    let mut late = SealedSubscriber::join(&server, server.connect().await, CHANNEL).await;
    admin.rotate_to(&master_key("second")).await;
    expect_nudge(&mut late).await;
    until("it is given up", async || (rotation(&server).await["reverted"] == 1).then_some(()))
        .await;
    late.fetch_secret(&server).await;
    assert_eq!(late.secret, of("second"));
    // Pongs reach the server slowly, and the new secret applies from then on.
    let moved = admin.until_moved();
    let read = async {
        server.publish(CHANNEL, "e", "1").await;
        late.expect(&server, "e", "1").await;
    };
    tokio::join!(moved, read);
    assert_eq!(late.auth_requests, 0);
    server.stop().await;
}

#[tokio::test]
async fn f31_busy_channel_gives_a_late_client_a_longer_next_turn() {
    let server = TestServer::start(&with_key("first", "[apps.it.rotation]\nhold_ms = 300")).await;
    let admin = AdminClient::of(&server);
    let mut late = SealedSubscriber::join(&server, server.connect().await, CHANNEL).await;
    admin.rotate_to(&master_key("second")).await;
    expect_nudge(&mut late).await;
    server.publish(CHANNEL, "e", "1").await;
    late.expect(&server, "e", "1").await;
    assert_eq!(late.auth_requests, 0, "it was given up, and reads on");
    // Its lateness is the subject, here and below.
    tokio::time::sleep(Duration::from_secs(2)).await;
    late.fetch_secret(&server).await;
    assert_eq!(late.secret, of("first"), "for what is on its way");
    // Its next turn comes soon. It takes longer than the first hold was long.
    expect_nudge(&mut late).await;
    server.publish(CHANNEL, "e", "2").await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    late.fetch_secret(&server).await;
    assert_eq!(late.secret, of("second"));
    late.expect(&server, "e", "2").await;
    admin.until_moved().await;
    let counts = rotation(&server).await;
    assert_eq!((&counts["nudges"], &counts["reverted"]), (&json!(2), &json!(1)), "{counts}");
    server.stop().await;
}
