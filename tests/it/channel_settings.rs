//! Settings of channels by pattern: how they are read, shown and reloaded.

use serde_json::{Value, json};

use crate::support::*;

fn miss(channel: &str) -> Value {
    json!({"event": "pusher:cache_miss", "channel": channel, "data": "{}"})
}

/// What a new subscriber is sent about the last event.
async fn remembered(server: &TestServer, channel: &str) -> Value {
    let mut client = server.connect().await;
    client.subscribe(channel).await;
    client.next().await
}

async fn until_forgotten(server: &TestServer, channel: &str) {
    until(format!("a miss on {channel}"), async || {
        (remembered(server, channel).await == miss(channel)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn c_cache_ttl_comes_from_the_first_entry_that_names_it() {
    let entries = "limits.cache_ttl_seconds = 1\n\
        [[apps.it.channels]]\npattern = \"*-long\"\nmode = \"auto\"\n\
        [[apps.it.channels]]\npattern = \"cache-*-long\"\ncache_ttl = \"1h\"\n\
        [[apps.it.channels]]\npattern = \"cache-*\"\ncache_ttl = \"1s\"";
    let server = TestServer::start(&config(entries)).await;
    for channel in ["cache-a-long", "cache-a", "private-cache-a"] {
        server.publish(channel, "e", "1").await;
    }
    until_forgotten(&server, "cache-a").await;
    until_forgotten(&server, "private-cache-a").await;
    let kept = json!({"event": "e", "channel": "cache-a-long", "data": "1"});
    assert_eq!(remembered(&server, "cache-a-long").await, kept);
    server.stop().await;
}

#[tokio::test]
async fn c_channel_settings_are_reloaded_and_modes_wait() {
    let key = format!("master_key = \"{}\"\n", base64(&master_key("channel settings")));
    let of = |entry: &str| {
        let entry = format!("[[apps.it.channels]]\npattern = \"*\"\n{entry}\n");
        config_of("watch_config = false", &[(APP, &format!("{key}{entry}"))])
    };
    let it = ReloadFixture::start(&of("cache_ttl = \"1h\"")).await;
    it.server.publish("cache-a", "e", "1").await;
    it.apply(&of("cache_ttl = \"1s\"")).await;
    it.until_logged("apps.it.channels", 1).await;
    // The new life is that of new events.
    it.server.publish("cache-b", "e", "1").await;
    until_forgotten(&it.server, "cache-b").await;
    let kept = json!({"event": "e", "channel": "cache-a", "data": "1"});
    assert_eq!(remembered(&it.server, "cache-a").await, kept);

    it.apply(&of("cache_ttl = \"1h\"\nmode = \"blind\"")).await;
    it.until_logged("apps.it.channels.mode", 1).await;
    it.until_logged("but for what waits for the next start", 1).await;
    it.server.publish("cache-b", "e", "2").await;
    let kept = json!({"event": "e", "channel": "cache-b", "data": "2"});
    assert_eq!(remembered(&it.server, "cache-b").await, kept);
    // The server still seals.
    it.server.publish("private-encrypted-x", "e", "plaintext").await;
    it.reject(&of("cache_ttl = 3600"), "must be a text with a unit").await;
    it.stop().await;
}

#[tokio::test]
async fn c_history_key_is_read_from_all_places_and_never_shown() {
    let key = format!("base64:{}", base64(&master_key("history")));
    let text = config_of(&format!("[history]\nkey = \"{key}\"\nbytes = \"64MiB\""), &[(APP, "")]);
    let shown = Launch::new(&["config", "show"]).config(&text).output("").await;
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
    assert!(shown.stdout.contains("history.key = \"********\""), "{shown:?}");
    assert!(shown.stdout.contains("history.bytes = \"64MiB\""), "{shown:?}");
    assert!(!shown.stdout.contains(&key), "{shown:?}");

    let master = format!("master_key = \"{}\"", base64(&master_key("history")));
    let says = "history.key is the master key of app it";
    for (name, value) in [
        ("SEALCAST_HISTORY__KEY", key.clone()),
        ("SEALCAST_HISTORY__KEY", "env:THE_HISTORY_KEY".into()),
        ("SEALCAST_HISTORY__KEY", "file:".into()),
        ("SEALCAST_HISTORY__KEY_FILE", String::new()),
    ] {
        let launch = Launch::new(&["config", "check"]).config(&config(&master));
        let file = launch.dir().write("history_key", &key).display().to_string();
        let value = match &*value {
            "" => file,
            "file:" => format!("file:{file}"),
            _ => value,
        };
        let output = launch.env(name, &value).env("THE_HISTORY_KEY", &key).output("").await;
        assert_eq!(output.status.code(), Some(1), "{name}={value} {output:?}");
        assert!(output.stderr.contains(says), "{name}={value} {output:?}");
        assert!(!output.stderr.contains(&key), "{output:?}");
    }
}

#[tokio::test]
async fn c_wrong_history_settings_are_refused_with_a_sentence() {
    let launch = || Launch::new(&["config", "check"]);
    for (text, variable, says) in [
        (config_of("[history]\nbytes = 1", &[(APP, "")]), "", "\"256KiB\""),
        (config_of("[history]\nsize = \"1MiB\"", &[(APP, "")]), "", "unknown setting \"size\""),
        (config(""), "1", "SEALCAST_HISTORY__BYTES  history.bytes must be"),
        (config(""), "1KiB", "history.bytes is 1KiB, and must be between"),
        (config("limits.history_bytes = 1"), "", "apps.it.limits.history_bytes is 1"),
        (
            config("[[apps.it.channels]]\npattern = \"*\"\nhistory = {}"),
            "",
            "apps.it.channels.0.history would log encrypted channels",
        ),
    ] {
        let check = launch().config(&text).env("SEALCAST_HISTORY__BYTES", variable);
        let output = check.output("").await;
        assert_eq!(output.status.code(), Some(1), "{text} {output:?}");
        assert!(output.stderr.contains(says), "{says}: {output:?}");
    }
    let variable = "[{ pattern = \"presence-*\", history = { events = 5, ttl = \"1h\" } }]";
    let check = launch().config(&config("")).env("SEALCAST_APP_CHANNELS", variable);
    assert_eq!(check.output("").await.status.code(), Some(0));
}
