//! Access to the admin API: the server's own user on the socket of the state directory, and the
//! bearer of the token on the operations listener.

use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;

use serde_json::json;

use crate::support::*;

const TOKEN: &str = "admin-token-5e0c17bb9d4f2a86";

fn configuration(top: &str) -> String {
    let app = format!("master_key = \"{}\"", base64(&master_key("admin")));
    config_of(top, &[(APP, &app)])
}

fn with_token() -> String {
    configuration(&format!("log = \"trace\"\nadmin_token = \"{TOKEN}\""))
}

/// All requests of the API; the one that changes something is last.
fn requests() -> Vec<Request> {
    let path = "/admin/apps/it/keys";
    vec![
        Request::new("GET", "/admin/apps"),
        Request::new("GET", path),
        Request::new("POST", format!("{path}/0123456789ab/revoke")).json(&json!({})),
        Request::new("POST", format!("{path}/rotate")).json(&json!({})),
    ]
}

#[tokio::test]
async fn c_operations_listener_needs_the_token() {
    let server = TestServer::start(&with_token()).await;
    let admin = AdminClient::of(&server);
    let rows = [
        (None, "admin_token_missing"),
        (Some(TOKEN.to_owned()), "admin_token_missing"),
        (Some(format!("Basic {TOKEN}")), "admin_token_missing"),
        (Some("Bearer".to_owned()), "admin_token_missing"),
        (Some("Bearer ".to_owned()), "admin_token_missing"),
        (Some(format!("Bearer {}", &TOKEN[1..])), "admin_token_wrong"),
        (Some(format!("Bearer {TOKEN}x")), "admin_token_wrong"),
        (Some(format!("Bearer {}", TOKEN.to_uppercase())), "admin_token_wrong"),
        (Some(format!("Bearer {}", APP.secret)), "admin_token_wrong"),
    ];
    for (header, code) in &rows {
        for request in requests() {
            let request = match header {
                Some(value) => request.header("Authorization", value),
                None => request,
            };
            let response = exchange(server.ops(), &request).await;
            assert_eq!(response.refused(401, format!("{request:?}")), *code, "{request:?}");
        }
    }
    assert_eq!(admin.states().await, ["active"], "nobody has changed anything");
    let unknown = Request::new("GET", "/admin/apps/nobody/keys");
    exchange(server.ops(), &unknown).await.refused(401, "the token comes first");

    let bearer = |request: Request| request.header("Authorization", &format!("bearer {TOKEN}"));
    let [apps, list, revoke, rotate] = requests().try_into().expect("four");
    let response = exchange(server.ops(), &bearer(apps)).await;
    assert_eq!(response.header("sealcast-version"), Some(env!("CARGO_PKG_VERSION")));
    assert_eq!(response.expect(200, "apps"), json!({"apps": [{"id": "it"}]}));
    let report = exchange(server.ops(), &bearer(list.clone())).await.expect(200, "list");
    assert_eq!(report, admin.report().await);
    let response = exchange(server.ops(), &bearer(revoke)).await;
    assert_eq!(response.refused(404, "revoke"), "unknown_key");
    exchange(server.ops(), &bearer(rotate)).await.expect(200, "rotate");
    assert_eq!(admin.states().await, ["grace", "active"]);
    for request in requests() {
        let response = server.send(bearer(request)).await;
        assert_eq!(response.refused(404, "public"), "not_found", "not on the public listener");
    }
    assert!(!server.printed().contains(TOKEN));
    server.stop().await;
}

#[tokio::test]
async fn c_without_a_token_there_is_no_admin_api_over_tcp() {
    let server = TestServer::start(&configuration("")).await;
    for request in requests() {
        let request = request.header("Authorization", "Bearer ");
        let response = exchange(server.ops(), &request).await;
        assert_eq!(response.refused(404, format!("{request:?}")), "not_found");
    }
    assert_eq!(AdminClient::of(&server).states().await, ["active"]);
    server.stop().await;
}

