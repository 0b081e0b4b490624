//! Cache channels and encrypted channels over the nodes of a cluster.

use serde_json::json;

use crate::support::*;

const SEALED: &str = "private-encrypted-x";

#[tokio::test]
async fn j_last_event_is_replayed_on_the_other_node() {
    let cluster = Cluster::start(2, &config("")).await;
    for channel in ["cache-x", "private-cache-x"] {
        let mut first = cluster[0].connect().await;
        first.subscribe(channel).await;
        first.expect(json!({"event": "pusher:cache_miss", "channel": channel, "data": "{}"})).await;
        for (node, data) in [(1, "old"), (0, "new")] {
            cluster[node].publish(channel, "e", data).await;
            first.expect(json!({"event": "e", "channel": channel, "data": data})).await;
        }
        let mut second = cluster[1].connect().await;
        second.subscribe(channel).await;
        second.expect(json!({"event": "e", "channel": channel, "data": "new"})).await;
        first.expect_silence().await;
        second.expect_silence().await;
        // It outlives the subscribers, and the node that took it.
        first.close().await;
        second.close().await;
        let mut third = cluster[1].connect().await;
        third.subscribe(channel).await;
        third.expect(json!({"event": "e", "channel": channel, "data": "new"})).await;
    }
    cluster.stop().await;
}

#[tokio::test]
async fn j_event_sealed_by_one_node_opens_with_the_secret_of_another() {
    let app =
        format!("authorizer = \"open\"\nmaster_key = \"{}\"", base64(&master_key("cluster x")));
    let cluster = Cluster::start(2, &config(&app)).await;
    let mut clients = [cluster[0].connect().await, cluster[1].connect().await];
    for (at, client) in clients.iter_mut().enumerate() {
        // The auth request reaches the node that does not have the socket.
        let form = Request::new("POST", "/apps/it/auth/channel").form(&client.auth_form(SEALED));
        let answer = cluster[1 - at].send(form).await.expect(200, "the other node authorizes");
        let secret = answer["shared_secret"].as_str().expect("a secret");
        let secret: [u8; 32] = unbase64(secret).try_into().expect("32 bytes");
        let data = json!({"channel": SEALED, "auth": answer["auth"]});
        client.send(&json!({"event": "pusher:subscribe", "data": data})).await;
        client.expect_subscribed(SEALED).await;
        for node in [0, 1] {
            let text = format!("sealed by {node}");
            cluster[node].publish(SEALED, "e", &text).await;
            let frame = client.next().await;
            assert_eq!(open(&secret, frame["data"].as_str().expect("text")), text);
        }
        client.unsubscribe(SEALED).await;
        client.expect_silence().await;
    }
    cluster.stop().await;
}

#[tokio::test]
async fn j_blind_envelope_crosses_the_nodes_byte_for_byte() {
    let cluster = Cluster::start(2, &config("mode = \"blind\"")).await;
    let mut clients = [cluster[0].connect().await, cluster[1].connect().await];
    for client in &mut clients {
        client.subscribe(SEALED).await;
    }
    let secret = shared_secret(&master_key("of the publishers"), SEALED);
    for node in [0, 1] {
        let envelope = seal(&secret, [7; 24], b"{\"by\":\"the SDK\"}");
        cluster[node].publish(SEALED, "e", &envelope).await;
        for client in &mut clients {
            let wanted = json!({"event": "e", "channel": SEALED, "data": envelope});
            assert_eq!(client.next().await, wanted);
        }
    }
    cluster.stop().await;
}
