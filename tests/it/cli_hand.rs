//! `sealcast trigger` and `sealcast listen` against a running server.

use serde_json::{Value, json};

use crate::support::*;

const SEALED: &str = "private-encrypted-x";

fn configuration(app: &str) -> String {
    let key = base64(&master_key("cli hand"));
    config(&format!("master_key = \"{key}\"\n{app}"))
}

async fn start(app: &str) -> TestServer {
    Launch::serve_plain(&configuration(app)).start().await
}

/// A command that knows the app from the server's configuration, and the server by its address.
fn by_hand(server: &TestServer, args: &[&str]) -> Launch {
    let config = server.dir.path().join("sealcast.toml");
    let url = format!("http://{}", server.addr);
    Launch::new(args).arg("--config").arg(config).arg("--url").arg(url)
}

async fn printed(launch: Launch) -> String {
    let output = launch.output("").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    output.stdout
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("an object on each line")).collect()
}

async fn listening(listener: &RunningCommand, channel: &str) {
    let wanted = format!("subscribed to {channel}");
    until(&wanted, async || listener.stderr().contains(&wanted).then_some(())).await;
}

#[tokio::test]
async fn k_event_goes_out_sealed_and_comes_in_opened() {
    let server = start("").await;
    let key = id(&AdminClient::of(&server).report().await["keys"][0]);
    let args = ["listen", SEALED, "news", "--decrypt", "--count", "2"];
    let listener = by_hand(&server, &args).keep_running();
    let objects = by_hand(&server, &[&args[..], &["--json"]].concat()).keep_running();
    for it in [&listener, &objects] {
        listening(it, SEALED).await;
        listening(it, "news").await;
    }
    let data = "{\"order\":4821}";
    let text = printed(by_hand(&server, &["trigger", SEALED, "order.paid", data])).await;
    let (first, second) = text.split_once('\n').expect("two lines");
    assert_eq!(first, format!("{SEALED}  sealed {key}  2 subscribers"));
    assert!(second.starts_with("200 in ") && second.ends_with(" ms\n"), "{text}");
    let text = printed(by_hand(&server, &["trigger", "news", "hello", "--json"])).await;
    let [answer] = &*lines(&text) else { panic!("{text}") };
    assert_eq!(answer["channels"], json!({"news": {"sealed": false, "subscribers": 2}}));
    assert!(answer["status"] == 200 && answer["milliseconds"].is_number(), "{answer}");

    let output = listener.ended().await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let [sealed, clear] = &*output.stdout.lines().collect::<Vec<_>>() else { panic!("{output:?}") };
    let (_, sealed) = sealed.split_once("  ").expect("a time first");
    assert_eq!(sealed, format!("order.paid  {SEALED}  sealed {key}  {data}"));
    assert!(clear.ends_with("  hello  news  {}"), "{clear}");
    let output = objects.ended().await;
    let events = lines(&output.stdout);
    assert_eq!((&events[0]["data"], &events[0]["sealed"]), (&json!(data), &json!(true)));
    assert_eq!((&events[0]["key"], &events[1]["sealed"]), (&json!(key), &json!(false)));
    server.stop().await;
}

