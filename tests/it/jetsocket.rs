//! protocol.md 12: the same protocol with another prefix, in both directions.

use serde_json::{Value, json};

use crate::support::*;

const QUERY: &str = "protocol=7&dialect=jetsocket";

fn everything() -> String {
    let key = base64(&master_key("jetsocket"));
    config(&format!(
        "client_events = true\nsubscription_count = true\nwatchlist = true\nmaster_key = \"{key}\""
    ))
}

#[tokio::test]
async fn s12_query_wins_over_the_app() {
    let server =
        TestServer::start(&config_of("", &[(APP, ""), (OTHER, "dialect = \"jetsocket\"")])).await;
    let rows = [
        (APP, "protocol=7", "pusher"),
        (APP, "protocol=7&client=js", "pusher"),
        (APP, QUERY, "jetsocket"),
        (APP, "protocol=7&client=jetsocket-js&version=1", "jetsocket"),
        (APP, "client=my-jetsocket-client&protocol=7", "jetsocket"),
        (APP, "protocol=7&client=jetsocket-js&dialect=pusher", "pusher"),
        (OTHER, "protocol=7", "jetsocket"),
        (OTHER, "protocol=7&client=js", "jetsocket"),
        (OTHER, "protocol=7&dialect=pusher", "pusher"),
    ];
    for (app, query, wanted) in rows {
        let path = format!("/app/{}?{query}", app.key);
        let client = Client::connect(&server, app, &path, &[]).await;
        assert_eq!(client.dialect, wanted, "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn s12_refusals_use_the_dialect_too() {
    let server = TestServer::start(&config_of(
        "",
        &[(APP, "limits.connections = 0"), (OTHER, "enabled = false")],
    ))
    .await;
    let rows = [
        (format!("/app/nobody?{QUERY}"), 4001),
        (format!("/app/{}?{QUERY}", OTHER.key), 4003),
        (format!("/app/{}?protocol=3&dialect=jetsocket", APP.key), 4007),
        (format!("/app/{}?{QUERY}", APP.key), 4004),
        (format!("/elsewhere?{QUERY}"), 4005),
    ];
    for (path, code) in rows {
        let mut client = Client::dial(&server, APP, &path, &[]).await;
        client.dialect = "jetsocket";
        println!("{path}");
        client.expect_rejection(code).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn s12_each_event_in_both_directions() {
    let server = TestServer::start(&everything()).await;
    let mut client = server.connect_with(QUERY).await;
    assert_eq!(client.dialect, "jetsocket");

    // jetsocket:ping and jetsocket:pong, both ways.
    client.expect_silence().await;
    client.send(&json!({"event": "jetsocket:pong"})).await;
    client.expect_silence().await;

    // jetsocket:subscribe, jetsocket_internal:subscription_succeeded, jetsocket_internal:subscription_count.
    client.subscribe("news").await;
    let data = client.expect_event("jetsocket_internal:subscription_count").await;
    assert_eq!(data, json!({"subscription_count": 1}));
    // jetsocket:cache_miss.
    client.subscribe("cache-x").await;
    let mut names = [client.next().await, client.next().await]
        .map(|f| f["event"].as_str().unwrap_or("").to_owned());
    names.sort();
    assert_eq!(names, ["jetsocket:cache_miss", "jetsocket_internal:subscription_count"]);
    // jetsocket:subscription_error and jetsocket:error; the signature strings are the same as ever.
    let data = json!({"channel": "private-x", "auth": "x:y"});
    client.send(&json!({"event": "jetsocket:subscribe", "data": data})).await;
    client.expect_refused("private-x").await;
    client.send_subscribe("news").await;
    client.expect_error(None).await;
    // Members.
    let presence = client.join("presence-x", &json!({"user_id": "a"})).await;
    assert_eq!(presence["count"], 1);
    let mut second = server.connect_with(QUERY).await;
    second.join("presence-x", &json!({"user_id": "b"})).await;
    let data = client.expect_event("jetsocket_internal:member_added").await;
    assert_eq!(data["user_id"], "b");
    second.client_event("presence-x", "client-x", json!("1")).await;
    client
        .expect(json!({"event": "client-x", "channel": "presence-x", "data": "1", "user_id": "b"}))
        .await;
    second.unsubscribe("presence-x").await;
    let data = client.expect_event("jetsocket_internal:member_removed").await;
    assert_eq!(data, json!({"user_id": "b"}));
    // Users and watchlists.
    client.sign_in(&json!({"id": "u1", "watchlist": ["u2"]})).await;
    let data = client.expect_event("jetsocket_internal:watchlist_events").await;
    assert_eq!(data, json!({"events": [{"name": "offline", "user_ids": ["u2"]}]}));
    client.send_sign_in(r#"{"id":"u9"}"#).await;
    client.expect_error(Some(4009)).await;
    client.subscribe("#server-to-user-u1").await;
    server.publish("#server-to-user-u1", "e", "1").await;
    client.expect(json!({"event": "e", "channel": "#server-to-user-u1", "data": "1"})).await;
    // Sealed channels.
    client.subscribe("private-encrypted-x").await;
    client.expect_event("jetsocket_internal:subscription_count").await;
    server.publish("private-encrypted-x", "e", "hello").await;
    let frame = client.next().await;
    let secret = shared_secret(&master_key("jetsocket"), "private-encrypted-x");
    assert_eq!(open(&secret, frame["data"].as_str().unwrap_or_default()), "hello");
    // The end.
    server.post("/users/u1/terminate_connections", &json!({})).await.expect(200, "terminate");
    client.expect_rejection(4009).await;
    server.stop().await;
}

#[tokio::test]
async fn s12_mixed_subscribers_get_events_in_their_own_dialect() {
    let server = TestServer::start(&everything()).await;
    let mut pusher = server.connect().await;
    let mut jetsocket = server.connect_with(QUERY).await;
    for client in [&mut pusher, &mut jetsocket] {
        client.join("presence-x", &json!({"user_id": client.dialect})).await;
    }
    let data = pusher.expect_event("pusher_internal:member_added").await;
    assert_eq!(data["user_id"], "jetsocket");
    // Application events have the same bytes in both dialects.
    server.publish("presence-x", "e", "{ \"n\": 1 }").await;
    assert_eq!(pusher.next_text().await, jetsocket.next_text().await);
    pusher.client_event("presence-x", "client-x", json!("1")).await;
    jetsocket
        .expect(
            json!({"event": "client-x", "channel": "presence-x", "data": "1", "user_id": "pusher"}),
        )
        .await;

    let mut third = server.connect().await;
    third.join("presence-x", &json!({"user_id": "third"})).await;
    pusher.expect_event("pusher_internal:member_added").await;
    jetsocket.expect_event("jetsocket_internal:member_added").await;
    third.close().await;
    pusher.expect_event("pusher_internal:member_removed").await;
    jetsocket.expect_event("jetsocket_internal:member_removed").await;

    pusher.subscribe("news").await;
    pusher.expect_event("pusher_internal:subscription_count").await;
    jetsocket.subscribe("news").await;
    jetsocket.expect_event("jetsocket_internal:subscription_count").await;
    pusher.expect_event("pusher_internal:subscription_count").await;

    pusher.sign_in(&json!({"id": "p", "watchlist": ["w"]})).await;
    pusher.expect_event("pusher_internal:watchlist_events").await;
    jetsocket.sign_in(&json!({"id": "j", "watchlist": ["w"]})).await;
    jetsocket.expect_event("jetsocket_internal:watchlist_events").await;
    let mut watched = server.connect().await;
    watched.sign_in(&json!({"id": "w"})).await;
    let ours = pusher.expect_event("pusher_internal:watchlist_events").await;
    let theirs = jetsocket.expect_event("jetsocket_internal:watchlist_events").await;
    assert_eq!(ours, theirs);
    server.stop().await;
}

#[tokio::test]
async fn s12_names_of_both_dialects_are_reserved_or_harmless() {
    let server = TestServer::start(&everything()).await;
    let mut client = server.connect_with(QUERY).await;
    client.subscribe("news").await;
    client.expect_event("jetsocket_internal:subscription_count").await;
    for event in [
        "jetsocket:unheard-of",
        "jetsocket_internal:member_added",
        "jetsocket:",
        "pusher:unheard-of",
    ] {
        client.send(&json!({"event": event, "channel": "news", "data": "1"})).await;
        client.send(&json!({"event": "jetsocket:ping"})).await;
        let mut frame = client.next().await;
        if frame["event"] == "jetsocket:error" {
            assert_eq!(frame["data"]["code"], Value::Null, "{event}: {frame}");
            frame = client.next().await;
        }
        assert_eq!(frame["event"], "jetsocket:pong", "{event}: {frame}");
    }
    server.stop().await;
}
