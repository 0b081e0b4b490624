//! A cluster on a Redis Cluster of three masters.

use std::collections::BTreeMap;

use serde_json::json;

use crate::cluster_away::{CHANNEL, expect_right_again, joined};
use crate::support::*;

/// Enough for some on each master.
const CHANNELS: usize = 24;
/// After a failover, nodes return at different times.
const LEASE: u64 = 15;

async fn start(masters: &Masters) -> Cluster {
    let section = ClusterSection::on(&masters.servers[0]).url(masters.url()).lease(LEASE);
    Cluster::start_with(2, &config(""), section).await
}

fn channel(number: usize) -> String {
    format!("presence-{number}")
}

/// One client on each node, a member of all channels.
async fn members_of_all(cluster: &Cluster) -> Vec<Client> {
    let mut clients = Vec::new();
    for node in 0..2 {
        let mut client = cluster[node].connect().await;
        for number in 0..CHANNELS {
            let user = json!({"user_id": format!("u{node}")});
            client.send_presence_subscribe(&channel(number), &user.to_string()).await;
        }
        let mut answered = 0;
        while answered < CHANNELS {
            let frame = client.next().await;
            answered += usize::from(frame["event"] == "pusher_internal:subscription_succeeded");
        }
        clients.push(client);
    }
    let mut added = 0;
    while added < CHANNELS {
        let frame = clients[0].next().await;
        added += usize::from(frame["event"] == "pusher_internal:member_added");
    }
    clients
}

async fn expect_two_everywhere(cluster: &Cluster) {
    let two = json!({"user_count": 2});
    let counts: BTreeMap<_, _> = (0..CHANNELS).map(|it| (channel(it), two.clone())).collect();
    for node in cluster.running() {
        let asked = [("filter_by_prefix", "presence-"), ("info", "user_count")];
        until("two members of each channel", async || {
            let answer = node.get("/channels", &asked).await;
            (answer.status == 200 && answer.json()["channels"] == json!(counts)).then_some(())
        })
        .await;
    }
}

/// Publishes one event on each channel, from both nodes in turn. Returns how many were not taken by
/// Redis.
async fn publish_round(cluster: &Cluster, round: usize) -> usize {
    let mut local = 0;
    for number in 0..CHANNELS {
        let data = round.to_string();
        let event = json!({"name": "e", "channel": channel(number), "data": data});
        let answer = cluster[number % 2].post("/events", &event).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        local += usize::from(answer.header("Sealcast-Delivery").is_some());
    }
    local
}

/// The rounds that a client has seen of each channel, until it has so many events.
async fn seen_rounds(client: &mut Client, events: usize) -> BTreeMap<String, Vec<u64>> {
    let mut seen = BTreeMap::<String, Vec<u64>>::new();
    let mut count = 0;
    while count < events {
        let frame = client.next().await;
        assert_eq!(frame["event"], "e", "nobody leaves and nobody comes: {frame}");
        let round = inner(&frame).as_u64().expect("a round");
        seen.entry(frame["channel"].as_str().expect("text").to_owned()).or_default().push(round);
        count += 1;
    }
    seen
}

#[tokio::test]
async fn j12_members_events_and_queries_are_those_of_all_masters() {
    let masters = Masters::start();
    let cluster = start(&masters).await;
    let mut clients = members_of_all(&cluster).await;
    expect_two_everywhere(&cluster).await;
    for round in 0..3 {
        assert_eq!(publish_round(&cluster, round).await, 0);
    }
    for client in &mut clients {
        let seen = seen_rounds(client, 3 * CHANNELS).await;
        assert!(seen.values().all(|rounds| *rounds == [0, 1, 2]), "{seen:?}");
    }
    // Each master has some of it.
    for server in &masters.servers {
        assert_ne!(server.dump(), b"");
    }
    clients.remove(0).close().await;
    let mut left = 0;
    while left < CHANNELS {
        let frame = clients[0].next().await;
        assert_eq!(frame["event"], "pusher_internal:member_removed");
        left += 1;
    }
    cluster.stop().await;
}

