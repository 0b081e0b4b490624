//! The operator's console: sign-in, sessions, files, and the admin API behind it.

use serde_json::{Value, json};

use crate::support::*;

const TOKEN: &str = "canary-admin-token-7be2d6853a10";
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types lit-html";

fn configuration(top: &str) -> String {
    config_of(&format!("admin_token = \"{TOKEN}\"\n{top}"), &[(APP, "")])
}

async fn start(top: &str) -> TestServer {
    Launch::serve_plain(&configuration(top)).start().await
}

async fn ask(server: &TestServer, request: Request) -> Response {
    exchange(server.ops(), &request).await
}

#[tokio::test]
async fn l_code_signs_in_once() {
    let audit = TempDir::new();
    let file = audit.path().join("audit.jsonl");
    let top = format!("console = \"local\"\naudit_file = \"{}\"", file.display());
    let server = start(&top).await;
    let code = console_code(&server).await;
    let session = ConsoleSession::begin(&server, &json!({ "code": code })).await;
    for wrong in [&*code, "", "7Qm2"] {
        let again = try_sign_in(&server, &json!({ "code": wrong })).await;
        assert_eq!(again.refused(401, wrong), "console_code_refused");
    }
    let said = session.get("/console/session").await.expect(200, "signed in");
    let wanted = json!({
        "session": session.number, "by": "code", "version": env!("CARGO_PKG_VERSION"),
        "node": null, "dev": false, "reveal": "never", "apps": ["it"],
        "public_url": format!("http://{}", server.addr),
        "expires": said["expires"], "started": said["started"],
    });
    assert_eq!(said, wanted);

    let apps = session.get("/console/api/admin/apps").await.expect(200, "the admin API");
    assert_eq!(apps, json!({"apps": [{"id": "it"}]}));
    assert!(session.get("/console/api/stats").await.expect(200, "figures")["sockets"].is_number());
    let event = json!({"name": "e", "channel": "news", "data": "canary-payload"});
    let publish = session.request("POST", "/console/api/admin/apps/it/events").json(&event);
    session.send(&publish).await.expect(200, "an event");
    assert_eq!(session.get("/console/api/ops/live").await.refused(404, "no feed"), "not_found");

    let signed_out = session.send(&session.request("DELETE", "/console/session")).await;
    assert_eq!(signed_out.status, 204);
    for path in ["/console/session", "/console/api/stats", "/console/api/x", "/console/socket"] {
        assert_eq!(session.get(path).await.refused(401, path), "console_signed_out");
    }
    assert!(!server.printed().contains(&code) && !server.printed().contains(&session.cookie));
    server.stop().await;
    let facts = std::fs::read_to_string(&file).expect("the audit log");
    let by = format!("console {}", session.number);
    for fact in [
        json!({"event": "console_signed_in", "by": by, "means": "code", "peer": "127.0.0.1"}),
        json!({"event": "console_sign_in_refused", "code": "console_code_refused", "peer": "127.0.0.1"}),
        json!({"event": "admin_action", "action": "publish", "by": by}),
        json!({"event": "console_signed_out", "by": by, "reason": "signed_out"}),
    ] {
        let holds = |line: &str| {
            let line: Value = serde_json::from_str(line).expect("a fact");
            fact.as_object().expect("fields").iter().all(|(name, value)| line[name] == *value)
        };
        assert!(facts.lines().any(holds), "{fact}: {facts}");
    }
    assert!(!facts.contains(&code) && !facts.contains("canary"), "{facts}");
}

