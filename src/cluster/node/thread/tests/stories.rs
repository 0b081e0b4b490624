//! Two and three nodes, and nothing fails.

use std::time::Duration;

use super::scene::{NodeScene, answer, until, wait};
use crate::cluster::{
    key::tests::other_key,
    node::{
        commands::{NodeCommand, PublicationEnd},
        queries::QueryError,
        status::LinkStatus,
    },
    replica::input::ChannelMemory,
};

const KEPT: Option<Duration> = Some(Duration::from_secs(600));

#[test]
fn j1_joins_beside_opens_are_all_seen_on_all_nodes() {
    let scene = NodeScene::start(3);
    let records = scene.records("presence-room", ChannelMemory::State);
    let mut expected = Vec::new();
    for round in 0..10 {
        for (node, record) in scene.nodes.iter().zip(&records) {
            let user = format!("user{}", expected.len());
            node.arrive(record, Some(&user));
            expected.push(user);
        }
        if round == 5 {
            wait("some are answered", || {
                records.iter().any(|it| it.read(|it| it.answered.len()) > 0)
            });
        }
    }
    expected.sort();
    for record in &records {
        until(record, "all users", |state| state.users() == expected);
        until(record, "all sessions answered", |state| state.answered.len() == 10);
        until(record, "the exact total", |state| state.total == Some(30));
    }
}

#[test]
fn j3_crossed_publishes_have_one_order_on_all_nodes() {
    const EVENTS: usize = 200;
    let scene = NodeScene::start(2);
    let records = scene.records("public-news", ChannelMemory::CountAlone);
    for (node, record) in scene.nodes.iter().zip(&records) {
        node.until_up();
        node.enter(record, None);
    }
    let mut answers = Vec::new();
    for event in 0..EVENTS {
        for (at, (node, record)) in scene.nodes.iter().zip(&records).enumerate() {
            answers.push(node.publish(record, &format!("{at}:{event}"), None));
        }
    }
    let answers: Vec<_> = answers.into_iter().map(answer).collect();
    assert!(answers.iter().all(|it| *it == PublicationEnd::Published), "{answers:?}");
    for record in &records {
        until(record, "all events", |state| state.delivered.len() == 2 * EVENTS);
    }
    let [first, second] = [0, 1].map(|at| records[at].read(|state| state.delivered.clone()));
    assert_eq!(first, second);
    for at in ["0:", "1:"] {
        let own: Vec<_> = first.iter().filter(|event| event.starts_with(at)).collect();
        let expected: Vec<_> = (0..EVENTS).map(|event| format!("{at}{event}")).collect();
        assert_eq!(own, expected.iter().collect::<Vec<_>>());
    }
    wait("nothing waits any more", || scene.nodes.iter().all(|it| it.node.has_room()));
}

#[test]
fn counts_are_exact_and_the_last_one_leaves_nothing() {
    let scene = NodeScene::start(2);
    let records = scene.records("public-news", ChannelMemory::CountAlone);
    let mut sessions = Vec::new();
    for (node, record) in scene.nodes.iter().zip(&records) {
        for _ in 0..3 {
            sessions.push((record, node.enter(record, None)));
        }
    }
    for record in &records {
        until(record, "six subscribers", |state| state.total == Some(6));
    }
    let (record, session) = sessions.pop().expect("a session");
    record.leave(session.id, None);
    for record in &records {
        until(record, "five subscribers", |state| state.total == Some(5));
    }
    for (record, session) in sessions {
        record.leave(session.id, None);
    }
    for record in &records {
        until(record, "a closed channel", |state| state.replica.is_closed());
    }
}

