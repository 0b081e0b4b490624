//! Nodes that leave, and what they leave behind.

use std::time::Duration;

use super::scene::{LEASE, MembershipScene, channel};

const ROOM: &str = "presence-room";
const LINGER_MS: u64 = 3_600_000;

fn leave(scene: &mut MembershipScene, at: usize) {
    scene.act(at, |node, redis, now| node.leave_cluster(redis, now));
    assert!(scene.nodes[at].has_left);
}

#[test]
fn members_of_a_drained_node_end_after_their_time() {
    let scene = &mut MembershipScene::with(2);
    scene.arrive(0, ROOM, "ann");
    scene.pass(Duration::from_secs(3));
    scene.act(0, |node, redis, _| node.depart(redis, &channel(ROOM), LINGER_MS));
    leave(scene, 0);
    assert_eq!((scene.entries(), scene.listed()), (1, 0));
    scene.pass(2 * LEASE);
    assert_eq!(scene.room(ROOM), (1, 0));
    scene.elapse();
    scene.pass(Duration::from_secs(3));
    assert_eq!(scene.room(ROOM), (0, 0));
    let facts = scene.facts(ROOM);
    let expected = ["ChannelOccupied", "MemberAdded", "MemberRemoved", "ChannelVacated"];
    let sorted = |facts: &[String]| {
        let mut facts = facts.to_vec();
        facts.sort();
        facts
    };
    assert_eq!(sorted(&facts), sorted(&expected.map(str::to_owned)), "{facts:?}");
    assert_eq!((scene.counted("Reaped"), scene.queued()), (0, 0));
}

#[test]
fn user_who_returned_meanwhile_stays() {
    let scene = &mut MembershipScene::with(2);
    scene.arrive(0, ROOM, "ann");
    scene.act(0, |node, redis, _| node.depart(redis, &channel(ROOM), LINGER_MS));
    leave(scene, 0);
    scene.arrive(1, ROOM, "ann");
    scene.pass(2 * LEASE);
    scene.elapse();
    scene.pass(LEASE);
    assert_eq!(scene.room(ROOM), (1, 1));
    assert!(!scene.facts(ROOM).contains(&"MemberRemoved".to_owned()));
}

#[test]
fn node_that_leaves_something_behind_is_reaped() {
    let scene = &mut MembershipScene::with(2);
    scene.arrive(0, ROOM, "ann");
    scene.pass(Duration::from_secs(3));
    leave(scene, 0);
    assert_eq!((scene.entries(), scene.room(ROOM)), (2, (1, 1)));
    scene.pass(LEASE + Duration::from_secs(6));
    assert_eq!((scene.entries(), scene.room(ROOM), scene.listed()), (1, (0, 0), 0));
}

#[test]
fn node_that_follows_the_last_one_waits_for_nobody() {
    let scene = &mut MembershipScene::with(1);
    leave(scene, 0);
    let node = scene.add();
    assert!(scene.nodes[node].is_joined());
}

#[test]
fn departed_or_cut_off_node_ends_at_once() {
    let scene = &mut MembershipScene::with(1);
    scene.act(0, |node, redis, now| node.unlink(redis, now));
    leave(scene, 0);
}

/// Its last beat is answered when it leaves already.
#[test]
fn node_that_leaves_is_not_born_again() {
    let scene = &mut MembershipScene::with(2);
    scene.act(0, |node, redis, now| {
        let own = node.sealing.incarnation();
        let mut effects = node.membership.leave(&node.sealing, now);
        effects.extend(node.membership.fenced(&own, &node.sealing, now));
        node.carry_out(effects, redis, now);
    });
    assert_eq!((scene.nodes[0].births, scene.nodes[0].has_left, scene.entries()), (0, true, 1));
}

#[test]
fn node_that_is_fenced_while_it_is_cut_off_returns_as_another() {
    let scene = &mut MembershipScene::with(2);
    let before = scene.nodes[0].sealing.incarnation();
    scene.act(0, |node, redis, now| {
        node.unlink(redis, now);
        let effects = node.membership.fenced(&before, &node.sealing, now);
        node.carry_out(effects, redis, now);
    });
    assert_eq!(scene.nodes[0].slots.len(), 1);
    scene.act(0, |node, redis, now| node.link(redis, now));
    scene.pass(Duration::from_secs(3));
    assert_eq!((scene.nodes[0].slots.len(), scene.entries()), (2, 3));
}
