//! Refusals: codes, ids, and where their cause is shown.

use serde_json::{Value, json};

use crate::support::*;

const JWT: &str = "jwt-secret-of-the-explain-tests";

fn app(more: &str) -> String {
    config(&format!("authorizer = \"jwt\"\njwt_secret = \"{JWT}\"\n{more}"))
}

async fn subscribe(client: &mut Client, channel: &str, auth: &str, data: Option<&str>) -> Value {
    let mut asked = json!({"channel": channel, "auth": auth});
    if let Some(data) = data {
        asked["channel_data"] = json!(data);
    }
    client.send(&json!({"event": "pusher:subscribe", "data": asked})).await;
    client.expect_refused(channel).await
}

/// The one line of the log with this id.
async fn logged(server: &TestServer, id: &Value) -> String {
    let id = id.as_str().unwrap_or_else(|| panic!("no id: {id}"));
    assert!(id.len() == 8 && id.bytes().all(|b| b.is_ascii_alphanumeric()), "{id}");
    let line = until(format!("{id} in the log"), async || {
        let printed = server.printed();
        let mut lines = printed.lines().filter(|line| line.contains(id) && line.contains("cause="));
        lines.next().map(str::to_owned)
    });
    line.await
}

#[tokio::test]
async fn s2_4_in_production_the_cause_is_only_in_the_log() {
    let server = TestServer::start(&app("")).await;
    let mut client = server.connect().await;
    let secret = format!("{}\n", APP.secret);
    let careless = App { secret: secret.leak(), ..APP };
    let auth = careless.channel_auth(&client.socket_id, "private-x", None);
    let refusal = subscribe(&mut client, "private-x", &auth, None).await;
    assert_eq!(refusal["code"], "auth_signature", "{refusal}");
    assert_eq!(refusal.get("fix"), None, "{refusal}");
    let told = refusal.to_string();
    for hidden in ["line break", "secret", "HMAC", &client.socket_id, &auth] {
        assert!(!told.contains(hidden), "{hidden} in {told}");
    }
    let line = logged(&server, &refusal["id"]).await;
    for wanted in [
        "auth_signature",
        "private-x",
        "the secret that signed ends with a line break",
        "app.id=\"it\"",
    ] {
        assert!(line.contains(wanted), "{wanted} is not in {line}");
    }
    let signature = auth.split(':').nth(1).unwrap_or_default();
    assert!(!line.contains(APP.secret) && !line.contains(signature), "{line}");
    server.stop().await;
}

