//! Keys over the nodes of a cluster: rotation, revocation, and what each node knows of both.

use serde_json::{Value, json};

use crate::support::*;

const CHANNEL: &str = "private-encrypted-x";

/// Longer than other nodes are waited for.
const LONG_LEASE: u64 = 30;

fn sealed(more: &str) -> String {
    let key = base64(&master_key("first"));
    let rotation = "[apps.it.rotation]\nsettle_ms = 50\nhold_ms = 10000";
    config(&format!("authorizer = \"open\"\nmaster_key = \"{key}\"\n{more}\n\n{rotation}"))
}

fn hkdf() -> String {
    sealed("derivation = \"hkdf\"")
}

async fn publish_in_turn(cluster: &Cluster, numbers: std::ops::Range<usize>) {
    let nodes: Vec<_> = cluster.running().collect();
    for n in numbers {
        nodes[n % nodes.len()].publish(CHANNEL, "numbers", &n.to_string()).await;
    }
}

async fn revoke(node: &TestServer, user: &str) -> Response {
    node.post(&format!("/channels/{CHANNEL}/revoke"), &json!({"user_id": user})).await
}

async fn revoked_epoch(node: &TestServer, user: &str) -> u64 {
    let answer = revoke(node, user).await.expect(200, user);
    answer["epoch"].as_u64().unwrap_or_else(|| panic!("no epoch: {answer}"))
}

async fn expect_taken_off(client: &mut Client) {
    let frame = client.next().await;
    assert_eq!(frame["data"]["type"], "Revoked", "{frame}");
}

/// Connected, and not authorized.
async fn as_user(node: &TestServer, user: &'static str) -> SealedSubscriber {
    let (client, channel, user) = (node.connect().await, CHANNEL.to_owned(), Some(user));
    SealedSubscriber { client, channel, user, bearer: None, secret: [0; 32], auth_requests: 0 }
}

/// Events in their order. Empty ones, of a channel that was quiet, are passed over.
async fn expect_numbers(
    node: &TestServer,
    reader: &mut SealedSubscriber,
    numbers: std::ops::Range<usize>,
) {
    for n in numbers {
        let mut read = reader.read(node).await;
        while read.0 == "sealcast:rekey" {
            read = reader.read(node).await;
        }
        assert_eq!(read, ("numbers".to_owned(), n.to_string()));
    }
}

async fn until_states(cluster: &Cluster, nodes: &[usize], wanted: &[&str]) {
    for node in nodes {
        let admin = cluster.admin(*node);
        until_within(DEADLINE * 2, &format!("{wanted:?} on node {node}"), async || {
            (admin.states().await == wanted).then_some(())
        })
        .await;
    }
}

/// The ids of all keys, oldest first, as this node knows them.
async fn ids(cluster: &Cluster, node: usize) -> Vec<String> {
    let report = cluster.admin(node).report().await;
    report["keys"].as_array().expect("keys").iter().map(id).collect()
}

#[tokio::test]
async fn j16_rotation_over_three_nodes_loses_no_event() {
    let cluster = Cluster::start(3, &sealed("")).await;
    let mut readers = Vec::new();
    for at in [0, 1, 2, 0, 1, 2] {
        let client = cluster[at].connect().await;
        readers.push((at, SealedSubscriber::join(&cluster[at], client, CHANNEL).await));
    }
    publish_in_turn(&cluster, 0..9).await;
    let rotating = async {
        let answer = cluster.admin(1).rotate_to(&master_key("second")).await;
        assert_eq!(answer.len(), 12);
    };
    // The secret comes from any node.
    let reading = readers.iter_mut().map(|(at, reader)| {
        let asked = &cluster[(*at + 1) % 3];
        async move { expect_numbers(asked, reader, 0..60).await }
    });
    let reading = futures_util::future::join_all(reading);
    tokio::join!(rotating, publish_in_turn(&cluster, 9..60), reading);
    until_states(&cluster, &[0, 1, 2], &["grace", "active"]).await;
    for at in 0..3 {
        cluster.admin(at).until_moved().await;
    }
    for (_, reader) in &readers {
        assert_eq!(reader.secret, shared_secret(&master_key("second"), CHANNEL));
    }
    // Each node reports the subscriptions of all that it knows: with each beat, it looks who lives.
    until("the subscriptions of all nodes", async || {
        let report = cluster.admin(2).report().await;
        (report["keys"][1]["subscriptions"] == 6).then_some(())
    })
    .await;
    // The next one may be asked of another node.
    cluster.admin(2).rotate_to(&master_key("third")).await;
    until_states(&cluster, &[0, 1, 2], &["grace", "grace", "active"]).await;
    cluster.stop().await;
}

