//! Signed-in users over the nodes of a cluster: events, watchlists, termination.

use serde_json::{Value, json};

use crate::support::*;

fn watched(name: &str, user: &str) -> Value {
    let events = json!([{"name": name, "user_ids": [user]}]);
    json!({"event": "pusher_internal:watchlist_events", "data": {"events": events}})
}

#[tokio::test]
async fn j_user_events_reach_the_user_on_every_node() {
    let cluster = Cluster::start(2, &config("")).await;
    let mut tabs = [cluster[0].connect().await, cluster[1].connect().await];
    for tab in &mut tabs {
        tab.sign_in(&json!({"id": "u1"})).await;
    }
    let mut other = cluster[1].connect().await;
    other.sign_in(&json!({"id": "u2"})).await;
    for node in [0, 1] {
        cluster[node].publish("#server-to-user-u1", "e", &node.to_string()).await;
        for tab in &mut tabs {
            assert_eq!(tab.expect_event("e").await, json!(node));
        }
    }
    cluster[0].publish("#server-to-user-u2", "marker", "1").await;
    other.expect_event("marker").await;
    cluster.stop().await;
}

#[tokio::test]
async fn j_termination_closes_the_user_on_every_node() {
    let cluster = Cluster::start(2, &config("")).await;
    for asked in [0, 1] {
        let mut tabs = [cluster[0].connect().await, cluster[1].connect().await];
        for tab in &mut tabs {
            tab.sign_in(&json!({"id": "u1"})).await;
        }
        let mut other = cluster[1].connect().await;
        other.sign_in(&json!({"id": "u2"})).await;
        let answer = cluster[asked].post("/users/u1/terminate_connections", &json!({})).await;
        assert_eq!(answer.expect(200, "terminate"), json!({}));
        for tab in &mut tabs {
            tab.expect_rejection(4009).await;
        }
        other.expect_silence().await;
    }
    cluster.stop().await;
}

#[tokio::test]
async fn j_watchlist_sees_users_of_the_other_node() {
    let cluster = Cluster::start(2, &config("watchlist = true")).await;
    let mut bob = cluster[1].connect().await;
    bob.sign_in(&json!({"id": "bob"})).await;
    let mut alice = cluster[0].connect().await;
    alice.sign_in(&json!({"id": "alice", "watchlist": ["bob"]})).await;
    alice.expect(watched("online", "bob")).await;
    // One more connection on the node of the watcher changes nothing, nor does the end of one.
    let mut phone = cluster[0].connect().await;
    phone.sign_in(&json!({"id": "bob"})).await;
    bob.close().await;
    until_all_answer(&cluster, "/channels", "", &json!({"channels": {}})).await;
    alice.expect_silence().await;
    phone.close().await;
    alice.expect(watched("offline", "bob")).await;
    let mut again = cluster[1].connect().await;
    again.sign_in(&json!({"id": "bob"})).await;
    alice.expect(watched("online", "bob")).await;
    cluster.stop().await;
}

#[tokio::test]
async fn j_watched_user_of_a_killed_node_goes_offline_after_the_lease() {
    let mut cluster = Cluster::start(2, &config("watchlist = true")).await;
    let mut bob = cluster[1].connect().await;
    bob.sign_in(&json!({"id": "bob"})).await;
    let mut alice = cluster[0].connect().await;
    alice.sign_in(&json!({"id": "alice", "watchlist": ["bob"]})).await;
    alice.expect(watched("online", "bob")).await;
    cluster.kill(1).await;
    until("the death to be noticed", async || {
        (cluster[0].stats().await["cluster"]["nodes"] == 1).then_some(())
    })
    .await;
    let data = alice.expect_event("pusher_internal:watchlist_events").await;
    assert_eq!(data["events"], json!([{"name": "offline", "user_ids": ["bob"]}]));
    alice.expect_silence().await;
    cluster.stop().await;
}
