//! Publishing plaintext on `private-sealed-NAME`, delivered sealed on
//! `private-encrypted-NAME`: each SDK can, without a key.

use serde_json::{Value, json};

use crate::support::*;

const ORDERS: &str = "private-encrypted-orders";

fn sealing(more: &str) -> String {
    config(&format!("master_key = \"{}\"\n{more}", base64(&master_key("alias"))))
}

fn opened(channel: &str, frame: &Value) -> String {
    assert_eq!(frame["channel"], channel, "{frame}");
    let secret = shared_secret(&master_key("alias"), channel);
    open(&secret, frame["data"].as_str().unwrap_or_default())
}

fn event(channels: &[&str], data: &str) -> Value {
    json!({"name": "e", "channels": channels, "data": data})
}

/// Bodies as each SDK writes them (order of fields, escapes), from its source.
#[tokio::test]
async fn f30_each_sdk_publishes_on_the_alias_without_a_key() {
    let server = TestServer::start(&sealing("")).await;
    let mut client = server.connect().await;
    client.subscribe(ORDERS).await;
    let text = "{\"url\":\"a/b\",\"é\":\"=\"}";
    let rows = [
        (
            "PHP 7.2",
            r#"{"name":"e","data":"{\"url\":\"a\/b\",\"\u00e9\":\"=\"}","channels":["private-sealed-orders"]}"#,
        ),
        (
            "Go 5.1",
            r#"{"channels":["private-sealed-orders"],"data":"{\"url\":\"a/b\",\"é\":\"=\"}","name":"e"}"#,
        ),
        (
            "Java 1.3",
            r#"{"channels":["private-sealed-orders"],"name":"e","data":"{\"url\":\"a/b\",\"é\":\"\u003d\"}"}"#,
        ),
        (
            "Ruby 2.1",
            r#"{"name":"e","channels":["private-sealed-orders"],"data":"{\"url\":\"a/b\",\"é\":\"=\"}"}"#,
        ),
    ];
    for (sdk, body) in rows {
        let target = signed_target(APP, "POST", "/apps/it/events", &[], body.as_bytes());
        let request = Request::new("POST", target).body("application/json", body);
        server.send(request).await.expect(200, sdk);
        assert_eq!(opened(ORDERS, &client.next().await), text, "{sdk}");
    }
    server.stop().await;
}

#[tokio::test]
async fn f30_batches_several_aliases_and_the_legacy_form_are_sealed() {
    let server = TestServer::start(&sealing("")).await;
    let mut client = server.connect().await;
    let cached = "private-encrypted-cache-x";
    for channel in [ORDERS, "private-encrypted-b", "room"] {
        client.subscribe(channel).await;
    }
    let both = event(&["private-sealed-orders", "private-sealed-b"], "two");
    server.post("/events", &both).await.expect(200, "two aliases");
    assert_eq!(opened(ORDERS, &client.next().await), "two");
    assert_eq!(opened("private-encrypted-b", &client.next().await), "two");
    // An alias and its mapped name are one channel.
    let same = event(&["private-sealed-orders", ORDERS], "once");
    server.post("/events", &same).await.expect(200, "alias and name");
    assert_eq!(opened(ORDERS, &client.next().await), "once");
    let batch = json!({"batch": [
        {"name": "e", "channel": "private-sealed-orders", "data": "1"},
        {"name": "e", "channel": "room", "data": "2"},
    ]});
    server.post("/batch_events", &batch).await.expect(200, "a batch");
    assert_eq!(opened(ORDERS, &client.next().await), "1");
    client.expect(json!({"event": "e", "channel": "room", "data": "2"})).await;
    let target = signed_target(
        APP,
        "POST",
        "/apps/it/channels/private-sealed-orders/events",
        &[("name", "e")],
        b"raw",
    );
    let older = Request::new("POST", target).body("application/json", "raw");
    server.send(older).await.expect(202, "the older form");
    assert_eq!(opened(ORDERS, &client.next().await), "raw");
    // The prefix after the alias keeps its meaning.
    let kept = event(&["private-sealed-cache-x"], "kept");
    server.post("/events", &kept).await.expect(200, "a cached channel");
    client.subscribe(cached).await;
    assert_eq!(opened(cached, &client.next().await), "kept");
    client.expect_silence().await;
    server.stop().await;
}

