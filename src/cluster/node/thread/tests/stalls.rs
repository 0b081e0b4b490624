//! Redis is stopped for a while, and goes on with the same connections.

use std::{sync::Arc, time::Duration};

use super::{
    record::{RecordState, TestRecord},
    scene::{NodeScene, answer, until, wait},
};
use crate::cluster::{node::commands::PublicationEnd, replica::input::ChannelMemory};

const EVENTS: usize = 20;
const KEPT: Option<Duration> = Some(Duration::from_secs(600));

/// The records of a channel, and for how long its events are kept.
type PublishedChannel = (Vec<Arc<TestRecord>>, Option<Duration>);

/// Events that have this word in them, in the order of their delivery.
fn delivered(record: &TestRecord, word: &str) -> Vec<String> {
    let of_word = |state: &RecordState| {
        let events = state.delivered.iter().filter(|event| event.contains(word));
        events.cloned().collect()
    };
    record.read(of_word)
}

/// Publishes on all nodes and waits for the answers.
fn publish_on_all(scene: &NodeScene, (channel, keep): &PublishedChannel, word: &str) {
    let mut answers = Vec::new();
    for event in 0..EVENTS {
        for (at, (node, record)) in scene.nodes.iter().zip(channel).enumerate() {
            answers.push(node.publish(record, &format!("{at} {word} {event}"), *keep));
        }
    }
    for ended in answers.into_iter().map(answer) {
        assert!(matches!(ended, PublicationEnd::Published | PublicationEnd::Local), "{ended:?}");
    }
}

#[test]
fn j_stop_of_two_seconds_loses_and_repeats_no_event_of_any_node() {
    let scene = NodeScene::start(2);
    let news = scene.records("public-news", ChannelMemory::CountAlone);
    let room = scene.records("presence-cache-room", ChannelMemory::State);
    for (at, node) in scene.nodes.iter().enumerate() {
        node.enter(&news[at], None);
        node.enter(&room[at], Some(["alice", "bob"][at]));
    }
    let channels = [(news.clone(), None), (room.clone(), KEPT)];
    channels.iter().for_each(|channel| publish_on_all(&scene, channel, "before"));
    scene.server.stop();
    // Redis finds it when it goes on.
    scene.nodes[0].arrive(&room[0], Some("carol"));
    channels.iter().for_each(|channel| publish_on_all(&scene, channel, "noticed"));
    scene.nodes.iter().for_each(|node| node.until_away());
    channels.iter().for_each(|channel| publish_on_all(&scene, channel, "away"));
    scene.nodes[1].arrive(&room[1], Some("dave"));
    std::thread::sleep(Duration::from_secs(1));
    scene.server.go_on();
    channels.iter().for_each(|channel| publish_on_all(&scene, channel, "returning"));
    scene.nodes.iter().for_each(|node| node.until_up());
    channels.iter().for_each(|channel| publish_on_all(&scene, channel, "after"));
    for record in news.iter().chain(&room) {
        until(record, "all events", |state| state.delivered.len() == 5 * 2 * EVENTS);
    }
    for [first, second] in [&news, &room].map(|channel| [&channel[0], &channel[1]]) {
        for word in ["before", "after"] {
            assert_eq!(delivered(first, word), delivered(second, word), "one order");
        }
    }
    for record in &room {
        until(record, "one roster", |state| state.users() == ["alice", "bob", "carol", "dave"]);
        until(record, "four subscribers", |state| state.total == Some(4));
        let left = record.read(|state| state.story.iter().any(|it| it.starts_with('-')));
        assert!(!left, "nobody was told to be gone");
    }
    wait("nothing waits any more", || scene.nodes.iter().all(|it| it.node.backlog_bytes() == 0));
}
