//! Nodes that die, hang and are reaped.

use std::time::Duration;

use super::scene::{LEASE, MembershipScene, channel};
use crate::cluster::{
    key::tests::example_key,
    membership::{context::command, values},
    names::{Partition, PartitionSet},
    node::keys::control_keys,
};

const REAPED: &str = "Reaped";
const ROOM: &str = "presence-room";

/// The time after which a dead node is reaped.
fn reaping() -> Duration {
    LEASE + Duration::from_secs(6)
}

/// The first node dies with members in many channels.
fn with_ghosts(nodes: usize) -> MembershipScene {
    let mut scene = MembershipScene::with(nodes);
    for room in 0..40 {
        scene.arrive(0, &format!("presence-{room}"), "ann");
    }
    scene.arrive(0, ROOM, "ann");
    scene.arrive(1, ROOM, "bob");
    scene.pass(Duration::from_secs(3));
    scene.nodes[0].is_stopped = true;
    scene
}

fn assert_reaped(scene: &mut MembershipScene) {
    assert_eq!(scene.room(ROOM), (1, 1));
    for room in 0..40 {
        assert_eq!(scene.room(&format!("presence-{room}")), (0, 0));
    }
    assert_eq!(scene.listed(), 1);
}

#[test]
fn dead_node_is_reaped_once() {
    let scene = &mut with_ghosts(3);
    scene.pass(LEASE - Duration::from_secs(3));
    assert_eq!(scene.room(ROOM), (2, 2));
    scene.pass(Duration::from_secs(9));
    assert_reaped(scene);
    assert_eq!((scene.counted(REAPED), scene.entries()), (1, 2));
    assert_eq!(scene.nodes[1].peers.len(), 2);
}

/// Something else writes to this Redis.
#[test]
fn foreign_entry_among_the_channels_of_a_dead_node_holds_up_nothing() {
    let scene = &mut with_ghosts(2);
    for key in scene.redis.keys("*}i:*") {
        scene.redis.run(command("SADD", &key).arg("foreign").arg("another"));
    }
    scene.pass(2 * reaping());
    assert_reaped(scene);
    assert_eq!((scene.counted(REAPED), scene.entries()), (1, 1));
    assert!(scene.counted("Rejected(Length)") >= 2);
}

/// Its lease was made longer, and the others are not restarted yet.
#[test]
fn node_with_a_longer_lease_is_not_dead_between_its_beats() {
    let scene = &mut MembershipScene::with(2);
    let long = Duration::from_secs(60);
    let slow = scene.add_with(example_key(), "apps", long);
    scene.arrive(slow, ROOM, "ann");
    scene.pass(3 * long);
    assert_eq!(
        (scene.counted(REAPED), scene.counted("Fenced"), scene.nodes[slow].births),
        (0, 0, 0)
    );
    assert_eq!(scene.room(ROOM), (1, 1));
    scene.nodes[slow].is_stopped = true;
    scene.pass(long + reaping());
    assert_eq!((scene.counted(REAPED), scene.room(ROOM)), (1, (0, 0)));
}

/// A burial that waits for its master holds up no other.
#[test]
fn ju9_dead_node_is_buried_where_masters_are_reached() {
    let scene = &mut with_ghosts(2);
    // Far more of them than are buried at the same time.
    let unreached: PartitionSet = Partition::all().filter(|it| it.index() % 3 == 0).collect();
    scene.nodes[1].unreached = unreached;
    scene.pass(reaping());
    let is_unreached = |scene: &MembershipScene, room: &str| {
        let location = scene.nodes[1].channel(&channel(room)).location;
        unreached.contains(location.partition)
    };
    let rooms: Vec<_> = (0..40).map(|room| format!("presence-{room}")).collect();
    let waiting = rooms.iter().filter(|room| is_unreached(scene, room)).count();
    assert!((1..40).contains(&waiting), "{waiting}");
    for room in &rooms {
        let left = usize::from(is_unreached(scene, room));
        assert_eq!(scene.room(room), (left, left as u64), "{room}");
    }
    scene.nodes[1].reach_all();
    scene.pass(Duration::from_secs(6));
    assert_reaped(scene);
}

#[test]
fn claimer_that_dies_at_any_command_is_followed_by_another() {
    for commands in [1, 2, 3, 20, 100, 200, 400] {
        let scene = &mut with_ghosts(3);
        scene.pass(LEASE - Duration::from_secs(3));
        let claimer = &mut scene.nodes[1];
        claimer.stops_after = Some(commands);
        scene.pass(2 * reaping());
        assert!(scene.nodes[1].is_stopped, "{commands}");
        assert_eq!(scene.room(ROOM), (0, 0), "{commands}");
        assert_eq!((scene.listed(), scene.entries()), (0, 1), "{commands}");
    }
}

#[test]
fn node_that_wakes_after_its_burial_is_born_again() {
    let scene = &mut with_ghosts(2);
    scene.pass(reaping());
    assert_reaped(scene);
    let before = scene.nodes[0].sealing.incarnation();
    scene.nodes[0].wake();
    scene.pass(Duration::from_secs(6));
    assert_eq!(scene.nodes[0].births, 1);
    assert_ne!(scene.nodes[0].sealing.incarnation(), before);
    assert_eq!(scene.room(ROOM), (2, 2));
    assert_eq!(scene.room("presence-7"), (1, 1));
    scene.pass(2 * reaping());
    // Its beat came before the first partition said that it was buried: that entry is reaped too.
    assert_eq!((scene.entries(), scene.room(ROOM)), (2, (2, 2)));
}

