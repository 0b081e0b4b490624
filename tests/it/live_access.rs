//! The live feed: access, its queue, and its end.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

use crate::support::*;

const TOKEN: &str = "admin-token-9c41f0a7be2d6853";

fn configuration(top: &str) -> String {
    config_of(&format!("admin_token = \"{TOKEN}\"\n{top}"), &[(APP, "")])
}

#[tokio::test]
async fn c_feed_needs_the_token_and_its_own_page() {
    let server = TestServer::start(&configuration("")).await;
    let bearer = format!("Bearer {TOKEN}");
    let authorized = ("Authorization", bearer.as_str());
    let rows = [
        ("", Vec::new(), 401, "admin_token_missing"),
        (
            "",
            vec![("Authorization", "Bearer wrong-token-of-this-server")],
            401,
            "admin_token_wrong",
        ),
        ("", vec![authorized, ("Origin", "http://evil.example")], 403, "live_feed_origin"),
        ("", vec![authorized, ("Origin", "null")], 403, "live_feed_origin"),
        ("?apps=x", vec![authorized], 400, "unknown_filter"),
        ("?type=evnt", vec![authorized], 400, "unknown_filter"),
    ];
    for (query, headers, status, code) in rows {
        let response = exchange(server.ops(), &watch_request(query, &headers)).await;
        assert_eq!(response.refused(status, format!("{query} {headers:?}")), code);
    }
    let plain = Request::new("GET", "/ops/live").header("Authorization", &bearer);
    let response = exchange(server.ops(), &plain).await;
    assert_eq!(response.refused(426, "no upgrade"), "upgrade_required");
    let own = [authorized, ("Origin", "http://localhost")];
    assert_eq!(exchange(server.ops(), &watch_request("", &own)).await.status, 101);
    // On the public listener this path does not exist.
    let mut public = Client::dial(&server, APP, "/ops/live", &[authorized]).await;
    public.expect_rejection(4005).await;
    let public = server.send(plain).await;
    assert_eq!(public.refused(404, "not on the public listener"), "not_found");
    let response = send_watch_request(&server, "?colour=red", &[]).await;
    let says = response.expect(400, "a filter")["error"].to_string();
    assert!(says.contains("app, channel, type and socket"), "{says}");
    assert!(!server.printed().contains(TOKEN));
    server.stop().await;
}

/// A non-loopback address of this machine, if it has one.
fn other_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // No packet is sent: connecting a UDP socket only selects the source address.
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_loopback())
}

