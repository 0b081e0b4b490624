//! Keys over the nodes of a cluster: rotations, and nodes that start.

use serde_json::{Value, json};

use crate::support::*;

async fn until_states(cluster: &Cluster, nodes: &[usize], wanted: &[&str]) {
    for node in nodes {
        let admin = cluster.admin(*node);
        until_within(DEADLINE * 2, &format!("{wanted:?} on node {node}"), async || {
            (admin.states().await == wanted).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn j16_rotation_over_three_nodes_loses_no_event() {
    let cluster = Cluster::start(3, &sealed_config("")).await;
    let mut readers = Vec::new();
    for at in [0, 1, 2, 0, 1, 2] {
        let client = cluster[at].connect().await;
        readers.push((at, SealedSubscriber::join(&cluster[at], client, SEALED).await));
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
        assert_eq!(reader.secret, shared_secret(&master_key("second"), SEALED));
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
    let mut cluster = Cluster::start(3, &sealed_config("")).await;
    let client = cluster[1].connect().await;
    let mut reader = SealedSubscriber::join(&cluster[1], client, SEALED).await;
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
    assert_eq!(key_ids(&cluster, 2).await, key_ids(&cluster, 0).await);
    assert_eq!(cluster.admin(2).states().await, ["grace", "active"]);
    let client = cluster[2].connect().await;
    let late = SealedSubscriber::join(&cluster[2], client, SEALED).await;
    assert_eq!(late.secret, shared_secret(&master_key("second"), SEALED));
    cluster.stop().await;
}

/// A stopped node does not have the key: nothing is sealed with it before.
#[tokio::test]
async fn j16_rotation_beside_a_stopped_node_goes_on_once_it_is_back() {
    let redis = Redis::start();
    let section = ClusterSection::on(&redis).lease(LONG_LEASE);
    let cluster = Cluster::start_with(2, &sealed_config(""), section).await;
    let client = cluster[1].connect().await;
    let mut reader = SealedSubscriber::join(&cluster[1], client, SEALED).await;
    cluster[1].signal("STOP");
    let answer = cluster.admin(0).rotate(&json!({"key": base64(&master_key("second"))})).await;
    assert!(answer.text().contains("becomes active by itself"), "{}", answer.text());
    assert!(answer.text().contains("slots"), "{}", answer.text());
    assert_eq!(answer.refused(504, "a rotation"), "cluster_unacknowledged");
    assert_eq!(cluster.admin(0).states().await, ["active", "pending"]);
    for n in 0..3 {
        cluster[0].publish(SEALED, "numbers", &n.to_string()).await;
    }
    cluster[1].signal("CONT");
    until_states(&cluster, &[0, 1], &["grace", "active"]).await;
    publish_in_turn(&cluster, 3..6).await;
    expect_numbers(&cluster[0], &mut reader, 0..6).await;
    cluster.admin(0).until_moved().await;
    assert_eq!(reader.secret, shared_secret(&master_key("second"), SEALED));
    cluster.stop().await;
}

#[tokio::test]
async fn j_grace_of_a_key_ends_on_all_nodes() {
    let app = sealed_config("").replace("hold_ms = 10000", "hold_ms = 10000\ngrace_seconds = 2");
    let cluster = Cluster::start(2, &app).await;
    let mut dotnet = Vec::new();
    for at in [0, 1] {
        let client = cluster[at].connect_with("protocol=7&client=pusher-dotnet-client").await;
        dotnet.push(SealedSubscriber::join(&cluster[at], client, SEALED).await);
    }
    cluster.admin(0).rotate_to(&master_key("second")).await;
    // It would ask for two rekeys at once, on another node as well.
    let again = cluster.admin(1).rotate(&json!({})).await;
    assert_eq!(again.refused(409, "a second rotation"), "rotation_in_progress");
    let second = cluster.admin(1).revoke(&key_ids(&cluster, 0).await[0]).await;
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
async fn j_node_that_starts_beside_a_rotation_ends_with_the_key() {
    let mut cluster = Cluster::start(2, &sealed_config("")).await;
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
    let cluster = Cluster::start_with(1, &sealed_config(""), section.clone()).await;
    let own = key_ids(&cluster, 0).await[0].clone();
    let other =
        sealed_config("").replace(&base64(&master_key("first")), &base64(&master_key("other")));
    for (app, says) in [
        (other, "apps.it.master_key"),
        (sealed_config("derivation = \"dotnet\""), "apps.it.derivation"),
    ] {
        let stranger = Cluster::start_unready(1, &app, section.clone()).await;
        until_red(&stranger[0], "key_conflict").await;
        let (_, text) = ready(&stranger[0]).await;
        assert!(text.contains(says), "{text}");
        if says.contains("master_key") {
            let theirs = key_ids(&stranger, 0).await[0].clone();
            assert!(text.contains(&own) && text.contains(&theirs), "{text}");
        }
        let answer = stranger.admin(0).rotate(&json!({})).await;
        assert_eq!(answer.refused(503, "a rotation"), "cluster_away");
        assert_eq!(cluster[0].stats().await["cluster"]["nodes"], 1);
        stranger.stop().await;
    }
    // A node that begins with the key of today takes the numbers of the others.
    cluster.admin(0).rotate_to(&master_key("second")).await;
    let today =
        sealed_config("").replace(&base64(&master_key("first")), &base64(&master_key("second")));
    let late = Cluster::start_with(1, &today, section).await;
    assert_eq!(key_ids(&late, 0).await, key_ids(&cluster, 0).await);
    assert_eq!(late.admin(0).states().await, ["grace", "active"]);
    late.stop().await;
    cluster.stop().await;
}

#[tokio::test]
async fn j_keys_stay_as_they_are_while_redis_is_away() {
    let redis = Redis::start();
    let cluster = Cluster::start_with(2, &sealed_config(""), ClusterSection::on(&redis)).await;
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

/// By the node that reads its file first.
#[tokio::test]
async fn j_key_of_a_reload_is_rotated_to_on_all_nodes() {
    let section = ClusterSection::on(Redis::shared());
    let nodes = [
        TestServer::start(&section.config(&sealed_config(""))).await,
        TestServer::start(&section.config(&sealed_config(""))).await,
    ];
    let admins = [AdminClient::of(&nodes[0]), AdminClient::of(&nodes[1])];
    for node in &nodes {
        until_ready(node).await;
    }
    let (first, second) = (base64(&master_key("first")), base64(&master_key("second")));
    let next = section.config(&sealed_config("").replace(&first, &second));
    let [one, other] = nodes;
    let one = ReloadFixture::of(one).await;
    one.apply_and_log(&next, "config.waits=\"apps.it.master_key\"").await;
    for admin in &admins {
        admin.until_states(&["grace", "active"]).await;
    }
    let other = ReloadFixture::of(other).await;
    other.apply(&next).await;
    until("the other one follows", async || {
        (admins[1].report().await["rotation"].get("waiting").is_none()).then_some(())
    })
    .await;
    assert_eq!(admins[1].states().await, ["grace", "active"]);
    one.stop().await;
    other.stop().await;
}
