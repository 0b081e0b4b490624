//! protocol.md 11 over HTTP: each limit one below, at and one above it, by default and as
//! configured. Sockets are in `limits_sockets`, rates in `rates_backend` and `rates`.

use serde_json::{Value, json};

use crate::support::*;

const ENCRYPTED: &str = "private-encrypted-x";

struct Row {
    what: &'static str,
    setting: &'static str,
    default: usize,
    /// Another value, to be configured.
    other: usize,
    /// A request of this size.
    request: fn(usize) -> Request,
    status: u16,
    code: &'static str,
    /// The name in the refusal's sentence.
    says: &'static str,
}

fn post(path: &str, body: &Value) -> Request {
    let (path, body) = (format!("/apps/it{path}"), body.to_string());
    let target = signed_target(APP, "POST", &path, &[], body.as_bytes());
    Request::new("POST", target).body("application/json", body)
}

fn event(name: &str, channels: &[String], data: &str) -> Request {
    post("/events", &json!({"name": name, "channels": channels, "data": data}))
}

fn one(channel: &str) -> Vec<String> {
    vec![channel.to_owned()]
}

fn item(name: &str, channel: &str, data: &str) -> Value {
    json!({"name": name, "channel": channel, "data": data})
}

/// This many bytes, in two-byte characters as far as possible.
fn wide(bytes: usize) -> String {
    "é".repeat(bytes / 2) + &"x".repeat(bytes % 2)
}

fn key() -> [u8; 32] {
    master_key("limits")
}

/// The envelope that a backend's own SDK makes of this many bytes.
fn envelope(bytes: usize) -> String {
    seal(&shared_secret(&key(), ENCRYPTED), [5; 24], wide(bytes).as_bytes())
}

const ROWS: &[Row] = &[
    Row {
        what: "bytes of data",
        setting: "event_bytes",
        default: 10_240,
        other: 100,
        request: |n| event("e", &one("c"), &wide(n)),
        status: 413,
        code: "event_too_large",
        says: "limits.event_bytes",
    },
    Row {
        what: "bytes of data that JSON makes six times as long",
        setting: "event_bytes",
        default: 10_240,
        other: 100,
        request: |n| event("e", &one("c"), &"\u{1}".repeat(n)),
        status: 413,
        code: "event_too_large",
        says: "limits.event_bytes",
    },
    Row {
        what: "bytes of one event of a batch",
        setting: "event_bytes",
        default: 10_240,
        other: 100,
        request: |n| {
            let batch = [item("e", "a", "1"), item("e", "b", &wide(n))];
            post("/batch_events", &json!({"batch": batch}))
        },
        status: 413,
        code: "event_too_large",
        says: "limits.event_bytes",
    },
    Row {
        what: "bytes of plaintext to be sealed",
        setting: "event_bytes",
        default: 10_240,
        other: 100,
        request: |n| event("e", &one(ENCRYPTED), &wide(n)),
        status: 413,
        code: "event_too_large",
        says: "limits.event_bytes",
    },
    Row {
        what: "bytes of what was sealed by the backend",
        setting: "event_bytes",
        default: 10_240,
        other: 100,
        request: |n| event("e", &one(ENCRYPTED), &envelope(n)),
        status: 413,
        code: "event_too_large",
        says: "limits.event_bytes",
    },
    Row {
        what: "characters of an event's name",
        setting: "event_name_chars",
        default: 200,
        other: 12,
        request: |n| event(&"é".repeat(n), &one("c"), "1"),
        status: 400,
        code: "invalid_event_name",
        says: "limits.event_name_chars",
    },
    Row {
        what: "characters of a name in a batch",
        setting: "event_name_chars",
        default: 200,
        other: 12,
        request: |n| {
            let batch = [item(&"🦀".repeat(n), "c", "1")];
            post("/batch_events", &json!({"batch": batch}))
        },
        status: 400,
        code: "invalid_event_name",
        says: "limits.event_name_chars",
    },
    Row {
        what: "bytes of a channel's name",
        setting: "channel_name_bytes",
        default: 200,
        other: 20,
        request: |n| event("e", &one(&"c".repeat(n)), "1"),
        status: 400,
        code: "invalid_channel",
        says: "the limit is",
    },
    Row {
        what: "bytes of the name of a channel that is asked about",
        setting: "channel_name_bytes",
        default: 200,
        other: 20,
        request: |n| {
            let path = format!("/apps/it/channels/{}", "c".repeat(n));
            Request::new("GET", signed_target(APP, "GET", &path, &[], b""))
        },
        status: 400,
        code: "invalid_channel",
        says: "the limit is",
    },
    Row {
        what: "channels of an event",
        setting: "channels_per_event",
        default: 100,
        other: 4,
        request: |n| {
            let channels: Vec<String> = (0..n).map(|i| format!("c-{i}")).collect();
            event("e", &channels, "1")
        },
        status: 400,
        code: "invalid_channels",
        says: "limits.channels_per_event",
    },
    Row {
        what: "events of a batch",
        setting: "batch_events",
        default: 10,
        other: 3,
        request: |n| post("/batch_events", &json!({"batch": vec![item("e", "c", "1"); n]})),
        status: 400,
        code: "invalid_batch",
        says: "limits.batch_events",
    },
    Row {
        what: "characters of a user who is disconnected",
        setting: "user_id_chars",
        default: 128,
        other: 8,
        request: |n| post(&format!("/users/{}/terminate_connections", "u".repeat(n)), &json!({})),
        status: 400,
        code: "invalid_user_id",
        says: "the limit is",
    },
];

