//! Histories over nodes: one log in Redis, read and written on each of them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::*;

const SUCCEEDED: &str = "pusher_internal:subscription_succeeded";

pub fn logged(history: &str) -> String {
    config(&format!(
        "\n[[apps.it.channels]]\npattern = \"room*\"\nhistory = {{ events = 2000, bytes = \"8MiB\"{history} }}"
    ))
}

/// Subscribes with a wish to recover; returns the answer, without the frames behind it.
pub async fn recover(client: &mut Client, channel: &str, wish: &Value) -> Value {
    let data = json!({"channel": channel, "recover": wish});
    client.send(&json!({"event": "pusher:subscribe", "data": data})).await;
    let frame = client.next().await;
    assert_eq!(frame["event"], SUCCEEDED, "{frame}");
    inner(&frame)["recover"].clone()
}

/// Comes back to a node at this position, and expects one gap.
pub async fn expect_gap(node: &TestServer, position: &Value) -> String {
    let mut client = node.connect().await;
    assert_eq!(recover(&mut client, "room", position).await["recovered"], false);
    reason(&client.next().await)
}

pub fn reason(gap: &Value) -> String {
    assert_eq!(gap["event"], "sealcast:gap", "{gap}");
    inner(gap)["reason"].as_str().expect("a text").to_owned()
}

pub async fn publish(node: &TestServer, data: impl ToString) -> Response {
    let event = json!({"name": "e", "channel": "room", "data": data.to_string()});
    node.post("/events", &event).await
}

async fn next_event(client: &mut Client) -> (String, Value) {
    let frame = client.next().await;
    assert_eq!(frame["event"], "e", "{frame}");
    (frame["data"].as_str().expect("a text").to_owned(), frame["position"].clone())
}

pub async fn history(node: &TestServer, params: &[(&str, &str)]) -> (Vec<String>, Value) {
    let page = node.get("/channels/room/history", params).await.expect(200, "a page");
    let data = |event: &Value| event["data"].as_str().expect("a text").to_owned();
    (page["events"].as_array().expect("events").iter().map(data).collect(), page)
}

#[tokio::test]
async fn j_log_is_one_for_all_nodes() {
    let cluster = Cluster::start(2, &logged("")).await;
    let mut readers = [cluster[0].connect().await, cluster[1].connect().await];
    let mut starts = Vec::new();
    for reader in &mut readers {
        starts.push(recover(reader, "room", &json!(true)).await["position"].clone());
    }
    assert_eq!(starts[0], starts[1], "nodes share the epoch and the beginning");
    for (at, data) in ["1", "2", "3"].iter().enumerate() {
        publish(&cluster[at % 2], data).await.expect(200, "an event");
    }
    let mut seen = Vec::new();
    for reader in &mut readers {
        seen.push([next_event(reader).await, next_event(reader).await, next_event(reader).await]);
    }
    assert_eq!(seen[0], seen[1], "positions are the same on all nodes");
    let (_, second) = &seen[0][1];
    for node in cluster.running() {
        assert_eq!(history(node, &[]).await.0, ["1", "2", "3"]);
        let after = second.as_str().expect("a position");
        assert_eq!(history(node, &[("after", after)]).await.0, ["3"]);
        let mut back = node.connect().await;
        assert_eq!(recover(&mut back, "room", &starts[0]).await["recovered"], true);
        for expected in &seen[0] {
            assert_eq!(next_event(&mut back).await, *expected);
        }
    }
    // A clearing on one node is told on the other.
    let path = "/apps/it/channels/room/history";
    let clear = Request::new("DELETE", signed_target(APP, "DELETE", path, &[], b""));
    assert_eq!(cluster[1].send(clear).await.status, 204);
    for reader in &mut readers {
        assert_eq!(reason(&reader.next().await), "cleared");
    }
    for node in cluster.running() {
        assert_eq!(history(node, &[]).await.0, [""; 0]);
        assert_eq!(expect_gap(node, second).await, "cleared");
    }
    cluster.stop().await;
}

