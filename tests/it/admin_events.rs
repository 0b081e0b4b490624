//! Events of operators, and the configuration that they read.

use serde_json::{Value, json};

use crate::support::*;

async fn publish(admin: &AdminClient, body: &Value) -> Response {
    admin.send(&Request::new("POST", "/admin/apps/it/events").json(body)).await
}

#[tokio::test]
async fn k_operator_publishes_as_a_backend_does() {
    let audit = TempDir::new();
    let file = audit.path().join("audit.jsonl");
    let key = base64(&master_key("admin events"));
    let app = format!("authorizer = \"open\"\nmaster_key = \"{key}\"");
    let top = format!("audit_file = \"{}\"", file.display());
    let server = Launch::serve_plain(&config_of(&top, &[(APP, &app)])).start().await;
    let admin = AdminClient::of(&server);
    let mut client = server.connect().await;
    client.subscribe("news").await;
    let event = json!({"name": "e", "channel": "news", "data": "canary-of-the-operator"});
    assert_eq!(publish(&admin, &event).await.expect(200, "an event"), json!({}));
    client.expect(json!({"event": "e", "channel": "news", "data": "canary-of-the-operator"})).await;

    let first = id(&admin.report().await["keys"][0]);
    let channels = ["news", "private-encrypted-x"];
    let body = json!({
        "name": "e", "channels": channels, "data": "2", "allow_mixed": true,
        "info": "subscription_count,key", "socket_id": client.socket_id,
    });
    let answer = publish(&admin, &body).await.expect(200, "with attributes");
    let wanted = json!({"channels": {
        "news": {"subscription_count": 1},
        "private-encrypted-x": {"subscription_count": 0, "key": first},
    }});
    assert_eq!(answer, wanted);
    client.expect_silence().await;
    // The same attribute on the signed API.
    let signed = server.get("/channels/private-encrypted-x", &[("info", "key")]).await;
    assert_eq!(signed.expect(200, "signed"), json!({"occupied": false, "key": first}));
    let signed = server.get("/channels/news", &[("info", "key")]).await;
    assert_eq!(signed.expect(200, "in clear"), json!({"occupied": true}));

    for (body, status, code) in [
        (json!({}), 400, "invalid_event_name"),
        (json!({"name": "e", "channel": "news", "data": {}}), 400, "invalid_data"),
        (json!({"name": "pusher:x", "channel": "news", "data": ""}), 400, "invalid_event_name"),
        (json!({"name": "e", "data": ""}), 400, "invalid_channels"),
        (
            json!({"name": "e", "channel": "news", "data": "x".repeat(20_000)}),
            413,
            "event_too_large",
        ),
    ] {
        let response = publish(&admin, &body).await;
        assert_eq!(response.refused(status, "a body"), code);
    }
    let unknown = Request::new("POST", "/admin/apps/nobody/events").json(&event);
    assert_eq!(admin.send(&unknown).await.refused(404, "no app"), "unknown_app");
    client.expect_silence().await;
    server.stop().await;
    let facts = std::fs::read_to_string(&file).expect("the audit log");
    let published: Vec<&str> =
        facts.lines().filter(|line| line.contains("\"action\":\"publish\"")).collect();
    assert_eq!(published.len(), 2, "{facts}");
    assert!(published[0].contains("\"channels\":[\"news\"]"), "{}", published[0]);
    assert!(!facts.contains("canary"), "no data in the audit log");
}

#[tokio::test]
async fn k_configuration_has_origins_and_no_secret() {
    let app = "client_events = true\n[[apps.it.webhooks]]\nurl = \"https://canary.test/x\"\n";
    let text = config_of("drain_seconds = 1", &[(APP, app)]);
    let server = Launch::serve_plain(&text).env("SEALCAST_LOG", "debug").start().await;
    let admin = AdminClient::of(&server);
    let shown = admin.send(&Request::new("GET", "/admin/config")).await.expect(200, "config");
    let settings = shown["settings"].as_array().expect("settings");
    let find = |name: &str| {
        let found = settings.iter().find(|setting| setting["setting"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {shown}")).clone()
    };
    assert_eq!(find("drain_seconds")["value"], json!(1));
    let source = find("drain_seconds")["source"].as_str().map(str::to_owned);
    assert!(source.is_some_and(|source| source.ends_with("sealcast.toml")), "{shown}");
    assert_eq!(find("apps.it.client_events")["value"], json!(true));
    assert_eq!(find("log")["source"], json!("environment variable SEALCAST_LOG"));
    assert_eq!(find("ops_listen")["source"], json!("flags"));
    let text = shown.to_string();
    assert!(!text.contains(APP.secret) && !text.contains("canary"), "{text}");
    server.stop().await;
}
