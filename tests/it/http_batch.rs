//! protocol.md 7.3: several events in one request, all or none.

use serde_json::{Value, json};

use crate::support::*;

fn item(channel: &str, data: &str) -> Value {
    json!({"name": "e", "channel": channel, "data": data})
}

#[tokio::test]
async fn s7_3_items_are_delivered_in_order() {
    let server = TestServer::start(&config("")).await;
    let mut alice = server.connect().await;
    let mut bob = server.connect().await;
    for client in [&mut alice, &mut bob] {
        client.subscribe("a").await;
        client.subscribe("b").await;
    }
    let order = ["a", "b", "a", "a", "b", "a", "b", "b", "a", "b"];
    let batch: Vec<Value> =
        order.iter().enumerate().map(|(n, channel)| item(channel, &n.to_string())).collect();
    let answer =
        server.post("/batch_events", &json!({"batch": batch})).await.expect(200, "ten items");
    assert!(answer == json!({}) || answer == json!([]), "{answer}");
    for client in [&mut alice, &mut bob] {
        for (n, channel) in order.iter().enumerate() {
            client.expect(json!({"event": "e", "channel": channel, "data": n.to_string()})).await;
        }
        client.expect_silence().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn s7_3_one_bad_item_rejects_the_batch() {
    let keys = format!("master_key = \"{}\"", base64(&master_key("batch")));
    let server = TestServer::start(&config(&keys)).await;
    let mut client = server.connect().await;
    client.subscribe("a").await;
    client.subscribe("cache-a").await;
    client.expect_event("pusher:cache_miss").await;
    let big = "x".repeat(10241);
    let foreign = seal(&[9; 32], [1; 24], b"1");
    let bad = [
        (json!({"name": "e", "data": "1"}), 400),
        (json!({"channel": "a", "data": "1"}), 400),
        (json!({"name": "e", "channel": "a"}), 400),
        (json!({"name": "e", "channel": "a b", "data": "1"}), 400),
        (json!({"name": "e", "channel": "a", "data": {"x": 1}}), 400),
        (json!({"name": "e", "channel": "a", "data": "1", "socket_id": "x"}), 400),
        (json!({"name": "pusher:x", "channel": "a", "data": "1"}), 400),
        (json!("a"), 400),
        (json!(["e", "1", "a"]), 400),
        (json!(null), 400),
        (item("a", &big), 413),
        (item("private-encrypted", "1"), 400),
        (item("private-encrypted-a", &foreign), 422),
    ];
    for (row, status) in bad {
        for place in 0..3 {
            let mut batch = vec![item("a", "0"), item("cache-a", "1")];
            batch.insert(place, row.clone());
            let response = server.post("/batch_events", &json!({"batch": batch})).await;
            assert!(
                response.status == status || (400..500).contains(&response.status) && status == 400,
                "{row}: {}",
                response.text()
            );
        }
    }
    client.expect_silence().await;
    assert_eq!(server.stats().await["cached_events"], 0);
    server.stop().await;
}

#[tokio::test]
async fn s7_3_batch_has_one_to_ten_items() {
    let server = TestServer::start(&config("")).await;
    for (n, status) in [(0, 400), (1, 200), (9, 200), (10, 200), (11, 400)] {
        let batch = vec![item("a", "1"); n];
        server
            .post("/batch_events", &json!({"batch": batch}))
            .await
            .expect(status, format!("{n} items"));
    }
    for body in [
        json!({}),
        json!([]),
        json!({"batch": null}),
        json!({"batch": {}}),
        json!({"batch": "x"}),
        json!([item("a", "1")]),
        json!([[item("a", "1")]]),
    ] {
        server.post("/batch_events", &body).await.refused(400, &body);
    }
    server.stop().await;
}

#[tokio::test]
async fn s11_ten_full_events_fit_into_one_request() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    client.subscribe("a").await;
    // The worst case of JSON: one byte of data becomes six on the wire.
    let data = "\u{1}".repeat(10240);
    let batch = vec![item("a", &data); 10];
    server
        .post("/batch_events", &json!({"batch": batch}))
        .await
        .expect(200, "10 times 10 KB of control characters");
    for _ in 0..10 {
        client.expect(json!({"event": "e", "channel": "a", "data": data})).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn s7_3_info_is_returned_in_order() {
    let server = TestServer::start(&config("subscription_count = true")).await;
    let mut client = server.connect().await;
    client.join("presence-a", &json!({"user_id": "u"})).await;
    let mut with_info = item("presence-a", "1");
    with_info["info"] = json!("user_count,subscription_count");
    let batch = json!({"batch": [item("b", "1"), with_info, item("presence-a", "2")]});
    let answer = server.post("/batch_events", &batch).await.expect(200, &batch);
    assert_eq!(answer, json!({"batch": [{}, {"user_count": 1, "subscription_count": 1}, {}]}));
    server.stop().await;
}

#[tokio::test]
async fn s7_3_each_item_has_its_own_excluded_socket() {
    let server = TestServer::start(&config("")).await;
    let mut alice = server.connect().await;
    let mut bob = server.connect().await;
    alice.subscribe("a").await;
    bob.subscribe("a").await;
    let mut not_alice = item("a", "1");
    not_alice["socket_id"] = json!(alice.socket_id);
    let mut not_bob = item("a", "2");
    not_bob["socket_id"] = json!(bob.socket_id);
    let batch = json!({"batch": [not_alice, not_bob, item("a", "3")]});
    server.post("/batch_events", &batch).await.expect(200, &batch);
    for (client, wanted) in [(&mut alice, ["2", "3"]), (&mut bob, ["1", "3"])] {
        for data in wanted {
            client.expect(json!({"event": "e", "channel": "a", "data": data})).await;
        }
        client.expect_silence().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn f25_invalid_event_of_a_batch_is_named() {
    let keys = format!("master_key = \"{}\"", base64(&master_key("batch")));
    let server = TestServer::start(&config(&keys)).await;
    let foreign = seal(&[9; 32], [1; 24], b"1");
    for (row, status, code) in [
        (json!({"channel": "a", "data": "1"}), 400, "invalid_event_name"),
        (json!({"name": "pusher:x", "channel": "a", "data": "1"}), 400, "invalid_event_name"),
        (json!({"name": "e", "data": "1"}), 400, "invalid_channels"),
        (json!({"name": "e", "channels": ["a"], "data": "1"}), 400, "invalid_batch"),
        (json!({"name": "e", "channel": "a b", "data": "1"}), 400, "invalid_channel"),
        (json!({"name": "e", "channel": "a"}), 400, "invalid_data"),
        (json!({"name": "e", "channel": "a", "data": {}}), 400, "invalid_data"),
        (
            json!({"name": "e", "channel": "a", "data": "1", "socket_id": "x"}),
            400,
            "invalid_socket_id",
        ),
        (json!("a"), 400, "invalid_json"),
        (json!({"name": 5}), 400, "invalid_json"),
        (item("a", &"x".repeat(10241)), 413, "event_too_large"),
        (item("private-encrypted-a", &foreign), 422, "envelope_does_not_open"),
    ] {
        for place in [0, 3] {
            let mut batch = vec![item("private-encrypted-b", "0"); 4];
            batch[place] = row.clone();
            let response = server.post("/batch_events", &json!({"batch": batch})).await;
            assert_eq!(response.refused(status, &row), code, "{}", response.text());
            let body = response.json();
            assert_eq!(body["index"], place, "{body}");
            let error = body["error"].as_str().unwrap_or_default();
            assert!(error.starts_with(&format!("batch[{place}]: ")), "{error}");
        }
        let single = server.post("/events", &row).await;
        assert_eq!(single.json().get("index"), None, "{}", single.text());
    }
    server.stop().await;
}

#[tokio::test]
async fn f32_batch_with_too_many_events_is_called_too_large() {
    let server = TestServer::start(&config("")).await;
    let batch = json!({"batch": vec![item("a", "1"); 11]});
    let response = server.post("/batch_events", &batch).await;
    assert_eq!(response.refused(400, "11 events"), "invalid_batch");
    let body = response.json();
    assert!(body["error"].as_str().is_some_and(|e| e.starts_with("Batch too large")), "{body}");
    assert_eq!(body.get("index"), None, "it is no single event: {body}");
    server.stop().await;
}
