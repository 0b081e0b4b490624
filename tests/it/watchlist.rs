//! protocol.md 5.3: notices about users of a watchlist coming online and going offline.

use serde_json::{Value, json};

use crate::support::*;

fn events(groups: Value) -> Value {
    json!({"event": "pusher_internal:watchlist_events", "data": {"events": groups}})
}

fn online(ids: &[&str]) -> Value {
    json!({"name": "online", "user_ids": ids})
}

fn offline(ids: &[&str]) -> Value {
    json!({"name": "offline", "user_ids": ids})
}

#[tokio::test]
async fn s5_3_state_at_sign_in_and_each_change_are_sent() {
    let server = TestServer::start(&config("watchlist = true")).await;
    let mut bob = server.connect().await;
    bob.sign_in(&json!({"id": "bob"})).await;
    let mut alice = server.connect().await;
    alice.sign_in(&json!({"id": "alice", "watchlist": ["bob", "carol"]})).await;
    let first = alice.next().await;
    assert_eq!(first["event"], "pusher_internal:watchlist_events", "{first}");
    assert_eq!(first.get("channel"), None, "{first}");
    let mut groups = inner(&first)["events"].as_array().cloned().unwrap_or_default();
    groups.sort_by_key(|group| group["name"].to_string());
    assert_eq!(groups, [offline(&["carol"]), online(&["bob"])], "{first}");

    let mut carol = server.connect().await;
    carol.sign_in(&json!({"id": "carol"})).await;
    alice.expect(events(json!([online(&["carol"])]))).await;
    // A second connection of an online user changes nothing, in either direction.
    let mut carols_phone = server.connect().await;
    carols_phone.sign_in(&json!({"id": "carol"})).await;
    alice.expect_silence().await;
    carol.close().await;
    carols_phone.close().await;
    alice.expect(events(json!([offline(&["carol"])]))).await;
    bob.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn s5_3_empty_groups_are_omitted() {
    let server = TestServer::start(&config("watchlist = true")).await;
    let mut bob = server.connect().await;
    bob.sign_in(&json!({"id": "bob", "watchlist": ["alice"]})).await;
    bob.expect(events(json!([offline(&["alice"])]))).await;
    let mut alice = server.connect().await;
    alice.sign_in(&json!({"id": "alice", "watchlist": ["bob"]})).await;
    alice.expect(events(json!([online(&["bob"])]))).await;
    bob.expect(events(json!([online(&["alice"])]))).await;
    let mut nobody = server.connect().await;
    nobody.sign_in(&json!({"id": "n", "watchlist": []})).await;
    nobody.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn s5_3_off_by_default() {
    let server = TestServer::start(&config("")).await;
    let mut alice = server.connect().await;
    alice.sign_in(&json!({"id": "alice", "watchlist": ["bob"]})).await;
    let mut bob = server.connect().await;
    bob.sign_in(&json!({"id": "bob"})).await;
    alice.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn s5_3_too_long_watchlist_is_truncated_and_reported() {
    let server = TestServer::start(&config("watchlist = true\nlimits.watchlist_ids = 3")).await;
    let mut alice = server.connect().await;
    alice.sign_in(&json!({"id": "alice", "watchlist": ["a", "b", "c", "d"]})).await;
    let (mut told, mut refused) = (Value::Null, Value::Null);
    for _ in 0..2 {
        let frame = alice.next().await;
        if frame["event"] == "pusher:error" { refused = frame } else { told = frame }
    }
    assert_eq!(refused["data"]["code"], 4302, "{refused}");
    assert_eq!(inner(&told), json!({"events": [offline(&["a", "b", "c"])]}), "{told}");
    let mut cut = server.connect().await;
    cut.sign_in(&json!({"id": "d"})).await;
    alice.expect_silence().await;
    let mut kept = server.connect().await;
    kept.sign_in(&json!({"id": "c"})).await;
    alice.expect(events(json!([online(&["c"])]))).await;
    server.stop().await;
}

#[tokio::test]
async fn s5_3_watcher_is_forgotten_after_its_departure() {
    let server = TestServer::start(&config("watchlist = true")).await;
    for _ in 0..3 {
        let mut alice = server.connect().await;
        alice.sign_in(&json!({"id": "alice", "watchlist": ["bob"]})).await;
        alice.expect(events(json!([offline(&["bob"])]))).await;
        alice.close().await;
        server.until_stat("users", 0).await;
    }
    let mut bob = server.connect().await;
    bob.sign_in(&json!({"id": "bob"})).await;
    bob.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn s5_3_invalid_watchlist_never_closes_the_connection() {
    let server = TestServer::start(&config("watchlist = true")).await;
    let rows = [
        json!(null),
        json!("bob"),
        json!({}),
        json!(5),
        json!([1, null, {}, []]),
        json!([""]),
        json!(["alice", "alice"]),
    ];
    for row in rows {
        let mut client = server.connect().await;
        let user_data = json!({"id": "u", "watchlist": row}).to_string();
        client.send_sign_in(&user_data).await;
        client.send(&json!({"event": "pusher:ping"})).await;
        // Signed in or refused, the connection is answered and alive.
        let mut names: Vec<String> = Vec::new();
        let is_answer = |name: &String| name == "pusher:signin_success" || name == "pusher:error";
        let has_pong = |names: &[String]| names.iter().any(|name| name == "pusher:pong");
        while !has_pong(&names) || (answers_are_late() && !names.iter().any(is_answer)) {
            names.push(client.next().await["event"].as_str().unwrap_or_default().to_owned());
        }
        assert!(names.iter().any(is_answer), "{row}: {names:?}");
        assert!(answers_are_late() || is_answer(&names[0]), "{row}: {names:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn s5_3_page_change_is_not_a_departure() {
    let server = TestServer::start(&config("watchlist = true")).await;
    let mut bob = server.connect().await;
    bob.sign_in(&json!({"id": "bob"})).await;
    let mut alice = server.connect().await;
    alice.sign_in(&json!({"id": "alice", "watchlist": ["bob"]})).await;
    alice.expect(events(json!([online(&["bob"])]))).await;
    bob.close().await;
    server.until_stat("sockets", 1).await;
    let mut bob = server.connect().await;
    bob.sign_in(&json!({"id": "bob"})).await;
    alice.expect_silence().await;
    // No late notice either: the next one is about the final departure.
    bob.close().await;
    alice.expect(events(json!([offline(&["bob"])]))).await;
    alice.expect_silence().await;
    server.stop().await;
}
