//! Configuration: sources of values, rejected values, and secrets hidden in errors and listings.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::support::*;

const TIMEOUT: &str = "SEALCAST_ACTIVITY_TIMEOUT_SECONDS";

async fn announced_timeout(server: &TestServer) -> u64 {
    let mut client = Client::dial(server, APP, &server.socket_path(), &[]).await;
    client.handshake().await["activity_timeout"].as_u64().unwrap_or_default()
}

#[tokio::test]
async fn c_flags_override_environment_and_environment_overrides_file() {
    let file = config_of("activity_timeout_seconds = 41\nlisten = \"127.0.0.1:1\"", &[(APP, "")]);
    // The flag for the listener wins over the file in every test; here over the environment too.
    let server = Launch::serve(&file).env("SEALCAST_LISTEN", "127.0.0.1:2").start().await;
    assert_eq!(announced_timeout(&server).await, 41);
    server.stop().await;

    let server = Launch::serve(&file).env(TIMEOUT, "42").start().await;
    assert_eq!(announced_timeout(&server).await, 42);
    server.stop().await;

    // Without flags, the environment wins over the file.
    let launch = Launch::new(&["serve"]).config(&file);
    let server = launch
        .env("SEALCAST_LISTEN", "127.0.0.1:0")
        .env("SEALCAST_OPS_LISTEN", "127.0.0.1:0")
        .start()
        .await;
    assert_eq!(announced_timeout(&server).await, 41);
    server.stop().await;
}

#[tokio::test]
async fn c_environment_can_name_the_file() {
    let launch = Launch::new(&["serve", "--listen", "127.0.0.1:0"]).ops();
    let path =
        launch.dir().write("named.toml", &config_of("activity_timeout_seconds = 43", &[(APP, "")]));
    let server = launch.env("SEALCAST_CONFIG", path).start().await;
    assert_eq!(announced_timeout(&server).await, 43);
    server.stop().await;
}

#[tokio::test]
async fn c_one_app_from_the_environment() {
    let launch = Launch::new(&["serve", "--listen", "127.0.0.1:0"]).ops();
    let secret = launch.dir().write("secret", &format!("{}\n", APP.secret));
    let key = launch.dir().write("key", &format!("{}\n", base64(&master_key("environment"))));
    let server = launch
        .env("SEALCAST_APP_ID", APP.id)
        .env("SEALCAST_APP_KEY", APP.key)
        .env("SEALCAST_APP_SECRET_FILE", secret)
        .env("SEALCAST_MASTER_KEY_FILE", key)
        .env("SEALCAST_APP_CLIENT_EVENTS", "true")
        .env("SEALCAST_APP_LIMITS__EVENT_BYTES", "5")
        .start()
        .await;
    let (mut alice, mut bob) = (server.connect().await, server.connect().await);
    for client in [&mut alice, &mut bob] {
        client.subscribe("private-encrypted-x").await;
        client.subscribe("private-x").await;
    }
    server.publish("private-encrypted-x", "e", "12345").await;
    let frame = alice.next().await;
    let secret = shared_secret(&master_key("environment"), "private-encrypted-x");
    assert_eq!(open(&secret, frame["data"].as_str().unwrap_or_default()), "12345");
    bob.expect_event("e").await;
    let body = json!({"name": "e", "channel": "private-x", "data": "123456"});
    server.post("/events", &body).await.refused(413, "six bytes");
    alice.client_event("private-x", "client-x", json!("1")).await;
    bob.expect_event("client-x").await;
    server.stop().await;
}

#[tokio::test]
async fn c_secrets_from_environment_and_files() {
    let launch = Launch::new(&["serve", "--listen", "127.0.0.1:0"]).ops();
    let server = launch
        .env("SEALCAST_APP_ID", APP.id)
        .env("SEALCAST_APP_KEY", APP.key)
        .env("SEALCAST_APP_SECRET", APP.secret)
        .env("SEALCAST_MASTER_KEY", base64(&master_key("environment")))
        .start()
        .await;
    server.connect().await.subscribe("private-x").await;
    server.publish("private-encrypted-x", "e", "1").await;
    server.stop().await;

    let launch = Launch::new(&["serve", "--listen", "127.0.0.1:0"]).ops();
    let secret = launch.dir().write("secret", APP.secret);
    let text =
        format!("[apps.it]\nkey = \"{}\"\nsecret_file = \"{}\"\n", APP.key, secret.display());
    let server = launch.config(&text).start().await;
    server.connect().await.subscribe("private-x").await;
    server.stop().await;
}

/// `config check` of an invalid text; returns the output.
async fn refused(text: &str) -> String {
    let output = Launch::new(&["config", "check"]).config(text).output("").await;
    assert_eq!(output.status.code(), Some(1), "{text}\n{output:?}");
    assert!(!output.stderr.trim().is_empty(), "a refusal is explained: {text}\n{output:?}");
    assert!(!output.stderr.contains("panicked"), "{output:?}");
    format!("{}{}", output.stdout, output.stderr)
}