#[tokio::test]
async fn j_reader_moves_from_node_to_node_while_events_flow() {
    const EVENTS: usize = 300;
    let cluster = Cluster::start(2, &logged("")).await;
    let mut client = cluster[0].connect().await;
    let mut position = recover(&mut client, "room", &json!(true)).await["position"].clone();
    let publish = async {
        for at in 0..EVENTS {
            publish(&cluster[at % 2], at).await.expect(200, "an event");
        }
    };
    let read = async {
        let mut seen = Vec::new();
        for moves in 1.. {
            for _ in 0..7.min(EVENTS - seen.len()) {
                let (data, at) = next_event(&mut client).await;
                seen.push(data);
                position = at;
            }
            if seen.len() == EVENTS {
                break;
            }
            client = cluster[moves % 2].connect().await;
            let answer = recover(&mut client, "room", &position).await;
            assert_eq!(answer["recovered"], true, "after {:?}", seen.last());
        }
        seen
    };
    let ((), seen) = tokio::join!(publish, read);
    let expected: Vec<_> = (0..EVENTS).map(|at| at.to_string()).collect();
    assert_eq!(seen, expected, "none is missing, none comes twice");
    client.expect_silence().await;
    drop(client);
    cluster.stop().await;
}

#[tokio::test]
async fn j_nodes_that_lose_their_connections_give_subscribers_what_they_missed() {
    let redis = Redis::start();
    let cluster = Cluster::start_with(2, &logged(""), ClusterSection::on(&redis)).await;
    let mut clients = Vec::new();
    for node in cluster.running() {
        let mut reader = node.connect().await;
        recover(&mut reader, "room", &json!(true)).await;
        let mut plain = node.connect().await;
        plain.subscribe("room").await;
        clients.extend([reader, plain]);
    }
    let mut number = 0;
    for _ in 0..3 {
        redis.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).expect("CLIENT KILL");
        for node in cluster.running() {
            for _ in 0..5 {
                publish(node, number).await.expect(200, "an event");
                number += 1;
            }
        }
        cluster.until_ready().await;
    }
    for client in &mut clients {
        for expected in 0..number {
            let frame = client.next().await;
            assert_eq!(
                (&frame["event"], &frame["data"]),
                (&json!("e"), &expected.to_string().into())
            );
        }
        client.expect_silence().await;
    }
    drop(clients);
    cluster.stop().await;
}

/// A Redis that comes back with an older copy of its data: as a replica that was behind.
struct RestoredRedis {
    redis: Redis,
    directory: TempDir,
}

impl RestoredRedis {
    fn start() -> Self {
        let directory = TempDir::new();
        let path = directory.path().to_str().expect("a path").to_owned();
        Self { redis: Redis::start_with(&["--dir", &path]), directory }
    }

    fn save(&self) {
        self.redis.ask(&["SAVE"]).expect("SAVE");
        let dump = self.directory.path().join("dump.rdb");
        std::fs::copy(dump, self.directory.path().join("copy.rdb")).expect("a copy");
    }

    async fn restore(&mut self, cluster: &Cluster) {
        self.redis.signal("KILL");
        for node in cluster.running() {
            until_red(node, "cluster_away").await;
        }
        let path = self.directory.path();
        std::fs::copy(path.join("copy.rdb"), path.join("dump.rdb")).expect("the copy");
        self.redis.restart();
        cluster.until_ready().await;
    }
}

