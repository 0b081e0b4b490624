//! Rules over the claims of tokens, at the endpoint and on the command line.

use serde_json::{Value, json};

use crate::support::*;

const RULES: &str = r#"
authorizer = "jwt"
explain = true
origins = ["https://a.example"]
client_events = true
[apps.it.jwt]
cookie = "token"
[[apps.it.rules]]
channel = "private-closed-*"
allow = []
[[apps.it.rules]]
channel = "private-org-{claims.org.id}-*"
allow = ["subscribe", "client_events"]
[[apps.it.rules]]
channel = "presence-org-{claims.org.id}"
allow = ["subscribe"]
user_id = "{claims.org.id}.{claims.sub}"
user_info = { name = "{claims.name}", org = "{claims.org}" }
[[apps.it.rules]]
channel = "private-list-{id}"
idsig = true
allow = ["subscribe"]
[[apps.it.rules]]
channel = "presence-*"
allow = ["subscribe"]
user_id = "{claims.nickname}"
"#;

fn bearer(claims: &Value) -> String {
    format!("Bearer {}", token(&json!({"alg": "HS256"}), claims, APP.secret))
}

fn user() -> Value {
    json!({"sub": "u1", "name": "é", "org": {"id": "o1"}, "exp": unix_now() + 600, "channels": ["*"]})
}

async fn ask(server: &TestServer, client: &Client, channel: &str, claims: &Value) -> Response {
    let request = Request::new("POST", "/apps/it/auth/channel")
        .header("Authorization", &bearer(claims))
        .form(&client.auth_form(channel));
    server.send(request).await
}

