//! The client API: reading, publishing and clearing without a WebSocket.

use serde_json::{Value, json};

use crate::support::*;

const ALL: [&str; 5] = ["subscribe", "client_events", "history", "trigger", "clear"];

fn logged(more: &str) -> String {
    config(&format!(
        "explain = true\n{more}\n[[apps.it.channels]]\npattern = \"*-log*\"\nhistory = {{ client_events = true, blind = true }}\n\
         [[apps.it.channels]]\npattern = \"*-server*\"\nhistory = {{ events = 10, bytes = \"8MiB\", blind = true }}\n"
    ))
}

fn event(channel: &str, data: &str) -> Value {
    json!({"name": "client-x", "channel": channel, "data": data})
}

fn position(answer: &Value) -> &str {
    answer["position"].as_str().unwrap_or_else(|| panic!("no position in {answer}"))
}

fn data(answer: &Value) -> Vec<&str> {
    let events = answer["events"].as_array().expect("events");
    events.iter().map(|event| event["data"].as_str().expect("a text")).collect()
}

#[tokio::test]
async fn pages_of_history_go_both_ways() {
    let server = TestServer::start(&logged("")).await;
    let token = server.token(&["history"]).await;
    for number in 1..=5 {
        server.publish("private-log", "e", &number.to_string()).await;
    }
    let read = async |query: &str| {
        let path = format!("/channels/private-log/history?{query}");
        let page = server.page_get(&token, &path).await.expect(200, query);
        let signed: Vec<(&str, &str)> =
            query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let backend = server.get("/channels/private-log/history", &signed).await;
        assert_eq!(backend.expect(200, query), page, "{query}");
        page
    };
    let all = read("").await;
    assert_eq!(data(&all), ["1", "2", "3", "4", "5"]);
    assert_eq!((&all["more"], &all["gap"]), (&json!(false), &Value::Null));
    let places: Vec<&str> =
        all["events"].as_array().expect("events").iter().map(position).collect();
    assert_eq!(position(&all), places[4], "the end of the log");
    let first = read("limit=2").await;
    assert_eq!((data(&first), &first["more"]), (vec!["1", "2"], &json!(true)));
    assert_eq!(data(&read(&format!("limit=2&after={}", places[1])).await), ["3", "4"]);
    assert_eq!(data(&read(&format!("after={}", places[4])).await), Vec::<&str>::new());
    assert_eq!(data(&read("order=newest&limit=2").await), ["5", "4"]);
    let older = format!("order=newest&limit=2&before={}", places[3]);
    assert_eq!(data(&read(&older).await), ["3", "2"]);
    let between = format!("after={}&before={}", places[0], places[3]);
    assert_eq!(data(&read(&between).await), ["2", "3"]);
    let unknown = read("after=AAAA").await;
    assert_eq!((data(&unknown).len(), &unknown["gap"]), (5, &json!("unknown_position")));
    let unknown = read("before=AAAA").await;
    assert_eq!((data(&unknown).len(), &unknown["gap"]), (0, &json!("unknown_position")));
    let time = all["events"][0]["time"].as_i64().expect("a time") / 1000;
    assert!((unix_now() - 60..=unix_now() + 1).contains(&time));
    assert_eq!(all["events"][0]["name"], "e");
    server.stop().await;
}

