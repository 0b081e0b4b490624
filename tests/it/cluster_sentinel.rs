//! A cluster whose master is one that Sentinels name, and another one later.

use serde_json::json;

use crate::cluster_away::{CHANNEL, expect_right_again, joined};
use crate::support::*;

/// After a failover, nodes return at different times: up to ten seconds pass between them.
const LEASE_SECONDS: u64 = 15;

async fn start(set: &SentinelSet) -> Cluster {
    let section = ClusterSection::on(&set.servers[0]).url(set.url()).lease(LEASE_SECONDS);
    Cluster::start_with(2, &config(""), section).await
}

/// Both nodes talk and listen there.
pub async fn until_there(master: &Redis) {
    until_within(FAILOVER_TIMEOUT, "both nodes are at the new master", async || {
        let list: String = redis::from_redis_value(master.ask(&["CLIENT", "LIST"]).ok()?).ok()?;
        let count = |name: &str| list.matches(name).count();
        (count("sealcast-talking") == 2 && count("sealcast-listening") == 2).then_some(())
    })
    .await;
}

pub async fn until_green(cluster: &Cluster) {
    for node in cluster.running() {
        let is_green = async || (ready(node).await.0 == 200).then_some(());
        until_within(FAILOVER_TIMEOUT, "/ready is 200", is_green).await;
    }
}

/// Members, their order of events, and answers without a header.
async fn expect_whole(cluster: &Cluster, members: &mut Vec<Client>) {
    until_green(cluster).await;
    for number in 0..20 {
        let event = json!({"name": "traffic", "channel": CHANNEL, "data": number.to_string()});
        let answer = cluster[number % 2].post("/events", &event).await;
        assert_eq!((answer.status, answer.header("Sealcast-Delivery")), (200, None));
    }
    expect_right_again(cluster, members).await;
}

#[tokio::test]
async fn j11_failover_by_hand_moves_all_nodes_and_loses_no_member() {
    let set = SentinelSet::start().await;
    let cluster = start(&set).await;
    let mut members = joined(&cluster).await;
    set.fail_over();
    until_there(set.new_master().await).await;
    expect_whole(&cluster, &mut members).await;
    cluster.stop().await;
}

#[tokio::test]
async fn j11_killed_master_is_replaced_and_no_member_is_lost() {
    let set = SentinelSet::start().await;
    let cluster = start(&set).await;
    let mut members = joined(&cluster).await;
    set.servers[0].signal("KILL");
    for node in cluster.running() {
        until_red(node, "Redis").await;
    }
    until_there(set.new_master().await).await;
    expect_whole(&cluster, &mut members).await;
    cluster.stop().await;
}

/// It goes on before the Sentinels have made it a replica, and still says that it is a master. Its
/// replicas have left it, so it takes no writes.
#[tokio::test]
async fn j11_stopped_master_that_goes_on_as_one_is_left() {
    let set = SentinelSet::start().await;
    let cluster = start(&set).await;
    let mut members = joined(&cluster).await;
    set.servers[0].signal("STOP");
    let master = set.new_master().await;
    set.servers[0].signal("CONT");
    until_there(master).await;
    expect_whole(&cluster, &mut members).await;
    cluster.stop().await;
}
