//! Certificate and key files: replaced while the server runs, rejected if unusable, and used by
//! other commands.

use crate::support::*;

#[tokio::test]
async fn c_certificate_is_replaced_while_sockets_stay_open() {
    let first = TestCertificate::new();
    let mut server = Launch::serve_plain(&config("")).tls(&first).start().await;
    let mut old_socket = server.connect().await;
    old_socket.subscribe("news").await;
    let show = async |pair: &TestCertificate, addr| {
        let stream = tokio::net::TcpStream::connect(addr).await.expect("a connection");
        try_tls(&pair.connector(), stream).await.is_ok()
    };
    let install = |server: &TestServer, certificate: &str, key: &str| {
        server.dir.write("cert.pem", certificate);
        server.dir.write("key.pem", key);
    };

    let second = TestCertificate::new();
    install(&server, &second.certificate, &second.key);
    until("the second certificate", async || show(&second, server.addr).await.then_some(())).await;
    assert!(!show(&first, server.addr).await, "the first certificate is still shown");
    server.tls = Some(second.connector());
    server.publish("news", "e", "to a socket of before").await;
    old_socket.expect_event("e").await;

    // Unusable files change nothing and are logged.
    let third = TestCertificate::new();
    for (certificate, key, told) in [
        (&third.certificate, &second.key, "is not that of the first certificate"),
        (&third.certificate, &"no key".to_owned(), "holds no private key"),
        (&"no certificate".to_owned(), &third.key, "holds no certificate"),
    ] {
        install(&server, certificate, key);
        until(told, async || server.printed().contains(told).then_some(())).await;
        assert!(show(&second, server.addr).await, "{told}: the second certificate stays");
    }
    install(&server, &third.certificate, &third.key);
    std::fs::remove_file(server.dir.path().join("key.pem")).expect("a file");
    until("no key file", async || server.printed().contains("cannot read").then_some(())).await;

    install(&server, &third.certificate, &third.key);
    until("the third certificate", async || show(&third, server.addr).await.then_some(())).await;
    server.tls = Some(third.connector());
    server.publish("news", "e", "still").await;
    old_socket.expect_event("e").await;
    server.stop().await;
}

/// The error of the command for this configuration.
async fn refusal(launch: Launch) -> String {
    let output = launch.output("").await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(output.stdout, "", "{output:?}");
    output.stderr
}

#[tokio::test]
async fn c_unusable_files_are_rejected_at_the_start() {
    use std::os::unix::fs::PermissionsExt as _;
    let (pair, other) = (TestCertificate::new(), TestCertificate::new());
    for args in [&["serve"][..], &["config", "check"]] {
        let launch =
            || Launch::new(args).config(&config_of("listen = '127.0.0.1:0'", &[(APP, "")]));
        let mixed =
            TestCertificate { certificate: pair.certificate.clone(), key: other.key.clone() };
        let said = refusal(launch().tls(&mixed)).await;
        assert!(said.contains("is not that of the first certificate"), "{said}");
        assert!(said.contains("cert.pem") && said.contains("key.pem"), "{said}");

        let open = launch().tls(&pair);
        let key = open.dir().path().join("key.pem");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("a mode");
        let said = refusal(open).await;
        assert!(said.contains("can be read by others") && said.contains("chmod 600"), "{said}");

        for (given, missing) in
            [("TLS_CERT_FILE", "tls_key_file"), ("TLS_KEY_FILE", "tls_cert_file")]
        {
            let said = refusal(launch().env(&format!("SEALCAST_{given}"), "/some/file")).await;
            assert!(said.contains(&format!("{missing} is not")), "{said}");
        }
        let empty = launch().tls(&pair);
        empty.dir().write("cert.pem", "");
        let said = refusal(empty).await;
        assert!(said.contains("holds no certificate"), "{said}");
    }
}

#[tokio::test]
async fn c_healthcheck_works_over_tls() {
    let pair = TestCertificate::new();
    let server = Launch::serve_plain(&config("")).tls(&pair).start().await;
    let listen = server.addr.to_string();
    let configured =
        || Launch::new(&["healthcheck"]).config(&config("")).env("SEALCAST_LISTEN", &listen);
    let output = configured().tls(&pair).output("").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let output = configured().output("").await;
    assert_eq!(output.status.code(), Some(1), "without TLS: {output:?}");
    for (scheme, code) in [("https", 0), ("http", 1)] {
        let url = format!("{scheme}://{listen}");
        let output = Launch::new(&["healthcheck", "--url", &url]).output("").await;
        assert_eq!(output.status.code(), Some(code), "{url}: {output:?}");
    }
    server.stop().await;
    let output = configured().tls(&pair).output("").await;
    assert_eq!(output.status.code(), Some(1), "nobody is there: {output:?}");
}

#[tokio::test]
async fn c_dev_banner_mentions_tls() {
    let launch =
        Launch::new(&["serve", "--dev", "--listen", "127.0.0.1:0", "--state-dir", "state"]);
    let server = launch.ops().tls(&TestCertificate::new()).start().await;
    let port = server.addr.port();
    until("the banner", async || {
        let printed = server.printed();
        let said = [
            &*format!("wssPort: {port}"),
            "forceTLS: true",
            &*format!("https://127.0.0.1:{port}/apps/1001/auth/channel"),
            "REVERB_SCHEME=https",
            "useTLS: true",
        ]
        .iter()
        .all(|line| printed.contains(*line));
        (said && !printed.contains(&format!("http://127.0.0.1:{port}"))).then_some(())
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn f10_key_file_that_is_a_pipe_stops_neither_the_server_nor_its_end() {
    let first = TestCertificate::new();
    let mut server = Launch::serve_plain(&config("")).tls(&first).start().await;
    let key = server.dir.path().join("key.pem");
    std::fs::remove_file(&key).expect("a file");
    let made = std::process::Command::new("mkfifo").args(["-m", "600"]).arg(&key).status();
    assert!(made.is_ok_and(|status| status.success()));
    until("a pipe to be refused", async || {
        server.printed().contains("it is a pipe that gave nothing").then_some(())
    })
    .await;
    let second = TestCertificate::new();
    std::fs::remove_file(&key).expect("a pipe");
    server.dir.write("key.pem", &second.key);
    server.dir.write("cert.pem", &second.certificate);
    server.tls = Some(second.connector());
    until("the second certificate", async || {
        let stream = tokio::net::TcpStream::connect(server.addr).await.expect("a connection");
        try_tls(&second.connector(), stream).await.is_ok().then_some(())
    })
    .await;
    server.stop().await;
}
