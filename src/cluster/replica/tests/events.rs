//! Events, and the last one of a channel.

use std::time::Duration;

use super::{names::event, world::ReplicaWorld};
use crate::cluster::replica::{
    KEY_TIMEOUT, ReplicaState,
    inbox::MAX_HELD,
    input::{HeardEvent, HeardMessage},
};

fn open(nodes: usize) -> ReplicaWorld {
    let mut world = ReplicaWorld::new(nodes);
    for at in 0..nodes {
        world.arrive(at, None);
    }
    world.rest();
    world
}

#[test]
fn pitfall_3_crossed_publishes_have_one_order() {
    let mut world = open(2);
    let ids: Vec<_> = (0..20).map(|number| world.publish(number % 2, number % 3 == 0).id).collect();
    while world.hear(1) {}
    world.rest();
    for node in &world.nodes {
        assert_eq!(node.delivered, ids);
    }
    assert_eq!(world.nodes[0].kept, world.nodes[1].kept);
}

#[test]
fn newcomer_is_given_the_last_event_and_not_told_it_again() {
    let mut world = open(1);
    let last = world.publish(1, true);
    world.rest();
    world.elapse(Duration::from_secs(1));
    let (mut other, last_id) = (ReplicaWorld::new(1), last.id);
    other.engine = world.engine;
    let newcomer = other.arrive(0, None);
    other.rest();
    assert!(other.nodes[0].is_answered(newcomer));
    assert_eq!((other.nodes[0].kept, other.nodes[0].delivered.len()), (Some(last_id), 0));
}

/// Its publisher had no answer, and sends it again.
#[test]
fn last_event_of_a_snapshot_is_not_told_again_when_it_is_repeated() {
    let mut world = ReplicaWorld::new(1);
    let last = world.publish(9, true);
    let newcomer = world.arrive(0, None);
    world.rest();
    assert!(world.nodes[0].is_answered(newcomer));
    assert_eq!(world.nodes[0].kept, Some(last.id), "the newcomer has it");
    world.publish_event(last, true);
    world.rest();
    assert_eq!(world.nodes[0].delivered, []);
}

#[test]
fn missed_last_event_is_told_by_the_snapshot() {
    let mut world = open(1);
    world.publish(1, true);
    world.rest();
    world.cut(0);
    let missed = world.publish(1, true).id;
    world.reconnect(0);
    world.rest();
    assert_eq!(world.nodes[0].delivered.last(), Some(&missed));
    assert_eq!(world.nodes[0].delivered.len(), 2);
}

/// The publisher posts what the engine may have, since no answer comes.
#[test]
fn pitfall_e3_event_that_was_posted_early_is_not_told_by_the_snapshot() {
    let mut world = open(1);
    world.publish(1, true);
    world.rest();
    let last = event(1, 100, 100);
    world.publish_event(last.clone(), true);
    world.cut(0);
    let now = world.now;
    world.nodes[0].run(|replica| replica.post_early(last.clone(), now));
    assert_eq!(world.nodes[0].kept, Some(last.id));
    world.reconnect(0);
    world.rest();
    // Its delivery a second time would fail in the node.
    assert_eq!(world.nodes[0].delivered.len(), 2);
    assert_eq!(world.nodes[0].kept, Some(last.id));
}

#[test]
fn pitfall_e3_early_event_that_comes_back_is_kept_and_not_told() {
    let mut world = open(2);
    world.cut(0);
    let mut last = event(1, 100, 100);
    let now = world.now;
    world.nodes[0].run(|replica| replica.post_early(last.clone(), now));
    world.reconnect(0);
    world.rest();
    last.is_posted = true;
    world.engine.publish_last(last.clone());
    for message in std::mem::take(&mut world.engine.messages) {
        world.nodes[0].run(|replica| replica.hear(message, now));
    }
    assert_eq!(
        (&world.nodes[0].delivered[..], world.nodes[0].kept),
        (&[last.id][..], Some(last.id))
    );
    assert_eq!(world.state(0), ReplicaState::Open);
}

#[test]
fn older_last_event_of_a_promoted_master_is_not_told_again() {
    let mut world = open(1);
    let first = world.publish(1, true).id;
    world.rest();
    world.save();
    let second = world.publish(1, true).id;
    world.rest();
    world.fail_over();
    world.reconnect(0);
    world.rest();
    assert_eq!(world.nodes[0].delivered, [first, second]);
    assert_eq!(world.nodes[0].kept, Some(first));
}

/// An event of another node was stored while this one was away, by a clock that had been set back.
#[test]
fn missed_last_event_is_told_after_the_clock_went_back() {
    let mut world = open(1);
    let first = event(1, 7, 100_000);
    world.publish_event(first.clone(), true);
    world.rest();
    for missed in [event(2, 1, 90_000), event(1, 8, 80_000)] {
        world.cut(0);
        world.engine.last_event = Some(missed.clone());
        world.reconnect(0);
        world.rest();
        assert_eq!(world.nodes[0].delivered.last(), Some(&missed.id));
    }
    // A promoted master has the first one.
    world.cut(0);
    world.engine.last_event = Some(first.clone());
    world.reconnect(0);
    world.rest();
    assert_eq!((world.nodes[0].delivered.len(), world.nodes[0].kept), (3, Some(first.id)));
}

