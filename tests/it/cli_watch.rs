//! `sealcast stats`, `channels` and `connections` against a running server.

use serde_json::{Value, json};

use crate::support::*;

const TOKEN: &str = "admin-token-c0f15a7d3e8b2946";

async fn start() -> TestServer {
    let key = base64(&master_key("cli watch"));
    let app = format!("authorizer = \"open\"\nmaster_key = \"{key}\"");
    let text = config_of(&format!("admin_token = \"{TOKEN}\""), &[(APP, &app)]);
    Launch::serve_plain(&text).start().await
}

fn command(server: &TestServer, args: &[&str]) -> Launch {
    Launch::new(args).arg("--state-dir").arg(state_dir(server))
}

async fn printed(server: &TestServer, args: &[&str]) -> String {
    let output = command(server, args).output("").await;
    assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
    output.stdout
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("an object on each line")).collect()
}

#[tokio::test]
async fn k_stats_are_printed_for_people_and_as_json() {
    let server = start().await;
    let mut client = server.connect().await;
    client.subscribe("room").await;
    server.publish("room", "e", "1").await;
    client.expect_event("e").await;
    let text = printed(&server, &["stats"]).await;
    let first = text.lines().next().unwrap_or_default();
    assert!(first.starts_with(&format!("server      {}", env!("CARGO_PKG_VERSION"))), "{text}");
    assert!(text.contains("connections 1, of them 0 event streams\n"), "{text}");
    assert!(text.contains("events      1 of backends, 0 of clients\n"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let [stats] = &*lines(&printed(&server, &["stats", "--json"]).await) else { panic!("one") };
    assert_eq!((&stats["sockets"], &stats["deliveries"]), (&json!(1), &json!(1)), "{stats}");
    assert!(!text.contains('\u{1b}'), "no terminal, no colours");
    server.stop().await;
}

#[tokio::test]
async fn k_stats_are_watched_until_an_interruption() {
    let server = start().await;
    let watch = command(&server, &["stats", "--watch", "--json"]).keep_running();
    until("two lines", async || (watch.stdout().lines().count() >= 2).then_some(())).await;
    watch.signal("INT");
    let output = watch.ended().await;
    assert_eq!(output.status.code(), Some(130), "as of all that watch: {output:?}");
    let first = &lines(&output.stdout)[0];
    assert!(first["time"].is_string() && first["events_per_second"].is_number(), "{first}");
    // The end of the server is no success.
    let watch = command(&server, &["stats", "--watch"]).keep_running();
    until("a line", async || watch.stdout().contains("TIME").then_some(())).await;
    server.stop().await;
    let output = watch.ended().await;
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert_eq!(output.stderr.lines().count(), 1, "one sentence: {output:?}");
}

#[tokio::test]
async fn k_busiest_channels_are_printed() {
    let server = start().await;
    let mut client = server.connect().await;
    client.subscribe("busy").await;
    let top = command(&server, &["stats", "--top"]).keep_running();
    let printed = until("a channel", async || {
        server.publish("busy", "e", "1").await;
        let text = top.stdout();
        (!text.is_empty()).then_some(text)
    });
    let printed = printed.await;
    assert!(printed.starts_with("CHANNEL  EVENTS/S  DELIVERIES/S\nbusy"), "{printed}");
    assert_eq!(top.ended().await.status.code(), Some(0));
    server.stop().await;
}

#[tokio::test]
async fn k_channels_are_listed_and_shown() {
    let server = start().await;
    let mut client = server.connect().await;
    client.subscribe("room-1").await;
    client.join("presence-x", &json!({"user_id": "alice"})).await;
    assert_eq!(
        printed(&server, &["channels"]).await,
        "CHANNEL     KIND      SUBSCRIBERS  MEMBERS\n\
         presence-x  presence            1        1\n\
         room-1      public              1        -\n"
    );
    assert_eq!(
        lines(&printed(&server, &["channels", "room-", "--json"]).await),
        [json!({"name": "room-1", "kind": "public", "subscription_count": 1})]
    );
    assert_eq!(printed(&server, &["channels", "none"]).await, "no channels with subscribers\n");
    let detail = printed(&server, &["channels", "presence-x", "--detail"]).await;
    assert!(
        detail.ends_with("members       1\n\nMEMBER  CONNECTIONS\nalice             1\n"),
        "{detail}"
    );
    let cut = command(&server, &["channels", "--limit", "1"]).output("").await;
    assert_eq!((cut.stdout.lines().count(), cut.status.code()), (2, Some(0)), "{cut:?}");
    assert!(cut.stderr.contains("--limit"), "{cut:?}");
    let refused = command(&server, &["channels", "a b", "--detail", "--json"]).output("").await;
    assert_eq!(refused.status.code(), Some(4), "{refused:?}");
    assert_eq!(lines(&refused.stdout)[0]["code"], "invalid_channel");
    assert_eq!(refused.stderr.lines().count(), 1, "{refused:?}");
    server.stop().await;
}

#[tokio::test]
async fn k_connections_are_listed_shown_and_closed() {
    let server = start().await;
    let mut client = server.connect_with("protocol=7&client=js&version=8.4.0").await;
    client.subscribe("room-1").await;
    let socket = client.socket_id.clone();
    let list = printed(&server, &["connections", "--channel", "room-1"]).await;
    let row = list.lines().nth(1).unwrap_or_default();
    assert!(row.starts_with(&socket) && row.contains("js 8.4.0"), "{list}");
    assert!(list.lines().all(|line| line.chars().count() <= 80), "{list}");
    assert_eq!(printed(&server, &["connections", "--user", "bob"]).await, "no connections\n");
    let one = printed(&server, &["connections", &socket]).await;
    assert!(one.contains("CHANNEL") && one.contains("room-1"), "{one}");
    let closed = printed(&server, &["connections", &socket, "--close", "4009"]).await;
    assert_eq!(closed, format!("closed {socket} with 4009\n"));
    client.expect_error(Some(4009)).await;
    client.expect_close(4009).await;
    let gone = command(&server, &["connections", &socket]).output("").await;
    assert_eq!(gone.status.code(), Some(4), "{gone:?}");
    assert!(gone.stderr.contains("unknown_socket") && gone.stdout.is_empty(), "{gone:?}");
    let usage = command(&server, &["connections", "--close", "4009"]).output("").await;
    assert_eq!(usage.status.code(), Some(2), "no connection is named: {usage:?}");
    let usage = command(&server, &["connections", &socket, "--close", "1000"]).output("").await;
    assert!(usage.status.code() == Some(2) && usage.stderr.contains("4200"), "{usage:?}");
    server.stop().await;
}

#[tokio::test]
async fn k_watching_a_server_that_is_not_there_or_refuses_says_so() {
    let all = [&["stats"][..], &["channels"], &["connections"], &["stats", "--watch"]];
    let dir = TempDir::new();
    for args in all {
        let launch = Launch::new(args).arg("--state-dir").arg(dir.path()).arg("--json");
        let output = launch.output("").await;
        assert_eq!(output.status.code(), Some(3), "{args:?}: {output:?}");
        assert_eq!(output.stderr.lines().count(), 1, "{output:?}");
        assert_eq!(lines(&output.stdout)[0]["code"], "unreachable", "{output:?}");
    }
    let server = start().await;
    let wrong = dir.write("wrong", "not-the-token-of-the-server");
    let url = format!("http://{}", server.ops());
    for args in all.into_iter().filter(|args| args[0] != "stats") {
        let launch = Launch::new(args).arg("--url").arg(&url).arg("--admin-token-file").arg(&wrong);
        let output = launch.output("").await;
        assert_eq!(output.status.code(), Some(4), "{args:?}: {output:?}");
        assert!(output.stderr.contains("admin_token_wrong"), "{output:?}");
        assert!(!output.stderr.contains("not-the-token"), "{output:?}");
    }
    // A reader that ends is no error.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = command(&server, &["channels", "--json"]).stdout(writer).output("").await;
    assert!(matches!(output.status.code(), Some(0)), "{output:?}");
    server.stop().await;
}
