//! Tickets of event streams: one made on any node opens, replaces and ends streams on all of them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::*;

const CHANNEL: &str = "presence-x";

fn apps() -> String {
    config("authorizer = \"deny\"\nexplain = true")
}

async fn mint(node: &TestServer) -> Value {
    let wanted = json!({"user_id": "u1", "channels": ["presence-*", "private-*"]});
    node.post("/tokens", &wanted).await.expect(200, "a token")
}

async fn ask_ticket(node: &TestServer, minted: &Value) -> Response {
    let token = minted["token"].as_str().expect("a token");
    node.page_post(token, "/tickets", &json!({"channels": [CHANNEL]})).await
}

async fn ticket(node: &TestServer, minted: &Value) -> String {
    let made = ask_ticket(node, minted).await.expect(200, "a ticket");
    made["ticket"].as_str().expect("a ticket").to_owned()
}

fn target(node: &TestServer, ticket: &str) -> String {
    format!("{}/app/{}/sse?ticket={ticket}", node.prefix, APP.key)
}

async fn open(node: &TestServer, ticket: &str) -> EventStream {
    let mut stream = EventStream::open_with(node, &target(node, ticket), "").await;
    stream.expect_subscribed(CHANNEL).await;
    stream
}

/// The code of the refusal.
async fn refused(node: &TestServer, ticket: &str) -> String {
    let response = node.send(Request::new("GET", target(node, ticket))).await;
    response.refused(401, ticket)
}

/// Waits until the ticket is spent by its stream. The first request comes when the node of the ticket
/// has confirmed the stream: an earlier one would take its place.
async fn until_spent(node: &TestServer, ticket: &str) {
    tokio::time::sleep(Duration::from_secs(3)).await;
    until("the ticket is spent", async || {
        let response = node.send(Request::new("HEAD", target(node, ticket))).await;
        (response.status == 401).then_some(())
    })
    .await;
}

#[tokio::test]
async fn j_ticket_of_any_node_opens_a_stream_on_any_node() {
    let cluster = Cluster::start(2, &apps()).await;
    let minted = mint(&cluster[0]).await;
    for (made, opened) in [(0, 1), (1, 0), (0, 0), (1, 1)] {
        let ticket = ticket(&cluster[made], &minted).await;
        assert_eq!(ticket.len(), 43, "as without a cluster");
        let mut stream =
            EventStream::open_with(&cluster[opened], &target(&cluster[opened], &ticket), "").await;
        let joined = stream.expect_subscribed(CHANNEL).await;
        assert_eq!(joined["presence"]["ids"], json!(["u1"]));
        cluster[made].publish(CHANNEL, "e", "hello").await;
        stream.expect_event(CHANNEL, "hello").await;
        let other = format!("{}&channel=private-b", target(&cluster[opened], &ticket));
        let response = cluster[opened].send(Request::new("GET", other)).await;
        assert_eq!(response.refused(403, "not its channel"), "channel_not_covered");
    }
    cluster.stop().await;
}

#[tokio::test]
async fn j_later_stream_replaces_the_former_on_any_node() {
    let cluster = Cluster::start(3, &apps()).await;
    let minted = mint(&cluster[0]).await;
    // From the node of the ticket and back, between two others, and on one.
    for nodes in [[0, 1], [1, 0], [1, 2], [2, 2]] {
        let ticket = ticket(&cluster[0], &minted).await;
        let mut former = open(&cluster[nodes[0]], &ticket).await;
        let mut later = open(&cluster[nodes[1]], &ticket).await;
        former.expect_end(4200).await;
        cluster[0].publish(CHANNEL, "e", "hello").await;
        later.expect_event(CHANNEL, "hello").await;
    }
    cluster.stop().await;
}

#[tokio::test]
async fn j_stream_that_lived_spends_its_ticket_on_all_nodes() {
    let cluster = Cluster::start(2, &apps()).await;
    let minted = mint(&cluster[0]).await;
    for made in [0, 1] {
        let ticket = ticket(&cluster[made], &minted).await;
        let mut stream = open(&cluster[1], &ticket).await;
        for node in cluster.running() {
            until_spent(node, &ticket).await;
            assert_eq!(refused(node, &ticket).await, "ticket_spent");
        }
        cluster[0].publish(CHANNEL, "e", "hello").await;
        stream.expect_event(CHANNEL, "hello").await;
    }
    cluster.stop().await;
}

#[tokio::test]
async fn j_revoked_token_ends_streams_and_ticket_on_all_nodes() {
    let cluster = Cluster::start(2, &apps()).await;
    for revoking in [0, 1] {
        let minted = mint(&cluster[0]).await;
        let unused = ticket(&cluster[0], &minted).await;
        let used = ticket(&cluster[0], &minted).await;
        let mut stream = open(&cluster[1], &used).await;
        let body = json!({"jti": minted["jti"]});
        cluster[revoking].post("/tokens/revoke", &body).await.expect(200, "revoked");
        assert_eq!(stream.next().await["event"], "pusher:subscription_error");
        stream.expect_end(4200).await;
        for node in cluster.running() {
            for ticket in [&unused, &used] {
                assert_eq!(refused(node, ticket).await, "ticket_ended");
            }
        }
    }
    cluster.stop().await;
}

