//! Lost connections, a stalled Redis, and a Redis that forgets.

use std::{sync::Arc, time::Duration};

use super::{
    record::TestRecord,
    scene::{NodeScene, ThreadNode, answer, audit, layout, until, wait},
};
use crate::cluster::{
    node::{commands::PublicationEnd, status::LinkStatus},
    redis::tests::{proxy::Flow, server::ask},
    replica::{ReplicaState, input::ChannelMemory},
};

const KEPT: Option<Duration> = Some(Duration::from_secs(600));

fn room(scene: &NodeScene) -> Vec<Arc<TestRecord>> {
    scene.records("presence-room", ChannelMemory::State)
}

fn run(scene: &NodeScene, words: &[&str]) {
    let mut command = redis::cmd(words[0]);
    words[1..].iter().for_each(|word| {
        command.arg(*word);
    });
    ask(&mut scene.server.connect(), &command).expect("a command");
}

/// Each node delivers the events of each node in their order, and none twice.
fn assert_in_order(record: &TestRecord, events: &[&str]) {
    let delivered = record.read(|state| state.delivered.clone());
    let of_these: Vec<_> = delivered.iter().filter(|it| events.contains(&it.as_str())).collect();
    assert_eq!(of_these, events.iter().collect::<Vec<_>>());
}

#[test]
fn cut_node_catches_up_with_joins_and_leaves() {
    let scene = NodeScene::start(2);
    let records = room(&scene);
    let alice = scene.nodes[0].enter(&records[0], Some("alice"));
    scene.nodes[1].enter(&records[1], Some("bob"));
    scene.nodes[1].proxy.set(Flow::Cut);
    scene.nodes[1].until_away();
    scene.nodes[0].enter(&records[0], Some("carol"));
    records[0].leave(alice.id, alice.member);
    // Waits for the connection.
    let dave = scene.nodes[1].arrive(&records[1], Some("dave"));
    scene.nodes[1].proxy.set(Flow::Open);
    until(&records[1], "dave is answered", |state| state.answered.contains(&dave.id));
    for record in &records {
        until(record, "one roster", |state| state.users() == ["bob", "carol", "dave"]);
        until(record, "three subscribers", |state| state.total == Some(3));
    }
    assert_eq!(records[1].read(|state| state.links), 2);
}

/// They are not sealed, and go on to the next master as the highest that was given out.
#[test]
fn absurd_numbers_do_not_lock_a_node_out() {
    let scene = NodeScene::start(1);
    let records = room(&scene);
    scene.nodes[0].enter(&records[0], Some("alice"));
    let location = records[0].channel().location;
    let topic = layout().partition(location.partition).channel(location.id).topic();
    let rejected = || scene.nodes[0].node.status().rejected.iter().any(|(_, count)| count > 0);
    let mut publish = redis::cmd("SPUBLISH");
    publish.arg(topic).arg("+9007199254740991:0:x");
    ask(&mut scene.server.connect(), &publish).expect("a number");
    wait("it is heard", rejected);
    let mut number = redis::cmd("HSET");
    number.arg(scene.state_of(records[0].channel())).arg("q").arg("9007199254740990");
    ask(&mut scene.server.connect(), &number).expect("a number");
    audit(&records[0]);
    scene.nodes[0].enter(&records[0], None);
    scene.nodes[0].proxy.set(Flow::Cut);
    scene.nodes[0].until_away();
    scene.nodes[0].proxy.set(Flow::Open);
    scene.nodes[0].until_up();
}

#[test]
fn either_connection_alone_is_restored() {
    for is_talking in [true, false] {
        let scene = NodeScene::start(2);
        let records = room(&scene);
        scene.nodes[0].enter(&records[0], Some("alice"));
        scene.nodes[1].enter(&records[1], Some("bob"));
        match is_talking {
            true => scene.nodes[1].proxy.set_talking(Flow::Cut),
            false => scene.nodes[1].proxy.set_listening(Flow::Cut),
        }
        scene.nodes[1].until_away();
        scene.nodes[0].enter(&records[0], Some("carol"));
        scene.nodes[1].proxy.set(Flow::Open);
        until(&records[1], "one roster", |state| state.users() == ["alice", "bob", "carol"]);
    }
}

