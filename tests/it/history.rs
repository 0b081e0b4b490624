//! HISTORY: logs from outside: recovery, restarts, kill -9, full disks, the command.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::*;

const SUCCEEDED: &str = "pusher_internal:subscription_succeeded";

fn logged(history: &str) -> String {
    config(&format!(
        "\n[[apps.it.channels]]\npattern = \"room\"\nhistory = {{ events = 2000, bytes = \"8MiB\"{history} }}"
    ))
}

fn launch(config: &str, state: &Path) -> Launch {
    Launch::serve(config).arg("--state-dir").arg(state)
}

/// Subscribes with a wish to recover; returns the answer, without the frames behind it.
async fn recover(client: &mut Client, channel: &str, wish: &Value) -> Value {
    let data = json!({"channel": channel, "recover": wish});
    client.send(&json!({"event": "pusher:subscribe", "data": data})).await;
    let frame = client.next().await;
    assert_eq!(frame["event"], SUCCEEDED, "{frame}");
    let data: Value = serde_json::from_str(frame["data"].as_str().expect("a text")).expect("JSON");
    data["recover"].clone()
}

async fn publish(server: &TestServer, channel: &str, data: &str) -> Response {
    server.post("/events", &json!({"name": "e", "channel": channel, "data": data})).await
}

/// The data of all logged events, the oldest first.
async fn history(server: &TestServer, channel: &str) -> Vec<String> {
    let (mut all, mut after) = (Vec::new(), None::<String>);
    loop {
        let path = format!("/channels/{channel}/history");
        let mut parameters = vec![("limit", "1000")];
        parameters.extend(after.as_deref().map(|after| ("after", after)));
        let page = server.get(&path, &parameters).await.expect(200, "a page");
        let events = page["events"].as_array().expect("events").clone();
        after = events.last().map(|event| event["position"].as_str().expect("one").to_owned());
        all.extend(events.iter().map(|event| event["data"].as_str().expect("data").to_owned()));
        if page["more"] == false {
            return all;
        }
    }
}