#[tokio::test]
async fn j30_reader_before_at_and_inside_a_lost_tail_gets_one_gap() {
    let mut restored = RestoredRedis::start();
    let section = ClusterSection::on(&restored.redis);
    let cluster = Cluster::start_with(2, &logged(""), section).await;
    let mut live = [cluster[0].connect().await, cluster[1].connect().await];
    for reader in &mut live {
        recover(reader, "room", &json!(true)).await;
    }
    let mut positions = Vec::new();
    for data in 1..=6 {
        publish(&cluster[data % 2], data).await.expect(200, "an event");
        positions.push(next_event(&mut live[0]).await.1);
        next_event(&mut live[1]).await;
        if data == 3 {
            restored.save();
        }
    }
    restored.restore(&cluster).await;
    // What was lost behind their positions nobody can tell.
    for reader in &mut live {
        assert_eq!(reason(&reader.next().await), "restarted");
    }
    for (what, at) in [("before", 1), ("at the cut", 2), ("inside", 4), ("at the end", 5)] {
        for node in cluster.running() {
            assert_eq!(expect_gap(node, &positions[at]).await, "restarted", "{what}");
        }
    }
    publish(&cluster[0], 7).await.expect(200, "an event");
    let (_, after) = next_event(&mut live[0]).await;
    assert_eq!(next_event(&mut live[1]).await, ("7".into(), after.clone()));
    // One event later, the numbers of the lost ones lie below the end again.
    for at in [1, 2, 4, 5] {
        assert_eq!(expect_gap(&cluster[1], &positions[at]).await, "restarted");
    }
    publish(&cluster[1], 8).await.expect(200, "an event");
    for node in cluster.running() {
        let mut back = node.connect().await;
        assert_eq!(recover(&mut back, "room", &after).await["recovered"], true);
        assert_eq!(next_event(&mut back).await.0, "8");
    }
    assert_eq!(history(&cluster[0], &[]).await.0, ["1", "2", "3", "7", "8"]);
    drop(live);
    cluster.stop().await;
}

#[tokio::test]
async fn j10_flushed_redis_is_one_gap_and_the_log_begins_anew() {
    let redis = Redis::start();
    let cluster = Cluster::start_with(2, &logged(""), ClusterSection::on(&redis)).await;
    let mut live = [cluster[0].connect().await, cluster[1].connect().await];
    for reader in &mut live {
        recover(reader, "room", &json!(true)).await;
    }
    publish(&cluster[0], 1).await.expect(200, "an event");
    let (_, before) = next_event(&mut live[0]).await;
    next_event(&mut live[1]).await;
    redis.flush();
    publish(&cluster[0], 2).await.expect(200, "an event");
    for reader in &mut live {
        assert_eq!(reason(&reader.next().await), "restarted");
        assert_eq!(next_event(reader).await.0, "2");
    }
    for node in cluster.running() {
        assert_eq!(expect_gap(node, &before).await, "restarted");
    }
    publish(&cluster[1], 3).await.expect(200, "an event");
    for reader in &mut live {
        assert_eq!(next_event(reader).await.0, "3");
        reader.expect_silence().await;
    }
    drop(live);
    cluster.stop().await;
}

#[tokio::test]
async fn j_logged_events_wait_for_redis_and_are_never_local() {
    let redis = Redis::start();
    let section = ClusterSection::on(&redis).with("when_away = \"refuse\"");
    let cluster = Cluster::start_with(2, &logged(""), section).await;
    let mut reader = cluster[0].connect().await;
    recover(&mut reader, "room", &json!(true)).await;
    redis.signal("STOP");
    let waiting = publish(&cluster[0], "late");
    let go_on = async {
        until_red(&cluster[0], "cluster_away").await;
        redis.signal("CONT");
    };
    let (answer, ()) = tokio::join!(waiting, go_on);
    answer.expect(200, "it has waited");
    assert_eq!(answer.header("sealcast-delivery"), None);
    assert_eq!(next_event(&mut reader).await.0, "late");
    cluster.until_ready().await;
    redis.signal("STOP");
    let body = json!({"name": "e", "channel": "room", "data": "too late"}).to_string();
    let target = signed_target(APP, "POST", "/apps/it/events", &[], body.as_bytes());
    let mut connection = cluster[0].http_connection().await;
    let request = Request::new("POST", target).body("application/json", body);
    connection.write(&request.bytes()).await;
    // The server waits as long as a read of this test.
    tokio::time::sleep(DEADLINE / 2).await;
    let answer = connection.read("POST").await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("cluster_away")));
    reader.expect_silence().await;
    redis.signal("CONT");
    cluster.until_ready().await;
    drop(reader);
    cluster.stop().await;
}

