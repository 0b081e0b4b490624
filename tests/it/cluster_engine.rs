//! What the nodes refuse to run on, and the rights that they need there.

use serde_json::json;

use crate::support::*;

/// Each node serves its own clients, and says what has to be changed.
async fn expect_red(section: ClusterSection, says: &[&str]) {
    let cluster = Cluster::start_unready(1, &config(""), section).await;
    for part in says {
        until_red(&cluster[0], part).await;
    }
    cluster.stop().await;
}

#[tokio::test]
async fn j_redis_that_evicts_keys_is_refused_with_the_cure() {
    let redis = Redis::start_with(&["--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"]);
    expect_red(ClusterSection::on(&redis), &["`maxmemory-policy` to `noeviction`"]).await;
    redis.set("maxmemory-policy", "noeviction");
    Cluster::start_with(1, &config(""), ClusterSection::on(&redis)).await.stop().await;
}

#[tokio::test]
async fn j_full_redis_keeps_a_new_node_out_and_says_so() {
    let redis = Redis::start();
    redis.set("maxmemory", "1");
    let cluster = Cluster::start_unready(1, &config(""), ClusterSection::on(&redis)).await;
    until_red(&cluster[0], "raise its `maxmemory`").await;
    redis.set("maxmemory", "0");
    cluster.until_ready().await;
    cluster.stop().await;
}

#[tokio::test]
async fn j_forbidden_command_is_named_on_the_way_into_the_cluster() {
    let redis = Redis::start();
    let rules = |last: &str| {
        let user = format!("ACL SETUSER node on >secret ~* &* +@all {last}");
        redis.ask(&user.split(' ').collect::<Vec<_>>()).expect("a user");
    };
    let url = redis.url().replace("//", "//node:secret@");
    for (forbidden, allowed) in [("-set", "+set"), ("-hgetall", "+hgetall")] {
        rules(forbidden);
        let section = ClusterSection::on(&redis).url(url.clone());
        let cluster = Cluster::start_unready(1, &config(""), section).await;
        let command = forbidden[1..].to_uppercase();
        until_red(&cluster[0], &format!("does not let its user run {command}")).await;
        rules(allowed);
        cluster.until_ready().await;
        cluster.stop().await;
    }
}

#[tokio::test]
async fn j_wrong_password_is_refused_with_the_cure_and_not_repeated() {
    let redis = Redis::start();
    redis.set("requirepass", "the-right-one");
    for url in [redis.url(), redis.url().replace("//", "//:a-wrong-one@")] {
        let section = ClusterSection::on(&redis).url(url);
        let cluster = Cluster::start_unready(1, &config(""), section).await;
        until_red(&cluster[0], "correct them in `cluster.url`").await;
        assert!(!cluster[0].printed().contains("a-wrong-one"), "{}", cluster[0].printed());
        assert!(!ready(&cluster[0]).await.1.contains("a-wrong-one"));
        cluster.stop().await;
    }
    let right = redis.url().replace("//", "//:the-right-one@");
    let section = ClusterSection::on(&redis).url(right);
    Cluster::start_with(1, &config(""), section).await.stop().await;
}

#[tokio::test]
async fn j_node_with_another_cluster_key_stays_red_and_disturbs_nobody() {
    let cluster = Cluster::start(2, &config("")).await;
    let mut clients = [cluster[0].connect().await, cluster[1].connect().await];
    for client in &mut clients {
        client.subscribe("news").await;
    }
    let stranger = cluster.section().clone().key("another cluster");
    let stranger = Cluster::start_unready(1, &config(""), stranger).await;
    until_red(&stranger[0], "cluster.key").await;
    let mut apart = stranger[0].connect().await;
    apart.subscribe("news").await;
    cluster[0].publish("news", "e", "1").await;
    for client in &mut clients {
        assert_eq!(client.expect_event("e").await, json!(1));
    }
    apart.expect_silence().await;
    cluster.until_ready().await;
    stranger.stop().await;
    cluster.stop().await;
}

#[tokio::test]
async fn j29_nodes_need_no_more_rights_than_the_documents_give() {
    let redis = Redis::start();
    let section = ClusterSection::on(&redis);
    let section = section.for_documented_user(&[&redis]);
    let receiver = WebhookReceiver::start(ReceiverReply::Status(200)).await;
    let events = "events = [\"channel_occupied\", \"member_added\", \"member_removed\"]";
    let app = with_webhooks("subscription_count = true", &[&hooks_url(&receiver, events)]);
    let mut cluster = Cluster::start_with(3, &app, section).await;
    let mut member = cluster[0].connect().await;
    member.send_sign_in(&json!({"id": "a"}).to_string()).await;
    member.send_presence_subscribe("presence-x", &json!({"user_id": "a"}).to_string()).await;
    until_frame(&mut member, "pusher_internal:subscription_succeeded").await;
    let mut doomed = cluster[2].connect().await;
    doomed.send_presence_subscribe("presence-x", &json!({"user_id": "b"}).to_string()).await;
    until_frame(&mut member, "pusher_internal:member_added").await;
    cluster[0].publish("cache-x", "e", "kept").await;
    let mut reader = cluster[1].connect().await;
    reader.send_subscribe("cache-x").await;
    until_frame(&mut reader, "e").await;
    reader.close().await;
    let cached = || cluster[1].get("/channels/cache-x", &[("info", "cache")]);
    until("the cached event", async || {
        let answer = cached().await.expect(200, "a cache channel");
        (answer["cache"]["data"] == "kept").then_some(())
    })
    .await;
    let of_prefix = [("info", "user_count"), ("filter_by_prefix", "presence-")];
    for (path, parameters) in [
        ("/channels", &of_prefix[..]),
        ("/channels/presence-x", &[("info", "user_count,subscription_count")]),
        ("/channels/presence-x/users", &[]),
    ] {
        for node in cluster.running() {
            node.get(path, parameters).await.expect(200, path);
        }
    }
    cluster.kill(2).await;
    until_frame(&mut member, "pusher_internal:member_removed").await;
    receiver
        .until_events(
            "presence-x",
            &["channel_occupied", "member_added a", "member_added b", "member_removed b"],
        )
        .await;
    redis.flush();
    cluster.terminate(1).await;
    redis.expect_nothing_forbidden();
    cluster.stop().await;
}

pub async fn until_frame(client: &mut Client, event: &str) {
    while client.next().await["event"] != event {}
}
