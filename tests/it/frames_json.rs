//! protocol.md 1.8 at the level of JSON: no message harms the socket, other sockets or the
//! process.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::support::*;

/// Sends one invalid message, then a ping; expects errors at most, and the pong.
async fn complain(client: &mut Client, message: &str, codes: &[Value]) -> usize {
    client.send_text(message).await;
    client.send(&json!({"event": "pusher:ping"})).await;
    let mut complaints = 0;
    loop {
        let frame = match client.incoming().await {
            Incoming::Text(text) => {
                serde_json::from_str::<Value>(&text).expect("the server speaks JSON")
            }
            closed => panic!("{message}: {closed:?}"),
        };
        match frame["event"].as_str() {
            Some("pusher:pong") => return complaints,
            Some("pusher:error") => {
                let data = &frame["data"];
                assert!(codes.contains(&data["code"]), "{message}: {frame}");
                assert!(data["message"].is_string(), "{message}: {frame}");
            }
            Some("pusher:subscription_error") => {
                assert!(frame["data"].is_object(), "{message}: {frame}")
            }
            _ => panic!("{message}: answered with {frame}"),
        }
        complaints += 1;
        assert!(complaints <= 2, "{message}: too many answers");
    }
}

#[tokio::test]
async fn s1_8_malformed_messages_are_rejected() {
    let server = TestServer::start(&config("client_events = true")).await;
    let mut bystander = server.bystander().await;
    let mut client = server.connect().await;
    let rows = [
        "",
        " ",
        "x",
        "{",
        "}",
        "[]",
        "null",
        "true",
        "0",
        "-",
        "\"pusher:ping\"",
        "{}",
        "[{}]",
        "\u{0}",
        "\u{feff}{}",
        "{\"event\"}",
        "{\"event\":}",
        "{\"event\":null}",
        "{\"event\":1}",
        "{\"event\":[]}",
        "{\"event\":{}}",
        "{\"event\":\"\"}",
        "{'event':'pusher:ping'}",
        "{\"event\":\"pusher:ping\"",
        "{\"event\":\"pusher:ping\"}}",
        "{\"event\":\"pusher:ping\",}",
        "{\"event\":\"pusher:ping\"}{\"event\":\"pusher:ping\"}",
        "{\"event\":\"\\ud800\"}",
        "{\"event\":\"\\u12\"}",
        "{\"data\":{}}",
        "{\"channel\":\"x\"}",
        "{\"Event\":\"pusher:ping\"}",
        "{\"event\":\"x\",\"data\":1e999999}",
        "{\"event\":\"pusher:ping\",\"data\":tru}",
        "\n\n\n",
        "[\"hello\"]",
        "[\"pusher:subscribe\",{\"channel\":\"x\"}]",
        "[\"pusher:subscribe\",\"x\",{\"channel\":\"x\"}]",
    ];
    for row in rows {
        complain(&mut client, row, &[Value::Null]).await;
        server.still_serves(&mut bystander, row).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn s1_8_unknown_events_get_an_error_or_nothing() {
    let server = TestServer::start(&config("client_events = true")).await;
    let mut alice = server.connect().await;
    alice.subscribe("news").await;
    alice.subscribe("private-news").await;
    let mut client = server.connect().await;
    client.subscribe("news").await;
    client.subscribe("private-news").await;
    let events = [
        "pusher:",
        "pusher:unheard-of",
        "pusher:error",
        "pusher:connection_established",
        "pusher:cache_miss",
        "pusher:Ping",
        "pusher_internal:subscription_succeeded",
        "pusher_internal:member_added",
        "pusher_internal:",
        "pusher",
        "jetsocket:ping",
        "jetsocket:subscribe",
        "hello",
        "client",
        "Client-x",
        ":",
        "pusher:subscribe ",
        "pusher:signin_success",
    ];
    for event in events {
        for channel in ["news", "private-news"] {
            for data in [json!({"channel": channel}), json!("x"), Value::Null] {
                let message = json!({"event": event, "channel": channel, "data": data}).to_string();
                complain(&mut client, &message, &[Value::Null]).await;
            }
        }
    }
    alice.expect_silence().await;
    server.stop().await;
}

/// Values of all JSON types without a valid channel, signature or user.
fn wrong_values() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!(""),
        json!("not json"),
        json!("[]"),
        json!("null"),
        json!("5"),
        json!("\"x\""),
        json!([]),
        json!(["news"]),
        json!({}),
        json!({"channel": {}}),
        json!([[[[[]]]]]),
        json!("\u{0}"),
    ]
}