#[tokio::test]
async fn j_position_that_cannot_be_looked_up_in_time_is_a_gap_to_page_from() {
    let redis = Redis::start();
    let cluster = Cluster::start_with(1, &logged(""), ClusterSection::on(&redis)).await;
    let mut reader = cluster[0].connect().await;
    let start = recover(&mut reader, "room", &json!(true)).await["position"].clone();
    publish(&cluster[0], 1).await.expect(200, "an event");
    next_event(&mut reader).await;
    redis.signal("STOP");
    until_red(&cluster[0], "cluster_away").await;
    let mut back = cluster[0].connect().await;
    assert_eq!(recover(&mut back, "room", &start).await["recovered"], false);
    let gap = back.next().await;
    assert_eq!(reason(&gap), "unavailable");
    assert_eq!(inner(&gap)["position"], start, "it pages from where it was");
    let page = cluster[0].get("/channels/room/history", &[]).await;
    assert_eq!((page.status, page.json()["code"].as_str()), (503, Some("cluster_away")));
    redis.signal("CONT");
    cluster.until_ready().await;
    let after = start.as_str().expect("a position");
    assert_eq!(history(&cluster[0], &[("after", after)]).await.0, ["1"]);
    drop((reader, back));
    cluster.stop().await;
}

#[tokio::test]
async fn j_log_and_state_leave_redis_together() {
    let redis = Redis::start();
    let history = ", vacant = \"1s\", idle = \"1h\"";
    let cluster = Cluster::start_with(2, &logged(history), ClusterSection::on(&redis)).await;
    let mut reader = cluster[0].connect().await;
    recover(&mut reader, "room", &json!(true)).await;
    publish(&cluster[1], 1).await.expect(200, "an event");
    next_event(&mut reader).await;
    assert!(redis.only_key("*}h:*").is_some() && redis.only_key("*}c:*").is_some());
    reader.close().await;
    until("the log is gone", async || redis.only_key("*}h:*").is_none().then_some(())).await;
    until("the channel is gone", async || redis.only_key("*}c:*").is_none().then_some(())).await;
    cluster.stop().await;
}

#[tokio::test]
async fn j_redis_sees_nothing_of_a_log() {
    let redis = Redis::start();
    let monitor = redis.monitor();
    let cluster = Cluster::start_with(2, &logged(""), ClusterSection::on(&redis)).await;
    let event =
        json!({"name": "a-secret-name", "channel": "room-of-secrets", "data": "a-secret-text"});
    cluster[0].post("/events", &event).await.expect(200, "an event");
    let page = cluster[1].get("/channels/room-of-secrets/history", &[]).await.expect(200, "a page");
    assert_eq!(page["events"][0]["data"], "a-secret-text");
    let dump = redis.dump();
    let seen = monitor.text();
    for secret in ["a-secret-name", "a-secret-text", "room-of-secrets"] {
        assert!(!dump.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret}");
        assert!(!seen.contains(secret), "{secret}");
    }
    cluster.stop().await;
}

/// Writers on two nodes never overwrite each other: the script decides.
#[tokio::test]
async fn j_conditions_hold_over_nodes() {
    let cluster = Cluster::start(2, &logged("")).await;
    let write = async |at: usize, condition: (&str, String), data: &str| {
        let body = json!({"name": "e", "channel": "room", "data": data}).to_string();
        let target = signed_target(APP, "POST", "/apps/it/events", &[], body.as_bytes());
        let request = Request::new("POST", target).header(condition.0, &condition.1);
        cluster[at].send(request.body("application/json", body)).await
    };
    let first = |at| write(at, ("If-None-Match", "*".into()), "first");
    let answers = tokio::join!(first(0), first(1), first(0), first(1));
    let answers = [answers.0, answers.1, answers.2, answers.3];
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    let mut positions = BTreeSet::new();
    for answer in &answers {
        positions.insert(answer.json()["position"].as_str().expect("a position").to_owned());
    }
    assert_eq!(positions.len(), 1, "all are told of the one that is there");
    let newest = positions.pop_first().expect("one");
    let next = |at| write(at, ("If-Match", format!("\"{newest}\"")), "next");
    let (one, other) = tokio::join!(next(0), next(1));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
    assert_eq!(history(&cluster[0], &[]).await.0, ["first", "next"]);
    cluster.stop().await;
}
