//! Keys across restarts and reloads: the state file, the configuration, SIGHUP.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;

use crate::support::*;

const CHANNEL: &str = "private-encrypted-x";

fn configured(key: &str) -> String {
    config(&format!("authorizer = \"open\"\nmaster_key = \"{key}\""))
}

fn with_key(label: &str) -> String {
    configured(&base64(&master_key(label)))
}

/// A server whose state directory outlives it.
fn launch(config: &str, state_dir: &Path) -> Launch {
    Launch::serve(config).arg("--state-dir").arg(state_dir)
}

/// The secret that the auth endpoint returns now.
async fn secret(server: &TestServer) -> [u8; 32] {
    SealedSubscriber::authorized(server, server.connect().await, CHANNEL).await.secret
}

fn of(label: &str) -> [u8; 32] {
    shared_secret(&master_key(label), CHANNEL)
}

async fn takes_envelope(server: &TestServer, label: &str) -> bool {
    let envelope = seal(&of(label), [5; 24], b"x");
    let body = json!({"name": "e", "channels": [CHANNEL], "data": envelope});
    server.post("/events", &body).await.status == 200
}

/// Expects a failing start with this message.
async fn refused(config: &str, state_dir: &Path) -> String {
    let output = launch(config, state_dir).output("").await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(!output.stderr.contains("panicked"), "{output:?}");
    output.stderr
}

#[tokio::test]
async fn e4_rotation_continues_after_a_restart() {
    let state = TempDir::new();
    let config = with_key("first");
    let server = launch(&config, state.path()).start().await;
    let admin = AdminClient::at(state.path());
    let behind = SealedSubscriber::join(&server, server.connect().await, CHANNEL).await;
    admin.rotate_to(&master_key("second")).await;
    assert_eq!(admin.report().await["rotation"]["remaining"], 1);
    let before = admin.report().await["keys"].clone();
    let announced = json!({"key": base64(&master_key("third")), "activate_in_seconds": 3600});
    assert_eq!(admin.rotate(&announced).await.refused(409, "behind"), "rotation_in_progress");
    // Ended as by a crash.
    server.signal("KILL");
    drop(behind);
    let killed = server.killed().await;
    assert!(!killed.stderr.contains("panicked"), "{killed:?}");

    // The configuration still names the first key, which is no change.
    let server = launch(&config, state.path()).start().await;
    let mut after = admin.report().await["keys"].clone();
    assert_eq!(after[0]["subscriptions"], 0);
    after[0]["subscriptions"] = json!(1);
    assert_eq!(after, before);
    assert_eq!(secret(&server).await, of("second"));
    assert!(takes_envelope(&server, "first").await && takes_envelope(&server, "second").await);
    assert!(!takes_envelope(&server, "third").await);
    admin.rotate(&announced).await.expect(200, "announce");
    server.stop().await;

    let server = launch(&config, state.path()).start().await;
    assert_eq!(admin.states().await, ["grace", "active", "pending"]);
    assert!(takes_envelope(&server, "third").await);
    server.stop().await;
}

#[tokio::test]
async fn e4_overdue_changes_happen_at_the_start() {
    let state = TempDir::new();
    let config = with_key("first");
    let server = launch(&config, state.path()).start().await;
    let admin = AdminClient::at(state.path());
    let announced =
        json!({"key": base64(&master_key("second")), "activate_in_seconds": 1, "grace_seconds": 1});
    admin.rotate(&announced).await.expect(200, "announce");
    server.stop().await;
    // Both times pass while no server runs.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let server = launch(&config, state.path()).start().await;
    admin.until_states(&["retired", "active"]).await;
    assert_eq!(secret(&server).await, of("second"));
    assert!(!takes_envelope(&server, "first").await);
    server.stop().await;
}