#[tokio::test]
async fn s1_8_wrong_types_in_each_field() {
    let server = TestServer::start(&config("client_events = true\nwatchlist = true")).await;
    let mut bystander = server.bystander().await;
    let mut client = server.connect().await;
    client.subscribe("private-mine").await;
    let codes = [Value::Null, json!(4009)];
    for value in wrong_values() {
        let mut messages = vec![
            json!({"event": value, "data": {"channel": "news"}}),
            json!({"event": "pusher:subscribe", "data": value}),
            json!({"event": "pusher:subscribe", "channel": value}),
            json!({"event": "pusher:unsubscribe", "data": value}),
            json!({"event": "pusher:unsubscribe", "data": {"channel": value}}),
            json!({"event": "pusher:subscribe", "data": {"channel": "private-x", "auth": value}}),
            json!({"event": "pusher:subscribe", "data": {"channel": "presence-x", "auth": value, "channel_data": value}}),
            json!({"event": "pusher:signin", "data": value}),
            json!({"event": "pusher:signin", "data": {"auth": value, "user_data": value}}),
            json!({"event": "pusher:signin", "data": {"auth": "x:y", "user_data": value}}),
            json!({"event": "client-x", "channel": value, "data": "x"}),
            json!({"event": "client-x", "data": value}),
        ];
        // Two of the strings are names of public channels.
        if !["5", "null"].contains(&value.as_str().unwrap_or_default()) {
            messages.push(json!({"event": "pusher:subscribe", "data": {"channel": value}}));
        }
        // A valid signature over invalid channel data.
        if let Some(text) = value.as_str() {
            let auth = client.auth("presence-x", Some(text));
            messages.push(json!({"event": "pusher:subscribe", "data": {"channel": "presence-x", "auth": auth, "channel_data": text}}));
            let auth = APP.user_auth(&client.socket_id, text);
            messages
                .push(json!({"event": "pusher:signin", "data": {"auth": auth, "user_data": text}}));
        }
        for message in messages {
            complain(&mut client, &message.to_string(), &codes).await;
        }
        server.still_serves(&mut bystander, &value).await;
    }
    assert_eq!(server.stats().await["subscriptions"], 2, "nothing above is a subscription");
    assert_eq!(server.stats().await["users"], 0, "nothing above is a sign-in");
    server.stop().await;
}

