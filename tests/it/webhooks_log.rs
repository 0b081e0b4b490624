//! protocol.md 8: `sealcast webhooks log` for each request, and the order of a channel with a flaky
//! receiver.

use serde_json::{Value, json};

use crate::support::*;

/// The lines of the log without their time.
async fn lines(server: &TestServer, more: &[&str]) -> Vec<String> {
    let output = webhooks_command(server, &[&["log"], more].concat()).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let line = |line: &str| line.split_once("  ").expect("a time").1.to_owned();
    output.stdout.lines().map(line).collect()
}

/// The line without its milliseconds, which vary.
fn outcome(line: &str) -> String {
    let (before, rest) = line.split_once(" (").expect("a duration");
    let (duration, after) = rest.split_once(')').expect("a duration");
    assert!(duration.ends_with(" ms"), "{line}");
    format!("{before}{after}")
}

#[tokio::test]
async fn s8_each_request_is_logged_with_its_outcome() {
    let (good, bad) = (
        WebhookReceiver::start(ReceiverReply::Status(200)).await,
        WebhookReceiver::start(ReceiverReply::Status(500)).await,
    );
    let client_events = "events = [\"client_event\"]";
    let failing = format!("{client_events}\nretry_seconds = 60");
    let webhooks = [hooks_url(&good, client_events), hooks_url(&bad, &failing)];
    let server = TestServer::start(&with_webhooks("", &[&webhooks[0], &webhooks[1]])).await;
    assert_eq!(lines(&server, &[]).await, Vec::<String>::new());
    let mut client = server.connect().await;
    client.subscribe("private-x").await;
    client.client_event("private-x", "client-n", json!("canary-of-what-was-said")).await;
    until_webhook_stat(&server, "delivered", 1).await;
    until("two attempts", async || (bad.requests().len() >= 2).then_some(())).await;
    bad.answer(ReceiverReply::Status(204));
    until_webhook_stat(&server, "delivered", 2).await;

    let all = lines(&server, &[]).await;
    assert!(all.iter().all(|line| !line.contains("canary")), "{all:?}");
    let of_good = lines(&server, &["--endpoint", &good.url("/hooks")]).await;
    let what = ": client_event private-x";
    let taken = format!("{}  attempt 1  taken{what}", good.url("/hooks"));
    assert_eq!(of_good.iter().map(|line| outcome(line)).collect::<Vec<_>>(), [taken]);
    let of_bad = lines(&server, &["--endpoint", &bad.url("/hooks")]).await;
    assert_eq!(all.len(), of_good.len() + of_bad.len());
    for (index, line) in of_bad.iter().enumerate() {
        let last = index + 1 == of_bad.len();
        let answer = if last { "taken" } else { "it answered 500" };
        let wanted = format!("{}  attempt {}  {answer}{what}", bad.url("/hooks"), index + 1);
        assert_eq!(outcome(line), wanted);
    }
    assert!(of_bad.len() >= 3, "{of_bad:?}");
    let latest = lines(&server, &["--limit", "1"]).await;
    assert_eq!(latest, all[all.len() - 1..], "the newest is the last");
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn s8_first_events_of_a_large_batch_are_named() {
    let receiver = WebhookReceiver::start(ReceiverReply::Status(200)).await;
    let rules = "events = [\"channel_occupied\"]\nbatch_events = 50\nbatch_delay_ms = 500";
    let server = TestServer::start(&with_webhooks("", &[&hooks_url(&receiver, rules)])).await;
    let mut client = server.connect().await;
    for n in 0..8 {
        client.subscribe(&format!("c-{n}")).await;
    }
    until_webhook_stat(&server, "delivered", 8).await;
    let log = lines(&server, &[]).await;
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(log[0].ends_with(", and 3 more"), "{log:?}");
    assert_eq!(log[0].matches("channel_occupied c-").count(), 5, "{log:?}");
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn s8_flaky_receiver_gets_each_channel_in_order() {
    let receiver = WebhookReceiver::start(ReceiverReply::Status(200)).await;
    let rules = "events = [\"client_event\"]\nheaders = { X-Tenant = \"seven\" }";
    let limits = "[apps.it.limits]\nclient_events_per_second = 1000";
    let server = TestServer::start(&with_webhooks(limits, &[&hooks_url(&receiver, rules)])).await;
    let mut client = server.connect().await;
    let channels = ["private-a", "private-b", "private-c"];
    for channel in channels {
        client.subscribe(channel).await;
    }
    let bad = [
        ReceiverReply::Status(500),
        ReceiverReply::CloseEarly,
        ReceiverReply::Redirect,
        ReceiverReply::Status(429),
    ];
    for n in 0..12 {
        receiver.answer(if n % 3 == 0 { bad[n / 3] } else { ReceiverReply::Status(200) });
        for channel in channels {
            client.client_event(channel, "client-n", json!(n.to_string())).await;
        }
        client.expect_silence().await;
        // Some of the requests meet this reply, others a later one.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    receiver.answer(ReceiverReply::Status(200));
    until_webhook_stat(&server, "delivered", 36).await;
    let stats = server.stats().await["webhooks"].clone();
    assert!(stats["failed_attempts"].as_u64() >= Some(1), "{stats}");
    assert_eq!((&stats["dead_letters"], &stats["lost"]), (&json!(0), &json!(0)), "{stats}");
    let wanted: Vec<String> = (0..12).map(|n| n.to_string()).collect();
    for channel in channels {
        // Failed requests are repeated: the first arrival of each event has an order.
        let mut seen: Vec<String> = Vec::new();
        for event in receiver.events().iter().filter(|event| event["channel"] == channel) {
            let data = event["data"].as_str().unwrap_or_default().to_owned();
            if seen.last() != Some(&data) {
                seen.push(data);
            }
        }
        assert_eq!(seen, wanted, "{channel}");
    }
    let headers_are_sent =
        |hook: &WebhookRequest| hook.head.to_lowercase().contains("x-tenant: seven");
    assert!(receiver.requests().iter().all(headers_are_sent));
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn c_log_is_available_over_the_admin_api() {
    let receiver = WebhookReceiver::start(ReceiverReply::Status(200)).await;
    let rules = "events = [\"channel_occupied\"]";
    let token = "a-token-of-the-log-tests";
    let text = with_webhooks("", &[&hooks_url(&receiver, rules)]);
    let server = TestServer::start(&format!("admin_token = \"{token}\"\n{text}")).await;
    let mut client = server.connect().await;
    client.subscribe("c").await;
    until_webhook_stat(&server, "delivered", 1).await;
    let ask = async |query: &str, token: &str| {
        let request = Request::new("GET", format!("/admin/apps/it/webhooks/log{query}"))
            .header("Authorization", &format!("Bearer {token}"));
        exchange(server.ops(), &request).await
    };
    let answer = ask("", token).await.expect(200, "the log");
    let deliveries = answer["deliveries"].as_array().expect("a list");
    assert_eq!(deliveries.len(), 1, "{answer}");
    let named = json!(["channel_occupied c"]);
    assert_eq!((&deliveries[0]["named"], &deliveries[0]["attempt"]), (&named, &json!(1)));
    assert_eq!(deliveries[0].get("error"), None::<&Value>);
    let none = ask("?endpoint=https%3A%2F%2Fother.example%2F", token).await.expect(200, "none");
    assert_eq!(none, json!({"deliveries": []}));
    assert_eq!(ask("?limit=501", token).await.refused(400, "too many"), "invalid_limit");
    ask("", "another-token-altogether").await.refused(401, "a wrong token");
    drop(client);
    server.stop().await;
}