/// Answers are lost and events come back: posting them again would be twice.
#[test]
fn events_that_came_back_without_an_answer_are_not_posted_early() {
    let scene = NodeScene::start(2);
    let records = scene.records("public-news", ChannelMemory::CountAlone);
    for (node, record) in scene.nodes.iter().zip(&records) {
        node.enter(record, None);
    }
    scene.nodes[0].proxy.set_talking(Flow::AnswersLost);
    let first = scene.nodes[0].publish(&records[0], "first", None);
    until(&records[0], "the event", |state| state.delivered == ["first"]);
    assert_eq!(answer(first), PublicationEnd::Local);
    scene.nodes[0].proxy.set(Flow::Open);
    scene.nodes[0].until_up();
    assert_eq!(
        answer(scene.nodes[0].publish(&records[0], "second", None)),
        PublicationEnd::Published
    );
    for record in &records {
        until(record, "both", |state| state.delivered == ["first", "second"]);
        assert_eq!(record.read(|state| state.posted_early), 0);
    }
}

#[test]
fn j23_stopped_redis_delays_no_local_event_and_repeats_none() {
    let scene = NodeScene::start(2);
    let news = scene.records("public-news", ChannelMemory::CountAlone);
    let prices = scene.records("cache-prices", ChannelMemory::State);
    for (at, node) in scene.nodes.iter().enumerate() {
        node.enter(&news[at], None);
        node.enter(&prices[at], None);
    }
    scene.server.stop();
    let on_its_way = scene.nodes[0].publish(&news[0], "on its way", None);
    let kept = scene.nodes[0].publish(&prices[0], "kept", KEPT);
    assert_eq!([answer(on_its_way), answer(kept)], [PublicationEnd::Local; 2]);
    scene.nodes[0].until_away();
    assert_eq!(answer(scene.nodes[0].publish(&news[0], "while away", None)), PublicationEnd::Local);
    until(&news[0], "local events", |state| state.delivered == ["on its way", "while away"]);
    until(&prices[0], "a kept event", |state| state.kept.as_deref() == Some("kept"));
    scene.server.go_on();
    scene.nodes.iter().for_each(|node| node.until_up());
    assert_eq!(answer(scene.nodes[0].publish(&news[0], "back", None)), PublicationEnd::Published);
    assert_eq!(
        answer(scene.nodes[0].publish(&prices[0], "newer", KEPT)),
        PublicationEnd::Published
    );
    for (news, prices) in news.iter().zip(&prices) {
        until(news, "the last event", |state| state.delivered.iter().any(|it| it == "back"));
        until(prices, "the kept one", |state| state.kept.as_deref() == Some("newer"));
        assert_in_order(prices, &["kept", "newer"]);
    }
    assert_in_order(&news[0], &["on its way", "while away", "back"]);
    wait("nothing waits any more", || scene.nodes[0].node.backlog_bytes() == 0);
}

/// What waits for too long is dropped for the others, and was told as local.
#[test]
fn events_expire_and_leave_no_trace_in_the_backlog() {
    let scene = NodeScene::start(2);
    let records = scene.records("public-news", ChannelMemory::CountAlone);
    for (node, record) in scene.nodes.iter().zip(&records) {
        node.enter(record, None);
    }
    scene.nodes[0].proxy.set(Flow::Cut);
    scene.nodes[0].until_away();
    // Changes of the membership may wait as well, and do not expire.
    let before = scene.nodes[0].node.backlog_bytes();
    assert_eq!(answer(scene.nodes[0].publish(&records[0], "old", None)), PublicationEnd::Local);
    wait("it has expired", || scene.nodes[0].node.status().dropped.get() == 1);
    assert_eq!(scene.nodes[0].node.backlog_bytes(), before);
    scene.nodes[0].proxy.set(Flow::Open);
    scene.nodes[0].until_up();
    assert_eq!(answer(scene.nodes[0].publish(&records[0], "new", None)), PublicationEnd::Published);
    until(&records[1], "the new event", |state| state.delivered == ["new"]);
    until(&records[0], "both events", |state| state.delivered == ["old", "new"]);
}