#[tokio::test]
async fn k_listener_without_decrypt_sees_ciphertext_and_follows_a_rotation_with_it() {
    let server = start("rotation = { grace_seconds = 60 }").await;
    let closed = by_hand(&server, &["listen", SEALED, "--json"]).keep_running();
    let open = by_hand(&server, &["listen", SEALED, "--decrypt", "--json"]).keep_running();
    listening(&closed, SEALED).await;
    listening(&open, SEALED).await;
    server.publish(SEALED, "e", "canary-of-the-listener").await;
    let event = until("the event", async || lines(&closed.stdout()).pop()).await;
    assert!(event["envelope"].as_str().is_some_and(|text| text.contains("ciphertext")), "{event}");
    assert!(!closed.stdout().contains("canary") && event.get("data").is_none(), "{event}");
    let admin = AdminClient::of(&server);
    let next = admin.rotate_to(&master_key("cli hand, next")).await;
    let opened = until("an event under the next key", async || {
        server.publish(SEALED, "e", "after").await;
        let events = lines(&open.stdout());
        events.into_iter().find(|event| event["key"] == json!(next))
    })
    .await;
    assert_eq!(opened["data"], json!("after"));
    for listener in [closed, open] {
        listener.signal("INT");
        let output = listener.ended().await;
        assert_eq!(output.status.code(), Some(0), "an interruption is the end: {output:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn k_members_are_shown_and_the_listener_is_one() {
    let server = start("").await;
    let args = ["listen", "presence-x", "--user", "monitor"];
    let listener = by_hand(&server, &args).keep_running();
    listening(&listener, "presence-x, 1 member").await;
    let mut alice = server.connect().await;
    let roster = alice.join("presence-x", &json!({"user_id": "alice"})).await;
    assert!(roster.to_string().contains("monitor"), "{roster}");
    alice.close().await;
    until("both", async || (listener.stdout().lines().count() == 2).then_some(())).await;
    let text = listener.stdout();
    assert!(text.contains("  alice joins  presence-x\n"), "{text}");
    assert!(text.contains("  alice leaves  presence-x\n"), "{text}");
    listener.signal("INT");
    listener.ended().await;
    server.stop().await;
}

#[tokio::test]
async fn k_listener_reconnects_and_gives_up_as_clients_do() {
    let server = start("").await;
    let admin = AdminClient::of(&server);
    let listener = by_hand(&server, &["listen", "news", "--count", "1"]).keep_running();
    listening(&listener, "news").await;
    let disconnect = async |code: u16| {
        let list = admin.send(&Request::new("GET", "/admin/apps/it/connections")).await;
        let list = list.expect(200, "connections");
        let socket = list["connections"][0]["socket_id"].as_str().expect("one").to_owned();
        let path = format!("/admin/apps/it/connections/{socket}/disconnect");
        admin.send(&Request::new("POST", path).json(&json!({ "code": code }))).await
    };
    disconnect(4200).await.expect(200, "it may return");
    until("it is back", async || {
        (listener.stderr().matches("subscribed to news").count() == 2).then_some(())
    })
    .await;
    assert!(listener.stderr().contains("(4200)"), "{}", listener.stderr());
    assert!(listener.stderr().contains("reconnecting in 0.5 s"), "{}", listener.stderr());
    disconnect(4009).await.expect(200, "it must not return");
    let output = listener.ended().await;
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(output.stderr.contains("closed_4009"), "{output:?}");
    // Without the awaited events an interruption is no success.
    let listener = by_hand(&server, &["listen", "news", "--count", "1"]).keep_running();
    listening(&listener, "news").await;
    listener.signal("INT");
    assert_eq!(listener.ended().await.status.code(), Some(130));
    server.stop().await;
}

#[tokio::test]
async fn k_wrong_use_by_hand_is_told_in_a_sentence() {
    let server = start("").await;
    let dead = "http://127.0.0.1:1";
    let config = server.dir.path().join("sealcast.toml");
    let at = |url: &str, args: &[&str]| {
        Launch::new(args).arg("--config").arg(&config).arg("--url").arg(url)
    };
    let url = format!("http://{}", server.addr);
    let wrong_key = |args: &[&str]| Launch::new(args).arg("--url").arg(&url).arg("--key").arg("no");
    let ops = format!("http://{}", server.ops());
    let rows = [
        (at(dead, &["trigger", "c", "e"]), "", 3, "unreachable"),
        (at(dead, &["listen", "c"]), "", 3, "unreachable"),
        (at(&url, &["trigger", "c", "e", "{"]), "", 2, "usage"),
        (at(&url, &["trigger", "c", "e", "-"]), "", 1, "failed"),
        (at(&url, &["trigger", "c", "e", "two words"]), "", 2, "usage"),
        (at(&url, &["trigger", "a b", "e"]), "", 4, "invalid_channel"),
        (at(&url, &["trigger", "c", "pusher:x"]), "", 4, "invalid_event_name"),
        (at(&url, &["trigger", "c", "e", "--socket-id", "x"]), "", 4, "invalid_socket_id"),
        (at(&ops, &["trigger", "c", "e"]), "", 4, "not_found"),
        (at(&ops, &["listen", "c"]), "", 3, "unreachable"),
        (at(&url, &["listen", "private-sealed-x"]), "", 4, "sealing_alias"),
        (at(&url, &["listen", "c", "--count", "0"]), "", 2, ""),
        (wrong_key(&["listen", "c"]), "", 4, "closed_4001"),
        (wrong_key(&["listen", "private-c"]), "", 2, "usage"),
        (wrong_key(&["trigger", "c", "e"]), "", 2, "usage"),
    ];
    for (launch, input, exit, code) in rows {
        let launch = if code.is_empty() { launch } else { launch.arg("--json") };
        let output = launch.output(input).await;
        assert_eq!(output.status.code(), Some(exit), "{code}: {output:?}");
        assert!(!output.stderr.contains(APP.secret), "{output:?}");
        if !code.is_empty() {
            let error = lines(&output.stdout).pop().expect("an object");
            assert_eq!(error["code"], code, "{output:?}");
            assert_eq!(error["exit"], exit, "{output:?}");
        }
    }
    let data = printed_with(by_hand(&server, &["trigger", "news", "e", "-"]), "[1]\n").await;
    assert!(data.starts_with("news  in clear"), "{data}");
    server.stop().await;
}

async fn printed_with(launch: Launch, input: &str) -> String {
    let output = launch.output(input).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    output.stdout
}

#[tokio::test]
async fn k_listener_asks_an_auth_endpoint_of_the_application() {
    let server = start("authorizer = \"open\"").await;
    let url = format!("http://{}/apps/it/auth/channel", server.addr);
    let args = ["listen", SEALED, "--decrypt", "--count", "1", "--auth", &url];
    let listener = by_hand(&server, &args).keep_running();
    listening(&listener, SEALED).await;
    server.publish(SEALED, "e", "\"opened\"").await;
    let output = listener.ended().await;
    assert!(output.stdout.trim_end().ends_with("\"opened\""), "{output:?}");
    // The endpoint's refusal is passed on.
    let deny = start("").await;
    let url = format!("http://{}/apps/it/auth/channel", deny.addr);
    let header = "Authorization: Bearer canary-of-the-header";
    let args = ["listen", "private-x", "--auth", &url, "--header", header];
    let output = by_hand(&deny, &args).output("").await;
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(output.stderr.contains("the auth endpoint refuses private-x"), "{output:?}");
    assert!(!output.stderr.contains("canary"), "{output:?}");
    let args = ["listen", "private-x", "--auth", &url, "--header", "canary"];
    let output = by_hand(&deny, &args).output("").await;
    assert!(output.status.code() == Some(2) && !output.stderr.contains("canary"), "{output:?}");
    deny.stop().await;
    server.stop().await;
}
