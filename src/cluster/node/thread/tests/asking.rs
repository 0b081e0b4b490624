//! What nodes ask and tell each other, on a real Redis.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::scene::{APP, NodeScene, ThreadNode, layout, wait};
use crate::{
    cluster::{
        content::{NodeRequest, NoteContent, ReplyContent, RequestContent, RevocationContent},
        key::tests::{example_key, other_key},
        names::{ClusterNames, NodeSlot},
        node::{
            asking::{AskError, Unacknowledged},
            sealing::{NodeSealing, NodeTopic},
            thread::questions::ANSWER_TIMEOUT,
        },
        redis::tests::{proxy::Flow, server::ask},
    },
    domain::ids::SocketId,
    platform::clock::unix_micros,
};

/// A node is dead sooner than a question times out.
const SHORT_LEASE: Duration = Duration::from_secs(2);

pub fn socket(slot: NodeSlot, number: u8) -> SocketId {
    SocketId::of_random(0, &[number; SocketId::RANDOM_BYTES]).on_node(slot.number())
}

fn request(request: NodeRequest<'_>) -> Bytes {
    RequestContent { app: APP, request }.to_bytes().into()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

pub fn find(node: &ThreadNode, socket: SocketId) -> Result<Bytes, AskError> {
    let body = request(NodeRequest::FindSocket { socket });
    block_on(node.node.ask(NodeSlot::of_socket(socket), body))
}

fn found() -> Result<Bytes, AskError> {
    Ok(ReplyContent::Done.to_bytes().into())
}

pub fn revoke(node: &ThreadNode, jti: &str) -> Result<(), Unacknowledged> {
    block_on(node.node.revoke(APP, token(jti)))
}

fn token(jti: &str) -> RevocationContent<'_> {
    RevocationContent::Token { jti, at: 1_900_000_000 }
}

fn has(node: &ThreadNode, jti: &str) -> bool {
    node.host.revoked.lock().contains(&token(jti).to_bytes()[..])
}

/// The other node of two has not confirmed. It may not have taken its slot for its sockets yet.
fn expect_other_missing(asker: &ThreadNode, jti: &str) {
    let revoked = revoke(asker, jti);
    let Err(Unacknowledged::Nodes(slots)) = revoked else { panic!("{revoked:?}") };
    let is_other = |slot: &NodeSlot| !asker.node.slots().has(*slot);
    assert!(slots.len() == 1 && slots.iter().all(is_other), "{slots:?}");
}

#[test]
fn socket_is_found_on_its_node_alone() {
    let scene = NodeScene::start(2);
    let [first, second] = &scene.nodes[..] else { panic!("two nodes") };
    // Of a connection that was accepted before the node has joined.
    let early = socket(second.node.slots().of_new_sockets(), 1);
    scene.nodes.iter().for_each(ThreadNode::until_up);
    let late = socket(second.node.slots().of_new_sockets(), 2);
    second.host.sockets.lock().extend([early, late]);
    for socket in [early, late] {
        assert_eq!(find(first, socket), found());
    }
    assert_eq!(find(first, socket(NodeSlot::of_socket(late), 3)), Err(AskError::Nobody));
    // The node asks itself as well: another one may have drawn the same slot.
    assert_eq!(find(second, late), Err(AskError::Nobody));
    let slots = [first, second].map(|node| node.node.slots());
    let mut all = (0..NodeSlot::COUNT).filter_map(NodeSlot::new);
    let free = all.find(|slot| slots.iter().all(|slots| !slots.has(*slot))).expect("a slot");
    assert_eq!(find(first, socket(free, 1)), Err(AskError::Nobody));
}

#[test]
fn node_with_the_slot_of_another_does_not_hide_its_sockets() {
    let mut scene = NodeScene::start(2);
    scene.nodes.iter().for_each(ThreadNode::until_up);
    let slot = scene.nodes[0].node.slots().of_new_sockets();
    scene.add_node_with(example_key(), Some(slot));
    let [first, second, third] = &scene.nodes[..] else { panic!("three nodes") };
    third.until_up();
    let (ours, theirs) = (socket(slot, 1), socket(slot, 2));
    first.host.sockets.lock().push(ours);
    third.host.sockets.lock().push(theirs);
    assert_eq!((find(second, ours), find(second, theirs)), (found(), found()));
    assert_eq!((find(first, theirs), find(third, ours)), (found(), found()));
    assert_eq!(find(second, socket(slot, 3)), Err(AskError::Nobody));
}

