//! Faults of early drafts (`je`) and interleavings of two or more nodes (`ji`), each by its row in
//! docs/internals/cluster.md.

use super::{
    names::{channel, keys, node, total, user},
    scene::{HOUR_MS, Scene, count_verb, join_verb, leave_verb, lingering_member, vacant_channel},
    world::ANY,
};
use crate::cluster::redis::{
    refusals::Refusal,
    replies::Reply,
    verbs::{Fence, Verb},
};

#[test]
fn je04_promoted_copy_gives_no_number_again() {
    let mut scene = Scene::with(1);
    scene.arrive(1, 5);
    scene.world.save();
    let Reply::First { number } = scene.join(1, 6) else { panic!("a member") };
    assert!(scene.world.fail_over(false));
    // Its clock is behind, so that time alone would not do.
    let known = number + 3_600_000_000;
    assert_eq!(scene.floor(1, "run 1", "run 2", known), known + 1);
    assert_eq!(scene.floor(1, "run 2", "run 2", known + 9), known + 1, "a mere reconnection");
    assert_eq!(scene.floor(2, "run 1", "run 2", known + 9), known + 10, "who knows of more");
    assert_eq!(scene.join(1, 6), Reply::First { number: known + 10 });
    assert_eq!(scene.join(1, 7), Reply::First { number: known + 11 });
}

#[test]
fn je07_numbers_beyond_exact_doubles_are_refused_and_others_keep_all_digits() {
    let mut scene = Scene::with(1);
    let Reply::First { number } = scene.arrive(1, 5) else { panic!("a member") };
    assert!(number > 1_700_000_000_000_000, "microseconds: {number}");
    let verb = Verb::Floor { came_from: "".into(), run: "run 9".into(), known: (1 << 53) - 1 };
    let command = verb.command(&scene.world.engine.scripts, &keys(&node(1), &channel(0)));
    let answer = scene.world.engine.talk(&command).expect("an answer");
    assert_eq!(verb.parse(&answer), Ok(Reply::ClockBeyondRange));
    scene.world.compare();
}

