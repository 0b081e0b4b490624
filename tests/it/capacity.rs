//! protocol.md 1.6 (4100): a server refuses new sockets before it runs out of resources for open
//! ones, and reports it to load balancers.

use serde_json::{Value, json};

use crate::support::*;

async fn gate(server: &TestServer) -> (u16, Value) {
    let answer = exchange(server.ops(), &Request::new("GET", "/capacity")).await;
    (answer.status, answer.json())
}

/// Opens a socket; returns its close code if it was refused.
async fn try_open(server: &TestServer) -> Result<RawSocket, u64> {
    let mut raw = RawSocket::dial(server).await;
    raw.write(&upgrade_request(&server.socket_path(), "")).await;
    raw.read_head().await;
    let frame = raw.next_frame().await.json();
    match frame["event"].as_str() {
        Some("pusher:connection_established") => Ok(raw),
        _ => {
            let code = frame["data"]["code"].as_u64().unwrap_or_else(|| panic!("{frame}"));
            raw.expect_close(code as u16, "a refused socket").await;
            Err(code)
        }
    }
}

#[tokio::test]
async fn c_descriptor_limit_is_raised_and_logged() {
    let server = Launch::serve(&config("")).descriptors(100, 300).start().await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.pid()));
    let limits = limits.expect("limits");
    let files = limits.lines().find(|line| line.starts_with("Max open files")).expect("a limit");
    assert_eq!(files.split_whitespace().collect::<Vec<_>>()[3..5], ["300", "300"], "{files}");
    until("the limits to be told", async || {
        let printed = server.printed();
        let line = printed.lines().find(|line| line.contains("limits of this process"))?;
        assert!(
            line.contains("descriptors.now=300") && line.contains("descriptors.before=100"),
            "{line}"
        );
        assert!(line.contains("sockets=2"), "more than 200 are left: {line}");
        Some(())
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn s1_6_sockets_are_refused_before_descriptors_run_out() {
    let server = Launch::serve(&config("")).descriptors(160, 160).start().await;
    let (status, before) = gate(&server).await;
    assert_eq!((status, &before["status"]), (200, &json!("open")), "{before}");
    let mut open = Vec::new();
    // The end of an HTTP connection makes room for one more.
    let mut refused = 0;
    while refused < 3 {
        assert!(open.len() < 160, "nobody is refused");
        match try_open(&server).await {
            Ok(raw) => {
                open.push(raw);
                refused = 0;
            }
            Err(code) => {
                assert_eq!(code, 4100);
                refused += 1;
            }
        }
    }
    assert!(open.len() > 60, "{}", open.len());
    until("a closed gate", async || (gate(&server).await.0 == 503).then_some(())).await;
    until("the numbers to say why", async || {
        (gate(&server).await.1["descriptors_percent"].as_u64() >= Some(90)).then_some(())
    })
    .await;
    let public = server.send(Request::new("GET", "/capacity")).await.expect(503, "capacity");
    assert_eq!(public, json!({"status": "closed"}), "strangers see no numbers");
    server.send(Request::new("GET", "/ready")).await.expect(200, "it serves");
    for _ in 0..20 {
        server.publish("news", "e", "1").await;
    }
    open[0].expect_alive("an open socket").await;
    assert_eq!(server.printed().matches("descriptors run short").count(), 1);
    open.truncate(30);
    until("a new socket", async || try_open(&server).await.ok()).await;
    until("an open gate", async || (gate(&server).await.0 == 200).then_some(())).await;
    drop(open);
    server.stop().await;
}

#[tokio::test]
async fn s1_6_sockets_are_refused_before_memory_runs_out() {
    // The program itself uses more than nine tenths of that.
    let top = format!("memory_limit_bytes = {}", 16 * 1024 * 1024);
    let server = TestServer::start(&config_of(&top, &[(APP, "")])).await;
    assert_eq!(try_open(&server).await.err(), Some(4100));
    let (status, numbers) = gate(&server).await;
    assert_eq!((status, &numbers["status"]), (503, &json!("closed")), "{numbers}");
    assert!(numbers["memory_percent"].as_u64() > Some(90), "{numbers}");
    server.publish("news", "e", "1").await;
    assert_eq!(server.printed().matches("memory runs short").count(), 1);
    server.stop().await;

    let top = format!("memory_limit_bytes = {}", 1u64 << 40);
    let server = TestServer::start(&config_of(&top, &[(APP, "")])).await;
    let (status, numbers) = gate(&server).await;
    assert_eq!((status, &numbers["memory_percent"]), (200, &json!(0)), "{numbers}");
    drop(try_open(&server).await.expect("a socket"));
    server.stop().await;
}

#[tokio::test]
async fn s1_6_new_sockets_are_refused_before_app_quotas_are_used_up() {
    let top = "capacity_percent = 50";
    let server =
        TestServer::start(&config_of(top, &[(APP, "[apps.it.limits]\nconnections = 4")])).await;
    let first = server.connect().await;
    let (status, numbers) = gate(&server).await;
    let wanted = (200, &json!(25), &json!(50));
    assert_eq!((status, &numbers["connections_percent"], &numbers["threshold_percent"]), wanted);
    let second = server.connect().await;
    assert_eq!(gate(&server).await.0, 503);
    // Readiness is advice to load balancers: a client that still comes is accepted.
    let third = server.connect().await;
    drop((first, second, third));
    server.stop().await;
}
