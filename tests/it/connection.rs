//! protocol.md 1.1 to 1.6: the upgrade, the handshake frame, and refusals.

use std::collections::HashSet;

use crate::support::*;

#[tokio::test]
async fn s1_1_official_clients_are_accepted() {
    let server = TestServer::start(&config("")).await;
    let rows = [
        "protocol=7&client=js&version=8.6.0&flash=false",
        "client=pusher-websocket-swift&version=10.1.10&protocol=7",
        "client=java-client&protocol=5&version=2.4.4",
        "protocol=5&client=pusher-dotnet-client&version=2.2.1",
        "client=Pysher&version=0.6.0&protocol=6",
        "version=1&flash=true&protocol=4",
        "protocol=7&unheard=of&x=%00%ff&&=&y",
        "protocol=7",
    ];
    for query in rows {
        let mut client = server.connect_with(query).await;
        client.subscribe("news").await;
        client.expect_silence().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn s1_1_subprotocol_is_echoed_or_ignored_and_never_refused() {
    let server = TestServer::start(&config("")).await;
    let rows = [
        (None, None),
        (Some("pusher-channels-protocol-4"), Some("pusher-channels-protocol-4")),
        (Some("pusher-channels-protocol-5"), Some("pusher-channels-protocol-5")),
        (Some("pusher-channels-protocol-6"), Some("pusher-channels-protocol-6")),
        (Some("pusher-channels-protocol-7"), Some("pusher-channels-protocol-7")),
        (Some("chat, pusher-channels-protocol-7"), Some("pusher-channels-protocol-7")),
    ];
    for (offered, wanted) in rows {
        let headers: Vec<_> =
            offered.iter().map(|offer| ("Sec-WebSocket-Protocol", *offer)).collect();
        let client = Client::connect(&server, APP, &server.socket_path(), &headers).await;
        assert_eq!(client.subprotocol.as_deref(), wanted, "offered {offered:?}");
    }
    // A client library would reject some of these responses: check the bytes.
    for offered in ["chat", "pusher-channels-protocol-77", "pusher-channels-protocol-9", "", ",,"] {
        let mut raw = RawSocket::dial(&server).await;
        let header = format!("Sec-WebSocket-Protocol: {offered}\r\n");
        raw.write(&upgrade_request(&server.socket_path(), &header)).await;
        let head = raw.read_head().await;
        assert!(head.starts_with("HTTP/1.1 101"), "offered {offered:?}: {head}");
        assert!(
            !head.to_lowercase().contains("sec-websocket-protocol"),
            "offered {offered:?}: {head}"
        );
        assert_eq!(
            raw.next_frame().await.json()["event"],
            "pusher:connection_established",
            "{offered:?}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn s1_1_path_prefix_applies_to_all_routes() {
    let mut server = TestServer::start(&config_of("path_prefix = \"/ws/v1\"", &[(APP, "")])).await;
    let mut stray = Client::dial(&server, APP, &server.socket_path(), &[]).await;
    stray.expect_rejection(4005).await;
    assert_eq!(
        server.http_connection().await.send(&Request::new("GET", "/health")).await.status,
        404
    );

    server.prefix = "/ws/v1";
    let mut client = server.connect().await;
    client.subscribe("news").await;
    // protocol.md 7.1: the prefix is not part of the signed path.
    server.publish("news", "e", "1").await;
    assert_eq!(client.expect_event("e").await, 1);
    server.send(Request::new("GET", "/health")).await.expect(200, "health under the prefix");
    server.stop().await;
}

#[tokio::test]
async fn s1_1_compression_is_never_forced() {
    let server = TestServer::start(&config("")).await;
    let mut raw = RawSocket::dial(&server).await;
    raw.write(&upgrade_request(&server.socket_path(), "")).await;
    let head = raw.read_head().await.to_lowercase();
    assert!(!head.contains("sec-websocket-extensions"), "{head}");
    assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
    // `json` wants a first byte of exactly FIN and TEXT: no reserved bit.
    assert_eq!(raw.next_frame().await.json()["event"], "pusher:connection_established");
    server.stop().await;
}

#[tokio::test]
async fn s1_1_invalid_upgrades_get_an_http_error() {
    let server = TestServer::start(&config("")).await;
    let path = server.socket_path();
    let upgrade = |version: &str, key: &str| {
        let mut request = Request::new("GET", path.clone());
        request = request.header("Upgrade", "websocket").header("Connection", "Upgrade");
        if !version.is_empty() {
            request = request.header("Sec-WebSocket-Version", version);
        }
        if key.is_empty() { request } else { request.header("Sec-WebSocket-Key", key) }
    };
    let rows = [
        ("no upgrade", Request::new("GET", path.clone())),
        ("a POST", Request::new("POST", path.clone())),
        ("version 8", upgrade("8", "dGhlIHNhbXBsZSBub25jZQ==")),
        ("no version", upgrade("", "dGhlIHNhbXBsZSBub25jZQ==")),
        ("no key", upgrade("13", "")),
    ];
    for (name, request) in rows {
        let response = server.http_connection().await.send(&request).await;
        assert!((400..500).contains(&response.status), "{name}: {response:?}");
    }
    drop(server.connect().await);
    server.stop().await;
}

#[tokio::test]
async fn s1_2_protocol_versions() {
    let server = TestServer::start(&config("")).await;
    for query in ["protocol=4", "protocol=5", "protocol=6", "protocol=7", ""] {
        drop(server.connect_with(query).await);
    }
    let refused = [
        ("protocol=0", 4007),
        ("protocol=1", 4007),
        ("protocol=2", 4007),
        ("protocol=3", 4007),
        ("protocol=8", 4007),
        ("protocol=99", 4007),
        ("protocol=abc", 4006),
        ("protocol=7x", 4006),
        ("protocol=", 4006),
    ];
    for (query, code) in refused {
        let path = format!("/app/{}?{query}", APP.key);
        println!("{query} -> {code}");
        Client::dial(&server, APP, &path, &[]).await.expect_rejection(code).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn s1_2_missing_version_is_refused_in_strict_mode_only() {
    let server = TestServer::start(&config_of("strict_protocol = true", &[(APP, "")])).await;
    let path = format!("/app/{}", APP.key);
    Client::dial(&server, APP, &path, &[]).await.expect_rejection(4008).await;
    Client::dial(&server, APP, &format!("{path}?client=js"), &[])
        .await
        .expect_rejection(4008)
        .await;
    drop(server.connect_with("protocol=7").await);
    server.stop().await;
}

#[tokio::test]
async fn s1_3_handshake_frame() {
    let server = TestServer::start(&config("")).await;
    let mut seen = HashSet::new();
    let mut clients = Vec::new();
    for round in 0..40 {
        let path = format!("/app/{}?protocol={}", APP.key, 4 + round % 4);
        let mut client = Client::dial(&server, APP, &path, &[]).await;
        // The client sends nothing first: the frame comes by itself.
        let data = client.handshake().await;
        assert_eq!(data["activity_timeout"], 120, "{path}: {data}");
        let parts: Vec<_> = client.socket_id.split('.').collect();
        let digits = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        assert!(parts.len() == 2 && parts.iter().all(digits), "socket id {:?}", client.socket_id);
        assert!(client.socket_id.len() >= 10, "easy to guess: {:?}", client.socket_id);
        assert!(seen.insert(client.socket_id.clone()), "twice: {:?}", client.socket_id);
        client.expect_silence().await;
        clients.push(client);
    }
    assert_eq!(server.stats().await["sockets"], 40);
    server.stop().await;
}

#[tokio::test]
async fn s1_3_configured_activity_timeout_is_announced() {
    let server = TestServer::start(&config_of("activity_timeout_seconds = 33", &[(APP, "")])).await;
    let mut client = Client::dial(&server, APP, &server.socket_path(), &[]).await;
    assert_eq!(client.handshake().await["activity_timeout"], 33);
    server.stop().await;
}

#[tokio::test]
async fn s1_6_unknown_key_disabled_app_and_unknown_path_are_refused() {
    let server = TestServer::start(&config_of("", &[(APP, ""), (OTHER, "enabled = false")])).await;
    let unknown_keys =
        ["nobody", "IT-KEY-51C0A7", "it", "it-key-51c0a7%20", "it-key-51c0a", "it-key-51c0a7x"];
    for key in unknown_keys {
        println!("key {key}");
        Client::dial(&server, APP, &format!("/app/{key}?protocol=7"), &[])
            .await
            .expect_rejection(4001)
            .await;
    }
    let path = format!("/app/{}?protocol=7", OTHER.key);
    Client::dial(&server, OTHER, &path, &[]).await.expect_rejection(4003).await;
    for path in
        ["/", "/app", "/other/it-key-51c0a7", "/apps/it/events", "/App/it-key-51c0a7?protocol=7"]
    {
        println!("path {path}");
        Client::dial(&server, APP, path, &[]).await.expect_rejection(4005).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn s1_6_connection_quota() {
    let server = TestServer::start(&config("limits.connections = 2")).await;
    let first = server.connect().await;
    let mut second = server.connect().await;
    for _ in 0..3 {
        Client::dial(&server, APP, &server.socket_path(), &[]).await.expect_rejection(4004).await;
    }
    second.expect_silence().await;
    first.close().await;
    server.until_stat("sockets", 1).await;
    let mut third = server.connect().await;
    third.subscribe("news").await;
    server.stop().await;
}

#[tokio::test]
async fn s1_6_origins_are_exact() {
    let origins = r#"origins = ["https://good.example", "http://localhost:3000"]"#;
    let server = TestServer::start(&config_of("", &[(APP, origins), (OTHER, "")])).await;
    for origin in ["https://good.example", "http://localhost:3000"] {
        drop(Client::connect(&server, APP, &server.socket_path(), &[("Origin", origin)]).await);
    }
    let refused = [
        "https://evil.example",
        "http://good.example",
        "https://good.example.evil.example",
        "https://evil-good.example",
        "https://sub.good.example",
        "https://good.example:8443",
        "http://localhost",
        "http://localhost:30000",
        "null",
    ];
    for origin in refused {
        println!("origin {origin}");
        let mut client =
            Client::dial(&server, APP, &server.socket_path(), &[("Origin", origin)]).await;
        client.expect_rejection(4009).await;
    }
    // Without an allow-list any origin is accepted.
    let path = format!("/app/{}?protocol=7", OTHER.key);
    drop(Client::connect(&server, OTHER, &path, &[("Origin", "https://evil.example")]).await);
    server.stop().await;
}

#[tokio::test]
async fn s1_6_refused_connection_is_cleaned_up_and_cannot_send() {
    let server = TestServer::start(&config("")).await;
    let mut raw = RawSocket::dial(&server).await;
    let mut bytes = upgrade_request("/app/nobody?protocol=7", "");
    bytes.extend(text(r#"{"event":"pusher:subscribe","data":{"channel":"news"}}"#));
    raw.write(&bytes).await;
    raw.read_head().await;
    let error = raw.next_frame().await.json();
    assert_eq!(error["data"]["code"], 4001, "{error}");
    raw.expect_close(4001, "a key nobody has").await;
    assert_eq!(server.stats().await["subscriptions"], 0);
    server.stop().await;
}
