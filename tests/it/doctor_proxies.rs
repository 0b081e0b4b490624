//! Proxies that are wrong in one way each, as people have them, and the check that says so.

use crate::support::*;

const TRUSTING: &str = "trusted_proxies = [\"127.0.0.1\"]";

async fn start(top: &str) -> TestServer {
    Launch::serve_plain(&config_of(top, &[(APP, "authorizer = \"open\"")])).start().await
}

/// The findings through this proxy, on the path.
async fn examined(launch: ProxyLaunch, path: &str) -> Examined {
    let proxy = launch.start().await;
    Doctor::of(&format!("http://{}{path}", proxy.addr)).examine().await
}

#[tokio::test]
async fn c_silent_address_is_told_beside_the_answering_one() {
    if !ProxyProgram::Nginx.is_installed() {
        return;
    }
    let server = start(TRUSTING).await;
    let proxy = ProxyLaunch::new(ProxyProgram::Nginx, server.addr).start().await;
    let doctor = Doctor::of(&format!("http://ws.example.com:{}", proxy.addr.port()));
    let examined = doctor.arg("--address", "::1").arg("--address", "127.0.0.1").examine().await;
    let message = examined.message("tcp");
    let (silent, answering) = (format!("[::1]:{}", proxy.addr.port()), proxy.addr.to_string());
    assert!(
        message.contains(&silent) && message.contains(&format!("{answering} answers")),
        "{message}"
    );
    // A machine without IPv6 cannot tell.
    match std::net::TcpListener::bind("[::1]:0") {
        Ok(_) => examined.expect_only_fault("tcp", "clients with IPv6 will wait", "listen [::]:"),
        Err(_) => assert_eq!(examined.result("tcp"), "warn", "{examined:#?}"),
    }
    server.stop().await;
}

#[tokio::test]
async fn c_server_behind_the_proxy_is_missed() {
    let nobody = WebhookReceiver::unused_address().await;
    for (program, status, line) in [
        (ProxyProgram::Nginx, 502, "upstream sealcast"),
        (ProxyProgram::Caddy, 502, "reverse_proxy"),
        (ProxyProgram::Haproxy, 503, "server one"),
    ] {
        if program.is_installed() {
            let examined = examined(ProxyLaunch::new(program, nobody), "").await;
            let name = program.name();
            let words = format!("answers {status}: {name} is there, the server behind it is not");
            examined.expect_only_fault("health", &words, line);
            assert!(examined.message("upgrade").contains("the server does not answer"));
        }
    }
}