#[test]
fn j22_forgotten_scripts_lose_nothing() {
    const EVENTS: usize = 100;
    let scene = NodeScene::start(2);
    let records = scene.records("presence-cache-room", ChannelMemory::State);
    scene.nodes[0].enter(&records[0], Some("alice"));
    scene.nodes[1].enter(&records[1], Some("bob"));
    let (mut answers, mut users) = (Vec::new(), vec!["alice".to_owned(), "bob".to_owned()]);
    for event in 0..EVENTS {
        if event % 20 == 10 {
            run(&scene, &["SCRIPT", "FLUSH"]);
        }
        for (at, (node, record)) in scene.nodes.iter().zip(&records).enumerate() {
            let keep = KEPT.filter(|_| event % 2 == 0);
            answers.push(node.publish(record, &format!("{at}:{event}"), keep));
            let user = format!("user{at}-{event}");
            node.arrive(record, Some(&user));
            users.push(user);
        }
    }
    let answers: Vec<_> = answers.into_iter().map(answer).collect();
    assert!(answers.iter().all(|it| *it == PublicationEnd::Published), "{answers:?}");
    users.sort();
    for record in &records {
        until(record, "all events", |state| state.delivered.len() == 2 * EVENTS);
        until(record, "all users", |state| state.users() == users);
        until(record, "all sessions", |state| state.answered.len() == EVENTS + 1);
    }
    let [first, second] = [0, 1].map(|at| records[at].read(|state| state.delivered.clone()));
    assert_eq!(first, second);
}

#[test]
fn j10_flushed_redis_is_filled_again() {
    let scene = NodeScene::start(2);
    let records = room(&scene);
    scene.nodes[0].enter(&records[0], Some("alice"));
    scene.nodes[1].enter(&records[1], Some("bob"));
    run(&scene, &["FLUSHALL"]);
    // Its number says that something is lost.
    scene.nodes[0].arrive(&records[0], Some("carol"));
    records.iter().for_each(|record| audit(record));
    scene.nodes[1].enter(&records[1], Some("dave"));
    for record in &records {
        until(record, "four users", |state| state.users() == ["alice", "bob", "carol", "dave"]);
        until(record, "four subscribers", |state| state.total == Some(4));
        let stayed = record.read(|state| state.story.iter().all(|it| !it.starts_with('-')));
        assert!(stayed, "nobody was told to be gone");
    }
}

#[test]
fn restarted_redis_is_filled_again() {
    let mut scene = NodeScene::start(2);
    let records = room(&scene);
    scene.nodes[0].enter(&records[0], Some("alice"));
    scene.nodes[1].enter(&records[1], Some("bob"));
    scene.restart_redis();
    for record in &records {
        until(record, "linked again", |state| state.links == 2);
    }
    scene.nodes[0].enter(&records[0], Some("carol"));
    for record in &records {
        until(record, "three users", |state| state.users() == ["alice", "bob", "carol"]);
        until(record, "three subscribers", |state| state.total == Some(3));
    }
}

/// They announce themselves under other names. A reaper ends the old ones.
#[test]
fn j7_buried_nodes_are_born_again() {
    let scene = NodeScene::start(2);
    let records = room(&scene);
    scene.nodes[0].enter(&records[0], Some("alice"));
    scene.nodes[1].enter(&records[1], Some("bob"));
    assert_eq!(scene.bury_all(records[0].channel().location.partition), 2);
    scene.nodes[1].enter(&records[1], Some("carol"));
    for record in &records {
        until(record, "three users", |state| state.users() == ["alice", "bob", "carol"]);
    }
    scene.nodes[0].enter(&records[0], Some("dave"));
    for record in &records {
        until(record, "four users", |state| state.users() == ["alice", "bob", "carol", "dave"]);
    }
}

/// The others take it for dead. It comes back under another name, and with its members.
#[test]
fn cut_off_node_is_reaped_and_comes_back() {
    let scene = NodeScene::start_with(2, Duration::from_secs(2));
    let records = room(&scene);
    scene.nodes[0].enter(&records[0], Some("alice"));
    scene.nodes[1].enter(&records[1], Some("bob"));
    until(&records[0], "both", |state| state.users() == ["alice", "bob"]);
    wait("both nodes are known", || scene.nodes.iter().all(|it| it.node.status().nodes() == 2));
    scene.nodes[1].proxy.set(Flow::Cut);
    until(&records[0], "alice alone", |state| state.users() == ["alice"]);
    until(&records[0], "one subscriber", |state| state.total == Some(1));
    scene.nodes[1].proxy.set(Flow::Open);
    for record in &records {
        until(record, "both again", |state| state.users() == ["alice", "bob"]);
        until(record, "two subscribers", |state| state.total == Some(2));
    }
    assert_eq!(forgotten(&scene), [0, 1]);
    let fenced = scene.nodes[1].node.status().fenced.get();
    assert_eq!((fenced, scene.nodes[0].node.status().reaped.get()), (1, 1));
}