#[test]
fn silent_node_is_not_waited_for_longer_than_the_timeout() {
    let scene = NodeScene::start(2);
    scene.nodes.iter().for_each(ThreadNode::until_up);
    let [first, second] = &scene.nodes[..] else { panic!("two nodes") };
    second.host.is_silent.store(true, Ordering::Relaxed);
    let slot = second.node.slots().of_new_sockets();
    let start = Instant::now();
    assert_eq!(find(first, socket(slot, 1)), Err(AskError::Busy));
    assert!(start.elapsed() >= ANSWER_TIMEOUT);
    expect_other_missing(first, "t1");
}

/// Its question arrived, and neither it nor the asking node knows.
#[test]
fn question_whose_answer_is_lost_is_asked_again() {
    let scene = NodeScene::start(2);
    scene.nodes.iter().for_each(ThreadNode::until_up);
    let [first, second] = &scene.nodes[..] else { panic!("two nodes") };
    let socket = socket(second.node.slots().of_new_sockets(), 1);
    second.host.sockets.lock().push(socket);
    first.proxy.set(Flow::AnswersLost);
    let body = request(NodeRequest::FindSocket { socket });
    let (asking, revoking) = block_on(async {
        let asking = first.node.ask(NodeSlot::of_socket(socket), body);
        let revoking = first.node.revoke(APP, token("t1"));
        let back = async {
            wait("the revocation has arrived", || has(second, "t1"));
            first.proxy.set(Flow::Cut);
            wait("the connection is lost", || !first.node.status().is_up());
            first.proxy.set(Flow::Open);
        };
        let (asking, revoking, ()) = tokio::join!(asking, revoking, back);
        (asking, revoking)
    });
    assert_eq!((asking, revoking), (found(), Ok(())));
}

#[test]
fn what_is_told_arrives() {
    let scene = NodeScene::start(2);
    scene.nodes.iter().for_each(ThreadNode::until_up);
    let [first, second] = &scene.nodes[..] else { panic!("two nodes") };
    let slot = second.node.slots().of_new_sockets();
    let body = request(NodeRequest::AuthAnswered { socket: socket(slot, 1), channel: "room" });
    first.node.teller().tell(slot, body.clone());
    wait("it was told", || *second.host.told.lock() == [body.clone()]);
    assert!(first.host.told.lock().is_empty());
}

#[test]
fn notes_come_once_on_their_own_topic_and_from_nodes_alone() {
    let scene = NodeScene::start(1);
    let [node] = &scene.nodes[..] else { panic!("one node") };
    node.until_up();
    let slot = node.node.slots().of_new_sockets();
    let names = Arc::new(ClusterNames::new(&example_key()));
    let sealing =
        NodeSealing::new(&example_key(), names.clone(), layout(), Box::new(|_, _, _| true))
            .expect("random bytes");
    let stranger = NodeSealing::new(&other_key(), names, layout(), Box::new(|_, _, _| true))
        .expect("random bytes");
    let body = |channel| request(NodeRequest::AuthAnswered { socket: socket(slot, 1), channel });
    let (ours, everyone) = (NodeTopic::Node(slot), NodeTopic::Everyone);
    let sealed = |by: &NodeSealing, channel| {
        let note = NoteContent::Request { reply_to: None, body: &body(channel) };
        [&b"!"[..], &by.note(ours, &note.to_bytes()).expect("a short one")].concat()
    };
    let mut connection = scene.server.connect();
    let mut publish = |topic: NodeTopic, message: &[u8]| {
        let mut command = redis::cmd("SPUBLISH");
        command.arg(&topic.name(&layout())[..]).arg(message);
        ask(&mut connection, &command).expect("a number");
    };
    let (first, last) = (sealed(&sealing, "first"), sealed(&sealing, "last"));
    publish(everyone, &first);
    publish(ours, &sealed(&stranger, "forged"));
    publish(ours, b"!");
    publish(ours, b"");
    publish(ours, &first[1..]);
    (0..3).for_each(|_| publish(ours, &first));
    publish(ours, &last);
    wait("both have come", || *node.host.told.lock() == [body("first"), body("last")]);
    let rejected = |reason| node.node.status().rejected.iter().find(|(name, _)| *name == reason);
    for (reason, count) in [("replayed", 2), ("unauthentic", 2), ("malformed", 2), ("length", 1)] {
        assert_eq!(rejected(reason), Some((reason, count)));
    }
}