#[tokio::test]
async fn l_wrong_tokens_are_few() {
    let server = start("console = \"local\"").await;
    let session = ConsoleSession::begin(&server, &json!({ "token": TOKEN })).await;
    let said = session.get("/console/session").await.expect(200, "signed in");
    assert_eq!(said["by"], "token");
    for attempt in 0..10 {
        let wrong = try_sign_in(&server, &json!({ "token": "wrong" })).await;
        assert_eq!(wrong.refused(401, attempt), "admin_token_wrong");
    }
    let eleventh = try_sign_in(&server, &json!({ "token": TOKEN })).await;
    assert_eq!(eleventh.refused(429, "the eleventh"), "too_many_sign_ins");
    let wait: u64 = eleventh.header("Retry-After").expect("a time").parse().expect("seconds");
    assert!((1..=7).contains(&wait), "{wait}");
    session.get("/console/session").await.expect(200, "sessions go on");
    server.stop().await;

    let server = start("console = \"local\"").await;
    for body in [json!({}), json!({"code": "a", "token": "b"}), json!({"code": 1}), json!([])] {
        let wrong = try_sign_in(&server, &body).await;
        assert_eq!(wrong.refused(400, &body), "invalid_json");
    }
    server.stop().await;
}

#[tokio::test]
async fn l_pages_come_with_a_strict_policy() {
    let server = start("console = \"local\"").await;
    let page = ask(&server, Request::new("GET", "/console")).await;
    assert_eq!(page.status, 200);
    for (name, value) in [
        ("Content-Security-Policy", POLICY),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", "no-cache"),
        ("Content-Type", "text/html; charset=utf-8"),
    ] {
        assert_eq!(page.header(name), Some(value), "{name}");
    }
    let tag = page.header("ETag").expect("a tag");
    let known = Request::new("GET", "/console/index.html").header("If-None-Match", tag);
    let known = ask(&server, known).await;
    assert_eq!((known.status, known.body.len()), (304, 0));
    let script = |coding| Request::new("GET", "/console/app.js").header("Accept-Encoding", coding);
    let (plain, packed) =
        (ask(&server, script("identity")).await, ask(&server, script("gzip")).await);
    assert_eq!(plain.header("Content-Encoding"), None);
    assert_eq!(packed.header("Content-Encoding"), Some("gzip"));
    assert!(packed.body.len() < plain.body.len() && packed.header("ETag") != plain.header("ETag"));
    let slash = ask(&server, Request::new("GET", "/console/")).await;
    assert_eq!((slash.status, slash.header("Location")), (308, Some("/console")));
    for path in ["/console/nothing.js", "/console/../Cargo.toml", "/console/package-lock.json"] {
        let missing = ask(&server, Request::new("GET", path)).await;
        assert_eq!(missing.refused(404, path), "not_found");
    }
    let data = ask(&server, Request::new("GET", "/console/session")).await;
    assert_eq!(data.refused(401, "no session"), "console_signed_out");
    assert_eq!(data.header("Cache-Control"), Some("no-store"));
    assert_eq!(data.header("Content-Security-Policy"), Some(POLICY));
    server.stop().await;
}

#[tokio::test]
async fn l_other_pages_and_machines_get_nothing() {
    let server = start("console = \"local\"").await;
    let session = ConsoleSession::by_code(&server).await;
    let paths =
        ["/console/session", "/console/api/admin/apps", "/console/api/stats", "/console/socket"];
    for path in paths {
        for (name, value) in [
            ("Origin", "http://evil.example"),
            ("Origin", "null"),
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
        ] {
            let request = session.request("GET", path).header(name, value);
            let refused = session.send(&request).await;
            assert_eq!(refused.refused(403, format!("{path} {value}")), "console_origin");
        }
        let rebound = session.request("GET", path).host("rebound.example:6002");
        assert_eq!(session.send(&rebound).await.refused(421, path), "host_not_allowed");
    }
    let code = console_code(&server).await;
    let foreign = Request::new("POST", "/console/session").json(&json!({ "code": code }));
    let refused = ask(&server, foreign.header("Origin", "http://evil.example")).await;
    assert_eq!(refused.refused(403, "a foreign page"), "console_origin");
    ConsoleSession::begin(&server, &json!({ "code": code })).await;
    for path in ["/console", "/console/session"] {
        let forwarded = session.request("GET", path).header("X-Forwarded-For", "10.0.0.1");
        assert_eq!(session.send(&forwarded).await.refused(403, path), "console_refused");
    }
    let own = session.request("GET", "/console/api/stats").header("Origin", "http://localhost");
    session.send(&own.header("Sec-Fetch-Site", "same-origin")).await.expect(200, "our own page");
    server.stop().await;
}

