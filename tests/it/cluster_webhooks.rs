//! Webhooks of a cluster: once for each fact, whichever node sees it.

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
    let unique: std::collections::BTreeSet<_> = ids.iter().map(|it| it["id"].to_string()).collect();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
}
