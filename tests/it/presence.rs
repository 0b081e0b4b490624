//! protocol.md 3: the members of a presence channel, joins and leaves.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::*;

fn added(channel: &str, data: Value) -> Value {
    json!({"event": "pusher_internal:member_added", "channel": channel, "data": data})
}

fn removed(channel: &str, id: &str) -> Value {
    json!({"event": "pusher_internal:member_removed", "channel": channel, "data": {"user_id": id}})
}

#[tokio::test]
async fn s3_success_frame_lists_all_members_and_the_newcomer() {
    let server = TestServer::start(&config("")).await;
    let mut alice = server.connect().await;
    let presence =
        alice.join("presence-x", &json!({"user_id": "a", "user_info": {"name": "A"}})).await;
    assert_eq!(presence, json!({"ids": ["a"], "hash": {"a": {"name": "A"}}, "count": 1}));

    let mut bob = server.connect().await;
    let mut presence = bob.join("presence-x", &json!({"user_id": "b"})).await;
    if let Some(ids) = presence["ids"].as_array_mut() {
        ids.sort_by_key(Value::to_string);
    }
    // One key per id, also without user_info.
    assert_eq!(
        presence,
        json!({"ids": ["a", "b"], "hash": {"a": {"name": "A"}, "b": null}, "count": 2})
    );

    let event = alice.next().await;
    assert_eq!(event["event"], "pusher_internal:member_added", "{event}");
    assert_eq!(event["channel"], "presence-x", "{event}");
    let data = inner(&event);
    assert_eq!(data["user_id"], "b", "{event}");
    assert!(data["user_info"].is_null(), "{event}");
    bob.expect_silence().await;
    bob.close().await;
    alice.expect(removed("presence-x", "b")).await;
    server.stop().await;
}

