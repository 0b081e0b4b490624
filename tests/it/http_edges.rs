//! Requests of probes, proxies and people with a browser, and near misses.

use serde_json::json;

use crate::support::*;

const BOTH: [&str; 2] = ["GET", "HEAD"];

#[tokio::test]
async fn f23_head_is_answered_wherever_get_is() {
    let server = TestServer::start(&config("")).await;
    let targets = ["/", "/health", "/live", "/ready", "/capacity", "/app/it-key-51c0a7"];
    let paths =
        ["/apps/it/channels", "/apps/it/channels/news", "/apps/it/channels/presence-x/users"];
    // On one connection: no bytes after the head that the next request would read.
    let mut line = server.http_connection().await;
    for target in targets {
        let [get, head] = BOTH.map(|method| Request::new(method, target));
        let (get, head) = (line.send(&get).await, line.send(&head).await);
        assert_eq!((get.status, get.body.is_empty()), (head.status, false), "{target}");
        for header in ["Content-Type", "Content-Length", "Upgrade"] {
            assert_eq!(get.header(header), head.header(header), "{header} of {target}");
        }
    }
    for path in paths {
        // An SDK signs the method of its request.
        let [get, head] =
            BOTH.map(|method| Request::new(method, signed_target(APP, method, path, &[], b"")));
        let (get, head) = (line.send(&get).await, line.send(&head).await);
        assert_eq!((get.status, head.status, head.body.len()), (200, 200, 0), "{path}");
    }
    let signed_for_get = signed_target(APP, "GET", paths[0], &[], b"");
    assert_eq!(line.send(&Request::new("HEAD", signed_for_get)).await.status, 401);
    let mut operations = HttpConnection::dial(server.ops()).await;
    for target in ["/", "/health", "/ready", "/capacity", "/stats", "/metrics"] {
        let head = operations.send(&Request::new("HEAD", target)).await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{target}");
    }
    server.stop().await;
}

#[tokio::test]
async fn f23_wrong_method_lists_the_allowed_ones() {
    let server = TestServer::start(&config("")).await;
    for (method, target, allow) in [
        ("POST", "/health", "GET, HEAD"),
        ("OPTIONS", "/", "GET, HEAD"),
        ("DELETE", "/apps/it/channels", "GET, HEAD"),
        ("POST", "/app/it-key-51c0a7", "GET, HEAD"),
        ("GET", "/apps/it/events", "POST"),
        ("PUT", "/apps/it/batch_events", "POST"),
        ("HEAD", "/apps/it/tokens", "POST"),
        ("HEAD", "/pusher/auth", "POST"),
    ] {
        let response = server.send(Request::new(method, target)).await;
        assert_eq!(response.status, 405, "{method} {target}");
        assert_eq!(response.header("Allow"), Some(allow), "{method} {target}");
    }
    let response = server.send(Request::new("GET", "/apps/it/events")).await;
    assert_eq!(response.refused(405, "GET"), "method_not_allowed");
    let response = server.send(Request::new("POST", "/app/it-key-51c0a7")).await;
    let says = response.text();
    assert!(says.contains("WebSocket") && says.contains("a GET request"), "{says}");
    assert!(!says.contains("HEAD"), "{says}");
    for (method, target, allow) in [
        ("POST", "/metrics", "GET, HEAD"),
        ("DELETE", "/stats", "GET, HEAD"),
        ("GET", "/admin/apps/it/keys/rotate", "POST"),
        ("POST", "/ops/live", "GET, HEAD"),
    ] {
        let response = exchange(server.ops(), &Request::new(method, target)).await;
        assert_eq!(response.status, 405, "{method} {target}");
        assert_eq!(response.header("Allow"), Some(allow), "{method} {target}");
    }
    server.stop().await;
}