/// How often each node announced a channel that Redis or the others had given up.
fn forgotten(scene: &NodeScene) -> Vec<u64> {
    let of_node = |node: &ThreadNode| {
        let mut repairs = node.node.status().repairs.iter();
        repairs.find_map(|(cause, count)| (cause == "forgotten").then_some(count))
    };
    scene.nodes.iter().filter_map(of_node).collect()
}

/// No message and no audit tells of the loss: the beat does.
#[test]
fn j10_beat_notices_a_flush() {
    let scene = NodeScene::start_with(2, Duration::from_secs(2));
    let records = room(&scene);
    scene.nodes[0].enter(&records[0], Some("alice"));
    scene.nodes[1].enter(&records[1], Some("bob"));
    until(&records[0], "both", |state| state.users() == ["alice", "bob"]);
    assert_eq!(forgotten(&scene), [0, 0], "their first announcement repairs nothing");
    run(&scene, &["FLUSHALL"]);
    let floor = scene.floor_of(records[0].channel().location.partition);
    wait("the floor is there again", || scene.has(&floor));
    let state = scene.state_of(records[0].channel());
    wait("the channel is there again", || scene.has(&state));
    wait("both have announced it again", || forgotten(&scene) == [1, 1]);
    scene.nodes[0].enter(&records[0], Some("carol"));
    for record in &records {
        until(record, "three users", |state| state.users() == ["alice", "bob", "carol"]);
        let stayed = record.read(|state| state.story.iter().all(|it| !it.starts_with('-')));
        assert!(stayed, "nobody was told to be gone");
    }
}

/// Another cluster has taken the place, and gives it back. The connections stay.
#[test]
fn node_that_was_refused_for_a_while_hears_its_channels_again() {
    let scene = NodeScene::start_with(1, Duration::from_secs(2));
    let (node, records) = (&scene.nodes[0], room(&scene));
    let news = scene.records("public-news", ChannelMemory::CountAlone);
    node.enter(&records[0], Some("alice"));
    node.enter(&news[0], None);
    let links = records[0].read(|state| state.links);
    run(&scene, &["SET", "SC:id", "of another cluster"]);
    assert_ne!(scene.bury_all(records[0].channel().location.partition), 0);
    let is_refused = || matches!(node.node.status().link(), LinkStatus::Refused { .. });
    wait("the node is refused", is_refused);
    run(&scene, &["DEL", "SC:id"]);
    node.until_up();
    node.enter(&records[0], Some("bob"));
    assert_eq!(records[0].read(|state| state.replica.state()), ReplicaState::Open);
    node.enter(&news[0], None);
    until(&news[0], "the exact total", |state| state.total == Some(2));
    assert_eq!(records[0].read(|state| state.links), links + 1);
}

/// Its bytes carry the name that was buried. They are sealed anew, and it is one event.
#[test]
fn ji6_event_that_the_fence_refuses_is_delivered_once_everywhere() {
    let scene = NodeScene::start(2);
    let prices = scene.records("cache-prices", ChannelMemory::State);
    for (node, record) in scene.nodes.iter().zip(&prices) {
        node.enter(record, None);
    }
    scene.bury_all(prices[0].channel().location.partition);
    let events = ["one", "two", "three"];
    let answers = events.map(|event| scene.nodes[0].publish(&prices[0], event, KEPT));
    assert_eq!(answers.map(answer), [PublicationEnd::Published; 3]);
    assert_eq!(scene.nodes[0].node.status().fenced.get(), 1, "the fence was met");
    // Behind it, nothing of theirs is on its way any more.
    assert_eq!(answer(scene.nodes[0].publish(&prices[0], "last", KEPT)), PublicationEnd::Published);
    for record in &prices {
        until(record, "the last event", |state| state.delivered.iter().any(|it| it == "last"));
        assert_in_order(record, &["one", "two", "three", "last"]);
        assert_eq!(record.read(|state| state.posted_early), 0);
    }
}