#[test]
fn newcomers_of_a_cache_channel_get_its_last_event_from_redis() {
    let scene = NodeScene::start(2);
    let records = scene.records("cache-prices", ChannelMemory::State);
    scene.nodes[0].enter(&records[0], None);
    for event in ["first", "second"] {
        let publishing = answer(scene.nodes[0].publish(&records[0], event, KEPT));
        assert_eq!(publishing, PublicationEnd::Published);
    }
    scene.nodes[1].enter(&records[1], None);
    until(&records[1], "the last event", |state| state.kept.as_deref() == Some("second"));
    answer(scene.nodes[1].publish(&records[1], "third", KEPT));
    for record in &records {
        until(record, "the next event", |state| state.kept.as_deref() == Some("third"));
    }
    assert_eq!(records[0].read(|state| state.delivered.clone()), ["first", "second", "third"]);
    assert_eq!(records[1].read(|state| state.delivered.clone()), ["third"]);
}

#[test]
fn full_room_refuses_a_user_of_another_node() {
    let scene = NodeScene::start(2);
    let records = scene.records("presence-room", ChannelMemory::State);
    scene.nodes[0].enter(&records[0], Some("alice"));
    let second = scene.nodes[1].session(&records[1], Some("bob"));
    records[1].arrive(second.id, second.member, 1);
    until(&records[1], "a refusal", |state| state.refused.contains(&second.id));
    until(&records[0], "one member", |state| state.users() == ["alice"]);
}

/// The 5 seconds for which a topic is kept are over between the two.
#[test]
fn closed_channel_opens_again() {
    let scene = NodeScene::start(1);
    let records = scene.records("presence-room", ChannelMemory::State);
    let session = scene.nodes[0].enter(&records[0], Some("alice"));
    records[0].leave(session.id, session.member);
    until(&records[0], "a closed channel", |state| state.replica.is_closed());
    scene.nodes[0].enter(&records[0], Some("bob"));
    assert_eq!(records[0].read(|state| state.users().join(" ")), "bob");
}

/// A rolling restart: who returns to another node was never gone.
#[test]
fn j25_user_who_returns_from_a_drained_node_was_never_gone() {
    let scene = NodeScene::start(2);
    let records = scene.records("presence-room", ChannelMemory::State);
    let alice = scene.nodes[0].enter(&records[0], Some("alice"));
    scene.nodes[1].enter(&records[1], Some("bob"));
    scene.nodes[0].node.send(NodeCommand::Drain);
    records[0].leave(alice.id, alice.member);
    until(&records[0], "a closed channel", |state| state.replica.is_closed());
    scene.nodes[1].enter(&records[1], Some("alice"));
    until(&records[1], "two subscribers", |state| state.total == Some(2));
    let mut story = records[1].read(|state| state.story.clone());
    story.sort();
    assert_eq!(story, ["+alice", "+bob"]);
}

#[test]
fn j19_node_with_another_key_is_refused_and_publishes_nothing() {
    let mut scene = NodeScene::start(1);
    scene.nodes[0].until_up();
    scene.add_node_with(other_key(), None);
    let stranger = &scene.nodes[1];
    let refused = || matches!(stranger.node.status().link(), LinkStatus::Refused { .. });
    wait("it is refused", refused);
    let record = stranger.record("public-news", ChannelMemory::CountAlone);
    assert_eq!(answer(stranger.publish(&record, "an event", None)), PublicationEnd::Refused);
    let LinkStatus::Refused { reason, .. } = stranger.node.status().link() else {
        panic!("a reason")
    };
    assert!(reason.contains("fingerprint"), "{reason}");
    // It would find its own places empty, and say that nobody is there.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let total = runtime.expect("a runtime").block_on(stranger.node.total(record.channel()));
    assert_eq!(total, Err(QueryError::Away));
}

/// Of a node that leaves, Redis keeps nothing, and the others need not wait for its death.
#[test]
fn node_that_leaves_takes_its_entry_away() {
    let mut scene = NodeScene::start_with(2, Duration::from_secs(2));
    wait("both nodes are known", || scene.nodes.iter().all(|it| it.node.status().nodes() == 2));
    drop(scene.nodes.pop());
    wait("one node is left", || scene.nodes[0].node.status().nodes() == 1);
    assert_eq!(scene.nodes[0].node.status().reaped.get(), 0);
}