#[tokio::test]
async fn l_sessions_end_with_their_token_and_with_the_setting() {
    let server = start("console = \"local\"").await;
    let (session, code) = (ConsoleSession::by_code(&server).await, console_code(&server).await);
    server.reload(&configuration("console = \"local\"\ndrain_seconds = 1")).await;
    session.get("/console/session").await.expect(200, "the token is the same");
    let other = configuration("console = \"local\"").replace(TOKEN, "another-admin-token-51c0a7");
    server.reload(&other).await;
    let refused = session.get("/console/api/stats").await;
    assert_eq!(refused.refused(401, "another token"), "console_signed_out");
    let refused = try_sign_in(&server, &json!({ "code": code })).await;
    assert_eq!(refused.refused(401, "a code of before"), "console_code_refused");

    let session = ConsoleSession::by_code(&server).await;
    server.reload(&other.replace("\"local\"", "\"off\"")).await;
    for path in ["/console", "/console/session", "/console/api/stats"] {
        assert_eq!(session.get(path).await.refused(404, path), "not_found");
    }
    let request = Request::new("POST", "/admin/console/code").json(&json!({}));
    let off = AdminClient::of(&server).send(&request).await;
    assert_eq!(off.refused(403, "it is off"), "console_refused");
    server.reload(&other).await;
    let refused = session.get("/console/session").await;
    assert_eq!(refused.refused(401, "switched off meanwhile"), "console_signed_out");
    server.stop().await;
}

#[tokio::test]
async fn l_thirty_third_session_ends_the_longest_idle() {
    let server = start("console = \"local\"").await;
    let first = ConsoleSession::by_code(&server).await;
    for _ in 0..31 {
        ConsoleSession::by_code(&server).await;
    }
    let last = ConsoleSession::by_code(&server).await;
    last.get("/console/session").await.expect(200, "the thirty-third");
    let refused = first.get("/console/session").await;
    assert_eq!(refused.refused(401, "the first"), "console_signed_out");
    server.stop().await;
}

#[tokio::test]
async fn l_behind_tls_the_cookie_is_for_https() {
    let server = start("console = \"anywhere\"\nops_behind_tls = true").await;
    let forwarded = Request::new("POST", "/console/session")
        .json(&json!({ "token": TOKEN }))
        .header("X-Forwarded-For", "10.0.0.1");
    let answer = ask(&server, forwarded).await;
    answer.expect(200, "signed in");
    let cookie = answer.header("Set-Cookie").expect("a cookie");
    assert!(cookie.ends_with("; HttpOnly; SameSite=Strict; Path=/console; Secure"), "{cookie}");
    server.stop().await;
}

#[tokio::test]
async fn l_console_of_development_has_a_link() {
    let launch = || Launch::new(&["serve", "--dev", "--listen", "127.0.0.1:0"]);
    let server = launch().ops().start().await;
    let printed = server.printed();
    let link = printed.lines().find(|line| line.contains("/console#")).expect("a link");
    let (url, code) = link.split_once('#').expect("a code");
    assert_eq!(url, format!("http://{}/console", server.ops()));
    let session = ConsoleSession::begin(&server, &json!({ "code": code })).await;
    let said = session.get("/console/session").await.expect(200, "signed in");
    assert_eq!((&said["dev"], &said["reveal"]), (&json!(true), &json!("ask")));
    // Pages try a client of this server.
    let page = session.get("/console").await;
    let policy = page.header("Content-Security-Policy").expect("a policy");
    let wanted = format!("connect-src 'self' http://{0} ws://{0};", server.addr);
    assert!(policy.contains(&wanted), "{policy}");
    server.stop().await;

    let other = std::net::TcpListener::bind("127.0.0.1:6002");
    let server = launch().start().await;
    let printed = server.printed();
    assert!(printed.contains("Console: not open"), "{printed}");
    assert!(printed.contains("cannot listen on 127.0.0.1:6002"), "{printed}");
    server.stop().await;
    drop(other);
}