#[tokio::test]
async fn c_invalid_tokens_are_rejected() {
    let rows = [
        ("admin_token = \"canary-short\"", "at least 16"),
        ("admin_token = \"canary with blanks in it\"", "printable ASCII"),
        ("admin_token = \"canary-canary-canary\"\nadmin_token_file = \"x\"", "both given"),
    ];
    for (top, says) in rows {
        let launch = Launch::new(&["config", "check"]).config(&configuration(top));
        let output = launch.output("").await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.stderr.contains(says) && !output.stderr.contains("canary"), "{output:?}");
    }
    let launch = Launch::new(&["config", "show"]).config(&with_token());
    let output = launch.output("").await;
    assert!(output.stdout.contains("admin_token") && !output.stdout.contains(TOKEN), "{output:?}");
    let launch = Launch::new(&["config", "check"]).config(&with_token());
    let output = launch.output("").await;
    assert!(output.stderr.contains("ops_listen"), "a token without a listener: {output:?}");
}

#[tokio::test]
async fn c_admin_socket_is_private_and_removed_at_the_end() {
    let server = TestServer::start(&configuration("")).await;
    let admin = AdminClient::of(&server);
    let metadata = std::fs::metadata(&admin.socket).expect("a socket");
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    let state_dir = admin.socket.parent().expect("a directory").to_owned();
    let mode = std::fs::metadata(&state_dir).expect("a directory").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let nothing = admin.send(&Request::new("GET", "/apps/it/channels")).await;
    assert_eq!(nothing.refused(404, "channels"), "not_found");
    server.stop().await;
}

#[tokio::test]
async fn c_state_directory_has_one_server() {
    let state = TempDir::new();
    let launch = || Launch::serve(&configuration("")).arg("--state-dir").arg(state.path());
    let server = launch().start().await;
    let admin = AdminClient::at(state.path());
    let output = launch().output("").await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stderr.contains("another server has the state directory"), "{output:?}");
    assert!(!output.stdout.contains("listening"), "{output:?}");
    assert_eq!(admin.states().await, ["active"], "the first is not disturbed");
    // After SIGKILL the socket file is still there; the next server replaces it.
    server.signal("KILL");
    server.killed().await;
    assert!(admin.socket.exists() && UnixStream::connect(&admin.socket).is_err());
    let server = launch().start().await;
    assert_eq!(admin.states().await, ["active"]);
    server.stop().await;
    assert!(!admin.socket.exists(), "removed in good order");
    assert_eq!(std::fs::read_dir(state.path()).expect("a directory").count(), 0);
}

#[tokio::test]
async fn c_server_runs_without_a_state_directory() {
    let dir = TempDir::new();
    let file = dir.write("file", "no directory");
    let long = dir.path().join("x".repeat(100));
    for (path, says) in [(file.join("state"), "cannot be used"), (long, "there is no admin socket")]
    {
        let server = Launch::serve(&configuration("")).arg("--state-dir").arg(&path).start().await;
        let mut client = server.connect().await;
        client.subscribe("c").await;
        server.publish("c", "e", "x").await;
        client.expect_event("e").await;
        assert!(server.printed().contains(says), "{}", server.printed());
        server.stop().await;
    }
}

#[tokio::test]
async fn c_audit_log_names_the_admin_interface_of_key_changes() {
    let dir = TempDir::new();
    let path = dir.path().join("audit.jsonl");
    let top = format!("admin_token = \"{TOKEN}\"\naudit_file = \"{}\"", path.display());
    let server = TestServer::start(&configuration(&top)).await;
    let admin = AdminClient::of(&server);
    admin.rotate(&json!({})).await.expect(200, "rotate");
    admin.revoke("0123456789ab").await.refused(404, "revoke");
    let rotate =
        requests().pop().expect("rotate").header("Authorization", &format!("Bearer {TOKEN}"));
    exchange(server.ops(), &rotate).await.expect(200, "rotate");
    server.stop().await;
    let text = std::fs::read_to_string(&path).expect("an audit file");
    let seen: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a JSON line"))
        .filter(|line| line["event"] == "admin_action")
        .map(|line| (line["action"].clone(), line["app"].clone(), line["by"].clone()))
        .collect();
    let row = |action: &str, by: &str| (json!(action), json!("it"), json!(by));
    let wanted =
        [row("keys_rotate", "socket"), row("keys_revoke", "socket"), row("keys_rotate", "token")];
    assert_eq!(seen, wanted);
    assert!(!text.contains(TOKEN));
}
