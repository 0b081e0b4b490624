//! Identity, slots, beats.

use std::{collections::HashSet, time::Duration};

use super::scene::{LEASE, MembershipScene};
use crate::{
    cluster::{
        content::IdentityContent,
        key::tests::{example_key, other_key},
        names::LAYOUT,
        stored::StoredPlace,
    },
    crypto::encoding::{from_hex, hex},
};

#[test]
fn nodes_know_each_other_with_slots_of_their_own() {
    let scene = &mut MembershipScene::with(3);
    scene.pass(Duration::from_secs(3));
    let slots: HashSet<_> = scene.nodes.iter().map(|node| node.slots[0]).collect();
    assert_eq!(slots.len(), 3);
    for node in &scene.nodes {
        let seen: HashSet<_> = node.peers.iter().map(|peer| peer.slot).collect();
        assert_eq!(seen, slots);
        assert!(node.peers.iter().all(|peer| peer.load.sockets <= 7));
        assert!(node.peers.iter().any(|peer| peer.load.sockets == 7));
    }
}

#[test]
fn another_cluster_key_is_refused_with_both_fingerprints() {
    let scene = &mut MembershipScene::with(1);
    let stranger = scene.add_as(other_key(), "apps");
    scene.pass(4 * LEASE);
    let node = &scene.nodes[stranger];
    assert!(!node.is_joined());
    let [reason] = &node.refused[..] else { panic!("{:?}", node.refused) };
    for key in [other_key(), crate::cluster::key::tests::example_key()] {
        assert!(reason.contains(&key.fingerprint().as_str()[..8]), "{reason}");
    }
    assert_eq!(scene.entries(), 1);
}

#[test]
fn other_apps_are_refused_until_the_cluster_is_gone() {
    let scene = &mut MembershipScene::with(1);
    let stranger = scene.add_as(crate::cluster::key::tests::example_key(), "other apps");
    scene.pass(LEASE);
    assert!(scene.nodes[stranger].refused[0].contains("the apps of this node differ"));
    scene.nodes[0].is_stopped = true;
    // As 60 s after the last node.
    scene.redis.words(&["DEL", "sealcast:id"]);
    scene.pass(LEASE);
    assert!(scene.nodes[stranger].is_joined());
}

#[test]
fn altered_identity_is_named() {
    let scene = &mut MembershipScene::with(1);
    scene.redis.words(&["SETRANGE", "sealcast:id", "40", "x"]);
    let node = scene.add();
    assert!(scene.nodes[node].refused[0].contains("delete the key `sealcast:id`"));
}

#[test]
fn identity_lives_as_long_as_nodes() {
    let scene = &mut MembershipScene::with(1);
    scene.redis.words(&["PEXPIRE", "sealcast:id", "5000"]);
    scene.pass(Duration::from_secs(3));
    let left = super::scene::number(&scene.redis.words(&["PTTL", "sealcast:id"]));
    assert!(left > 50_000, "{left}");
    scene.redis.words(&["DEL", "sealcast:id"]);
    scene.pass(Duration::from_secs(3));
    assert_eq!(super::scene::number(&scene.redis.words(&["EXISTS", "sealcast:id"])), 1);
}

#[test]
fn slot_that_another_node_has_is_left_to_it() {
    let scene = &mut MembershipScene::with(2);
    let (first, second) = (scene.nodes[0].slots[0], scene.nodes[1].sealing.incarnation());
    // Redis lost the slots, and the second node was quicker.
    let slots = crate::cluster::node::keys::control_keys(&scene.redis.layout).slots;
    let mut set = redis::cmd("HSET");
    set.arg(&slots[..]).arg(first.number()).arg(&second.as_bytes()[..]);
    scene.redis.run(&set);
    scene.pass(Duration::from_secs(3));
    let slots = &scene.nodes[0].slots;
    assert_eq!(slots.len(), 2, "{}", hex(&second.as_bytes()[..]));
    assert_ne!(slots[0], slots[1]);
}

#[test]
fn new_node_waits_for_the_living_after_a_loss_of_their_entries() {
    let scene = &mut MembershipScene::with(1);
    scene.redis.forget_control();
    let node = scene.add();
    scene.pass(LEASE - Duration::from_secs(1));
    assert!(!scene.nodes[node].is_joined());
    scene.pass(Duration::from_secs(5));
    assert!(scene.nodes[node].is_joined());
    assert_eq!(scene.nodes[0].slots.len(), 1);
}

#[test]
fn node_that_returns_after_an_outage_keeps_its_slot() {
    let scene = &mut MembershipScene::with(1);
    scene.act(0, |node, redis, now| node.unlink(redis, now));
    scene.pass(4 * LEASE);
    scene.act(0, |node, redis, now| node.link(redis, now));
    let slots = &scene.nodes[0].slots;
    assert_eq!((slots.len(), slots[0]), (2, slots[1]));
    assert_eq!(scene.nodes[0].births, 0);
}

/// As nodes of another version have left it. Those of this one are gone.
fn write_identity(scene: &mut MembershipScene, layout: u8, protocols: (u8, u8)) {
    let sealing = &scene.nodes[0].sealing;
    let key = sealing.layout.identity();
    let content = IdentityContent { layout, protocols, host: b"apps" };
    let place = StoredPlace { key: &key, field: b"", generation: 0 };
    let sealed = sealing.stored.seal(place, &content.to_bytes()).expect("sealed");
    let short: Option<[u8; 4]> = from_hex(&example_key().fingerprint().as_str()[..8]);
    let mut set = redis::cmd("SET");
    set.arg(key).arg([&short.expect("hex")[..], &sealed].concat());
    scene.nodes[0].is_stopped = true;
    scene.redis.run(&set);
}

#[test]
fn node_refuses_another_layout_and_says_which() {
    let scene = &mut MembershipScene::with(1);
    write_identity(scene, LAYOUT + 1, (1, 1));
    let node = scene.add();
    let reason = &scene.nodes[node].refused[0];
    assert!(reason.contains(&format!("({}, this version {LAYOUT})", LAYOUT + 1)), "{reason}");
    assert!(reason.contains("another `cluster.prefix`"), "{reason}");
}

#[test]
fn node_joins_those_that_speak_its_protocol_and_refuses_others() {
    for (protocols, joins) in [((1, 1), true), ((1, 3), true), ((0, 1), true), ((2, 3), false)] {
        let scene = &mut MembershipScene::with(1);
        write_identity(scene, LAYOUT, protocols);
        let node = scene.add();
        scene.pass(LEASE);
        let node = &scene.nodes[node];
        assert_eq!(node.is_joined(), joins, "{protocols:?}: {:?}", node.refused);
        let says = |reason: &String| reason.contains("2 to 3") && reason.contains("node by node");
        assert_eq!(node.refused.iter().any(says), !joins, "{protocols:?}: {:?}", node.refused);
    }
}
