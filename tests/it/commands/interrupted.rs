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
