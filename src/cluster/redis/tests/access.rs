//! The rights of the Redis user that the documents describe, snapshots beside writers, and owners.

use bytes::Bytes;

use super::{
    engine::ACL,
    names::{channel, keys, node, user},
    scene::{HOUR_MS, Scene, count_verb, join_verb, leave_verb},
    server::ask,
    world::ANY,
};
use crate::cluster::redis::{
    control::ControlVerb,
    facts::{FACT_GROUP, FactsAfter, TakeFacts, TakenFacts},
    messages::{Mark, TopicMessage},
    refusals::Refusal,
    replies::Reply,
    scripts::{Script, Scripts},
    verbs::{Fence, Verb},
};

/// `TestEngine` talks and listens as that user, in this and in all other tests.
#[test]
fn j29_user_of_the_documents_runs_all_scripts_and_snapshots() {
    let mut scene = Scene::with(2);
    scene.arrive(1, 5);
    scene.last("event", 1);
    scene.run(1, &Verb::Fact { fact: "noted".into(), is_miss: true });
    scene.drain(1, 5, HOUR_MS);
    scene.elapse_all();
    scene.end_all();
    scene.run(1, &Verb::Renew { number: 1, blob: "x".into() });
    scene.bury(1);
    owners_acknowledge_facts(&mut scene);
    let seen = scene.world.control.nodes[&node(1)].clone();
    let (dead, claimer) = (node(1), node(2));
    let claim = ControlVerb::Claim { node: dead, seen, claimer };
    assert_eq!(scene.world.control(&claim, 0), Reply::Claimed);
    assert_eq!(scene.beat(1), Reply::Dying);
    let forget = ControlVerb::Forget { node: dead, slot: 1, claimer };
    assert_eq!(scene.world.control(&forget, 0), Reply::Forgotten);
    scene.world.engine.snapshot(&channel(0), Mark { channel: channel(0), snapshot: 1 });
    scene.world.set_starved(true);
    scene.world.engine.snapshot(&channel(0), Mark { channel: channel(0), snapshot: 2 });
    let ran: Vec<_> = scene.world.verbs.keys().copied().collect();
    let missing: Vec<_> = Script::ALL.into_iter().filter(|it| !ran.contains(it)).collect();
    // Those ran as well, and are not part of the model. Those of logs run as the same user (`log`).
    let (facts, logs) =
        ([Script::Ack, Script::Take, Script::Mark], [Script::Append, Script::Clear, Script::Read]);
    assert_eq!(missing, [&facts[..], &logs, &[Script::Snapshot]].concat());
}

#[test]
fn j29_rights_of_the_documents_are_those_of_the_tests() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cluster.md");
    let text = std::fs::read_to_string(path).expect("the document");
    let mut rules = text.lines().filter_map(|line| line.strip_prefix("ACL SETUSER sealcast "));
    let rule = rules.next().expect("a rule").strip_prefix("on >PASSWORD ");
    assert_eq!(rule, Some(&*ACL.replace("SC1", "sealcast")));
    assert_eq!(rules.next(), None, "one rule");
}

#[test]
fn j29_user_of_the_documents_has_the_rights_of_a_connection_and_no_more() {
    let scene = Scene::with(0);
    let mut connection = scene.world.engine.connect_as_node();
    let mut answer = |line: &str| {
        let mut words = line.split(' ');
        let mut command = redis::cmd(words.next().expect("a command"));
        words.for_each(|word| {
            command.arg(word);
        });
        ask(&mut connection, &command).err().map(|error| Refusal::of_error(&error))
    };
    for allowed in
        ["PING", "INFO replication", "ROLE", "TIME", "HELLO 3", "CLIENT SETNAME sealcast"]
    {
        assert_eq!(answer(allowed), None, "{allowed}");
    }
    // Without a cluster Redis refuses them for another reason than the rights.
    for allowed in ["CLUSTER SLOTS", "CLUSTER SHARDS", "CLUSTER MYID"] {
        assert_ne!(answer(allowed), Some(Some(Refusal::Forbidden)), "{allowed}");
    }
    for forbidden in [
        "FLUSHALL",
        "FLUSHDB",
        "KEYS *",
        "SCRIPT FLUSH",
        "FUNCTION LIST",
        "CLIENT KILL 127.0.0.1:1",
        "CONFIG GET *",
        "ACL LIST",
        "SHUTDOWN",
        "GET other",
        "SPUBLISH other x",
        "SSUBSCRIBE other",
    ] {
        assert_eq!(answer(forbidden), Some(Some(Refusal::Forbidden)), "{forbidden}");
    }
}