/// `HISTORY_ROUNDS`: see CONTRIBUTING.md.
fn rounds() -> u32 {
    std::env::var("HISTORY_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3)
}

#[tokio::test]
async fn h_returning_socket_gets_what_it_missed() {
    let server = TestServer::start(&logged("")).await;
    let mut reader = server.connect().await;
    let start = recover(&mut reader, "room", &json!(true)).await["position"].clone();
    publish(&server, "room", "1").await.expect(200, "an event");
    let seen = reader.next().await;
    assert_eq!((&seen["data"], seen["position"].is_string()), (&json!("1"), true));
    reader.close().await;
    publish(&server, "room", "2").await.expect(200, "an event");
    let mut back = server.connect().await;
    assert_eq!(recover(&mut back, "room", &seen["position"]).await["recovered"], true);
    assert_eq!(back.next().await["data"], "2");
    let mut plain = server.connect().await;
    plain.subscribe("room").await;
    publish(&server, "room", "3").await.expect(200, "an event");
    assert_eq!(plain.next().await, json!({"event": "e", "channel": "room", "data": "3"}));
    assert_eq!(back.next().await["data"], "3");
    server.stop().await;
    let other = TestServer::start(&logged("")).await;
    let mut later = other.connect().await;
    assert_eq!(recover(&mut later, "room", &start).await["recovered"], false);
    let gap = later.next().await;
    assert_eq!(gap["event"], "sealcast:gap");
    assert!(gap["data"].as_str().expect("a text").contains("\"restarted\""), "{gap}");
    other.stop().await;
}

#[tokio::test]
async fn h_clean_restart_keeps_logs_and_positions() {
    for sync in ["behind", "before"] {
        let state = TempDir::new();
        let config = logged(&format!(", store = \"disk\", sync = \"{sync}\""));
        let server = launch(&config, state.path()).start().await;
        let mut reader = server.connect().await;
        let start = recover(&mut reader, "room", &json!(true)).await["position"].clone();
        for data in ["canary-1", "canary-2"] {
            publish(&server, "room", data).await.expect(200, "an event");
        }
        reader.close().await;
        server.stop().await;
        let file = std::fs::read(state.path().join("history.db")).expect("the file");
        for secret in ["canary", "room", "it-secret"] {
            let found = file.windows(secret.len()).any(|bytes| bytes == secret.as_bytes());
            assert!(!found, "{secret} lies in the file");
        }
        let server = launch(&config, state.path()).start().await;
        assert_eq!(history(&server, "room").await, ["canary-1", "canary-2"], "{sync}");
        let mut back = server.connect().await;
        assert_eq!(recover(&mut back, "room", &start).await["recovered"], true, "{sync}");
        assert_eq!(back.next().await["data"], "canary-1");
        assert_eq!(back.next().await["data"], "canary-2");
        publish(&server, "room", "live").await.expect(200, "an event");
        assert_eq!(back.next().await["data"], "live");
        server.stop().await;
    }
}

/// Publishes until the server is killed, after `acknowledged` answers. Returns the data of all
/// events that were answered.
/// What a new subscriber of a cache channel is given behind the success frame.
async fn cached(server: &TestServer, channel: &str) -> Value {
    let mut client = server.connect().await;
    client.subscribe(channel).await;
    client.next().await
}

#[tokio::test]
async fn h_restart_keeps_the_last_events_of_cache_channels() {
    let state = TempDir::new();
    let app = format!(
        "authorizer = \"open\"\nmaster_key = \"{}\"\n[[apps.it.channels]]\npattern = \"*\"\n\
         history = {{ events = 9, bytes = \"1MiB\", store = \"disk\" }}",
        base64(&master_key("cached"))
    );
    let config = config_of("", &[(APP, &app)]);
    let server = launch(&config, state.path()).start().await;
    for channel in ["cache-a", "cache-cleared", "private-encrypted-cache-a"] {
        server.publish(channel, "earlier", "1").await;
        server.publish(channel, "e", "2").await;
    }
    let target = signed_target(APP, "DELETE", "/apps/it/channels/cache-cleared/history", &[], b"");
    assert_eq!(server.send(Request::new("DELETE", target)).await.status, 204);
    server.stop().await;

    let server = launch(&config, state.path()).start().await;
    assert_eq!(
        cached(&server, "cache-a").await,
        json!({"event": "e", "channel": "cache-a", "data": "2"})
    );
    assert_eq!(cached(&server, "cache-cleared").await["event"], "pusher:cache_miss");
    let client = server.connect().await;
    let mut reader = SealedSubscriber::join(&server, client, "private-encrypted-cache-a").await;
    reader.expect(&server, "e", "2").await;
    server.stop().await;
}

async fn publish_until_killed(server: &TestServer, acknowledged: usize) -> Vec<String> {
    let mut accepted = Vec::new();
    for n in 0.. {
        let data = format!("{n}");
        if n == acknowledged {
            server.signal("KILL");
            break;
        }
        publish(server, "room", &data).await.expect(200, "an event");
        accepted.push(data);
    }
    accepted
}

#[tokio::test]
async fn h_kill_9_loses_nothing_acknowledged_with_sync_before() {
    let state = TempDir::new();
    let config = logged(", store = \"disk\", sync = \"before\"");
    let mut all: Vec<String> = Vec::new();
    for round in 0..rounds() {
        let server = launch(&config, state.path()).start().await;
        assert_eq!(history(&server, "room").await, all, "round {round}");
        let mut reader = server.connect().await;
        let start = recover(&mut reader, "room", &json!(true)).await["position"].clone();
        let accepted = publish_until_killed(&server, 5 + 7 * round as usize % 40).await;
        server.killed().await;
        let again = launch(&config, state.path()).start().await;
        let mut back = again.connect().await;
        assert_eq!(recover(&mut back, "room", &start).await["recovered"], true, "round {round}");
        for data in &accepted {
            assert_eq!(back.next().await["data"], **data, "round {round}");
        }
        all.extend(accepted);
        back.close().await;
        again.stop().await;
    }
}

#[tokio::test]
async fn h_kill_9_with_sync_behind_never_resumes_over_a_loss() {
    let state = TempDir::new();
    let config = logged(", store = \"disk\", sync = \"behind\"");
    for round in 0..rounds() {
        let server = launch(&config, state.path()).start().await;
        let mut reader = server.connect().await;
        let start = recover(&mut reader, "room", &json!(true)).await["position"].clone();
        publish_until_killed(&server, 20).await;
        server.killed().await;
        let again = launch(&config, state.path()).start().await;
        let mut back = again.connect().await;
        assert_eq!(recover(&mut back, "room", &start).await["recovered"], false, "round {round}");
        let gap = back.next().await;
        assert!(gap["data"].as_str().is_some_and(|data| data.contains("restarted")), "{gap}");
        back.close().await;
        again.stop().await;
    }
}

/// The first event of the channel, if the condition holds.
async fn publish_first(server: &TestServer, data: &str) -> Response {
    let body = json!({"name": "e", "channel": "room", "data": data}).to_string();
    let target = signed_target(APP, "POST", "/apps/it/events", &[], body.as_bytes());
    let request = Request::new("POST", target).header("If-None-Match", "*");
    server.send(request.body("application/json", body)).await
}

/// The second writer comes while the first one's event is on its way to the disk.
#[tokio::test]
async fn h_one_of_several_writers_at_once_is_first() {
    for store in ["", ", store = \"disk\"", ", store = \"disk\", sync = \"before\""] {
        let state = TempDir::new();
        let server = launch(&logged(store), state.path()).start().await;
        let writers = (0..8).map(|n| {
            let server = &server;
            async move { publish_first(server, &n.to_string()).await.status }
        });
        let mut statuses = futures_util::future::join_all(writers).await;
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412], "{store}");
        assert_eq!(history(&server, "room").await.len(), 1);
        server.stop().await;
    }
}