#[tokio::test]
async fn f23_missing_upgrade_header_is_explained() {
    let server = TestServer::start(&config("")).await;
    let key = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    for (path, header, wanted) in [
        ("/app/it-key-51c0a7?protocol=7", None, "connect with a client"),
        ("/app/it-key-51c0a7/", None, "connect with a client"),
        ("/app/unknown", Some(key), "a proxy on the way has removed it"),
    ] {
        let mut request = Request::new("GET", path);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let response = server.send(request).await;
        let says = response.expect(426, path)["error"].to_string();
        assert!(says.contains(wanted), "{path}: {says}");
        assert_eq!(response.header("Upgrade"), Some("websocket"), "{path}");
    }
    // One of the two headers is left.
    let request = Request::new("GET", server.socket_path()).header("Upgrade", "websocket");
    let response = server.send(request).await;
    assert_eq!(response.refused(426, "without Connection"), "bad_handshake");
    assert_eq!(response.header("Upgrade"), Some("websocket"));
    server.stop().await;
}

#[tokio::test]
async fn f23_refusals_truncate_long_paths() {
    let server = TestServer::start(&config_of("path_prefix = \"/ws\"", &[(APP, "")])).await;
    let long = "x".repeat(4000);
    let ghost: &'static str = long.clone().leak();
    let unknown = signed_target(
        App { id: ghost, ..APP },
        "GET",
        &format!("/ws/apps/{long}/channels"),
        &[],
        b"",
    );
    for (method, target, status) in [
        ("GET", format!("/ws/{long}"), 404),
        ("GET", format!("/{long}"), 404),
        ("GET", format!("/{long}/app/it-key-51c0a7"), 404),
        ("GET", format!("/ws/app/k/{long}"), 404),
        ("POST", format!("/ws/app/{long}"), 405),
        ("POST", format!("/ws/apps/{long}/channels"), 405),
        ("GET", unknown, 404),
    ] {
        let answer = server.http_connection().await.send(&Request::new(method, &target)).await;
        assert_eq!(answer.status, status, "{method} {}", answer.text());
        assert!(answer.text().len() < 600, "{method}: {}", answer.text());
        assert!(target.contains("signature") || answer.text().contains("xxx"), "{}", answer.text());
    }
    server.stop().await;
}

#[tokio::test]
async fn f23_compressed_bodies_are_refused_by_name() {
    let server = TestServer::start(&config("authorizer = \"open\"")).await;
    let client = server.connect().await;
    let body = json!({"name": "e", "channel": "c", "data": "d"}).to_string();
    let trigger = |encoding: &str| {
        let target = signed_target(APP, "POST", "/apps/it/events", &[], body.as_bytes());
        let request = Request::new("POST", target).body("application/json", body.clone());
        request.header("Content-Encoding", encoding)
    };
    for encoding in ["gzip", "br", "identity, gzip", "deflate"] {
        let response = server.send(trigger(encoding)).await;
        let said = response.expect(415, encoding);
        assert_eq!(said["code"], "unsupported_encoding", "{said}");
        assert!(said["error"].to_string().contains(encoding), "{said}");
    }
    server.send(trigger("Identity")).await.expect(200, "identity");
    let form = Request::new("POST", "/pusher/auth").form(&client.auth_form("private-x"));
    let response = server.send(form.header("Content-Encoding", "gzip")).await;
    response.expect(415, "an auth endpoint");
    server.stop().await;
}

#[tokio::test]
async fn f23_wrong_paths_hint_at_the_configured_one() {
    let server = TestServer::start(&config_of("path_prefix = \"/ws\"", &[(APP, "")])).await;
    for (path, wanted) in [
        ("/ws//app/it-key-51c0a7", "two slashes in a row"),
        ("/ws/app/", "no key"),
        ("/app/it-key-51c0a7", "path_prefix is \"/ws\", which this path lacks"),
        ("/other/app/it-key-51c0a7", "something else in front of /app"),
    ] {
        let mut stray = Client::dial(&server, APP, path, &[]).await;
        let says = stray.expect_error(Some(4005)).await;
        assert!(says.contains("/ws/app/KEY") && says.contains(wanted), "{path}: {says}");
        stray.expect_close(4005).await;
        let answer = server.send(Request::new("GET", path)).await.expect(404, path);
        assert!(answer["error"].to_string().contains(&wanted.replace('"', "\\\"")), "{answer}");
    }
    let mut client = Client::dial(&server, APP, "/ws/app/it-key-51c0a7/?protocol=7", &[]).await;
    client.handshake().await;
    let answer = server.send(Request::new("POST", "/apps/it/events")).await;
    let says = answer.expect(404, "without the prefix")["error"].to_string();
    assert!(says.contains("path_prefix"), "{says}");
    for path in ["/", "/ws", "/ws/"] {
        let answer = server.send(Request::new("GET", path)).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.text().lines().count(), 1, "{path}: {}", answer.text());
        assert!(answer.text().contains("/ws/app/KEY"), "{path}: {}", answer.text());
    }
    server.stop().await;
}

