//! `/metrics`: each number follows the actions of the test, and labels never come from clients or
//! backends.

use serde_json::json;

use crate::support::*;

const APP_LABEL: (&str, &str) = ("app", "it");
const SEALED: &str = "private-encrypted-metrics";

fn sealing(app: &str) -> String {
    let key = base64(&master_key("metrics"));
    config(&format!("client_events = true\nauthorizer = \"open\"\nmaster_key = \"{key}\"\n{app}"))
}

#[tokio::test]
async fn metrics_are_read_only_and_on_the_operations_listener() {
    let server = TestServer::start(&config("")).await;
    server.scrape().await;
    let here = exchange(server.ops(), &Request::new("POST", "/metrics")).await;
    here.refused(405, "POST /metrics");
    server.send(Request::new("GET", "/metrics")).await.refused(404, "the public listener");
    server.stop().await;
}

#[tokio::test]
async fn connections_are_counted_by_close_reason() {
    let server = TestServer::start(&config("limits.connections = 3")).await;
    let clients = [server.connect().await, server.connect().await, server.connect().await];
    let mut refused = Client::dial(&server, APP, &server.socket_path(), &[]).await;
    refused.expect_rejection(4004).await;
    let unknown = App { key: "nobodys-key", ..APP };
    let mut stranger = Client::dial(&server, unknown, "/app/nobodys-key?protocol=7", &[]).await;
    stranger.expect_rejection(4001).await;
    let [_stays, polite, lost] = clients;
    server.until_metric("sealcast_connections", &[APP_LABEL], 3.0).await;
    polite.close().await;
    drop(lost);
    let closed = "sealcast_connections_closed_total";
    for (reason, code) in [
        ("over_connection_quota", "4004"),
        ("unknown_app", "4001"),
        ("by_client", ""),
        ("lost", ""),
    ] {
        server.until_metric(closed, &[("reason", reason), ("code", code)], 1.0).await;
    }
    let scrape = server.scrape().await;
    assert_eq!(scrape.sum(closed, &[]), 4.0, "{}", scrape.text);
    assert_eq!(scrape.sum("sealcast_connections_opened_total", &[APP_LABEL]), 3.0);
    server.until_metric("sealcast_connections", &[APP_LABEL], 1.0).await;
    server.stop().await;
}

#[tokio::test]
async fn channels_subscriptions_and_members_are_counted_by_kind() {
    let server = TestServer::start(&sealing("")).await;
    let (mut a, mut b) = (server.connect().await, server.connect().await);
    for client in [&mut a, &mut b] {
        client.subscribe("news").await;
    }
    a.subscribe("private-x").await;
    a.subscribe("cache-x").await;
    a.next().await;
    a.subscribe(SEALED).await;
    a.join("presence-room", &json!({"user_id": "m"})).await;
    b.join("presence-room", &json!({"user_id": "n"})).await;
    b.sign_in(&json!({"id": "n"})).await;
    let scrape = server.scrape().await;
    for (kind, cached, channels, subscriptions) in [
        ("public", "false", 1.0, 2.0),
        ("public", "true", 1.0, 1.0),
        ("private", "false", 1.0, 1.0),
        ("encrypted", "false", 1.0, 1.0),
        ("encrypted", "true", 0.0, 0.0),
        ("presence", "false", 1.0, 2.0),
        ("user", "false", 1.0, 1.0),
    ] {
        let labels = [APP_LABEL, ("kind", kind), ("cached", cached)];
        assert_eq!(scrape.sum("sealcast_channels", &labels), channels, "{kind} {cached}");
        assert_eq!(scrape.sum("sealcast_subscriptions", &labels), subscriptions, "{kind} {cached}");
    }
    assert_eq!(scrape.sum("sealcast_members", &[APP_LABEL]), 2.0);
    assert_eq!(scrape.sum("sealcast_key_subscriptions", &[("state", "active")]), 1.0);
    server.stop().await;
}

#[tokio::test]
async fn deliveries_are_events_times_subscribers() {
    let server = TestServer::start(&sealing("")).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = server.connect().await;
        client.subscribe("news").await;
        client.subscribe("private-x").await;
        clients.push(client);
    }
    for n in 0..7 {
        server.publish("news", "e", &n.to_string()).await;
    }
    let burst: Vec<_> =
        (0..10).map(|n| json!({"name": "e", "channel": "news", "data": n.to_string()})).collect();
    server.post("/batch_events", &json!({"batch": burst})).await.expect(200, "a batch");
    let both = json!({"name": "e", "channels": ["news", "nobody-is-here"], "data": "last"});
    server.post("/events", &both).await.expect(200, "two channels");
    clients[0].client_event("private-x", "client-hi", json!("x")).await;
    let frame = json!({"event": "e", "channel": "news", "data": "0"}).to_string();
    for client in &mut clients[1..] {
        for _ in 0..18 {
            client.expect_event("e").await;
        }
        client.expect_event("client-hi").await;
    }
    let delivered = 18.0 * 5.0 + 4.0;
    let scrape = server.until_metric("sealcast_deliveries_total", &[], delivered).await;
    let events = "sealcast_events_total";
    assert_eq!(scrape.sum(events, &[APP_LABEL, ("source", "api")]), 19.0, "one on two channels");
    assert_eq!(scrape.sum(events, &[APP_LABEL, ("source", "client")]), 1.0);
    // Each has a header of two bytes, and no text is shorter than the first.
    let bytes = scrape.sum("sealcast_delivered_bytes_total", &[]);
    assert!(bytes >= delivered * (frame.len() + 2) as f64, "{bytes}");
    assert!(bytes < delivered * (frame.len() + 20) as f64, "{bytes}");
    assert_eq!(scrape.sum("sealcast_outbox_bytes", &[]), 0.0);
    assert_eq!(scrape.sum("sealcast_mailbox_bytes", &[]), 0.0);
    server.stop().await;
}

