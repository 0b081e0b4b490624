//! Webhooks of a cluster: once for each fact, whichever node sees it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::support::*;

const ALL: &str =
    "events = [\"channel_occupied\", \"channel_vacated\", \"member_added\", \"member_removed\"]";

async fn started(n: usize) -> (Cluster, WebhookReceiver) {
    let receiver = WebhookReceiver::start(ReceiverReply::Status(200)).await;
    let app = with_webhooks("", &[&hooks_url(&receiver, ALL)]);
    (Cluster::start(n, &app).await, receiver)
}

#[tokio::test]
async fn j_each_fact_is_told_once() {
    let (cluster, receiver) = started(2).await;
    let mut a = cluster[0].connect().await;
    let mut b = cluster[1].connect().await;
    let mut tab = cluster[0].connect().await;
    a.subscribe("news").await;
    b.subscribe("news").await;
    a.join("presence-x", &json!({"user_id": "a"})).await;
    b.join("presence-x", &json!({"user_id": "b"})).await;
    tab.join("presence-x", &json!({"user_id": "b"})).await;
    let joined = ["channel_occupied", "member_added a", "member_added b"];
    receiver.until_events("presence-x", &joined).await;
    receiver.until_events("news", &["channel_occupied"]).await;
    b.close().await;
    a.close().await;
    let left = [&joined[..], &["member_removed a"]].concat();
    receiver.until_events("presence-x", &left).await;
    tab.close().await;
    let empty = [&left[..], &["member_removed b", "channel_vacated"]].concat();
    receiver.until_events("presence-x", &empty).await;
    receiver.until_events("news", &["channel_occupied", "channel_vacated"]).await;
    cluster.stop().await;
    assert_eq!(receiver.events_on("presence-x"), empty, "nothing more at the end");
}

#[tokio::test]
async fn j_facts_of_a_killed_node_are_told_once_by_another() {
    let (mut cluster, receiver) = started(2).await;
    let mut doomed = cluster[1].connect().await;
    doomed.join("presence-x", &json!({"user_id": "a"})).await;
    let joined = ["channel_occupied", "member_added a"];
    receiver.until_events("presence-x", &joined).await;
    cluster.kill(1).await;
    let all = [&joined[..], &["member_removed a", "channel_vacated"]].concat();
    until_within(DEADLINE * 2, "the facts of the killed node", async || {
        (receiver.events_on("presence-x") == all).then_some(())
    })
    .await;
    cluster.stop().await;
    let ids: Vec<_> =
        receiver.requests().iter().flat_map(WebhookRequest::events_with_ids).collect();
    let unique: BTreeSet<_> = ids.iter().map(|it| it["id"].to_string()).collect();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
}

const CHANNELS: usize = 30;

/// Each channel has one fact, `channel_occupied`.
async fn occupy(node: &TestServer) -> Client {
    let mut client = node.connect().await;
    for at in 0..CHANNELS {
        client.subscribe(&format!("c{at}")).await;
    }
    client
}

/// The ids by channel of all events that a receiver was sent, the same event several times too.
fn ids(receiver: &WebhookReceiver) -> BTreeMap<String, Vec<String>> {
    let mut ids = BTreeMap::<String, Vec<String>>::new();
    let events = receiver.requests();
    for event in events.iter().flat_map(WebhookRequest::events_with_ids) {
        let text = |name: &str| event[name].as_str().expect("a text").to_owned();
        ids.entry(text("channel")).or_default().push(text("id"));
    }
    ids
}

async fn until_all_arrive(receiver: &WebhookReceiver, what: &str) {
    until_within(DEADLINE * 2, what, async || (ids(receiver).len() == CHANNELS).then_some(()))
        .await;
}

const OCCUPIED: &str = "events = [\"channel_occupied\"]\n";

