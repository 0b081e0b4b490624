//! protocol.md 8: webhooks to backends.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn s8_each_event_has_its_fields_headers_and_signature() {
    let receiver = WebhookReceiver::start(ReceiverReply::Status(200)).await;
    let more = "headers = { X-Tenant = \"seven\" }";
    let server = TestServer::start(&with_webhooks(
        "subscription_count = true",
        &[&hooks_url(&receiver, more)],
    ))
    .await;
    let (mut a, mut b) = (server.connect().await, server.connect().await);
    a.join("presence-room", &json!({"user_id": 7, "user_info": {"name": "seven"}})).await;
    b.join("presence-room", &json!({"user_id": "b"})).await;
    // A second connection of a user is no new member.
    let mut again = server.connect().await;
    again.join("presence-room", &json!({"user_id": "b"})).await;
    a.expect_event("pusher_internal:member_added").await;
    receiver
        .until_events("presence-room", &["channel_occupied", "member_added 7", "member_added b"])
        .await;
    a.client_event("presence-room", "client-hi", json!({"x": 1})).await;
    for client in [&mut b, &mut again] {
        client.expect_event("client-hi").await;
    }
    let last = until("the client event", async || {
        receiver.events().into_iter().find(|event| event["name"] == "client_event")
    })
    .await;
    let wanted = json!({
        "name": "client_event", "channel": "presence-room", "event": "client-hi",
        "data": "{\"x\":1}", "socket_id": a.socket_id, "user_id": "7",
    });
    assert_eq!(last, wanted);

    a.subscribe("private-x").await;
    a.next().await;
    a.client_event("private-x", "client-hi", json!("text")).await;
    b.subscribe("cache-c").await;
    b.next().await;
    b.next().await;
    // User channels are not reported.
    b.sign_in(&json!({"id": "b"})).await;
    receiver
        .until_events(
            "private-x",
            &["channel_occupied", "subscription_count 1", "client_event text"],
        )
        .await;
    receiver
        .until_events("cache-c", &["channel_occupied", "subscription_count 1", "cache_miss"])
        .await;
    let private = receiver.events().into_iter().find(|event| event["data"] == "text").unwrap();
    assert_eq!(private.get("user_id"), None, "{private}");
    // One webhook for each empty period.
    again.subscribe("cache-c").await;
    server.publish("cache-c", "e", "d").await;
    let left = Instant::now();
    a.close().await;
    b.close().await;
    again.close().await;
    receiver
        .until_events(
            "private-x",
            &[
                "channel_occupied",
                "subscription_count 1",
                "client_event text",
                "subscription_count 0",
                "channel_vacated",
            ],
        )
        .await;
    assert!(left.elapsed() >= Duration::from_millis(2900), "vacated after {:?}", left.elapsed());
    until("the end of all", async || {
        let told = receiver.events_on("presence-room");
        let count = |name: &str| told.iter().filter(|event| event.starts_with(name)).count();
        (count("member_removed") == 2 && told.last()? == "channel_vacated").then_some(())
    })
    .await;
    assert_eq!(
        receiver.events_on("cache-c").iter().filter(|event| *event == "cache_miss").count(),
        1
    );
    assert!(
        !receiver.events().iter().any(|event| event["channel"].as_str().unwrap().starts_with('#'))
    );
    for hook in receiver.requests() {
        hook.assert_signed(APP);
        assert_eq!(hook.header("X-Tenant"), Some("seven"), "{hook:?}");
        assert_eq!(hook.events().len(), 1, "one event in a request: {hook:?}");
        let time = hook.json()["time_ms"].as_i64().expect("an integer");
        assert!((time / 1000 - unix_now()).abs() < 60, "{time}");
        assert!(!String::from_utf8_lossy(&hook.body).contains("user_info"), "{hook:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn s8_user_returning_in_time_has_not_left() {
    let receiver = WebhookReceiver::start(ReceiverReply::Status(204)).await;
    let server = TestServer::start(&with_webhooks("", &[&hooks_url(&receiver, "")])).await;
    let user = json!({"user_id": "u"});
    let mut stays = server.connect().await;
    stays.subscribe("private-marker").await;
    for _ in 0..3 {
        let mut client = server.connect().await;
        client.join("presence-a", &user).await;
        client.close().await;
        server.until_stat("members", 0).await;
    }
    let mut client = server.connect().await;
    client.join("presence-a", &user).await;
    // Longer than the delay, followed by an event as a marker.
    tokio::time::sleep(Duration::from_millis(3600)).await;
    stays.client_event("private-marker", "client-m", json!("m")).await;
    receiver.until_events("private-marker", &["channel_occupied", "client_event m"]).await;
    assert_eq!(receiver.events_on("presence-a"), ["channel_occupied", "member_added u"]);
    client.close().await;
    receiver
        .until_events(
            "presence-a",
            &["channel_occupied", "member_added u", "member_removed u", "channel_vacated"],
        )
        .await;
    drop(stays);
    server.stop().await;
}

#[tokio::test]
async fn s8_endpoints_have_their_own_filters_and_batches() {
    let (some, all) = (
        WebhookReceiver::start(ReceiverReply::Status(200)).await,
        WebhookReceiver::start(ReceiverReply::Status(201)).await,
    );
    let filtered = hooks_url(&some, "events = [\"client_event\"]\nchannels = [\"private-a-*\"]");
    let batched = hooks_url(&all, "batch_events = 50\nbatch_delay_ms = 2000");
    let server = TestServer::start(&with_webhooks("", &[&filtered, &batched])).await;
    let mut client = server.connect().await;
    for channel in ["private-a-1", "private-b-1"] {
        client.subscribe(channel).await;
        client.client_event(channel, "client-n", json!("x")).await;
    }
    for channel in ["private-a-1", "private-b-1"] {
        all.until_events(channel, &["channel_occupied", "client_event x"]).await;
    }
    some.until_events("private-a-1", &["client_event x"]).await;
    assert_eq!(some.events().len(), 1);
    let sizes: Vec<usize> = all.requests().iter().map(|hook| hook.events().len()).collect();
    // Each node sends the events of its channels.
    assert_eq!(sizes.iter().sum::<usize>(), 4);
    assert!(sizes.len() <= server.node_count(), "what comes together goes together: {sizes:?}");
    all.requests()[0].assert_signed(APP);
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn s8_endpoint_can_be_tested() {
    let (good, bad) = (
        WebhookReceiver::start(ReceiverReply::Status(200)).await,
        WebhookReceiver::start(ReceiverReply::Status(404)).await,
    );
    let webhooks = [hooks_url(&good, ""), hooks_url(&bad, "")];
    let server = TestServer::start(&with_webhooks("", &[&webhooks[0], &webhooks[1]])).await;
    let one = webhooks_command(&server, &["test", "--endpoint", &good.url("/hooks")]).await;
    assert_eq!(one.status.code(), Some(0), "{one:?}");
    assert!(one.stdout.contains("/hooks: taken ("), "{one:?}");
    good.requests()[0].assert_signed(APP);
    assert_eq!(good.events(), [json!({"name": "test", "channel": "test"})]);
    let both = webhooks_command(&server, &["test"]).await;
    assert_eq!(both.status.code(), Some(1), "{both:?}");
    assert!(both.stdout.contains("it answered 404"), "{both:?}");
    assert!(both.stderr.contains("1 of 2 did not take it"), "{both:?}");
    let none = webhooks_command(&server, &["test", "--endpoint", "https://other.example/"]).await;
    assert!(none.stderr.contains("has no webhook to"), "{none:?}");
    server.stop().await;

    let without = TestServer::start(&config("")).await;
    let output = webhooks_command(&without, &["list"]).await;
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(output.stderr.contains("has no webhooks: add [[apps.it.webhooks]]"), "{output:?}");
    assert_eq!(without.stats().await.get("webhooks"), None);
    without.stop().await;
}

#[tokio::test]
async fn c_webhook_urls_and_headers_are_secrets() {
    let text = "[[apps.it.webhooks]]\nurl = \"https://a.example/?token=canary-1\"\nheaders = { Authorization = \"canary-2\" }\nbatch_events = 7";
    let shown = Launch::new(&["config", "show"]).config(&config(text)).output("").await;
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
    assert!(shown.stdout.contains("apps.it.webhooks.0.batch_events = 7"), "{shown:?}");
    assert!(!format!("{shown:?}").contains("canary"), "{shown:?}");
}