#[tokio::test]
async fn e3_new_configured_key_rotates_at_the_start() {
    let state = TempDir::new();
    let server = launch(&with_key("first"), state.path()).start().await;
    let admin = AdminClient::at(state.path());
    admin.rotate_to(&master_key("second")).await;
    server.stop().await;

    let server = launch(&with_key("third"), state.path()).start().await;
    assert_eq!(admin.states().await, ["grace", "grace", "active"]);
    assert_eq!(secret(&server).await, of("third"));
    assert!(takes_envelope(&server, "first").await && takes_envelope(&server, "second").await);
    server.stop().await;

    // Neither the previous key nor one replaced by command can return.
    for label in ["first", "second"] {
        let stderr = refused(&with_key(label), state.path()).await;
        assert!(stderr.contains("has been in use before"), "{stderr}");
    }
    let server = launch(&with_key("third"), state.path()).start().await;
    assert_eq!(admin.states().await, ["grace", "grace", "active"]);
    server.stop().await;
}

#[tokio::test]
async fn e3_untrusted_state_file_stops_the_start() {
    let state = TempDir::new();
    let config = with_key("first");
    let server = launch(&config, state.path()).start().await;
    let admin = AdminClient::at(state.path());
    admin.rotate_to(&master_key("second")).await;
    server.stop().await;
    let path = state.path().join("it.keys.json");
    let mode = |mode| {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("a mode");
    };
    assert_eq!(std::fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
    let good = std::fs::read_to_string(&path).expect("a file");
    let key = base64(&master_key("second"));
    assert!(good.contains(&key), "its keys stand in it");
    let damaged = [
        good[..good.len() / 2].to_owned(),
        String::new(),
        good.replacen("\"active\"", "\"grace\"", 1),
        good.replace(&key, &base64(&master_key("third"))),
        good.replacen('{', "[", 1),
    ];
    for text in damaged {
        std::fs::write(&path, &text).expect("a file");
        let stderr = refused(&config, state.path()).await;
        assert!(stderr.contains("it.keys.json"), "{text}: {stderr}");
        for label in ["first", "second", "third"] {
            assert!(!stderr.contains(&base64(&master_key(label))[..20]), "{stderr}");
        }
    }
    std::fs::write(&path, &good).expect("a file");
    mode(0o644);
    let stderr = refused(&config, state.path()).await;
    assert!(stderr.contains("chmod 600"), "{stderr}");
    mode(0o600);
    let server = launch(&config, state.path()).start().await;
    assert_eq!(secret(&server).await, of("second"));
    server.stop().await;
}

#[tokio::test]
async fn e3_new_configured_key_rotates_on_sighup() {
    let it = ReloadFixture::start(&with_key("first")).await;
    let mut reader = SealedSubscriber::join(&it.server, it.server.connect().await, CHANNEL).await;
    let admin = AdminClient::of(&it.server);
    it.apply(&with_key("first")).await;
    assert_eq!(admin.states().await, ["active"]);
    it.apply(&with_key("second")).await;
    assert_eq!(admin.states().await, ["grace", "active"]);
    reader.expect(&it.server, "sealcast:rekey", "{}").await;
    assert_eq!((reader.auth_requests, reader.secret), (1, of("second")));
    admin.until_moved().await;
    // A key file is read again, too.
    let path = it.server.dir.write("key", &base64(&master_key("third")));
    it.apply(&configured(&format!("file:{}", path.display()))).await;
    reader.expect(&it.server, "sealcast:rekey", "{}").await;
    assert_eq!((reader.auth_requests, reader.secret), (2, of("third")));
    it.server.stop().await;
}

#[tokio::test]
async fn e3_inapplicable_configuration_changes_nothing() {
    let it = ReloadFixture::start(&with_key("first")).await;
    let mut reader = SealedSubscriber::join(&it.server, it.server.connect().await, CHANNEL).await;
    let admin = AdminClient::of(&it.server);
    admin.rotate_to(&master_key("second")).await;
    reader.expect(&it.server, "sealcast:rekey", "{}").await;
    admin.until_moved().await;
    let keys = admin.report().await["keys"].clone();
    let canary = "canary-that-is-no-key-at-all";
    let weak = base64(&[9; 32]);
    let rows = [
        (configured(canary), "is no known form of 32 bytes"),
        (configured(&weak), "one repeated byte"),
        ("workers = [".to_owned(), "this is not TOML"),
        (
            with_key("third").replace("[apps.it]", "[apps.it]\nno_such_setting = 1"),
            "unknown setting",
        ),
        (with_key("third").replace("workers = 2", "workers = 0.5"), "must be"),
        (configured("file:/no/such/file"), "cannot read the secret file"),
    ];
    for (text, says) in &rows {
        it.reject(text, says).await;
        assert_eq!(admin.report().await["keys"], keys, "{text}");
    }
    // A used key cannot return.
    it.apply(&with_key("third")).await;
    reader.expect(&it.server, "sealcast:rekey", "{}").await;
    admin.until_moved().await;
    for label in ["first", "second"] {
        it.reject(&with_key(label), "has been in use before (grace)").await;
        assert_eq!(admin.states().await, ["grace", "grace", "active"]);
    }
    let printed = it.server.printed();
    assert!(!printed.contains(canary) && !printed.contains(&weak), "{printed}");
    it.server.publish(CHANNEL, "e", "as ever").await;
    reader.expect(&it.server, "e", "as ever").await;
    it.server.stop().await;
}

#[tokio::test]
async fn e3_configured_key_waits_for_the_running_rotation() {
    let it = ReloadFixture::start(&with_key("first")).await;
    let mut behind = SealedSubscriber::join(&it.server, it.server.connect().await, CHANNEL).await;
    let admin = AdminClient::of(&it.server);
    it.apply(&with_key("second")).await;
    it.apply_and_log(&with_key("third"), "have not moved from the previous key yet").await;
    assert_eq!(admin.states().await, ["grace", "active"]);
    behind.expect(&it.server, "sealcast:rekey", "{}").await;
    admin.until_states(&["grace", "grace", "active"]).await;
    behind.expect(&it.server, "sealcast:rekey", "{}").await;
    assert_eq!(behind.secret, of("third"));
    it.server.stop().await;
}

#[tokio::test]
async fn c_settings_that_need_a_restart_are_named() {
    let it = ReloadFixture::start(&with_key("first")).await;
    let changed = with_key("second").replace(
        "workers = 2",
        "workers = 3\npath_prefix = \"/canary-prefix\"\nmessage_bytes = 70000\nbody_timeout_seconds = 7\ncapacity_percent = 80",
    );
    let says = "config.changed=\"apps.it.master_key, body_timeout_seconds, capacity_percent, message_bytes\" config.later=\"path_prefix, workers\"";
    let admin = AdminClient::of(&it.server);
    it.apply_and_log(&changed, says).await;
    let capacity = exchange(it.server.ops(), &Request::new("GET", "/capacity")).await;
    assert_eq!(capacity.expect(200, "the gate")["threshold_percent"], 80);
    assert_eq!(admin.states().await, ["grace", "active"]);
    // Each reload reports it again, even without a change.
    it.apply_and_log(&changed, "config.by=\"signal\" config.later=\"path_prefix, workers\"").await;
    let derived = with_key("second").replace("[apps.it]", "[apps.it]\nderivation = \"hkdf\"");
    it.apply_and_log(&derived, "config.later=\"apps.it.derivation\"").await;
    let no_key = with_key("first").replace("master_key", "mode = \"blind\"\n#");
    it.apply_and_log(&no_key, "config.later=\"apps.it.master_key, apps.it.mode\"").await;
    assert_eq!(admin.states().await, ["grace", "active"]);
    it.apply(&with_key("second")).await;
    std::fs::remove_file(it.server.dir.path().join("sealcast.toml")).expect("a file");
    it.server.hang_up(Reload::Refused).await;
    it.until_logged("cannot read the configuration file", 1).await;
    assert!(!it.server.printed().contains("canary-prefix"));
    it.server.publish(CHANNEL, "e", "still here").await;
    it.server.stop().await;
}

#[tokio::test]
async fn e3_environment_master_key_is_kept_for_sighup() {
    let state = TempDir::new();
    let server = Launch::serve(&config("authorizer = \"open\""))
        .arg("--state-dir")
        .arg(state.path())
        .env("SEALCAST_MASTER_KEY", base64(&master_key("first")))
        .start()
        .await;
    server.hang_up(Reload::Taken).await;
    assert_eq!(AdminClient::at(state.path()).states().await, ["active"]);
    server.stop().await;
}