#[tokio::test]
async fn answers_end_at_a_mebibyte() {
    let limits =
        "limits.event_bytes = 300000\nlimits.history_bytes_per_second = 1024\nmaster_key = \"";
    let key = hex(&master_key("pages"));
    let server = TestServer::start(&logged(&format!("{limits}{key}\""))).await;
    // In JSON a byte of the one takes six, and one of the other, sealed, a third more.
    for (channel, data_of, events) in
        [("private-server", "\u{1}", 3), ("private-encrypted-server", "x", 7)]
    {
        for _ in 0..10 {
            let bytes = if events == 3 { 50_000 } else { 100_000 };
            server.publish(channel, "e", &data_of.repeat(bytes)).await;
        }
        let path = format!("/channels/{channel}/history");
        let user = format!("reader of {events}");
        let token = server.token_for(&user.replace(' ', "-"), &["*"], &["history"]).await;
        let response = server.page_get(&token, &path).await;
        let page = response.expect(200, channel);
        assert!(response.body.len() < 1_100_000, "{}", response.body.len());
        assert_eq!((data(&page).len(), &page["more"]), (events, &json!(true)), "{channel}");
        let limited = server.page_get(&token, &path).await;
        assert_eq!(limited.refused(429, "too many bytes"), "rate_limited");
        assert!(limited.header("Retry-After").is_some());
    }
    server.stop().await;
}

#[tokio::test]
async fn last_event_has_an_entity_tag() {
    let server = TestServer::start(&logged("")).await;
    let token = server.token(&["subscribe", "history"]).await;
    for channel in ["private-log", "private-cache-log", "private-cache-plain"] {
        let path = format!("/channels/{channel}/last");
        let none = server.page_get(&token, &path).await;
        assert_eq!((none.status, none.body.len()), (204, 0), "{channel}");
        server.publish(channel, "e", "1").await;
        let last = server.page_get(&token, &path).await;
        let event = last.expect(200, channel);
        assert_eq!((&event["name"], &event["data"]), (&json!("e"), &json!("1")), "{channel}");
        if channel == "private-cache-plain" {
            assert_eq!((last.header("ETag"), &event["position"]), (None, &Value::Null));
            continue;
        }
        let tag = last.header("ETag").expect("a tag").to_owned();
        assert_eq!(tag, format!("\"{}\"", position(&event)));
        for (known, status) in
            [(tag.clone(), 304), (format!("W/{tag}"), 304), ("\"AAAA\"".into(), 200)]
        {
            let request = page_request("GET", &path).bearer(&token).header("If-None-Match", &known);
            let response = server.send(request).await;
            assert_eq!(response.status, status, "{channel} {known}");
            assert_eq!(response.header("ETag"), Some(&*tag), "{channel} {known}");
        }
        server.publish(channel, "e", "2").await;
        let request = page_request("GET", &path).bearer(&token).header("If-None-Match", &tag);
        assert_eq!(server.send(request).await.expect(200, channel)["data"], "2");
    }
    server.stop().await;
}

#[tokio::test]
async fn pages_publish_as_their_user() {
    let server = TestServer::start(&logged("")).await;
    let token = server.token(&ALL).await;
    let (mut sender, mut other) = (server.connect().await, server.connect().await);
    for client in [&mut sender, &mut other] {
        client.subscribe("private-log").await;
    }
    let mut body = event("private-log", "hi");
    body["socket_id"] = json!(sender.socket_id);
    let answer = server.page_post(&token, "/events", &body).await.expect(200, &body);
    other
        .expect(
            json!({"event": "client-x", "channel": "private-log", "data": "hi", "user_id": "u1"}),
        )
        .await;
    sender.expect_silence().await;
    let page = server.page_get(&token, "/channels/private-log/history").await.expect(200, "");
    assert_eq!(page["events"][0]["user_id"], "u1");
    assert_eq!(page["events"][0]["position"], answer["position"]);
    let answer = server.page_post(&token, "/events", &event("private-x", "hi")).await;
    assert_eq!(answer.expect(200, "no log"), json!({"position": null}));
    let answer = server.page_post(&token, "/events", &event("private-server", "hi")).await;
    assert_eq!(answer.expect(200, "of backends"), json!({"position": null}));
    server.stop().await;
}

