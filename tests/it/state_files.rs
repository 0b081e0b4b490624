//! Access to the files of the state directory, and planted files (the tests named `f6_`).

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use serde_json::json;

use crate::support::*;

fn configuration(state: &Path) -> String {
    let receiver = "https://127.0.0.1:9/hook";
    let top = format!("audit_file = \"{}\"", state.join("audit.jsonl").display());
    let app = format!(
        "authorizer = \"open\"\nderivation = \"hkdf\"\nmaster_key = \"{}\"\n\n[[apps.it.webhooks]]\nurl = \"{receiver}\"",
        base64(&master_key("first"))
    );
    config_of(&top, &[(APP, &app)])
}

fn launch(state: &Path) -> Launch {
    Launch::serve(&configuration(state)).arg("--state-dir").arg(state)
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("a file").permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
}

async fn revoke_member(server: &TestServer, user: &str) {
    let path = "/channels/private-encrypted-x/revoke";
    server.post(path, &json!({"user_id": user})).await.expect(200, user);
}

/// A state directory with each of the server's files.
async fn populated_state_dir() -> TempDir {
    let state = TempDir::new();
    let server = launch(state.path()).start().await;
    revoke_member(&server, "u1").await;
    server.post("/tokens/revoke", &json!({"user_id": "u1"})).await.expect(200, "tokens");
    server.stop().await;
    let letter = json!({"id": 1, "time": "2026-01-31T12:00:00Z", "endpoint": "https://127.0.0.1:9/hook",
        "reason": "gone", "attempts": 1, "event": {"name": "channel_occupied", "channel": "x"}});
    state.write("it.webhooks.jsonl", &format!("{letter}\n"));
    state
}

const FILES: [&str; 4] = ["it.keys.json", "it.revoked.json", "it.webhooks.jsonl", "audit.jsonl"];

async fn refused(state: &Path) -> String {
    let output = launch(state).output("").await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(!output.stderr.contains("panicked"), "{output:?}");
    output.stderr
}

#[tokio::test]
async fn f6_state_file_accessible_to_others_stops_the_start() {
    let state = populated_state_dir().await;
    for name in FILES {
        let path = state.path().join(name);
        assert_eq!(mode(&path), 0o600, "{name}");
        for open in [0o666, 0o604] {
            set_mode(&path, open);
            let stderr = refused(state.path()).await;
            assert!(stderr.contains(name) && stderr.contains("chmod 600"), "{name}: {stderr}");
            assert_eq!(mode(&path), open, "it is for the operator to look at it first");
        }
        set_mode(&path, 0o600);
    }
    launch(state.path()).start().await.stop().await;
}

#[tokio::test]
async fn f6_group_access_to_a_state_file_is_removed_with_a_warning() {
    let state = populated_state_dir().await;
    for name in FILES {
        set_mode(&state.path().join(name), 0o660);
    }
    let server = launch(state.path()).start().await;
    until("it serves", async || server.printed().contains("app ready").then_some(())).await;
    for name in FILES {
        assert_eq!(mode(&state.path().join(name)), 0o600, "{name}");
    }
    let printed = server.printed();
    let told =
        printed.lines().filter(|line| line.contains("WARN") && line.contains("to its group"));
    let told: Vec<_> = told.collect();
    for name in FILES {
        assert!(told.iter().any(|line| line.contains(name)), "{name}: {printed}");
    }
    server.stop().await;
}

#[tokio::test]
async fn f6_symlinks_in_the_state_directory_are_not_followed() {
    let state = populated_state_dir().await;
    for name in &FILES[..3] {
        let (path, elsewhere) = (state.path().join(name), state.path().join("elsewhere"));
        fs::rename(&path, &elsewhere).expect("a file");
        symlink(&elsewhere, &path).expect("a link");
        let stderr = refused(state.path()).await;
        assert!(stderr.contains(name) && stderr.contains("symbolic link"), "{name}: {stderr}");
        fs::remove_file(&path).expect("the link");
        fs::hard_link(&elsewhere, &path).expect("a link");
        let stderr = refused(state.path()).await;
        assert!(stderr.contains(name) && stderr.contains("2 names"), "{name}: {stderr}");
        fs::remove_file(&elsewhere).expect("the other name");
    }
    launch(state.path()).start().await.stop().await;
}