#[tokio::test]
async fn sealed_relayed_and_refused_events_are_counted() {
    let server = TestServer::start(&sealing("")).await;
    let secret = shared_secret(&master_key("metrics"), SEALED);
    for n in 0..65 {
        server.publish(SEALED, "e", &format!("plain {n}")).await;
    }
    server.publish(SEALED, "e", &seal(&secret, [7; 24], b"relayed")).await;
    let foreign = json!({"name": "e", "channel": SEALED, "data": seal(&[9; 32], [7; 24], b"x")});
    server.post("/events", &foreign).await.refused(422, "another key");
    let scrape = server.scrape().await;
    let seals = "sealcast_seals_total";
    assert_eq!(scrape.sum(seals, &[APP_LABEL, ("mode", "sealed")]), 65.0);
    assert_eq!(scrape.sum(seals, &[APP_LABEL, ("mode", "relayed")]), 1.0);
    let failures = "sealcast_seal_failures_total";
    assert_eq!(scrape.sum(failures, &[APP_LABEL, ("reason", "does_not_open")]), 1.0);
    assert_eq!(scrape.sum(failures, &[]), 1.0, "{}", scrape.text);
    assert_eq!(scrape.sum("sealcast_plaintext_refused_total", &[]), 0.0);
    assert_eq!(scrape.sum("sealcast_seal_duration_seconds_count", &[]), 2.0, "one in 64");
    assert_eq!(scrape.sum("sealcast_tripwire_total", &[]), 0.0);
    server.stop().await;

    let server = TestServer::start(&config("mode = \"blind\"")).await;
    let plain = json!({"name": "e", "channel": SEALED, "data": "in clear"});
    server.post("/events", &plain).await.refused(422, "plaintext");
    let scrape = server.scrape().await;
    assert_eq!(scrape.sum("sealcast_plaintext_refused_total", &[APP_LABEL]), 1.0);
    assert_eq!(scrape.sum(failures, &[]), 0.0, "that is the other one");
    server.stop().await;
}

#[tokio::test]
async fn rotation_appears_in_keys_and_reauth_reasons() {
    let server = TestServer::start(&sealing("")).await;
    let mut reader = SealedSubscriber::join(&server, server.connect().await, SEALED).await;
    let asked = |reason: &'static str| [("reason", reason)];
    let scrape = server.scrape().await;
    assert_eq!(scrape.sum("sealcast_reauth_total", &asked("join")), 1.0);
    let admin = AdminClient::of(&server);
    let old = id(&admin.report().await["keys"][0]);
    let new = admin.rotate_to(&master_key("metrics, the next")).await;
    reader.expect(&server, "sealcast:rekey", "{}").await;
    admin.until_moved().await;
    let scrape = server.scrape().await;
    assert_eq!(scrape.sum("sealcast_reauth_total", &asked("rotation")), 1.0);
    assert_eq!(scrape.sum("sealcast_reauth_total", &asked("again")), 0.0);
    for (key, state, subscriptions) in [(&old, "grace", 0.0), (&new, "active", 1.0)] {
        let labels = [APP_LABEL, ("key", key.as_str()), ("state", state)];
        assert_eq!(scrape.sum("sealcast_key_info", &labels), 1.0, "{}", scrape.text);
        assert_eq!(scrape.sum("sealcast_key_subscriptions", &labels), subscriptions, "{key}");
        assert!(scrape.sum("sealcast_key_age_seconds", &labels) < 60.0, "{key}");
    }
    assert_eq!(scrape.sum("sealcast_rotation_moves_total", &[("step", "nudged")]), 1.0);
    assert_eq!(scrape.sum("sealcast_rotation_moves_total", &[("step", "reauthorized")]), 1.0);
    assert_eq!(scrape.sum("sealcast_rotation_remaining_subscriptions", &[APP_LABEL]), 0.0);
    server.stop().await;
}

#[tokio::test]
async fn l_one_event_in_64_is_timed_from_its_acceptance_to_its_last_write() {
    let server = TestServer::start(&config("")).await;
    let mut client = server.connect().await;
    client.subscribe("news").await;
    let none = server.scrape().await.sum("sealcast_delivery_delay_seconds_count", &[]);
    assert_eq!(none, 0.0, "the handshake is no event");
    for n in 0..128 {
        server.publish("news", "e", &n.to_string()).await;
        assert_eq!(client.expect_event("e").await, json!(n));
    }
    let scrape = server.until_metric("sealcast_delivery_delay_seconds_count", &[], 2.0).await;
    let sum = scrape.sum("sealcast_delivery_delay_seconds_sum", &[]);
    assert!(sum > 0.0 && sum < 10.0, "{sum}");
    server.stop().await;
}
