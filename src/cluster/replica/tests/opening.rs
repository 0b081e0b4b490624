//! Channels that open, newcomers and their answers.

use std::time::Duration;

use super::world::ReplicaWorld;
use crate::cluster::replica::{
    CLOSING_DELAY, ReplicaState,
    effect::{Entered, Entrance},
    input::ChannelMemory,
};

/// Users of a node's roster.
fn shown(world: &ReplicaWorld, at: usize) -> Vec<&str> {
    world.nodes[at].shown.keys().map(String::as_str).collect()
}

#[test]
fn pitfall_1_joins_beside_an_opening_are_not_missed() {
    // Wherever the other's join falls among the steps of the opening.
    for steps in 0..8 {
        let mut world = ReplicaWorld::new(2);
        let newcomer = world.arrive(0, Some(1));
        for step in 0..steps {
            match step % 4 {
                0 => world.execute(0),
                1 => world.confirm(0),
                2 => world.reply(0),
                _ => world.hear(0),
            };
        }
        world.arrive(1, Some(2));
        while world.execute(1) {}
        world.rest();
        assert!(world.nodes[0].is_answered(newcomer), "{steps}");
        assert_eq!(shown(&world, 0), ["u1", "u2"], "{steps}");
        assert_eq!(shown(&world, 1), ["u1", "u2"], "{steps}");
    }
}

#[test]
fn pitfall_2_newcomer_waits_until_its_join_has_come_back() {
    let mut world = ReplicaWorld::new(2);
    let first = world.arrive(0, Some(1));
    world.rest();
    let newcomer = world.arrive(0, Some(2));
    while world.execute(0) {}
    while world.reply(0) {}
    assert!(world.nodes[0].calls.is_empty(), "answered on the reply");
    while world.hear(0) {}
    assert!(world.call(0));
    assert!(world.nodes[0].is_answered(newcomer) && world.nodes[0].is_answered(first));
    // `check_shown` and `add` of the node watch over the rest.
    assert_eq!(shown(&world, 0), ["u1", "u2"]);
}

/// The roster has the newcomer, from before its other connection left.
#[test]
fn newcomer_is_not_answered_from_a_roster_behind_its_join() {
    let mut world = ReplicaWorld::new(2);
    let elsewhere = world.arrive(1, Some(2));
    world.arrive(0, Some(1));
    world.rest();
    world.leave(1, elsewhere);
    while world.execute(1) {}
    let newcomer = world.arrive(0, Some(2));
    while world.execute(0) {}
    while world.reply(0) {}
    assert!(world.nodes[0].shows(2) && world.nodes[0].calls.is_empty());
    world.hear(0);
    assert!(!world.nodes[0].shows(2) && world.nodes[0].calls.is_empty());
    world.rest();
    assert!(world.nodes[0].is_answered(newcomer) && world.nodes[0].shows(2));
}

#[test]
fn further_sessions_of_a_member_enter_at_once() {
    let mut world = ReplicaWorld::new(2);
    world.arrive(0, Some(1));
    world.rest();
    let second = world.arrive(0, Some(1));
    assert!(world.nodes[0].is_answered(second));
    // On another node, the reply alone does: the roster has the user and is not behind.
    let other = world.arrive(1, Some(1));
    world.rest();
    assert!(world.nodes[1].is_answered(other));
    world.elapse(Duration::from_millis(100));
    world.rest();
    assert_eq!(world.engine.total(), 3);
}

#[test]
fn channel_without_state_opens_without_a_snapshot() {
    let mut world = ReplicaWorld::over(1, ChannelMemory::CountAlone);
    let session = world.arrive(0, None);
    assert_eq!(world.state(0), ReplicaState::Opening);
    world.confirm(0);
    assert!(world.call(0) && world.nodes[0].is_answered(session));
    assert_eq!(world.state(0), ReplicaState::Open);
    world.rest();
    assert_eq!((world.nodes[0].snapshots, world.nodes[0].total), (0, Some(1)));
}

#[test]
fn u17_overdue_session_is_answered_with_the_members_of_its_node() {
    let mut world = ReplicaWorld::new(2);
    world.arrive(1, Some(9));
    world.rest();
    world.cut(0);
    let (first, second) = (world.arrive(0, Some(1)), world.arrive(0, Some(2)));
    world.rest();
    assert_eq!(world.enter(0, first, false), Entered::NotYet);
    assert_eq!(world.enter(0, first, true), Entered::Answered);
    assert_eq!((world.state(0), shown(&world, 0)), (ReplicaState::Detached, vec!["u1"]));
    // Now all others are answered at once.
    assert!(world.call(0) && world.nodes[0].is_answered(second));
    let third = world.arrive(0, Some(3));
    assert!(world.nodes[0].is_answered(third));
    world.leave(0, second);
    assert_eq!(shown(&world, 0), ["u1", "u3"]);
    world.reconnect(0);
    world.rest();
    assert_eq!((world.state(0), shown(&world, 0)), (ReplicaState::Open, vec!["u1", "u3", "u9"]));
    assert_eq!(shown(&world, 1), ["u1", "u3", "u9"]);
}