/// The owner reads facts under one name.
fn owners_acknowledge_facts(scene: &mut Scene) {
    let own = |token: &'static str, lease_ms| Verb::Own { token: token.into(), lease_ms };
    assert_eq!(scene.run(1, &own("first", HOUR_MS)), Reply::Owner);
    assert_eq!(scene.run(1, &own("second", HOUR_MS)), Reply::OwnedByOther);
    let names = keys(&node(1), &channel(0));
    let scripts = Scripts::new();
    let mut take = |token: &'static str, after| {
        let take = TakeFacts { token: token.into(), after, most: 2 };
        let answer = scene.world.engine.talk(&take.command(&scripts, &names));
        TakenFacts::parse(answer.expect("an answer")).expect("facts")
    };
    assert_eq!(take("second", FactsAfter::New), TakenFacts::OwnedByOther);
    let taken = take("first", FactsAfter::New);
    // What nobody acknowledged is there for the next owner.
    assert_eq!(take("first", FactsAfter::Unacknowledged(None)), taken);
    let TakenFacts::Facts(page) = taken else { panic!("{taken:?}") };
    let ids: Vec<_> = page.facts.into_iter().map(|fact| fact.id).collect();
    assert_eq!(ids.len(), 2);
    let mut acknowledge = |token: &'static str| {
        let (token, group) = (Bytes::from(token), Bytes::from(FACT_GROUP));
        let verb = Verb::Ack { token, group, entries: ids.clone() };
        let answer = scene.world.engine.talk(&verb.command(&scripts, &names));
        verb.parse(&answer.expect("an answer"))
    };
    assert_eq!(acknowledge("second"), Ok(Reply::OwnedByOther));
    assert_eq!(acknowledge("first"), Ok(Reply::Acknowledged { entries: 2 }));
    assert_eq!(acknowledge("first"), Ok(Reply::Acknowledged { entries: 0 }));
}

#[test]
fn ju13_owner_that_was_replaced_acknowledges_nothing() {
    let mut scene = Scene::with(1);
    scene.arrive(1, 5);
    owners_acknowledge_facts(&mut scene);
}

#[test]
fn queue_without_facts_leaves_no_key_and_begins_anew() {
    let mut scene = Scene::with(1);
    let names = keys(&node(1), &channel(0));
    let (scripts, token) = (Scripts::new(), Bytes::from("owner"));
    scene.run(1, &Verb::Own { token: token.clone(), lease_ms: HOUR_MS });
    for round in 0..2 {
        let fact = Bytes::from(format!("fact {round}"));
        let write = Verb::Fact { fact: fact.clone(), is_miss: false };
        scene.world.engine.talk(&write.command(&scripts, &names)).expect("an answer");
        let take = TakeFacts { token: token.clone(), after: FactsAfter::New, most: 9 };
        let answer = scene.world.engine.talk(&take.command(&scripts, &names)).expect("facts");
        let taken = TakenFacts::parse(answer).expect("facts");
        let TakenFacts::Facts(page) = taken else { panic!("{taken:?}") };
        assert_eq!(page.facts[0].fact, Some(fact));
        let entries = vec![page.facts[0].id.clone()];
        let verb = Verb::Ack { token: token.clone(), group: FACT_GROUP.into(), entries };
        let answer = scene.world.engine.talk(&verb.command(&scripts, &names)).expect("an answer");
        assert_eq!(verb.parse(&answer), Ok(Reply::Acknowledged { entries: 1 }));
        let contents = scene.world.engine.contents();
        assert!(!contents.contains_key(&names.w[..]), "{contents:?}");
    }
}

/// Writers go on beside the reader. What it hears before its mark is in the snapshot, and the first
/// message behind it names the snapshot's number.
#[test]
fn j01_snapshot_stands_exactly_at_its_mark_among_joins() {
    let mut scene = Scene::with(1);
    scene.count(1, 1, 0);
    let writer = std::thread::spawn({
        let mut connection = scene.world.engine.connect_as_node();
        move || {
            let (scripts, names) = (Scripts::new(), keys(&node(1), &channel(0)));
            for at in 0..400 {
                let join = join_verb(1, at % 7, *b"info one", 0);
                let leave = leave_verb(1, (at + 3) % 7, 0, Fence::Heeded);
                for verb in [join, leave] {
                    let answer = ask(&mut connection, &verb.command(&scripts, &names));
                    verb.parse(&answer.expect("an answer")).expect("a reply");
                }
            }
        }
    });
    let mut snapshots = 0;
    while !writer.is_finished() || snapshots < 20 {
        let mark = Mark { channel: channel(0), snapshot: snapshots };
        let (before, snapshot, after) =
            scene.world.engine.snapshot_among_messages(&channel(0), mark);
        if let Some(number) = before.iter().rev().find_map(number_of) {
            assert_eq!(number, snapshot.number);
        }
        if let Some(TopicMessage::Numbered(message)) = after.first() {
            assert_eq!(message.predecessor, snapshot.number);
        }
        snapshots += 1;
    }
    writer.join().expect("the writer");
    let last = Mark { channel: channel(0), snapshot: snapshots };
    let (_, snapshot, _) = scene.world.engine.snapshot_among_messages(&channel(0), last);
    assert!(snapshot.members.iter().all(|held| (0..7).any(|at| held.member == user(at))));
    let read = count_verb(1, 1, 0, Fence::Heeded);
    assert!(scene.world.engine.run(&read, &node(1), &ANY).is_ok());
}

fn number_of(message: &TopicMessage) -> Option<u64> {
    match message {
        TopicMessage::Numbered(message) => Some(message.number),
        _ => None,
    }
}