#[tokio::test]
async fn f30_info_uses_the_requested_name() {
    let server = TestServer::start(&sealing("")).await;
    let mut client = server.connect().await;
    client.subscribe(ORDERS).await;
    let mut body = event(&["private-sealed-orders", "private-encrypted-b"], "x");
    body["info"] = json!("subscription_count");
    let answer = server.post("/events", &body).await.expect(200, &body);
    let wanted = json!({"channels": {
        "private-sealed-orders": {"subscription_count": 1},
        "private-encrypted-b": {"subscription_count": 0},
    }});
    assert_eq!(answer, wanted);
    let batch = json!({"batch": [
        {"name": "e", "channel": "private-sealed-orders", "data": "1", "info": "subscription_count"},
    ]});
    let answer = server.post("/batch_events", &batch).await.expect(200, "a batch");
    assert_eq!(answer, json!({"batch": [{"subscription_count": 1}]}));
    server.stop().await;
}

#[tokio::test]
async fn f30_alias_beside_other_channels_needs_allow_mixed() {
    for (setting, allowed) in [("", false), ("allow_mixed = true", true)] {
        let server = TestServer::start(&sealing(setting)).await;
        let mut client = server.connect().await;
        client.subscribe("room").await;
        let mixed = event(&["room", "private-sealed-orders"], "x");
        let answer = server.post("/events", &mixed).await;
        if allowed {
            answer.expect(200, &mixed);
            client.expect(json!({"event": "e", "channel": "room", "data": "x"})).await;
        } else {
            assert_eq!(answer.refused(400, &mixed), "mixed_channels");
            let mut meant = mixed.clone();
            meant["allow_mixed"] = json!(true);
            server.post("/events", &meant).await.expect(200, &meant);
            client.expect(json!({"event": "e", "channel": "room", "data": "x"})).await;
        }
        client.expect_silence().await;
        server.stop().await;
    }
}

#[tokio::test]
async fn f30_without_a_key_the_alias_is_refused_and_nothing_is_delivered() {
    let rule = "channels = [ { pattern = \"private-encrypted-o*\", mode = \"blind\" } ]";
    for configuration in [config("mode = \"blind\""), config(""), sealing(rule)] {
        let server = TestServer::start(&configuration).await;
        let mut client = server.connect().await;
        client.subscribe(ORDERS).await;
        let answer = server.post("/events", &event(&["private-sealed-orders"], "x")).await;
        assert_eq!(answer.refused(422, "no key"), "alias_without_key");
        assert!(answer.text().contains(ORDERS), "{}", answer.text());
        client.expect_silence().await;
        server.stop().await;
    }
}

#[tokio::test]
async fn f30_only_publishing_accepts_the_alias() {
    let server = TestServer::start(&sealing("authorizer = \"open\"")).await;
    let mut client = server.connect().await;
    client.send_subscribe("private-sealed-orders").await;
    let refusal = client.expect_refused("private-sealed-orders").await;
    assert_eq!(refusal["code"], "sealing_alias", "{refusal}");
    assert!(refusal["error"].as_str().is_some_and(|text| text.contains(ORDERS)), "{refusal}");
    for path in ["/channels/private-sealed-orders", "/channels/private-sealed-orders/users"] {
        let answer = server.get(path, &[]).await;
        assert_eq!(answer.refused(404, path), "sealing_alias");
        assert!(answer.text().contains(ORDERS), "{}", answer.text());
    }
    let revoke = json!({"user_id": "u"});
    let answer = server.post("/channels/private-sealed-orders/revoke", &revoke).await;
    assert_eq!(answer.refused(404, "revoke"), "sealing_alias");
    let form = format!("socket_id={}&channel_name=private-sealed-orders", client.socket_id);
    let ask = Request::new("POST", "/apps/it/auth/channel").form(&form);
    let answer = server.send(ask).await;
    assert_eq!(answer.refused(404, "auth endpoint"), "sealing_alias");
    let token = json!({"user_id": "u", "channels": ["private-sealed-*"]});
    let answer = server.post("/tokens", &token).await;
    assert_eq!(answer.refused(400, "a token for it"), "invalid_channels");
    assert!(answer.text().contains("private-encrypted-*"), "{}", answer.text());
    server.stop().await;
}

