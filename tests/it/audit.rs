//! encryption.md 5.6: the audit log and `sealcast audit verify`, after docs/audit.md.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::*;

/// A configuration with an audit log in the test's directory.
fn audited(path: &Path, app: &str) -> String {
    config_of(&format!("audit_file = \"{}\"", path.display()), &[(APP, app)])
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("an audit file");
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

/// The fields of the facts with this name, without those of the chain.
fn facts(path: &Path, event: &str) -> Vec<Value> {
    let mut found: Vec<Value> =
        lines(path).into_iter().filter(|line| line["event"] == event).collect();
    for fact in &mut found {
        let fields = fact.as_object_mut().expect("an object");
        for name in ["seq", "time", "event", "prev", "hash"] {
            fields.remove(name).expect(name);
        }
        // A random id, as each refusal has.
        let refusal = fields.remove("refusal").is_some_and(|id| id.as_str().is_some());
        let refused = ["auth_denied", "auth_refused_socket"].contains(&event);
        assert_eq!(refusal, refused, "{event}");
    }
    found
}

async fn verify(path: &Path, more: &[&str]) -> Output {
    let launch = Launch::new(&["audit", "verify"]).arg(path);
    more.iter().fold(launch, |launch, arg| launch.arg(arg)).output("").await
}

/// The chain by its definition in docs/audit.md, without any of the server's code.
fn check_chain(path: &Path) {
    let text = std::fs::read_to_string(path).expect("an audit file");
    let mut prev = "0".repeat(64);
    for (number, line) in text.lines().enumerate() {
        let (body, hash) = line.rsplit_once(",\"hash\":\"").expect("a hash");
        assert_eq!(hash, format!("{}\"}}", hex(&sha256(format!("{body}}}").as_bytes()))), "{line}");
        let value: Value = serde_json::from_str(line).expect("a JSON line");
        assert_eq!(value["seq"], number as u64 + 1, "{line}");
        assert_eq!(value["prev"], prev, "{line}");
        prev = hex(&sha256(line.as_bytes()));
    }
}

struct Log {
    _dir: TempDir,
    path: PathBuf,
}

impl Log {
    fn new() -> Self {
        let dir = TempDir::new();
        Self { path: dir.path().join("audit.jsonl"), _dir: dir }
    }

    /// One start and stop, with this many auth requests.
    async fn run(&self, questions: usize) {
        let server = TestServer::start(&audited(&self.path, "authorizer = \"open\"")).await;
        let client = server.connect().await;
        for _ in 0..questions {
            let form = client.auth_form("private-x");
            server.send(Request::new("POST", "/pusher/auth").form(&form)).await.expect(200, form);
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn e5_admitted_and_refused_access_is_logged() {
    let log = Log::new();
    let jwt = "jwt-secret-of-the-audit-test";
    let keys = format!(
        "authorizer = \"jwt\"\njwt_secret = \"{jwt}\"\norigins = [\"https://a.example\"]\nmaster_key = \"{}\"",
        base64(&master_key("audit"))
    );
    let server = TestServer::start(&audited(&log.path, &keys)).await;
    let claims = json!({"sub": "u1", "exp": unix_now() + 600, "channels": ["private-encrypted-*", "presence-*"]});
    let good = format!("Bearer {}", token(&json!({"alg": "HS256"}), &claims, jwt));
    let ask = async |path: &str, form: &str, bearer: &str, origin: &str, status: u16| {
        let request = Request::new("POST", path).form(form);
        let request = request.header("Authorization", bearer).header("Origin", origin);
        server.send(request).await.expect(status, form)
    };
    let (here, away) = ("https://a.example", "https://b.example");
    let channel = "/pusher/auth";
    let client = server.connect().await;
    let id = client.socket_id.clone();
    let form = |channel| client.auth_form(channel);
    let encrypted = &form("private-encrypted-x");
    let granted = ask(channel, encrypted, &good, here, 200).await;
    ask(channel, &form("presence-x"), &good, here, 200).await;
    ask("/pusher/user-auth", &form("private-y"), &good, here, 200).await;
    ask(channel, encrypted, "Bearer rubbish", here, 401).await;
    ask(channel, &form("private-y"), &good, here, 403).await;
    ask(channel, "socket_id=1.2&channel_name=presence-x", &good, here, 403).await;
    // Granted, but hidden from this page by CORS: the answer counts.
    ask(channel, encrypted, &good, away, 403).await;
    ask(channel, "socket_id=x&channel_name=a%20b", &good, here, 400).await;
    server.stop().await;

    assert_eq!(
        facts(&log.path, "auth_granted"),
        [
            json!({"app": "it", "channel": "private-encrypted-x", "user": "u1", "socket_id": id, "by": "jwt"}),
            json!({"app": "it", "channel": "presence-x", "user": "u1", "socket_id": id, "by": "jwt"}),
            json!({"app": "it", "user": "u1", "socket_id": id, "by": "jwt"}),
        ]
    );
    let denied = |channel: &str, status: u16, code: &str| json!({"app": "it", "channel": channel, "socket_id": id, "by": "jwt", "status": status, "code": code});
    assert_eq!(
        facts(&log.path, "auth_denied"),
        [
            denied("private-encrypted-x", 401, "token_malformed"),
            denied("private-y", 403, "channel_not_covered"),
            denied("private-encrypted-x", 403, "origin_not_allowed"),
            json!({"app": "it", "by": "jwt", "status": 400, "code": "invalid_socket_id"}),
        ]
    );
    assert_eq!(
        facts(&log.path, "auth_refused_socket"),
        [
            json!({"app": "it", "channel": "presence-x", "socket_id": "1.2", "reason": "unknown_socket"})
        ]
    );
    let text = std::fs::read_to_string(&log.path).expect("an audit file");
    for secret in ["auth", "shared_secret"] {
        let value = granted[secret].as_str().unwrap_or_else(|| panic!("{secret}: {granted}"));
        assert!(!text.contains(value), "{secret} is in the log");
    }
    check_chain(&log.path);
}

#[tokio::test]
async fn e5_key_plaintext_and_server_facts_are_logged() {
    let log = Log::new();
    let master = base64(&master_key("audit keys"));
    let text = config_of(
        &format!("audit_file = \"{}\"", log.path.display()),
        &[(APP, &format!("master_key = \"{master}\"")), (OTHER, "mode = \"blind\"")],
    );
    let server = TestServer::start(&text).await;
    let body = json!({"name": "e", "channel": "private-encrypted-x", "data": "in clear"});
    server.post_as(OTHER, "/events", &body).await.expect(422, "plaintext in blind mode");
    server.post("/events", &body).await.expect(200, "plaintext that is sealed");
    let listen = server.addr.to_string();
    assert_eq!(server.stats().await["audit"]["lost"], 0);
    server.stop().await;

    let events: Vec<_> = lines(&log.path).iter().map(|line| line["event"].clone()).collect();
    assert_eq!(events, ["server_started", "key_used", "plaintext_refused", "server_stopped"]);
    assert_eq!(facts(&log.path, "server_started")[0]["listen"], listen);
    assert_eq!(facts(&log.path, "server_stopped"), [json!({"reason": "signal"})]);
    let inspected = Launch::new(&["keys", "inspect", &master]).output("").await;
    let used = facts(&log.path, "key_used");
    assert_eq!(used[0]["app"], "it");
    let fingerprint = used[0]["key"].as_str().expect("a fingerprint");
    assert!(inspected.stdout.contains(&format!("fingerprint: {fingerprint}\n")), "{inspected:?}");
    let refused = json!({"app": "other", "channel": "private-encrypted-x"});
    assert_eq!(facts(&log.path, "plaintext_refused"), [refused]);
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(&log.path).expect("an audit file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn e5_restart_continues_the_chain() {
    let log = Log::new();
    log.run(3).await;
    let first = verify(&log.path, &[]).await;
    assert_eq!(first.status.code(), Some(0), "{first:?}");
    let hash = |output: &Output| output.stdout.trim().rsplit(' ').next().map(str::to_owned);
    let early = hash(&first).expect("a hash");
    log.run(2).await;
    check_chain(&log.path);
    let seen = lines(&log.path);
    assert_eq!(seen.len(), 3 + 2 + 2 + 2);
    let last = seen[8]["hash"].as_str().expect("a hash").to_owned();
    let output = verify(&log.path, &["--expect", &last]).await;
    let expected = format!(
        "lines: 9\nfirst: {}\nlast: {}\nlast hash: {last}\n",
        seen[0]["time"].as_str().unwrap_or_default(),
        seen[8]["time"].as_str().unwrap_or_default()
    );
    assert_eq!((output.stdout.as_str(), output.status.code()), (expected.as_str(), Some(0)));
    // A hash noted before the file grew is still found.
    assert_eq!(verify(&log.path, &["--expect", &early]).await.status.code(), Some(0));
    // The server logs the same hash at its start.
    let server = TestServer::start(&audited(&log.path, "")).await;
    let said = server.stop().await.stderr;
    assert!(said.contains(&last), "{said}");
}

#[tokio::test]
async fn e5_second_server_cannot_write_the_same_file() {
    let log = Log::new();
    let server = TestServer::start(&audited(&log.path, "")).await;
    let second = Launch::serve(&audited(&log.path, "")).output("").await;
    assert_eq!(second.status.code(), Some(1), "{second:?}");
    assert!(second.stderr.contains("written by another server"), "{second:?}");
    server.stop().await;
    check_chain(&log.path);
}

#[tokio::test]
async fn e5_verify_names_the_line_and_a_broken_end_is_not_continued() {
    let log = Log::new();
    log.run(4).await;
    let good = std::fs::read_to_string(&log.path).expect("an audit file");
    let list: Vec<&str> = good.lines().collect();
    let last = lines(&log.path)[5]["hash"].as_str().expect("a hash").to_owned();
    let without = |gone: usize| [&list[..gone], &list[gone + 1..]].concat().join("\n") + "\n";
    let rows = [
        (good.replacen("private-x", "private-y", 1), "line 2 was changed", true),
        (without(2), "line 3 has seq 4 where 3 belongs", true),
        (without(0), "line 1 has seq 2 where 1 belongs", true),
        ([list[0], list[1], list[1], list[2]].join("\n") + "\n", "line 3 has seq 2 where 3", true),
        (format!("{good}what is no line"), "line 7 is not complete", false),
        (format!("{good}\n"), "line 7 does not end with a hash", false),
        (format!("{good}{{}}\n"), "line 7 does not end with a hash", false),
        (good.replacen(&last, &last.replace(['a', '1'], "2"), 1), "line 6 was changed", false),
    ];
    for (text, wanted, last_is_good) in rows {
        std::fs::write(&log.path, &text).expect("a changed file");
        let output = verify(&log.path, &[]).await;
        assert_eq!(output.status.code(), Some(1), "{wanted}: {output:?}");
        assert!(output.stderr.contains(wanted), "{wanted}: {output:?}");
        assert_eq!(output.stdout, "", "{wanted}");
        if !last_is_good {
            let served = Launch::serve(&audited(&log.path, "")).output("").await;
            assert_eq!(served.status.code(), Some(1), "{wanted}: {served:?}");
            assert!(served.stderr.contains("cannot be continued"), "{wanted}: {served:?}");
            assert!(!served.stdout.contains("listening"), "{wanted}: {served:?}");
            let after = std::fs::read_to_string(&log.path).expect("the same file");
            assert_eq!(after, text, "a broken file is evidence and stays as it is");
        }
    }
    // Whole lines missing at the end show only against a noted hash.
    std::fs::write(&log.path, list[..4].join("\n") + "\n").expect("a shorter file");
    assert_eq!(verify(&log.path, &[]).await.status.code(), Some(0));
    let output = verify(&log.path, &["--expect", &last]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stderr.contains("cut off"), "{output:?}");
    let output = verify(&log.path.with_extension("missing"), &[]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stderr.contains("cannot read the audit file"), "{output:?}");
}

#[tokio::test]
async fn e5_full_disk_does_not_stop_the_server() {
    let server = TestServer::start(&audited(Path::new("/dev/full"), "authorizer = \"open\"")).await;
    until("a failed write", async || {
        (server.stats().await["audit"]["write_errors"].as_u64()? > 0).then_some(())
    })
    .await;
    let mut client = server.connect().await;
    client.subscribe("news").await;
    server.publish("news", "e", "still here").await;
    client.expect_event("e").await;
    drop(client);
    let output = server.stop().await;
    let said = output.stderr.matches("the audit log cannot be written").count();
    assert_eq!(said, 1, "once: {}", output.stderr);
}

#[tokio::test]
async fn f11_disk_full_in_mid_line_tears_it_and_the_next_start_continues() {
    use std::os::unix::fs::PermissionsExt as _;
    let log = Log::new();
    let config = audited(&log.path, "authorizer = \"open\"");
    let server = Launch::serve_plain(&config).file_size(4).start().await;
    let client = server.connect().await;
    for _ in 0..20 {
        let form = client.auth_form("private-x");
        server.send(Request::new("POST", "/pusher/auth").form(&form)).await.expect(200, form);
    }
    until("a failed write", async || {
        (server.stats().await["audit"]["write_errors"].as_u64()? > 0).then_some(())
    })
    .await;
    server.signal("KILL");
    server.killed().await;
    let torn = std::fs::read_to_string(&log.path).expect("an audit file");
    assert_eq!(torn.len(), 4096);
    let (whole, part) = torn.rsplit_once('\n').expect("a whole line");
    assert!(part.starts_with("{\"seq\":"), "{part}");
    let output = verify(&log.path, &[]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stderr.contains("moves it aside at its next start"), "{output:?}");

    log.run(1).await;
    check_chain(&log.path);
    let seq = whole.lines().count() + 1;
    let facts = facts(&log.path, "line_torn");
    let kept = format!("audit.jsonl.torn-{seq}");
    assert_eq!(facts, [json!({"bytes": part.len(), "kept_in": kept})]);
    let kept = log.path.with_file_name(kept);
    assert_eq!(std::fs::read_to_string(&kept).expect("what was torn"), part);
    let mode = std::fs::metadata(&kept).expect("what was torn").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let output = verify(&log.path, &[]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stdout.contains("torn lines that were moved aside: 1\n"), "{output:?}");
}