#[tokio::test]
async fn j16_rotation_waits_for_no_killed_node_and_it_catches_up() {
    let mut cluster = Cluster::start(3, &sealed("")).await;
    let client = cluster[1].connect().await;
    let mut reader = SealedSubscriber::join(&cluster[1], client, CHANNEL).await;
    cluster.kill(2).await;
    let answer = cluster.admin(0).rotate(&json!({"key": base64(&master_key("second"))})).await;
    // Unless the lease was over in time, the node is named, and the key becomes active by itself.
    if answer.status != 200 {
        let text = answer.text();
        assert_eq!(answer.refused(504, "a rotation"), "cluster_unacknowledged");
        assert!(text.contains("slots"), "{text}");
    }
    publish_in_turn(&cluster, 0..4).await;
    expect_numbers(&cluster[0], &mut reader, 0..4).await;
    until_states(&cluster, &[0, 1], &["grace", "active"]).await;
    publish_in_turn(&cluster, 4..8).await;
    expect_numbers(&cluster[0], &mut reader, 4..8).await;
    cluster.revive(2).await;
    assert_eq!(ids(&cluster, 2).await, ids(&cluster, 0).await);
    assert_eq!(cluster.admin(2).states().await, ["grace", "active"]);
    let client = cluster[2].connect().await;
    let late = SealedSubscriber::join(&cluster[2], client, CHANNEL).await;
    assert_eq!(late.secret, shared_secret(&master_key("second"), CHANNEL));
    cluster.stop().await;
}

/// A stopped node does not have the key: nothing is sealed with it before.
#[tokio::test]
async fn j16_rotation_beside_a_stopped_node_goes_on_once_it_is_back() {
    let redis = Redis::start();
    let section = ClusterSection::on(&redis).lease(LONG_LEASE);
    let cluster = Cluster::start_with(2, &sealed(""), section).await;
    let client = cluster[1].connect().await;
    let mut reader = SealedSubscriber::join(&cluster[1], client, CHANNEL).await;
    cluster[1].signal("STOP");
    let answer = cluster.admin(0).rotate(&json!({"key": base64(&master_key("second"))})).await;
    assert!(answer.text().contains("becomes active by itself"), "{}", answer.text());
    assert!(answer.text().contains("slots"), "{}", answer.text());
    assert_eq!(answer.refused(504, "a rotation"), "cluster_unacknowledged");
    assert_eq!(cluster.admin(0).states().await, ["active", "pending"]);
    for n in 0..3 {
        cluster[0].publish(CHANNEL, "numbers", &n.to_string()).await;
    }
    cluster[1].signal("CONT");
    until_states(&cluster, &[0, 1], &["grace", "active"]).await;
    publish_in_turn(&cluster, 3..6).await;
    expect_numbers(&cluster[0], &mut reader, 0..6).await;
    cluster.admin(0).until_moved().await;
    assert_eq!(reader.secret, shared_secret(&master_key("second"), CHANNEL));
    cluster.stop().await;
}

#[tokio::test]
async fn j_grace_of_a_key_ends_on_all_nodes() {
    let app = sealed("").replace("hold_ms = 10000", "hold_ms = 10000\ngrace_seconds = 2");
    let cluster = Cluster::start(2, &app).await;
    let mut dotnet = Vec::new();
    for at in [0, 1] {
        let client = cluster[at].connect_with("protocol=7&client=pusher-dotnet-client").await;
        dotnet.push(SealedSubscriber::join(&cluster[at], client, CHANNEL).await);
    }
    cluster.admin(0).rotate_to(&master_key("second")).await;
    // It would ask for two rekeys at once, on another node as well.
    let again = cluster.admin(1).rotate(&json!({})).await;
    assert_eq!(again.refused(409, "a second rotation"), "rotation_in_progress");
    let second = cluster.admin(1).revoke(&ids(&cluster, 0).await[0]).await;
    second.expect(200, "the key in grace");
    for reader in &mut dotnet {
        reader.client.expect_rejection(4200).await;
    }
    until_states(&cluster, &[0, 1], &["retired", "active"]).await;
    // By its time alone.
    cluster.admin(1).rotate_to(&master_key("third")).await;
    until_states(&cluster, &[0, 1], &["retired", "retired", "active"]).await;
    cluster.stop().await;
}

#[tokio::test]
async fn j_revoked_key_is_replaced_on_all_nodes() {
    let cluster = Cluster::start(2, &sealed("")).await;
    let mut readers = Vec::new();
    for at in [0, 1] {
        let client = cluster[at].connect().await;
        readers.push(SealedSubscriber::join(&cluster[at], client, CHANNEL).await);
    }
    let leaked = ids(&cluster, 0).await[0].clone();
    let answer = cluster.admin(1).revoke(&leaked).await.expect(200, "revoke");
    assert_eq!(answer["revoked"], leaked.as_str());
    assert_eq!(ids(&cluster, 0).await, ids(&cluster, 1).await);
    assert_eq!(cluster.admin(0).states().await, ["retired", "active"]);
    publish_in_turn(&cluster, 0..4).await;
    for reader in &mut readers {
        expect_numbers(&cluster[0], reader, 0..4).await;
        assert_ne!(reader.secret, shared_secret(&master_key("first"), CHANNEL));
    }
    assert_eq!(readers[0].secret, readers[1].secret);
    cluster.stop().await;
}

