//! Pitfalls, each by its row in docs/internals/cluster.md, with the story that would show it.

use super::{
    engine::TestEngine,
    names::{channel, keys, node},
    scene::{HOUR_MS, Scene, count_verb, join_verb, leave_verb, lingering_member},
    server::RedisServer,
};
use crate::cluster::redis::{
    control::ControlVerb,
    messages::Mark,
    refusals::Refusal,
    replies::Reply,
    snapshot::Snapshot,
    verbs::{Fence, Verb},
};

#[test]
fn j04_repeated_counts_keep_the_sum_exact() {
    let mut scene = Scene::with(2);
    scene.count(1, 3, 0);
    for _ in 0..3 {
        assert_eq!(scene.count(2, 4, 0), Reply::Counted { total: 7, due_ms: 0 });
    }
    assert_eq!(scene.heard(), "#3#7");
    assert_eq!(scene.facts(), ["occupied"]);
}

#[test]
fn j05_member_with_tabs_on_two_nodes_stays_when_one_dies() {
    let mut scene = Scene::with(2);
    scene.arrive(1, 5);
    scene.arrive(2, 5);
    scene.reap(1, 5);
    assert_eq!(scene.facts(), ["occupied", "added"]);
    scene.leave(2, 5, 0);
    assert_eq!(scene.facts(), ["removed"]);
    assert_eq!(scene.heard(), "#1+#2#1-");
}

#[test]
fn j07_node_that_was_buried_while_it_hung_changes_nothing() {
    let mut scene = Scene::with(2);
    scene.arrive(1, 5);
    scene.reap(1, 5);
    scene.heard();
    let id = channel(0);
    let last = Verb::Last { channel: id, blob: "\u{1}late".into(), ttl_ms: HOUR_MS, sent_ms: 1 };
    for verb in [
        Verb::Admit { node: node(1), known: Some(1), announcement: 2 },
        count_verb(1, 2, 0, Fence::Heeded),
        join_verb(1, 6, *b"info one", 0),
        leave_verb(1, 5, 0, Fence::Heeded),
        last,
    ] {
        assert_eq!(scene.world.run(&verb, &node(1), &id, 0), Some(Reply::Fenced));
    }
    assert_eq!(scene.heard(), "");
    assert!(scene.world.book.channels.is_empty());
}

#[test]
fn j08_member_is_removed_once_though_a_reaper_dies_half_way() {
    let mut scene = Scene::with(2);
    scene.arrive(1, 5);
    scene.bury(1);
    scene.run(1, &leave_verb(1, 5, 0, Fence::Passed));
    // The next reaper begins again.
    scene.reap(1, 5);
    assert_eq!(scene.heard(), "#1+-#0");
    assert_eq!(scene.facts(), ["occupied", "added", "removed", "vacated"]);
}

/// A claimer that hung for a lease has lost its claim, though it does not know.
#[test]
fn j08_entry_is_ended_by_its_last_claimer_alone() {
    let mut scene = Scene::with(3);
    let forget = |claimer| ControlVerb::Forget { node: node(1), slot: 1, claimer: node(claimer) };
    assert_eq!(scene.world.control(&forget(2), 0), Reply::NotClaimed, "it is alive");
    for claimer in [2, 3] {
        let (dead, seen) = (node(1), scene.world.control.nodes[&node(1)].clone());
        let claim = ControlVerb::Claim { node: dead, seen, claimer: node(claimer) };
        assert_eq!(scene.world.control(&claim, 1), Reply::Claimed);
    }
    for other in [1, 2] {
        assert_eq!(scene.world.control(&forget(other), 0), Reply::NotClaimed);
    }
    assert_eq!(scene.world.control(&forget(3), 0), Reply::Forgotten);
    assert_eq!(scene.world.control(&forget(3), 0), Reply::NoEntry);
    let own = ControlVerb::Forget { node: node(2), slot: 2, claimer: node(2) };
    assert_eq!(scene.world.control(&own, 0), Reply::Forgotten);
}

/// A node that changed its slot, or whose beat did not open, has left its slot behind.
#[test]
fn slot_of_a_node_without_an_entry_is_free() {
    let mut scene = Scene::with(1);
    let mut set = redis::cmd("HSET");
    scene.world.engine.ask_admin(set.arg("SC1:{ctl}slots").arg(2).arg(&node(9)[..]));
    scene.world.control.slots.insert(2, node(9));
    assert_eq!(scene.beat(2), Reply::New);
    let taken = ControlVerb::Beat { node: node(3), slot: 2, beat: "beat".into() };
    assert_eq!(scene.world.control(&taken, 0), Reply::SlotTaken);
}

#[test]
fn j10_numbers_after_a_flush_are_above_the_earlier_ones() {
    let mut scene = Scene::with(1);
    let Reply::First { number: before } = scene.arrive(1, 5) else { panic!("a member") };
    scene.world.flush();
    let known = before + 1_000_000_000_000;
    assert!(scene.floor(1, "run 1", "run 1", known) > known);
    let Reply::First { number: after } = scene.arrive(1, 5) else { panic!("a member") };
    assert!(after > known, "{after} {known}");
}

