//! Origins of apps, the server's own address, and the explanation of refused origins.

use crate::support::*;

const EXTENSION: &str = "chrome-extension://abcdefghijklmnopabcdefghijklmnop";

async fn admitted(server: &TestServer, headers: &[(&str, &str)]) {
    let mut client = Client::dial(server, APP, &server.socket_path(), headers).await;
    client.handshake().await;
}

async fn refused(server: &TestServer, headers: &[(&str, &str)]) -> String {
    let mut client = Client::dial(server, APP, &server.socket_path(), headers).await;
    let message = client.expect_error(Some(4009)).await;
    client.expect_close(4009).await;
    message
}

#[tokio::test]
async fn f21_apps_connect_and_authorize_with_their_exact_origins() {
    let origins = format!(
        r#"origins = ["capacitor://localhost", "ionic://localhost", "tauri://localhost", "app://bundle", "{EXTENSION}"]"#
    );
    let server = TestServer::start(&config(&format!("authorizer = \"open\"\n{origins}"))).await;
    let asking = server.connect().await;
    let form = asking.auth_form("private-x");
    for (origin, good) in [
        ("capacitor://localhost", true),
        ("ionic://localhost", true),
        ("tauri://localhost", true),
        ("app://bundle", true),
        (EXTENSION, true),
        ("capacitor://other", false),
        ("app://bundle.evil", false),
        ("tauri://localhost:1", false),
        ("https://localhost", false),
        ("moz-extension://abcdefghijklmnopabcdefghijklmnop", false),
        ("null", false),
        ("file://", false),
    ] {
        let request = Request::new("POST", "/pusher/auth").form(&form).header("Origin", origin);
        let response = server.send(request).await;
        let allowed = response.header("Access-Control-Allow-Origin");
        assert_eq!(allowed, good.then_some(origin), "{origin}: {response:?}");
        assert_eq!(response.status == 403, !good, "{origin}: {response:?}");
        match good {
            true => admitted(&server, &[("Origin", origin)]).await,
            false => drop(refused(&server, &[("Origin", origin)]).await),
        }
    }
    drop(asking);
    server.stop().await;
}

#[tokio::test]
async fn f21_origins_of_any_page_are_rejected_with_alternatives() {
    for origin in ["null", "file://", "electron://app", "capacitor://*", "data://x"] {
        let text = config(&format!("origins = [\"{origin}\"]"));
        let output = Launch::new(&["config", "check"]).config(&text).output("").await;
        assert_eq!(output.status.code(), Some(1), "{origin}: {output:?}");
        assert!(output.stderr.contains("capacitor"), "{origin}: {output:?}");
    }
}

#[tokio::test]
async fn f21_self_is_the_configured_name_and_never_the_requested_host() {
    let top = "public_url = \"http://ws.example.com\"";
    let text = config_of(top, &[(APP, "authorizer = \"open\"\norigins = [\"self\"]")]);
    let server = TestServer::start(&text).await;
    admitted(&server, &[("Origin", "http://ws.example.com")]).await;
    // React Native writes the port explicitly.
    admitted(&server, &[("Origin", "http://ws.example.com:80")]).await;
    refused(&server, &[("Origin", "https://ws.example.com")]).await;
    refused(&server, &[("Origin", "http://ws.example.com:8080")]).await;
    // A foreign name that resolves to this server: both headers are the same.
    let address = server.addr.to_string();
    refused(&server, &[("Origin", &format!("http://{address}"))]).await;
    let asking = server.connect().await;
    let form = asking.auth_form("private-x");
    let request = Request::new("POST", "/pusher/auth").form(&form);
    let request = request.header("Origin", &format!("http://{address}"));
    assert_eq!(server.send(request).await.status, 403);
    drop(asking);
    server.stop().await;

    for (top, says) in [
        ("", "\"self\" stands for public_url, which is not set"),
        ("public_url = \"https://*.example.com\"", "no single address"),
        ("public_url = \"https://ws.example.com/live\"", "that is path_prefix"),
        ("public_url = \"capacitor://localhost\"", "no single address"),
    ] {
        let text = config_of(top, &[(APP, "origins = [\"self\"]")]);
        let output = Launch::new(&["config", "check"]).config(&text).output("").await;
        assert_eq!(output.status.code(), Some(1), "{top}: {output:?}");
        assert!(output.stderr.contains(says), "{top}: {output:?}");
    }
}

/// The log line about it, at `info`.
async fn logged(server: &TestServer, reason: &str) -> String {
    until(format!("{reason} in the log"), async || {
        let printed = server.printed();
        let line = printed.lines().find(|line| {
            line.contains("connection refused") && line.contains(reason) && line.contains("INFO")
        });
        line.map(str::to_owned)
    })
    .await
}

#[tokio::test]
async fn f21_refusals_are_logged_with_the_setting_to_add() {
    let strict = "origins = [\"https://good.example\"]";
    let server = TestServer::start(&config_of("", &[(APP, strict), (OTHER, "")])).await;
    let message = refused(&server, &[("Origin", "https://shop.example")]).await;
    assert!(!message.contains("shop.example"), "a stranger is told no more: {message}");
    let line = logged(&server, "origin_refused").await;
    assert!(line.contains("add \\\"https://shop.example\\\" to origins in [apps.it]"), "{line}");

    let dial = async |path: &str, code: u16| {
        let mut client = Client::dial(&server, APP, path, &[]).await;
        client.expect_rejection(code).await;
    };
    dial(&format!("/live/app/{}?protocol=7", APP.key), 4005).await;
    let line = logged(&server, "path_not_found").await;
    assert!(line.contains("path_prefix = \\\"/live\\\""), "{line}");

    let near = format!("{}x", APP.key);
    dial(&format!("/app/{near}?protocol=7"), 4001).await;
    let line = logged(&server, "unknown_app").await;
    assert!(line.contains(&near) && line.contains("did you mean"), "{line}");
    // A secret in place of the key is not shown.
    dial(&format!("/app/{}?protocol=7", APP.secret), 4001).await;
    let line = until("the secret to be named", async || {
        let printed = server.printed();
        printed.lines().find(|line| line.contains("names the secret of app")).map(str::to_owned)
    })
    .await;
    assert!(line.contains("app it"), "{line}");
    // A repeated fault does not fill the log.
    for n in 0..30 {
        dial(&format!("/app/stranger-{n}?protocol=7"), 4001).await;
    }
    let output = server.stop().await;
    let lines = output.stderr.lines().filter(|line| line.contains("unknown_app")).count();
    assert!((3..=20).contains(&lines), "{lines}");
    assert!(!output.stderr.contains(APP.secret), "{output:?}");
}

#[tokio::test]
async fn f21_in_development_the_client_sees_the_setting_to_add() {
    let app = "explain = true\norigins = [\"https://good.example\"]";
    let server = TestServer::start(&config(app)).await;
    let message = refused(&server, &[("Origin", "https://shop.example")]).await;
    assert!(message.contains("add \"https://shop.example\" to origins in [apps.it]"), "{message}");
    let own = format!("http://{}", server.addr);
    let message = refused(&server, &[("Origin", &own)]).await;
    assert!(message.contains("public_url") && message.contains("\"self\""), "{message}");
    let message = refused(&server, &[("Origin", "null")]).await;
    assert!(message.contains("cannot be listed"), "{message}");
    server.stop().await;
}