#[test]
fn u3_refused_user_is_no_longer_counted_and_not_sent_again() {
    let mut world = ReplicaWorld::new(2);
    world.arrive(1, Some(9));
    world.rest();
    let (one, _) = world.arrive_with(0, Some(1), "{}", 1);
    let (two, _) = world.arrive_with(0, Some(1), "{}", 1);
    world.rest();
    assert_eq!(world.nodes[0].refused, [one, two]);
    assert_eq!((world.engine.total(), world.engine.members.len()), (1, 1));
    world.recover();
    assert_eq!((world.engine.total(), world.engine.members.len()), (1, 1));
    let (again, _) = world.arrive_with(0, Some(1), "{}", 2);
    world.rest();
    assert!(world.nodes[0].is_answered(again));
}

#[test]
fn pitfall_e20_answered_member_is_not_refused_by_a_repair() {
    let mut world = ReplicaWorld::new(2);
    world.arrive(1, Some(9));
    world.rest();
    world.cut(0);
    let (session, _) = world.arrive_with(0, Some(1), "{}", 1);
    assert_eq!(world.enter(0, session, true), Entered::Answered);
    world.reconnect(0);
    world.rest();
    assert!(world.nodes[0].is_answered(session) && world.nodes[1].shows(1));
    // After the first answer, but with a join on its way that has the limit.
    let (late, _) = world.arrive_with(0, Some(2), "{}", 1);
    assert_eq!(world.enter(0, late, true), Entered::Answered);
    world.rest();
    assert!(world.nodes[0].is_answered(late) && world.nodes[1].shows(2));
}

#[test]
fn detached_channel_is_full_by_what_the_node_knows() {
    let mut world = ReplicaWorld::new(1);
    world.cut(0);
    let (first, _) = world.arrive_with(0, Some(1), "{}", 1);
    assert_eq!(world.enter(0, first, true), Entered::Answered);
    assert_eq!(world.arrive_with(0, Some(2), "{}", 1).1, Entrance::Full);
    assert_eq!(world.arrive_with(0, Some(1), "{}", 1).1, Entrance::Now);
    world.recover();
    assert_eq!((world.engine.total(), world.engine.members.len()), (2, 1));
}

#[test]
fn cancelled_newcomer_leaves_nothing() {
    let mut world = ReplicaWorld::new(2);
    world.arrive(1, Some(9));
    world.rest();
    let session = world.arrive(0, Some(1));
    world.execute(0);
    world.leave(0, session);
    world.rest();
    assert!(!world.nodes[0].is_answered(session));
    assert_eq!((world.engine.total(), world.engine.members.len()), (1, 1));
    assert_eq!(world.enter(0, session, true), Entered::Unknown);
}

#[test]
fn topic_outlives_the_last_session_for_a_while() {
    let mut world = ReplicaWorld::new(1);
    let session = world.arrive(0, Some(1));
    world.rest();
    world.leave(0, session);
    world.rest();
    world.elapse(CLOSING_DELAY - Duration::from_millis(1));
    assert_eq!(world.state(0), ReplicaState::Open);
    // Whoever comes within this time needs no snapshot.
    let session = world.arrive(0, None);
    assert!(world.nodes[0].is_answered(session));
    world.leave(0, session);
    world.rest();
    world.elapse(CLOSING_DELAY);
    assert_eq!((world.state(0), world.nodes[0].snapshots), (ReplicaState::Closed, 1));
    assert!(!world.nodes[0].wants_topic && world.nodes[0].replica.is_closed());
    assert!(world.engine.counts.is_empty() && world.engine.members.is_empty());
}

#[test]
fn channel_that_the_engine_still_counts_does_not_close() {
    let mut world = ReplicaWorld::new(1);
    let session = world.arrive(0, Some(1));
    world.rest();
    world.cut(0);
    world.leave(0, session);
    world.elapse(CLOSING_DELAY);
    assert_ne!(world.state(0), ReplicaState::Closed);
    assert!(world.nodes[0].replica.next_deadline().is_none(), "a deadline in the past");
    world.reconnect(0);
    world.rest();
    world.elapse(CLOSING_DELAY);
    assert_eq!(world.state(0), ReplicaState::Closed);
    assert!(world.engine.counts.is_empty() && world.engine.members.is_empty());
}

#[test]
fn lost_connection_between_call_and_entry_makes_the_session_wait_again() {
    let mut world = ReplicaWorld::new(1);
    let session = world.arrive(0, Some(1));
    for _ in 0..10 {
        world.confirm(0);
        world.execute(0);
        world.reply(0);
        world.hear(0);
    }
    assert_eq!(world.nodes[0].calls.len(), 1);
    world.cut(0);
    assert!(world.call(0) && !world.nodes[0].is_answered(session));
    world.reconnect(0);
    world.rest();
    assert!(world.nodes[0].is_answered(session));
}

/// The channel's number stays, since the other node has told of the user.
#[test]
fn member_of_another_node_joins_an_open_channel_without_a_message() {
    let mut world = ReplicaWorld::new(2);
    world.arrive(0, Some(1));
    world.arrive(1, Some(2));
    world.rest();
    let session = world.arrive(0, Some(2));
    world.rest();
    assert!(world.nodes[0].is_answered(session));
}

/// The message comes before the answer to the join, whose number is older.
#[test]
fn message_beside_a_join_does_not_hide_that_its_number_was_applied() {
    let mut world = ReplicaWorld::new(2);
    world.arrive(0, Some(1));
    world.arrive(1, Some(2));
    world.rest();
    let session = world.arrive(0, Some(2));
    while world.execute(0) {}
    world.publish(1, true);
    while world.hear(0) {}
    world.rest();
    assert!(world.nodes[0].is_answered(session));
}
