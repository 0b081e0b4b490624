//! Discarded dead letters, and a dead-letter file moved or deleted by others.

use serde_json::json;

use crate::support::*;

/// A server with failing endpoints, and this many letters for each.
async fn with_letters(receivers: [&WebhookReceiver; 2], letters: u64) -> (TestServer, Client) {
    let rules = "retry_seconds = 1\ntimeout_seconds = 1\nevents = [\"client_event\"]";
    let hooks = receivers.map(|receiver| hooks_url(receiver, rules));
    let token = "admin_token = \"a-token-of-the-discard-tests\"\n";
    let text = with_webhooks("", &[&hooks[0], &hooks[1]]);
    let server = TestServer::start(&format!("{token}{text}")).await;
    let mut client = server.connect().await;
    client.subscribe("private-x").await;
    for n in 0..letters {
        client.client_event("private-x", "client-n", json!(n.to_string())).await;
    }
    until_webhook_stat(&server, "dead_letters", 2 * letters).await;
    (server, client)
}

#[tokio::test]
async fn f10_letters_are_discarded_all_or_by_endpoint_id_and_age() {
    let (one, two) = (
        WebhookReceiver::start(ReceiverReply::Status(500)).await,
        WebhookReceiver::start(ReceiverReply::Status(500)).await,
    );
    let (server, client) = with_letters([&one, &two], 3).await;
    let path = state_dir(&server).join("it.webhooks.jsonl");
    let discard = async |args: &[&str]| {
        let output = webhooks_command(&server, &[&["discard"], args].concat()).await;
        assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
        output.stdout
    };
    for (args, says) in [
        (&[][..], "say which letters: --id, --endpoint or --before, or --all for everything"),
        (&["--all", "--id", "1"], "cannot be used with"),
        (&["--before", "x"], "--before takes a time such as 2026-01-31T12:00:00Z"),
        (&["--id", "1", "--before", "2026-01-31"], "--before takes a time such as"),
    ] {
        let output = webhooks_command(&server, &[&["discard"], args].concat()).await;
        assert_ne!(output.status.code(), Some(0), "{args:?}: {output:?}");
        assert!(output.stderr.contains(says), "{args:?}: {output:?}");
    }
    until_webhook_stat(&server, "dead_letters", 6).await;
    assert_eq!(discard(&["--before", "2020-01-01T00:00:00Z"]).await, "0 discarded\n");
    assert_eq!(discard(&["--endpoint", &one.url("/hooks")]).await, "3 discarded\n");
    let left = webhooks_command(&server, &["list"]).await;
    assert!(left.stdout.contains("\n3 in the dead-letter file\n"), "{left:?}");
    assert_eq!([&one, &two].map(|receiver| in_file(&left, receiver)), [0, 3], "{left:?}");
    let id = dead_letters(&path).into_iter().find(|line| line["endpoint"] == two.url("/hooks"));
    let id = id.expect("a letter")["id"].to_string();
    assert_eq!(discard(&["--id", &id]).await, "1 discarded\n");
    assert_eq!(discard(&["--before", "2999-01-01T00:00:00Z"]).await, "2 discarded\n");
    assert_eq!(std::fs::read_to_string(&path).expect("a file"), "");
    until_webhook_stat(&server, "dead_letters", 0).await;
    assert_eq!(discard(&["--all"]).await, "0 discarded\n");

    let ask = async |body: serde_json::Value| {
        let request = Request::new("POST", "/admin/apps/it/webhooks/discard")
            .header("Authorization", "Bearer a-token-of-the-discard-tests")
            .json(&body);
        exchange(server.ops(), &request).await
    };
    for body in [json!({}), json!({"all": true, "id": 1}), json!({"before": "yesterday"})] {
        assert_eq!(ask(body.clone()).await.refused(400, &body), "invalid_json");
    }
    let test = Request::new("POST", "/admin/apps/it/webhooks/test")
        .header("Authorization", "Bearer a-token-of-the-discard-tests")
        .json(&json!({"endpoint": one.url("/elsewhere")}));
    let response = exchange(server.ops(), &test).await;
    assert_eq!(response.refused(404, "another URL"), "unknown_endpoint");
    let answer = ask(json!({"all": true})).await.expect(200, "nothing left");
    assert_eq!(answer, json!({"discarded": 0, "under_way": 0}));
    drop(client);
    server.stop().await;
}