#[tokio::test]
async fn h_full_disk_refuses_what_is_to_be_written_first() {
    for (sync, is_sent) in [("before", false), ("behind", true)] {
        let state = TempDir::new();
        let config = logged(&format!(", store = \"disk\", sync = \"{sync}\""));
        let server = launch(&config, state.path()).start().await;
        let mut reader = server.connect().await;
        reader.subscribe("room").await;
        publish(&server, "room", "before").await.expect(200, "an event");
        assert_eq!(reader.next().await["data"], "before");
        server.fill_disk();
        let answer = publish(&server, "room", "full").await;
        if is_sent {
            answer.expect(200, "an event");
            assert_eq!(reader.next().await["data"], "full");
        } else {
            assert_eq!(answer.refused(503, "history"), "history_unavailable");
            reader.expect_silence().await;
        }
        server.empty_disk();
        until("the history is written again", async || {
            (publish(&server, "room", "after").await.status == 200).then_some(())
        })
        .await;
        assert_eq!(reader.next().await["data"], "after");
        server.stop().await;
    }
}

/// Events of a life without a log on disk are not in the file, and positions must not skip them.
#[tokio::test]
async fn h_life_without_a_log_on_disk_is_a_gap() {
    for sync in ["behind", "before"] {
        let state = TempDir::new();
        let on_disk = logged(&format!(", store = \"disk\", sync = \"{sync}\""));
        let server = launch(&on_disk, state.path()).start().await;
        let mut reader = server.connect().await;
        let start = recover(&mut reader, "room", &json!(true)).await["position"].clone();
        publish(&server, "room", "1").await.expect(200, "an event");
        reader.close().await;
        server.stop().await;
        let server = launch(&config(""), state.path()).start().await;
        publish(&server, "room", "2").await.expect(200, "an event");
        server.stop().await;
        let server = launch(&on_disk, state.path()).start().await;
        publish(&server, "room", "3").await.expect(200, "an event");
        let mut back = server.connect().await;
        assert_eq!(recover(&mut back, "room", &start).await["recovered"], false, "{sync}");
        assert_eq!(back.next().await["event"], "sealcast:gap", "{sync}");
        server.stop().await;
    }
}