#[tokio::test]
async fn j_ticket_of_a_killed_node_is_unknown_and_its_streams_elsewhere_go_on() {
    let mut cluster = Cluster::start(2, &apps()).await;
    let minted = mint(&cluster[0]).await;
    let old = ticket(&cluster[0], &minted).await;
    let mut stream = open(&cluster[1], &old).await;
    until_spent(&cluster[1], &old).await;
    cluster.kill(0).await;
    assert_eq!(refused(&cluster[1], &old).await, "ticket_unknown");
    cluster[1].publish(CHANNEL, "e", "hello").await;
    stream.expect_event(CHANNEL, "hello").await;
    let new = ticket(&cluster[1], &minted).await;
    drop(open(&cluster[1], &new).await);
    cluster.stop().await;
}

#[tokio::test]
async fn j_ticket_survives_the_node_of_its_stream() {
    let mut cluster = Cluster::start(2, &apps()).await;
    let minted = mint(&cluster[0]).await;
    let ticket = ticket(&cluster[0], &minted).await;
    drop(open(&cluster[1], &ticket).await);
    let lost = open(&cluster[1], &ticket).await;
    cluster.kill(1).await;
    drop(lost);
    drop(open(&cluster[0], &ticket).await);
    cluster.stop().await;
}

#[tokio::test]
async fn j_frozen_node_makes_clients_get_another_ticket() {
    let cluster = Cluster::start(2, &apps()).await;
    let minted = mint(&cluster[0]).await;
    let old = ticket(&cluster[0], &minted).await;
    cluster[0].signal("STOP");
    assert_eq!(refused(&cluster[1], &old).await, "ticket_unknown");
    let new = ticket(&cluster[1], &minted).await;
    drop(open(&cluster[1], &new).await);
    cluster[0].signal("CONT");
    until_ready(&cluster[0]).await;
    drop(open(&cluster[1], &old).await);
    cluster.stop().await;
}

#[tokio::test]
async fn j_made_up_tickets_are_unknown_on_all_nodes() {
    let cluster = Cluster::start(2, &apps()).await;
    let minted = mint(&cluster[0]).await;
    let real = ticket(&cluster[0], &minted).await;
    let altered = |at: usize| {
        let other = if real.as_bytes()[at] == b'B' { "C" } else { "B" };
        format!("{}{other}{}", &real[..at], &real[at + 1..])
    };
    // The slot, the random bytes, and the tag.
    for made_up in ["A".repeat(43), altered(1), altered(20), altered(40), String::new()] {
        for node in cluster.running() {
            assert_eq!(refused(node, &made_up).await, "ticket_unknown", "{made_up}");
        }
    }
    drop(open(&cluster[1], &real).await);
    cluster.stop().await;
}

#[tokio::test]
async fn j_streams_elsewhere_count_for_the_tickets_of_a_user_until_they_end() {
    let cluster = Cluster::start(2, &apps()).await;
    let minted = mint(&cluster[0]).await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        let ticket = ticket(&cluster[0], &minted).await;
        streams.push(open(&cluster[1], &ticket).await);
    }
    let full = ask_ticket(&cluster[0], &minted).await;
    assert_eq!(full.refused(429, "21 tickets"), "too_many_tickets");
    streams.pop();
    until("the ticket of the ended stream makes room", async || {
        (ask_ticket(&cluster[0], &minted).await.status == 200).then_some(())
    })
    .await;
    cluster.stop().await;
}

#[tokio::test]
async fn j_redis_sees_nothing_of_a_ticket() {
    let redis = Redis::start();
    let cluster = Cluster::start_with(2, &apps(), ClusterSection::on(&redis)).await;
    let minted = mint(&cluster[0]).await;
    let monitor = redis.monitor();
    let ticket = ticket(&cluster[0], &minted).await;
    let mut former = open(&cluster[1], &ticket).await;
    let later = open(&cluster[0], &ticket).await;
    former.expect_end(4200).await;
    let dump = redis.dump();
    drop(later);
    cluster.stop().await;
    redis.ask(&["ECHO", "the-end"]).expect("a command");
    monitor.until_it_has("the-end");
    let seen = monitor.text();
    assert!(seen.contains("\"SPUBLISH\""), "{seen}");
    let bytes = unbase64(&format!("{}=", ticket.replace('-', "+").replace('_', "/")));
    let hash = sha256(&bytes);
    // Parts of both: without the slot, and short enough for a text that was cut.
    for (part, what) in [(&bytes[2..10], "ticket"), (&hash[..8], "hash")] {
        assert!(!dump.windows(part.len()).any(|bytes| bytes == part), "the {what} is in the keys");
        for text in [as_monitored(part), hex(part), base64(part)[..8].to_owned()] {
            assert!(!seen.contains(&text), "the {what} is in the commands");
        }
    }
    for text in [&ticket[..8], CHANNEL, minted["jti"].as_str().expect("an id")] {
        assert!(!seen.contains(text), "{text} is in the commands");
    }
}

/// Bytes as `MONITOR` prints them.
fn as_monitored(bytes: &[u8]) -> String {
    let letter = |&byte: &u8| match byte {
        b'\\' | b'"' => format!("\\{}", char::from(byte)),
        b'\n' => "\\n".to_owned(),
        b'\r' => "\\r".to_owned(),
        b'\t' => "\\t".to_owned(),
        7 => "\\a".to_owned(),
        8 => "\\b".to_owned(),
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    };
    bytes.iter().map(letter).collect()
}

#[test]
fn j_bytes_are_written_as_redis_shows_them() {
    let redis = Redis::start();
    let monitor = redis.monitor();
    let all: Vec<u8> = (0..128).collect();
    let text = std::str::from_utf8(&all).expect("ASCII");
    redis.ask(&["ECHO", text]).expect("a command");
    monitor.until_it_has(&as_monitored(&all));
}
