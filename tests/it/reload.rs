//! Reloads of the configuration: immediate changes, and open sockets that stay.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::*;

async fn refused_handshake(server: &TestServer, app: App, code: u16) {
    let path = format!("/app/{}?protocol=7", app.key);
    Client::dial(server, app, &path, &[]).await.expect_rejection(code).await;
}

#[tokio::test]
async fn c_app_limits_and_switches_change_for_open_sockets() {
    let mut it = ReloadFixture::start(&config("client_events = false")).await;
    let mut second = it.server.connect().await;
    second.subscribe("private-a").await;
    second.client_event("private-a", "client-x", json!("1")).await;
    assert!(second.expect_error(None).await.contains("client_events = true"));

    it.apply(&config(
        "client_events = true\n[apps.it.limits]\nconnections = 1\nevent_bytes = 20\nclient_events_per_second = 2",
    ))
    .await;
    // Two sockets under a limit of one: neither is closed, and no third is accepted.
    refused_handshake(&it.server, APP, 4004).await;
    let long = json!({"name": "e", "channel": "news", "data": "x".repeat(21)});
    it.server.post("/events", &long).await.expect(413, "21 bytes");
    second.client_event("private-a", "client-x", json!("1")).await;
    second.client_event("private-a", "client-x", json!("2")).await;
    second.client_event("private-a", "client-x", json!("3")).await;
    second.expect_error(Some(4301)).await;
    second.expect_silence().await;
    it.still_delivers("short").await;

    it.apply(&config("client_events = true\n[apps.it.limits]\nconnections = 3")).await;
    // The new rate applies at once: one second makes room for more than two.
    tokio::time::sleep(Duration::from_secs(1)).await;
    for n in 0..5 {
        second.client_event("private-a", "client-x", json!(n.to_string())).await;
    }
    second.expect_silence().await;
    let third = it.server.connect().await;
    refused_handshake(&it.server, APP, 4004).await;
    third.close().await;
    it.stop().await;
}

#[tokio::test]
async fn c_key_secret_and_origins_change() {
    let mut it = ReloadFixture::start(&config("authorizer = \"open\"")).await;
    let new = App { key: "new-key-3c5d", secret: "new-secret-77aa01", ..APP };
    it.apply(&config_of("", &[(new, "authorizer = \"open\"\norigins = [\"https://a.example\"]")]))
        .await;
    let body = json!({"name": "e", "channel": "news", "data": "1"});
    it.server.post("/events", &body).await.expect(401, "the key of before");
    let half = App { secret: APP.secret, ..new };
    it.server.post_as(half, "/events", &body).await.expect(401, "the secret of before");
    it.server.post_as(new, "/events", &body).await.expect(200, "the new ones");
    it.open_client.expect_event("e").await;
    refused_handshake(&it.server, APP, 4001).await;
    refused_handshake_from(&it.server, new, "https://b.example").await;

    // An open socket needs signatures of the new secret, and our endpoint makes them.
    let refused = it.open_client.auth("private-a", None);
    it.open_client
        .send(&json!({"event": "pusher:subscribe", "data": {"channel": "private-a", "auth": refused}}))
        .await;
    it.open_client.expect_refused("private-a").await;
    it.open_client.app = new;
    it.open_client.subscribe("private-a").await;
    let asked = Request::new("POST", "/pusher/auth").form(&it.open_client.auth_form("private-b"));
    let answer = it.server.send(asked).await.expect(200, "the auth endpoint");
    assert_eq!(answer["auth"], it.open_client.auth("private-b", None));
    it.server.stop().await;
}

async fn refused_handshake_from(server: &TestServer, app: App, origin: &str) {
    let path = format!("/app/{}?protocol=7", app.key);
    let mut client = Client::dial(server, app, &path, &[("Origin", origin)]).await;
    client.expect_rejection(4009).await;
}

