//! Late and replayed webhooks: they keep time and id of their event, and outdated facts are not
//! replayed.

use serde_json::{Value, json};

use crate::support::*;

fn number(event: &Value, name: &str) -> u64 {
    event[name].as_u64().unwrap_or_else(|| panic!("{name} in {event}"))
}

#[tokio::test]
async fn f12_event_keeps_its_id_and_time() {
    let (good, slow) = (
        WebhookReceiver::start(ReceiverReply::Status(200)).await,
        WebhookReceiver::start(ReceiverReply::Status(500)).await,
    );
    let webhooks = [hooks_url(&good, ""), hooks_url(&slow, "batch_events = 10")];
    let server = TestServer::start(&with_webhooks("", &[&webhooks[0], &webhooks[1]])).await;
    let mut client = server.connect().await;
    client.subscribe("news").await;
    client.unsubscribe("news").await;
    good.until_events("news", &["channel_occupied", "channel_vacated"]).await;
    slow.answer(ReceiverReply::Status(200));
    until("both receivers to have both", async || {
        let delivered = server.stats().await["webhooks"]["delivered"].as_u64();
        (delivered == Some(4)).then_some(())
    })
    .await;
    let stamped = |receiver: &WebhookReceiver| -> Vec<(Value, u64)> {
        receiver
            .requests()
            .iter()
            .flat_map(WebhookRequest::events_with_ids)
            .map(|e| (e["id"].clone(), number(&e, "occurred_ms")))
            .collect()
    };
    let once = stamped(&good);
    assert_ne!(once[0].0, once[1].0, "{once:?}");
    for again in stamped(&slow) {
        assert!(once.contains(&again), "{again:?} is none of {once:?}");
    }
    // The departure was held back, and has the time before that.
    let vacated = good.requests().pop().expect("a webhook");
    let (sent, occurred) = (number(&vacated.json(), "time_ms"), once[1].1);
    assert!(sent - occurred > 2500, "sent at {sent}, of {occurred}");
    assert!(once[0].1 <= once[1].1);
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn f12_outdated_facts_are_not_replayed() {
    let receiver = WebhookReceiver::start(ReceiverReply::Status(503)).await;
    let rules = "retry_seconds = 1\nevents = [\"channel_occupied\", \"channel_vacated\", \"member_added\", \"member_removed\"]";
    let server = TestServer::start(&with_webhooks("", &[&hooks_url(&receiver, rules)])).await;
    let mut client = server.connect().await;
    client.join("presence-x", &json!({"user_id": "u"})).await;
    client.subscribe("gone").await;
    client.unsubscribe("gone").await;
    client.unsubscribe("presence-x").await;
    until_webhook_stat(&server, "dead_letters", 6).await;
    let letters = dead_letters(&state_dir(&server).join("it.webhooks.jsonl"));
    receiver.answer(ReceiverReply::Status(200));
    let seen = receiver.requests().len();
    // The member is back, and the backend gets that webhook.
    client.join("presence-x", &json!({"user_id": "u"})).await;
    until_webhook_stat(&server, "delivered", 2).await;
    let output = webhooks_command(&server, &["replay"]).await;
    let wanted = "3 on their way again\n3 stay in the file: what they say of a channel or a member no longer holds\n";
    assert_eq!((output.status.code(), &*output.stdout), (Some(0), wanted), "{output:?}");
    until_webhook_stat(&server, "dead_letters", 3).await;
    assert!(server.printed().contains("no longer holds"), "{}", server.printed());
    let replayed: Vec<Value> = receiver.requests()[seen..]
        .iter()
        .flat_map(WebhookRequest::events_with_ids)
        .skip(2)
        .collect();
    let named = |event: &Value| format!("{} {}", event["name"], event["channel"]);
    let mut names: Vec<String> = replayed.iter().map(named).collect();
    names.sort();
    let holding = [
        "\"channel_occupied\" \"presence-x\"",
        "\"channel_vacated\" \"gone\"",
        "\"member_added\" \"presence-x\"",
    ];
    assert_eq!(names, holding);
    for event in &replayed {
        assert!(letters.iter().any(|letter| letter["event"] == *event), "{event} is another one");
    }
    // Facts that hold again may be replayed.
    client.unsubscribe("presence-x").await;
    until_webhook_stat(&server, "delivered", 7).await;
    let output = webhooks_command(&server, &["replay"]).await;
    assert!(output.stdout.starts_with("2 on their way again\n1 stay in the file"), "{output:?}");
    drop(client);
    server.stop().await;
}
