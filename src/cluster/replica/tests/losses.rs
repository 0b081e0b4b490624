//! Gaps, failovers, flushes, and nodes that were taken for dead.

use std::time::{Duration, Instant};

use super::{
    names::{LEASE, member_id, waiting_id},
    node::TopicItem,
    world::ReplicaWorld,
};
use crate::cluster::replica::{
    ChannelReplica, ReplicaState,
    effect::ReplicaEffect,
    input::{ArrivingSubscriber, ChannelMemory, HeardMessage, MasterChange, OpenedSnapshot},
    repair::RepairCause,
};

#[test]
fn gap_asks_for_one_snapshot() {
    let mut world = ReplicaWorld::new(2);
    world.arrive(0, Some(1));
    world.rest();
    let before = world.nodes[0].snapshots;
    let sessions: Vec<_> = (2..8).map(|user| world.arrive(1, Some(user))).collect();
    while world.execute(1) {}
    // The first of them is lost on its way.
    let lost = world.nodes[0].topic.iter().position(|item| {
        matches!(
            item,
            TopicItem::Message(crate::cluster::replica::input::HeardMessage::Numbered { .. })
        )
    });
    world.nodes[0].topic.remove(lost.expect("a message"));
    assert_eq!(world.nodes[0].repairs, [], "none so far");
    world.rest();
    assert_eq!(world.nodes[0].snapshots, before + 1);
    assert_eq!(world.nodes[0].repairs, [RepairCause::Gap]);
    assert_eq!(world.nodes[0].shown.len(), 1 + sessions.len());
}

/// A promoted master gives out the numbers of the lost tail again.
#[test]
fn pitfall_e4_newcomer_whose_join_was_lost_joins_again() {
    let mut world = ReplicaWorld::new(2);
    world.arrive(0, Some(1));
    world.arrive(1, Some(9));
    world.rest();
    world.save();
    let newcomer = world.arrive(0, Some(2));
    while world.execute(0) {}
    while world.reply(0) {}
    world.fail_over();
    // Others use the same numbers.
    world.reconnect(1);
    world.arrive(1, Some(3));
    world.arrive(1, Some(4));
    world.confirm(1);
    while world.execute(1) {}
    world.reconnect(0);
    world.rest();
    assert!(world.nodes[0].is_answered(newcomer), "and the node checks its own roster");
    assert_eq!(world.nodes[0].shown, world.nodes[1].shown);
    assert_eq!(world.nodes[0].shown.len(), 5);
}

/// The answer to the join is older than the loss, and no reconnection tells of it.
#[test]
fn pitfall_e4_snapshot_without_an_acknowledged_member_is_a_loss() {
    let mut world = ReplicaWorld::new(2);
    world.arrive(0, Some(1));
    world.arrive(1, Some(2));
    world.rest();
    world.flush();
    // A third user is the first after the flush. Both nodes see the gap.
    world.arrive(1, Some(3));
    world.rest();
    for at in 0..2 {
        assert_eq!(world.state(at), ReplicaState::Open);
        assert_eq!(world.nodes[at].shown.len(), 3, "{:?}", world.nodes[at].shown);
    }
    assert_eq!((world.engine.members.len(), world.engine.total()), (3, 3));
}

#[test]
fn pitfall_10_flush_under_traffic_is_repaired_and_nobody_flickers() {
    let mut world = ReplicaWorld::new(3);
    for at in 0..3 {
        world.arrive(at, Some(at as u8 + 1));
    }
    world.rest();
    let before: Vec<_> = world.nodes.iter().map(|node| node.story.clone()).collect();
    world.arrive(0, Some(4));
    world.execute(0);
    world.flush();
    world.rest();
    (0..3).for_each(|at| world.admit(at));
    world.rest();
    for (node, mut story) in world.nodes.iter().zip(before) {
        story.push("+u4".into());
        assert_eq!(node.story, story);
    }
    world.elapse(LEASE);
    world.rest();
    assert_eq!((world.engine.members.len(), world.engine.total()), (4, 4));
}