#[tokio::test]
async fn j_endpoint_that_hangs_holds_up_no_other() {
    let good = WebhookReceiver::start(ReceiverReply::Status(200)).await;
    let dead = WebhookReceiver::start(ReceiverReply::Hang).await;
    let endpoints = [hooks_url(&good, OCCUPIED), hooks_url(&dead, OCCUPIED)];
    let app = with_webhooks("", &[&endpoints[0], &endpoints[1]]);
    let cluster = Cluster::start(2, &app).await;
    let client = occupy(&cluster[0]).await;
    until_all_arrive(&good, "the endpoint that answers").await;
    dead.answer(ReceiverReply::Status(200));
    until_all_arrive(&dead, "the one that hung").await;
    let sent = ids(&good);
    for (channel, ids) in ids(&dead) {
        assert!(ids.iter().all(|id| [id.clone()] == sent[&channel][..]), "{channel}: {ids:?}");
    }
    drop(client);
    cluster.stop().await;
}

#[tokio::test]
async fn j_successor_of_a_killed_owner_delivers_under_the_same_ids() {
    let redis = Redis::start();
    let good = WebhookReceiver::start(ReceiverReply::Status(200)).await;
    let late = WebhookReceiver::start(ReceiverReply::Status(503)).await;
    let endpoints = [hooks_url(&good, OCCUPIED), hooks_url(&late, OCCUPIED)];
    let app = with_webhooks("", &[&endpoints[0], &endpoints[1]]);
    let mut cluster = Cluster::start_with(3, &app, ClusterSection::on(&redis)).await;
    let client = occupy(&cluster[0]).await;
    until_all_arrive(&good, "the endpoint that answers").await;
    until_all_arrive(&late, "the first attempts").await;
    // Redis knows which endpoint has them.
    until("the marks", async || (marks(&redis) == CHANNELS as i64).then_some(())).await;
    let before = ids(&late);
    cluster.kill(1).await;
    cluster.kill(2).await;
    let earlier = late.requests().len();
    late.answer(ReceiverReply::Status(200));
    until_within(DEADLINE * 3, "all facts to be settled", async || {
        (facts(&redis) == 0).then_some(())
    })
    .await;
    assert!(late.requests().len() > earlier, "the successor has sent");
    for (channel, ids) in ids(&late) {
        assert!(ids.iter().all(|id| *id == before[&channel][0]), "{channel}: {ids:?}");
    }
    for (channel, ids) in ids(&good) {
        assert_eq!(ids, [before[&channel][0].clone()], "{channel} was told once");
    }
    assert_eq!(marks(&redis), 0);
    drop(client);
    cluster.stop().await;
}

/// Marks and facts of all partitions.
fn marks(redis: &Redis) -> i64 {
    sum(redis, "HLEN", "*}y")
}

fn facts(redis: &Redis) -> i64 {
    sum(redis, "XLEN", "*}w")
}

fn sum(redis: &Redis, length: &str, keys: &str) -> i64 {
    let script = "local sum = 0 for _, key in ipairs(redis.call('KEYS', ARGV[2])) do \
                  sum = sum + redis.call(ARGV[1], key) end return sum";
    let sum = redis.ask(&["EVAL", script, "0", length, keys]).expect("a sum");
    redis::from_redis_value(sum).expect("a number")
}

