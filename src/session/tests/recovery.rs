//! Readers that come back.

mod conditions;

use std::time::Duration;

use futures_util::FutureExt as _;
use serde_json::{Value, json};

use crate::{
    app::App,
    channels::log::{LogNumber, PageOrder, PageQuery},
    crypto::{key::MasterKey, secret::Derivation},
    domain::{channel::Channel, channel_settings::HistorySettings},
    engine::{
        event::{PublishedEvent, Publisher},
        history::{condition::Condition, outcome::LoggedEvent, reading::ReaderView},
    },
    history::position::PositionKey,
    test_node::{TestClient, TestNode},
};

fn logged(settings: HistorySettings) -> App {
    App::for_tests("a").logging(settings)
}

fn node() -> TestNode {
    TestNode::new(logged(HistorySettings::default()))
}

/// The frames since the last call.
fn frames(node: &TestNode, client: &TestClient) -> Vec<Value> {
    node.shard.handle_posted();
    client.socket.received()
}

fn data(frame: &Value) -> Value {
    serde_json::from_str(frame["data"].as_str().expect("a text")).expect("JSON")
}

fn text(frame: &Value) -> (&str, &str) {
    (frame["event"].as_str().expect("an event"), frame["data"].as_str().expect("a text"))
}

/// The answer to the wish, without the frames behind it.
fn answer(frames: &[Value]) -> Value {
    assert_eq!(frames[0]["event"], "pusher_internal:subscription_succeeded");
    data(&frames[0])["recover"].clone()
}

#[test]
fn returning_reader_gets_what_it_missed_and_then_live_events() {
    let node = node();
    let mut reader = node.connect();
    reader.subscribe_recovering("room", &json!(true));
    let begun = answer(&frames(&node, &reader));
    assert_eq!(begun["recovered"], false);
    node.publish("room", "1");
    let seen = frames(&node, &reader);
    assert_eq!(text(&seen[0]), ("e", "1"));
    let position = seen[0]["position"].clone();
    assert!(position.is_string() && position != begun["position"]);
    drop(reader);
    ["2", "3"].iter().for_each(|data| node.publish("room", data));

    let mut back = node.connect();
    back.subscribe_recovering("room", &position);
    node.publish("room", "4");
    let got = frames(&node, &back);
    let answered = answer(&got);
    assert_eq!(answered["recovered"], true);
    let events: Vec<_> = got[1..].iter().map(|frame| text(frame).1).collect();
    assert_eq!(events, ["2", "3", "4"]);
    assert_eq!(got[2]["position"], answered["position"], "the last one missed is the end");

    let mut from_the_start = node.connect();
    from_the_start.subscribe_recovering("room", &begun["position"]);
    let got = frames(&node, &from_the_start);
    assert_eq!(
        got[1..].iter().map(|frame| text(frame).1).collect::<Vec<_>>(),
        ["1", "2", "3", "4"]
    );
}

#[test]
fn reader_that_does_not_ask_sees_nothing_of_it() {
    let (with, without) = (node(), TestNode::new(App::for_tests("a")));
    let seen = [&with, &without].map(|node| {
        let mut reader = node.connect();
        let mut other = node.connect();
        other.subscribe_recovering("room", &json!(true));
        reader.subscribe("room");
        node.publish("room", "1");
        frames(node, &reader)
    });
    assert_eq!(seen[0], seen[1]);
    let mut reader = without.connect();
    reader.subscribe_recovering("room", &json!("AQ3x"));
    assert_eq!(frames(&without, &reader)[0]["data"], "{}", "the channel has no log");
}