#[tokio::test]
async fn c_apps_are_added_and_removed() {
    let it = ReloadFixture::start(&config("")).await;
    refused_handshake(&it.server, OTHER, 4001).await;
    let both = config_of("", &[(APP, ""), (OTHER, "")]);
    it.apply(&both).await;
    let mut theirs = it.server.connect_as(OTHER).await;
    theirs.subscribe("news").await;
    let body = json!({"name": "e", "channel": "news", "data": "1"});
    it.server.post_as(OTHER, "/events", &body).await.expect(200, "an app that has come");
    theirs.expect_event("e").await;

    it.apply(&config_of("", &[(APP, ""), (OTHER, "enabled = false")])).await;
    theirs.expect_rejection(4003).await;
    refused_handshake(&it.server, OTHER, 4003).await;
    it.server.post_as(OTHER, "/events", &body).await.expect(403, "a disabled app");
    it.apply(&both).await;
    let mut theirs = it.server.connect_as(OTHER).await;

    it.apply(&config("")).await;
    theirs.expect_rejection(4001).await;
    refused_handshake(&it.server, OTHER, 4001).await;
    let answer = it.server.post_as(OTHER, "/events", &body).await.expect(404, "a removed app");
    assert_eq!(answer["code"], "unknown_app");
    // The app can return at once.
    it.apply(&both).await;
    let mut theirs = it.server.connect_as(OTHER).await;
    theirs.subscribe("news").await;
    it.server.post_as(OTHER, "/events", &body).await.expect(200, "an app that is back");
    theirs.expect_event("e").await;
    it.stop().await;
}

#[tokio::test]
async fn c_renamed_app_is_a_new_app() {
    let mut it = ReloadFixture::start(&config("")).await;
    let renamed = App { id: "renamed", ..APP };
    it.apply(&config_of("", &[(renamed, "")])).await;
    it.open_client.expect_rejection(4001).await;
    let mut again = it.server.connect_as(renamed).await;
    again.subscribe("news").await;
    let body = json!({"name": "e", "channel": "news", "data": "1"});
    it.server.post_as(renamed, "/events", &body).await.expect(200, "by its new id");
    again.expect_event("e").await;
    it.server.stop().await;
}

#[tokio::test]
async fn c_broken_configuration_is_rejected_as_a_whole() {
    let mut it = ReloadFixture::start(&config("")).await;
    it.server.dir.write("secret", "a-secret-in-a-file");
    let secret = it.server.dir.path().join("secret");
    let missing = it.server.dir.path().join("missing");
    // Each has a valid part as well, which must not be applied.
    let good = "[apps.it.limits]\nevent_bytes = 5";
    let file = |path: &std::path::Path| {
        config_of("", &[(APP, good)]).replace(
            &format!("secret = \"{}\"", APP.secret),
            &format!("secret_file = \"{}\"", path.display()),
        )
    };
    let twin = App { id: "twin", ..APP };
    let webhook = |url: &str| format!("{good}\n[[apps.it.webhooks]]\nurl = \"{url}\"");
    let rows = [
        (format!("{}\n[apps.it", config(good)), "this is not TOML"),
        (config(&format!("{good}\nno_such_limit = 1")), "unknown setting \"no_such_limit\""),
        (config_of("", &[(APP, good), (twin, "")]), "have the same key"),
        (config_of("log = \"sealcast=nonsense\"", &[(APP, good)]), "log: "),
        (file(&missing), "cannot read the secret file"),
        (config(&webhook("http://hooks.example")), "must be https"),
        (config(&webhook("https://hooks.example\"\nca_file = \"/no/such/file")), "ca_file"),
        (config(&format!("mode = \"auto\"\n{good}")), "master_key is missing"),
        (config_of("message_bytes = 1", &[(APP, good)]), "message_bytes is 1"),
    ];
    for (text, says) in &rows {
        it.reject(text, says).await;
        it.still_delivers("longer than five bytes").await;
    }
    assert!(!it.server.printed().contains(APP.secret));
    it.apply(&file(&secret)).await;
    let new = App { secret: "a-secret-in-a-file", ..APP };
    let event = |data: &str| json!({"name": "e", "channel": "news", "data": data});
    it.server.post_as(new, "/events", &event("123456")).await.expect(413, "the limit is taken");
    it.server.post_as(new, "/events", &event("12345")).await.expect(200, "and the secret");
    it.open_client.expect_event("e").await;
    it.server.stop().await;
}

