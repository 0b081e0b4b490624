//! protocol.md 2.7: the order of one publisher's events, which all subscribers share.

use std::collections::HashMap;

use serde_json::json;

use crate::support::*;

const PUBLISHERS: usize = 4;
const EVENTS: usize = 100;

/// Publishes numbered events over one kept-alive connection.
async fn publisher(server: &TestServer, name: usize, channels: &[&str]) {
    let mut line = server.http_connection().await;
    for n in 0..EVENTS {
        let body =
            json!({"name": "e", "channels": channels, "data": format!("{name}:{n}")}).to_string();
        let target = signed_target(APP, "POST", "/apps/it/events", &[], body.as_bytes());
        line.send(&Request::new("POST", target).body("application/json", body))
            .await
            .expect(200, name);
    }
}

/// Reads all events of all channels; a list per channel.
async fn record(client: &mut Client, total: usize) -> HashMap<String, Vec<String>> {
    let mut seen: HashMap<String, Vec<String>> = HashMap::new();
    for _ in 0..total {
        let frame = client.next().await;
        let text =
            |name: &str| frame[name].as_str().unwrap_or_else(|| panic!("{frame}")).to_owned();
        seen.entry(text("channel")).or_default().push(text("data"));
    }
    seen
}

#[tokio::test]
async fn s2_7_subscribers_of_a_channel_see_the_same_order() {
    let server = TestServer::start(&config("")).await;
    let channels = ["news", "private-news", "cache-news"];
    let mut clients = Vec::new();
    for _ in 0..6 {
        let mut client = server.connect().await;
        for channel in channels {
            client.subscribe(channel).await;
        }
        client.expect_event("pusher:cache_miss").await;
        clients.push(client);
    }
    let total = PUBLISHERS * EVENTS * channels.len();
    let reading =
        futures_util::future::join_all(clients.iter_mut().map(|client| record(client, total)));
    let publishing = futures_util::future::join_all(
        (0..PUBLISHERS).map(|name| publisher(&server, name, &channels)),
    );
    let (records, _) = tokio::join!(reading, publishing);
    for channel in channels {
        let first = &records[0][channel];
        for name in 0..PUBLISHERS {
            let prefix = format!("{name}:");
            let own: Vec<_> =
                first.iter().filter(|data| data.starts_with(&prefix)).cloned().collect();
            let wanted: Vec<_> = (0..EVENTS).map(|n| format!("{name}:{n}")).collect();
            assert_eq!(own, wanted, "{channel}: the events of publisher {name}");
        }
        for (i, record) in records.iter().enumerate() {
            assert_eq!(&record[channel], first, "{channel}: subscriber {i} saw another order");
        }
    }
    for client in &mut clients {
        client.expect_silence().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn s2_7_publisher_order_is_kept_across_channels() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    client.subscribe("a").await;
    client.subscribe("b").await;
    for n in 0..100 {
        server.publish(if n % 2 == 0 { "a" } else { "b" }, "e", &n.to_string()).await;
    }
    for n in 0..100 {
        assert_eq!(client.expect_event("e").await, n);
    }
    server.stop().await;
}

#[tokio::test]
async fn s2_7_resubscribing_loses_nothing_and_repeats_nothing() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    let publishing = publisher(&server, 0, &["news"]);
    let flapping = async {
        for _ in 0..50 {
            // Between an unsubscribe and the next success frame no event may come, except events
            // already on their way before the answer to a ping.
            client.send_subscribe("news").await;
            client.expect_subscribed("news").await;
            client.unsubscribe("news").await;
            client.send(&json!({"event": "pusher:ping"})).await;
            let mut last: Option<usize> = None;
            loop {
                let frame = client.next().await;
                if frame["event"] == "pusher:pong" {
                    break;
                }
                let (_, n) = frame["data"]
                    .as_str()
                    .and_then(|d| d.split_once(':'))
                    .unwrap_or_else(|| panic!("{frame}"));
                let n: usize = n.parse().unwrap_or_else(|_| panic!("{frame}"));
                assert!(
                    last.is_none_or(|last| n == last + 1),
                    "a gap or a repetition before {frame}"
                );
                last = Some(n);
            }
        }
        client.expect_silence().await;
    };
    tokio::join!(publishing, flapping);
    server.stop().await;
}
