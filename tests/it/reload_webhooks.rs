//! Webhook settings change while events are queued.

use serde_json::json;

use crate::support::*;

fn events_on(receiver: &WebhookReceiver, channel: &str) -> Vec<String> {
    receiver.events_on(channel)
}

#[tokio::test]
async fn s8_endpoints_are_added_changed_and_removed() {
    let (first, second) = (
        WebhookReceiver::start(ReceiverReply::Status(200)).await,
        WebhookReceiver::start(ReceiverReply::Status(200)).await,
    );
    let mut it = ReloadFixture::start(&config("client_events = true")).await;
    // The first endpoint of an app without any.
    it.apply(&with_webhooks("", &[&hooks_url(&first, "")])).await;
    let mut client = it.server.connect().await;
    client.subscribe("private-a").await;
    first.until_events("private-a", &["channel_occupied"]).await;

    // A second endpoint, and a filter and a header for the first.
    let filtered = "events = [\"client_event\"]\nheaders = { X-Mine = \"2\" }";
    it.apply(&with_webhooks("", &[&hooks_url(&first, filtered), &hooks_url(&second, "")])).await;
    client.client_event("private-a", "client-x", json!("1")).await;
    client.subscribe("private-b").await;
    second.until_events("private-b", &["channel_occupied"]).await;
    second.until_events("private-a", &["client_event 1"]).await;
    first.until_events("private-a", &["channel_occupied", "client_event 1"]).await;
    let hook = first.requests().pop().expect("a request");
    assert_eq!(hook.header("X-Mine"), Some("2"));
    hook.assert_signed(APP);

    // A new secret signs the next request.
    let new = App { secret: "new-secret-9d9d", ..APP };
    let text = with_webhooks("", &[&hooks_url(&second, "")]).replace(APP.secret, new.secret);
    it.apply(&text).await;
    client.client_event("private-a", "client-x", json!("2")).await;
    second.until_events("private-a", &["client_event 1", "client_event 2"]).await;
    second.requests().pop().expect("a request").assert_signed(new);
    assert_eq!(events_on(&first, "private-a"), ["channel_occupied", "client_event 1"]);
    assert!(events_on(&first, "private-b").is_empty());

    // No endpoints at all.
    it.apply(&config("client_events = true")).await;
    client.client_event("private-a", "client-x", json!("3")).await;
    client.expect_silence().await;
    it.still_delivers("one").await;
    let output = webhooks_command(&it.server, &["list"]).await;
    assert!(!output.stdout.contains("http://"), "{output:?}");
    assert_eq!(events_on(&second, "private-a"), ["client_event 1", "client_event 2"]);
    it.stop().await;
}

#[tokio::test]
async fn s8_queued_events_survive_a_settings_change() {
    let receiver = WebhookReceiver::start(ReceiverReply::Status(500)).await;
    let of = |more: &str| with_webhooks("", &[&hooks_url(&receiver, more)]);
    let mut it = ReloadFixture::start(&of("")).await;
    let mut client = it.server.connect().await;
    client.subscribe("private-a").await;
    until("an attempt", async || (!receiver.requests().is_empty()).then_some(())).await;
    // One batch is retried again and again, and two more wait behind it.
    client.client_event("private-a", "client-x", json!("1")).await;
    client.client_event("private-a", "client-x", json!("2")).await;
    until_webhook_stat(&it.server, "queued", 4).await;
    it.apply(&of("headers = { X-Mine = \"2\" }\nbatch_events = 10\nconcurrency = 1")).await;
    receiver.answer(ReceiverReply::Status(200));
    let last = |value: &'static str| {
        until(value, async || {
            let told = receiver.events_on("private-a");
            (told.last().map(String::as_str) == Some(value)).then_some(())
        })
    };
    last("client_event 2").await;
    // The last request may be about another channel.
    let hooks = receiver.requests();
    let is_of_channel =
        |hook: &&WebhookRequest| hook.events().iter().all(|e| e["channel"] == "private-a");
    let hook = hooks.iter().rev().find(is_of_channel).expect("a request");
    assert_eq!(hook.header("X-Mine"), Some("2"));
    assert_eq!(hook.events().len(), 2, "as the new batches are");
    until_webhook_stat(&it.server, "queued", 0).await;
    let stats = it.server.stats().await["webhooks"].clone();
    assert_eq!((&stats["delivered"], &stats["lost"]), (&json!(4), &json!(0)), "{stats}");
    it.still_delivers("one").await;
    it.stop().await;
}

#[tokio::test]
async fn s8_removed_endpoint_gets_its_queued_events() {
    let (gone, stays) = (
        WebhookReceiver::start(ReceiverReply::Status(500)).await,
        WebhookReceiver::start(ReceiverReply::Status(200)).await,
    );
    let it = ReloadFixture::start(&with_webhooks("", &[&hooks_url(&gone, "")])).await;
    let mut client = it.server.connect().await;
    client.subscribe("private-a").await;
    until("an attempt", async || (!gone.requests().is_empty()).then_some(())).await;
    client.client_event("private-a", "client-x", json!("1")).await;
    until_webhook_stat(&it.server, "queued", 3).await;
    it.apply(&with_webhooks("", &[&hooks_url(&stays, "")])).await;
    client.client_event("private-a", "client-x", json!("2")).await;
    stays.until_events("private-a", &["client_event 2"]).await;
    gone.answer(ReceiverReply::Status(200));
    until("what has waited", async || {
        (gone.events_on("private-a").last().map(String::as_str) == Some("client_event 1"))
            .then_some(())
    })
    .await;
    // Its events are no longer counted.
    let stat = async || it.server.stats().await["webhooks"]["delivered"] == 1;
    until("the end of the endpoint", async || stat().await.then_some(())).await;

    // The endpoint may return, and gets later events.
    it.apply(&with_webhooks("", &[&hooks_url(&gone, "")])).await;
    client.client_event("private-a", "client-x", json!("3")).await;
    until("the endpoint again", async || {
        (gone.events_on("private-a").last().map(String::as_str) == Some("client_event 3"))
            .then_some(())
    })
    .await;
    assert!(!gone.events_on("private-a").contains(&"client_event 2".to_owned()));
    it.stop().await;
}

#[tokio::test]
async fn s8_backend_of_a_removed_app_learns_who_left() {
    let receiver = WebhookReceiver::start(ReceiverReply::Status(200)).await;
    let hook =
        format!("client_events = true\n[[apps.other.webhooks]]\n{}", hooks_url(&receiver, ""));
    let both = config_of("", &[(APP, ""), (OTHER, &hook)]);
    let it = ReloadFixture::start(&both).await;
    let mut theirs = it.server.connect_as(OTHER).await;
    theirs.subscribe("room").await;
    receiver.until_events("room", &["channel_occupied"]).await;
    it.apply(&config("")).await;
    theirs.expect_rejection(4001).await;
    receiver.until_events("room", &["channel_occupied", "channel_vacated"]).await;
    // An endpoint that returns gets events again.
    it.apply(&both).await;
    let mut theirs = it.server.connect_as(OTHER).await;
    theirs.subscribe("room").await;
    let all = ["channel_occupied", "channel_vacated", "channel_occupied"];
    receiver.until_events("room", &all).await;
    it.stop().await;
}
