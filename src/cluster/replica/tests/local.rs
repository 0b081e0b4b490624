//! What a node announces of itself.

use std::time::Duration;

use super::{names::member_id, node::LaneItem, world::ReplicaWorld};
use crate::cluster::replica::{
    CLOSING_DELAY, GREETING_DELAY,
    effect::StateVerb,
    input::{ChannelMemory, HeardMessage, MemberDeparture},
};

/// The verbs that wait in a node's lane.
fn verbs(world: &ReplicaWorld, at: usize) -> Vec<String> {
    let verbs = world.nodes[at].lane.iter().filter_map(|item| match item {
        LaneItem::Verb(_, StateVerb::Count(count)) => Some(format!("count {count}")),
        LaneItem::Verb(_, StateVerb::Join { member, limit }) => {
            Some(format!("join {} {limit}", member.member.user_id))
        }
        LaneItem::Verb(_, StateVerb::Leave { member }) => {
            Some(format!("leave {}", member.member.user_id))
        }
        _ => None,
    });
    verbs.collect()
}

#[test]
fn count_goes_before_its_members_and_the_count_0_after_them() {
    let mut world = ReplicaWorld::new(1);
    let (session, _) = world.arrive_with(0, Some(1), "{}", 7);
    assert_eq!(verbs(&world, 0), ["count 1", "join u1 7"]);
    world.rest();
    world.leave(0, session);
    assert_eq!(verbs(&world, 0), ["leave u1", "count 0"]);
    let _ = world.arrive_with(0, Some(2), "{}", 7);
    assert_eq!(verbs(&world, 0), ["leave u1", "count 0"], "before their answers");
    while world.execute(0) {}
    while world.reply(0) {}
    assert_eq!(verbs(&world, 0), ["count 1", "join u2 7"]);
}

/// Else a second execution of all of them, after lost answers, would be a second arrival.
#[test]
fn changes_of_a_member_are_sent_one_at_a_time() {
    let mut world = ReplicaWorld::new(2);
    let witness = world.arrive(1, Some(9));
    world.arrive(0, Some(9));
    let tab = world.arrive(0, Some(1));
    world.rest();
    let story = world.nodes[1].story.len();
    world.leave(0, tab);
    let tab = world.arrive(0, Some(1));
    world.leave(0, tab);
    assert_eq!(verbs(&world, 0), ["leave u1"], "and its total is gathered");
    while world.execute(0) {}
    world.cut(0);
    world.reconnect(0);
    world.recover();
    world.rest();
    assert!(!world.nodes[1].shows(1) && world.nodes[1].is_answered(witness));
    assert_eq!(world.nodes[1].story.len(), story + 1, "{:?}", world.nodes[1].story);
}

#[test]
fn pitfall_4_repeated_counts_and_joins_change_nothing_more() {
    let mut world = ReplicaWorld::new(2);
    world.arrive(1, Some(1));
    world.rest();
    world.arrive(0, Some(1));
    world.arrive(0, Some(1));
    for _ in 0..5 {
        world.execute(0);
        world.cut(0);
        world.reconnect(0);
    }
    world.recover();
    assert_eq!((world.engine.total(), world.engine.members.len()), (3, 1));
}

#[test]
fn pitfall_5_user_with_two_tabs_on_two_nodes_stays_when_one_is_killed() {
    let mut world = ReplicaWorld::new(3);
    world.arrive(2, Some(9));
    world.arrive(0, Some(1));
    let tab = world.arrive(0, Some(1));
    world.arrive(1, Some(1));
    world.rest();
    let story = world.nodes[2].story.clone();
    world.leave(0, tab);
    world.rest();
    world.kill(0);
    world.rest();
    assert!(world.nodes[2].shows(1));
    assert_eq!(world.nodes[2].story, story, "others heard of it");
    world.kill(1);
    world.rest();
    assert!(!world.nodes[2].shows(1));
}

#[test]
fn counts_above_one_are_gathered() {
    let mut world = ReplicaWorld::over(1, ChannelMemory::CountAlone);
    world.arrive(0, None);
    world.rest();
    let sessions: Vec<_> = (0..50).map(|_| world.arrive(0, None)).collect();
    assert!(verbs(&world, 0).is_empty());
    let due = world.nodes[0].replica.next_deadline().expect("a deadline");
    assert_eq!(due - world.now, Duration::from_millis(100));
    world.elapse(Duration::from_millis(100));
    assert_eq!(verbs(&world, 0), ["count 51"]);
    world.rest();
    // One comes and goes: there is nothing to say, and nothing to wait for.
    let other = world.arrive(0, None);
    world.leave(0, other);
    assert!(world.nodes[0].replica.next_deadline().is_none());
    sessions.iter().for_each(|id| world.leave(0, *id));
    assert_eq!(verbs(&world, 0), ["count 1"]);
}

/// A page change within the gathering changes no total.
#[test]
fn newcomer_whose_arrival_changes_no_total_is_told_it() {
    for memory in [ChannelMemory::CountAlone, ChannelMemory::State] {
        let mut world = ReplicaWorld::over(1, memory);
        world.arrive(0, None);
        let reloading = world.arrive(0, None);
        world.elapse(Duration::from_secs(1));
        world.rest();
        world.nodes[0].total = None;
        world.leave(0, reloading);
        world.arrive(0, None);
        let now = world.now;
        world.nodes[0].run(|replica| replica.greet(now));
        world.elapse(GREETING_DELAY);
        world.rest();
        assert_eq!(world.nodes[0].total, Some(2), "{memory:?}");
        assert!(world.nodes[0].replica.next_deadline().is_none());
    }
}