#[tokio::test]
async fn s10_first_matching_rule_decides() {
    let server = TestServer::start(&config(RULES)).await;
    let client = server.connect().await;
    let signed = {
        let text = "sealcast-id:private-list-42";
        let signature = hex(&hmac_sha256(APP.secret.as_bytes(), text.as_bytes()));
        format!("private-list-42.{}", &signature[..32])
    };
    for channel in ["private-org-o1-x", "private-org-o1-", signed.as_str()] {
        let answer = ask(&server, &client, channel, &user()).await.expect(200, channel);
        assert_eq!(answer["auth"], APP.channel_auth(&client.socket_id, channel, None));
    }
    let answer = ask(&server, &client, "presence-org-o1", &user()).await.expect(200, "presence");
    let data: Value =
        serde_json::from_str(answer["channel_data"].as_str().expect("a text")).expect("JSON");
    let member = json!({"user_id": "o1.u1", "user_info": {"name": "é", "org": {"id": "o1"}}});
    assert_eq!(data, member);
    for (channel, code) in [
        ("private-closed-x", "rule_denies"),
        ("private-org-o2-x", "no_rule"),
        ("private-org-o1", "no_rule"),
        ("private-org-o11-x", "no_rule"),
        ("private-encrypted-org-o1-x", "no_rule"),
        ("private-list-42", "no_rule"),
        (&signed.replace("42.", "43."), "no_rule"),
        ("presence-x", "no_user_id"),
    ] {
        let response = ask(&server, &client, channel, &user()).await;
        assert_eq!(response.refused(403, channel), code, "{channel}");
    }
    // The text of a claim is literal, also with a star in it.
    for org in ["*", "", "o1-x*", "{claims.sub}", "o/1", "o\0", &"o".repeat(3000)] {
        let mut claims = user();
        claims["org"]["id"] = json!(org);
        for channel in ["private-org-o1-x", "private-org--x", "private-org-u1-x"] {
            let response = ask(&server, &client, channel, &claims).await;
            response.refused(403, format!("{org:?} {channel}"));
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn s10_cookie_counts_for_listed_pages_only() {
    let server = TestServer::start(&config(RULES)).await;
    let client = server.connect().await;
    let cookie = |claims: &Value| format!("a=b; token={}", &bearer(claims)["Bearer ".len()..]);
    let ask = async |headers: &[(&str, &str)]| {
        let mut request = Request::new("POST", "/apps/it/auth/channel")
            .form(&client.auth_form("private-org-o1-x"));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        server.send(request).await
    };
    let (good, here) = (cookie(&user()), ("Origin", "https://a.example"));
    for site in ["same-origin", "same-site"] {
        ask(&[here, ("Cookie", &good), ("Sec-Fetch-Site", site)]).await.expect(200, site);
    }
    for (headers, status) in [
        (vec![("Cookie", good.as_str())], 401),
        (vec![here, ("Cookie", &good), ("Sec-Fetch-Site", "cross-site")], 401),
        (vec![("Origin", "https://b.example"), ("Cookie", &good)], 403),
        (vec![("Origin", "null"), ("Cookie", &good)], 403),
        (vec![here, ("Cookie", &format!("{good}; token=x"))], 401),
        (vec![here, ("Cookie", &good), ("Authorization", "Bearer x")], 401),
    ] {
        let response = ask(&headers).await;
        assert!([status, 401, 403].contains(&response.status), "{headers:?}: {response:?}");
        response.refused(response.status, format!("{headers:?}"));
    }
    server.stop().await;
}

#[tokio::test]
async fn c_auth_test_names_the_deciding_rule() {
    let token = &bearer(&user())["Bearer ".len()..];
    let run = async |channel: &str| {
        let launch = Launch::new(&["auth", "test", "-", channel, "--app", "it"]);
        launch.config(&config(RULES)).output(token).await
    };
    let output = run("private-org-o1-x").await;
    assert!(output.status.success(), "{output:?}");
    for line in [
        "rule 0 \"private-closed-*\": no, the name is not as the rule says",
        "rule 1 \"private-org-{claims.org.id}-*\": decides: subscribe, client_events",
        "claim org.id = \"o1\"",
        "private-org-o1-x: granted",
    ] {
        assert!(output.stdout.contains(line), "{line}: {output:?}");
    }
    let output = run("private-closed-x").await;
    assert!(!output.status.success() && output.stdout.contains("decides: nobody"), "{output:?}");
    let output = run("private-list-42").await;
    assert!(!output.status.success(), "{output:?}");
    assert!(output.stdout.contains("carries no signature"), "{output:?}");
    assert!(output.stderr.contains("no rule of this application"), "{output:?}");
    assert!(!output.stderr.contains(APP.secret) && !output.stdout.contains(APP.secret));
}

#[tokio::test]
async fn c_auth_test_names_the_abilities() {
    let rules = "authorizer = \"jwt\"\n[[apps.it.rules]]\nchannel = \"private-old\"\n\
        [[apps.it.rules]]\nchannel = \"private-write\"\nallow = [\"trigger\", \"history\"]\n";
    let token = &bearer(&user())["Bearer ".len()..];
    for (channel, expected, absent) in [
        ("private-old", "decides: subscribe, client_events\n", "allowed:"),
        (
            "private-write",
            "subscriptions: no\n  client events: no\n  allowed: history, trigger",
            "?",
        ),
    ] {
        let launch = Launch::new(&["auth", "test", "-", channel, "--app", "it"]);
        let output = launch.config(&config(rules)).output(token).await;
        assert!(output.status.success(), "{output:?}");
        assert!(output.stdout.contains(expected), "{output:?}");
        assert!(!output.stdout.contains(absent), "{output:?}");
    }
}

#[tokio::test]
async fn c_ambiguous_rules_stop_the_start() {
    let rule =
        |text: &str| format!("authorizer = \"jwt\"\nexplain = true\n[[apps.it.rules]]\n{text}");
    for (text, expected) in [
        (rule("channel = \"private-{claims.org}*\"\nallow = []"), "followed by *"),
        (rule("channel = \"private-{org}\"\nallow = []"), "is no placeholder"),
        (rule("channel = \"orders-*\"\nallow = []"), "private- or presence-"),
        (rule("channel = \"private-{id}\"\nallow = []"), "belong together"),
        (
            rule("channel = \"private-x\"\nallow = [\"subscribe\", \"read\"]"),
            "must be one of subscribe, client_events, history, trigger, clear",
        ),
        (rule("channel = \"private-x\"\nallow = [\"client_events\"]"), "add \"subscribe\""),
        (rule("channel = \"private-x\"\nallow = []\nuser_id = \"{claims.}\""), "is no placeholder"),
        (rule("channel = \"private-x\"\nallow = []\nmax_ttl_seconds = 0"), "at least 1"),
        (rule("chanel = \"private-x\"\nallow = []"), "did you mean \"channel\"?"),
        ("rules = [{ channel = \"private-x\", allow = [] }]".to_owned(), "is not \"jwt\""),
    ] {
        let output = Launch::new(&["config", "check"]).config(&config(&text)).output("").await;
        assert!(!output.status.success(), "{text}: {output:?}");
        assert!(output.stderr.contains(expected), "{text}: {output:?}");
    }
}

#[tokio::test]
async fn c_signed_ids_are_made_offline() {
    let make = async |prefix: &str, id: &str| {
        Launch::new(&["signed-id", prefix, id]).config(&config("")).output("").await
    };
    let output = make("private-list-", "42").await;
    let signature = hmac_sha256(APP.secret.as_bytes(), b"sealcast-id:private-list-42");
    assert_eq!(output.stdout, format!("private-list-42.{}\n", &hex(&signature)[..32]));
    for (prefix, id) in [("private-list-", "4.2"), ("private-list-", ""), ("private list", "1")] {
        let output = make(prefix, id).await;
        assert!(!output.status.success(), "{prefix} {id}: {output:?}");
    }
}