#[tokio::test]
async fn c_dropped_upgrade_gets_the_lines_to_add() {
    let server = start(TRUSTING).await;
    let nginx = |launch: ProxyLaunch| launch.without("proxy_set_header Upgrade $http_upgrade;");
    let caddy = |launch: ProxyLaunch| {
        launch.replace(
            "reverse_proxy UPSTREAM {".replace("UPSTREAM", &server.addr.to_string()).as_str(),
            &format!(
                "reverse_proxy {} {{\n\t\theader_up -Upgrade\n\t\theader_up -Connection",
                server.addr
            ),
        )
    };
    let haproxy = |launch: ProxyLaunch| {
        launch.replace("    option forwardfor", "    option forwardfor\n    http-request del-header upgrade\n    http-request del-header connection")
    };
    type Change<'a> = &'a dyn Fn(ProxyLaunch) -> ProxyLaunch;
    let changes: [(ProxyProgram, Change<'_>, &str); 3] = [
        (ProxyProgram::Nginx, &nginx, "proxy_set_header Upgrade $http_upgrade;"),
        (ProxyProgram::Caddy, &caddy, "reverse_proxy"),
        (ProxyProgram::Haproxy, &haproxy, "timeout tunnel 1h"),
    ];
    for (program, change, line) in changes {
        if program.is_installed() {
            let launch = change(ProxyLaunch::new(program, server.addr));
            let examined = examined(launch, "").await;
            examined.expect_only_fault("upgrade", "and not 101: the proxy drops Upgrade", line);
            assert_eq!(examined.result("handshake"), "skip", "{examined:#?}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn c_unknown_key_is_told_through_the_proxy() {
    if !ProxyProgram::Caddy.is_installed() {
        return;
    }
    let server = start(TRUSTING).await;
    let proxy = ProxyLaunch::new(ProxyProgram::Caddy, server.addr).start().await;
    let examined = Doctor::as_app(&format!("http://{}", proxy.addr), OTHER).examine().await;
    examined.expect_fault("handshake", "closed with 4001: no app has the key", "key = \"other-key");
    examined.expect_fault("signature", "unknown_app", "of one app");
    assert_eq!(examined.result("api"), "ok", "{examined:#?}");
    server.stop().await;
}

#[tokio::test]
async fn c_unrouted_api_is_told_from_a_refusal_of_the_server() {
    let server = start(TRUSTING).await;
    let app_only = "    use_backend sealcast if { path_beg /app/ }\n    http-request return status 404 if !{ path_beg /app/ }";
    if ProxyProgram::Haproxy.is_installed() {
        let launch = ProxyLaunch::new(ProxyProgram::Haproxy, server.addr);
        let launch = launch.replace("    default_backend sealcast", app_only);
        let examined = examined(launch, "").await;
        examined.expect_only_fault(
            "api",
            "and not from Sealcast: /apps is not routed to it",
            "use_backend sealcast if { path_beg /apps/ }",
        );
        assert_eq!(examined.result("health"), "warn", "{examined:#?}");
    }
    if ProxyProgram::Nginx.is_installed() {
        let launch = ProxyLaunch::new(ProxyProgram::Nginx, server.addr);
        let examined = examined(launch.replace("location / {", "location /app/ {"), "").await;
        let words = "404 from nginx and not from Sealcast: /apps is not routed to it";
        examined.expect_only_fault("api", words, "location /apps/ { proxy_pass http://sealcast; }");
    }
    server.stop().await;
}

#[tokio::test]
async fn c_wrong_secret_is_explained_by_the_server() {
    let server = start("").await;
    let app = App { secret: "another secret", ..APP };
    let examined = Doctor::as_app(&format!("http://{}", server.addr), app).examine().await;
    examined.expect_only_fault("signature", "refused (invalid_signature)", "compare the secret");
    assert_eq!(examined.result("clock"), "skip", "{examined:#?}");
    assert!(!examined.output.stdout.contains("another secret"), "{examined:#?}");
    server.stop().await;
}

#[tokio::test]
async fn c_clock_is_compared_and_the_rest_goes_on() {
    if !ProxyProgram::Caddy.is_installed() {
        return;
    }
    let server = start(TRUSTING).await;
    let proxy = ProxyLaunch::new(ProxyProgram::Caddy, server.addr).start().await;
    let doctor = Doctor::of(&format!("http://{}", proxy.addr));
    let examined = doctor.launch(|launch| launch.clock_ahead(742)).examine().await;
    assert_eq!(examined.with_result("fail"), ["signature", "clock"], "{examined:#?}");
    examined.expect_fault("signature", "timestamp_expired", "see check 9");
    examined.expect_fault("clock", " s ahead of the server", "timedatectl");
    assert_eq!(examined.result("events"), "ok", "signed with the server's time: {examined:#?}");
    server.stop().await;
}

#[tokio::test]
async fn c_cut_prefix_is_found_in_what_the_server_would_sign() {
    let server = start(TRUSTING).await;
    let nginx = |launch: ProxyLaunch| {
        launch
            .replace("location / {", "location /ws/ {")
            .replace("proxy_pass http://sealcast;", "proxy_pass http://sealcast/;")
    };
    let caddy = |launch: ProxyLaunch| {
        launch
            .replace("\treverse_proxy", "\thandle_path /ws/* {\n\treverse_proxy")
            .replace("\t}\n}", "\t}\n\t}\n}")
    };
    let haproxy = |launch: ProxyLaunch| {
        launch.replace(
            "    option forwardfor",
            "    option forwardfor\n    http-request replace-path /ws(/.*) \\1",
        )
    };
    type Change<'a> = &'a dyn Fn(ProxyLaunch) -> ProxyLaunch;
    let changes: [(ProxyProgram, Change<'_>, &str); 3] = [
        (ProxyProgram::Nginx, &nginx, "location /ws/ { proxy_pass http://sealcast; }"),
        (ProxyProgram::Caddy, &caddy, "handle /ws/* {"),
        (ProxyProgram::Haproxy, &haproxy, "use_backend sealcast if { path_beg /ws/ }"),
    ];
    for (program, change, line) in changes {
        if program.is_installed() {
            let examined = examined(change(ProxyLaunch::new(program, server.addr)), "/ws").await;
            assert_eq!(examined.with_result("fail"), ["signature", "path"], "{examined:#?}");
            examined.expect_fault(
                "path",
                "signed /ws/apps/it/caller, the server saw /apps/it/caller",
                line,
            );
            assert!(examined.fix("path").contains(&"path_prefix = \"/ws\"".to_owned()));
            assert_eq!(examined.result("events"), "ok", "{examined:#?}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn c_untrusted_proxy_is_named_with_its_line() {
    let server = start("").await;
    for program in ProxyProgram::ALL.into_iter().filter(|program| program.is_installed()) {
        let examined = examined(ProxyLaunch::new(program, server.addr), "").await;
        let words = "the server sees 127.0.0.1 for you: it does not trust the proxy there";
        examined.expect_only_fault("address", words, "trusted_proxies = [\"127.0.0.1\"]");
    }
    server.stop().await;
}

#[tokio::test]
async fn c_proxy_that_passes_no_address_on_is_told() {
    let server = start("trusted_proxies = [\"127.0.0.0/8\"]").await;
    if ProxyProgram::Nginx.is_installed() {
        let launch = ProxyLaunch::new(ProxyProgram::Nginx, server.addr);
        let line = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;";
        let examined = examined(launch.without(line), "").await;
        examined.expect_only_fault("address", "nginx passes no client address on", line);
    }
    // It names itself in no answer: its address alone tells.
    if ProxyProgram::Haproxy.is_installed() {
        let launch = ProxyLaunch::new(ProxyProgram::Haproxy, server.addr);
        let launch = launch.replace("    option forwardfor", "    source 127.0.0.3");
        let examined = examined(launch, "").await;
        let words = "the trusted proxy 127.0.0.3 passes no client address on";
        examined.expect_only_fault("address", words, "option forwardfor");
    }
    server.stop().await;
}

#[tokio::test]
async fn c_origin_changed_by_the_proxy_is_told() {
    if !ProxyProgram::Nginx.is_installed() {
        return;
    }
    let server = start(TRUSTING).await;
    let launch = ProxyLaunch::new(ProxyProgram::Nginx, server.addr);
    let launch = launch.replace("proxy_read_timeout 5m;", "proxy_set_header Origin \"\";");
    let proxy = launch.start().await;
    let doctor = Doctor::of(&format!("http://{}", proxy.addr));
    let examined = doctor.arg("--origin", "https://shop.example.com").examine().await;
    let words = "sent https://shop.example.com, the server saw no origin";
    examined.expect_only_fault("origin", words, "proxy_set_header Origin $http_origin;");
    server.stop().await;
}

#[tokio::test]
async fn c_two_servers_that_are_no_cluster_lose_events() {
    if !ProxyProgram::Haproxy.is_installed() {
        return;
    }
    let (one, other) = (start(TRUSTING).await, start(TRUSTING).await);
    let launch = ProxyLaunch::new(ProxyProgram::Haproxy, one.addr);
    let launch = launch.replace(
        &format!("    server one {}", one.addr),
        &format!("    server one {}\n    server two {}", one.addr, other.addr),
    );
    let examined = examined(launch, "").await;
    let words = "was published, and not received within 5 s";
    examined.expect_only_fault("events", words, "cluster");
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn c_short_idle_time_is_measured() {
    let server = start(&format!("{TRUSTING}\nactivity_timeout_seconds = 9")).await;
    let nginx = ("proxy_read_timeout 5m;", "proxy_read_timeout 3s;");
    let haproxy = ("timeout tunnel 1h", "timeout tunnel 2s");
    for (program, (found, other), line) in [
        (ProxyProgram::Nginx, nginx, "proxy_read_timeout 5m;"),
        (ProxyProgram::Haproxy, haproxy, "timeout tunnel 1h"),
    ] {
        if program.is_installed() {
            let launch = ProxyLaunch::new(program, server.addr).replace(found, other);
            let proxy = launch.start().await;
            let doctor = Doctor::of(&format!("http://{}", proxy.addr));
            let examined = doctor.slow().examine().await;
            let words = "of silence, the server pings after 9 s: a proxy gives up first";
            // On a busy machine, the connection of other checks may be silent for as long.
            examined.expect_fault("idle", words, line);
            examined.expect_fault("idle", words, "activity_timeout_seconds = ");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn c_limit_on_bodies_is_told_with_a_large_event() {
    let server = start(TRUSTING).await;
    let nginx = ("proxy_read_timeout 5m;", "client_max_body_size 1k;", "client_max_body_size 20k;");
    let haproxy = (
        "    option forwardfor",
        "    option forwardfor\n    http-request deny deny_status 413 if { req.hdr_val(content-length) gt 1000 }",
        "req.body_size gt 20480",
    );
    let caddy = (
        "\treverse_proxy",
        "\trequest_body {\n\t\tmax_size 1KB\n\t}\n\treverse_proxy",
        "request_body",
    );
    for (program, (found, other, line)) in [
        (ProxyProgram::Nginx, nginx),
        (ProxyProgram::Haproxy, haproxy),
        (ProxyProgram::Caddy, caddy),
    ] {
        if program.is_installed() {
            let launch = ProxyLaunch::new(program, server.addr).replace(found, other);
            let examined = examined(launch, "").await;
            let words = format!("{} refuses a request of 10240 bytes (", program.name());
            examined.expect_only_fault("frame", &words, line);
        }
    }
    server.stop().await;
}

/// A firewall that ends connections with more than some bytes from the server.
async fn cutting(server: std::net::SocketAddr, most: u64) -> std::net::SocketAddr {
    use tokio::io::{AsyncReadExt as _, copy};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(mut upstream) = tokio::net::TcpStream::connect(server).await else { return };
                let (mut from_client, mut to_client) = client.split();
                let (from_server, mut to_server) = upstream.split();
                let mut few = from_server.take(most);
                tokio::select! {
                    _ = copy(&mut from_client, &mut to_server) => {}
                    _ = copy(&mut few, &mut to_client) => {}
                }
            });
        }
    });
    addr
}

#[tokio::test]
async fn c_cut_frame_is_told() {
    let server = start("").await;
    let addr = cutting(server.addr, 5000).await;
    let examined = Doctor::of(&format!("http://{addr}")).examine().await;
    let words = "the proxy cut a frame of 10 KiB: the connection ended";
    examined.expect_only_fault("frame", words, "a limit on frames");
    assert_eq!(examined.result("events"), "ok", "{examined:#?}");
    server.stop().await;
}