/// The total is the same after the outage as before, and the newcomer knows neither.
#[test]
fn newcomer_of_an_outage_is_told_the_total_by_the_snapshot() {
    let mut world = ReplicaWorld::new(2);
    world.arrive(0, None);
    let other = world.arrive(1, None);
    world.rest();
    world.cut(0);
    world.leave(1, other);
    world.arrive(0, None);
    world.elapse(Duration::from_secs(9));
    world.nodes[0].total = None;
    let now = world.now;
    world.nodes[0].run(|replica| replica.greet(now));
    world.elapse(GREETING_DELAY);
    assert_eq!(world.nodes[0].total, None, "nothing is known in the outage");
    world.recover();
    assert_eq!(world.nodes[0].total, Some(2));
}

#[test]
fn held_member_keeps_its_reference_and_its_place_in_rosters() {
    let mut world = ReplicaWorld::new(2);
    world.arrive(0, Some(9));
    world.arrive(1, Some(8));
    let session = world.arrive(0, Some(1));
    world.rest();
    let story = world.nodes[1].story.clone();
    world.depart(0, session, MemberDeparture::Held);
    world.rest();
    assert!(world.nodes[0].shows(1) && world.nodes[1].shows(1));
    let back = world.arrive(0, Some(1));
    assert!(world.nodes[0].is_answered(back));
    world.end_hold(0, member_id(1));
    world.rest();
    assert_eq!(world.nodes[1].story, story);
    world.depart(0, back, MemberDeparture::Held);
    world.end_hold(0, member_id(1));
    world.rest();
    assert!(!world.nodes[0].shows(1) && !world.nodes[1].shows(1));
}

/// Two nodes died at once, and who was to tell the total once more was one of them.
#[test]
fn audit_finds_a_total_that_nobody_tells() {
    for memory in [ChannelMemory::CountAlone, ChannelMemory::State] {
        let mut world = ReplicaWorld::over(1, memory);
        world.arrive(0, None);
        world.rest();
        world.engine.told = 301;
        let now = world.now;
        world.nodes[0].run(|replica| replica.hear(HeardMessage::Total(301), now));
        world.nodes[0].run(|replica| replica.audit(now));
        world.rest();
        assert_eq!((world.nodes[0].replica.total(), world.engine.told), (Some(1), 1), "{memory:?}");
    }
}

#[test]
fn refused_join_is_sent_again_after_a_pause() {
    let mut world = ReplicaWorld::new(1);
    world.arrive(0, None);
    world.rest();
    world.engine.is_full = true;
    let session = world.arrive(0, Some(1));
    world.rest();
    assert!(verbs(&world, 0).is_empty() && !world.nodes[0].is_answered(session));
    world.engine.is_full = false;
    world.elapse(Duration::from_secs(1));
    assert_eq!(verbs(&world, 0)[..], ["count 2", "join u1 0"][..]);
    world.rest();
    assert!(world.nodes[0].is_answered(session));
}

/// A full engine lets members leave.
#[test]
fn refused_join_does_not_keep_back_departures() {
    let mut world = ReplicaWorld::new(1);
    world.arrive(0, None);
    let leaver = world.arrive(0, Some(2));
    world.rest();
    world.engine.is_full = true;
    let session = world.arrive(0, Some(1));
    world.rest();
    world.leave(0, leaver);
    world.leave(0, session);
    world.rest();
    assert!(world.engine.members.is_empty());
}

#[test]
fn nothing_is_sent_while_the_connection_is_lost() {
    let mut world = ReplicaWorld::new(1);
    world.arrive(0, None);
    world.rest();
    world.cut(0);
    for _ in 0..100 {
        let session = world.arrive(0, Some(1));
        world.leave(0, session);
    }
    assert!(verbs(&world, 0).is_empty());
    world.arrive(0, Some(2));
    world.reconnect(0);
    assert!(verbs(&world, 0).contains(&"join u2 0".to_owned()));
    assert_eq!(verbs(&world, 0).iter().filter(|verb| verb.ends_with("u1")).count(), 0);
}

/// The count was done before the topic was subscribed anew, and answered after that.
#[test]
fn total_that_was_missed_during_an_outage_is_asked_for() {
    let mut world = ReplicaWorld::over(2, ChannelMemory::CountAlone);
    world.arrive(0, None);
    world.arrive(1, None);
    world.rest();
    world.cut(0);
    world.arrive(0, None);
    world.confirm(0);
    world.reconnect(0);
    world.confirm(0);
    world.elapse(Duration::from_millis(100));
    world.cut(0);
    world.reconnect(0);
    while world.execute(0) {}
    world.arrive(1, None);
    world.elapse(Duration::from_millis(100));
    while world.execute(1) {}
    world.confirm(0);
    world.rest();
    world.elapse(Duration::from_millis(100));
    world.rest();
    assert_eq!((world.nodes[0].total, world.nodes[1].total), (Some(4), Some(4)));
}

#[test]
fn channel_is_open_until_its_last_change_is_acknowledged() {
    let mut world = ReplicaWorld::new(1);
    let session = world.arrive(0, Some(1));
    world.rest();
    world.leave(0, session);
    world.arrive(0, Some(1));
    let session = world.nodes[0].sessions[0].id;
    world.leave(0, session);
    while world.execute(0) {}
    world.elapse(CLOSING_DELAY);
    assert!(!world.nodes[0].replica.is_closed(), "closed before the last answer");
    world.rest();
    world.elapse(CLOSING_DELAY);
    assert!(world.nodes[0].replica.is_closed());
}