#[tokio::test]
async fn s3_user_info_reaches_the_others() {
    let server = TestServer::start(&config("limits.member_returns_per_minute = 0")).await;
    let mut alice = server.connect().await;
    alice.join("presence-x", &json!({"user_id": "a"})).await;
    // Recommended: any JSON is accepted as user_info.
    let infos = [
        json!({}),
        json!({"name": "é ✓", "deep": {"list": [1, null, "x"]}}),
        json!([1, 2]),
        json!("text"),
        json!(5),
        json!(false),
    ];
    for info in infos {
        let data = json!({"user_id": "b", "user_info": info});
        let mut bob = server.connect().await;
        let presence = bob.join("presence-x", &data).await;
        assert_eq!(presence["hash"]["b"], info, "{data}");
        alice.expect(added("presence-x", data)).await;
        bob.unsubscribe("presence-x").await;
        alice.expect(removed("presence-x", "b")).await;
        bob.expect_silence().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn s3_numeric_ids_become_strings() {
    let server = TestServer::start(&config("")).await;
    let mut alice = server.connect().await;
    alice.join("presence-x", &json!({"user_id": "a"})).await;
    let rows = [
        (r#"{"user_id":10}"#, "10"),
        (r#"{"user_id":0}"#, "0"),
        (r#"{"user_id":9007199254740993}"#, "9007199254740993"),
        (r#"{"user_id":10,"user_info":{"name":"Mr. Channels"}}"#, "10"),
        (r#"{"user_info":null,"user_id":"10"}"#, "10"),
    ];
    for (channel_data, id) in rows {
        let mut bob = server.connect().await;
        bob.send_presence_subscribe("presence-x", channel_data).await;
        let presence = bob.expect_joined("presence-x").await;
        let ids = presence["ids"].as_array().expect("a list");
        assert!(ids.contains(&json!(id)) && ids.len() == 2, "{channel_data}: {presence}");
        assert!(
            presence["hash"].as_object().is_some_and(|hash| hash.contains_key(id)),
            "{channel_data}: {presence}"
        );
        let data = alice.expect_event("pusher_internal:member_added").await;
        assert_eq!(data["user_id"], id, "{channel_data}");
        let users = server.get("/channels/presence-x/users", &[]).await.expect(200, channel_data);
        assert!(
            users["users"].as_array().is_some_and(|list| list.contains(&json!({"id": id}))),
            "{users}"
        );
        bob.close().await;
        alice.expect(removed("presence-x", id)).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn s3_number_and_string_are_one_user() {
    let server = TestServer::start(&config("")).await;
    let mut first = server.connect().await;
    first.join("presence-x", &json!({"user_id": 7})).await;
    let mut second = server.connect().await;
    let presence = second.join("presence-x", &json!({"user_id": "7"})).await;
    assert_eq!(presence["count"], 1, "{presence}");
    first.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn s3_only_first_and_last_connection_of_a_user_are_announced() {
    let server = TestServer::start(&config("")).await;
    let mut watcher = server.connect().await;
    watcher.join("presence-x", &json!({"user_id": "w"})).await;
    let mut phone = server.connect().await;
    phone.join("presence-x", &json!({"user_id": "u", "user_info": {"on": "phone"}})).await;
    watcher
        .expect(added("presence-x", json!({"user_id": "u", "user_info": {"on": "phone"}})))
        .await;

    let mut laptop = server.connect().await;
    let presence =
        laptop.join("presence-x", &json!({"user_id": "u", "user_info": {"on": "laptop"}})).await;
    assert_eq!(presence["count"], 2, "{presence}");
    // The first connection's info stays: no other was announced.
    assert_eq!(presence["hash"]["u"], json!({"on": "phone"}), "{presence}");
    watcher.expect_silence().await;
    phone.expect_silence().await;

    let answer =
        server.get("/channels/presence-x", &[("info", "user_count,subscription_count")]).await;
    assert_eq!(answer.expect(200, "counts")["user_count"], 2);

    phone.close().await;
    watcher.expect_silence().await;
    laptop.expect_silence().await;
    laptop.unsubscribe("presence-x").await;
    watcher.expect(removed("presence-x", "u")).await;
    laptop.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn s3_each_way_of_leaving_is_announced() {
    let server = TestServer::start(&config("")).await;
    let mut watcher = server.connect().await;
    for channel in ["presence-x", "presence-cache-x"] {
        watcher.send_presence_subscribe(channel, r#"{"user_id":"w"}"#).await;
        watcher.expect_joined(channel).await;
        if channel.contains("cache") {
            watcher.expect_event("pusher:cache_miss").await;
        }
        for how in ["unsubscribe", "close frame", "hang up"] {
            let mut client = server.connect().await;
            client.join(channel, &json!({"user_id": how})).await;
            let data = watcher.expect_event("pusher_internal:member_added").await;
            assert_eq!(data["user_id"], how, "{channel}");
            match how {
                "unsubscribe" => client.unsubscribe(channel).await,
                "close frame" => client.close().await,
                _ => drop(client),
            }
            watcher.expect(removed(channel, how)).await;
        }
    }
    watcher.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn s3_leaving_one_channel_keeps_the_others() {
    let server = TestServer::start(&config("")).await;
    let mut watcher = server.connect().await;
    let mut client = server.connect().await;
    for channel in ["presence-x", "presence-y"] {
        watcher.join(channel, &json!({"user_id": "w"})).await;
        client.join(channel, &json!({"user_id": "u"})).await;
        watcher.expect_event("pusher_internal:member_added").await;
    }
    client.unsubscribe("presence-x").await;
    watcher.expect(removed("presence-x", "u")).await;
    client.unsubscribe("presence-x").await;
    watcher.expect_silence().await;
    server.publish("presence-y", "e", "1").await;
    client.expect(json!({"event": "e", "channel": "presence-y", "data": "1"})).await;
    client.expect_silence().await;
    server.stop().await;
}

/// A member's view after its success frame and all following events.
fn apply(known: &mut BTreeSet<String>, frame: &Value, me: &str) {
    let id =
        inner(frame)["user_id"].as_str().unwrap_or_else(|| panic!("no id: {frame}")).to_owned();
    match frame["event"].as_str() {
        Some("pusher_internal:member_added") => {
            assert!(known.insert(id), "{me}: told twice, or in the list already: {frame}")
        }
        Some("pusher_internal:member_removed") => {
            assert!(known.remove(&id), "{me}: nobody by that name is here: {frame}")
        }
        _ => panic!("{me}: {frame}"),
    }
}

#[tokio::test]
async fn s3_concurrent_joins_and_leaves_converge() {
    let running = TestServer::start(&config("")).await;
    let server = &running;
    let crowd = (0..24).map(async |i| {
        let (mut client, id) = (server.connect().await, format!("u{i}"));
        let presence = client.join("presence-x", &json!({"user_id": id})).await;
        let known: BTreeSet<String> =
            serde_json::from_value(presence["ids"].clone()).expect("a list of strings");
        assert!(known.contains(&id), "{id}: not in its own list {presence}");
        assert_eq!(presence["count"], known.len(), "{presence}");
        assert_eq!(
            presence["hash"].as_object().map(|hash| hash.len()),
            Some(known.len()),
            "{presence}"
        );
        (client, id, known)
    });
    let mut crowd = futures_util::future::join_all(crowd).await;
    let everybody: BTreeSet<String> = (0..24).map(|i| format!("u{i}")).collect();
    for (client, id, known) in &mut crowd {
        while *known != everybody {
            let frame = client.next().await;
            apply(known, &frame, id);
        }
        client.expect_silence().await;
    }
    // Half of them leave while others come.
    let leavers: Vec<_> = crowd.drain(..12).collect();
    let leaving = async {
        for (client, ..) in leavers {
            client.close().await;
        }
    };
    let coming = async {
        let mut newcomers = Vec::new();
        for i in 24..32 {
            let (mut client, id) = (server.connect().await, format!("u{i}"));
            let presence = client.join("presence-x", &json!({"user_id": id})).await;
            let known: BTreeSet<String> =
                serde_json::from_value(presence["ids"].clone()).expect("a list");
            newcomers.push((client, id, known));
        }
        newcomers
    };
    let (newcomers, ()) = tokio::join!(coming, leaving);
    crowd.extend(newcomers);
    let remaining: BTreeSet<String> = (12..32).map(|i| format!("u{i}")).collect();
    for (client, id, known) in &mut crowd {
        while *known != remaining {
            let frame = client.next().await;
            apply(known, &frame, id);
        }
        client.expect_silence().await;
    }
    let users =
        server.get("/channels/presence-x", &[("info", "user_count")]).await.expect(200, "count");
    assert_eq!(users["user_count"], 20);
    running.stop().await;
}
