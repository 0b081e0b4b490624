//! Lost or restored state: no old secret opens later events (the tests named `f3_`).

use std::{fs, path::Path};

use serde_json::json;

use crate::support::*;

const CHANNEL: &str = "private-encrypted-x";

fn app() -> String {
    let key = base64(&master_key("first"));
    format!("authorizer = \"open\"\nderivation = \"hkdf\"\nmaster_key = \"{key}\"")
}

fn launch(state: &Path) -> Launch {
    Launch::serve(&config(&app())).arg("--state-dir").arg(state)
}

async fn revoke(server: &TestServer, user: &str) -> u64 {
    let path = format!("/channels/{CHANNEL}/revoke");
    let answer = server.post(&path, &json!({"user_id": user})).await.expect(200, user);
    answer["epoch"].as_u64().unwrap_or_else(|| panic!("no epoch: {answer}"))
}

async fn secret_of(server: &TestServer, user: &'static str) -> [u8; 32] {
    let mut reader = SealedSubscriber::authorized(server, server.connect().await, CHANNEL).await;
    reader.user = Some(user);
    reader.fetch_secret(server).await;
    reader.secret
}

/// A new event opens with the new secret and with none of the old ones.
async fn nothing_opens_with(server: &TestServer, old: &[[u8; 32]]) {
    let mut reader = SealedSubscriber::join_as(server, CHANNEL, "u9").await;
    server.publish(CHANNEL, "e", "later").await;
    let frame = reader.client.next().await;
    let data = frame["data"].as_str().expect("an envelope");
    assert_eq!(open(&reader.secret, data), "later");
    for secret in old {
        assert_eq!(try_open(secret, data), None, "an old secret opens {frame}");
    }
}

#[tokio::test]
async fn f3_after_a_restored_key_file_old_secrets_open_nothing() {
    let state = TempDir::new();
    let key_file = state.path().join("it.keys.json");
    let server = launch(state.path()).start().await;
    let mut old = vec![secret_of(&server, "u1").await];
    let first = revoke(&server, "u0").await;
    old.push(secret_of(&server, "u1").await);
    let backup = fs::read_to_string(&key_file).expect("a key file");
    assert!(revoke(&server, "u1").await > first);
    nothing_opens_with(&server, &old).await;
    old.push(secret_of(&server, "u9").await);
    server.stop().await;

    state.write("it.keys.json", &backup);
    let server = launch(state.path()).start().await;
    nothing_opens_with(&server, &old).await;
    server.stop().await;

    // The whole directory is lost, as in a container without a volume.
    fs::remove_file(&key_file).expect("a key file");
    let server = launch(state.path()).start().await;
    nothing_opens_with(&server, &old).await;
    server.stop().await;
    assert!(first >= unix_now() as u64 - 600, "an epoch is a time: {first}");
}

/// The file is lost while the server runs, and the app is removed and added again.
#[tokio::test]
async fn f3_after_a_lost_key_file_old_secrets_open_nothing() {
    let other = format!("master_key = \"{}\"", base64(&master_key("other")));
    let both = config_of("", &[(APP, &app()), (OTHER, &other)]);
    let server = TestServer::start(&both).await;
    let old = vec![secret_of(&server, "u1").await];
    revoke(&server, "u1").await;
    nothing_opens_with(&server, &old).await;
    server.reload(&config_of("", &[(OTHER, &other)])).await;
    server.until_stat("sockets", 0).await;
    // The server drops the app within a second. Nothing shows that.
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    fs::remove_file(server.dir.path().join(".sealcast/it.keys.json")).expect("a key file");
    server.reload(&both).await;
    nothing_opens_with(&server, &old).await;
    server.stop().await;
}

#[tokio::test]
async fn f3_file_with_small_epochs_is_read() {
    let state = TempDir::new();
    let key_file = state.path().join("it.keys.json");
    let server = launch(state.path()).start().await;
    let epoch = revoke(&server, "u1").await;
    server.stop().await;
    let text = fs::read_to_string(&key_file).expect("a key file");
    state.write("it.keys.json", &text.replace(&epoch.to_string(), "3"));
    let server = launch(state.path()).start().await;
    nothing_opens_with(&server, &[]).await;
    assert!(revoke(&server, "u2").await >= epoch);
    server.stop().await;
}

