//! The live feed: its entries, and data that is never in them.

use serde_json::{Value, json};

use crate::support::*;

const SEALED: &str = "private-encrypted-live";
const BLIND: &str = "private-encrypted-blind";

fn configuration() -> String {
    let key = base64(&master_key("live"));
    config(&format!(
        "client_events = true\nauthorizer = \"open\"\nmaster_key = \"{key}\"\nchannels = [{{ pattern = \"{BLIND}\", mode = \"blind\" }}]"
    ))
}

/// The entry without its time, which must be present.
fn without_time(mut entry: Value) -> Value {
    let time = entry.as_object_mut().and_then(|entry| entry.remove("time"));
    let time = time.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
    assert!(time.len() == 24 && time.contains('T') && time.ends_with('Z'), "{time}: {entry}");
    entry
}

#[tokio::test]
async fn c_connections_and_subscriptions_are_shown() {
    let server = TestServer::start(&configuration()).await;
    let mut watcher = Watcher::of(&server, "?type=connection_*,*subscribed,signed_in").await;
    let mut client = server.connect().await;
    let id = client.socket_id.clone();
    client.subscribe("c").await;
    client.join("presence-p", &json!({"user_id": "u1"})).await;
    client.unsubscribe("c").await;
    client.sign_in(&json!({"id": "u2"})).await;
    client.close().await;
    let row = |kind: &str| json!({"type": kind, "app": "it", "socket_id": id});
    let of = |kind: &str, more: Value| {
        let mut row = row(kind);
        let fields = more.as_object().expect("an object").clone();
        row.as_object_mut().expect("an object").extend(fields);
        row
    };
    let wanted = [
        row("connection_opened"),
        of("subscribed", json!({"channel": "c", "subscribers": 1})),
        of("subscribed", json!({"channel": "presence-p", "user": "u1", "subscribers": 1})),
        of("unsubscribed", json!({"channel": "c", "subscribers": 0})),
        of("signed_in", json!({"user": "u2"})),
        of("unsubscribed", json!({"channel": "presence-p", "user": "u1", "subscribers": 0})),
        of("connection_closed", json!({"code": 1000})),
    ];
    for wanted in wanted {
        assert_eq!(without_time(watcher.next().await), wanted);
    }
    let _refused = Client::dial(&server, APP, "/app/nobody?protocol=7", &[]).await;
    let refused = watcher.next().await;
    assert_eq!(refused["type"], "connection_refused");
    assert_eq!(refused["code"], 4001, "{refused}");
    // Without the key: a secret may stand in its place.
    assert_eq!(refused["reason"], "App key not in this cluster", "{refused}");
    server.stop().await;
}

#[tokio::test]
async fn c_api_calls_are_shown_with_their_parameters() {
    let server = TestServer::start(&configuration()).await;
    let mut watcher = Watcher::of(&server, "?type=api_call").await;
    let event = |name: &str, channel: &str| json!({"name": name, "channel": channel, "data": "x"});
    let body = json!({"name": "e", "channels": ["a", "b"], "data": "payload"});
    server.post("/events", &body).await.expect(200, "events");
    let mut call = without_time(watcher.next().await);
    let took = call.as_object_mut().expect("an object").remove("microseconds");
    assert!(took.is_some_and(|took| took.as_u64().is_some_and(|took| took > 0)), "{call}");
    let wanted = json!({
        "type": "api_call", "app": "it", "method": "POST", "route": "/apps/{app}/events",
        "status": 200, "events": ["e"], "channels": ["a", "b"], "bytes": body.to_string().len(),
    });
    assert_eq!(call, wanted);

    let batch = json!({"batch": [event("e1", "a"), event("e2", "b")]});
    server.post("/batch_events", &batch).await.expect(200, "batch");
    let call = watcher.next().await;
    assert_eq!(call["events"], json!(["e1", "e2"]), "{call}");
    assert_eq!(call["channels"], json!(["a", "b"]), "{call}");

    server.get("/channels", &[]).await.expect(200, "channels");
    let call = watcher.next().await;
    assert_eq!((&call["method"], &call["route"]), (&json!("GET"), &json!("/apps/{app}/channels")));

    server.post("/events", &event("pusher:x", "a")).await.refused(400, "a reserved name");
    let call = watcher.next().await;
    assert_eq!((&call["status"], &call["code"]), (&json!(400), &json!("invalid_event_name")));
    let forged = App { secret: "wrong", ..APP };
    server.post_as(forged, "/events", &event("e", "a")).await.refused(401, "forged");
    let call = watcher.next().await;
    assert_eq!((&call["status"], &call["code"]), (&json!(401), &json!("invalid_signature")));
    assert_eq!(call["app"], "it", "the app of the path, whoever asked: {call}");
    server.stop().await;
}