#[tokio::test]
async fn c_unknown_keys_are_errors_that_suggest_the_nearest() {
    let app = |line: &str| config(line);
    let rows = [
        (
            config_of("activity_timeout_secs = 5", &[(APP, "")]),
            "activity_timeout_secs",
            "activity_timeout_seconds",
        ),
        (config_of("lissten = \"127.0.0.1:1\"", &[(APP, "")]), "lissten", "listen"),
        (config_of("outbox_byte = 5", &[(APP, "")]), "outbox_byte", "outbox_bytes"),
        (app("client_event = true"), "client_event", "client_events"),
        (app("masterkey = \"x\""), "masterkey", "master_key"),
        (app("limits.presence_member = 5"), "presence_member", "presence_members"),
        (app("limits.event_size = 5"), "event_size", ""),
        (
            app("channels = [ { patern = \"private-encrypted-*\", mode = \"blind\" } ]"),
            "patern",
            "pattern",
        ),
    ];
    for (text, wrong, nearest) in rows {
        let message = refused(&text).await;
        assert!(
            message.contains(wrong) && message.contains(nearest),
            "{wrong} -> {nearest}: {message}"
        );
        let output = Launch::serve(&text).output("").await;
        assert_ne!(output.status.code(), Some(0), "serve starts in spite of {wrong}");
    }
}

#[tokio::test]
async fn c_invalid_values_are_errors() {
    let tops = [
        "listen = \"nowhere\"",
        "listen = 5",
        "workers = -1",
        "workers = \"two\"",
        "activity_timeout_seconds = 0",
        "activity_timeout_seconds = \"long\"",
        "pong_timeout_seconds = -5",
        "message_bytes = 1.5",
        "log_format = \"xml\"",
        "strict_protocol = \"yes\"",
        "this is not toml",
        "workers = 1\nworkers = 2",
    ];
    for top in tops {
        let text = if top.contains("workers") {
            config_of(top, &[(APP, "")])
        } else {
            format!("{top}\n{}", config(""))
        };
        refused(&text).await;
    }
    let apps = [
        "mode = \"sometimes\"",
        "derivation = \"rot13\"",
        "dialect = \"klingon\"",
        "authorizer = \"maybe\"",
        "enabled = \"yes\"",
        "limits = 5",
        "limits.event_bytes = -1",
        "limits.event_bytes = \"10 KB\"",
        "origins = \"https://good.example\"",
        "channels = [ { pattern = \"private-encrypted-*\" , mode = \"loud\" } ]",
        "master_key = \"too short\"",
        "mode = \"auto\"",
        "secret_file = \"/nowhere/at/all\"",
    ];
    for line in apps {
        refused(&config(line)).await;
    }
    refused("[apps.it]\nkey = \"k\"\n").await;
    refused("[apps.it]\nsecret = \"s\"\n").await;
    refused("[apps.it]\nkey = \"\"\nsecret = \"\"\n").await;
    let twin = App { key: APP.key, ..OTHER };
    refused(&config_of("", &[(APP, ""), (twin, "")])).await;
}

#[tokio::test]
async fn c_missing_file_stops_the_start_and_is_named() {
    for command in [&["serve"][..], &["config", "check"], &["config", "show"]] {
        let launch = Launch::new(command).arg("--config").arg("no-such-file.toml");
        let output = launch.output("").await;
        assert_ne!(output.status.code(), Some(0), "{command:?}: {output:?}");
        assert!(output.stderr.contains("no-such-file.toml"), "{command:?}: {output:?}");
    }
    for (name, path) in
        [("SEALCAST_CONFIG", "no-such-config.toml"), ("SEALCAST_APP_SECRET_FILE", "no-such-secret")]
    {
        let launch = Launch::serve(&config("")).env(name, path);
        let launch = if name == "SEALCAST_CONFIG" {
            Launch::new(&["serve"]).env(name, path)
        } else {
            launch
        };
        let output =
            launch.env("SEALCAST_APP_ID", "x").env("SEALCAST_APP_KEY", "x-key").output("").await;
        assert_ne!(output.status.code(), Some(0), "{name}: {output:?}");
        assert!(output.stderr.contains(path), "{name}: {output:?}");
    }
}

#[tokio::test]
async fn e3_readable_secret_files_are_rejected() {
    for mode in [0o644, 0o604, 0o640] {
        let launch = Launch::new(&["config", "check"]);
        let path = launch.dir().write("secret", APP.secret);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("a mode");
        let text = format!("[apps.it]\nkey = \"k\"\nsecret_file = \"{}\"\n", path.display());
        let output = launch.config(&text).output("").await;
        if mode & 0o004 != 0 {
            assert_eq!(output.status.code(), Some(1), "mode {mode:o}: {output:?}");
        }
        assert!(!format!("{output:?}").contains(APP.secret), "{output:?}");
    }
}