#[tokio::test]
async fn j_member_taken_off_on_one_node_is_cut_on_all() {
    let cluster = Cluster::start(3, &hkdf()).await;
    let (mut theirs, mut others) = (Vec::new(), Vec::new());
    for at in 0..3 {
        theirs.push(SealedSubscriber::join_as(&cluster[at], CHANNEL, "u1").await);
        others.push(SealedSubscriber::join_as(&cluster[at], CHANNEL, "u2").await);
    }
    let secret = theirs[0].secret;
    assert!(others.iter().all(|other| other.secret == secret), "nodes share the salt");
    let epoch = revoked_epoch(&cluster[1], "u1").await;
    for reader in &mut theirs {
        expect_taken_off(&mut reader.client).await;
        for node in cluster.running() {
            let answer = reader.request_auth(node).await;
            assert_eq!(answer.refused(403, "u1"), "revoked");
        }
    }
    publish_in_turn(&cluster, 0..6).await;
    for reader in &mut others {
        expect_numbers(&cluster[0], reader, 0..6).await;
        assert_ne!(reader.secret, secret, "what u1 had opens nothing more");
    }
    for reader in &mut theirs {
        reader.client.expect_silence().await;
    }
    assert!(revoked_epoch(&cluster[2], "u3").await > epoch);
    cluster.stop().await;
}

#[tokio::test]
async fn j_node_that_has_not_confirmed_a_revocation_is_named() {
    let redis = Redis::start();
    let section = ClusterSection::on(&redis).lease(LONG_LEASE);
    let cluster = Cluster::start_with(2, &hkdf(), section).await;
    let mut theirs = SealedSubscriber::join_as(&cluster[1], CHANNEL, "u1").await;
    cluster[1].signal("STOP");
    let answer = revoke(&cluster[0], "u1").await;
    let text = answer.text();
    assert_eq!(answer.refused(504, "a stopped node"), "cluster_unacknowledged");
    assert!(text.contains("1 of the other nodes has not confirmed it (slots "), "{text}");
    cluster[1].signal("CONT");
    expect_taken_off(&mut theirs.client).await;
    let again = revoke(&cluster[0], "u1").await;
    again.expect(200, "it is back");
    cluster.stop().await;
}

#[tokio::test]
async fn j_flushed_redis_is_given_the_keys_again() {
    let redis = Redis::start();
    let mut cluster = Cluster::start_with(3, &hkdf(), ClusterSection::on(&redis)).await;
    cluster.terminate(2).await;
    cluster.admin(0).rotate_to(&master_key("second")).await;
    revoke(&cluster[0], "u1").await.expect(200, "u1");
    let reader = SealedSubscriber::join_as(&cluster[1], CHANNEL, "u2").await;
    redis.flush();
    until("the keys are there", async || {
        let found = redis.ask(&["EVAL", "return #redis.call('KEYS', '*k:*')", "0"]);
        (found == Ok(redis::Value::Int(1))).then_some(())
    })
    .await;
    cluster.revive(2).await;
    assert_eq!(ids(&cluster, 2).await, ids(&cluster, 0).await);
    assert_eq!(cluster.admin(2).states().await, ["grace", "active"]);
    let late = SealedSubscriber::join_as(&cluster[2], CHANNEL, "u3").await;
    assert_eq!(late.secret, reader.secret, "salt and epoch are those of before");
    let barred = as_user(&cluster[2], "u1").await;
    assert_eq!(barred.request_auth(&cluster[2]).await.refused(403, "u1"), "revoked");
    let dump = redis.dump();
    for secret in [&master_key("first")[..], &master_key("second")[..], CHANNEL.as_bytes()] {
        let is_there = dump.windows(secret.len()).any(|part| part == secret);
        assert!(!is_there, "a secret of {} bytes in Redis", secret.len());
    }
    cluster.stop().await;
}

/// Keeps and restores the table of keys in Redis.
fn copy_table(redis: &Redis, script: &str) {
    let script = format!("local table = redis.call('KEYS', '*{{ctl}}k:*')[1] {script}");
    redis.ask(&["EVAL", &script, "0"]).expect("a copy");
}