#[test]
fn u5_members_that_a_failover_lost_stay_until_their_node_is_back() {
    let mut world = ReplicaWorld::new(2);
    world.arrive(0, Some(1));
    world.rest();
    world.save();
    let elsewhere = world.arrive(1, Some(2));
    world.rest();
    let story = world.nodes[0].story.clone();
    world.fail_over();
    world.reconnect(0);
    world.rest();
    assert!(world.nodes[0].shows(2), "removed at once");
    world.elapse(LEASE - Duration::from_millis(1));
    assert!(world.nodes[0].shows(2));
    world.reconnect(1);
    world.rest();
    world.elapse(LEASE);
    assert_eq!(world.nodes[0].story, story, "a member who was announced anew flickered");
    // One who does not come back is removed when the time is over.
    world.leave(1, elsewhere);
    world.rest();
    world.save();
    world.arrive(1, Some(3));
    world.rest();
    world.fail_over();
    world.reconnect(0);
    world.rest();
    world.elapse(LEASE);
    assert!(!world.nodes[0].shows(3));
}

#[test]
fn u5_member_with_another_record_is_removed_and_added() {
    let mut world = ReplicaWorld::new(2);
    world.arrive(0, Some(1));
    let (session, _) = world.arrive_with(1, Some(2), "\"before\"", 0);
    world.rest();
    world.cut(0);
    world.leave(1, session);
    let _ = world.arrive_with(1, Some(2), "\"after\"", 0);
    world.rest();
    world.nodes[0].story.clear();
    world.reconnect(0);
    world.rest();
    assert_eq!(world.nodes[0].story, ["-u2", "+u2"]);
    assert_eq!(world.nodes[0].shown["u2"], "\"after\"");
}

#[test]
fn pitfall_e11_member_back_from_a_drained_node_has_its_new_info() {
    let mut world = ReplicaWorld::new(2);
    world.arrive(0, Some(1));
    let (session, _) = world.arrive_with(1, Some(2), "\"before\"", 0);
    world.rest();
    world.nodes[0].story.clear();
    world.engine.lingers = true;
    world.leave(1, session);
    world.rest();
    assert!(world.nodes[0].story.is_empty() && world.nodes[0].shows(2));
    let (back, _) = world.arrive_with(0, Some(2), "\"after\"", 0);
    world.rest();
    assert!(world.nodes[0].is_answered(back));
    assert_eq!(world.nodes[0].story, ["-u2", "+u2"]);
    assert_eq!(world.nodes[0].shown["u2"], "\"after\"");
    world.engine.end_lingering();
    world.publish_messages();
    world.rest();
    assert!(world.nodes[0].shows(2));
}

#[test]
fn u6_departure_that_a_failover_lost_is_repeated() {
    let mut world = ReplicaWorld::new(2);
    world.arrive(0, Some(1));
    world.arrive(1, Some(9));
    let leaver = world.arrive(0, Some(2));
    world.rest();
    world.save();
    world.leave(0, leaver);
    world.rest();
    assert!(!world.nodes[1].shows(2));
    world.fail_over();
    world.reconnect(0);
    world.reconnect(1);
    world.rest();
    world.elapse(LEASE);
    world.rest();
    assert!(!world.engine.members.contains_key(&member_id(2)));
    assert!(!world.nodes[0].shows(2) && !world.nodes[1].shows(2));
    assert_eq!(world.engine.total(), 2);
}