#[tokio::test]
async fn f23_outgoing_requests_have_a_user_agent() {
    let agent = concat!("sealcast/", env!("CARGO_PKG_VERSION"));
    let target = StubServer::start(Reply::json(200, &json!({}))).await;
    let receiver = WebhookReceiver::start(ReceiverReply::Status(200)).await;
    let own = WebhookReceiver::start(ReceiverReply::Status(200)).await;
    let app = format!("authorizer = \"forward\"\n[apps.it.forward]\nurl = \"{}\"", target.url("/"));
    let named = hooks_url(&own, "headers = { User-Agent = \"mine\" }");
    let server =
        TestServer::start(&with_webhooks(&app, &[&hooks_url(&receiver, ""), &named])).await;
    let mut client = server.connect().await;
    client.subscribe("news").await;
    let ask = Request::new("POST", "/pusher/auth")
        .header("Authorization", "Bearer t")
        .form(&client.auth_form("private-x"));
    server.send(ask).await.expect(200, "forward");
    let asked = target.requests().remove(0).to_ascii_lowercase();
    assert!(asked.contains(&format!("\r\nuser-agent: {agent}\r\n")), "{asked}");
    for (receiver, wanted) in [(&receiver, agent), (&own, "mine")] {
        receiver.until_events("news", &["channel_occupied"]).await;
        assert_eq!(receiver.requests()[0].header("User-Agent"), Some(wanted));
    }
    client.close().await;
    server.stop().await;
}

#[tokio::test]
async fn f23_listener_address_may_be_a_host_name() {
    let server = Launch::new(&["serve", "--listen", "localhost:0", "--ops-listen", "localhost:0"])
        .config(&config(""))
        .start()
        .await;
    let lines = server.printed();
    let mut public = lines.lines().filter_map(|line| line.strip_prefix("listening on http://"));
    let mut ports = Vec::new();
    for address in &mut public {
        let address: std::net::SocketAddr = address.parse().expect("an address");
        assert!(address.ip().is_loopback(), "{address}");
        ports.push(address.port());
        exchange(address, &Request::new("GET", "/health")).await.expect(200, address);
    }
    assert!(!ports.is_empty() && ports.iter().all(|port| *port == ports[0]), "{lines}");
    server.stop().await;
    let output = Launch::new(&["serve", "--listen", "no-such-name.invalid:0"])
        .config(&config(""))
        .output("")
        .await;
    assert!(output.stderr.contains("cannot listen on no-such-name.invalid:0"), "{output:?}");
}

#[tokio::test]
async fn f27_subprotocols_may_come_in_several_headers() {
    let server = TestServer::start(&config("")).await;
    let mut raw = RawSocket::dial(&server).await;
    let offered =
        "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: x, pusher-channels-protocol-7\r\n";
    raw.write(&upgrade_request(&server.socket_path(), offered)).await;
    let head = raw.read_head().await.to_ascii_lowercase();
    assert!(head.contains("\r\nsec-websocket-protocol: pusher-channels-protocol-7\r\n"), "{head}");
    drop(raw);
    server.stop().await;
}

#[tokio::test]
async fn f27_close_reason_is_text() {
    let server = TestServer::start(&config("")).await;
    for (payload, code) in [
        (b"\x03\xe8\xff\xfe".as_slice(), 1007),
        (b"\x10\x68cut \xf0\x9f", 1007),
        (b"\x03\xed\xff", 1002),
        (b"\x03", 1002),
    ] {
        let mut raw = RawSocket::open(&server).await;
        raw.write(&frame(FIN | CLOSE, payload)).await;
        raw.expect_close(code, format!("{payload:?}")).await;
    }
    server.stop().await;
}