fn without_key(counter: u64) -> HeardEvent {
    HeardEvent { lacks_key: true, ..event(1, counter, counter) }
}

#[test]
fn u4_event_without_its_key_holds_back_what_follows() {
    let mut world = open(2);
    world.publish_event(without_key(100), true);
    let after = world.publish(2, false).id;
    world.arrive(1, Some(1));
    while world.execute(1) {}
    while world.hear(0) {}
    assert!(world.nodes[0].delivered.is_empty() && !world.nodes[0].shows(1));
    let now = world.now;
    world.nodes[0].run(|replica| replica.keys_changed(|_| true, now));
    assert_eq!(world.nodes[0].delivered, [event(1, 100, 100).id, after]);
    assert!(world.nodes[0].shows(1));
    assert_eq!(world.state(0), ReplicaState::Open);
}

#[test]
fn u4_event_whose_key_does_not_come_is_dropped_and_detaches() {
    let mut world = open(1);
    world.publish_event(without_key(100), false);
    let after = world.publish(2, false).id;
    while world.hear(0) {}
    world.elapse(KEY_TIMEOUT - Duration::from_millis(1));
    assert!(world.nodes[0].delivered.is_empty());
    world.elapse(Duration::from_millis(1));
    assert_eq!((&world.nodes[0].delivered[..], world.nodes[0].dropped), (&[after][..], 1));
    assert_eq!(world.state(0), ReplicaState::Detached);
    let now = world.now;
    world.nodes[0].run(|replica| replica.keys_changed(|_| true, now));
    assert_eq!(world.state(0), ReplicaState::Open);
}

/// The numbered event was dropped, so its number was not applied.
#[test]
fn u4_dropped_last_event_is_a_gap() {
    let mut world = open(1);
    world.publish_event(without_key(100), true);
    while world.hear(0) {}
    let before = world.nodes[0].snapshots;
    world.elapse(KEY_TIMEOUT);
    assert_eq!(world.nodes[0].snapshots, before + 1);
    // The snapshot has the same event, which still lacks its key.
    while world.execute(0) {}
    while world.hear(0) {}
    while world.reply(0) {}
    assert_ne!(world.nodes[0].kept, Some(event(1, 100, 100).id));
    world.elapse(KEY_TIMEOUT);
    assert_eq!((world.nodes[0].dropped, world.nodes[0].snapshots), (2, before + 1));
    let after = event(2, 101, 101).id;
    world.publish_event(event(2, 101, 101), true);
    world.rest();
    assert_eq!((&world.nodes[0].delivered[..], world.nodes[0].kept), (&[after][..], Some(after)));
}

#[test]
fn messages_behind_a_mark_wait_for_the_snapshot_within_a_bound() {
    let mut world = open(1);
    let now = world.now;
    world.nodes[0].run(|replica| replica.audit(now));
    while world.execute(0) {}
    while world.hear(0) {}
    let ids: Vec<_> = (0..MAX_HELD as u64).map(|_| world.publish(1, false).id).collect();
    while world.hear(0) {}
    assert!(world.nodes[0].delivered.is_empty());
    let before = world.nodes[0].snapshots;
    let more = world.publish(1, false).id;
    while world.hear(0) {}
    assert_eq!(world.nodes[0].delivered.len(), MAX_HELD + 1);
    assert!(
        world.nodes[0].delivered.starts_with(&ids) && world.nodes[0].delivered.ends_with(&[more])
    );
    assert_eq!(world.nodes[0].snapshots, before + 1);
    world.rest();
    assert_eq!(world.state(0), ReplicaState::Open);
}

#[test]
fn message_whose_blob_does_not_open_is_a_gap() {
    let mut world = open(1);
    let before = world.nodes[0].snapshots;
    world.publish(1, true);
    let Some(super::node::TopicItem::Message(HeardMessage::Numbered { change, .. })) =
        world.nodes[0].topic.front_mut()
    else {
        panic!("a numbered message");
    };
    *change = crate::cluster::replica::input::HeardChange::Rejected;
    world.rest();
    assert_eq!(world.nodes[0].snapshots, before + 1);
    assert_eq!((world.state(0), world.nodes[0].delivered.len()), (ReplicaState::Open, 1));
}

/// A last event that comes while the snapshot is on its way is one of two: the snapshot has the
/// second alone.
#[test]
fn last_events_before_the_mark_are_told_as_they_come() {
    let mut world = open(1);
    let now = world.now;
    world.nodes[0].run(|replica| replica.audit(now));
    let ids = [world.publish(1, true).id, world.publish(1, true).id];
    world.rest();
    assert_eq!(world.nodes[0].delivered, ids);
}