#[tokio::test]
async fn f30_too_long_mapped_name_is_explained() {
    let server = TestServer::start(&sealing("")).await;
    let name = |length: usize| format!("private-sealed-{}", "x".repeat(length - 15));
    let fits = event(&[&name(197)], "x");
    server.post("/events", &fits).await.expect(200, "200 bytes behind the alias");
    let answer = server.post("/events", &event(&[&name(198)], "x")).await;
    assert_eq!(answer.refused(400, "201 bytes"), "invalid_channel");
    let text = answer.text();
    assert!(text.contains("201") && text.contains("alias"), "{text}");
    server.stop().await;
}

#[tokio::test]
async fn f30_alias_can_be_renamed_and_turned_off() {
    let server = TestServer::start(&sealing("sealing_alias = \"private-s-\"")).await;
    let mut client = server.connect().await;
    client.subscribe(ORDERS).await;
    server.publish("private-s-orders", "e", "x").await;
    assert_eq!(opened(ORDERS, &client.next().await), "x");
    server.stop().await;
    let server = TestServer::start(&sealing("sealing_alias = \"\"")).await;
    let mut client = server.connect().await;
    client.subscribe("private-sealed-orders").await;
    server.publish("private-sealed-orders", "e", "x").await;
    client.expect(json!({"event": "e", "channel": "private-sealed-orders", "data": "x"})).await;
    server.stop().await;
}

#[tokio::test]
async fn f30_new_alias_ends_subscriptions_to_its_names() {
    let off = sealing("sealing_alias = \"\"");
    let it = ReloadFixture::start(&off).await;
    let mut early = it.server.connect().await;
    for channel in ["private-sealed-orders", "private-closed-orders", ORDERS] {
        early.subscribe(channel).await;
    }
    for (alias, channel) in [
        ("", "private-sealed-orders"),
        ("sealing_alias = \"private-closed-\"", "private-closed-orders"),
    ] {
        it.apply(&sealing(alias)).await;
        let ended = early.next().await;
        assert_eq!(
            (&ended["event"], &ended["channel"]),
            (&json!("pusher:subscription_error"), &json!(channel))
        );
        assert_eq!(
            (&ended["data"]["type"], &ended["data"]["code"]),
            (&json!("InvalidChannel"), &json!("sealing_alias"))
        );
        assert!(
            ended["data"]["error"].as_str().is_some_and(|text| text.contains(ORDERS)),
            "{ended}"
        );
        it.server.publish(channel, "e", "sealed").await;
        assert_eq!(opened(ORDERS, &early.next().await), "sealed");
        early.send_subscribe(channel).await;
        assert_eq!(early.expect_refused(channel).await["code"], "sealing_alias");
    }
    assert_eq!(it.log_count("app.id=\"it\" subscriptions=1"), 2, "{}", it.server.printed());
    // Names under an alias of before are channels like any other.
    early.subscribe("private-sealed-orders").await;
    it.apply(&sealing("sealing_alias = \"private-closed-\"\nclient_events = true")).await;
    it.server.publish("private-sealed-orders", "e", "clear").await;
    early.expect(json!({"event": "e", "channel": "private-sealed-orders", "data": "clear"})).await;
    it.stop().await;
}

#[tokio::test]
async fn f30_webhooks_name_the_real_channel() {
    let receiver = WebhookReceiver::start(ReceiverReply::Status(200)).await;
    let key = format!("master_key = \"{}\"", base64(&master_key("alias")));
    let server = TestServer::start(&with_webhooks(&key, &[&hooks_url(&receiver, "")])).await;
    let mut client = server.connect().await;
    client.subscribe(ORDERS).await;
    server.publish("private-sealed-orders", "e", "x").await;
    assert_eq!(opened(ORDERS, &client.next().await), "x");
    client.close().await;
    receiver.until_events(ORDERS, &["channel_occupied", "channel_vacated"]).await;
    assert_eq!(receiver.events_on("private-sealed-orders"), Vec::<String>::new());
    server.stop().await;
}

#[tokio::test]
async fn f30_misspelt_alias_is_refused_before_delivery_in_clear() {
    let server = TestServer::start(&sealing("")).await;
    let mut client = server.connect().await;
    client.subscribe("Private-sealed-x").await;
    for name in ["Private-sealed-x", "private_sealed-x", "private-Sealed-x", "private-sealedx"] {
        let answer = server.post("/events", &event(&[name], "secret")).await;
        assert_eq!(answer.refused(400, name), "invalid_channel");
        assert!(answer.text().contains("private-sealed-x"), "{}", answer.text());
    }
    client.expect_silence().await;
    server.stop().await;
}
