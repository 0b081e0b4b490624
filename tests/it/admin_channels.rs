//! Channels as operators see them: lists, one channel, the busiest.

use serde_json::{Value, json};

use crate::support::*;

const SEALED: &str = "private-encrypted-cache-x";

fn configuration() -> String {
    let key = base64(&master_key("admin channels"));
    config(&format!(
        "authorizer = \"open\"\nmaster_key = \"{key}\"\nclient_events = true\n\
         [[apps.it.channels]]\npattern = \"*-log\"\nhistory = {{ events = 10 }}\n"
    ))
}

/// The state of one node is asked for.
async fn start() -> (TestServer, AdminClient) {
    let server = Launch::serve_plain(&configuration()).start().await;
    let admin = AdminClient::of(&server);
    (server, admin)
}

async fn ask(admin: &AdminClient, path: &str) -> Response {
    admin.send(&Request::new("GET", format!("/admin/apps/it{path}"))).await
}

fn names(page: &Value) -> Vec<&str> {
    let rows = page["channels"].as_array().expect("channels");
    rows.iter().map(|row| row["name"].as_str().expect("a name")).collect()
}

#[tokio::test]
async fn k_channels_are_listed_in_pages_by_prefix_and_kind() {
    let (server, admin) = start().await;
    let mut client = server.connect().await;
    let rooms = ["room-1", "room-2", "room-3", "private-a"];
    for channel in rooms {
        client.subscribe(channel).await;
    }
    client.join("presence-x", &json!({"user_id": "alice"})).await;
    let mut other = server.connect().await;
    other.join("presence-x", &json!({"user_id": "alice"})).await;
    other.subscribe("room-1").await;

    let all = ask(&admin, "/channels").await.expect(200, "all");
    assert_eq!(names(&all), ["presence-x", "private-a", "room-1", "room-2", "room-3"]);
    let row = |page: &Value, index: usize| page["channels"][index].clone();
    assert_eq!(
        row(&all, 0),
        json!({"name": "presence-x", "kind": "presence", "subscription_count": 2, "user_count": 1})
    );
    assert_eq!(row(&all, 2), json!({"name": "room-1", "kind": "public", "subscription_count": 2}));
    assert_eq!(all.get("next"), None);

    let first = ask(&admin, "/channels?prefix=room-&limit=2").await.expect(200, "a page");
    assert_eq!((names(&first), &first["next"]), (vec!["room-1", "room-2"], &json!("room-2")));
    let last = ask(&admin, "/channels?prefix=room-&limit=2&after=room-2").await.expect(200, "next");
    assert_eq!((names(&last), last.get("next")), (vec!["room-3"], None));
    let private = ask(&admin, "/channels?kind=private").await.expect(200, "a kind");
    assert_eq!(names(&private), ["private-a"]);
    for (query, code) in [
        ("limit=0", "invalid_limit"),
        ("limit=201", "invalid_limit"),
        ("limit=x", "invalid_limit"),
        ("kind=user", "invalid_filter"),
        ("kind=", "invalid_filter"),
    ] {
        let response = ask(&admin, &format!("/channels?{query}")).await;
        assert_eq!(response.refused(400, query), code, "{query}");
    }
    server.stop().await;
}