#[test]
fn buried_node_announces_everything_under_another_name() {
    let mut world = ReplicaWorld::new(2);
    let session = world.arrive(0, Some(1));
    world.arrive(1, Some(9));
    world.rest();
    let life = world.nodes[0].life;
    world.engine.reap(life);
    world.publish_messages();
    world.rest();
    assert!(!world.nodes[1].shows(1) && world.nodes[0].is_answered(session));
    world.arrive(0, Some(2));
    world.rest();
    world.admit(0);
    world.rest();
    assert!(world.nodes[1].shows(1) && world.nodes[1].shows(2));
    assert_eq!((world.engine.total(), world.engine.counts.len()), (3, 2));
}

#[test]
fn late_answers_to_an_earlier_snapshot_are_ignored() {
    let mut world = ReplicaWorld::new(2);
    world.arrive(0, Some(1));
    world.confirm(0);
    while world.execute(0) {}
    let now = world.now;
    let (item, reply) = world.nodes[0].replies.back().cloned().expect("a snapshot");
    world.cut(0);
    world.arrive(1, Some(2));
    world.rest();
    world.reconnect(0);
    world.confirm(0);
    // The old one comes all the same, and its mark too.
    let super::node::LaneReply::Snapshot(request, taken) = reply else { panic!("{item:?}") };
    world.nodes[0].run(|replica| replica.marked(request, now));
    world.nodes[0].run(|replica| replica.snapshot_taken(request, taken, now));
    assert_ne!(world.state(0), ReplicaState::Open);
    world.arrive(1, Some(3));
    while world.execute(1) {}
    while world.execute(0) {}
    while world.reply(0) {}
    world.rest();
    assert!(world.nodes[0].shows(2) && world.nodes[0].shows(3));
    assert_eq!(world.nodes[0].snapshots, 2);
}

/// The engine answers that it has the reference, each time.
#[test]
fn member_that_a_damaged_engine_hides_is_sent_at_intervals_alone() {
    let mut world = ReplicaWorld::new(1);
    world.arrive(0, None);
    let session = world.arrive(0, Some(1));
    world.rest();
    world.engine.hidden = Some(member_id(1));
    let now = world.now;
    world.nodes[0].run(|replica| replica.audit(now));
    // It comes to rest.
    world.rest();
    let before = world.nodes[0].snapshots;
    world.elapse(Duration::from_secs(1));
    world.rest();
    assert!(world.nodes[0].snapshots <= before + 2);
    world.engine.hidden = None;
    world.elapse(Duration::from_secs(1));
    world.rest();
    assert!(world.nodes[0].is_answered(session) && world.nodes[0].shows(1));
}

#[test]
fn newcomer_whom_a_damaged_engine_hides_is_not_answered() {
    let mut world = ReplicaWorld::new(1);
    world.engine.hidden = Some(member_id(1));
    let session = world.arrive(0, Some(1));
    world.rest();
    assert_eq!(world.state(0), ReplicaState::Open);
    assert!(!world.nodes[0].is_answered(session));
    world.engine.hidden = None;
    world.elapse(Duration::from_secs(1));
    world.rest();
    assert!(world.nodes[0].is_answered(session));
}

/// Its node has sessions and no members, so that no numbered message follows.
#[test]
fn forgotten_node_reads_the_state_again() {
    let mut world = ReplicaWorld::new(2);
    world.arrive(0, None);
    world.arrive(1, Some(1));
    world.rest();
    world.flush();
    world.kill(1);
    world.admit(0);
    world.rest();
    world.elapse(LEASE);
    assert!(!world.nodes[0].shows(1));
    assert_eq!(world.engine.total(), 1);
}

/// The audit repairs what this node had, so that the snapshot behind it shows no loss.
#[test]
fn audit_after_a_flush_leaves_others_the_time_to_come_back() {
    let mut world = ReplicaWorld::new(2);
    world.arrive(0, Some(1));
    world.arrive(1, Some(2));
    world.rest();
    world.flush();
    let now = world.now;
    world.nodes[1].run(|replica| replica.audit(now));
    world.rest();
    assert_eq!(world.nodes[1].story, ["+u1", "+u2"], "nobody was told to be gone");
    world.nodes[0].run(|replica| replica.audit(now));
    world.rest();
    world.elapse(LEASE);
    world.rest();
    assert_eq!(world.nodes[1].story, ["+u1", "+u2"]);
    assert_eq!(world.engine.snapshot(None).members.len(), 2);
}

