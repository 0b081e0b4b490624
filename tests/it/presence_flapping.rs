//! protocol.md 3: a member that leaves and returns very often.

use serde_json::{Value, json};

use crate::support::*;

const ROOM: &str = "presence-x";

/// Joins and leaves of members seen by the client so far.
async fn presence_events(client: &mut Client) -> (usize, usize) {
    let (mut came, mut went, mut pongs) = (0, 0, 0);
    while pongs < 3 {
        // The subject is that nothing more comes: give the other workers time to deliver.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        client.send(&json!({"event": "pusher:ping", "data": {}})).await;
        let seen = pongs;
        while pongs == seen {
            let frame = client.next().await;
            match frame["event"].as_str().unwrap_or_default() {
                "pusher:pong" => pongs += 1,
                "pusher_internal:member_added" => came += 1,
                "pusher_internal:member_removed" => went += 1,
                _ => panic!("{frame}"),
            }
        }
    }
    (came, went)
}

async fn members(server: &TestServer) -> usize {
    let answer = server.get("/channels/presence-x/users", &[]).await.expect(200, "users");
    answer["users"].as_array().map_or(0, Vec::len)
}

async fn joined(server: &TestServer, user: &str) -> (Client, Value) {
    let mut client = server.connect().await;
    let presence = client.join(ROOM, &json!({"user_id": user})).await;
    (client, presence)
}

#[tokio::test]
async fn f16_flapping_member_causes_a_bounded_number_of_messages() {
    let server = TestServer::start(&config("limits.subscribes_per_second = 0")).await;
    let (mut watcher, _) = joined(&server, "watcher").await;
    let (mut tab, _) = joined(&server, "flapper").await;
    assert_eq!(presence_events(&mut watcher).await, (1, 0));
    for _ in 0..100 {
        tab.unsubscribe(ROOM).await;
        tab.join(ROOM, &json!({"user_id": "flapper"})).await;
    }
    // Further connections of the user share the limit.
    for _ in 0..10 {
        tab.close().await;
        tab = joined(&server, "flapper").await.0;
    }
    let (came, went) = presence_events(&mut watcher).await;
    // A burst of four, then one per quarter of a minute.
    assert!((4..=8).contains(&came) && went == came, "{came} came, {went} went");
    let (other, presence) = joined(&server, "other").await;
    assert_eq!(presence["count"], 3, "all lists say the same: {presence}");
    assert_eq!(presence_events(&mut watcher).await, (1, 0));
    let (mut second, _) = joined(&server, "flapper").await;
    tab.close().await;
    second.expect_silence().await;
    assert_eq!(presence_events(&mut watcher).await, (0, 0), "another tab is there");
    drop((other, second));
    server.stop().await;
}

#[tokio::test]
async fn f16_four_page_reloads_are_announced() {
    let server = TestServer::start(&config("")).await;
    let (mut watcher, _) = joined(&server, "watcher").await;
    let (mut tab, _) = joined(&server, "reader").await;
    assert_eq!(presence_events(&mut watcher).await, (1, 0));
    for reload in 0..4 {
        tab.close().await;
        watcher.expect_event("pusher_internal:member_removed").await;
        assert_eq!(members(&server).await, 1, "{reload}");
        let (next, presence) = joined(&server, "reader").await;
        assert_eq!(presence["count"], 2, "{presence}");
        watcher.expect_event("pusher_internal:member_added").await;
        tab = next;
    }
    // The next departure is held, and announced in the end.
    tab.close().await;
    server.until_stat("sockets", 1).await;
    assert_eq!((presence_events(&mut watcher).await, members(&server).await), ((0, 0), 2));
    until_within(3 * DEADLINE, "the held departure", async || {
        (members(&server).await == 1).then_some(())
    })
    .await;
    watcher.expect_event("pusher_internal:member_removed").await;
    server.stop().await;
}

#[tokio::test]
async fn f16_full_channel_admits_newcomers_in_place_of_held_departures() {
    let server = TestServer::start(&config("limits.presence_members = 2")).await;
    let (mut watcher, _) = joined(&server, "watcher").await;
    for _ in 0..5 {
        joined(&server, "flapper").await.0.close().await;
        server.until_stat("sockets", 1).await;
    }
    assert_eq!(members(&server).await, 2, "the last departure is held");
    let (newcomer, presence) = joined(&server, "newcomer").await;
    let mut ids = presence["ids"].as_array().cloned().unwrap_or_default();
    ids.sort_by_key(Value::to_string);
    assert_eq!(ids, ["newcomer", "watcher"], "{presence}");
    assert_eq!(presence_events(&mut watcher).await, (6, 5));
    drop(newcomer);
    server.stop().await;
}

#[tokio::test]
async fn f16_abandoned_channel_has_no_members() {
    let server = TestServer::start(&config("")).await;
    let (mut watcher, _) = joined(&server, "watcher").await;
    for _ in 0..5 {
        joined(&server, "flapper").await.0.close().await;
        server.until_stat("sockets", 1).await;
    }
    assert_eq!(server.stats().await["members"], 2);
    watcher.unsubscribe(ROOM).await;
    server.until_stat("members", 0).await;
    let (alone, presence) = joined(&server, "next").await;
    assert_eq!(presence["ids"], json!(["next"]));
    drop(alone);
    server.stop().await;
}
