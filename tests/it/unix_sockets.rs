//! Unix-socket listeners: service, trusted clients, and the life of the socket files.

use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::Path;

use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use crate::support::*;

/// The server's configuration, with a listener in its directory.
fn launch(top: &str, app: &str) -> (Launch, std::path::PathBuf) {
    let launch = Launch::new(&["serve"]).ops().config(&config_of(top, &[(APP, app)]));
    let path = launch.dir().path().join("public.sock");
    (launch.env("SEALCAST_LISTEN", format!("unix:{}", path.display())), path)
}

fn mode(path: &Path) -> u32 {
    let file = std::fs::symlink_metadata(path).expect("a file");
    assert!(file.file_type().is_socket());
    file.permissions().mode() & 0o777
}

#[tokio::test]
async fn c_websockets_and_http_work_over_a_unix_socket() {
    let (launch, path) = launch("", "authorizer = \"open\"");
    let server = launch.start().await;
    assert_eq!(mode(&path), 0o660);
    let said = format!("listening on unix:{}", path.display());
    assert!(server.printed().contains(&said), "{}", server.printed());
    let mut client = file_client(&path).await;
    client.subscribe("news").await;
    let mut line = file_line(&path).await;
    let body = json!({"name": "e", "channel": "news", "data": "x".repeat(10_000)}).to_string();
    for _ in 0..2 {
        let target = signed_target(APP, "POST", "/apps/it/events", &[], body.as_bytes());
        let request = Request::new("POST", target).body("application/json", body.clone());
        line.send(&request).await.expect(200, "a trigger");
        assert_eq!(client.expect_event("e").await, "x".repeat(10_000));
    }
    let form = client.auth_form("private-x");
    let auth = line.send(&Request::new("POST", "/pusher/auth").form(&form)).await;
    auth.expect(200, "the auth endpoint");
    client.close().await;
    drop(line);
    server.stop().await;
    assert!(!path.exists(), "the file goes with the server");
}

#[tokio::test]
async fn c_healthcheck_works_over_a_unix_socket() {
    let (launch, path) = launch("unix_socket_mode = \"0600\"", "");
    let server = launch.start().await;
    assert_eq!(mode(&path), 0o600);
    let check = || {
        let listen = format!("unix:{}", path.display());
        Launch::new(&["healthcheck"]).env("SEALCAST_LISTEN", listen).output("")
    };
    let output = check().await;
    assert!(output.status.success(), "{output:?}");
    server.stop().await;
    let output = check().await;
    assert!(output.stderr.contains("does not answer"), "{output:?}");
}

#[tokio::test]
async fn c_local_proxies_may_name_the_client_address() {
    let (launch, path) = launch("", "[apps.it.limits]\nconnects_per_ip = 1");
    let server = launch.start().await;
    let from = async |address: &str| {
        let mut client = file_dial(&path, &[("X-Forwarded-For", address)]).await;
        let first = client.next().await;
        first["event"] == "pusher:connection_established"
    };
    let mut opened = 0;
    while from("203.0.113.7").await {
        opened += 1;
    }
    assert!(opened >= 10, "{opened}");
    assert!(from("203.0.113.8").await);
    // Without a forwarded address, the peer is a local process, and no address is counted.
    for _ in 0..20 {
        file_client(&path).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn c_proxy_protocol_works_over_a_unix_socket() {
    let (launch, path) = launch("proxy_protocol = true", "[apps.it.limits]\nconnects_per_ip = 1");
    let server = launch.start().await;
    let opens = async |header: &[u8]| {
        let mut wire = file_wire(&path).await;
        wire.write_all(header).await.expect("a header");
        let mut raw = RawSocket::over(wire, DisconnectGuard::none());
        raw.write(&upgrade_request(&server.socket_path(), "")).await;
        raw.read_head().await;
        raw.next_frame().await.json()["event"] == "pusher:connection_established"
    };
    while opens(&proxy_v2("203.0.113.7")).await {}
    assert!(opens(&proxy_line("203.0.113.8")).await);
    assert!(opens(&proxy_v2_of(0, 0, b"")).await);
    let mut line = file_line(&path).await;
    line.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    server.until_refused("strays", 1).await;
    server.stop().await;
}

#[tokio::test]
async fn c_stale_socket_is_replaced() {
    let (launch, path) = launch("", "");
    drop(UnixListener::bind(&path).expect("a socket"));
    assert!(path.exists());
    let server = launch.start().await;
    file_client(&path).await;
    server.stop().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn c_other_files_are_left_in_place() {
    let (refused, path) = launch("", "");
    let living = UnixListener::bind(&path).expect("a socket");
    let output = refused.output("").await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stderr.contains("another server listens on"), "{output:?}");
    drop(living);

    let (refused, path) = launch("", "");
    std::fs::write(&path, "notes").expect("a file");
    let output = refused.output("").await;
    assert!(output.stderr.contains("is there and is no socket"), "{output:?}");

    let refused = Launch::new(&["serve"]).ops().config(&config("")).arg("--listen");
    let path = refused.dir().path().join("missing/public.sock");
    let output = refused.arg(format!("unix:{}", path.display())).output("").await;
    assert!(output.stderr.contains("the directory is missing"), "{output:?}");
}

#[tokio::test]
async fn c_each_listener_may_be_a_unix_socket() {
    let launch = Launch::serve_plain(&config(""));
    let directory = launch.dir().path().to_owned();
    let (api, ops) = (directory.join("api.sock"), directory.join("ops.sock"));
    let args = Launch::new(&["serve", "--listen", "127.0.0.1:0"]).config(&config(""));
    let server = args
        .arg("--api-listen")
        .arg(format!("unix:{}", api.display()))
        .env("SEALCAST_OPS_LISTEN", format!("unix:{}", ops.display()))
        .start()
        .await;
    let target = signed_target(APP, "GET", "/apps/it/channels", &[], b"");
    file_line(&api).await.send(&Request::new("GET", target)).await.expect(200, "the API");
    let stats = file_line(&ops).await.send(&Request::new("GET", "/stats")).await;
    assert_eq!(stats.expect(200, "/stats")["sockets"], 0);
    let printed = server.printed();
    assert!(printed.contains(&format!("API on unix:{}", api.display())), "{printed}");
    assert!(printed.contains(&format!("operations on unix:{}", ops.display())), "{printed}");
    server.stop().await;
    assert!(!api.exists() && !ops.exists());
}
