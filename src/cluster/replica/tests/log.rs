//! Logged events: all of them, in one order, or a gap.

use super::{names::event, world::ReplicaWorld};
use crate::{
    channels::log::GapReason,
    cluster::{
        redis::tests::random::Random,
        replica::{effect::LogGap, input::SentId},
    },
};

fn open(nodes: usize) -> ReplicaWorld {
    let mut world = ReplicaWorld::new(nodes);
    for at in 0..nodes {
        world.arrive(at, None);
    }
    world.rest();
    world.publish_logged(9, false);
    world.rest();
    world
}

fn reasons(world: &ReplicaWorld, at: usize) -> Vec<GapReason> {
    world.nodes[at].gaps.iter().map(|LogGap { reason, .. }| *reason).collect()
}

#[test]
fn missed_events_come_in_order_with_the_snapshot() {
    let mut world = open(2);
    world.cut(0);
    let missed: Vec<SentId> = (0..5).map(|at| world.publish_logged(1, at % 2 == 0).id).collect();
    world.reconnect(0);
    // It comes before the snapshot, and is not told before those that it follows.
    world.confirm(0);
    let late = world.publish_logged(1, false).id;
    world.rest();
    assert_eq!(world.nodes[0].delivered[1..6], missed);
    assert_eq!(world.nodes[0].delivered.last(), Some(&late));
    assert_eq!(world.nodes[0].delivered, world.nodes[1].delivered);
    assert_eq!(world.nodes[0].kept, Some(missed[4]));
    assert!(world.nodes[0].gaps.is_empty());
    let reached = world.engine.log.newest;
    assert_eq!(world.nodes[0].replica.log_reached(), reached);
}

#[test]
fn what_the_log_has_lost_is_one_gap_and_the_rest_follows() {
    let mut world = open(1);
    world.cut(0);
    let missed: Vec<SentId> = (0..4).map(|_| world.publish_logged(1, false).id).collect();
    world.engine.evict(3);
    world.reconnect(0);
    world.rest();
    assert_eq!(reasons(&world, 0), [GapReason::Evicted]);
    assert_eq!(world.nodes[0].delivered[1..], missed[2..]);
    let next = world.publish_logged(1, false).id;
    world.rest();
    assert_eq!((world.nodes[0].delivered.last(), world.nodes[0].gaps.len()), (Some(&next), 1));
}

#[test]
fn clearing_is_told_live_and_when_it_was_missed() {
    let mut world = open(2);
    world.publish_logged(1, true);
    world.rest();
    world.cut(1);
    world.engine.clear_log();
    world.publish_messages();
    let next = world.publish_logged(1, false).id;
    world.reconnect(1);
    world.rest();
    for at in [0, 1] {
        assert_eq!(reasons(&world, at), [GapReason::Cleared]);
        assert_eq!((world.nodes[at].delivered.last(), world.nodes[at].kept), (Some(&next), None));
    }
}

#[test]
fn other_master_is_one_gap_though_nothing_seems_to_be_missing() {
    let mut world = open(2);
    world.save();
    let lost = world.publish_logged(1, false).id;
    world.rest();
    world.fail_over();
    for at in 0..2 {
        world.reconnect(at);
    }
    world.rest();
    for at in [0, 1] {
        assert_eq!(reasons(&world, at), [GapReason::Restarted]);
        assert_eq!(world.nodes[at].replica.log_reached(), world.engine.log.newest);
        assert_eq!(world.nodes[at].delivered.last(), Some(&lost), "it was told before");
    }
    let next = world.publish_logged(1, false).id;
    world.rest();
    for node in &world.nodes {
        assert_eq!((node.delivered.last(), node.gaps.len()), (Some(&next), 1));
    }
}

/// At the cut: others may have been told what this node never heard.
#[test]
fn pitfall_30_other_master_is_a_gap_where_this_node_has_missed_nothing() {
    let mut world = open(1);
    world.save();
    world.fail_over();
    world.reconnect(0);
    world.rest();
    assert_eq!(reasons(&world, 0), [GapReason::Restarted]);
    // The same master again: no gap.
    world.cut(0);
    world.reconnect(0);
    world.rest();
    assert_eq!(world.nodes[0].gaps.len(), 1);
}

#[test]
fn nobody_is_told_of_what_came_before_the_first_subscriber() {
    let mut world = ReplicaWorld::new(1);
    (0..3).for_each(|_| drop(world.publish_logged(1, false)));
    world.arrive(0, None);
    world.rest();
    assert!(world.nodes[0].delivered.is_empty() && world.nodes[0].gaps.is_empty());
    assert_eq!(world.nodes[0].replica.log_reached(), world.engine.log.newest);
}

#[test]
fn log_that_nobody_expected_begins_with_its_first_event() {
    let mut world = ReplicaWorld::new(1);
    world.arrive(0, None);
    world.rest();
    // Without an event there is no log, and nothing is known of it.
    assert_eq!(world.nodes[0].replica.log_reached(), None);
    let first = world.publish_logged(1, false).id;
    world.rest();
    assert_eq!(world.nodes[0].delivered, [first]);
    assert!(world.nodes[0].gaps.is_empty());
}

#[test]
fn event_whose_key_does_not_come_is_a_gap() {
    let mut world = open(1);
    let keyless =
        crate::cluster::replica::input::HeardEvent { lacks_key: true, ..event(1, 500, 500) };
    world.engine.publish_logged(keyless, false);
    world.publish_messages();
    let next = world.publish_logged(1, false).id;
    world.rest();
    assert_eq!(world.nodes[0].delivered.len(), 1, "they wait for the key");
    for _ in 0..3 {
        world.elapse(std::time::Duration::from_secs(3));
        world.rest();
    }
    assert_eq!(world.nodes[0].delivered[1..], [next]);
    assert_eq!(world.nodes[0].gaps.len(), 1);
}

/// Nothing but the log tells what a node that was cut off has missed.
#[test]
fn all_nodes_tell_all_events_in_one_order_whatever_is_cut() {
    for seed in 0..40 {
        let (mut world, mut random) = (open(3), Random::new(seed));
        for _ in 0..200 {
            let at = random.below(3);
            match random.below(12) {
                0..3 => drop(world.publish_logged(1, random.percent(30))),
                3 => drop(world.publish(1, random.percent(50))),
                4 if random.percent(30) => world.cut(at),
                5 => {
                    world.reconnect(at);
                }
                6 => {
                    world.confirm(at);
                }
                7 | 8 => {
                    world.execute(at);
                }
                9 | 10 => {
                    world.hear(at);
                }
                _ => {
                    world.reply(at);
                }
            }
        }
        world.recover();
        let logged: Vec<SentId> = world.engine.log.events.iter().map(|it| it.id).collect();
        assert!(logged.len() > 20);
        for node in &world.nodes {
            let told = node.delivered.iter().filter(|id| logged.contains(id));
            assert_eq!(told.copied().collect::<Vec<_>>(), logged, "seed {seed}");
            assert!(node.gaps.is_empty(), "seed {seed}: {:?}", node.gaps);
        }
    }
}
