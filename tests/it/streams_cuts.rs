//! Event streams of tickets that are cut before their client has an id, as a browser returns then.

use serde_json::json;

use crate::support::*;

const LOGGED: &str = "[[apps.it.channels]]\npattern = \"private-log-*\"\nhistory = true\n";
const CHANNELS: [&str; 2] = ["private-log-a", "private-log-b"];

/// Where the connection of a new stream is lost.
#[derive(Clone, Copy, Debug)]
enum Cut {
    BeforeAnyAnswer,
    AfterHead,
    WithinId,
    BeforeBlankLine,
}

impl Cut {
    /// Opens a stream, reads up to this point and loses the connection.
    async fn happen(self, server: &TestServer, target: &str) {
        let mut stream = EventStream::dial(server, target, "").await;
        // The server has spent whatever it spends on an opened stream.
        server.until_stat("sockets", 1).await;
        let read = match self {
            Self::BeforeAnyAnswer => String::new(),
            Self::AfterHead => stream.read_until("\r\n\r\n").await,
            Self::WithinId => stream.read_until("\nid: ").await,
            Self::BeforeBlankLine => {
                stream.read_until("\nid: ").await + &stream.read_until("\n").await
            }
        };
        assert!(!read.contains("\n\n"), "{self:?}: no whole block has been read: {read}");
    }
}

async fn ticket_target(server: &TestServer) -> String {
    let token = server.token_for("u1", &["private-log-*"], &["subscribe"]).await;
    let made = server.page_post(&token, "/tickets", &json!({"channels": CHANNELS})).await;
    let made = made.expect(200, "a ticket");
    let ticket = made["ticket"].as_str().expect("a ticket");
    format!("{}/app/{}/sse?ticket={ticket}", server.prefix, APP.key)
}

/// Opens the target without an id, and expects both channels and their events.
async fn expect_served(server: &TestServer, target: &str, cut: Cut) -> EventStream {
    let mut stream = EventStream::open_with(server, target, "").await;
    for channel in CHANNELS {
        stream.expect_subscribed(channel).await;
    }
    for channel in CHANNELS {
        let text = format!("{cut:?} {channel}");
        server.publish(channel, "e", &text).await;
        stream.expect_event(channel, &text).await;
    }
    stream
}

#[tokio::test]
async fn h1_ticket_opens_without_an_id_after_a_cut_at_each_point_before_it() {
    let server = TestServer::start(&config(LOGGED)).await;
    for cut in [Cut::BeforeAnyAnswer, Cut::AfterHead, Cut::WithinId, Cut::BeforeBlankLine] {
        let target = ticket_target(&server).await;
        // A browser may be cut again and again.
        for _ in 0..2 {
            cut.happen(&server, &target).await;
            server.until_stat("sockets", 0).await;
        }
        let stream = expect_served(&server, &target, cut).await;
        // From here on it has an id, and misses nothing.
        let id = stream.last_id.clone().expect("an id");
        drop(stream);
        server.publish(CHANNELS[1], "e", "missed").await;
        let headers = format!("Last-Event-ID: {id}\r\n");
        let mut again = EventStream::open_with(&server, &target, &headers).await;
        again.expect_subscribed(CHANNELS[0]).await;
        again.expect_subscribed(CHANNELS[1]).await;
        again.expect_event(CHANNELS[1], "missed").await;
        drop(again);
        server.until_stat("sockets", 0).await;
    }
    server.stop().await;
}

/// A proxy repeats a GET whose connection ended before an answer: both requests carry the ticket.
#[tokio::test]
async fn h1_repeated_request_replaces_the_stream_of_the_first() {
    let server = TestServer::start(&config(LOGGED)).await;
    let target = ticket_target(&server).await;
    let mut first = EventStream::open_with(&server, &target, "").await;
    let second = expect_served(&server, &target, Cut::BeforeAnyAnswer).await;
    for channel in CHANNELS {
        first.expect_subscribed(channel).await;
    }
    first.expect_end(4200).await;
    server.until_stat("sockets", 1).await;
    drop((first, second));
    server.stop().await;
}

#[tokio::test]
async fn h13_reader_revoked_during_a_cut_gets_nothing_until_let_in_and_then_a_gap() {
    let server = TestServer::start(&config(LOGGED)).await;
    let channel = CHANNELS[0];
    let token = async || server.token_for("u1", &["private-log-*"], &["subscribe"]).await;
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    let (former, target) = (token().await, stream_target(&server, &[channel]));
    let mut stream = EventStream::open_with(&server, &target, &bearer(&former)).await;
    stream.expect_subscribed(channel).await;
    server.publish(channel, "e", "read").await;
    stream.expect_event(channel, "read").await;
    let id = format!("Last-Event-ID: {}\r\n", stream.last_id.clone().expect("an id"));
    drop(stream);
    server.publish(channel, "e", "missed").await;
    server.post("/tokens/revoke", &json!({"user_id": "u1"})).await.expect(200, "revoked");
    let mut refused = EventStream::dial(&server, &target, &(bearer(&former) + &id)).await;
    let head = refused.try_head().await.expect("an answer");
    assert!(head.starts_with("http/1.1 401 "), "{head}");
    server.publish(channel, "e", "not for it").await;
    let newer = token().await;
    let mut back = EventStream::open_with(&server, &target, &(bearer(&newer) + &id)).await;
    let gap = back.next().await;
    assert_eq!((&gap["event"], &gap["channel"]), (&json!("sealcast:gap"), &json!(channel)));
    back.expect_subscribed(channel).await;
    server.publish(channel, "e", "live").await;
    back.expect_event(channel, "live").await;
    drop((refused, back));
    server.stop().await;
}
