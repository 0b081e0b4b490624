//! Servers that are not there, that refuse, or that are something else.

use serde_json::Value;

use super::table::{Needs, Row, TABLE};
use super::{launch, sentence};
use crate::support::*;

const ADMIN_TOKEN: &str = "admin-token-29c6b0d4e8f1a357";

fn of_server() -> impl Iterator<Item = &'static Row> {
    TABLE.iter().filter(|row| row.needs == Needs::Server)
}

/// The sentence on standard error, and the same in the object on standard output.
async fn ends(launch: Launch, exit: i32, code: &str, says: &str, row: &Row) {
    let output = launch.arg("--json").output("").await;
    assert_eq!(output.status.code(), Some(exit), "{}: {output:?}", row.command);
    let sentence = sentence(&output);
    assert!(sentence.contains(says), "{}: {says}: {output:?}", row.command);
    let object: Value = serde_json::from_str(&output.stdout).expect("one object");
    // The object has the code of a refusal apart.
    let error = sentence.strip_suffix(&format!(" ({code})")).unwrap_or(sentence);
    let wanted = serde_json::json!({ "error": error, "code": code, "exit": exit });
    assert_eq!(object, wanted, "{}", row.command);
    assert!(!format!("{output:?}").contains(ADMIN_TOKEN), "{output:?}");
}

#[tokio::test]
async fn c_without_a_server_commands_end_with_3() {
    let token = TempDir::new();
    let token = token.write("token", ADMIN_TOKEN);
    for row in of_server() {
        ends(launch(row), 3, "unreachable", "no server answers at", row).await;
        let nobody = launch(row).arg("--url").arg("http://127.0.0.1:1");
        let nobody = nobody.arg("--admin-token-file").arg(&token);
        ends(nobody, 3, "unreachable", "does not answer", row).await;
    }
    // `.invalid` has no address anywhere.
    let row = of_server().next().expect("a row");
    let nowhere = launch(row).env("SEALCAST_URL", "http://x.invalid:1");
    let nowhere = nowhere.env("SEALCAST_ADMIN_TOKEN_FILE", &token);
    ends(nowhere, 3, "unreachable", "x.invalid has no address", row).await;
}

#[tokio::test]
async fn c_refusals_of_the_server_end_with_4() {
    let text = config_of(&format!("admin_token = \"{ADMIN_TOKEN}\""), &[(APP, "")]);
    let server = Launch::serve_plain(&text).start().await;
    let wrong = server.dir.write("wrong", "not-the-token-of-this-server");
    let token = server.dir.write("token", ADMIN_TOKEN);
    let (ops, public) = (format!("http://{}", server.ops()), format!("http://{}", server.addr));
    let at = |row: &Row, url: &str, file: &std::path::Path| {
        launch(row).arg("--url").arg(url).arg("--admin-token-file").arg(file)
    };
    for row in of_server() {
        ends(at(row, &ops, &wrong), 4, "admin_token_wrong", "is not the admin token", row).await;
        let elsewhere = at(row, &public, &token);
        if row.command == "tail" {
            ends(elsewhere, 4, "4005", "operations listener", row).await;
        } else {
            ends(elsewhere, 4, "not_found", "operations listener", row).await;
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn c_answers_of_other_servers_end_with_3() {
    let token = TempDir::new();
    let token = token.write("token", ADMIN_TOKEN);
    let own = env!("CARGO_PKG_VERSION");
    let older = b"HTTP/1.1 200 OK\r\nSealcast-Version: 9.9.9\r\nContent-Length: 8\r\n\r\n[1,2,3] ";
    for (reply, says) in [
        (older.to_vec(), "9.9.9"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\noops".to_vec(), "answers 502"),
        (b"SSH-2.0-something\r\n".to_vec(), "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}".to_vec(), "server"),
    ] {
        let other = StubServer::start(Reply::Bytes(reply)).await;
        for row in of_server().filter(|row| row.command != "tail" || says != "server") {
            let launch = launch(row).arg("--url").arg(other.url(""));
            let launch = launch.arg("--admin-token-file").arg(&token);
            let says = if says == "9.9.9" {
                format!("version 9.9.9 and this command {own}")
            } else {
                says.to_owned()
            };
            ends(launch, 3, "unreachable", &says, row).await;
        }
    }
}

#[tokio::test]
async fn c_several_apps_are_named() {
    let server = Launch::serve_plain(&config_of("", &[(APP, ""), (OTHER, "")])).start().await;
    for row in of_server().filter(|row| row.command != "tail") {
        let launch = launch(row).arg("--state-dir").arg(state_dir(&server));
        ends(launch, 2, "usage", "--app: it, other", row).await;
    }
    server.stop().await;
}

/// Whatever an answer says, it does not control the terminal.
#[tokio::test]
async fn c_reasons_of_servers_are_escaped() {
    let token = TempDir::new();
    let token = token.write("token", ADMIN_TOKEN);
    let body = r#"{"error":"\u001b]0;x\u0007\u202e\u009b2J\nsealcast: fine","code":"\u001b[32mx"}"#;
    let reply = format!("HTTP/1.1 400 Bad Request\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let other = StubServer::start(Reply::Bytes(reply.into_bytes())).await;
    let of_rows = of_server().map(|row| {
        launch(row).arg("--url").arg(other.url("")).arg("--admin-token-file").arg(&token)
    });
    for launch in of_rows.chain([as_backend(&["trigger", "c", "e"], &other.url(""), &token)]) {
        let output = launch.output("").await;
        assert_eq!(output.status.code(), Some(4), "{output:?}");
        let text = output.stderr.strip_suffix('\n').expect("a line");
        let is_bad = |c: char| c.is_control() || c == '\u{202e}';
        assert!(!text.contains(is_bad), "{text:?}");
    }
}

fn as_backend(command: &[&str], url: &str, secret: &std::path::Path) -> Launch {
    let launch = Launch::new(command).arg("--url").arg(url).arg("--app").arg("1");
    launch.arg("--key").arg("k").arg("--secret-file").arg(secret)
}

#[tokio::test]
async fn c_foreign_answers_to_backends_and_clients_end_with_3() {
    let secret = TempDir::new();
    let secret = secret.write("secret", "secret-of-the-app");
    for reply in [
        "200 OK\r\nContent-Length: 2\r\n\r\n{}",
        "502 Bad Gateway\r\nContent-Length: 4\r\n\r\noops",
    ] {
        let other = StubServer::start(Reply::Bytes(format!("HTTP/1.1 {reply}").into_bytes())).await;
        for command in [&["trigger", "c", "e"][..], &["listen", "c"]] {
            let launch = as_backend(command, &other.url(""), &secret).arg("--json");
            let launch = if command[0] == "listen" {
                Launch::new(command)
                    .arg("--url")
                    .arg(other.url(""))
                    .arg("--key")
                    .arg("k")
                    .arg("--json")
            } else {
                launch
            };
            let output = launch.output("").await;
            assert_eq!(output.status.code(), Some(3), "{output:?}");
            assert!(output.stdout.contains("\"unreachable\""), "{output:?}");
            sentence(&output);
        }
    }
}

#[tokio::test]
async fn c_figures_need_a_right_token_too() {
    let text = config_of(&format!("admin_token = \"{ADMIN_TOKEN}\""), &[(APP, "")]);
    let server = Launch::serve_plain(&text).start().await;
    let wrong = server.dir.write("wrong", "not-the-token-of-this-server");
    let launch = Launch::new(&["stats", "--url"]).arg(format!("http://{}", server.ops()));
    let output = launch.arg("--admin-token-file").arg(&wrong).output("").await;
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    server.stop().await;
}
