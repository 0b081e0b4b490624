//! protocol.md 7.2, 7.8 and 7.9: publishing events, and the limits at their edges.

use serde_json::{Value, json};

use crate::support::*;

async fn post_raw(server: &TestServer, path: &str, body: &[u8]) -> Response {
    let target = signed_target(APP, "POST", path, &[], body);
    server.send(Request::new("POST", target).body("application/json", body)).await
}

#[tokio::test]
async fn s7_2_invalid_event_bodies() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    client.subscribe("news").await;
    let rows = [
        json!({}),
        json!([]),
        json!(["e", "1", ["news"]]),
        json!(["e", "1", ["news"], null, null, null]),
        json!("x"),
        json!(null),
        json!({"channels": ["news"], "data": "1"}),
        json!({"name": "", "channels": ["news"], "data": "1"}),
        json!({"name": null, "channels": ["news"], "data": "1"}),
        json!({"name": 5, "channels": ["news"], "data": "1"}),
        json!({"name": "pusher:ping", "channels": ["news"], "data": "1"}),
        json!({"name": "pusher:error", "channels": ["news"], "data": "1"}),
        json!({"name": "pusher_internal:member_added", "channels": ["news"], "data": "1"}),
        json!({"name": "pusher_internal:", "channel": "news", "data": "1"}),
        json!({"name": "e", "channels": ["news"]}),
        json!({"name": "e", "channels": ["news"], "data": null}),
        json!({"name": "e", "channels": ["news"], "data": 5}),
        json!({"name": "e", "channels": ["news"], "data": {"a": 1}}),
        json!({"name": "e", "channels": ["news"], "data": ["a"]}),
        json!({"name": "e", "data": "1"}),
        json!({"name": "e", "channels": [], "data": "1"}),
        json!({"name": "e", "channels": "news", "data": "1"}),
        json!({"name": "e", "channels": null, "data": "1"}),
        json!({"name": "e", "channels": {"0": "news"}, "data": "1"}),
        json!({"name": "e", "channels": ["news", 5], "data": "1"}),
        json!({"name": "e", "channels": ["news", null], "data": "1"}),
        json!({"name": "e", "channels": ["news", ""], "data": "1"}),
        json!({"name": "e", "channels": ["news", "a b"], "data": "1"}),
        json!({"name": "e", "channels": ["news", "#private-x"], "data": "1"}),
        json!({"name": "e", "channel": ["news"], "data": "1"}),
        json!({"name": "e", "channel": "", "data": "1"}),
        json!({"name": "e", "channels": ["news"], "data": "1", "socket_id": "x"}),
        json!({"name": "e", "channels": ["news"], "data": "1", "socket_id": "1"}),
        json!({"name": "e", "channels": ["news"], "data": "1", "socket_id": "1.2:x"}),
        json!({"name": "e", "channels": ["news"], "data": "1", "socket_id": "1.2\n"}),
        json!({"name": "e", "channels": ["news"], "data": "1", "socket_id": 1.2}),
    ];
    for row in rows {
        server.post("/events", &row).await.refused(400, &row);
    }
    for body in [
        &b""[..],
        b"{",
        b"{\"name\":\"e\"",
        b"name=e&channel=news&data=1",
        b"\xff\xfe",
        b"{\"name\":\"\xff\",\"channel\":\"news\",\"data\":\"\"}",
    ] {
        let response = post_raw(&server, "/apps/it/events", body).await;
        response.refused(400, String::from_utf8_lossy(body));
    }
    client.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn s7_2_valid_event_bodies() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    client.subscribe("news").await;
    let rows = [
        json!({"name": "e", "channel": "news", "data": "1"}),
        json!({"name": "e", "channels": ["news"], "data": "1"}),
        json!({"name": "e", "channels": ["news"], "data": ""}),
        json!({"name": "e", "channels": ["news"], "data": "1", "socket_id": null}),
        json!({"name": "e", "channels": ["news"], "data": "1", "socket_id": "1.1"}),
        json!({"name": "e", "channels": ["news"], "data": "1", "socket_id": "123456789012.98765432109876"}),
        json!({"name": "e", "channels": ["news"], "data": "1", "unheard": {"of": [1]}}),
        json!({"name": "e", "channels": ["news", "nobody-here"], "data": "1"}),
    ];
    for row in rows {
        assert_eq!(server.post("/events", &row).await.expect(200, &row), json!({}), "{row}");
        let data = row["data"].as_str().unwrap_or_default();
        client.expect(json!({"event": "e", "channel": "news", "data": data})).await;
    }
    client.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn s7_2_sending_socket_is_excluded_on_each_channel() {
    let server = TestServer::start(&config("")).await;
    let mut alice = server.connect().await;
    let mut bob = server.connect().await;
    for client in [&mut alice, &mut bob] {
        client.subscribe("news").await;
        client.subscribe("private-news").await;
    }
    for channels in [json!(["news"]), json!(["news", "private-news"])] {
        let body =
            json!({"name": "e", "channels": channels, "data": "1", "socket_id": alice.socket_id});
        server.post("/events", &body).await.expect(200, &body);
        for _ in 0..channels.as_array().map_or(0, Vec::len) {
            bob.expect_event("e").await;
        }
        alice.expect_silence().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn s11_limits_of_an_event_are_inclusive() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    client.subscribe("c-0").await;
    let event = |name: &str, data: &str, channels: usize| {
        let channels: Vec<String> = (0..channels).map(|i| format!("c-{i}")).collect();
        json!({"name": name, "data": data, "channels": channels})
    };
    let fine = [
        ("200 characters", event(&"n".repeat(200), "", 1)),
        ("200 wide characters", event(&"é".repeat(200), "", 1)),
        ("10239 bytes", event("e", &"x".repeat(10239), 1)),
        ("10240 bytes", event("e", &"x".repeat(10240), 1)),
        ("10240 bytes of 5120 characters", event("e", &"é".repeat(5120), 1)),
        ("10240 bytes that JSON doubles", event("e", &"\"".repeat(10240), 1)),
        ("99 channels", event("e", "", 99)),
        ("100 channels", event("e", "", 100)),
    ];
    for (name, body) in fine {
        server.post("/events", &body).await.expect(200, name);
        assert_eq!(client.next().await["data"], body["data"], "{name}");
    }
    let refused = [
        ("201 characters", event(&"n".repeat(201), "", 1), 400),
        ("10241 bytes", event("e", &"x".repeat(10241), 1), 413),
        ("10241 bytes of 5121 characters", event("e", &format!("{}x", "é".repeat(5120)), 1), 413),
        ("101 channels", event("e", "", 101), 400),
    ];
    for (name, body, status) in refused {
        let response = server.post("/events", &body).await;
        let code = response.refused(status, name);
        if status == 413 {
            assert_eq!(code, "event_too_large", "{name}");
            let answer = response.json();
            assert_eq!(
                (&answer["limit"], &answer["size"]),
                (&json!(10240), &json!(10241)),
                "{name}: {answer}"
            );
        }
    }
    client.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn s11_limits_of_an_event_are_configurable() {
    let keys = "limits.event_bytes = 10\nlimits.event_name_chars = 3\nlimits.channels_per_event = 2\nlimits.batch_events = 2";
    let server = TestServer::start(&config(keys)).await;
    let event = |name: &str, data: &str, channels: &[&str]| json!({"name": name, "data": data, "channels": channels});
    let rows = [
        (event("abc", "0123456789", &["a", "b"]), 200),
        (event("abcd", "", &["a"]), 400),
        (event("abc", "0123456789a", &["a"]), 413),
        (event("abc", "", &["a", "b", "c"]), 400),
    ];
    for (body, status) in rows {
        server.post("/events", &body).await.expect(status, &body);
    }
    let item = json!({"name": "e", "channel": "a", "data": ""});
    server.post("/batch_events", &json!({"batch": [item, item]})).await.expect(200, "two");
    server.post("/batch_events", &json!({"batch": [item, item, item]})).await.expect(400, "three");
    server.stop().await;
}

#[tokio::test]
async fn s11_oversized_bodies_are_refused_before_they_are_read() {
    let server = TestServer::start(&config_of("http_body_bytes = 20000", &[(APP, "")])).await;
    let mut bystander = server.bystander().await;
    let padded = |length: usize| {
        let mut body = json!({"name": "e", "channel": "x", "data": ""}).to_string();
        body.extend(std::iter::repeat_n(' ', length - body.len()));
        body
    };
    post_raw(&server, "/apps/it/events", padded(20000).as_bytes()).await.expect(200, "20000 bytes");
    let response = post_raw(&server, "/apps/it/events", padded(20001).as_bytes()).await;
    assert_eq!(response.refused(413, "20001 bytes"), "body_too_large");
    assert_eq!(response.json()["limit"], 20000);
    // A declared length suffices for the refusal, and so do chunks without a length.
    let target = signed_target(APP, "POST", "/apps/it/events", &[], b"x");
    let mut line = server.http_connection().await;
    line.write(
        format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
            .as_bytes(),
    )
    .await;
    line.read("POST").await.refused(413, "an announced length");
    let mut line = server.http_connection().await;
    line.write(
        format!("POST {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            .as_bytes(),
    )
    .await;
    for _ in 0..3 {
        line.write(b"2000\r\n").await;
        line.write(&[b' '; 0x2000]).await;
        line.write(b"\r\n").await;
    }
    line.read("POST").await.refused(413, "chunks without an end");
    server.still_serves(&mut bystander, "large bodies").await;
    server.stop().await;
}

#[tokio::test]
async fn s7_2_info_about_the_channels_of_an_event() {
    let server = TestServer::start(&config("subscription_count = true")).await;
    let mut clients = Vec::new();
    for user in ["a", "b", "b"] {
        let mut client = server.connect().await;
        client.join("presence-a", &json!({"user_id": user})).await;
        clients.push(client);
    }
    let event = |info: &str, channels: Value| json!({"name": "e", "data": "1", "channels": channels, "info": info});
    let body = event("user_count", json!(["presence-a", "b", "presence-a"]));
    let answer = server.post("/events", &body).await.expect(200, &body);
    assert_eq!(answer, json!({"channels": {"presence-a": {"user_count": 2}, "b": {}}}));
    let body = event("subscription_count,user_count", json!(["presence-a"]));
    let answer = server.post("/events", &body).await.expect(200, &body);
    assert_eq!(
        answer,
        json!({"channels": {"presence-a": {"user_count": 2, "subscription_count": 3}}})
    );
    server.stop().await;
}

#[tokio::test]
async fn s7_8_legacy_publish_route() {
    let server = TestServer::start(&config("")).await;
    let mut alice = server.connect().await;
    let mut bob = server.connect().await;
    alice.subscribe("news").await;
    bob.subscribe("news").await;
    let path = "/apps/it/channels/news/events";
    let data = "{\"raw\": [ 1 ]}";
    let extra = [("name", "old-event"), ("socket_id", alice.socket_id.as_str())];
    let target = signed_target(APP, "POST", path, &extra, data.as_bytes());
    let response = server.send(Request::new("POST", target).body("application/json", data)).await;
    assert_eq!(response.status, 202, "{}", response.text());
    bob.expect(json!({"event": "old-event", "channel": "news", "data": data})).await;
    alice.expect_silence().await;
    let target = signed_target(APP, "POST", path, &[], data.as_bytes());
    server
        .send(Request::new("POST", target).body("application/json", data))
        .await
        .refused(400, "no name");
    server.stop().await;
}

#[tokio::test]
async fn s7_9_unsupported_routes_are_answered_quickly() {
    let server = TestServer::start(&config("")).await;
    for path in [
        "/pusher/app/it-key-51c0a7/info",
        "/timeline/v2/js/xhr",
        "/apps",
        "/apps/it",
        "/apps/it/unheard-of",
        "/up",
    ] {
        let response = server.send(Request::new("GET", path)).await;
        assert!([401, 404].contains(&response.status), "{path}: {}", response.status);
    }
    for (method, path) in [
        ("GET", "/apps/it/events"),
        ("PUT", "/apps/it/events"),
        ("DELETE", "/apps/it/channels"),
        ("POST", "/apps/it/channels"),
    ] {
        let response = server.send(Request::new(method, path)).await;
        assert!([401, 404, 405].contains(&response.status), "{method} {path}: {}", response.status);
    }
    assert_eq!(
        server.send(Request::new("GET", "/health")).await.expect(200, "health"),
        json!({"status": "ok"})
    );
    // Operations routes are on their own listener.
    assert_eq!(server.send(Request::new("GET", "/stats")).await.status, 404);
    server.stop().await;
}