#[tokio::test]
async fn c_check_passes_and_show_masks_secrets() {
    let master = master_key("shown");
    let text = config_of(
        "activity_timeout_seconds = 77",
        &[
            (
                APP,
                &format!(
                    "master_key = \"{}\"\nauthorizer = \"jwt\"\njwt_secret = \"jwt-secret-8a61\"",
                    base64(&master)
                ),
            ),
            (OTHER, ""),
        ],
    );
    let output = Launch::new(&["config", "check"]).config(&text).output("").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let output = Launch::new(&["config", "show"]).config(&text).env(TIMEOUT, "78").output("").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let shown = format!("{}{}", output.stdout, output.stderr);
    for wanted in ["activity_timeout_seconds", "78", APP.key, OTHER.key] {
        assert!(shown.contains(wanted), "{wanted}: {shown}");
    }
    for secret in [APP.secret, OTHER.secret, "jwt-secret-8a61", &base64(&master), &hex(&master)] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
        // Not even a prefix of it.
        assert!(!shown.contains(&secret[secret.len() - 8..]), "the end of {secret}: {shown}");
    }
}

#[tokio::test]
async fn c_port_in_use_is_an_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = taken.local_addr().expect("an address").to_string();
    let output =
        Launch::new(&["serve"]).config(&config("")).arg("--listen").arg(&addr).output("").await;
    assert_ne!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.contains(&addr), "{output:?}");
}

#[tokio::test]
async fn c_healthcheck_reports_healthy_and_unhealthy_servers() {
    let server = Launch::serve_plain(&config("")).start().await;
    let url = format!("http://{}", server.addr);
    let output = Launch::new(&["healthcheck", "--url", &url]).output("").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let listen = server.addr.to_string();
    let output = Launch::new(&["healthcheck"])
        .config(&config(""))
        .env("SEALCAST_LISTEN", &listen)
        .output("")
        .await;
    assert_eq!(output.status.code(), Some(0), "the address of the environment: {output:?}");
    server.stop().await;
    let output = Launch::new(&["healthcheck", "--url", &url]).output("").await;
    assert_eq!(output.status.code(), Some(1), "nobody is there: {output:?}");
}

#[tokio::test]
async fn c_dev_needs_no_configuration_and_seals() {
    let dev = App { id: "1001", key: "app-key", secret: "app-secret" };
    let launch =
        Launch::new(&["serve", "--dev", "--listen", "127.0.0.1:0", "--state-dir", "state"]).ops();
    let server = launch.start().await;
    let key = std::fs::read_to_string(server.dir.path().join("state/dev-master-key"))
        .expect("the generated key");
    let mode = std::fs::metadata(server.dir.path().join("state/dev-master-key"))
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o077, 0, "the key is readable by others: {mode:o}");
    let key = key.trim().strip_prefix("base64:").unwrap_or(key.trim()).to_owned();
    let master: [u8; 32] = unbase64(&key).try_into().expect("32 bytes");
    let mut client = server.connect_as(dev).await;
    let channel = "private-encrypted-x";
    let form = format!("socket_id={}&channel_name={channel}", client.socket_id);
    let request =
        Request::new("POST", "/pusher/auth").form(&form).header("Origin", "http://localhost:5173");
    let response = server.send(request).await;
    let answer = response.expect(200, "the open authorizer");
    assert_eq!(
        response.header("Access-Control-Allow-Origin"),
        Some("http://localhost:5173"),
        "{response:?}"
    );
    assert_eq!(answer["shared_secret"], base64(&shared_secret(&master, channel)));
    client.subscribe(channel).await;
    client.expect_event("pusher_internal:subscription_count").await;
    let body = json!({"name": "e", "channel": channel, "data": "hello"});
    server.post_as(dev, "/events", &body).await.expect(200, &body);
    let frame = client.next().await;
    assert_eq!(
        open(&shared_secret(&master, channel), frame["data"].as_str().unwrap_or_default()),
        "hello"
    );
    // In development, the client sees the cause.
    let auth =
        App { secret: "app-secret\n", ..dev }.channel_auth(&client.socket_id, "private-y", None);
    let data = json!({"channel": "private-y", "auth": auth});
    client.send(&json!({"event": "pusher:subscribe", "data": data})).await;
    let refusal = client.expect_refused("private-y").await;
    assert!(refusal["error"].as_str().is_some_and(|text| text.contains("line break")), "{refusal}");
    let output = server.stop().await;
    assert!(!output.stdout.contains(&key) && !output.stderr.contains(&key), "{output:?}");
}
