//! Webhook settings change while events are queued.

use serde_json::json;

use crate::support::*;

fn told(receiver: &Receiver, channel: &str) -> Vec<String> {
    receiver.told(channel)
}

#[tokio::test]
async fn s8_endpoints_come_change_and_go() {
    let (first, second) =
        (Receiver::start(Answer::Status(200)).await, Receiver::start(Answer::Status(200)).await);
    let mut it = Reloading::start(&config("client_events = true")).await;
    // The first endpoint of an app without any.
    it.take(&with_webhooks("", &[&hooks_url(&first, "")])).await;
    let mut client = it.server.connect().await;
    client.subscribe("private-a").await;
    first.until_told("private-a", &["channel_occupied"]).await;

    // A second endpoint, and a filter and a header for the first.
    let filtered = "events = [\"client_event\"]\nheaders = { X-Mine = \"2\" }";
    it.take(&with_webhooks("", &[&hooks_url(&first, filtered), &hooks_url(&second, "")])).await;
    client.client_event("private-a", "client-x", json!("1")).await;
    client.subscribe("private-b").await;
    second.until_told("private-b", &["channel_occupied"]).await;
    second.until_told("private-a", &["client_event 1"]).await;
    first.until_told("private-a", &["channel_occupied", "client_event 1"]).await;
    let hook = first.hooks().pop().expect("a request");
    assert_eq!(hook.header("X-Mine"), Some("2"));
    hook.assert_signed(APP);

    // A new secret signs the next request.
    let new = App { secret: "new-secret-9d9d", ..APP };
    let text = with_webhooks("", &[&hooks_url(&second, "")]).replace(APP.secret, new.secret);
    it.take(&text).await;
    client.client_event("private-a", "client-x", json!("2")).await;
    second.until_told("private-a", &["client_event 1", "client_event 2"]).await;
    second.hooks().pop().expect("a request").assert_signed(new);
    assert_eq!(told(&first, "private-a"), ["channel_occupied", "client_event 1"]);
    assert!(told(&first, "private-b").is_empty());

    // No endpoints at all.
    it.take(&config("client_events = true")).await;
    client.client_event("private-a", "client-x", json!("3")).await;
    client.expect_silence().await;
    it.still_delivers("one").await;
    let output = webhooks_command(&it.server, &["list"]).await;
    assert!(!output.stdout.contains("http://"), "{output:?}");
    assert_eq!(told(&second, "private-a"), ["client_event 1", "client_event 2"]);
    it.stop().await;
}

#[tokio::test]
async fn s8_what_waits_for_an_endpoint_outlives_its_settings() {
    let receiver = Receiver::start(Answer::Status(500)).await;
    let of = |more: &str| with_webhooks("", &[&hooks_url(&receiver, more)]);
    let mut it = Reloading::start(&of("")).await;
    let mut client = it.server.connect().await;
    client.subscribe("private-a").await;
    until("an attempt", async || (!receiver.hooks().is_empty()).then_some(())).await;
    // One batch is retried again and again, and two more wait behind it.
    client.client_event("private-a", "client-x", json!("1")).await;
    client.client_event("private-a", "client-x", json!("2")).await;
    until_webhook_stat(&it.server, "queued", 4).await;
    it.take(&of("headers = { X-Mine = \"2\" }\nbatch_events = 10\nconcurrency = 1")).await;
    receiver.answer(Answer::Status(200));
    let last = |value: &'static str| {
        until(value, async || {
            let told = receiver.told("private-a");
            (told.last().map(String::as_str) == Some(value)).then_some(())
        })
    };
    last("client_event 2").await;
    // The last request may be about another channel.
    let hooks = receiver.hooks();
    let is_of_channel = |hook: &&Hook| hook.events().iter().all(|e| e["channel"] == "private-a");
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
async fn s8_an_endpoint_that_is_removed_gets_what_waits_for_it() {
    let (gone, stays) =
        (Receiver::start(Answer::Status(500)).await, Receiver::start(Answer::Status(200)).await);
    let it = Reloading::start(&with_webhooks("", &[&hooks_url(&gone, "")])).await;
    let mut client = it.server.connect().await;
    client.subscribe("private-a").await;
    until("an attempt", async || (!gone.hooks().is_empty()).then_some(())).await;
    client.client_event("private-a", "client-x", json!("1")).await;
    until_webhook_stat(&it.server, "queued", 3).await;
    it.take(&with_webhooks("", &[&hooks_url(&stays, "")])).await;
    client.client_event("private-a", "client-x", json!("2")).await;
    stays.until_told("private-a", &["client_event 2"]).await;
    gone.answer(Answer::Status(200));
    until("what has waited", async || {
        (gone.told("private-a").last().map(String::as_str) == Some("client_event 1")).then_some(())
    })
    .await;
    // Its events are no longer counted.
    let stat = async || it.server.stats().await["webhooks"]["delivered"] == 1;
    until("the end of the endpoint", async || stat().await.then_some(())).await;

    // The endpoint may return, and gets later events.
    it.take(&with_webhooks("", &[&hooks_url(&gone, "")])).await;
    client.client_event("private-a", "client-x", json!("3")).await;
    until("the endpoint again", async || {
        (gone.told("private-a").last().map(String::as_str) == Some("client_event 3")).then_some(())
    })
    .await;
    assert!(!gone.told("private-a").contains(&"client_event 2".to_owned()));
    it.stop().await;
}

#[tokio::test]
async fn s8_the_backend_of_a_removed_app_is_told_who_has_left_with_it() {
    let receiver = Receiver::start(Answer::Status(200)).await;
    let hook =
        format!("client_events = true\n[[apps.other.webhooks]]\n{}", hooks_url(&receiver, ""));
    let both = config_of("", &[(APP, ""), (OTHER, &hook)]);
    let it = Reloading::start(&both).await;
    let mut theirs = it.server.connect_as(OTHER).await;
    theirs.subscribe("room").await;
    receiver.until_told("room", &["channel_occupied"]).await;
    it.take(&config("")).await;
    theirs.expect_rejection(4001).await;
    receiver.until_told("room", &["channel_occupied", "channel_vacated"]).await;
    // An endpoint that returns gets events again.
    it.take(&both).await;
    let mut theirs = it.server.connect_as(OTHER).await;
    theirs.subscribe("room").await;
    let all = ["channel_occupied", "channel_vacated", "channel_occupied"];
    receiver.until_told("room", &all).await;
    it.stop().await;
}