#[tokio::test]
async fn j29_rights_of_the_documents_suffice_on_three_masters() {
    let masters = Masters::start();
    let section = ClusterSection::on(&masters.servers[0]).url(masters.url()).lease(LEASE);
    let servers: Vec<&Redis> = masters.servers.iter().collect();
    let section = section.for_documented_user(&servers);
    let prefix = section.prefix().to_owned();
    let cluster = Cluster::start_with(2, &config(""), section).await;
    let mut clients = members_of_all(&cluster).await;
    assert_eq!(publish_round(&cluster, 0).await, 0);
    // The nodes look for the masters of slots that have moved.
    for slot in masters.slots_of(0, &prefix).into_iter().step_by(8) {
        masters.move_slot(slot, 0, 1);
    }
    assert_eq!(publish_round(&cluster, 1).await, 0);
    for client in &mut clients {
        let seen = seen_rounds(client, 2 * CHANNELS).await;
        assert!(seen.values().all(|rounds| *rounds == [0, 1]), "{seen:?}");
    }
    expect_two_everywhere(&cluster).await;
    for server in servers {
        server.expect_nothing_forbidden();
    }
    cluster.stop().await;
}

/// Partitions, the entries of the nodes and the identity of the cluster all move.
#[tokio::test]
async fn j13_slots_that_move_under_traffic_lose_no_event_and_no_member() {
    let masters = Masters::start();
    let cluster = start(&masters).await;
    let prefix = cluster.section().prefix().to_owned();
    let mut clients = members_of_all(&cluster).await;
    let mut round = 0;
    for from in 0..3 {
        for some in masters.slots_of(from, &prefix).chunks(11) {
            some.iter().for_each(|slot| masters.move_slot(*slot, from, (from + 1) % 3));
            assert_eq!(publish_round(&cluster, round).await, 0, "no master is away");
            round += 1;
        }
    }
    let wanted: Vec<u64> = (0..round as u64).collect();
    for client in &mut clients {
        let seen = seen_rounds(client, round * CHANNELS).await;
        assert!(seen.values().all(|rounds| *rounds == wanted), "{seen:?}");
    }
    cluster.until_ready().await;
    expect_two_everywhere(&cluster).await;
    cluster.stop().await;
}

/// The entries of the nodes are on the third one, and channels on all of them.
async fn expect_failover(killed: usize) {
    let masters = Masters::start_replicated(killed).await;
    let cluster = start(&masters).await;
    let mut members = joined(&cluster).await;
    let mut clients = members_of_all(&cluster).await;
    masters.servers[killed].signal("KILL");
    for node in cluster.running() {
        until_red(node, "Redis").await;
    }
    let local = publish_round(&cluster, 0).await;
    match killed {
        2 => assert_eq!(local, CHANNELS, "no node knows the others"),
        _ => assert!((1..CHANNELS).contains(&local), "{local}: those of one master alone"),
    }
    for node in cluster.running() {
        let is_green = async || (ready(node).await.0 == 200).then_some(());
        until_within(FAILOVER_TIMEOUT, "/ready is 200", is_green).await;
    }
    expect_right_again(&cluster, &mut members).await;
    expect_two_everywhere_and(&cluster, &mut clients).await;
    cluster.stop().await;
}

#[tokio::test]
async fn j11_killed_master_of_a_redis_cluster_is_replaced_and_no_member_is_lost() {
    expect_failover(0).await;
}

#[tokio::test]
async fn j11_killed_master_of_the_entries_is_replaced_and_no_member_is_lost() {
    expect_failover(2).await;
}