/// Redis is away twice, and the other node comes back after the second time.
#[test]
fn members_of_others_are_not_ended_by_a_second_outage() {
    let mut world = ReplicaWorld::new(2);
    world.arrive(0, Some(1));
    world.arrive(1, Some(2));
    world.rest();
    let story = world.nodes[0].story.clone();
    world.flush();
    world.fail_over();
    world.reconnect(0);
    world.rest();
    world.elapse(LEASE - Duration::from_millis(1));
    world.cut(0);
    world.elapse(LEASE);
    world.reconnect(0);
    world.rest();
    world.elapse(LEASE - Duration::from_millis(1));
    world.reconnect(1);
    world.rest();
    world.elapse(LEASE);
    assert_eq!(world.nodes[0].story, story);
}

fn mirror_of_a_present_user(now: Instant) -> ChannelReplica {
    let mut mirror = ChannelReplica::new(ChannelMemory::Mirror, true, LEASE);
    let watcher = ArrivingSubscriber { id: waiting_id(1), member: None, member_limit: 0 };
    let _ = mirror.arrive(watcher, now);
    assert_eq!(snapshot_of(&mut mirror, 1, now), [1]);
    mirror
}

/// Lets a mirror subscribe and find a total. Returns the totals that it tells.
fn snapshot_of(mirror: &mut ChannelReplica, total: u64, now: Instant) -> Vec<u64> {
    let asked = mirror.subscribed(now);
    answer_snapshot(mirror, &asked, total, now)
}

fn answer_snapshot(
    mirror: &mut ChannelReplica,
    asked: &[ReplicaEffect],
    total: u64,
    now: Instant,
) -> Vec<u64> {
    let [ReplicaEffect::AskSnapshot { request, .. }] = asked else { panic!("a snapshot is asked") };
    let mut effects = mirror.marked(*request, now);
    let found = OpenedSnapshot { total, ..OpenedSnapshot::default() };
    effects.append(&mut mirror.snapshot_taken(*request, found, now));
    let told = effects.iter().filter_map(|effect| match effect {
        ReplicaEffect::TellTotal(total) => Some(*total),
        _ => None,
    });
    told.collect()
}

#[test]
fn user_whose_node_is_not_back_yet_stays_for_watchers() {
    let now = Instant::now();
    let mut mirror = mirror_of_a_present_user(now);
    let _ = mirror.disconnected(now);
    let _ = mirror.reconnected(MasterChange::Other, now);
    assert_eq!(snapshot_of(&mut mirror, 0, now), [0; 0], "the user's node may be on its way");
    let back = mirror.hear(HeardMessage::Total(1), now + LEASE / 2);
    assert!(!back.iter().any(|it| matches!(it, ReplicaEffect::TellTotal(0))));
    let asked = mirror.tick(now + LEASE);
    assert_eq!(answer_snapshot(&mut mirror, &asked, 1, now + LEASE), [0; 0]);
    assert_eq!(mirror.total(), Some(1));
}

#[test]
fn user_who_does_not_come_back_is_gone_for_watchers() {
    let now = Instant::now();
    let mut mirror = mirror_of_a_present_user(now);
    let _ = mirror.announce_all(now);
    let _ = mirror.disconnected(now);
    let _ = mirror.reconnected(MasterChange::Same, now);
    assert_eq!(snapshot_of(&mut mirror, 0, now), [0; 0]);
    assert_eq!(mirror.next_deadline(), Some(now + LEASE));
    let asked = mirror.tick(now + LEASE);
    assert_eq!(answer_snapshot(&mut mirror, &asked, 0, now + LEASE), [0]);
}