#[tokio::test]
async fn events_of_pages_are_sealed_and_read_for_the_connections_secret() {
    let key = master_key("client api");
    let server = TestServer::start(&logged(&format!("master_key = \"{}\"", hex(&key)))).await;
    let token = server.token(&ALL).await;
    let channel = "private-encrypted-log";
    let mut client = server.connect().await;
    client.subscribe(channel).await;
    server.page_post(&token, "/events", &event(channel, "secret")).await.expect(200, "");
    let delivered = client.next().await;
    assert_eq!(delivered["user_id"], "u1");
    assert!(!delivered.to_string().contains("\"secret\""), "{delivered}");
    let secret = shared_secret(&key, channel);
    let path = format!("/channels/{channel}/history?socket_id={}", client.socket_id);
    let page = server.page_get(&token, &path).await.expect(200, "sealed");
    assert_eq!(open(&secret, data(&page)[0]), "secret");
    let stranger = format!("/channels/{channel}/history?socket_id=1.2");
    assert_eq!(server.page_get(&token, &stranger).await.refused(403, "forged"), "unknown_socket");
    let signed = server.get(&format!("/channels/{channel}/history"), &[]).await;
    assert_eq!(open(&secret, data(&signed.expect(200, "signed"))[0]), "secret");
    server.stop().await;
}

#[tokio::test]
async fn writers_of_a_snapshot_do_not_overwrite_each_other() {
    let server = TestServer::start(&logged("")).await;
    let token = server.token(&ALL).await;
    let page = async |header: (&str, &str), data: &str| {
        let request = page_request("POST", "/events").bearer(&token).header(header.0, header.1);
        server.send(request.json(&event("private-log", data))).await
    };
    let backend = async |header: (&str, &str), data: &str| {
        let body = json!({"name": "e", "channels": ["private-log"], "data": data}).to_string();
        let target = signed_target(APP, "POST", "/apps/it/events", &[], body.as_bytes());
        let request = Request::new("POST", target).header(header.0, header.1);
        server.send(request.body("application/json", body)).await
    };
    let first = page(("If-None-Match", "*"), "1").await.expect(200, "the first");
    for response in [
        page(("If-None-Match", "*"), "2").await,
        backend(("If-None-Match", "*"), "2").await,
        page(("If-Match", "\"AAAA\""), "2").await,
    ] {
        assert_eq!(response.refused(412, "not empty"), "position_changed");
        assert_eq!(response.json()["position"], first["position"]);
        assert!(!response.text().contains("\"1\""), "{}", response.text());
    }
    let tag = format!("W/\"{}\"", position(&first));
    let second = backend(("If-Match", &tag), "2").await.expect(200, "the newest");
    assert_ne!(first["position"], second["position"]);
    assert_eq!(page(("If-Match", &tag), "3").await.refused(412, "no more"), "position_changed");
    let tag = format!("\"{}\"", position(&second));
    page(("If-Match", &tag), "3").await.expect(200, "the newest");
    for (header, value) in [("If-None-Match", "\"a\""), ("If-Match", "*"), ("If-Match", "a")] {
        let response = page((header, value), "4").await;
        assert_eq!(response.refused(400, value), "invalid_condition");
    }
    let request = page_request("POST", "/events").bearer(&token);
    let request = request.header("If-None-Match", "*").json(&event("private-server-x", "1"));
    assert_eq!(server.send(request).await.refused(409, "not for clients"), "not_logged");
    let body = json!({"name": "e", "channels": ["private-log-1", "private-log-2"], "data": ""});
    let body = body.to_string();
    let target = signed_target(APP, "POST", "/apps/it/events", &[], body.as_bytes());
    let request = Request::new("POST", target).header("If-None-Match", "*");
    let response = server.send(request.body("application/json", body)).await;
    assert_eq!(response.refused(400, "two channels"), "invalid_condition");
    server.stop().await;
}