#[test]
fn what_is_gone_is_told_once_with_its_reason() {
    let node = TestNode::new(logged(HistorySettings { events: 2, ..HistorySettings::default() }));
    let mut reader = node.connect();
    reader.subscribe_recovering("room", &json!(true));
    let start = answer(&frames(&node, &reader))["position"].clone();
    ["1", "2", "3"].iter().for_each(|data| node.publish("room", data));
    let newest = frames(&node, &reader)[2]["position"].clone();
    let positions = PositionKey::derive(b"a-secret", "b");
    let other_app = TestNode::new(App { positions, ..logged(HistorySettings::default()) });
    let mut stranger = other_app.connect();
    stranger.subscribe_recovering("room", &json!(true));
    let foreign = answer(&frames(&other_app, &stranger))["position"].clone();
    let restarted = {
        let mut before = TestNode::new(logged(HistorySettings::default())).connect();
        before.subscribe_recovering("room", &json!(true));
        data(&before.socket.received()[0])["recover"]["position"].clone()
    };
    for (position, reason) in [
        (start, "evicted"),
        (foreign, "unknown_position"),
        (json!("x".repeat(100_000)), "unknown_position"),
        (json!(""), "unknown_position"),
        (restarted, "restarted"),
    ] {
        let mut back = node.connect();
        back.subscribe_recovering("room", &position);
        let got = frames(&node, &back);
        assert_eq!(answer(&got)["recovered"], false);
        assert_eq!(
            (&got[1]["event"], &got[1]["channel"]),
            (&json!("sealcast:gap"), &json!("room"))
        );
        assert_eq!(data(&got[1])["reason"], reason);
        assert_eq!(got.len(), 2);
        let mut pager = node.connect();
        pager.subscribe_recovering("room", &data(&got[1])["position"]);
        let rest = frames(&node, &pager);
        assert_eq!(rest[1..].iter().map(|f| text(f).1).collect::<Vec<_>>(), ["2", "3"], "{reason}");
    }
    let mut at_the_end = node.connect();
    at_the_end.subscribe_recovering("room", &newest);
    let got = frames(&node, &at_the_end);
    assert_eq!((answer(&got)["recovered"].clone(), got.len()), (json!(true), 1));
}

fn clear(node: &TestNode, channel: &Channel) -> Vec<LoggedEvent> {
    let cleared = node.engine.clear_history(&node.runtime, channel);
    cleared.settled().now_or_never().expect("nothing waits").expect("it is cleared").logged
}

#[test]
fn clearing_is_told_to_readers_and_to_those_who_return() {
    let node = node();
    let mut reader = node.connect();
    reader.subscribe_recovering("cache-room", &json!(true));
    let mut plain = node.connect();
    plain.subscribe("cache-room");
    node.publish("cache-room", "1");
    let before = frames(&node, &reader)[2]["position"].clone();
    frames(&node, &plain);
    let channel = Channel::parse("cache-room", 200).unwrap();
    assert_eq!(clear(&node, &channel).len(), 1);
    let told = frames(&node, &reader);
    assert_eq!((told.len(), data(&told[0])["reason"].clone()), (1, json!("cleared")));
    assert!(frames(&node, &plain).is_empty());
    for (position, frame) in [(&before, "sealcast:gap"), (&data(&told[0])["position"], "")] {
        let mut back = node.connect();
        back.subscribe_recovering("cache-room", position);
        let got = frames(&node, &back);
        assert_eq!(got.get(1).map_or("", |f| f["event"].as_str().unwrap()), frame);
    }
    let mut new = node.connect();
    new.subscribe("cache-room");
    assert_eq!(frames(&node, &new)[1]["event"], "pusher:cache_miss");
}

