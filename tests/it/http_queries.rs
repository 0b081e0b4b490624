//! protocol.md 7.4 to 7.6: queries about channels and users.

use serde_json::{Value, json};

use crate::support::*;

#[tokio::test]
async fn s7_4_only_occupied_channels_are_listed() {
    let server = TestServer::start(&config("subscription_count = true")).await;
    let channels = async |params: &[(&str, &str)]| {
        server.get("/channels", params).await.expect(200, format!("{params:?}"))
    };
    assert_eq!(channels(&[]).await, json!({"channels": {}}), "an object also when empty");

    let mut alice = server.connect().await;
    let mut bob = server.connect().await;
    alice.subscribe("news").await;
    alice.expect_event("pusher_internal:subscription_count").await;
    alice.subscribe("private-x").await;
    alice.expect_event("pusher_internal:subscription_count").await;
    for (client, user) in [(&mut alice, "a"), (&mut bob, "b")] {
        client.join("presence-x", &json!({"user_id": user})).await;
    }
    bob.join("presence-y", &json!({"user_id": "b"})).await;
    server.publish("cache-nobody", "e", "1").await;

    assert_eq!(
        channels(&[]).await,
        json!({"channels": {"news": {}, "private-x": {}, "presence-x": {}, "presence-y": {}}})
    );
    let filter = ("filter_by_prefix", "presence-");
    assert_eq!(
        channels(&[filter]).await,
        json!({"channels": {"presence-x": {}, "presence-y": {}}})
    );
    assert_eq!(
        channels(&[filter, ("info", "user_count")]).await,
        json!({"channels": {"presence-x": {"user_count": 2}, "presence-y": {"user_count": 1}}})
    );
    let narrow = [("filter_by_prefix", "presence-y"), ("info", "user_count")];
    assert_eq!(channels(&narrow).await, json!({"channels": {"presence-y": {"user_count": 1}}}));
    assert_eq!(channels(&[("filter_by_prefix", "nothing-")]).await, json!({"channels": {}}));
    let counted = channels(&[("filter_by_prefix", "news"), ("info", "subscription_count")]).await;
    assert_eq!(counted, json!({"channels": {"news": {"subscription_count": 1}}}));

    for params in
        [&[("info", "user_count")][..], &[("info", "user_count"), ("filter_by_prefix", "private-")]]
    {
        server.get("/channels", params).await.refused(400, format!("{params:?}"));
    }
    // The answer is current.
    bob.unsubscribe("presence-y").await;
    bob.expect_silence().await;
    assert_eq!(channels(&narrow).await, json!({"channels": {}}));
    server.stop().await;
}

#[tokio::test]
async fn s7_5_channel_query() {
    let server = TestServer::start(&config("subscription_count = true")).await;
    let channel = async |name: &str, info: &str| {
        let params = if info.is_empty() { vec![] } else { vec![("info", info)] };
        server
            .get(&format!("/channels/{name}"), &params)
            .await
            .expect(200, format!("{name} {info}"))
    };
    assert_eq!(channel("never-seen", "").await, json!({"occupied": false}));
    assert_eq!(
        channel("never-seen", "subscription_count").await,
        json!({"occupied": false, "subscription_count": 0})
    );
    assert_eq!(
        channel("presence-x", "user_count").await,
        json!({"occupied": false, "user_count": 0})
    );

    let mut clients = Vec::new();
    for user in ["a", "b", "b"] {
        let mut client = server.connect().await;
        client.join("presence-x", &json!({"user_id": user})).await;
        client.subscribe("news").await;
        clients.push(client);
    }
    assert_eq!(channel("news", "").await, json!({"occupied": true}));
    assert_eq!(
        channel("news", "subscription_count").await,
        json!({"occupied": true, "subscription_count": 3})
    );
    assert_eq!(
        channel("presence-x", "user_count,subscription_count").await,
        json!({"occupied": true, "user_count": 2, "subscription_count": 3})
    );
    assert_eq!(
        channel("news", "unheard_of").await,
        json!({"occupied": true}),
        "unknown attributes are ignored"
    );
    let users_of_public = server.get("/channels/news", &[("info", "user_count")]).await;
    assert_eq!(users_of_public.refused(400, "users of a public channel"), "invalid_info");
    let channel_of_a_user = server.get("/channels/%23server-to-user-u1", &[]).await;
    assert_eq!(channel_of_a_user.refused(400, "a channel of a user"), "reserved_channel");
    server.get("/channels/a%20b", &[]).await.refused(400, "a name with a blank");

    for client in clients {
        client.close().await;
    }
    server.until_stat("sockets", 0).await;
    assert_eq!(
        channel("presence-x", "user_count").await,
        json!({"occupied": false, "user_count": 0})
    );
    server.stop().await;
}

#[tokio::test]
async fn s7_5_cached_event_of_a_channel() {
    let server = TestServer::start(&config("limits.cache_ttl_seconds = 60")).await;
    let cache = async |name: &str| {
        let answer =
            server.get(&format!("/channels/{name}"), &[("info", "cache")]).await.expect(200, name);
        answer["cache"].clone()
    };
    assert_eq!(cache("cache-x").await, Value::Null);
    server.publish("cache-x", "e", "{ \"n\": 1 }").await;
    let cached = cache("cache-x").await;
    assert_eq!(cached["data"], "{ \"n\": 1 }", "{cached}");
    assert!(cached["ttl"].as_u64().is_some_and(|ttl| ttl <= 60), "{cached}");
    let answer = server.get("/channels/cache-x", &[("info", "cache")]).await.expect(200, "cache-x");
    assert_eq!(answer["occupied"], false, "remembered is not occupied: {answer}");
    server.stop().await;
}

#[tokio::test]
async fn s7_6_users_of_a_presence_channel() {
    let server = TestServer::start(&config("")).await;
    let users = async |name: &str| server.get(&format!("/channels/{name}/users"), &[]).await;
    assert_eq!(users("presence-x").await.expect(200, "empty"), json!({"users": []}));
    let mut clients = Vec::new();
    for user in [json!("a"), json!(10), json!("10"), json!("é")] {
        let mut client = server.connect().await;
        client.join("presence-x", &json!({"user_id": user, "user_info": {"private": true}})).await;
        clients.push(client);
    }
    let answer = users("presence-x").await.expect(200, "three users");
    let mut list = answer["users"].as_array().cloned().unwrap_or_default();
    list.sort_by_key(Value::to_string);
    assert_eq!(list, [json!({"id": "10"}), json!({"id": "a"}), json!({"id": "é"})], "{answer}");
    for name in ["news", "private-x", "presence", "cache-x"] {
        assert_eq!(users(name).await.refused(400, name), "not_a_presence_channel");
    }
    server.stop().await;
}