#[tokio::test]
async fn s1_8_deep_nesting_is_refused_without_a_crash() {
    let top = "message_bytes = 4194304\nhttp_body_bytes = 4194304";
    let server =
        TestServer::start(&config_of(top, &[(APP, "client_events = true\nauthorizer = \"open\"")]))
            .await;
    let mut bystander = server.bystander().await;
    let mut client = server.connect().await;
    client.subscribe("private-mine").await;
    let arrays = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let open = "[".repeat(100_000);
    let objects = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    for deep in [&arrays, &open, &objects] {
        let escaped = json!(deep).to_string();
        let auth = client.auth("presence-x", Some(deep));
        let messages = [
            deep.clone(),
            format!(r#"{{"event":{deep}}}"#),
            format!(r#"{{"event":"pusher:subscribe","data":{deep}}}"#),
            format!(r#"{{"event":"pusher:subscribe","data":{escaped}}}"#),
            format!(
                r#"{{"event":"pusher:subscribe","data":{{"channel":"presence-x","auth":"{auth}","channel_data":{escaped}}}}}"#
            ),
            format!(r#"{{"event":"pusher:signin","data":{{"auth":"x:y","user_data":{escaped}}}}}"#),
            format!(r#"{{"event":"client-x","channel":"private-mine","data":{deep}}}"#),
            format!(r#"{{"event":"hello","x":{deep}}}"#),
        ];
        for message in messages {
            client.send_text(message.as_str()).await;
            client.send(&json!({"event": "pusher:ping"})).await;
            let start: String = message.chars().take(60).collect();
            while client.next().await["event"] != "pusher:pong" {}
            server.still_serves(&mut bystander, &start).await;
        }
        for path in ["/apps/it/events", "/apps/it/batch_events"] {
            for body in [deep.clone(), format!(r#"{{"name":"e","channel":"x","data":{deep}}}"#)] {
                let target = signed_target(APP, "POST", path, &[], body.as_bytes());
                let response =
                    server.send(Request::new("POST", target).body("application/json", body)).await;
                response.refused(400, path);
            }
        }
        let response = server
            .send(
                Request::new("POST", "/apps/it/auth/channel")
                    .body("application/json", "[".repeat(16_000)),
            )
            .await;
        response.refused(400, "auth/channel");
        server.still_serves(&mut bystander, "deep HTTP bodies").await;
    }
    server.stop().await;
}

#[tokio::test]
async fn s1_8_moderate_nesting_is_preserved() {
    let server = TestServer::start(&config("client_events = true")).await;
    let mut alice = server.connect().await;
    let mut bob = server.connect().await;
    alice.subscribe("private-x").await;
    bob.subscribe("private-x").await;
    let deep = (0..20).fold(json!("end"), |inner, _| json!({"in": [inner]}));
    alice.client_event("private-x", "client-deep", deep.clone()).await;
    assert_eq!(bob.expect_event("client-deep").await, deep);
    server.stop().await;
}

/// Random messages resembling the protocol.
fn any_message() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("pusher:subscribe"),
        Just("pusher:unsubscribe"),
        Just("pusher:signin"),
        Just("client-x"),
        Just("pusher:x"),
        Just("event"),
        Just("data"),
        Just("channel"),
        Just("auth"),
        Just("channel_data"),
        Just("user_data"),
        Just("private-x"),
        Just("presence-x"),
        Just("{}"),
        Just("{\"user_id\":1}"),
        Just("#server-to-user-x"),
        Just("private-encrypted-x"),
        Just("é\u{0}\u{1f980}"),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..4).prop_map(|pairs| Value::Object(
                pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
            )),
        ]
    });
    (value.clone(), value.clone(), value, any::<prop::sample::Index>(), 0..8u8).prop_map(
        |(event, data, channel, cut, mode)| {
            let text = json!({"event": event, "data": data, "channel": channel}).to_string();
            // One message in eight is cut somewhere.
            if mode > 0 { text } else { text.chars().take(cut.index(text.len())).collect() }
        },
    )
}

#[tokio::test]
async fn s1_8_random_messages_never_close_a_connection() {
    let server = TestServer::start(&config("client_events = true\nwatchlist = true")).await;
    let mut bystander = server.bystander().await;
    let mut client = server.connect().await;
    let mut runner = TestRunner::deterministic();
    let messages = any_message();
    for _ in 0..1500 {
        let message = messages.new_tree(&mut runner).expect("a message").current();
        client.send_text(message.as_str()).await;
        client.send(&json!({"event": "pusher:ping"})).await;
        loop {
            match client.incoming().await {
                Incoming::Text(text) if text.contains("pusher:pong") => break,
                Incoming::Text(text) => {
                    assert!(serde_json::from_str::<Value>(&text).is_ok(), "{message}: {text}")
                }
                closed => panic!("{message}: {closed:?}"),
            }
        }
    }
    server.still_serves(&mut bystander, "random messages").await;
    server.stop().await;
}
