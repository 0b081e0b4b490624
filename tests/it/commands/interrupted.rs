//! Ctrl-C.

use crate::support::*;

fn configuration() -> String {
    let key = base64(&master_key("first"));
    config(&format!("authorizer = \"open\"\nmaster_key = \"{key}\""))
}

#[tokio::test]
async fn c_interrupted_rotation_is_named_and_goes_on() {
    let server = Launch::serve_plain(&configuration()).start().await;
    let admin = AdminClient::of(&server);
    let channel = "private-encrypted-x";
    let _reader = SealedSubscriber::join(&server, server.connect().await, channel).await;
    let rotate = Launch::new(&["keys", "rotate", "--json", "--state-dir"]).arg(state_dir(&server));
    let rotate = rotate.keep_running();
    until("a line of progress", async || rotate.stderr().contains("moved").then_some(())).await;
    rotate.signal("INT");
    let output = rotate.ended().await;
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let report = admin.report().await;
    let next = report["keys"][1]["id"].as_str().expect("an id");
    assert_eq!(report["rotation"]["in_progress"], true, "{report}");
    let last = output.stderr.lines().last().expect("a line");
    let wanted = format!(
        "sealcast: interrupted: the rotation to {next} goes on in the server: `sealcast keys list --app it` shows how far it is"
    );
    assert_eq!(last, wanted);
    let last: serde_json::Value =
        serde_json::from_str(output.stdout.lines().last().expect("a line")).expect("JSON");
    assert_eq!((last["code"].as_str(), last["exit"].as_u64()), (Some("interrupted"), Some(130)));
    server.stop().await;
}

#[tokio::test]
async fn c_interrupted_watch_says_so() {
    let server = Launch::serve_plain(&config_of(
        "",
        &[(APP, "[[apps.it.channels]]\npattern = \"log-*\"\nhistory = { events = 10 }\n")],
    ))
    .start()
    .await;
    server.publish("log-a", "e", "x").await;
    let follow = Launch::new(&["history", "log-a", "--follow", "--state-dir"]);
    let follow = follow.arg(state_dir(&server)).keep_running();
    until("an event", async || follow.stdout().contains("  e  ").then_some(())).await;
    follow.signal("INT");
    let output = follow.ended().await;
    assert_eq!((output.status.code(), &*output.stderr), (Some(130), "sealcast: interrupted\n"));
    server.stop().await;
}

/// The server has the request, and does not answer.
#[tokio::test]
async fn c_interrupted_requests_are_named() {
    let files = TempDir::new();
    let token = files.write("token", "admin-token-0b7d5a31c94e8f26");
    for (command, says) in [
        (&["keys", "revoke", "0123456789ab", "--now"][..], "revoked the key"),
        (&["connections", "123.456", "--close", "4009"], "closed the connection"),
        (&["webhooks", "replay"], "on their way again"),
        (&["webhooks", "discard", "--all"], "discarded"),
        (&["webhooks", "test"], "still get the test"),
        (&["trigger", "c", "e"], "published the event"),
    ] {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", silent.local_addr().expect("an address"));
        let launch = Launch::new(command).arg("--app").arg("it").arg("--url").arg(url);
        let launch = match command[0] {
            "trigger" => launch.arg("--key").arg("k").arg("--secret-file").arg(&token),
            _ => launch.arg("--admin-token-file").arg(&token),
        };
        let running = launch.keep_running();
        let asked = tokio::task::spawn_blocking(move || {
            let (mut stream, _) = silent.accept().expect("a connection");
            std::io::Read::read(&mut stream, &mut [0; 16]).expect("a request");
            stream
        });
        let _held = asked.await.expect("a request");
        running.signal("INT");
        let output = running.ended().await;
        assert_eq!(output.status.code(), Some(130), "{output:?}");
        assert!(output.stderr.starts_with("sealcast: interrupted: "), "{output:?}");
        assert!(output.stderr.contains(says), "{output:?}");
    }
}