#[test]
fn question_during_an_outage_is_answered_after_it() {
    let scene = NodeScene::start(2);
    scene.nodes.iter().for_each(ThreadNode::until_up);
    let [first, second] = &scene.nodes[..] else { panic!("two nodes") };
    let socket = socket(second.node.slots().of_new_sockets(), 1);
    second.host.sockets.lock().push(socket);
    first.proxy.set(Flow::Cut);
    first.until_away();
    let body = request(NodeRequest::FindSocket { socket });
    let (asking, revoking) = block_on(async {
        let asking = first.node.ask(NodeSlot::of_socket(socket), body);
        let revoking = first.node.revoke(APP, token("t1"));
        // In this order: both are asked before the connection is back.
        let back = async { first.proxy.set(Flow::Open) };
        let (asking, revoking, ()) = tokio::join!(asking, revoking, back);
        (asking, revoking)
    });
    assert_eq!((asking, revoking), (found(), Ok(())));
    assert!(has(second, "t1"));
}

#[test]
fn revocation_reaches_all_nodes_and_those_that_join_later() {
    let mut scene = NodeScene::start(3);
    scene.nodes.iter().for_each(ThreadNode::until_up);
    assert_eq!(revoke(&scene.nodes[0], "t1"), Ok(()));
    assert!(scene.nodes[1..].iter().all(|node| has(node, "t1")));
    scene.add_node();
    scene.nodes[3].until_up();
    assert!(has(&scene.nodes[3], "t1"), "a node reads the revocations before it joins");
}

#[test]
fn node_that_was_out_of_reach_takes_what_it_has_missed() {
    let scene = NodeScene::start_with(2, Duration::from_secs(60));
    scene.nodes.iter().for_each(ThreadNode::until_up);
    let [first, second] = &scene.nodes[..] else { panic!("two nodes") };
    second.proxy.set(Flow::Cut);
    second.until_away();
    expect_other_missing(first, "t1");
    assert!(!has(second, "t1"));
    second.proxy.set(Flow::Open);
    second.until_up();
    assert!(has(second, "t1"));
}

#[test]
fn dead_node_is_not_waited_for_after_its_lease() {
    let scene = NodeScene::start_with(2, SHORT_LEASE);
    scene.nodes.iter().for_each(ThreadNode::until_up);
    let [first, second] = &scene.nodes[..] else { panic!("two nodes") };
    let socket = socket(second.node.slots().of_new_sockets(), 1);
    second.host.sockets.lock().push(socket);
    second.proxy.set(Flow::Cut);
    wait("its socket is unknown", || find(first, socket) == Err(AskError::Nobody));
    wait("its lease is over", || revoke(first, "t1") == Ok(()));
    assert!(!has(second, "t1"));
}

/// Its own clock stood still, or that of Redis was set.
#[test]
fn connected_node_follows_the_clock_of_redis() {
    let scene = NodeScene::start(1);
    scene.nodes[0].until_up();
    let status = scene.nodes[0].node.status();
    let behind = |ms| unix_micros() / 1000 - ms;
    status.set_redis_ms(behind(300_000));
    wait("the clock is right again", || status.redis_ms() > Some(behind(60_000)));
}

#[test]
fn revocations_that_redis_forgets_are_added_again() {
    let mut scene = NodeScene::start(2);
    scene.nodes.iter().for_each(ThreadNode::until_up);
    assert_eq!(revoke(&scene.nodes[0], "t1"), Ok(()));
    // Only one node knows it, as of an earlier run.
    scene.nodes[1].host.revoked.lock().insert(token("t2").to_bytes().into());
    scene.restart_redis();
    scene.nodes.iter().for_each(ThreadNode::until_away);
    scene.nodes.iter().for_each(ThreadNode::until_up);
    wait("the other one is told", || has(&scene.nodes[0], "t2"));
    scene.add_node();
    scene.nodes[2].until_up();
    wait("both are kept", || has(&scene.nodes[2], "t1") && has(&scene.nodes[2], "t2"));
}