#[test]
fn sealed_events_are_replayed_under_the_secret_of_the_reader() {
    let app = logged(HistorySettings::default()).sealed(Derivation::Pusher);
    let node = TestNode::new(app);
    let name = "private-encrypted-room";
    let mut reader = node.connect();
    reader.subscribe_recovering(name, &json!(true));
    let start = answer(&frames(&node, &reader))["position"].clone();
    node.publish(name, "before");
    let ring = node.runtime.keys().expect("keys");
    let next = ring.table().announced(MasterKey::generate().unwrap(), 0, 0, 9).unwrap();
    ring.install(next.activated(0).unwrap());
    drop(reader);
    node.publish(name, "after");
    let channel = Channel::parse(name, 200).unwrap();
    for _ in 0..2 {
        let mut back = node.connect();
        back.subscribe_recovering(name, &start);
        let got = frames(&node, &back);
        let opened: Vec<_> = got[1..]
            .iter()
            .map(|frame| ring.open(&channel, frame["data"].as_str().unwrap()).expect("it opens"))
            .map(|(version, plain)| (version, String::from_utf8(plain.to_vec()).unwrap()))
            .collect();
        let texts: Vec<_> = opened.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["before", "after"]);
        assert_eq!(opened[0].0, opened[1].0, "one secret opens all");
    }
    let view = ReaderView { version: None, not_before: 0 };
    let query = PageQuery { limit: 9, bytes: 1000, ..PageQuery::default() };
    let page = node.engine.history_page(&node.runtime, &channel, &query, view).unwrap();
    assert_eq!(page.events.len(), 2);
    assert!(page.events.iter().all(|event| ring.open(&channel, &event.data).is_some()));
}

#[test]
fn long_replays_are_refused_and_bounded_by_the_minute() {
    let settings = HistorySettings { bytes: 8 << 20, events: 10_000, ..HistorySettings::default() };
    let node = TestNode::new(logged(settings));
    let mut reader = node.connect();
    reader.subscribe_recovering("room", &json!(true));
    let start = answer(&frames(&node, &reader))["position"].clone();
    let event = "x".repeat(1000);
    (0..300).for_each(|_| node.publish("room", &event));
    drop(reader);
    let mut back = node.connect();
    let mut outcomes = Vec::new();
    for _ in 0..10 {
        back.subscribe_recovering("room", &start);
        let got = frames(&node, &back);
        outcomes.push(got.get(1).map_or(Value::Null, |frame| frame["event"].clone()));
        back.unsubscribe("room");
    }
    assert_eq!((&outcomes[0], &outcomes[9]), (&json!("e"), &json!("sealcast:gap")), "{outcomes:?}");
    (0..300).for_each(|_| node.publish("room", &event));
    let mut late = node.connect();
    late.subscribe_recovering("room", &start);
    let got = frames(&node, &late);
    assert_eq!(data(&got[1]), json!({"reason": "too_many", "position": start}));
}

#[test]
fn quiet_channel_keeps_its_place_until_it_is_long_vacant() {
    let settings = HistorySettings { vacant: Duration::ZERO, ..HistorySettings::default() };
    for (node, recovered) in [(node(), true), (TestNode::new(logged(settings)), false)] {
        let mut reader = node.connect();
        reader.subscribe_recovering("room", &json!(true));
        let start = answer(&frames(&node, &reader))["position"].clone();
        drop(reader);
        let mut back = node.connect();
        back.subscribe_recovering("room", &start);
        assert_eq!(answer(&frames(&node, &back))["recovered"], recovered);
    }
}

/// The cost of many small events is in their frames, positions and slots.
#[test]
fn replays_fit_the_queue_whatever_their_events_are_like() {
    let settings = HistorySettings { bytes: 8 << 20, events: 10_000, ..HistorySettings::default() };
    let node = TestNode::new(logged(settings));
    let name = "c".repeat(150);
    let mut reader = node.connect();
    reader.subscribe_recovering(&name, &json!(true));
    let start = answer(&frames(&node, &reader))["position"].clone();
    drop(reader);
    for count in [500, 2500, 5000] {
        (0..count).for_each(|_| node.publish(&name, "1"));
        let mut back = node.connect();
        back.subscribe_recovering(&name, &start);
        assert!(!back.socket.outbox.is_closing(), "{count} more");
        assert_eq!(frames(&node, &back)[0]["event"], "pusher_internal:subscription_succeeded");
    }
}

