//! `sealcast keys list | rotate | revoke` against a running server.

use crate::support::*;

const CHANNEL: &str = "private-encrypted-x";
const TOKEN: &str = "admin-token-77d0c3f1a25e9b64";

fn configuration() -> String {
    let key = base64(&master_key("first"));
    let app = format!("authorizer = \"open\"\nmaster_key = \"{key}\"");
    config_of(&format!("admin_token = \"{TOKEN}\""), &[(APP, &app)])
}

/// A command for the server, on the socket of its state directory.
fn keys(server: &TestServer, command: &str) -> Launch {
    Launch::new(&["keys", command, "--app", "it"])
        .arg("--state-dir")
        .arg(server.dir.path().join(".sealcast"))
}

fn good(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    output.stdout.clone()
}

fn refused(output: &Output, exit: i32, says: &str) {
    assert_eq!(output.status.code(), Some(exit), "{output:?}");
    assert!(output.stderr.starts_with("sealcast: "), "{output:?}");
    assert!(output.stderr.contains(says) && output.stdout.is_empty(), "{says}: {output:?}");
}

#[tokio::test]
async fn c_keys_are_listed_rotated_and_revoked() {
    let server = TestServer::start(&configuration()).await;
    let admin = AdminClient::of(&server);
    let listed = good(&keys(&server, "list").output("").await);
    let first = id(&admin.report().await["keys"][0]);
    assert!(listed.contains(&first) && listed.contains("active"), "{listed}");

    let said = good(&keys(&server, "rotate").output("").await);
    let second = id(&admin.report().await["keys"][1]);
    assert_eq!(said, format!("{second} is active\n"));
    let listed = good(&keys(&server, "list").output("").await);
    let lines: Vec<Vec<&str>> =
        listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((lines[1][0], lines[1][1], lines[1].last()), (&*first, "grace", Some(&"0")));
    assert_eq!((lines[2][0], lines[2][1]), (&*second, "active"));

    let third = base64(&master_key("third"));
    let launch = keys(&server, "rotate").arg("--key").arg("-").arg("--in").arg("3600");
    let said = good(&launch.output(&format!("{third}\n")).await);
    let pending = id(&admin.report().await["keys"][2]);
    assert!(said.starts_with(&format!("{pending} is pending")) && said.contains('T'), "{said}");
    refused(&keys(&server, "rotate").output("").await, 4, "is pending");
    refused(&keys(&server, "revoke").arg(&pending).output("").await, 2, "--now");
    let said = good(&keys(&server, "revoke").arg(&pending).arg("--now").output("").await);
    assert_eq!(said, format!("{pending} is forgotten, {second} is active\n"));
    let said = good(&keys(&server, "revoke").arg(&second).arg("--now").output("").await);
    let active = id(&admin.report().await["keys"][3]);
    assert_eq!(said, format!("{second} is forgotten, {active} is active\n"));
    server.stop().await;
}

#[tokio::test]
async fn c_rotate_shows_progress_until_all_have_moved() {
    let server = TestServer::start(&configuration()).await;
    let admin = AdminClient::of(&server);
    let mut reader = SealedSubscriber::join(&server, server.connect().await, CHANNEL).await;
    let key = base64(&master_key("second"));
    let launch = keys(&server, "rotate").arg("--key").arg(&key);
    let moves = async {
        // Not before a subscriber has seen the nudge.
        until("the rotation has begun", async || {
            (admin.report().await["rotation"]["remaining"] == 1).then_some(())
        })
        .await;
        reader.expect(&server, "sealcast:rekey", "{}").await;
    };
    let (output, ()) = tokio::join!(launch.output(""), moves);
    good(&output);
    let lines: Vec<&str> = output.stderr.lines().collect();
    let report = admin.report().await;
    let (first, second) = (id(&report["keys"][0]), id(&report["keys"][1]));
    let last = format!("1/1 moved  {second} (active): 1");
    assert_eq!(lines.last(), Some(&last.as_str()), "{output:?}");
    let begun = format!("0/1 moved  {first} (grace): 1  {second} (active): 0");
    assert!(lines.contains(&begun.as_str()), "{output:?}");
    assert!(!format!("{output:?}").contains(&key), "{output:?}");
    // With `--no-wait` the command ends at once, even with stragglers.
    let said = good(&keys(&server, "rotate").arg("--no-wait").output("").await);
    assert!(said.ends_with("is active\n"), "{said}");
    refused(&keys(&server, "rotate").output("").await, 4, "have not moved");
    server.stop().await;
}

#[tokio::test]
async fn c_remote_server_takes_the_token() {
    let server = TestServer::start(&configuration()).await;
    let token = server.dir.write("token", &format!("{TOKEN}\n"));
    let wrong = server.dir.write("wrong", "not-the-token-of-this-server");
    let url = format!("http://{}", server.ops());
    let remote = |command: &str, url: &str, file: &std::path::Path| {
        Launch::new(&["keys", command, "--app", "it", "--url", url])
            .arg("--admin-token-file")
            .arg(file)
    };
    good(&remote("rotate", &url, &token).output("").await);
    let listed = good(&remote("list", &url, &token).output("").await);
    assert_eq!(listed.lines().count(), 3, "{listed}");
    refused(&remote("list", &url, &wrong).output("").await, 4, "not the admin token");
    let public = format!("http://{}", server.addr);
    let says = if server.tls.is_some() { "use https://" } else { "admin_token?" };
    refused(&remote("list", &public, &token).output("").await, 4, says);
    refused(&remote("list", "ftp://127.0.0.1:1", &token).output("").await, 2, "http://");
    refused(&remote("list", "http://127.0.0.1:1", &token).output("").await, 3, "does not answer");
    let missing = server.dir.path().join("no-such-file");
    refused(&remote("list", &url, &missing).output("").await, 1, "no-such-file");
    let listed = good(&keys(&server, "list").output("").await);
    assert_eq!(listed.lines().count(), 3, "{listed}");
    server.stop().await;
}

#[tokio::test]
async fn c_errors_are_sentences() {
    let server = TestServer::start(&configuration()).await;
    let canary = "canary-key-that-is-none";
    refused(&keys(&server, "rotate").arg("--key").arg(canary).output("").await, 1, "23 characters");
    let first = base64(&master_key("first"));
    refused(
        &keys(&server, "rotate").arg("--key").arg(&first).output("").await,
        4,
        "is active already",
    );
    refused(&keys(&server, "revoke").arg("../x").arg("--now").output("").await, 2, "12 hex digits");
    let revoke = keys(&server, "revoke").arg("0123456789ab").arg("--now");
    refused(&revoke.output("").await, 4, "there is no key 0123456789ab");
    let unknown = Launch::new(&["keys", "list", "--app", "nobody"])
        .arg("--state-dir")
        .arg(server.dir.path().join(".sealcast"));
    refused(&unknown.output("").await, 4, "There is no app nobody");
    // In a directory without any server so far.
    refused(
        &Launch::new(&["keys", "list", "--app", "it"]).output("").await,
        3,
        "no server answers at",
    );
    let config = server.dir.path().join("sealcast.toml");
    let text = std::fs::read_to_string(&config).expect("the configuration");
    let state = server.dir.path().join(".sealcast");
    server.dir.write("elsewhere.toml", &format!("state_dir = \"{}\"\n{text}", state.display()));
    let launch = Launch::new(&["keys", "list", "--app", "it"])
        .arg("--config")
        .arg(server.dir.path().join("elsewhere.toml"));
    good(&launch.output("").await);
    assert_eq!(AdminClient::of(&server).states().await, ["active"]);
    server.stop().await;
}