/// The server cannot give its own sealed entries to readers of a channel that it relays blindly.
#[tokio::test]
async fn h_log_of_another_mode_is_a_gap() {
    let state = TempDir::new();
    let key = base64(&master_key("history"));
    let of = |mode: &str| {
        config(&format!(
            "master_key = \"{key}\"\nauthorizer = \"open\"\n\n[[apps.it.channels]]\npattern = \"private-encrypted-room\"\nmode = \"{mode}\"\nhistory = {{ blind = true, store = \"disk\" }}"
        ))
    };
    let channel = "private-encrypted-room";
    let server = launch(&of("auto"), state.path()).start().await;
    for data in ["1", "2"] {
        publish(&server, channel, data).await.expect(200, "an event");
    }
    assert_eq!(history(&server, channel).await.len(), 2);
    let path = format!("/channels/{channel}/history");
    let page = server.get(&path, &[("limit", "1")]).await.expect(200, "a page");
    let position = page["events"][0]["position"].as_str().expect("one").to_owned();
    server.stop().await;
    let server = launch(&of("blind"), state.path()).start().await;
    let page = server.get(&path, &[("after", &position)]).await.expect(200, "a page");
    assert!(page["gap"].is_string() && page["events"] == json!([]), "{page}");
    server.stop().await;
}

#[tokio::test]
async fn h_file_that_cannot_be_read_is_left_alone() {
    let state = TempDir::new();
    let config = logged(", store = \"disk\"");
    let server = launch(&config, state.path()).start().await;
    publish(&server, "room", "kept").await.expect(200, "an event");
    server.stop().await;
    let file = state.path().join("history.db");
    let good = std::fs::read(&file).expect("the file");
    for bad in [&good[..good.len() / 2], b"not a history at all".as_slice()] {
        std::fs::write(&file, bad).expect("written");
        let failed = launch(&config, state.path()).output("").await;
        assert!(!failed.status.success(), "{failed:?}");
        assert!(
            failed.stderr.contains("history.db") && failed.stderr.contains("`mv "),
            "{failed:?}"
        );
        assert_eq!(std::fs::read(&file).expect("the file"), bad, "it is left as it is");
    }
    std::fs::write(&file, &good).expect("written");
    let server = launch(&config, state.path()).start().await;
    assert_eq!(history(&server, "room").await, ["kept"]);
    server.stop().await;
}

#[tokio::test]
async fn h_command_shows_events_and_data_on_request() {
    let state = TempDir::new();
    let server = launch(&logged(""), state.path()).start().await;
    for data in ["one", "two"] {
        publish(&server, "room", data).await.expect(200, "an event");
    }
    let show = |more: &[&str]| {
        let mut launch =
            Launch::new(&["history", "room", "--app", "it", "--state-dir"]).arg(state.path());
        for arg in more {
            launch = launch.arg(arg);
        }
        launch
    };
    let shown = show(&[]).output("").await;
    let lines: Vec<&str> = shown.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{shown:?}");
    assert!(lines[0].contains("  e  3 bytes") && !shown.stdout.contains("two"), "{shown:?}");
    let with_data = show(&["--data", "--limit", "1"]).output("").await;
    assert!(with_data.stdout.ends_with("two\n") && !with_data.stdout.contains("one"));
    let unknown = Launch::new(&["history", "#x", "--app", "it", "--state-dir"]).arg(state.path());
    assert!(!unknown.output("").await.status.success());
    server.stop().await;
}