#[test]
fn dying_node_is_born_again_with_its_next_beat() {
    let scene = &mut MembershipScene::with(2);
    scene.arrive(0, ROOM, "ann");
    scene.arrive(1, ROOM, "bob");
    scene.pass(Duration::from_secs(3));
    // Its claimer goes no further.
    scene.nodes[1].is_stopped = true;
    let [dying, claimer] = [0, 1].map(|at| scene.nodes[at].sealing.incarnation());
    let nodes = control_keys(&scene.redis.layout).nodes;
    let read = scene.redis.run(command("HGET", &nodes).arg(&dying.as_bytes()[..]));
    let held = values::text(read).expect("an entry");
    let claimed = [b"D", &claimer.as_bytes()[..], &held[1..]].concat();
    scene.redis.run(command("HSET", &nodes).arg(&dying.as_bytes()[..]).arg(claimed));
    scene.pass(Duration::from_secs(3));
    assert_eq!((scene.nodes[0].births, scene.entries()), (1, 3));
    scene.pass(2 * reaping());
    // It has reaped its own earlier life, and the claimer.
    assert_eq!((scene.entries(), scene.listed(), scene.room(ROOM)), (1, 1, (1, 1)));
    assert_eq!(scene.counted(REAPED), 2);
}

/// The first claimer wakes after the second has done it all, and goes on.
#[test]
fn two_claimers_are_harmless() {
    let scene = &mut with_ghosts(3);
    scene.pass(LEASE - Duration::from_secs(3));
    scene.nodes[1].stops_after = Some(200);
    scene.pass(2 * reaping());
    assert!(scene.nodes[1].is_stopped);
    assert_eq!((scene.room(ROOM), scene.counted(REAPED)), ((0, 0), 2));
    scene.nodes[1].wake();
    scene.pass(2 * reaping());
    assert_eq!(scene.nodes[1].births, 1);
    // The member of the first claimer is back.
    assert_reaped(scene);
    scene.expire_owners();
    scene.pass(Duration::from_secs(6));
    let facts = scene.facts(ROOM);
    let removed = facts.iter().filter(|fact| *fact == "MemberRemoved").count();
    assert_eq!(removed, 2, "{facts:?}");
}

#[test]
fn node_that_control_has_forgotten_is_found_in_its_partitions() {
    let scene = &mut with_ghosts(2);
    scene.redis.forget_control();
    scene.pass(LEASE);
    scene.expire_owners();
    scene.pass(Duration::from_secs(60) + reaping());
    assert_reaped(scene);
    assert_eq!(scene.entries(), 1);
    assert_eq!(scene.nodes[1].births, 0);
}

#[test]
fn outage_of_all_nodes_kills_nobody() {
    let scene = &mut MembershipScene::with(3);
    scene.arrive(0, ROOM, "ann");
    for at in 0..3 {
        scene.act(at, |node, redis, now| node.unlink(redis, now));
    }
    scene.pass(Duration::from_secs(60));
    // The second is back first. The others follow within a lease.
    for at in [1, 2, 0] {
        scene.act(at, |node, redis, now| node.link(redis, now));
        scene.pass(LEASE / 3);
    }
    scene.pass(2 * LEASE);
    assert_eq!((scene.counted(REAPED), scene.counted("Fenced")), (0, 0));
    assert_eq!(scene.room(ROOM), (1, 1));
}

#[test]
fn everyone_announces_after_a_flush() {
    let scene = &mut MembershipScene::with(2);
    scene.arrive(0, ROOM, "ann");
    scene.arrive(1, ROOM, "bob");
    scene.pass(Duration::from_secs(3));
    scene.redis.words(&["FLUSHALL"]);
    assert_eq!(scene.room(ROOM), (0, 0));
    scene.pass(Duration::from_secs(6));
    assert_eq!(scene.room(ROOM), (2, 2));
    assert_eq!(scene.entries(), 2);
}

#[test]
fn dead_are_reaped_while_redis_is_full() {
    let scene = &mut with_ghosts(2);
    scene.redis.words(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    scene.redis.words(&["CONFIG", "SET", "maxmemory", "1"]);
    scene.pass(reaping());
    assert_reaped(scene);
    assert_eq!((scene.counted(REAPED), scene.entries()), (1, 1));
    scene.expire_owners();
    scene.pass(Duration::from_secs(6));
    let facts = ["ChannelOccupied", "MemberAdded", "MemberRemoved", "ChannelVacated"];
    assert_eq!((scene.facts("presence-7"), scene.queued()), (facts.map(str::to_owned).into(), 0));
}

/// A name that does not open is nobody's who could be told.
#[test]
fn damaged_names_and_records_keep_no_ghost() {
    let scene = &mut with_ghosts(2);
    let keys = |scene: &MembershipScene, name: &str| {
        let node = &scene.nodes[1];
        node.sealing.keys(&node.channel(&channel(name)))
    };
    let (name, record) = (keys(scene, "presence-1").c, keys(scene, "presence-2").m);
    scene.redis.run(redis::cmd("HSET").arg(&name[..]).arg("k").arg("altered"));
    let user = scene.redis.run(redis::cmd("HKEYS").arg(&record[..]));
    let user = values::texts(user).expect("members")[0].clone();
    scene.redis.run(redis::cmd("HSET").arg(&record[..]).arg(&user[..]).arg("12345678altered"));
    // A channel that is listed, and of which Redis has nothing.
    let dead = scene.nodes[0].sealing.incarnation();
    let partition = scene.nodes[1].channel(&channel(ROOM)).location.partition;
    let listed = scene.redis.layout.partition(partition).node_channels(&dead);
    scene.redis.run(command("SADD", &listed).arg(&[7_u8; 16][..]));
    scene.pass(reaping());
    assert_reaped(scene);
    assert!(scene.nodes[1].counts.len() > 1, "{:?}", scene.nodes[1].counts);
}