/// The column of `webhooks list`.
fn in_file(list: &Output, receiver: &WebhookReceiver) -> u64 {
    let (head, url) = (list.stdout.lines().next().expect("a head"), receiver.url("/hooks"));
    assert_eq!(head.find("IN FILE").map(|at| at + 7), Some(16), "{head}");
    // Letters come behind.
    let row = list.stdout.lines().find(|line| line.contains(&url));
    row.expect("a row")[9..16].trim().parse().expect("a number")
}

#[tokio::test]
async fn f10_list_and_json_show_the_current_file() {
    let (one, two) = (
        WebhookReceiver::start(ReceiverReply::Status(500)).await,
        WebhookReceiver::start(ReceiverReply::Status(500)).await,
    );
    let (server, client) = with_letters([&one, &two], 2).await;
    let list = webhooks_command(&server, &["list", "--limit", "1"]).await;
    assert_eq!([&one, &two].map(|receiver| in_file(&list, receiver)), [2, 2], "{list:?}");
    one.answer(ReceiverReply::Status(200));
    let replayed = webhooks_command(&server, &["replay", "--endpoint", &one.url("/hooks")]).await;
    assert!(replayed.stdout.contains("2 on their way again"), "{replayed:?}");
    until_webhook_stat(&server, "dead_letters", 2).await;
    let list = webhooks_command(&server, &["list", "--limit", "1"]).await;
    assert_eq!([&one, &two].map(|receiver| in_file(&list, receiver)), [0, 2], "{list:?}");
    let ask = Request::new("GET", "/admin/apps/it/webhooks")
        .header("Authorization", "Bearer a-token-of-the-discard-tests");
    let report = exchange(server.ops(), &ask).await.expect(200, "the report");
    let endpoints = report["endpoints"].as_array().expect("endpoints");
    let of = |name: &str| endpoints.iter().map(|e| e[name].as_u64()).collect::<Vec<_>>();
    assert_eq!(of("dead_letters"), [Some(0), Some(2)], "{report}");
    assert_eq!(of("dead_lettered"), [Some(2), Some(2)], "since the start: {report}");
    // Letters of an endpoint that is configured no longer are counted, and said to be.
    let token = "admin_token = \"a-token-of-the-discard-tests\"\n";
    let text = with_webhooks("", &[&hooks_url(&one, "")]);
    server.dir.write("sealcast.toml", &format!("{token}{text}"));
    server.signal("HUP");
    until("the endpoint to be gone", async || {
        let list = webhooks_command(&server, &["list"]).await;
        let says = "\n2 in the dead-letter file, 2 of them for endpoints that are no longer";
        list.stdout.contains(says).then_some(())
    })
    .await;
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn f10_letters_after_the_file_was_deleted_are_in_a_new_one() {
    let (one, two) = (
        WebhookReceiver::start(ReceiverReply::Status(500)).await,
        WebhookReceiver::start(ReceiverReply::Status(500)).await,
    );
    let (server, mut client) = with_letters([&one, &two], 1).await;
    let path = state_dir(&server).join("it.webhooks.jsonl");
    std::fs::remove_file(&path).expect("a file");
    client.client_event("private-x", "client-n", json!("later")).await;
    let letters = until("letters in a new file", async || {
        let letters = path.exists().then(|| dead_letters(&path))?;
        (letters.len() == 2).then_some(letters)
    })
    .await;
    assert!(letters.iter().all(|letter| letter["event"]["data"] == "later"), "{letters:?}");
    until_webhook_stat(&server, "dead_letters", 2).await;
    drop(client);
    server.stop().await;
}
