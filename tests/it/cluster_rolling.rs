//! A rolling restart of three nodes under traffic, with clients that connect again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::support::*;

const CHANNEL: &str = "presence-x";
const USERS: usize = 6;

/// What one client has seen on all its connections.
#[derive(Default)]
struct Seen {
    connections: usize,
    /// Numbers of the events of each connection.
    events: Vec<Vec<u64>>,
    removed: BTreeMap<String, u32>,
}

#[tokio::test]
async fn j_rolling_restart_announces_no_departure_of_a_member_that_stays() {
    let app = (APP, "limits.member_returns_per_minute = 0");
    let apps = config_of("drain_seconds = 2", &[app]);
    let mut cluster = Cluster::start(3, &apps).await;
    let door = Arc::new(Door::start(addresses(&cluster, None)));
    let over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..USERS)
        .map(|at| {
            let seen = Arc::<Mutex<Seen>>::default();
            let task = member(door.addr, format!("u{at}"), seen.clone(), over.clone());
            (seen, tokio::spawn(task))
        })
        .collect();
    until_everybody_is_in(&cluster).await;
    let published = AtomicU32::new(0);
    for at in 0..3 {
        // A balancer that has seen `/ready` sends nobody to the node that ends.
        door.lead_to(addresses(&cluster, Some(at)));
        traffic(&cluster, (at + 1) % 3, &published).await;
        tokio::join!(cluster.terminate(at), tokio::time::sleep(Duration::from_millis(100)));
        traffic(&cluster, (at + 1) % 3, &published).await;
        cluster.revive(at).await;
        door.lead_to(addresses(&cluster, None));
        until_everybody_is_in(&cluster).await;
    }
    // One who really leaves is announced, once.
    let mut leaver = cluster[0].connect().await;
    leaver.join(CHANNEL, &json!({"user_id": "leaver"})).await;
    leaver.close().await;
    until("the departure of the leaver", async || {
        let told = |seen: &Mutex<Seen>| {
            seen.lock().expect("no client failed").removed.contains_key("leaver")
        };
        clients.iter().all(|(seen, _)| told(seen)).then_some(())
    })
    .await;
    over.store(true, Ordering::Relaxed);
    cluster[0].publish(CHANNEL, "e", "0").await;
    for (seen, task) in clients {
        within("the end of a client", task).await.expect("no client failed");
        let seen = seen.lock().expect("no client failed");
        assert!(seen.connections >= 2, "every client has lost a node");
        assert_eq!(seen.removed, BTreeMap::from([("leaver".to_owned(), 1)]));
        for events in &seen.events {
            let rises = events.windows(2).all(|pair| pair[1] == pair[0] + 1);
            assert!(rises, "each event of a connection, once and in order: {events:?}");
        }
    }
    cluster.stop().await;
}

/// Connects and joins until the end, and notes what it is told.
async fn member(door: SocketAddr, user: String, seen: Arc<Mutex<Seen>>, over: Arc<AtomicBool>) {
    while !over.load(Ordering::Relaxed) {
        let url = format!("ws://{door}/app/{}?protocol=7", APP.key);
        let request = url.into_client_request().expect("a good URL");
        let stream = within("the door", tokio::net::TcpStream::connect(door)).await;
        let stream = Box::new(stream.expect("the door accepts"));
        let mut client = Client::over(stream, DisconnectGuard::none(), APP, request).await;
        client.handshake().await;
        let data = json!({"user_id": user}).to_string();
        client.send_presence_subscribe(CHANNEL, &data).await;
        {
            let mut seen = seen.lock().expect("no client failed");
            seen.connections += 1;
            seen.events.push(Vec::new());
        }
        while let Incoming::Text(text) = client.incoming().await {
            note(&text, &seen);
            if over.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

fn note(text: &str, seen: &Mutex<Seen>) {
    let frame: serde_json::Value = serde_json::from_str(text).expect("JSON");
    let mut seen = seen.lock().expect("no client failed");
    match frame["event"].as_str() {
        Some("e") => {
            let number = inner(&frame).as_u64().expect("a number");
            // The last one only wakes the clients.
            if number > 0 {
                seen.events.last_mut().expect("a connection").push(number);
            }
        }
        Some("pusher_internal:member_removed") => {
            let user = inner(&frame)["user_id"].as_str().expect("text").to_owned();
            *seen.removed.entry(user).or_default() += 1;
        }
        _ => {}
    }
}

async fn traffic(cluster: &Cluster, node: usize, published: &AtomicU32) {
    for _ in 0..20 {
        let number = published.fetch_add(1, Ordering::Relaxed) + 1;
        cluster[node].publish(CHANNEL, "e", &number.to_string()).await;
    }
}

fn addresses(cluster: &Cluster, without: Option<usize>) -> Vec<SocketAddr> {
    let all = cluster.running().map(|node| node.addr).enumerate();
    all.filter(|(at, _)| Some(*at) != without).map(|(_, addr)| addr).collect()
}

async fn until_everybody_is_in(cluster: &Cluster) {
    for node in cluster.running() {
        until("all members", async || (users_of(node, CHANNEL).await.len() == USERS).then_some(()))
            .await;
    }
}