#[tokio::test]
async fn j_dead_letters_are_those_of_all_nodes() {
    let redis = Redis::start();
    let receiver = WebhookReceiver::start(ReceiverReply::Status(503)).await;
    let endpoint = hooks_url(&receiver, &format!("{OCCUPIED}retry_seconds = 1\n"));
    let app = with_webhooks("", &[&endpoint]);
    let cluster = Cluster::start_with(2, &app, ClusterSection::on(&redis)).await;
    let client = occupy(&cluster[0]).await;
    let listed = async |at: usize| {
        let admin = cluster.admin(at);
        let list = Request::new("GET", format!("/admin/apps/{}/webhooks?limit=500", APP.id));
        admin.send(&list).await.expect(200, "list")
    };
    for at in 0..2 {
        until_within(DEADLINE * 2, "the letters", async || {
            (listed(at).await["dead_letters"] == CHANNELS as u64).then_some(())
        })
        .await;
    }
    assert_eq!(facts(&redis), 0, "letters are no facts any more");
    let before = ids(&receiver);
    let names: BTreeSet<String> = listed(1).await["letters"]
        .as_array()
        .expect("letters")
        .iter()
        .map(|letter| letter["event"]["channel"].as_str().expect("a channel").to_owned())
        .collect();
    assert_eq!(names.len(), CHANNELS);
    let dump = redis.dump();
    assert!(memchr::memmem::find(&dump, b"channel_occupied").is_none(), "letters are sealed");

    receiver.answer(ReceiverReply::Status(200));
    let ask = async |at: usize, what: &str, body: serde_json::Value| {
        let path = format!("/admin/apps/{}/webhooks/{what}", APP.id);
        cluster.admin(at).send(&Request::new("POST", path).json(&body)).await.expect(200, what)
    };
    let discarded = ask(0, "discard", json!({"id": 1})).await;
    assert_eq!(discarded["discarded"], 1, "{discarded}");
    let earlier = receiver.requests().len();
    let replayed = ask(1, "replay", json!({})).await;
    assert_eq!(replayed["queued"], CHANNELS as u64 - 1, "{replayed}");
    until("the letters to arrive", async || (listed(0).await["dead_letters"] == 0).then_some(()))
        .await;
    let again = receiver.requests().split_off(earlier);
    assert_eq!(again.len(), CHANNELS - 1);
    for event in again.iter().flat_map(WebhookRequest::events_with_ids) {
        let channel = event["channel"].as_str().expect("a channel");
        assert_eq!(before[channel][0], event["id"].as_str().expect("an id"));
    }
    drop(client);
    cluster.stop().await;
}

#[tokio::test]
async fn j_user_who_changes_nodes_in_a_rolling_restart_was_never_gone() {
    let (mut cluster, receiver) = started(2).await;
    let mut client = cluster[1].connect().await;
    client.join("presence-x", &json!({"user_id": "u"})).await;
    receiver.until_events("presence-x", &["channel_occupied", "member_added u"]).await;
    for at in [1, 0] {
        let mut next = cluster[1 - at].connect().await;
        cluster.terminate(at).await;
        next.join("presence-x", &json!({"user_id": "u"})).await;
        client = next;
        cluster.revive(at).await;
    }
    client.close().await;
    // The departure that lingers since the last node was drained ends behind the channel.
    let all = ["channel_occupied", "channel_vacated", "member_added u", "member_removed u"];
    until_within(DEADLINE * 2, "the end of all", async || {
        let mut told = receiver.events_on("presence-x");
        assert!(told.len() <= all.len(), "{told:?}");
        assert!(told[..2] == ["channel_occupied", "member_added u"], "{told:?}");
        told.sort();
        (told == all).then_some(())
    })
    .await;
    cluster.stop().await;
}

/// The departures and returns of channels whose owner sleeps: it must not tell the departures when it
/// wakes, since its successor knows of the returns.
#[tokio::test]
async fn j_owner_that_has_slept_tells_no_departure_after_its_return() {
    let (cluster, receiver) = started(2).await;
    let mut client = occupy(&cluster[0]).await;
    let stays = occupy(&cluster[1]).await;
    drop(stays);
    let told = |name: &str| {
        let all = (0..CHANNELS).map(|at| receiver.events_on(&format!("c{at}")));
        all.filter(|events| events.last().is_some_and(|last| last == name)).count()
    };
    let all_are = async |name: &str| {
        until_within(DEADLINE * 2, name, async || (told(name) == CHANNELS).then_some(())).await;
    };
    all_are("channel_occupied").await;
    for at in 0..CHANNELS {
        client.unsubscribe(&format!("c{at}")).await;
    }
    // Both owners have read the departures by then, and hold them for three seconds.
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    cluster[1].signal("STOP");
    for at in 0..CHANNELS {
        client.subscribe(&format!("c{at}")).await;
    }
    tokio::time::sleep(std::time::Duration::from_secs(LEASE_SECONDS * 2)).await;
    cluster[1].signal("CONT");
    cluster.until_ready().await;
    tokio::time::sleep(std::time::Duration::from_secs(LEASE_SECONDS)).await;
    all_are("channel_occupied").await;
    drop(client);
    cluster.stop().await;
}