async fn check(server: &TestServer, row: &Row, limit: usize) {
    for size in [limit - 1, limit] {
        let input = format!("{size} {} of {limit}", row.what);
        server.send((row.request)(size)).await.expect(200, input);
    }
    let input = format!("{} {} of {limit}", limit + 1, row.what);
    let response = server.send((row.request)(limit + 1)).await;
    assert_eq!(response.refused(row.status, &input), row.code, "{input}");
    let body = response.json();
    let sentence = body["error"].as_str().unwrap_or_default();
    assert!(sentence.contains(row.says), "{input}: {sentence}");
    assert!(sentence.contains(&limit.to_string()), "{input}: {sentence}");
    if row.status == 413 {
        assert_eq!((&body["limit"], &body["size"]), (&json!(limit), &json!(limit + 1)), "{input}");
    }
}

fn app(limits: &str) -> String {
    config(&format!("master_key = \"{}\"\n{limits}", base64(&key())))
}

#[tokio::test]
async fn s11_requests_at_default_limits() {
    let server = TestServer::start(&app("")).await;
    for row in ROWS {
        check(&server, row, row.default).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn s11_requests_at_configured_limits() {
    let mut settings = String::new();
    for row in ROWS {
        let line = format!("limits.{} = {}\n", row.setting, row.other);
        if !settings.contains(&line) {
            settings += &line;
        }
    }
    let server = TestServer::start(&app(&settings)).await;
    for row in ROWS {
        check(&server, row, row.other).await;
    }
    server.stop().await;
}

/// A subscriber of the sealed channel gets the largest allowed event, longer after sealing.
#[tokio::test]
async fn s11_sealing_overhead_does_not_count() {
    let server = TestServer::start(&app("limits.event_bytes = 100")).await;
    let mut client = server.connect().await;
    client.subscribe(ENCRYPTED).await;
    for data in [wide(100), envelope(100)] {
        server.send(event("e", &one(ENCRYPTED), &data)).await.expect(200, &data);
        let frame = client.next().await;
        let sealed = frame["data"].as_str().unwrap_or_default();
        assert!(sealed.len() > 200, "{frame}");
        assert_eq!(open(&shared_secret(&key(), ENCRYPTED), sealed), wide(100));
    }
    // As long as an envelope without being one: the plaintext counts.
    let plain = wide(envelope(100).len());
    server.send(event("e", &one(ENCRYPTED), &plain)).await.refused(413, "as long as an envelope");
    server.send(event("e", &one("c"), &envelope(100))).await.refused(413, "on another channel");
    client.expect_silence().await;
    server.stop().await;
}

/// The body of a valid request, padded with blanks to this length.
fn padded(length: usize) -> Request {
    let mut body = item("e", "c", "1").to_string();
    body.extend(std::iter::repeat_n(' ', length - body.len()));
    let target = signed_target(APP, "POST", "/apps/it/events", &[], body.as_bytes());
    Request::new("POST", target).body("application/json", body)
}

#[tokio::test]
async fn s11_bodies_at_the_limit() {
    for (top, limit) in [("", 1 << 20), ("http_body_bytes = 3000", 3000)] {
        let server = TestServer::start(&config_of(top, &[(APP, "")])).await;
        for size in [limit - 1, limit] {
            server.send(padded(size)).await.expect(200, size);
        }
        let response = server.send(padded(limit + 1)).await;
        assert_eq!(response.refused(413, limit + 1), "body_too_large");
        let body = response.json();
        assert_eq!((&body["limit"], &body["size"]), (&json!(limit), &json!(limit + 1)), "{body}");
        server.stop().await;
    }
}

#[tokio::test]
async fn s11_auth_requests_at_16_kib() {
    let server = TestServer::start(&config("authorizer = \"open\"\nexplain = true")).await;
    let client = server.connect().await;
    let form = client.auth_form("private-x");
    let ask = |size: usize| {
        let padding = "p".repeat(size - form.len() - "&padding=".len());
        Request::new("POST", "/pusher/auth").form(&format!("{form}&padding={padding}"))
    };
    for size in [16_383, 16_384] {
        server.send(ask(size)).await.expect(200, size);
    }
    let response = server.send(ask(16_385)).await;
    assert_eq!(response.refused(413, 16_385), "body_too_large");
    server.stop().await;
}

/// A request signed this many seconds ago (negative: in the future).
async fn signed_at(server: &TestServer, offset: i64) -> Response {
    let stamp = (unix_now() + offset).to_string();
    let list = with(unsigned_params(APP, b""), "auth_timestamp", Some(&stamp));
    let target = query(&sign(APP, "GET", "/apps/it/channels", list));
    server.send(Request::new("GET", format!("/apps/it/channels?{target}"))).await
}

/// A second may end between the signature and the check: repeat cases at the edge until they did
/// not cross it.
#[tokio::test]
async fn s11_clock_skew_at_ten_minutes() {
    let server = TestServer::start(&config("")).await;
    for offset in [598, 599, -598] {
        signed_at(&server, offset).await.expect(200, offset);
    }
    until("599 seconds late", async || {
        (signed_at(&server, -599).await.status == 200).then_some(())
    })
    .await;
    for offset in [602, -600, -601] {
        let response = signed_at(&server, offset).await;
        assert_eq!(response.refused(401, offset), "timestamp_expired");
    }
    until("600 seconds early", async || {
        (signed_at(&server, 600).await.status == 401).then_some(())
    })
    .await;
    server.stop().await;
}