#[tokio::test]
async fn k_presence_channel_shows_members_with_their_connections() {
    let (server, admin) = start().await;
    let mut clients = Vec::new();
    for user in ["bob", "alice", "alice", "carol"] {
        let mut client = server.connect().await;
        client.join("presence-x", &json!({"user_id": user})).await;
        clients.push(client);
    }
    let detail = ask(&admin, "/channels/presence-x?limit=2").await.expect(200, "a page");
    let members = json!([{"id": "alice", "connections": 2}, {"id": "bob", "connections": 1}]);
    assert_eq!((&detail["members"], &detail["next"]), (&members, &json!("bob")));
    assert_eq!((&detail["subscription_count"], &detail["user_count"]), (&json!(4), &json!(3)));
    let rest = ask(&admin, "/channels/presence-x?limit=2&after=bob").await.expect(200, "the rest");
    assert_eq!(rest["members"], json!([{"id": "carol", "connections": 1}]));
    assert_eq!(rest.get("next"), None);
    let empty = ask(&admin, "/channels/presence-none").await.expect(200, "nobody there");
    assert_eq!((&empty["subscription_count"], &empty["members"]), (&json!(0), &json!([])));
    for (name, status, code) in [
        ("%23server-to-user-u1", 400, "reserved_channel"),
        ("a%20b", 400, "invalid_channel"),
        ("private-sealed-x", 404, "sealing_alias"),
    ] {
        let response = ask(&admin, &format!("/channels/{name}")).await;
        assert_eq!(response.refused(status, name), code);
    }
    server.stop().await;
}

#[tokio::test]
async fn k_sealed_channel_shows_key_cached_event_and_log() {
    let (server, admin) = start().await;
    let channel = "private-encrypted-cache-log";
    let client = server.connect().await;
    let _reader = SealedSubscriber::join(&server, client, channel).await;
    server.publish(channel, "e", "canary-of-the-channel").await;
    let detail = ask(&admin, &format!("/channels/{channel}")).await.expect(200, "a channel");
    let active = id(&admin.report().await["keys"][0]);
    assert_eq!(detail["encryption"], json!({"mode": "sealed", "key": active, "epoch": 0}));
    let cache = &detail["cache"];
    assert!(cache["bytes"].as_u64() > Some(20) && cache["ttl"].as_u64() > Some(1700), "{detail}");
    assert!(cache["age_seconds"].as_u64() < Some(60), "{detail}");
    let log = &detail["history"];
    assert_eq!((&log["events"], &log["max_events"]), (&json!(1), &json!(10)));
    assert!(!detail.to_string().contains("canary"), "{detail}");
    server.stop().await;
}

#[tokio::test]
async fn k_subscriptions_behind_the_key_are_counted() {
    let (server, admin) = start().await;
    let mut client = server.connect().await;
    // Its own signature: the server takes it for one of a backend, and rekeys it in its turn.
    client.subscribe(SEALED).await;
    client.expect_event("pusher:cache_miss").await;
    let first = id(&admin.report().await["keys"][0]);
    let detail = ask(&admin, &format!("/channels/{SEALED}")).await.expect(200, "a channel");
    assert_eq!(detail["encryption"]["key"], json!(first));
    let second = admin.rotate_to(&master_key("admin channels, next")).await;
    until("the new key", async || {
        let detail = ask(&admin, &format!("/channels/{SEALED}")).await.expect(200, "a channel");
        (detail["encryption"]["key"] == json!(second)).then_some(())
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn k_busiest_channels_are_counted_while_asked_for() {
    let (server, admin) = start().await;
    let mut client = server.connect().await;
    client.subscribe("busy").await;
    server.publish("busy", "e", "1").await;
    let nothing = ask(&admin, "/top").await.expect(200, "the first question");
    assert_eq!(nothing, json!({"channels": []}), "nothing was counted before");
    let busiest = until("a rate", async || {
        for _ in 0..5 {
            server.publish("busy", "e", "1").await;
        }
        server.publish("no-one-there", "e", "1").await;
        let top = ask(&admin, "/top").await.expect(200, "top");
        let rows = top["channels"].as_array().expect("rows");
        (rows.len() == 2).then(|| rows.clone())
    })
    .await;
    assert_eq!(
        (&busiest[0]["name"], &busiest[1]["name"]),
        (&json!("busy"), &json!("no-one-there"))
    );
    assert!(busiest[0]["deliveries_per_second"].as_f64() > Some(0.0), "{busiest:?}");
    assert_eq!(busiest[1]["deliveries_per_second"].as_f64(), Some(0.0), "{busiest:?}");
    server.stop().await;
}