#[tokio::test]
async fn c_key_errors_reject_the_whole_configuration() {
    let with = |label: &str, more: &str| {
        config(&format!("master_key = \"{}\"\n{more}", base64(&master_key(label))))
    };
    let mut it = ReloadFixture::start(&with("first", "")).await;
    let admin = AdminClient::of(&it.server);
    it.apply(&with("second", "")).await;
    assert_eq!(admin.states().await, ["grace", "active"]);
    // A used key cannot return, and the limit beside it is not applied.
    it.reject(&with("first", "[apps.it.limits]\nevent_bytes = 5"), "has been in use before").await;
    it.still_delivers("longer than five bytes").await;
    // A key once used by another app is refused as well.
    let key = base64(&master_key("first"));
    let both = format!(
        "{}\n[apps.other]\nkey = \"{}\"\nsecret = \"{}\"\nmaster_key = \"{key}\"\n",
        with("second", "[apps.it.limits]\nevent_bytes = 5"),
        OTHER.key,
        OTHER.secret
    );
    it.reject(&both, "the app it has that key").await;
    refused_handshake(&it.server, OTHER, 4001).await;
    it.still_delivers("longer than five bytes").await;
    // Padding may change, with the same keys.
    it.apply(&with("second", "padding = \"buckets\"")).await;
    assert_eq!(admin.states().await, ["grace", "active"]);
    it.stop().await;
}

#[tokio::test]
async fn c_server_settings_apply_to_new_connections() {
    let token = "admin-token-0c5d71a2";
    let mut it = ReloadFixture::start(&config("")).await;
    let admin = |token: &str| {
        Request::new("GET", "/admin/apps/it/webhooks")
            .header("Authorization", &format!("Bearer {token}"))
    };
    let ops = it.server.ops();
    exchange(ops, &admin(token)).await.expect(404, "there is no token");
    let top = format!(
        "admin_token = \"{token}\"\nhttp_body_bytes = 2000\nmessage_bytes = 200000\nactivity_timeout_seconds = 77\nstrict_protocol = true\nlog = \"warn,sealcast=debug\""
    );
    it.apply(&config_of(&top, &[(APP, "")])).await;
    let answer = exchange(ops, &admin(token)).await;
    assert_eq!((answer.status, answer.text().contains("no_webhooks")), (404, true), "let in");
    exchange(ops, &admin("another")).await.expect(401, "another token");
    let large = json!({"name": "e", "channel": "news", "data": "x".repeat(3000)});
    it.server.post("/events", &large).await.expect(413, "a large body");
    let mut new = Client::dial(&it.server, APP, &format!("/app/{}?protocol=7", APP.key), &[]).await;
    assert_eq!(new.handshake().await["activity_timeout"], 77);
    // A message above the limit of the start.
    new.send_text(format!(
        "{}{}",
        " ".repeat(150_000),
        json!({"event": "pusher:ping", "data": {}})
    ))
    .await;
    assert_eq!(new.next().await["event"], "pusher:pong");
    let path = format!("/app/{}", APP.key);
    Client::dial(&it.server, APP, &path, &[]).await.expect_rejection(4008).await;
    new.close().await;
    it.until_logged("connection closed", 1).await;

    // The log level falls with it.
    it.apply(&config_of("log = \"error\"", &[(APP, "")])).await;
    let answer = exchange(ops, &admin(token)).await;
    // A valid token gets 404 for an unknown app.
    assert!(
        answer.status == 404 && !answer.text().contains("no_webhooks"),
        "the API is shut again"
    );
    let quiet = it.server.connect().await;
    let id = quiet.socket_id.clone();
    quiet.close().await;
    it.still_delivers("quietly").await;
    assert_eq!(it.log_count(&id), 0, "the log says less");
    it.stop().await;
}