#[tokio::test]
async fn f3_start_logs_the_newest_revocation() {
    let state = TempDir::new();
    let line = async |server: &TestServer| {
        until("the newest revocation", async || {
            let printed = server.printed();
            let mut lines = printed.lines();
            lines.find(|line| line.contains("revocation.newest=")).map(str::to_owned)
        })
        .await
    };
    let server = launch(state.path()).start().await;
    let said = line(&server).await;
    assert!(said.contains("revocation.newest=\"none\""), "{said}");
    revoke(&server, "u1").await;
    server.stop().await;
    let text = fs::read_to_string(state.path().join("it.keys.json")).expect("a key file");
    let key_file: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let at = key_file["revocations"][0]["at"].to_string();
    state.write("it.keys.json", &text.replace(&at, "1900000000"));
    let server = launch(state.path()).start().await;
    let said = line(&server).await;
    assert!(said.contains("2030-03-17T17:46:40Z"), "{said}");
    assert!(!said.contains("u1") && !said.contains(CHANNEL), "{said}");
    server.stop().await;

    // The same holds for access tokens.
    let tokens = json!({"format": 1, "tokens": {"j": 1_900_000_100}, "users": {}});
    state.write("it.revoked.json", &tokens.to_string());
    let server = launch(state.path()).start().await;
    let said = line(&server).await;
    assert!(said.contains("2030-03-17T17:48:20Z"), "{said}");
    server.stop().await;
}

const WARNING: &str = "derivation hkdf";

#[tokio::test]
async fn f3_ephemeral_state_causes_a_warning() {
    let state = TempDir::new();
    let not_a_directory = state.write("file", "");
    let warned = async |config: &str, state: &Path| {
        let server = Launch::serve(config).arg("--state-dir").arg(state).start().await;
        until("it serves", async || server.printed().contains("app ready").then_some(())).await;
        let printed = server.stop().await.stderr;
        let line = printed.lines().find(|line| line.contains("WARN") && line.contains(WARNING));
        line.map(str::to_owned)
    };
    let hkdf = config(&app());
    let said = warned(&hkdf, &not_a_directory).await.expect("a warning");
    assert!(said.contains("without a state directory"), "{said}");
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    if mounts.lines().any(|line| line.contains(" /dev/shm tmpfs rw")) {
        let shm = Path::new("/dev/shm").join(format!("sealcast-it-{}", std::process::id()));
        let said = warned(&hkdf, &shm).await.expect("a warning");
        assert!(said.contains("state.filesystem=\"tmpfs\""), "{said}");
        let _ = fs::remove_dir_all(&shm);
    }
    let pusher = hkdf.replace("hkdf", "pusher");
    assert_eq!(warned(&pusher, &not_a_directory).await, None);
}

#[tokio::test]
async fn f3_vectors_accept_the_salt() {
    let vectors = async |args: &[&str]| {
        let output = Launch::new(&["keys", "vector"]);
        let output = args.iter().fold(output, |launch, arg| launch.arg(arg)).output("").await;
        assert!(output.status.success(), "{output:?}");
        let vectors: serde_json::Value = serde_json::from_str(&output.stdout).expect("JSON");
        let secret = |name: &str| {
            let all = vectors["encrypted"].as_array().expect("vectors");
            let found = all.iter().find(|vector| vector["derivation"] == name).expect(name);
            found["shared_secret"].as_str().expect("a secret").to_owned()
        };
        (vectors["salt"].clone(), secret("hkdf"), secret("pusher"))
    };
    let example: [u8; 32] = std::array::from_fn(|i| 32 + i as u8);
    let (salt, hkdf, pusher) = vectors(&[]).await;
    assert_eq!(salt, base64(&example));
    assert_eq!(vectors(&["--salt", &base64(&example)]).await, (salt, hkdf.clone(), pusher.clone()));
    let other = vectors(&["--salt", &base64(&[7; 32])]).await;
    assert!(other.1 != hkdf && other.2 == pusher);
    let output = Launch::new(&["keys", "vector", "--salt", "short"]).output("").await;
    assert!(!output.status.success() && output.stderr.contains("32 bytes"), "{output:?}");
}
