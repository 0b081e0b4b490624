//! Owners of partitions: facts, and entries that nobody knows.

use std::time::Duration;

use bytes::Bytes;

use super::scene::{LEASE, MembershipScene, channel};
use crate::cluster::membership::{context::command, effect::MembershipCount};

const ROOM: &str = "presence-room";

fn beats(count: u32) -> Duration {
    count * Duration::from_secs(3)
}

/// The node whose host has been told of the room, and the ids of these facts.
fn told(scene: &MembershipScene) -> Vec<(usize, Vec<Bytes>)> {
    let told = scene.nodes.iter().enumerate();
    told.map(|(at, node)| (at, node.facts.iter().map(|fact| fact.place.entry.clone()).collect()))
        .filter(|(_, ids): &(usize, Vec<_>)| !ids.is_empty())
        .collect()
}

fn with_unfinished_facts() -> (MembershipScene, usize, Vec<Bytes>) {
    let mut scene = MembershipScene::with(3);
    scene.pass(beats(2));
    scene.nodes.iter_mut().for_each(|node| node.finishes_facts = false);
    scene.arrive(0, ROOM, "ann");
    scene.pass(beats(1));
    let told = told(&scene);
    let [(owner, ids)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((ids.len(), scene.queued()), (2, 2));
    let (owner, ids) = (*owner, ids.clone());
    (scene, owner, ids)
}

#[test]
fn fact_is_told_once_while_its_owner_lives() {
    let (mut scene, owner, ids) = with_unfinished_facts();
    scene.pass(beats(2));
    scene.act(owner, |node, redis, now| {
        node.unlink(redis, now);
        node.link(redis, now);
    });
    scene.pass(beats(2));
    // Born again, it may not rank first, and is the owner until its host is done.
    scene.act(owner, |node, redis, now| {
        let own = node.sealing.incarnation();
        let effects = node.membership.fenced(&own, &node.sealing, now);
        node.carry_out(effects, redis, now);
    });
    scene.pass(beats(3));
    assert_eq!(told(&scene), [(owner, ids)]);
    scene.nodes[owner].finish_facts();
    scene.pass(beats(2));
    assert_eq!((scene.queued(), told(&scene).len()), (0, 1));
}

#[test]
fn facts_that_wait_are_counted_by_the_owner_of_their_partition() {
    let (mut scene, owner, _) = with_unfinished_facts();
    scene.pass(beats(1));
    let waiting = |scene: &MembershipScene| -> Vec<usize> {
        scene.nodes.iter().map(|node| node.facts_waiting).collect()
    };
    let mut wanted = vec![0; 3];
    wanted[owner] = 2;
    assert_eq!(waiting(&scene), wanted);
    scene.nodes[owner].finish_facts();
    scene.pass(beats(2));
    assert_eq!(waiting(&scene), [0; 3]);
}

#[test]
fn fact_is_told_again_after_its_owner_died_before_the_acknowledgement() {
    let (mut scene, owner, ids) = with_unfinished_facts();
    scene.nodes[owner].is_stopped = true;
    scene.pass(LEASE + beats(3));
    assert_eq!(told(&scene).len(), 1);
    scene.expire_owners();
    scene.pass(beats(2));
    let told = told(&scene);
    assert_eq!(told.len(), 2, "{told:?}");
    let heir = told.iter().find(|(at, _)| *at != owner).expect("an heir");
    assert_eq!(heir.1[..2], ids[..]);
    let heir = heir.0;
    scene.nodes[heir].finish_facts();
    scene.pass(beats(2));
    // An owner that was replaced acknowledges nothing, and is told nothing.
    let hold = scene.nodes[owner].facts[0].hold.clone();
    assert!(hold.is_here(), "it does not know");
    scene.nodes[owner].finish_facts();
    scene.nodes[owner].wake();
    scene.pass(beats(3));
    assert!(!hold.is_here(), "another one tells them");
    let again = scene.nodes[owner].facts.iter().filter(|fact| ids.contains(&fact.place.entry));
    assert_eq!(again.count(), ids.len());
}

#[test]
fn heir_is_told_which_endpoints_have_a_fact() {
    let (mut scene, owner, ids) = with_unfinished_facts();
    let place = scene.nodes[owner].facts[0].place.clone();
    scene.nodes[owner].membership.fact_settled(&place, "https://one.example/".into());
    scene.nodes[owner].membership.fact_settled(&place, "https://two.example/".into());
    scene.pass(beats(2));
    scene.nodes[owner].is_stopped = true;
    scene.pass(LEASE + beats(3));
    scene.expire_owners();
    scene.pass(beats(2));
    let heir = told(&scene).iter().map(|(at, _)| *at).find(|at| *at != owner).expect("an heir");
    let facts = &scene.nodes[heir].facts;
    let settled: Vec<&str> = facts[0].settled.iter().map(|it| &**it).collect();
    assert_eq!(settled, ["https://one.example/", "https://two.example/"]);
    assert!(facts[1].settled.is_empty() && facts[1].place.entry == ids[1]);
    assert_eq!(facts[0].id, scene.nodes[owner].facts[0].id, "the same id");
    assert_ne!(facts[0].id, facts[1].id);
    scene.nodes[heir].finish_facts();
    scene.pass(beats(2));
    assert_eq!((scene.queued(), scene.redis.keys("*}y").len()), (0, 0));
}

#[test]
fn facts_stay_in_the_queue_while_there_is_no_room() {
    let scene = &mut MembershipScene::with(1);
    scene.pass(beats(1));
    scene.nodes[0].membership.set_fact_room(false);
    scene.arrive(0, ROOM, "ann");
    scene.pass(beats(2));
    assert_eq!((scene.facts(ROOM).len(), scene.queued()), (0, 2));
    scene.nodes[0].membership.set_fact_room(true);
    scene.pass(beats(1));
    assert_eq!((scene.facts(ROOM).len(), scene.queued()), (2, 0));
}

#[test]
fn lost_facts_are_counted_once() {
    let scene = &mut MembershipScene::with(1);
    scene.pass(beats(1));
    let node = &scene.nodes[0];
    let names = node.sealing.keys(&node.channel(&channel(ROOM)));
    scene.redis.run(command("HSET", &names.f).arg("lost").arg(7));
    scene.pass(beats(2));
    let lost = scene.nodes[0].counts.iter().filter(|it| **it == MembershipCount::FactsLost(7));
    assert_eq!(lost.count(), 1);
}

#[test]
fn many_facts_arrive_in_their_order() {
    let scene = &mut MembershipScene::with(1);
    scene.pass(beats(1));
    for _ in 0..150 {
        scene.arrive(0, ROOM, "ann");
        scene.act(0, |node, redis, _| node.depart(redis, &channel(ROOM), 0));
    }
    scene.pass(beats(2));
    let facts = scene.facts(ROOM);
    let story = ["ChannelOccupied", "MemberAdded", "MemberRemoved", "ChannelVacated"];
    assert_eq!((facts.len(), scene.queued()), (600, 0));
    for (at, fact) in facts.iter().enumerate() {
        assert_eq!(fact, story[at % 4], "{at}");
    }
}

#[test]
fn new_node_takes_a_partition_over_when_its_facts_are_done() {
    let (mut scene, owner, ids) = with_unfinished_facts();
    (0..5).for_each(|_| {
        let node = scene.add();
        scene.nodes[node].finishes_facts = false;
    });
    scene.pass(beats(2));
    // Whoever should own it now has to wait.
    assert_eq!(told(&scene), [(owner, ids)]);
    scene.nodes[owner].finish_facts();
    scene.pass(beats(3));
    assert_eq!((scene.queued(), told(&scene).len()), (0, 1));
    let owned: u64 = scene.redis.keys("*}o").len() as u64;
    assert_eq!(owned, 128);
}

#[test]
fn damaged_facts_and_unknown_entries_are_passed_over() {
    let scene = &mut MembershipScene::with(1);
    scene.arrive(0, ROOM, "ann");
    let node = &scene.nodes[0];
    let names = node.sealing.keys(&node.channel(&channel(ROOM)));
    scene.redis.run(command("XADD", &names.w).arg("*").arg("f").arg("altered"));
    scene.redis.run(command("ZADD", &names.g).arg(1).arg("unknown"));
    scene.pass(beats(2));
    assert_eq!(scene.queued(), 0);
    assert!(scene.redis.keys("*}g").is_empty());
    let rejected = |it: &&MembershipCount| matches!(it, MembershipCount::Rejected(_));
    assert_eq!(scene.nodes[0].counts.iter().filter(rejected).count(), 2);
}