#[tokio::test]
async fn c_feed_is_loopback_only_by_default() {
    // Without another address, the unit test of the guard covers this.
    let Some(address) = other_address() else { return };
    for (setting, wanted) in [("", 403), ("live_feed = \"anywhere\"", 101)] {
        let server = Launch::new(&["serve", "--listen", "127.0.0.1:0", "--ops-listen"])
            .arg(SocketAddr::new(address, 0).to_string())
            .config(&configuration(setting))
            .start()
            .await;
        let request = watch_request("", &[("Authorization", &format!("Bearer {TOKEN}"))]);
        let response = exchange(server.ops(), &request).await;
        assert_eq!(response.status, wanted, "{setting}: {response:?}");
        if wanted == 403 {
            let says = response.expect(403, "from elsewhere")["error"].to_string();
            assert!(says.contains("ssh -L") && says.contains("anywhere"), "{says}");
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn c_disabled_feed_is_off_for_all() {
    let server = TestServer::start(&configuration("live_feed = \"off\"")).await;
    let request = watch_request("", &[("Authorization", &format!("Bearer {TOKEN}"))]);
    let refused = exchange(server.ops(), &request).await;
    assert_eq!(refused.refused(403, "by token"), "live_feed_refused");
    let refused = send_watch_request(&server, "", &[]).await;
    assert_eq!(refused.refused(403, "by socket"), "live_feed_refused");
    server.stop().await;
}

#[tokio::test]
async fn c_watchers_are_limited() {
    let server = TestServer::start(&configuration("")).await;
    let mut watchers = Vec::new();
    for _ in 0..16 {
        watchers.push(Watcher::of(&server, "").await);
    }
    let refused = send_watch_request(&server, "", &[]).await;
    assert_eq!(refused.refused(503, "the seventeenth"), "too_many_watchers");
    watchers.pop().expect("sixteen").close().await;
    until("a free place", async || {
        (send_watch_request(&server, "", &[]).await.status == 101).then_some(())
    })
    .await;
    server.stop().await;
}

/// A watcher that never reads.
async fn sleeper(server: &TestServer) -> tokio::net::TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a socket option");
    let mut stream = within("connecting", socket.connect(server.ops())).await.expect("connected");
    let request = watch_request("", &[("Authorization", &format!("Bearer {TOKEN}"))]);
    stream.write_all(&request.bytes()).await.expect("a request");
    let mut head = [0; 12];
    within("an answer", stream.read_exact(&mut head)).await.expect("an answer");
    assert_eq!(&head, b"HTTP/1.1 101");
    stream
}

async fn until_ended(audit: &std::path::Path, reason: &str) {
    until(format!("a watcher that went: {reason}"), async || {
        let text = std::fs::read_to_string(audit).unwrap_or_default();
        text.lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .any(|line| line["event"] == "watch_ended" && line["reason"] == reason)
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn c_slow_watcher_is_closed_and_others_are_not() {
    let dir = TempDir::new();
    let audit = dir.path().join("audit.jsonl");
    let limits = "limits.event_name_chars = 100000";
    let top = format!("admin_token = \"{TOKEN}\"\naudit_file = \"{}\"", audit.display());
    let server = TestServer::start(&config_of(&top, &[(APP, limits)])).await;
    let mut client = server.connect().await;
    client.subscribe("c").await;
    let mut asleep = sleeper(&server).await;
    let mut fast = Watcher::at(server.ops(), "?type=event", TOKEN).await;
    // Names are part of an entry: 20 MB, more than the kernel and the queue hold together.
    for number in 0..200 {
        let name = format!("{number}:{}", "n".repeat(99_000));
        server.publish("c", &name, "x").await;
        client.expect_event(&name).await;
        assert_eq!(fast.next().await["name"], name.as_str());
    }
    until_ended(&audit, "too_slow").await;
    // Queued entries can still be read; then the connection ends.
    let mut chunk = vec![0; 1 << 16];
    while let Ok(1..) = within("the end of the stream", asleep.read(&mut chunk)).await {}
    fast.close().await;
    until_ended(&audit, "left").await;
    server.stop().await;
}

#[tokio::test]
async fn c_recovered_slow_watcher_learns_the_close_reason() {
    let dir = TempDir::new();
    let audit = dir.path().join("audit.jsonl");
    let top = format!("audit_file = \"{}\"", audit.display());
    let limits = "limits.event_name_chars = 100000";
    let server = TestServer::start(&config_of(&top, &[(APP, limits)])).await;
    let mut watcher = Watcher::of(&server, "?type=event").await;
    for _ in 0..60 {
        server.publish("c", &"n".repeat(99_000), "x").await;
    }
    let (entries, code, says) = watcher.until_closed().await;
    assert!(entries.len() < 60, "{}", entries.len());
    assert_eq!(code, 4100, "{says}");
    assert!(says.contains("too slowly"), "{says}");
    until_ended(&audit, "too_slow").await;
    server.stop().await;
}

#[tokio::test]
async fn c_feed_ends_with_the_server_and_the_audit_log_names_watchers() {
    let dir = TempDir::new();
    let path = dir.path().join("audit.jsonl");
    let top = format!("audit_file = \"{}\"", path.display());
    let server = TestServer::start(&configuration(&top)).await;
    let mut watcher = Watcher::of(&server, "?type=server_*,connection_closed").await;
    let mut other = Watcher::at(server.ops(), "?type=watch_*", TOKEN).await;
    let begun = other.next().await;
    assert_eq!((&begun["type"], &begun["by"]), (&json!("watch_begun"), &json!("token")));
    assert_eq!(begun["peer"], "127.0.0.1", "{begun}");
    let _client = server.connect().await;
    server.signal("TERM");
    let (entries, code, says) = watcher.until_closed().await;
    let types: Vec<_> = entries.iter().map(|entry| entry["type"].clone()).collect();
    assert_eq!(types, ["server_draining", "connection_closed"], "{entries:?}");
    assert_eq!(entries[1]["code"], 4200);
    assert_eq!((code, says.as_str()), (1001, "The server is shutting down"));
    assert_eq!(other.until_closed().await.1, 1001);
    server.exited().await;
    let text = std::fs::read_to_string(&path).expect("an audit file");
    let seen: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a JSON line"))
        .filter(|line| line["event"].as_str().is_some_and(|event| event.starts_with("watch_")))
        .map(|line| (line["event"].clone(), line["by"].clone(), line["reason"].clone()))
        .collect();
    for by in ["socket", "token"] {
        assert!(seen.contains(&(json!("watch_begun"), json!(by), Value::Null)), "{seen:?}");
        assert!(seen.contains(&(json!("watch_ended"), json!(by), json!("server"))), "{seen:?}");
    }
    assert!(!text.contains(TOKEN));
}