#[test]
fn je08_script_that_is_refused_tells_nobody() {
    let mut scene = Scene::with(1);
    scene.world.engine.administer(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    let verb = join_verb(1, 5, *b"info one", 0);
    let refusal = scene.world.engine.run(&verb, &node(1), &channel(0)).expect_err("no replica");
    assert_eq!(refusal, Refusal::Away);
    assert!(scene.world.engine.heard().is_empty());
    scene.world.compare();
    scene.world.engine.administer(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    assert!(matches!(scene.join(1, 5), Reply::First { .. }));
}

#[test]
fn je09_announcement_proves_that_a_master_takes_writes() {
    let mut scene = Scene::with(1);
    // A replica of nobody: its master does not answer.
    scene.world.engine.administer(&["REPLICAOF", "127.0.0.1", "1"]);
    let verb = Verb::Admit { node: node(1), known: Some(1), announcement: 2 };
    let refusal = scene.world.engine.run(&verb, &node(1), &ANY).expect_err("a replica");
    assert_eq!(refusal, Refusal::Away);
    scene.world.engine.administer(&["REPLICAOF", "NO", "ONE"]);
    assert_eq!(scene.run(1, &verb), Reply::Here);
}

#[test]
fn je11_channel_that_nobody_returns_to_is_vacated_once_and_gone() {
    let mut scene = Scene::with(2);
    scene.arrive(1, 5);
    scene.drain(1, 5, HOUR_MS);
    assert_eq!(scene.end_all(), [Reply::TooEarly, Reply::TooEarly]);
    scene.elapse_all();
    assert!(scene.end_all().iter().all(|reply| matches!(reply, Reply::Ended { .. })));
    assert_eq!(scene.facts(), ["occupied", "added", "total", "vacated", "removed"]);
    assert_eq!(scene.world.end(&vacant_channel(), 0), Some(Reply::AlreadyEnded));
    assert_eq!(scene.world.end(&lingering_member(5), 0), Some(Reply::AlreadyEnded));
    assert!(scene.world.book.channels.is_empty());
}

#[test]
fn je11_channel_without_members_lingers_too() {
    let mut scene = Scene::with(2);
    scene.count(1, 3, 0);
    scene.count(1, 0, HOUR_MS);
    assert_eq!(scene.world.end(&vacant_channel(), 0), Some(Reply::TooEarly));
    scene.count(2, 1, 0);
    assert_eq!(scene.world.end(&vacant_channel(), 0), Some(Reply::AlreadyEnded));
    assert_eq!(scene.facts(), ["occupied"]);
    scene.count(2, 0, 0);
    assert_eq!(scene.facts(), ["vacated"]);
    assert!(scene.world.book.channels.is_empty());
}

#[test]
fn je11_questions_about_a_vacant_channel_do_not_make_it() {
    let mut scene = Scene::with(1);
    assert_eq!(scene.leave(1, 5, 0), Reply::NotThere { number: 0 });
    assert_eq!(scene.count(1, 0, 0), Reply::Counted { total: 0, due_ms: 0 });
    assert_eq!(scene.run(1, &Verb::Renew { number: 0, blob: "x".into() }), Reply::NotRenewed);
    assert!(scene.world.book.channels.is_empty());
}

#[test]
fn je11_member_who_returns_with_other_info_is_removed_and_added() {
    let mut scene = Scene::with(3);
    scene.arrive(1, 5);
    scene.drain(1, 5, HOUR_MS);
    scene.heard();
    scene.count(2, 1, 0);
    let Reply::First { .. } = scene.run(2, &join_verb(2, 5, *b"info two", 0)) else {
        panic!("another record")
    };
    assert_eq!(scene.heard(), "#1-+");
    assert_eq!(scene.facts(), ["occupied", "added", "removed", "added"]);
    // Another node has the member: its info stays.
    scene.count(3, 1, 0);
    let reply = scene.run(3, &join_verb(3, 5, *b"info one", 0));
    assert!(matches!(reply, Reply::More { .. }), "{reply:?}");
}

#[test]
fn j_totals_are_written_between_occupied_and_vacated() {
    let mut scene = Scene::with(2);
    let count = |at, count, linger_ms| match count_verb(at, count, linger_ms, Fence::Heeded) {
        Verb::Count { fence, node, channel, count, name, occupied, vacated, log, .. } => {
            let total = Some(total(&channel));
            Verb::Count {
                fence,
                node,
                channel,
                count,
                name,
                occupied,
                vacated,
                total,
                linger_ms,
                log,
            }
        }
        other => other,
    };
    for (at, subscribers) in [(1, 2), (2, 1), (1, 0), (2, 0)] {
        scene.run(at, &count(at, subscribers, 0));
    }
    assert_eq!(
        scene.written(),
        ["occupied", "total 2", "total 3", "total 1", "total 0", "vacated"]
    );
    // Who returns in time was never gone, and a total of 0 is told with the end.
    scene.run(1, &count(1, 1, 0));
    scene.run(1, &count(1, 0, HOUR_MS));
    scene.run(2, &count(2, 1, 0));
    scene.run(2, &count(2, 0, HOUR_MS));
    assert_eq!(scene.written(), ["occupied", "total 1", "total 1"]);
    scene.elapse_all();
    scene.end_all();
    assert_eq!(scene.written(), ["total 0", "vacated"]);
}

#[test]
fn j_cache_miss_is_written_once_until_the_channel_keeps_an_event_or_is_empty() {
    let mut scene = Scene::with(2);
    let miss = Verb::Fact { fact: "noted".into(), is_miss: true };
    scene.count(1, 1, 0);
    scene.count(2, 1, 0);
    assert_eq!(scene.run(1, &miss), Reply::Written);
    assert_eq!(scene.run(2, &miss), Reply::AlreadyTold);
    scene.last("event", 1_000);
    scene.world.expire(&channel(0));
    assert_eq!(scene.run(2, &miss), Reply::Written, "a new miss");
    scene.count(1, 0, 0);
    assert_eq!(scene.run(2, &miss), Reply::AlreadyTold);
    scene.count(2, 0, 0);
    scene.end_all();
    scene.count(2, 1, 0);
    assert_eq!(scene.run(2, &miss), Reply::Written, "all had left");
}

#[test]
fn je13_totals_above_100_are_told_every_five_seconds() {
    let mut scene = Scene::with(2);
    scene.count(1, 100, 0);
    scene.world.elapse_total(&channel(0));
    assert_eq!(scene.count(2, 1, 0), Reply::Counted { total: 101, due_ms: 0 });
    // It was told a moment ago: the model refuses another total, unless five seconds have passed.
    scene.count(2, 2, 0);
    scene.world.elapse_total(&channel(0));
    assert_eq!(scene.count(2, 2, 0), Reply::Counted { total: 102, due_ms: 0 }, "asked again");
    assert_eq!(scene.heard(), "#100#101#102");
}

#[test]
fn je17_older_last_event_is_told_but_not_kept() {
    let mut scene = Scene::with(1);
    let Reply::Stored { number } = scene.last("new", 2_000) else { panic!("stored") };
    assert_eq!(scene.last("old", 1_000), Reply::Older { number });
    assert_eq!(scene.last("new", 2_000), Reply::AlreadyStored { number });
    let Reply::Stored { number: next } = scene.last("same time", 2_000) else { panic!("stored") };
    assert!(next > number);
    assert_eq!(scene.heard(), "*=*");
    let renew = |number| Verb::Renew { number, blob: "\u{1}sealed anew".into() };
    assert_eq!(scene.run(1, &renew(number)), Reply::NotRenewed);
    assert_eq!(scene.run(1, &renew(next)), Reply::Renewed);
    assert_eq!(scene.heard(), "");
    scene.world.expire(&channel(0));
    scene.end_all();
    assert!(scene.world.book.channels.is_empty(), "a vacant channel goes with its last event");
}

#[test]
fn je20_member_who_was_answered_joins_a_full_channel() {
    let mut scene = Scene::with(2);
    scene.arrive(1, 5);
    let Reply::Full { .. } = scene.run(1, &join_verb(1, 6, *b"info one", 1)) else {
        panic!("full")
    };
    // The limit counts members, and this one is there.
    let reply = scene.run(2, &join_verb(2, 5, *b"info one", 1));
    assert!(matches!(reply, Reply::More { .. }), "{reply:?}");
    let reply = scene.run(2, &join_verb(2, 6, *b"info one", 0));
    assert!(matches!(reply, Reply::First { .. }), "{reply:?}");
}

#[test]
fn ji15_two_reapers_that_both_finish_remove_once() {
    let mut scene = Scene::with(1);
    scene.arrive(1, 5);
    for _ in 0..2 {
        scene.bury(1);
    }
    for _ in 0..2 {
        scene.run(1, &leave_verb(1, 5, 0, Fence::Passed));
    }
    for _ in 0..2 {
        scene.run(1, &count_verb(1, 0, 0, Fence::Passed));
    }
    for _ in 0..2 {
        assert_eq!(scene.run(1, &Verb::Retire { node: node(1) }), Reply::Retired);
    }
    assert_eq!(scene.heard(), "#1+-#0");
}

#[test]
fn ji20_member_back_during_lingering_whose_node_dies_is_removed_at_its_end() {
    let mut scene = Scene::with(2);
    scene.arrive(1, 5);
    scene.drain(1, 5, HOUR_MS);
    scene.arrive(2, 5);
    scene.heard();
    scene.reap(2, 5);
    assert_eq!(scene.heard(), "#0");
    scene.elapse_all();
    scene.end_all();
    assert_eq!(scene.heard(), "-");
    assert!(scene.world.book.channels.is_empty());
}

#[test]
fn leave_that_arrives_behind_the_last_count_leaves_no_ghost() {
    let mut scene = Scene::with(1);
    scene.arrive(1, 5);
    scene.count(1, 0, 0);
    // The node dies here: the list still has the channel, for the member's sake.
    let names = keys(&node(1), &channel(0));
    let listed = scene.world.read_ids("SMEMBERS", &names.i);
    assert!(listed.iter().any(|id| id[..] == channel(0)), "{listed:?}");
    let reply = scene.run(1, &Verb::Retire { node: node(1) });
    assert_eq!(reply, Reply::NotRetired { channels: 1 });
    scene.reap(1, 5);
    assert!(scene.world.book.members(&channel(0)).is_empty(), "{:?}", user(5));
}
