//! Presence over the nodes of a cluster.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::*;

const CHANNEL: &str = "presence-x";

/// Leaving members may come back as often as they like.
fn unlimited() -> String {
    config("limits.member_returns_per_minute = 0")
}

fn member(user: &str) -> Value {
    json!({"user_id": user})
}

fn ids(presence: &Value) -> BTreeSet<String> {
    let ids = presence["ids"].as_array().expect("ids");
    ids.iter().map(|id| id.as_str().expect("text").to_owned()).collect()
}

fn set(users: &[&str]) -> BTreeSet<String> {
    users.iter().map(|&user| user.to_owned()).collect()
}

async fn expect_added(client: &mut Client, user: &str) {
    assert_eq!(client.expect_event("pusher_internal:member_added").await["user_id"], user);
}

async fn expect_removed(client: &mut Client, user: &str) {
    assert_eq!(client.expect_event("pusher_internal:member_removed").await, member(user));
}

#[tokio::test]
async fn j_members_of_both_nodes_see_each_other_come_and_go() {
    let cluster = Cluster::start(2, &unlimited()).await;
    let mut alice = cluster[0].connect().await;
    let info = json!({"user_id": "a", "user_info": {"name": "A"}});
    assert_eq!(ids(&alice.join(CHANNEL, &info).await), set(&["a"]));
    let mut bob = cluster[1].connect().await;
    let presence = bob.join(CHANNEL, &member("b")).await;
    assert_eq!((ids(&presence), &presence["count"]), (set(&["a", "b"]), &json!(2)));
    assert_eq!(presence["hash"]["a"], json!({"name": "A"}), "the info crosses the nodes");
    expect_added(&mut alice, "b").await;
    bob.unsubscribe(CHANNEL).await;
    expect_removed(&mut alice, "b").await;
    bob.join(CHANNEL, &member("b")).await;
    expect_added(&mut alice, "b").await;
    alice.close().await;
    expect_removed(&mut bob, "a").await;
    bob.expect_silence().await;
    cluster.stop().await;
}

#[tokio::test]
async fn j_user_with_tabs_on_two_nodes_is_one_member_until_the_last_closes() {
    let cluster = Cluster::start(2, &unlimited()).await;
    let mut observer = cluster[0].connect().await;
    observer.join(CHANNEL, &member("observer")).await;
    for closed_first in [0, 1] {
        let mut tabs = Vec::new();
        for node in [0, 1] {
            let mut tab = cluster[node].connect().await;
            assert_eq!(ids(&tab.join(CHANNEL, &member("u")).await), set(&["observer", "u"]));
            tabs.push(tab);
        }
        expect_added(&mut observer, "u").await;
        tabs.remove(closed_first).close().await;
        let others = 1 - closed_first;
        cluster[others].publish(CHANNEL, "marker", "1").await;
        observer.expect_event("marker").await;
        assert_eq!(users_of(&cluster[closed_first], CHANNEL).await, set(&["observer", "u"]));
        tabs.remove(0).close().await;
        expect_removed(&mut observer, "u").await;
    }
    observer.expect_silence().await;
    cluster.stop().await;
}

#[tokio::test]
async fn j_members_of_a_killed_node_are_removed_once_after_the_lease() {
    let mut cluster = Cluster::start(3, &unlimited()).await;
    let mut observers = [cluster[0].connect().await, cluster[1].connect().await];
    for (at, observer) in observers.iter_mut().enumerate() {
        observer.join(CHANNEL, &member(&format!("observer-{at}"))).await;
    }
    expect_added(&mut observers[0], "observer-1").await;
    let mut doomed = Vec::new();
    for user in ["a", "b", "c", "tab"] {
        let mut client = cluster[2].connect().await;
        client.join(CHANNEL, &member(user)).await;
        for observer in &mut observers {
            expect_added(observer, user).await;
        }
        doomed.push(client);
    }
    // The fourth has another tab on a node that stays.
    let mut tab = cluster[1].connect().await;
    tab.join(CHANNEL, &member("tab")).await;
    cluster.kill(2).await;
    for observer in &mut observers {
        let mut removed = BTreeSet::new();
        for _ in 0..3 {
            let data = observer.expect_event("pusher_internal:member_removed").await;
            removed.insert(data["user_id"].as_str().expect("text").to_owned());
        }
        assert_eq!(removed, set(&["a", "b", "c"]), "each once");
    }
    cluster[0].publish(CHANNEL, "marker", "1").await;
    for observer in &mut observers {
        observer.expect_event("marker").await;
    }
    for node in cluster.running() {
        let wanted = set(&["observer-0", "observer-1", "tab"]);
        assert_eq!(users_of(node, CHANNEL).await, wanted);
    }
    // The node comes back with nobody.
    cluster.revive(2).await;
    let mut late = cluster[2].connect().await;
    let wanted = set(&["late", "observer-0", "observer-1", "tab"]);
    assert_eq!(ids(&late.join(CHANNEL, &member("late")).await), wanted);
    for observer in &mut observers {
        expect_added(observer, "late").await;
    }
    cluster.stop().await;
}

/// A node that only sleeps is dead after the lease as well; awake, it announces its members again.
#[tokio::test]
async fn j_stopped_node_leaves_no_ghost_when_it_wakes() {
    let cluster = Cluster::start(2, &unlimited()).await;
    let mut observer = cluster[0].connect().await;
    observer.join(CHANNEL, &member("observer")).await;
    let mut sleeper = cluster[1].connect().await;
    sleeper.join(CHANNEL, &member("sleeper")).await;
    expect_added(&mut observer, "sleeper").await;
    cluster[1].signal("STOP");
    let removed = observer.expect_event("pusher_internal:member_removed").await;
    assert_eq!(removed, member("sleeper"));
    cluster[1].signal("CONT");
    let added = observer.expect_event("pusher_internal:member_added").await;
    assert_eq!(added["user_id"], "sleeper");
    sleeper.close().await;
    expect_removed(&mut observer, "sleeper").await;
    until_all_answer(&cluster, "/channels", "", &json!({"channels": {CHANNEL: {}}})).await;
    cluster.stop().await;
}

#[tokio::test]
async fn j_newcomer_is_in_its_roster_and_nobody_of_it_is_announced_again() {
    const USERS: usize = 20;
    let cluster = Cluster::start(2, &unlimited()).await;
    let joins = (0..USERS).map(async |at| {
        let user = format!("u{at}");
        let mut client = cluster[at % 2].connect().await;
        let roster = ids(&client.join(CHANNEL, &member(&user)).await);
        assert!(roster.contains(&user), "{user} is in {roster:?}");
        (client, roster)
    });
    let mut clients = futures_util::future::join_all(joins).await;
    cluster[0].publish(CHANNEL, "marker", "1").await;
    for (client, roster) in &mut clients {
        let mut announced = BTreeMap::<String, u32>::new();
        loop {
            let frame = client.next().await;
            if frame["event"] == "marker" {
                break;
            }
            assert_eq!(frame["event"], "pusher_internal:member_added", "{frame}");
            let user = inner(&frame)["user_id"].as_str().expect("text").to_owned();
            assert!(!roster.contains(&user), "{user} is in the roster, and announced");
            *announced.entry(user).or_default() += 1;
        }
        assert!(announced.values().all(|times| *times == 1), "{announced:?}");
        assert_eq!(roster.len() + announced.len(), USERS, "{roster:?} and {announced:?}");
    }
    cluster.stop().await;
}