#[tokio::test]
async fn c_certificates_may_move_to_other_files() {
    let (first, second) = (TestCertificate::new(), TestCertificate::new());
    let at = |name: &str, more: &str| {
        config_of(
            &format!("tls_cert_file = \"{name}.pem\"\ntls_key_file = \"{name}.key\"\n{more}"),
            &[(APP, "")],
        )
    };
    let mut launch = Launch::serve_plain(&at("a", ""));
    for (name, pair) in [("a", &first), ("b", &second)] {
        launch.dir().write(&format!("{name}.pem"), &pair.certificate);
        launch.dir().write(&format!("{name}.key"), &pair.key);
    }
    launch = launch.trusting(&first);
    launch.dir().write("c.pem", &first.certificate);
    launch.dir().write("c.key", &second.key);
    let mut it = ReloadFixture::of(launch.start().await).await;
    it.reject(&at("c", "http_body_bytes = 2000"), "is not that of the first certificate").await;
    let shows = async |it: &ReloadFixture, pair: &TestCertificate| {
        let stream = tokio::net::TcpStream::connect(it.server.addr).await.expect("a connection");
        try_tls(&pair.connector(), stream).await.is_ok()
    };
    assert!(shows(&it, &first).await);
    it.apply(&at("b", "")).await;
    assert!(shows(&it, &second).await && !shows(&it, &first).await);
    it.server.tls = Some(second.connector());
    it.still_delivers("over the connection of before").await;
    // The new files are watched.
    let third = TestCertificate::new();
    it.server.dir.write("b.pem", &third.certificate);
    it.server.dir.write("b.key", &third.key);
    until("the third certificate", async || shows(&it, &third).await.then_some(())).await;
    it.server.tls = Some(third.connector());
    it.apply_and_log(&config(""), "config.later=\"tls_cert_file, tls_key_file\"").await;
    assert!(shows(&it, &third).await);
    it.stop().await;
}

/// As editors save a file: it is never half written.
fn replace(server: &TestServer, text: &str) {
    server.dir.write("sealcast.new", text);
    let dir = server.dir.path();
    std::fs::rename(dir.join("sealcast.new"), dir.join("sealcast.toml")).expect("a file");
}

#[tokio::test]
async fn c_signal_burst_under_traffic_loses_nothing() {
    let texts = [
        config("client_events = true"),
        config_of("outbox_bytes = 2000000", &[(APP, "watchlist = true"), (OTHER, "")]),
    ];
    let mut it = ReloadFixture::start(&texts[0]).await;
    const EVENTS: usize = 400;
    let ReloadFixture { server, open_client } = &mut it;
    let publish = async {
        let mut line = server.http_connection().await;
        for n in 0..EVENTS {
            if n % 7 == 0 {
                replace(server, &texts[n % 2]);
                server.signal("HUP");
            }
            let body = json!({"name": "n", "channel": "news", "data": n.to_string()}).to_string();
            let target = signed_target(APP, "POST", "/apps/it/events", &[], body.as_bytes());
            line.send(&Request::new("POST", target).body("application/json", body))
                .await
                .expect(200, n);
        }
    };
    let read = async {
        for n in 0..EVENTS {
            assert_eq!(open_client.expect_event("n").await, json!(n));
        }
    };
    tokio::join!(publish, read);
    replace(&it.server, &texts[1]);
    it.server.signal("HUP");
    assert_eq!(it.server.reloads(Reload::Refused).await, 0, "{}", it.server.printed());
    assert!(it.server.reloads(Reload::Taken).await > 1);
    // The last one counts.
    until("the other app", async || {
        let answer = it.server.get_as(OTHER, "/channels", &[]).await;
        (answer.status == 200).then_some(())
    })
    .await;
    it.stop().await;
}

#[tokio::test]
async fn c_audit_log_names_settings_without_values() {
    let it = ReloadFixture::start(&config_of("audit_file = \"audit.log\"", &[(APP, "")])).await;
    let new = App { secret: "canary-secret-5a5a", ..APP };
    let top = "audit_file = \"audit.log\"\nworkers = 3";
    it.apply(&config_of(top, &[(new, "[apps.it.limits]\nevent_bytes = 77777")])).await;
    it.reject("apps = 5", "must be").await;
    let path = it.server.dir.path().join("audit.log");
    let lines = || -> Vec<Value> {
        let text = std::fs::read_to_string(&path).expect("a file");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let find = |name: &str| lines().into_iter().find(|line| line["event"] == name);
    let reloaded = until("config_reloaded", async || find("config_reloaded")).await;
    assert_eq!(reloaded["by"], "signal");
    assert_eq!(reloaded["taken"], json!(["apps.it.limits.event_bytes", "apps.it.secret"]));
    assert_eq!(reloaded["later"], json!(["workers"]));
    until("config_refused", async || find("config_refused")).await;
    let text = std::fs::read_to_string(&path).expect("a file");
    assert!(!text.contains("canary-secret") && !text.contains("77777"), "{text}");
    it.server.stop().await;
}
