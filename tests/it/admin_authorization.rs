//! Authorizations explained to operators, as the commands do it.

use serde_json::{Value, json};

use crate::support::*;

/// A command that fails prints its error behind the answer.
fn first_line(command: &Output) -> Value {
    let line = command.stdout.lines().next().expect("a line");
    serde_json::from_str(line).expect("JSON")
}

async fn ask(admin: &AdminClient, what: &str, body: &Value) -> Response {
    admin.send(&Request::new("POST", format!("/admin/apps/it/auth/{what}")).json(body)).await
}

#[tokio::test]
async fn l_auth_string_is_explained_as_by_the_command() {
    let server = Launch::serve_plain(&config("")).start().await;
    let admin = AdminClient::of(&server);
    let client = server.connect().await;
    let good = APP.channel_auth(&client.socket_id, "private-a", None);
    let question = json!({"auth": good, "socket_id": client.socket_id, "channel": "private-a"});
    let told = ask(&admin, "explain", &question).await.expect(200, "a good one");
    assert_eq!((&told["correct"], &told["code"]), (&json!(true), &json!("correct")));
    assert_eq!(told["connected"], json!(true));
    let gone = json!({"auth": APP.channel_auth("1.2", "private-a", None), "socket_id": "1.2", "channel": "private-a"});
    let told = ask(&admin, "explain", &gone).await.expect(200, "no such socket");
    assert_eq!(told["code"], "socket_gone");

    let wrong = json!({"auth": good, "socket_id": "9.9", "channel": "private-a",
        "other_socket_ids": [client.socket_id]});
    let told = ask(&admin, "explain", &wrong).await.expect(200, "another socket");
    let other = ["--other-socket-id", &client.socket_id, "--json"];
    let mut words = vec!["auth", "explain", &good, "--socket-id", "9.9", "--channel", "private-a"];
    words.extend(other);
    let command = Launch::new(&words).config(&config("")).output("").await;
    let by_command = first_line(&command);
    for field in ["correct", "code", "cause", "fix", "expected"] {
        assert_eq!(told[field], by_command[field], "{field}: {told} {by_command}");
    }
    for (body, status, code) in [
        (json!({"auth": "a", "socket_id": "1.2"}), 400, "missing_parameter"),
        (json!({"auth": "a", "socket_id": "x", "channel": "a"}), 400, "invalid_socket_id"),
        (json!({"auth": "a", "socket_id": "1.2", "channel_name": "a"}), 400, "invalid_json"),
    ] {
        assert_eq!(ask(&admin, "explain", &body).await.refused(status, &body), code);
    }
    server.stop().await;
}

const RULES: &str = "authorizer = \"jwt\"\n[[apps.it.rules]]\nchannel = \"private-{claims.org}-*\"\nallow = [\"subscribe\"]";

#[tokio::test]
async fn l_token_is_tested_as_by_the_command_and_logged_nowhere() {
    let dir = TempDir::new();
    let file = dir.path().join("audit.log");
    let text = config_of(
        &format!("log = \"trace\"\naudit_file = \"{}\"", file.display()),
        &[(APP, RULES)],
    );
    let server = Launch::serve_plain(&text).start().await;
    let admin = AdminClient::of(&server);
    let claims = json!({"sub": "u1", "org": "o1", "exp": unix_now() + 600});
    let good = token(&json!({"alg": "HS256"}), &claims, APP.secret);
    for channel in ["private-o1-a", "private-o2-a", "news"] {
        let body = json!({"token": good, "channel": channel});
        let told = ask(&admin, "test", &body).await.expect(200, channel);
        let command = Launch::new(&["auth", "test", &good, channel, "--json"]);
        let command = command.config(&config(RULES)).output("").await;
        let by_command = first_line(&command);
        assert_eq!(told, by_command, "{channel}");
        assert_eq!(told["granted"], json!(channel != "private-o2-a"), "{told}");
    }
    let wrong = token(&json!({"alg": "HS256"}), &claims, "another secret");
    let told = ask(&admin, "test", &json!({"token": wrong, "channel": "private-o1-a"})).await;
    let told = told.expect(200, "a wrong signature");
    assert_eq!(told["granted"], json!(false));
    assert!(told["denied"].as_str().is_some_and(|why| why.contains("signature")), "{told}");
    for (body, status, code) in [
        (json!({"token": good}), 400, "invalid_json"),
        (json!({"token": good, "channel": "a b"}), 400, "invalid_channel"),
    ] {
        assert_eq!(ask(&admin, "test", &body).await.refused(status, "a body"), code);
    }
    let output = server.stop().await;
    let facts = std::fs::read_to_string(&file).expect("the audit log");
    for text in [&good, &wrong] {
        let signature = text.rsplit('.').next().expect("a part");
        assert!(!output.stderr.contains(signature), "in the log");
        assert!(!facts.contains(signature), "in the audit log");
    }
}

#[tokio::test]
async fn l_token_of_an_app_that_looks_at_none_cannot_be_tested() {
    let server = Launch::serve_plain(&config("authorizer = \"deny\"")).start().await;
    let admin = AdminClient::of(&server);
    let body = json!({"token": "a.b.c", "channel": "private-a"});
    assert_eq!(ask(&admin, "test", &body).await.refused(409, "deny"), "no_token_authorizer");
    server.stop().await;
}

#[tokio::test]
async fn l_whole_answer_of_an_auth_endpoint_is_judged() {
    let server = Launch::serve_plain(&config("")).start().await;
    let admin = AdminClient::of(&server);
    let judge = async |answer: &str, channel: &str| {
        let body = json!({"answer": answer, "socket_id": "1.2", "channel": channel});
        ask(&admin, "answer", &body).await.expect(200, channel)
    };
    let good = json!({"auth": APP.channel_auth("1.2", "private-a", None)}).to_string();
    let told = judge(&good, "private-a").await;
    assert_eq!((&told["correct"], &told["code"]), (&json!(true), &json!("correct")), "{told}");
    assert_eq!(told["expected"], json!(["1.2:private-a"]));
    for (answer, channel, code) in [
        ("<html>", "private-a", "answer_is_a_page"),
        ("{}", "private-a", "auth_missing"),
        (&good, "private-b", "wrong_secret"),
        (
            &json!({"auth": APP.channel_auth("1.2", "private-encrypted-a", None)}).to_string(),
            "private-encrypted-a",
            "shared_secret_missing",
        ),
    ] {
        let told = judge(answer, channel).await;
        assert_eq!((&told["correct"], &told["code"]), (&json!(false), &json!(code)), "{told}");
        assert!(told["cause"].is_string() && told["fix"].is_string(), "{told}");
    }
    let body = json!({"answer": good, "socket_id": "1", "channel": "private-a"});
    assert_eq!(ask(&admin, "answer", &body).await.refused(400, "an id"), "invalid_socket_id");
    server.stop().await;
}