/// Neither node knew of the other's revocation: one above the old epoch would be one for both.
#[tokio::test]
async fn j27_two_revocations_of_which_redis_lost_the_first_cut_both() {
    let redis = Redis::start();
    let mut cluster = Cluster::start_with(2, &hkdf(), ClusterSection::on(&redis)).await;
    copy_table(&redis, "return redis.call('COPY', table, 'saved')");
    cluster.kill(1).await;
    let first = revoke(&cluster[0], "u1").await;
    assert!([200, 504].contains(&first.status), "{}", first.text());
    cluster.kill(0).await;
    copy_table(&redis, "return redis.call('COPY', 'saved', table, 'REPLACE')");
    cluster.revive(1).await;
    let second = revoke(&cluster[1], "u2").await;
    assert!([200, 504].contains(&second.status), "{}", second.text());
    let mut probe = SealedSubscriber::join_as(&cluster[1], CHANNEL, "u4").await;
    let secret = probe.secret;
    cluster.revive(0).await;
    for node in cluster.running() {
        for user in ["u1", "u2"] {
            let barred = as_user(node, user).await;
            until(format!("{user} is barred on both"), async || {
                (barred.request_auth(node).await.status == 403).then_some(())
            })
            .await;
        }
    }
    cluster[0].publish(CHANNEL, "e", "1").await;
    probe.expect(&cluster[0], "e", "1").await;
    assert_ne!(probe.secret, secret, "two revocations are two epochs");
    cluster.stop().await;
}

#[tokio::test]
async fn j_node_that_starts_beside_a_rotation_ends_with_the_key() {
    let mut cluster = Cluster::start(2, &sealed("")).await;
    for label in ["second", "third", "fourth"] {
        cluster.terminate(1).await;
        let rotated = cluster.admin(0);
        let key = master_key(label);
        let (_, answer) = tokio::join!(cluster.revive(1), async move {
            rotated.rotate(&json!({"key": base64(&key)})).await
        });
        assert!([200, 504].contains(&answer.status), "{}", answer.text());
        until("both have it active", async || {
            let last = async |node: usize| {
                let report: Value = cluster.admin(node).report().await;
                report["keys"].as_array().and_then(|keys| keys.last().cloned())
            };
            let (one, other) = (last(0).await.expect("a key"), last(1).await.expect("a key"));
            let same = one["id"] == other["id"] && one["state"] == "active";
            (same && other["state"] == "active").then_some(())
        })
        .await;
    }
    cluster.stop().await;
}

#[tokio::test]
async fn j_node_with_another_master_key_is_refused() {
    let redis = Redis::start();
    let section = ClusterSection::on(&redis);
    let cluster = Cluster::start_with(1, &sealed(""), section.clone()).await;
    let own = ids(&cluster, 0).await[0].clone();
    let other = sealed("").replace(&base64(&master_key("first")), &base64(&master_key("other")));
    for (app, says) in
        [(other, "apps.it.master_key"), (sealed("derivation = \"dotnet\""), "apps.it.derivation")]
    {
        let stranger = Cluster::start_unready(1, &app, section.clone()).await;
        until_red(&stranger[0], "key_conflict").await;
        let (_, text) = ready(&stranger[0]).await;
        assert!(text.contains(says), "{text}");
        if says.contains("master_key") {
            let theirs = ids(&stranger, 0).await[0].clone();
            assert!(text.contains(&own) && text.contains(&theirs), "{text}");
        }
        let answer = stranger.admin(0).rotate(&json!({})).await;
        assert_eq!(answer.refused(503, "a rotation"), "cluster_away");
        assert_eq!(cluster[0].stats().await["cluster"]["nodes"], 1);
        stranger.stop().await;
    }
    // A node that begins with the key of today takes the numbers of the others.
    cluster.admin(0).rotate_to(&master_key("second")).await;
    let today = sealed("").replace(&base64(&master_key("first")), &base64(&master_key("second")));
    let late = Cluster::start_with(1, &today, section).await;
    assert_eq!(ids(&late, 0).await, ids(&cluster, 0).await);
    assert_eq!(late.admin(0).states().await, ["grace", "active"]);
    late.stop().await;
    cluster.stop().await;
}

#[tokio::test]
async fn j_keys_stay_as_they_are_while_redis_is_away() {
    let redis = Redis::start();
    let cluster = Cluster::start_with(2, &sealed(""), ClusterSection::on(&redis)).await;
    redis.signal("STOP");
    until_red(&cluster[0], "cluster_away").await;
    let answer = cluster.admin(0).rotate(&json!({})).await;
    assert_eq!(answer.refused(503, "a rotation"), "cluster_away");
    redis.signal("CONT");
    cluster.until_ready().await;
    assert_eq!(cluster.admin(0).states().await, ["active"]);
    cluster.admin(0).rotate_to(&master_key("second")).await;
    until_states(&cluster, &[0, 1], &["grace", "active"]).await;
    cluster.stop().await;
}