#[tokio::test]
async fn f6_planted_file_beside_a_key_file_is_harmless() {
    let state = TempDir::new();
    let plant = |victim: &Path| {
        fs::write(victim, "not ours").expect("a file");
        set_mode(victim, 0o666);
    };
    let (open, victim) = (state.path().join("it.keys.json.tmp"), state.path().join("victim"));
    let server = launch(state.path()).start().await;
    let key_file = state.path().join("it.keys.json");
    // Left by a write of an earlier version, or planted.
    plant(&open);
    revoke_member(&server, "u1").await;
    assert_eq!(mode(&key_file), 0o600);
    fs::remove_file(&open).expect("a file");
    plant(&victim);
    symlink(&victim, &open).expect("a link");
    revoke_member(&server, "u2").await;
    assert_eq!(
        (mode(&key_file), fs::read(&victim).expect("a file")),
        (0o600, b"not ours".to_vec())
    );
    // The same for the target of a replaced file.
    fs::remove_file(&key_file).expect("the key file");
    symlink(&victim, &key_file).expect("a link");
    revoke_member(&server, "u3").await;
    assert_eq!(
        (mode(&key_file), fs::read(&victim).expect("a file")),
        (0o600, b"not ours".to_vec())
    );
    server.stop().await;
    let server = launch(state.path()).start().await;
    assert!(open.symlink_metadata().is_err(), "leftovers are removed");
    assert!(victim.exists());
    server.stop().await;
}

#[tokio::test]
async fn f6_umask_has_no_effect() {
    for umask in ["0000", "0277"] {
        let state = TempDir::new();
        let server = launch(state.path()).umask(umask).start().await;
        revoke_member(&server, "u1").await;
        server.post("/tokens/revoke", &json!({"user_id": "u1"})).await.expect(200, "tokens");
        for name in ["it.keys.json", "it.revoked.json", "admin.sock"] {
            assert_eq!(mode(&state.path().join(name)), 0o600, "{umask}: {name}");
        }
        server.stop().await;
    }
}

fn dev(state: &Path) -> Launch {
    Launch::new(&["serve", "--dev", "--listen", "127.0.0.1:0", "--state-dir"]).arg(state)
}

#[tokio::test]
async fn f6_dev_master_key_file_follows_the_same_rules() {
    let state = TempDir::new();
    dev(state.path()).start().await.stop().await;
    let path = state.path().join("dev-master-key");
    assert_eq!(mode(&path), 0o600);
    set_mode(&path, 0o660);
    let server = dev(state.path()).start().await;
    assert!(server.printed().contains("was open to its group (mode 0660)"), "{}", server.printed());
    assert_eq!(mode(&path), 0o600);
    server.stop().await;
    let refused = async || {
        let output = dev(state.path()).output("").await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        output.stderr
    };
    set_mode(&path, 0o644);
    assert!(refused().await.contains("chmod 600"));
    set_mode(&path, 0o600);
    let elsewhere = state.path().join("elsewhere");
    fs::rename(&path, &elsewhere).expect("a file");
    symlink(&elsewhere, &path).expect("a link");
    assert!(refused().await.contains("symbolic link"));
}

#[tokio::test]
async fn f6_state_directory_writable_by_others_stops_the_start() {
    let state = TempDir::new();
    set_mode(state.path(), 0o777);
    let stderr = refused(state.path()).await;
    assert!(stderr.contains("chmod 700"), "{stderr}");
    set_mode(state.path(), 0o700);
    // The directory itself may be a symlink, as systemd makes it.
    let link: PathBuf = state.path().join("link");
    let real = state.path().join("real");
    fs::create_dir(&real).expect("a directory");
    symlink(&real, &link).expect("a link");
    launch(&link).start().await.stop().await;
}

#[tokio::test]
async fn f6_state_directory_that_was_removed_is_not_made_again_without_its_lock() {
    let root = TempDir::new();
    let state = root.path().join("state");
    fs::create_dir(&state).expect("a directory");
    let server = launch(&state).start().await;
    revoke_member(&server, "u1").await;
    fs::remove_dir_all(&state).expect("a directory");
    let answer = server
        .post("/channels/private-encrypted-x/revoke", &json!({"user_id": "u2"}))
        .await
        .expect(503, "there is no directory");
    assert_eq!(answer["code"], "revoked_until_restart", "{answer}");
    assert!(!state.exists(), "another server may have it by then");
    server.stop().await;
}