/// A log that was made before a reload goes on until it ends.
#[test]
fn reload_that_takes_history_away_makes_no_hole_in_a_live_log() {
    let node = node();
    let mut reader = node.connect();
    reader.subscribe_recovering("room", &json!(true));
    let start = answer(&frames(&node, &reader))["position"].clone();
    node.publish("room", "1");
    let app = App::for_tests("a");
    let positions = PositionKey::derive(b"a-secret", "a");
    node.reload(App { positions, ..app });
    node.publish("room", "2");
    let mut back = node.connect();
    back.subscribe_recovering("room", &start);
    let got = frames(&node, &back);
    assert_eq!(got[1..].iter().map(|f| text(f).1).collect::<Vec<_>>(), ["1", "2"]);
}

#[test]
fn clearing_of_an_unused_channel_keeps_no_record() {
    let node = node();
    for name in ["never-used", "also-never"] {
        let channel = Channel::parse(name, 200).unwrap();
        assert_eq!(clear(&node, &channel).len(), 1);
        assert!(node.runtime.directory.find(name).is_none());
    }
    let without = TestNode::new(App::for_tests("a"));
    assert!(clear(&without, &Channel::parse("room", 200).unwrap()).is_empty());
    assert!(without.runtime.directory.find("room").is_none());
}

/// A worker may be behind: the reader was answered with the state after the clearing.
#[test]
fn clearing_from_before_the_subscription_is_not_told() {
    let node = node();
    let mut first = node.connect();
    first.subscribe_recovering("room", &json!(true));
    frames(&node, &first);
    node.publish("room", "1");
    clear(&node, &Channel::parse("room", 200).unwrap());
    node.publish("room", "2");
    let mut later = node.connect();
    later.subscribe_recovering("room", &json!(true));
    let got = frames(&node, &later);
    assert_eq!(got.len(), 1, "{got:?}");
    let events: Vec<_> =
        first.socket.received().iter().map(|frame| frame["event"].clone()).collect();
    assert_eq!(events, ["e", "sealcast:gap", "e"]);
}

#[test]
fn reader_that_was_barred_sees_nothing_from_before_his_return() {
    let node = node();
    ["old", "older"].iter().for_each(|data| node.publish("room", data));
    let channel = Channel::parse("room", 200).unwrap();
    let page = |not_before, order| {
        let query = PageQuery { order, limit: 1, bytes: 1000, ..PageQuery::default() };
        let view = ReaderView { version: None, not_before };
        node.engine.history_page(&node.runtime, &channel, &query, view).unwrap()
    };
    let all = page(0, PageOrder::OldestFirst);
    assert_eq!((all.events.len(), all.more, all.gap), (1, true, None));
    let return_time = all.last.0 + 1;
    node.publish("room", "new");
    for order in [PageOrder::OldestFirst, PageOrder::NewestFirst] {
        let page = page(return_time, order);
        assert_eq!(page.events.iter().map(|e| &*e.data).collect::<Vec<_>>(), ["new"]);
        assert_eq!((page.more, page.gap.is_some()), (false, true));
    }
}

/// Otherwise the next visitor would bring back what has ended.
#[test]
fn log_that_has_ended_stays_ended_when_a_reader_comes() {
    let settings = HistorySettings { vacant: Duration::ZERO, ..HistorySettings::default() };
    let node = TestNode::new(logged(settings));
    let mut reader = node.connect();
    reader.subscribe("cache-room");
    node.publish("cache-room", "old");
    drop(reader);
    let mut later = node.connect();
    later.subscribe("cache-room");
    let events: Vec<_> = frames(&node, &later).iter().map(|frame| frame["event"].clone()).collect();
    assert_eq!(events, ["pusher_internal:subscription_succeeded", "pusher:cache_miss"]);
    let channel = Channel::parse("cache-room", 200).unwrap();
    let (query, view) = (
        PageQuery { limit: 9, bytes: 1000, ..PageQuery::default() },
        ReaderView { version: None, not_before: 0 },
    );
    let page = node.engine.history_page(&node.runtime, &channel, &query, view).unwrap();
    assert!(page.events.is_empty());
}