/// Nobody was told of a departure.
async fn expect_two_everywhere_and(cluster: &Cluster, clients: &mut [Client]) {
    let counts = async |node: &TestServer| {
        let asked = [("filter_by_prefix", "presence-"), ("info", "user_count")];
        let answer = node.get("/channels", &asked).await;
        (answer.status == 200).then(|| answer.json()["channels"].clone())
    };
    for node in cluster.running() {
        until("two members of each channel", async || {
            let counts = counts(node).await?;
            let of = |number| counts[channel(number)]["user_count"] == json!(2);
            (counts[CHANNEL]["user_count"] == json!(6) && (0..CHANNELS).all(of)).then_some(())
        })
        .await;
    }
    assert_eq!(publish_round(cluster, 1).await, 0);
    for client in clients {
        let mut seen = BTreeMap::<String, Vec<u64>>::new();
        while seen.values().filter(|rounds| rounds.last() == Some(&1)).count() < CHANNELS {
            for (channel, rounds) in seen_rounds(client, 1).await {
                seen.entry(channel).or_default().extend(rounds);
            }
        }
        // An event of the outage may have come too late for the other node.
        assert!(seen.values().all(|rounds| [&[0, 1][..], &[1]].contains(&&rounds[..])), "{seen:?}");
    }
}

#[tokio::test]
async fn ju9_node_without_one_master_refuses_and_closes_where_configured() {
    let masters = Masters::start();
    let section = ClusterSection::on(&masters.servers[0]).url(masters.url());
    let section = section.with("when_away = \"close\"");
    let cluster = Cluster::start_with(1, &config(""), section).await;
    let mut client = cluster[0].connect().await;
    client.subscribe("news").await;
    // The others would stop as well, for want of a whole cluster.
    for server in &masters.servers[1..] {
        server.set("cluster-require-full-coverage", "no");
    }
    masters.servers[0].signal("STOP");
    until_red(&cluster[0], "Redis").await;
    let mut answers = BTreeMap::<u16, usize>::new();
    for number in 0..CHANNELS {
        let event = json!({"name": "e", "channel": channel(number), "data": "x"});
        *answers.entry(cluster[0].post("/events", &event).await.status).or_default() += 1;
    }
    let statuses: Vec<u16> = answers.keys().copied().collect();
    assert_eq!(statuses, [200, 503], "channels of other masters go on: {answers:?}");
    client.expect_rejection(4100).await;
    masters.servers[0].signal("CONT");
    for node in cluster.running() {
        let is_green = async || (ready(node).await.0 == 200).then_some(());
        until_within(FAILOVER_TIMEOUT, "/ready is 200", is_green).await;
    }
    let mut back = cluster[0].connect().await;
    back.subscribe("news").await;
    until_all_answer(&cluster, "/channels", "", &json!({"channels": {"news": {}}})).await;
    cluster.stop().await;
}

/// Some of its channels have no master for a while.
#[tokio::test]
async fn ju11_trigger_on_many_channels_is_refused_as_a_whole_or_marked() {
    for when_away in ["refuse", "local"] {
        let masters = Masters::start();
        for server in &masters.servers {
            server.set("cluster-require-full-coverage", "no");
        }
        let section = ClusterSection::on(&masters.servers[0]).url(masters.url());
        let section = section.with(&format!("when_away = \"{when_away}\""));
        let cluster = Cluster::start_with(1, &config(""), section).await;
        let mut client = cluster[0].connect().await;
        let channels: Vec<String> = (0..CHANNELS).map(|number| format!("news-{number}")).collect();
        for channel in &channels {
            client.subscribe(channel).await;
        }
        masters.servers[0].signal("STOP");
        until_red(&cluster[0], "Redis").await;
        let event = json!({"name": "e", "channels": channels, "data": "x"});
        let answer = cluster[0].post("/events", &event).await;
        if when_away == "refuse" {
            assert_eq!(answer.refused(503, "one master is away"), "cluster_away");
        } else {
            assert_eq!((answer.status, answer.header("Sealcast-Delivery")), (200, Some("local")));
            let mut told = Vec::new();
            for _ in 0..CHANNELS {
                let frame = client.next().await;
                told.push(frame["channel"].as_str().expect("text").to_owned());
            }
            told.sort();
            let mut channels = channels.clone();
            channels.sort();
            assert_eq!(told, channels, "each once");
        }
        client.expect_silence().await;
        masters.servers[0].signal("CONT");
        until_ready(&cluster[0]).await;
        client.expect_silence().await;
        cluster.stop().await;
    }
}
