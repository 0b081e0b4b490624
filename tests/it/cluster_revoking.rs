//! Revocations of keys and members over the nodes of a cluster.

use serde_json::json;

use crate::support::*;

fn hkdf() -> String {
    sealed_config("derivation = \"hkdf\"")
}

async fn revoke(node: &TestServer, user: &str) -> Response {
    node.post(&format!("/channels/{SEALED}/revoke"), &json!({"user_id": user})).await
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
    let (client, channel, user) = (node.connect().await, SEALED.to_owned(), Some(user));
    SealedSubscriber { client, channel, user, bearer: None, secret: [0; 32], auth_requests: 0 }
}

/// Keeps and restores the table of keys in Redis.
fn copy_table(redis: &Redis, script: &str) {
    let script = format!("local table = redis.call('KEYS', '*{{ctl}}k:*')[1] {script}");
    redis.ask(&["EVAL", &script, "0"]).expect("a copy");
}

#[tokio::test]
async fn j_revoked_key_is_replaced_on_all_nodes() {
    let cluster = Cluster::start(2, &sealed_config("")).await;
    let mut readers = Vec::new();
    for at in [0, 1] {
        let client = cluster[at].connect().await;
        readers.push(SealedSubscriber::join(&cluster[at], client, SEALED).await);
    }
    let leaked = key_ids(&cluster, 0).await[0].clone();
    let answer = cluster.admin(1).revoke(&leaked).await.expect(200, "revoke");
    assert_eq!(answer["revoked"], leaked.as_str());
    assert_eq!(key_ids(&cluster, 0).await, key_ids(&cluster, 1).await);
    assert_eq!(cluster.admin(0).states().await, ["retired", "active"]);
    publish_in_turn(&cluster, 0..4).await;
    for reader in &mut readers {
        expect_numbers(&cluster[0], reader, 0..4).await;
        assert_ne!(reader.secret, shared_secret(&master_key("first"), SEALED));
    }
    assert_eq!(readers[0].secret, readers[1].secret);
    cluster.stop().await;
}

#[tokio::test]
async fn j_member_taken_off_on_one_node_is_cut_on_all() {
    let cluster = Cluster::start(3, &hkdf()).await;
    let (mut theirs, mut others) = (Vec::new(), Vec::new());
    for at in 0..3 {
        theirs.push(SealedSubscriber::join_as(&cluster[at], SEALED, "u1").await);
        others.push(SealedSubscriber::join_as(&cluster[at], SEALED, "u2").await);
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
    let mut theirs = SealedSubscriber::join_as(&cluster[1], SEALED, "u1").await;
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
    let reader = SealedSubscriber::join_as(&cluster[1], SEALED, "u2").await;
    redis.flush();
    until("the keys are there", async || {
        let found = redis.ask(&["EVAL", "return #redis.call('KEYS', '*k:*')", "0"]);
        (found == Ok(redis::Value::Int(1))).then_some(())
    })
    .await;
    cluster.revive(2).await;
    assert_eq!(key_ids(&cluster, 2).await, key_ids(&cluster, 0).await);
    assert_eq!(cluster.admin(2).states().await, ["grace", "active"]);
    let late = SealedSubscriber::join_as(&cluster[2], SEALED, "u3").await;
    assert_eq!(late.secret, reader.secret, "salt and epoch are those of before");
    let barred = as_user(&cluster[2], "u1").await;
    assert_eq!(barred.request_auth(&cluster[2]).await.refused(403, "u1"), "revoked");
    let dump = redis.dump();
    for secret in [&master_key("first")[..], &master_key("second")[..], SEALED.as_bytes()] {
        let is_there = dump.windows(secret.len()).any(|part| part == secret);
        assert!(!is_there, "a secret of {} bytes in Redis", secret.len());
    }
    cluster.stop().await;
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
    let mut probe = SealedSubscriber::join_as(&cluster[1], SEALED, "u4").await;
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
    cluster[0].publish(SEALED, "e", "1").await;
    probe.expect(&cluster[0], "e", "1").await;
    assert_ne!(probe.secret, secret, "two revocations are two epochs");
    cluster.stop().await;
}

/// A revocation on the other side of a cut is unknown: after a lease nobody reads on.
#[tokio::test]
async fn j_node_that_is_cut_off_closes_channels_with_revocable_secrets() {
    let redis = Redis::start();
    let cluster = Cluster::start_with(1, &hkdf(), ClusterSection::on(&redis)).await;
    let mut theirs = SealedSubscriber::join_as(&cluster[0], SEALED, "u1").await;
    let mut open = cluster[0].connect().await;
    open.subscribe("news").await;
    redis.signal("STOP");
    theirs.client.expect_rejection(4200).await;
    let waiting = as_user(&cluster[0], "u1").await;
    let answer = waiting.request_auth(&cluster[0]).await;
    assert_eq!(answer.refused(503, "a secret"), "cluster_away");
    open.expect_silence().await;
    redis.signal("CONT");
    cluster.until_ready().await;
    waiting.request_auth(&cluster[0]).await.expect(200, "it is back");
    cluster.stop().await;
}