#[tokio::test]
async fn s2_4_with_explain_the_refusal_names_its_cause() {
    let server = TestServer::start(&app("explain = true")).await;
    assert!(server.printed().contains("apps.it.explain is true"), "{}", server.printed());
    let mut client = server.connect().await;
    let id = client.socket_id.clone();
    let stranger = App { secret: "not the secret", ..APP };
    let data = r#"{"user_id":"u1"}"#;
    for (channel, auth, data, code, wanted) in [
        ("private-x", String::new(), None, "auth_missing", "carries no auth"),
        (
            "private-x",
            stranger.channel_auth(&id, "private-x", None),
            None,
            "auth_signature",
            "most likely the secret",
        ),
        (
            "private-x",
            client.auth("private-x", None) + " ",
            None,
            "auth_malformed",
            "blanks or quotation marks",
        ),
        (
            "private-x",
            OTHER.channel_auth(&id, "private-x", None),
            None,
            "auth_foreign_key",
            "not this app's",
        ),
        ("private-x", client.auth("x", None), None, "auth_signature", "without its prefix"),
        (
            "presence-x",
            client.auth("presence-x", None),
            Some(data),
            "auth_signature",
            "does not include channel_data",
        ),
        (
            "presence-x",
            client.auth("presence-x", Some(r#"{"user_id": "u1"}"#)),
            Some(data),
            "auth_signature",
            "with spaces",
        ),
        ("presence-x", client.auth("presence-x", None), None, "member_missing", "channel_data"),
    ] {
        let refusal = subscribe(&mut client, channel, &auth, data).await;
        assert_eq!(refusal["code"], code, "{refusal}");
        let error = refusal["error"].as_str().unwrap_or_default();
        assert!(error.contains(wanted), "{wanted}: {error}");
        assert!(refusal["fix"].as_str().is_some_and(|fix| fix.len() > 10), "{refusal}");
        if code == "auth_signature" {
            assert!(
                error.contains(&format!("HMAC SHA256 hex digest of {id}:{channel}")),
                "{error}"
            );
        }
        assert!(!logged(&server, &refusal["id"]).await.contains("u1"), "the data is in the log");
    }
    server.stop().await;
}

#[tokio::test]
async fn s5_1_refused_sign_in_is_explained_like_a_subscription() {
    for (explain, wanted) in [
        ("", "does not fit this sign-in"),
        ("explain = true", "that of a channel, not of a sign-in"),
    ] {
        let server = TestServer::start(&app(explain)).await;
        let mut client = server.connect().await;
        let data = r#"{"id":"u1"}"#;
        let auth = client.auth(data, None);
        client
            .send(&json!({"event": "pusher:signin", "data": {"auth": auth, "user_data": data}}))
            .await;
        let message = client.expect_error(Some(4009)).await;
        assert!(
            message.contains(wanted) && message.contains("[auth_signature, refusal "),
            "{message}"
        );
        let id = message.trim_end_matches(']').rsplit(' ').next().unwrap_or_default();
        assert!(
            logged(&server, &json!(id)).await.contains("that of a channel"),
            "{}",
            server.printed()
        );
        server.stop().await;
    }
}

async fn ask(server: &TestServer, form: &str, bearer: &str) -> Response {
    let request = Request::new("POST", "/pusher/auth").form(form);
    server.send(request.header("Authorization", &format!("Bearer {bearer}"))).await
}

#[tokio::test]
async fn s10_endpoint_refusals_name_their_cause_only_with_explain() {
    for explain in [false, true] {
        let server = TestServer::start(&app(if explain { "explain = true" } else { "" })).await;
        let client = server.connect().await;
        let claims = |exp| json!({"sub": "u1", "exp": exp, "channels": ["private-mine"]});
        let good = token(&json!({"alg": "HS256"}), &claims(unix_now() + 600), JWT);
        let old = token(&json!({"alg": "HS256"}), &claims(5), JWT);
        let form = client.auth_form("private-x");
        for (form, bearer, status, (general, code), cause) in [
            (form.as_str(), old.as_str(), 401, ("unauthenticated", "token_expired"), "expired"),
            (&form, "rubbish", 401, ("unauthenticated", "token_malformed"), "cannot be read"),
            (&form, &good, 403, ("forbidden", "channel_not_covered"), "do not cover"),
            (
                "socket_id=1.2&channel_name=private-mine",
                &good,
                403,
                ("unknown_socket", "unknown_socket"),
                "no connection",
            ),
        ] {
            let response = ask(&server, form, bearer).await;
            assert_eq!(response.refused(status, form), if explain { code } else { general });
            let body = response.json();
            let line = logged(&server, &body["id"]).await;
            assert!(line.contains(cause) && line.contains(code), "{cause}: {line}");
            assert!(!line.contains(bearer), "{line}");
            assert_eq!(
                body["error"].as_str().is_some_and(|text| text.contains(cause)),
                explain,
                "{body}"
            );
            assert_eq!(body.get("fix").is_some(), explain, "{body}");
        }
        // Errors of the request itself are always named.
        let response = ask(&server, "socket_id=x&channel_name=private-x", &good).await;
        assert!(response.text().contains("two numbers with a dot"), "{}", response.text());
        server.stop().await;
    }
}

#[tokio::test]
async fn s10_anonymous_requests_do_not_fill_the_log() {
    let server = TestServer::start(&app("")).await;
    let form = "socket_id=1.2&channel_name=private-a%0A2026-01-01T00:00:00Z%20%20INFO%20forged";
    ask(&server, form, "x").await.refused(400, form);
    let mut client = server.connect().await;
    subscribe(&mut client, "private-b\nINFO forged", "", None).await;
    let printed = until("two lines", async || {
        let printed = server.printed();
        (printed.matches("forged").count() >= 2).then_some(printed)
    });
    for line in printed.await.lines().filter(|line| line.contains("forged")) {
        assert!(line.contains("refusal.id="), "{line}");
    }
    server.stop().await;
}

#[tokio::test]
async fn s7_1_explain_api_answers_the_backend() {
    let server = TestServer::start(&config_of("", &[(APP, ""), (OTHER, "")])).await;
    let client = server.connect().await;
    let id = client.socket_id.as_str();
    let user = r#"{"id":"u1"}"#;
    let ask = async |body: Value| server.post("/auth/explain", &body).await.expect(200, body);
    let good = json!({"auth": client.auth("private-x", None), "socket_id": id, "channel_name": "private-x"});
    let answer = ask(good.clone()).await;
    assert_eq!(
        (&answer["correct"], &answer["connected"]),
        (&json!(true), &json!(true)),
        "{answer}"
    );
    assert_eq!(answer["expected"], json!([format!("{id}:private-x")]), "{answer}");
    for (auth, socket, code) in [
        (APP.channel_auth("1.2", "private-x", None), "1.2", "socket_gone"),
        (APP.channel_auth("1.2", "private-x", None), id, "other_socket"),
        (OTHER.channel_auth(id, "private-x", None), id, "key_of_another_app"),
        (App { secret: "x", ..APP }.channel_auth(id, "private-x", None), id, "wrong_secret"),
        (APP.user_auth(id, ""), id, "signed_as_user"),
    ] {
        let mut body = good.clone();
        body["auth"] = json!(auth);
        body["socket_id"] = json!(socket);
        body["other_socket_ids"] = json!(["1.2"]);
        let answer = ask(body).await;
        assert_eq!(answer["code"], code, "{answer}");
        assert!(!answer.to_string().contains(APP.secret), "{answer}");
    }
    let body = json!({"auth": APP.user_auth(id, user), "socket_id": id, "user_data": user});
    assert_eq!(ask(body).await["code"], "correct");
    for body in [
        json!({"auth": "x", "socket_id": id}),
        json!({"auth": "x", "socket_id": "x", "channel_name": "private-x"}),
        json!({"auth": "x", "socket_id": id, "channel_name": "a", "user_data": "b"}),
        json!({"auth": "x", "socket_id": id, "channel_name": "a", "rubbish": 1}),
    ] {
        server.post("/auth/explain", &body).await.refused(400, &body);
    }
    let unsigned = Request::new("POST", "/apps/it/auth/explain").json(&good);
    server.send(unsigned).await.refused(401, "unsigned");
    server.stop().await;
}

#[tokio::test]
async fn explain_command_works_offline() {
    let auth = App { secret: "s\n", ..APP }.channel_auth("1.2", "private-x", None);
    let base =
        ["auth", "explain", "--socket-id", "1.2", "--key", APP.key, "--channel", "private-x"];
    let run = async |more: &[&str], input: &str| {
        let args: Vec<&str> = base.iter().chain(more).copied().collect();
        Launch::new(&args).output(input).await
    };
    let output = run(&["--secret", "s", &auth], "").await;
    assert!(output.stdout.starts_with("secret_with_line_break: "), "{output:?}");
    assert!(output.stdout.contains("to be signed: 1.2:private-x\n"), "{output:?}");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let auth = App { secret: "s", ..APP }.channel_auth("1.2", "private-x", None);
    let output = run(&["--secret", "-", &auth], "s\n").await;
    assert!(output.stdout.starts_with("correct: "), "{output:?}");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let output = run(&[&auth], "").await;
    assert_ne!(output.status.code(), Some(0), "a key without its secret: {output:?}");
}
