//! Event streams with history: ids, resuming after a cut at any byte, gaps, tickets.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::support::*;

const LOGGED: &str = "[[apps.it.channels]]\npattern = \"*log-*\"\nhistory = { events = 50, bytes = \"1MiB\", ttl = \"1h\", idle = \"1h\", vacant = \"1h\", blind = true }\n";

async fn token(server: &TestServer, user: &str, channels: &[&str]) -> String {
    let wanted = json!({"user_id": user, "channels": channels, "ttl": 3600});
    let minted = server.post("/tokens", &wanted).await.expect(200, "a token");
    minted["token"].as_str().expect("a token").to_owned()
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

async fn ticket(server: &TestServer, token: &str, channels: &[&str]) -> String {
    let request = Request::new("POST", format!("/app/{}/tickets", APP.key))
        .header("Authorization", &format!("Bearer {token}"))
        .json(&json!({ "channels": channels }));
    let made = server.send(request).await.expect(200, "a ticket");
    made["ticket"].as_str().expect("a ticket").to_owned()
}

fn ticket_target(server: &TestServer, ticket: &str) -> String {
    format!("{}/app/{}/sse?ticket={ticket}", server.prefix, APP.key)
}

fn last_id(stream: &EventStream) -> String {
    format!("Last-Event-ID: {}\r\n", stream.last_id.as_deref().expect("an id"))
}

/// What arrives until this many events have: their texts by channel, and the gaps.
async fn events(
    stream: &mut EventStream,
    count: usize,
) -> (HashMap<String, Vec<String>>, Vec<Value>) {
    let (mut texts, mut gaps, mut seen) = (HashMap::<String, Vec<String>>::new(), Vec::new(), 0);
    while seen < count {
        let frame = stream.next().await;
        match frame["event"].as_str().expect("a name") {
            "e" => {
                let channel = frame["channel"].as_str().expect("a channel").to_owned();
                let text = frame["data"].as_str().expect("text").to_owned();
                texts.entry(channel).or_default().push(text);
                seen += 1;
            }
            "sealcast:gap" => gaps.push(frame),
            _ => {}
        }
    }
    (texts, gaps)
}

#[tokio::test]
async fn h_stream_resumes_behind_the_last_whole_event() {
    let server = TestServer::start(&config(LOGGED)).await;
    for channels in [&["log-a"][..], &["log-a", "log-b", "other"]] {
        let target = stream_target(&server, channels);
        let mut stream = EventStream::open(&server, channels).await;
        assert!(stream.last_id.is_some(), "a silent stream resumes as well");
        let before = stream.last_id.clone();
        for n in 0..10 {
            server.publish(channels[n % channels.len()], "e", &n.to_string()).await;
        }
        let (first, _) = events(&mut stream, 5).await;
        assert_ne!(stream.last_id, before);
        let id = last_id(&stream);
        drop(stream);
        let mut again = EventStream::open_with(&server, &target, &id).await;
        server.publish("log-a", "e", "live").await;
        let logged = (5..10).filter(|n| channels[n % channels.len()] != "other").count();
        let (rest, gaps) = events(&mut again, logged + 1).await;
        assert_eq!(gaps, Vec::<Value>::new());
        for channel in channels.iter().filter(|name| **name != "other") {
            let all = first.get(*channel).into_iter().chain(rest.get(*channel)).flatten();
            let all: Vec<_> = all.filter(|text| *text != "live").cloned().collect();
            let sent = (0..10).filter(|n| channels[n % channels.len()] == *channel);
            assert_eq!(all, sent.map(|n| n.to_string()).collect::<Vec<_>>(), "{channel}");
        }
        assert_eq!(rest["log-a"].last().map(String::as_str), Some("live"));
        // The same by the parameter, for another page.
        let id = again.last_id.clone().expect("an id");
        drop(again);
        server.publish("log-a", "e", "missed").await;
        let target = format!("{target}&last_event_id={id}");
        let mut again = EventStream::open_with(&server, &target, "").await;
        assert_eq!(events(&mut again, 1).await.0["log-a"], ["missed"]);
        drop(again);
    }
    server.stop().await;
}

#[tokio::test]
async fn h_unlogged_stream_has_no_ids() {
    let server = TestServer::start(&config(LOGGED)).await;
    let mut stream = EventStream::open(&server, &["other"]).await;
    server.publish("other", "e", "1").await;
    events(&mut stream, 1).await;
    assert_eq!(stream.last_id, None);
    drop(stream);
    server.stop().await;
}

#[tokio::test]
async fn h_gap_is_told_once_for_each_channel_and_the_stream_goes_on() {
    let server = TestServer::start(&config(LOGGED)).await;
    let channels = ["log-a", "log-b"];
    let target = stream_target(&server, &channels);
    let stream = EventStream::open(&server, &channels).await;
    let good = last_id(&stream);
    drop(stream);
    for n in 0..60 {
        server.publish("log-a", "e", &n.to_string()).await;
    }
    server.publish("log-b", "e", "kept").await;
    let position = good.trim_end().rsplit(' ').next().expect("a position").to_owned();
    let other = if position.starts_with('A') { "B" } else { "A" };
    let altered = format!("Last-Event-ID: {other}{}\r\n", &position[1..]);
    let unknown = ["unknown_position"; 2].as_slice();
    for (id, reasons, replayed) in [
        (good.clone(), ["evicted"].as_slice(), Some("kept")),
        ("Last-Event-ID: forged\r\n".to_owned(), unknown, None),
        (altered, unknown, None),
        (format!("Last-Event-ID: {}\r\n", "A".repeat(9000)), unknown, None),
    ] {
        let mut stream = EventStream::open_with(&server, &target, &id).await;
        let mut gaps = Vec::new();
        for number in 1..=reasons.len() {
            assert_eq!(stream.last_id, None, "a cut before the last gap repeats all");
            let gap = stream.next_block().await.expect("a gap");
            assert_eq!(gap.id.is_some(), number == reasons.len());
            let gap = gap.data.expect("a gap");
            assert_eq!(gap["event"], "sealcast:gap", "{gap}");
            gaps.push(inner(&gap)["reason"].as_str().expect("a reason").to_owned());
        }
        assert_eq!(gaps, reasons, "{id:.40}");
        assert!(stream.last_id.is_some());
        server.publish("log-a", "e", "live").await;
        let (texts, more) = events(&mut stream, 1 + usize::from(replayed.is_some())).await;
        assert_eq!((texts["log-a"].len(), more.len()), (1, 0), "{texts:?}");
        assert_eq!(texts.get("log-b").map(|texts| &*texts[0]), replayed);
        // Resumed from here, nothing is missing.
        let id = last_id(&stream);
        drop(stream);
        let mut again = EventStream::open_with(&server, &target, &id).await;
        server.publish("log-a", "e", "on").await;
        let (texts, more) = events(&mut again, 1).await;
        assert_eq!((&*texts["log-a"][0], more.len()), ("on", 0));
        drop(again);
    }
    // A head of 100 KB is refused as such.
    let mut stream =
        EventStream::dial(&server, &target, &format!("Last-Event-ID: {}\r\n", "A".repeat(100_000)))
            .await;
    let head = stream.try_head().await.expect("an answer");
    assert!(head.starts_with("http/1.1 431 "), "{head}");
    drop(stream);
    server.stop().await;
}

#[tokio::test]
async fn h1_ticket_opens_again_until_its_stream_has_lived() {
    let server = TestServer::start(&config(LOGGED)).await;
    let token = token(&server, "u1", &["private-log-*"]).await;
    let ticket = ticket(&server, &token, &["private-log-a", "private-log-b"]).await;
    let target = ticket_target(&server, &ticket);
    // Cut at every byte before the blank line of the first id: it opens again without one.
    for _ in 0..3 {
        let mut cut = EventStream::dial(&server, &target, "").await;
        cut.read_head().await;
        drop(cut);
    }
    let mut stream = EventStream::open_with(&server, &target, "").await;
    server.publish("private-log-a", "e", "1").await;
    assert_eq!(events(&mut stream, 1).await.0["private-log-a"], ["1"]);
    let own = last_id(&stream);
    assert!(own.contains('.'), "{own}");
    // With its own id it opens although the stream goes on: the former one ends.
    server.publish("private-log-b", "e", "2").await;
    let mut again = EventStream::open_with(&server, &target, &own).await;
    assert_eq!(events(&mut again, 1).await.0["private-log-b"], ["2"]);
    events(&mut stream, 1).await;
    stream.expect_end(4200).await;
    server.until_stat("sockets", 1).await;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    // Lived: the URL alone is worth nothing, and neither is the position without the tag.
    let own = last_id(&again);
    let position = format!("{}\r\n", own.trim_end().split('.').next().expect("a position"));
    for id in ["", &position, "Last-Event-ID: x.y\r\n"] {
        let mut refused = EventStream::dial(&server, &target, id).await;
        let head = refused.try_head().await.expect("an answer");
        assert!(head.starts_with("http/1.1 401 "), "{id}: {head}");
    }
    drop(again);
    server.until_stat("sockets", 0).await;
    server.publish("private-log-a", "e", "3").await;
    let mut third = EventStream::open_with(&server, &target, &own).await;
    assert_eq!(events(&mut third, 1).await.0["private-log-a"], ["3"]);
    // The position resumes with another ticket, as does the whole id in the query.
    let fresh = ticket_target(&server, &self::ticket(&server, &token, &["private-log-a"]).await);
    let id = own.trim_end().rsplit(' ').next().expect("an id");
    let mut other =
        EventStream::open_with(&server, &format!("{fresh}&last_event_id={id}"), "").await;
    assert_eq!(events(&mut other, 1).await.0["private-log-a"], ["3"]);
    // A channel that the ticket was not made for.
    let more = server.send(Request::new("GET", format!("{fresh}&channel=private-log-b"))).await;
    assert_eq!(more.refused(403, "another channel"), "forbidden");
    drop((third, other));
    server.stop().await;
}

#[tokio::test]
async fn h_stream_of_a_bearer_ends_with_the_token() {
    let server = TestServer::start(&config(LOGGED)).await;
    let token = token(&server, "u1", &["private-log-*", "presence-log-x"]).await;
    let channels = ["private-log-a", "presence-log-x"];
    let target = stream_target(&server, &channels);
    let mut stream = EventStream::open_with(&server, &target, &bearer(&token)).await;
    stream.expect_subscribed("private-log-a").await;
    let presence = stream.expect_subscribed("presence-log-x").await;
    assert_eq!(presence["presence"]["ids"], json!(["u1"]));
    server.publish("private-log-a", "e", "1").await;
    stream.expect_event("private-log-a", "1").await;
    server.post("/tokens/revoke", &json!({"user_id": "u1"})).await.expect(200, "revoked");
    let error = stream.next().await;
    assert_eq!(error["event"], "pusher:subscription_error", "{error}");
    stream.expect_end(4200).await;
    let refused = server
        .send(Request::new("GET", target).header("Authorization", &format!("Bearer {token}")))
        .await;
    assert_eq!(refused.refused(401, "revoked"), "unauthenticated");
    drop(stream);
    server.stop().await;
}

#[tokio::test]
async fn h_cut_of_a_stream_is_no_departure() {
    let server = TestServer::start(&config("")).await;
    let token = token(&server, "u1", &["presence-x"]).await;
    let mut watcher = server.connect().await;
    watcher.join("presence-x", &json!({"user_id": "w"})).await;
    let target = stream_target(&server, &["presence-x"]);
    let stream = EventStream::open_with(&server, &target, &bearer(&token)).await;
    assert_eq!(watcher.expect_event("pusher_internal:member_added").await["user_id"], "u1");
    drop(stream);
    server.until_stat("sockets", 1).await;
    watcher.expect_silence().await;
    let stream = EventStream::open_with(&server, &target, &bearer(&token)).await;
    watcher.expect_silence().await;
    drop(stream);
    assert_eq!(watcher.expect_event("pusher_internal:member_removed").await["user_id"], "u1");
    drop(watcher);
    server.stop().await;
}

/// The text of an event that this secret opens.
fn opened(secret: &str, frame: &Value) -> String {
    let secret = unbase64(secret).try_into().expect("a secret of 32 bytes");
    open(&secret, frame["data"].as_str().expect("an envelope"))
}

#[tokio::test]
async fn h_rotation_moves_a_stream_without_a_hold() {
    let key = format!("master_key = \"{}\"\n", base64(&master_key("streams")));
    let server = TestServer::start(&config(&format!("{key}{LOGGED}"))).await;
    let token = token(&server, "u1", &["private-encrypted-log-*"]).await;
    let channel = "private-encrypted-log-a";
    let target = stream_target(&server, &[channel]);
    let mut stream = EventStream::open_with(&server, &target, &bearer(&token)).await;
    stream.expect_subscribed(channel).await;
    let secret = async |stream: &EventStream| {
        let form = format!("socket_id={}&channel_name={channel}", stream.socket_id);
        let request = Request::new("POST", "/apps/it/auth/channel")
            .header("Authorization", &format!("Bearer {token}"))
            .form(&form);
        let answer = server.send(request).await.expect(200, "a secret");
        answer["shared_secret"].as_str().expect("a secret").to_owned()
    };
    let before = secret(&stream).await;
    server.publish(channel, "e", "1").await;
    let frame = stream.next().await;
    assert_eq!(opened(&before, &frame), "1");
    let admin = AdminClient::of(&server);
    admin.rotate_to(&master_key("next")).await;
    // The stream moves in its turn, without a nudge: the next events open with the next secret.
    let after = until("the next secret", async || {
        server.publish(channel, "e", "2").await;
        let frame = stream.next().await;
        let after = secret(&stream).await;
        (after != before).then(|| (after.clone(), frame))
    })
    .await
    .0;
    server.publish(channel, "e", "3").await;
    let frame = stream.next().await;
    assert_eq!(opened(&after, &frame), "3");
    // A replay is sealed for the reader.
    let id = last_id(&stream);
    drop(stream);
    server.publish(channel, "e", "4").await;
    let headers = format!("{}{id}", bearer(&token));
    let mut again = EventStream::open_with(&server, &target, &headers).await;
    again.expect_subscribed(channel).await;
    let secret = secret(&again).await;
    assert_eq!(opened(&secret, &again.next().await), "4");
    drop(again);
    server.stop().await;
}
