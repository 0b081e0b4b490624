//! Host names on the operations listener: no answer under a name that a page could control, and
//! answers for operators even when clients have used up the descriptors.

use crate::support::*;

const TOKEN: &str = "canary-admin-token-of-these-tests";

/// A request with this line, or none, in place of `Host: localhost`.
async fn ask(server: &TestServer, target: &str, host: &str) -> Response {
    let request = Request::new("GET", target).header("Connection", "close");
    let bytes = String::from_utf8(request.bytes()).expect("text");
    let mut line = HttpConnection::dial(server.ops()).await;
    line.write(bytes.replace("Host: localhost\r\n", host).as_bytes()).await;
    line.read("GET").await
}

#[tokio::test]
async fn f26_unlisted_host_names_get_nothing() {
    let top = format!("admin_token = \"{TOKEN}\"\nops_hosts = [\"Ops.example.com\", \"sealcast\"]");
    let server = TestServer::start(&config_of(&top, &[(APP, "")])).await;
    let paths =
        ["/", "/health", "/stats", "/metrics", "/ops/live", "/admin/apps/it/keys", "/nothing"];
    for path in paths {
        for host in [
            "Host: rebound.example\r\n",
            "Host: rebound.example:6002\r\n",
            "Host: localhost.rebound.example.\r\n",
        ] {
            let answer = ask(&server, path, host).await;
            let said = answer.expect(421, format!("{path} {host:?}"));
            assert_eq!(said["code"], "host_not_allowed", "{said}");
            let says = said["error"].to_string();
            assert!(says.contains("ops_hosts") && says.contains("rebound.example"), "{says}");
        }
        let answer = ask(&server, path, "Host: sealcast:6002\r\n").await;
        assert_ne!(answer.status, 421, "{path}");
    }
    let absolute = ask(&server, "http://rebound.example/stats", "Host: localhost\r\n").await;
    absolute.refused(421, "the host of a whole URL counts");
    let twice = ask(&server, "/stats", "Host: localhost\r\nHost: rebound.example\r\n").await;
    assert_eq!(twice.status, 400, "the HTTP library takes one");
    let name = kernel_host_name();
    for host in [
        "Host: 127.0.0.1\r\n".to_owned(),
        "Host: [::1]:6002\r\n".to_owned(),
        "Host: LOCALHOST.\r\n".to_owned(),
        "Host: ops.EXAMPLE.com:443\r\n".to_owned(),
        format!("Host: {name}:6002\r\n"),
    ] {
        ask(&server, "/stats", &host).await.expect(200, host);
    }
    // HAProxy's plain check.
    let mut line = HttpConnection::dial(server.ops()).await;
    line.write(b"GET /health HTTP/1.0\r\n\r\n").await;
    assert_eq!(line.read("GET").await.status, 200, "no host at all");
    // The public listener answers under any host name, as it always does.
    let public = Request::new("GET", "/health");
    let bytes =
        String::from_utf8(public.bytes()).expect("text").replace("localhost", "any.example");
    let mut line = server.http_connection().await;
    line.write(bytes.as_bytes()).await;
    line.read("GET").await.expect(200, "the public listener");
    server.stop().await;
}

fn kernel_host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("a host name");
    name.trim().to_owned()
}

#[tokio::test]
async fn f26_list_accepts_host_names_only() {
    for (listed, says) in [
        ("[\"http://ops.example\"]", "without scheme and port"),
        ("[\"ops.example:6002\"]", "without scheme and port"),
        ("[\"*.example\"]", "is not the name of a host"),
        ("[\"\"]", "is not the name of a host"),
    ] {
        let config = config_of(&format!("ops_hosts = {listed}"), &[(APP, "")]);
        let output = Launch::new(&["config", "check"]).config(&config).output("").await;
        assert_eq!(output.status.code(), Some(1), "{listed}: {output:?}");
        assert!(output.stderr.contains(says), "{listed}: {output:?}");
    }
}

#[tokio::test]
async fn f26_operators_are_answered_when_clients_hold_all_descriptors() {
    let server = Launch::serve(&config("")).descriptors(120, 120).start().await;
    // Sockets stay; idle HTTP connections would make room.
    let mut held = Vec::new();
    let mut turned_away = 0;
    while turned_away < 40 {
        assert!(held.len() < 120, "more connections than descriptors");
        match opened(&server).await {
            Some(raw) => held.push(raw),
            None => turned_away += 1,
        }
    }
    assert!(held.len() > 30, "{}", held.len());
    for path in ["/health", "/metrics", "/stats"] {
        let answer = exchange(server.ops(), &Request::new("GET", path)).await;
        assert_eq!(answer.status, 200, "{path}");
    }
    // A refused socket holds its descriptor for a moment, so that another may be refused early.
    until("a server without room", async || {
        held.extend(opened(&server).await);
        let answer = exchange(server.ops(), &Request::new("GET", "/capacity")).await;
        (answer.status == 503).then_some(())
    })
    .await;
    let report =
        AdminClient::of(&server).send(&Request::new("GET", "/admin/apps/it/webhooks")).await;
    assert_eq!(report.refused(404, "the socket of the state directory"), "no_webhooks");
    assert_eq!(server.printed().matches("descriptors run short").count(), 1);
    drop(held);
    until("a new connection", async || opened(&server).await).await;
    server.stop().await;
}

/// A WebSocket that is open. `None` if the server refuses it, or closes the connection at once.
async fn opened(server: &TestServer) -> Option<RawSocket> {
    let (stream, guard) = server.try_dial().await?;
    let mut raw = RawSocket::over(stream, guard);
    raw.write(&upgrade_request(&server.socket_path(), "")).await;
    raw.try_head().await?;
    let frame = raw.next_frame().await.json();
    (frame["event"] == "pusher:connection_established").then_some(raw)
}