#[tokio::test]
async fn c_refusal_has_the_same_id_for_client_log_and_feed() {
    let server = TestServer::start(&configuration()).await;
    let mut watcher = Watcher::of(&server, "?type=refused,auth_*").await;
    let mut client = server.connect().await;
    let data = json!({"channel": "private-x", "auth": client.auth("private-y", None)});
    client.send(&json!({"event": "pusher:subscribe", "data": data})).await;
    let told = client.expect_refused("private-x").await;
    let entry = without_time(watcher.next().await);
    let wanted = json!({
        "type": "refused", "app": "it", "socket_id": client.socket_id, "channel": "private-x",
        "code": "auth_signature", "id": told["id"],
    });
    assert!(told["id"].is_string(), "{told}");
    assert_eq!(entry, wanted);
    let id = told["id"].as_str().unwrap_or_default();
    until("the refusal in the log", async || server.printed().contains(id).then_some(())).await;

    let form = format!("socket_id={}&channel_name=public", client.socket_id);
    let refused = server.send(Request::new("POST", "/pusher/auth").form(&form)).await;
    let id = refused.expect(400, "a public channel")["id"].clone();
    let entry = watcher.next().await;
    assert_eq!((&entry["type"], &entry["id"]), (&json!("refused"), &id));
    let denied = watcher.next().await;
    assert_eq!((&denied["type"], &denied["refusal"]), (&json!("auth_denied"), &id), "{denied}");
    let form = client.auth_form("private-x") + "&user_id=u1";
    server.send(Request::new("POST", "/pusher/auth").form(&form)).await.expect(200, "open");
    let granted = without_time(watcher.next().await);
    let wanted = json!({
        "type": "auth_granted", "app": "it", "channel": "private-x", "user": "u1",
        "socket_id": client.socket_id, "by": "open",
    });
    assert_eq!(granted, wanted);
    server.stop().await;
}

#[tokio::test]
async fn c_events_are_shown_as_envelopes_and_sizes() {
    let mut canaries = Canaries::default();
    canaries.plant("payload", "payload-canary-5b1d77aa02");
    canaries.plant("master key", master_key("live"));
    canaries.plant("shared secret", shared_secret(&master_key("live"), SEALED));
    let payload = "payload-canary-5b1d77aa02";
    let server = TestServer::start(&configuration()).await;
    let key = id(&AdminClient::of(&server).report().await["keys"][0]);
    let mut watcher = Watcher::of(&server, "").await;
    let mut client = server.connect().await;
    for channel in [SEALED, BLIND, "public", "private-x"] {
        client.subscribe(channel).await;
    }
    let mut lines = Vec::new();
    let mut find = async |kind: &str| loop {
        let line = watcher.next_text().await;
        lines.push(line.clone());
        let entry: Value = serde_json::from_str(&line).expect("JSON");
        if entry["type"] == kind {
            return entry;
        }
    };

    server.publish(SEALED, "e", payload).await;
    let frame = client.next().await;
    let envelope: Value = inner(&frame);
    let wanted = json!({
        "type": "event", "app": "it", "channel": SEALED, "name": "e", "subscribers": 1, "key": key,
        "bytes": frame["data"].as_str().expect("a string").len(), "envelope": envelope,
    });
    assert_eq!(without_time(find("event").await), wanted, "the very envelope that was sent");

    let sealed = seal(&[9; 32], [1; 24], payload.as_bytes());
    server.publish(BLIND, "e", &sealed).await;
    client.expect_event("e").await;
    let entry = find("event").await;
    assert_eq!(entry["envelope"], serde_json::from_str::<Value>(&sealed).expect("an envelope"));
    assert_eq!(entry.get("key"), None, "the key is not known here: {entry}");

    server.publish("public", "e", payload).await;
    client.expect_event("e").await;
    let wanted = json!({
        "type": "event", "app": "it", "channel": "public", "name": "e", "subscribers": 1,
        "bytes": payload.len(),
    });
    assert_eq!(without_time(find("event").await), wanted);
    server.publish("nobody-there", "e", payload).await;
    assert_eq!(find("event").await["subscribers"], 0);
    server.publish("private-encrypted-nobody", "e", payload).await;
    assert!(find("event").await["envelope"]["ciphertext"].is_string());

    client.client_event("private-x", "client-e", json!(payload)).await;
    let wanted = json!({
        "type": "client_event", "app": "it", "socket_id": client.socket_id, "channel": "private-x",
        "name": "client-e", "bytes": payload.len(), "subscribers": 1,
    });
    assert_eq!(without_time(find("client_event").await), wanted);
    // Refused: plaintext for a channel in blind mode.
    let body = json!({"name": "e", "channel": BLIND, "data": payload});
    server.post("/events", &body).await.refused(422, "plaintext");
    find("plaintext_refused").await;
    canaries.search("the live feed", &lines.join("\n"));
    server.stop().await;
}

#[tokio::test]
async fn c_keys_and_webhooks_are_shown() {
    let receiver = WebhookReceiver::start(ReceiverReply::Status(200)).await;
    let key = base64(&master_key("live"));
    let configuration = with_webhooks(
        &format!("master_key = \"{key}\""),
        &[&hooks_url(&receiver, "events = [\"channel_occupied\"]")],
    );
    let server = TestServer::start(&configuration).await;
    let mut watcher = Watcher::of(&server, "?type=key_*,rotation_*,webhook_*").await;
    let admin = AdminClient::of(&server);
    let first = id(&admin.report().await["keys"][0]);
    let second = admin.rotate_to(&master_key("second")).await;
    let started = watcher.find("rotation_started").await;
    let wanted = json!({"type": "rotation_started", "app": "it", "from": first, "to": second});
    assert_eq!(without_time(started), wanted);
    watcher.find("rotation_finished").await;
    admin.revoke(&first).await.expect(200, "revoke");
    assert_eq!(watcher.find("key_revoked").await["key"], first);

    let mut client = server.connect().await;
    client.subscribe("c").await;
    let delivered = without_time(watcher.find("webhook_delivered").await);
    let wanted = json!({
        "type": "webhook_delivered", "app": "it", "endpoint": receiver.addr.to_string(),
        "events": 1, "attempt": 1,
    });
    assert_eq!(delivered, wanted, "of the URL its host alone");
    receiver.answer(ReceiverReply::Status(500));
    client.subscribe("d").await;
    let failed = watcher.find("webhook_failed").await;
    assert_eq!(failed["reason"], "it answered 500", "{failed}");
    server.stop().await;
}