/// A cluster of one master refuses what three would.
#[test]
fn j12_scripts_keep_to_one_slot() {
    let engine = TestEngine::over(RedisServer::start_cluster());
    let mut scene = Scene::over(engine, 2);
    scene.arrive(1, 5);
    scene.last("event", 1);
    scene.drain(1, 5, HOUR_MS);
    scene.elapse_all();
    scene.end_all();
    scene.world.engine.snapshot(&channel(0), Mark { channel: channel(0), snapshot: 1 });
    assert_eq!(scene.facts(), ["occupied", "added", "total", "vacated", "removed"]);
    let verb = count_verb(2, 1, 0, Fence::Heeded);
    for change in 0..2 {
        let mut keys = keys(&node(2), &channel(0));
        match change {
            0 => keys.t = "SC1:{8}t:other".into(),
            _ => keys.c = "SC1:{8}c:other".into(),
        }
        let command = verb.command(&scene.world.engine.scripts, &keys);
        let error = scene.world.engine.talk(&command).expect_err("another slot");
        assert_eq!(Refusal::of_error(&error), Some(Refusal::SlotMoved), "{error}");
        scene.world.compare();
    }
}

#[test]
fn j22_unknown_script_in_a_pipeline_is_refused_alone() {
    let mut scene = Scene::with(1);
    scene.world.engine.administer(&["SCRIPT", "FLUSH"]);
    let verb = count_verb(1, 1, 0, Fence::Heeded);
    let refusal = scene.world.engine.run(&verb, &node(1), &channel(0)).expect_err("no script");
    assert_eq!(refusal, Refusal::ScriptMissing);
    scene.world.compare();
    assert_eq!(scene.count(1, 1, 0), Reply::Counted { total: 1, due_ms: 0 });
}

#[test]
fn j25_two_drains_in_ten_seconds_are_silence() {
    let mut scene = Scene::with(3);
    scene.arrive(1, 5);
    scene.heard();
    scene.facts();
    scene.drain(1, 5, HOUR_MS);
    scene.arrive(2, 5);
    scene.drain(2, 5, 2 * HOUR_MS);
    let later = scene.world.book.lingering[&lingering_member(5)];
    assert!(later.from / HOUR_MS > scene.world.book.lingering.len() as u64);
    assert_eq!(scene.end_all(), [Reply::TooEarly, Reply::TooEarly]);
    scene.arrive(3, 5);
    scene.elapse_all();
    scene.end_all();
    assert_eq!(scene.facts(), [""; 0]);
    assert_eq!(scene.heard(), "#0#1#0#1");
    scene.leave(3, 5, 0);
    scene.count(3, 0, 0);
    assert_eq!(scene.facts(), ["removed", "vacated"]);
    assert!(scene.world.book.channels.is_empty());
}

/// The first answer may be lost, and with it the news that the engine had forgotten everything.
#[test]
fn j10_flush_is_noticed_though_the_first_answer_after_it_is_lost() {
    let mut scene = Scene::with(1);
    assert_eq!(scene.admit(1, Some(1)), Reply::Here);
    scene.world.flush();
    assert_eq!(scene.admit(1, Some(1)), Reply::New);
    assert_eq!(scene.admit(1, Some(1)), Reply::New);
    assert_eq!(scene.admit(1, Some(2)), Reply::Here);
}

#[test]
fn j26_node_that_control_has_forgotten_is_found_in_its_partition() {
    let mut scene = Scene::with(2);
    scene.arrive(1, 5);
    scene.world.forget_control();
    scene.beat(2);
    let listed = scene.world.read_ids("HKEYS", &keys(&node(2), &channel(0)).p);
    assert!(listed.iter().any(|id| id[..] == node(1)));
    scene.reap(1, 5);
    assert_eq!(scene.heard(), "#1+-#0");
}

#[test]
fn j26_node_that_returned_after_a_flush_without_an_announcement_is_found() {
    let mut scene = Scene::with(2);
    scene.world.flush();
    // Its next beat would have announced it, and it dies before.
    scene.join(1, 5);
    let names = keys(&node(1), &channel(0));
    let listed = scene.world.read_ids("HKEYS", &names.p);
    assert_eq!(listed, [&node(1)[..]]);
    assert_eq!(scene.world.read_ids("SMEMBERS", &names.i), [&channel(0)[..]]);
    scene.reap(1, 5);
    assert!(scene.world.book.channels.is_empty());
}

#[test]
fn j28_members_leave_and_the_dead_are_reaped_while_the_memory_is_full() {
    let mut scene = Scene::with(3);
    scene.arrive(1, 5);
    scene.arrive(2, 6);
    scene.world.set_starved(true);
    assert_eq!(scene.try_run(3, &join_verb(3, 7, *b"info one", 0)), None);
    scene.leave(1, 5, 0);
    scene.count(1, 0, 0);
    scene.reap(2, 6);
    assert_eq!(scene.beat(1), Reply::Here);
    assert!(scene.world.book.channels.is_empty());
    scene.world.set_starved(false);
    scene.arrive(3, 7);
}

#[test]
fn j28_channel_is_opened_while_the_memory_is_full() {
    let mut scene = Scene::with(1);
    scene.arrive(1, 5);
    scene.last("event", 1);
    let mark = |snapshot| Mark { channel: channel(0), snapshot };
    let before = scene.world.engine.snapshot(&channel(0), mark(1));
    assert_eq!((before.members.len(), before.last_event.is_some()), (1, true));
    scene.world.set_starved(true);
    assert_eq!(scene.world.engine.snapshot(&channel(0), mark(2)), before);
    let vacant = scene.world.engine.snapshot(&channel(1), mark(3));
    assert_eq!(vacant, Snapshot::default());
}
