//! `sealcast tail` against a running server.

use serde_json::Value;

use crate::support::*;

const TOKEN: &str = "admin-token-31b7e90d5a6c4f28";

fn configuration(top: &str) -> String {
    config_of(&format!("admin_token = \"{TOKEN}\"\n{top}"), &[(APP, "client_events = true")])
}

/// `sealcast tail` over the socket of the server's state directory.
fn tail(server: &TestServer, args: &[&str]) -> Launch {
    let launch = Launch::new(&["tail"]).arg("--state-dir").arg(state_dir(server));
    args.iter().fold(launch, |launch, arg| launch.arg(arg))
}

/// Waits for a watcher: earlier entries are not kept.
async fn watching(server: &TestServer, launch: Launch) -> RunningCommand {
    let mut watcher = Watcher::of(server, "?type=watch_begun").await;
    watcher.next().await;
    let running = launch.keep_running();
    watcher.next().await;
    running
}

async fn until_printed(tail: &RunningCommand, wanted: &str) -> String {
    until(format!("{wanted} in what is printed"), async || {
        let text = tail.stdout();
        text.lines().find(|line| line.contains(wanted)).map(str::to_owned)
    })
    .await
}

fn refused(output: &Output, exit: i32, says: &str) {
    assert_eq!(output.status.code(), Some(exit), "{output:?}");
    assert!(output.stderr.starts_with("sealcast: "), "{output:?}");
    assert!(output.stderr.contains(says) && output.stdout.is_empty(), "{says}: {output:?}");
}

#[tokio::test]
async fn c_entries_are_printed_as_they_happen() {
    let server = TestServer::start(&configuration("")).await;
    let all = watching(&server, tail(&server, &[])).await;
    let some = watching(
        &server,
        tail(&server, &["--json", "--app", "it", "--channel", "c-*", "--type", "event,subscribed"]),
    )
    .await;
    let mut client = server.connect().await;
    client.subscribe("c-1").await;
    let one = watching(&server, tail(&server, &["--socket", &client.socket_id])).await;
    server.publish("other", "e", "x").await;
    server.publish("c-1", "two words", "payload-canary").await;
    client.unsubscribe("c-1").await;

    let line = until_printed(&all, "channel=c-1 bytes=14").await;
    assert!(line.contains(" event "), "{line}");
    assert!(
        line.ends_with("app=it channel=c-1 bytes=14 name=\"two words\" subscribers=1"),
        "{line}"
    );
    until_printed(&all, "connection_opened").await;
    until_printed(&all, "api_call           POST /apps/{app}/events 200 app=it ").await;
    assert!(!all.stdout().contains('\u{1b}'), "no terminal, no colours");
    assert!(!all.stdout().contains("payload-canary"));
    until_printed(&one, "unsubscribed").await;
    assert_eq!(one.stdout().lines().count(), 1, "{}", one.stdout());

    until_printed(&some, "two words").await;
    let entries: Vec<Value> = some
        .stdout()
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON object on each line"))
        .collect();
    let types: Vec<_> = entries.iter().map(|entry| entry["type"].clone()).collect();
    assert_eq!(types, ["subscribed", "event"], "{entries:?}");

    all.signal("INT");
    let output = all.ended().await;
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert_eq!(output.stderr, "sealcast: interrupted\n", "{output:?}");
    server.signal("TERM");
    let output = some.ended().await;
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert_eq!(output.stderr, "sealcast: the server has ended\n", "{output:?}");
    server.exited().await;
}

#[tokio::test]
async fn c_following_tail_waits_for_the_server_to_return() {
    let state = TempDir::new();
    let launch =
        || Launch::serve(&configuration("")).arg("--state-dir").arg(state.path().join("state"));
    let server = launch().start().await;
    let follow = Launch::new(&["tail", "--follow", "--type", "connection_opened,watch_begun"])
        .arg("--state-dir")
        .arg(state.path().join("state"))
        .keep_running();
    until_printed(&follow, "watch_begun").await;
    server.stop().await;
    until("a word on it", async || follow.stderr().contains("waiting for it").then_some(())).await;
    let server = launch().start().await;
    until("it is back", async || {
        (follow.stdout().matches("watch_begun").count() == 2).then_some(())
    })
    .await;
    let _client = server.connect().await;
    until_printed(&follow, "connection_opened").await;
    server.stop().await;
    follow.signal("INT");
    assert_eq!(follow.ended().await.status.code(), Some(130), "also while it waits");
}

#[tokio::test]
async fn c_remote_server_takes_the_token() {
    let server = TestServer::start(&configuration("")).await;
    let token = server.dir.write("token", &format!("{TOKEN}\n"));
    let wrong = server.dir.write("wrong", "not-the-token-of-this-server");
    let url = format!("http://{}", server.ops());
    let at = |url: &str, file: &std::path::Path| {
        Launch::new(&["tail", "--url", url]).arg("--admin-token-file").arg(file)
    };
    let remote = watching(&server, at(&url, &token)).await;
    let _client = server.connect().await;
    until_printed(&remote, "connection_opened").await;
    remote.signal("INT");
    assert_eq!(remote.ended().await.status.code(), Some(130));

    refused(&at(&url, &wrong).output("").await, 4, "not the admin token");
    refused(&at("ftp://127.0.0.1:1", &token).output("").await, 2, "http://");
    refused(&at("https://127.0.0.1:1", &token).output("").await, 3, "does not answer");
    let tls = format!("https://{}", server.ops());
    refused(&at(&tls, &token).output("").await, 3, "ask with http://");
    refused(&at("http://127.0.0.1:1", &token).output("").await, 3, "does not answer");
    let public = format!("http://{}", server.addr);
    let says = if server.tls.is_some() { "use https://" } else { "operations listener" };
    refused(&at(&public, &token).output("").await, 4, says);
    assert!(!server.printed().contains(TOKEN));
    server.stop().await;
}

#[tokio::test]
async fn c_errors_are_sentences() {
    // In a directory without any server so far.
    refused(&Launch::new(&["tail"]).output("").await, 3, "no server answers at");
    refused(&Launch::new(&["tail", "--follow"]).output("").await, 3, "no server answers at");
    let server = TestServer::start(&configuration("")).await;
    refused(&tail(&server, &["--type", "evnt"]).output("").await, 4, "did you mean \"event\"?");
    refused(&tail(&server, &["--socket", "x"]).output("").await, 4, "123.456");
    server.stop().await;
    let server = TestServer::start(&configuration("live_feed = \"off\"")).await;
    refused(&tail(&server, &[]).output("").await, 4, "live_feed = \"loopback\"");
    server.stop().await;
    let other = StubServer::start(Reply::Bytes(b"SSH-2.0-something\r\n".to_vec())).await;
    let dir = TempDir::new();
    let token = dir.write("token", TOKEN);
    let launch = Launch::new(&["tail", "--url", &other.url("")]);
    refused(&launch.arg("--admin-token-file").arg(token).output("").await, 3, "not HTTP");
    let help = Launch::new(&["tail", "--help"]).output("").await;
    for option in ["--app", "--channel", "--type", "--socket", "--json", "--follow", "--url"] {
        assert!(help.stdout.contains(option), "{option}: {help:?}");
    }
}