#[tokio::test]
async fn cleared_history_is_gone_for_all_readers() {
    let server = TestServer::start(&logged("")).await;
    let token = server.token(&ALL).await;
    for (number, signed) in [false, true].into_iter().enumerate() {
        let channel = format!("private-cache-log-{number}");
        server.publish(&channel, "e", "1").await;
        let path = format!("/channels/{channel}/history");
        let response = if signed {
            let path = format!("/apps/it{path}");
            let target = signed_target(APP, "DELETE", &path, &[], b"");
            server.send(Request::new("DELETE", target)).await
        } else {
            server.send(page_request("DELETE", &path).bearer(&token)).await
        };
        assert_eq!((response.status, response.body.len()), (204, 0), "{}", response.text());
        let page = server.page_get(&token, &path).await.expect(200, "empty");
        assert_eq!(data(&page).len(), 0);
        let last = server.page_get(&token, &format!("/channels/{channel}/last")).await;
        assert_eq!(last.status, 204);
    }
    for path in ["/channels/private-x/history", "/channels/x/history"] {
        let response = server.send(page_request("DELETE", path).bearer(&token)).await;
        assert_eq!(response.refused(404, path), "no_history");
        assert_eq!(server.page_get(&token, path).await.refused(404, path), "no_history");
    }
    server.stop().await;
}

/// Otherwise no condition could name the event any more.
#[tokio::test]
async fn last_event_keeps_its_position_when_a_member_is_removed() {
    let sealed = format!("derivation = \"hkdf\"\nmaster_key = \"{}\"", base64(&master_key("last")));
    let server = TestServer::start(&logged(&sealed)).await;
    let token = server.token(&["subscribe"]).await;
    let channel = "private-encrypted-cache-log";
    server.publish(channel, "e", "1").await;
    let path = format!("/channels/{channel}/last");
    let before = server.page_get(&token, &path).await;
    let tag = before.header("ETag").expect("a tag").to_owned();
    let revoke = format!("/channels/{channel}/revoke");
    server.post(&revoke, &json!({"user_id": "somebody"})).await.expect(200, "revoked");
    until("another envelope", async || {
        let after = server.page_get(&token, &path).await;
        assert_eq!(after.header("ETag"), Some(&*tag));
        (after.expect(200, "an event")["data"] != before.json()["data"]).then_some(())
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn encryption_settings_stay() {
    let mut salts = Vec::new();
    for _ in 0..2 {
        let server = TestServer::start(&logged("")).await;
        let token = server.token(&["subscribe"]).await;
        for channel in ["private-a", "private-b", "news"] {
            let path = format!("/channels/{channel}/encryption-settings");
            let settings = server.page_get(&token, &path).await.expect(200, channel);
            let salt = settings["salt"].as_str().expect("a salt").to_owned();
            assert_eq!(unbase64(&salt).len(), 16);
            let expected = json!({"salt": salt, "kdf": "PBKDF2", "hash": "SHA-256", "iterations": 600_000, "version": 1});
            assert_eq!(settings, expected);
            salts.push(salt);
        }
        server.stop().await;
    }
    assert_eq!(salts[..3], salts[3..], "after a restart");
    assert!(salts[0] != salts[1] && salts[1] != salts[2]);
}

#[tokio::test]
async fn events_of_pages_are_limited() {
    let limits = "limits.client_events_per_second = 2\nlimits.client_event_bytes = 10";
    let server = TestServer::start(&logged(limits)).await;
    let token = server.token(&["trigger"]).await;
    let send = async |body: Value| server.page_post(&token, "/events", &body).await;
    let large = send(event("private-a", "12345678901")).await;
    assert_eq!(large.refused(413, "too large"), "event_too_large");
    send(event("private-a", "1234567890")).await.expect(200, "as large as it may be");
    let limited = send(event("private-a", "")).await;
    assert_eq!(limited.refused(429, "the third"), "rate_limited");
    assert!(limited.header("Retry-After").is_some());
    let other = server.token_for("u2", &["*"], &["trigger"]).await;
    server.page_post(&other, "/events", &event("private-a", "")).await.expect(200, "another user");
    server.stop().await;
}
