//! Logs whose master changes and loses nothing: a moved slot, and a failover in order.

use serde_json::{Value, json};

use crate::{
    cluster_history::{expect_gap, history, logged, publish, reason, recover},
    cluster_sentinel::{until_green, until_there},
    support::*,
};

/// After a failover, nodes return at different times: up to ten seconds pass between them.
const LEASE: u64 = 15;

/// One reader with positions on each node.
async fn readers(cluster: &Cluster) -> Vec<Client> {
    let mut readers = Vec::new();
    for node in cluster.running() {
        let mut reader = node.connect().await;
        recover(&mut reader, "room", &json!(true)).await;
        readers.push(reader);
    }
    readers
}

/// Publishes these events in turn on both nodes.
async fn publish_all(cluster: &Cluster, numbers: std::ops::Range<usize>) {
    for number in numbers {
        publish(&cluster[number % 2], number).await.expect(200, "an event");
    }
}

/// Reads these events, in order and with the gaps between them. Returns the reasons of the gaps, and
/// the position behind the last event.
async fn read_all(reader: &mut Client, numbers: std::ops::Range<usize>) -> (Vec<String>, Value) {
    let (mut gaps, mut position) = (Vec::new(), Value::Null);
    for number in numbers {
        let frame = loop {
            let frame = reader.next().await;
            match frame["event"] == "sealcast:gap" {
                true => gaps.push(reason(&frame)),
                false => break frame,
            }
        };
        assert_eq!((&frame["event"], &frame["data"]), (&json!("e"), &json!(number.to_string())));
        position = frame["position"].clone();
    }
    (gaps, position)
}

/// All events are there, positions from before are one gap, and those from after are good.
async fn expect_log(cluster: &Cluster, events: usize, before: &Value, after: &Value) {
    let all: Vec<_> = (0..events).map(|number| number.to_string()).collect();
    for node in cluster.running() {
        assert_eq!(history(node, &[]).await.0, all);
        assert_eq!(expect_gap(node, before).await, "restarted");
        let mut back = node.connect().await;
        assert_eq!(recover(&mut back, "room", after).await["recovered"], true);
        back.expect_silence().await;
    }
}

#[tokio::test]
async fn j13_moved_slot_is_one_gap_for_readers_of_its_log_and_loses_no_event() {
    let masters = Masters::start();
    let section = ClusterSection::on(&masters.servers[0]).url(masters.url()).lease(LEASE);
    let cluster = Cluster::start_with(2, &logged(""), section).await;
    let mut live = readers(&cluster).await;
    publish_all(&cluster, 0..3).await;
    let mut before = Value::Null;
    for reader in &mut live {
        let (gaps, position) = read_all(reader, 0..3).await;
        assert_eq!(gaps, [""; 0]);
        before = position;
    }
    let (from, slot) = masters.place_of("*}h:*");
    masters.move_slot(slot, from, (from + 1) % 3);
    publish_all(&cluster, 3..6).await;
    until_green(&cluster).await;
    let mut after = Value::Null;
    for reader in &mut live {
        let (gaps, position) = read_all(reader, 3..6).await;
        assert_eq!(gaps, ["restarted"]);
        reader.expect_silence().await;
        after = position;
    }
    assert_ne!(masters.place_of("*}h:*").0, from);
    expect_log(&cluster, 6, &before, &after).await;
    drop(live);
    cluster.stop().await;
}

#[tokio::test]
async fn j11_failover_in_order_is_one_gap_for_readers_and_loses_no_event() {
    let set = SentinelSet::start().await;
    let section = ClusterSection::on(&set.servers[0]).url(set.url()).lease(LEASE);
    let cluster = Cluster::start_with(2, &logged(""), section).await;
    let mut live = readers(&cluster).await;
    publish_all(&cluster, 0..3).await;
    let mut before = Value::Null;
    for reader in &mut live {
        before = read_all(reader, 0..3).await.1;
    }
    set.fail_over();
    until_there(set.new_master().await).await;
    until_green(&cluster).await;
    publish_all(&cluster, 3..6).await;
    let mut after = Value::Null;
    for reader in &mut live {
        let (gaps, position) = read_all(reader, 3..6).await;
        assert_eq!(gaps, ["restarted"]);
        reader.expect_silence().await;
        after = position;
    }
    expect_log(&cluster, 6, &before, &after).await;
    drop(live);
    cluster.stop().await;
}
