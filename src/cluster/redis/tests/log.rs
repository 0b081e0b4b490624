//! The log of a channel: one story each.

use super::{
    names::{channel, keys, node},
    scene::{HOUR_MS, Scene, count_verb},
};
use crate::cluster::redis::{
    lingering::{Lingering, LingeringKind},
    log::{LogBounds, LogCondition, LogLife, LogPart, LogQuery},
    messages::{Mark, NumberedKind, TopicMessage},
    replies::Reply,
    snapshot::Snapshot,
    verbs::{Fence, Notice, Verb},
};

const LIFE: LogLife = LogLife { idle_ms: HOUR_MS, vacant_ms: HOUR_MS };
const BOUNDS: LogBounds = LogBounds { events: 10, bytes: 1 << 20, ttl_ms: HOUR_MS };

/// The engine alone: the model of the partition knows no logs.
struct LogScene {
    scene: Scene,
    counter: u64,
}

impl LogScene {
    fn start() -> Self {
        Self { scene: Scene::with(1), counter: 0 }
    }

    fn run(&mut self, verb: &Verb) -> (Reply, Vec<TopicMessage>) {
        let observed = self.scene.world.engine.run(verb, &node(1), &channel(0));
        let observed = observed.expect("the engine has room");
        (observed.reply, observed.messages)
    }

    fn append_verb(&mut self, blob: &str, bounds: LogBounds) -> Verb {
        self.counter += 1;
        Verb::Append {
            node: node(1),
            channel: channel(0),
            counter: self.counter,
            blob: format!("\u{1}{blob}").into(),
            sent_ms: self.counter,
            keep_ms: 0,
            bounds,
            life: LIFE,
            condition: LogCondition::None,
        }
    }

    fn append(&mut self, blob: &str) -> u64 {
        self.append_within(blob, BOUNDS)
    }

    fn append_within(&mut self, blob: &str, bounds: LogBounds) -> u64 {
        let verb = self.append_verb(blob, bounds);
        match self.run(&verb).0 {
            Reply::Appended { number } => number,
            other => panic!("{other:?}"),
        }
    }

    fn count(&mut self, count: u32) {
        let verb = match count_verb(1, count, 0, Fence::Heeded) {
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
                ..
            } => Verb::Count {
                fence,
                node,
                channel,
                count,
                name,
                occupied,
                vacated,
                total,
                linger_ms,
                log: Some(LIFE),
            },
            other => other,
        };
        self.run(&verb);
    }

    fn read(&mut self, after: Option<u64>) -> LogPart {
        self.query(&LogQuery { after, ..query() })
    }

    fn query(&mut self, query: &LogQuery) -> LogPart {
        let engine = &mut self.scene.world.engine;
        let command = query.command(&engine.scripts, &keys(&node(1), &channel(0)));
        LogPart::parse(engine.talk(&command).expect("an answer")).expect("a log")
    }

    fn numbers(&mut self, after: Option<u64>) -> Vec<u64> {
        self.read(after).entries.iter().map(|entry| entry.number).collect()
    }

    fn end_log(&mut self) -> Reply {
        let lingering = Lingering { channel: channel(0), kind: LingeringKind::Log };
        let key = keys(&node(1), &channel(0)).g;
        let mut due = redis::cmd("ZADD");
        due.arg(&key[..]).arg("XX").arg(0).arg([b"h", &channel(0)[..]].concat());
        self.scene.world.engine.ask_admin(&due);
        let ended = Notice { blob: Default::default(), fact: None };
        self.run(&Verb::End { lingering, ended, total: None }).0
    }

    fn state(&mut self) -> bool {
        self.exists(&keys(&node(1), &channel(0)).c)
    }

    fn exists(&mut self, key: &[u8]) -> bool {
        let mut exists = redis::cmd("EXISTS");
        self.scene.world.engine.ask_admin(exists.arg(key)) == redis::Value::Int(1)
    }
}

fn query() -> LogQuery {
    LogQuery {
        after: None,
        before: None,
        newest_first: false,
        limit: 100,
        bytes: 1 << 20,
        ttl_ms: HOUR_MS,
        not_before: 0,
    }
}

#[test]
fn j_readers_from_before_the_first_event_resume() {
    let mut scene = LogScene::start();
    scene.count(1);
    let beginning = scene.read(None).head.newest.expect("a log");
    assert_eq!(scene.read(Some(beginning)).head.believes_after, Some(true));
    let first = scene.append("a");
    let part = scene.read(Some(beginning));
    assert_eq!(part.head.believes_after, Some(true));
    assert_eq!((part.entries[0].number, part.entries[0].previous), (first, beginning));
    // Nobody has a position of a log that is not there.
    assert_eq!(scene.read(Some(0)).head.believes_after, Some(false));
}

#[test]
fn j_logged_event_is_told_with_its_predecessors_and_may_be_the_last_one() {
    let mut scene = LogScene::start();
    let first = scene.append("a");
    let verb = match scene.append_verb("b", BOUNDS) {
        Verb::Append { node, channel, counter, blob, sent_ms, bounds, life, condition, .. } => {
            let keep_ms = HOUR_MS;
            Verb::Append { node, channel, counter, blob, sent_ms, keep_ms, bounds, life, condition }
        }
        other => other,
    };
    let (reply, messages) = scene.run(&verb);
    let [TopicMessage::Numbered(message)] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!(reply, Reply::Appended { number: message.number });
    assert_eq!((message.predecessor, message.logged_before), (first, first));
    assert_eq!((message.kind, &message.blob[..]), (NumberedKind::LoggedLast, &b"\x01b"[..]));
    let mark = Mark { channel: channel(0), snapshot: 1 };
    let snapshot = scene.scene.world.engine.snapshot(&channel(0), mark);
    assert_eq!(snapshot.last_event.map(|last| last.number), Some(message.number));
    assert_eq!(snapshot.log.newest, message.number);
}

#[test]
fn j_bounds_of_number_and_bytes_evict_the_oldest() {
    let mut scene = LogScene::start();
    let few = LogBounds { events: 3, ..BOUNDS };
    let numbers: Vec<u64> = (0..5).map(|_| scene.append_within("x", few)).collect();
    assert_eq!(scene.numbers(None), numbers[2..]);
    assert_eq!(scene.read(None).head.evicted, numbers[1]);
    assert_eq!(scene.read(Some(numbers[1])).head.believes_after, Some(true));
    assert_eq!(scene.read(Some(numbers[0])).head.believes_after, Some(false));
    let small = LogBounds { bytes: 250, ..BOUNDS };
    let last = scene.append_within(&"y".repeat(100), small);
    assert_eq!(scene.numbers(None), [last]);
    // Above the bound: it takes its number, and is kept out with all before it.
    let large = scene.append_within(&"z".repeat(200), small);
    let part = scene.read(None);
    assert_eq!((part.entries.len(), part.head.newest, part.head.evicted), (0, Some(large), large));
    assert_eq!(scene.read(Some(last)).head.believes_after, Some(false));
    assert_eq!(scene.read(Some(large)).head.believes_after, Some(true));
}

#[test]
fn j_expired_events_are_not_read_and_leave_with_the_next_one() {
    let mut scene = LogScene::start();
    let (first, second) = (scene.append("a"), scene.append("b"));
    std::thread::sleep(std::time::Duration::from_millis(3));
    let expired = LogQuery { ttl_ms: 1, ..query() };
    assert!(scene.query(&expired).entries.is_empty());
    let at_end = scene.query(&LogQuery { after: Some(second), ..expired });
    assert_eq!(at_end.head.believes_after, Some(true), "at the end nothing is missing");
    let before = scene.query(&LogQuery { after: Some(first), ..expired });
    assert_eq!(before.head.believes_after, Some(false));
    let third = scene.append_within("c", LogBounds { ttl_ms: 1, ..BOUNDS });
    assert_eq!(scene.numbers(None), [third]);
    assert_eq!(scene.read(None).head.evicted, 0);
}

#[test]
fn j_pages_go_in_both_directions_and_stop_at_their_bounds() {
    let mut scene = LogScene::start();
    let numbers: Vec<u64> = (0..6).map(|at| scene.append(&format!("event {at}"))).collect();
    let mut page = |query: LogQuery| {
        let part = scene.query(&query);
        let found: Vec<u64> = part.entries.iter().map(|entry| entry.number).collect();
        (found, part.head.more)
    };
    let all = query();
    assert_eq!(page(LogQuery { limit: 2, ..all }), (numbers[..2].to_vec(), true));
    let rest = LogQuery { after: Some(numbers[1]), ..all };
    assert_eq!(page(rest), (numbers[2..].to_vec(), false));
    let newest = LogQuery { newest_first: true, limit: 2, ..all };
    assert_eq!(page(newest), (vec![numbers[5], numbers[4]], true));
    let before = LogQuery { before: Some(numbers[4]), limit: 9, ..newest };
    assert_eq!(page(before), (numbers[..4].iter().rev().copied().collect(), false));
    assert_eq!(page(LogQuery { bytes: 20, ..all }), (numbers[..2].to_vec(), true));
    assert_eq!(page(LogQuery { bytes: 1, ..all }), (numbers[..1].to_vec(), true));
    let strange = LogQuery { before: Some(numbers[4] + 1), ..all };
    assert_eq!(page(strange), (vec![], false));
    let part = scene.query(&LogQuery { not_before: numbers[2], ..query() });
    assert!(part.head.hides && part.entries.len() == 4);
}

#[test]
fn j_log_ends_with_its_time_and_takes_its_state_along() {
    let mut scene = LogScene::start();
    scene.count(1);
    let number = scene.append("a");
    // While there are subscribers, their positions stay.
    assert!(matches!(scene.end_log(), Reply::Returned { .. }));
    assert!(scene.numbers(None).is_empty());
    assert_eq!(scene.read(Some(number)).head.believes_after, Some(true));
    let next = scene.append("b");
    assert_eq!(scene.numbers(Some(number)), [next]);
    scene.count(0);
    assert!(scene.state(), "the log keeps it");
    assert_eq!(scene.numbers(Some(number)), [next]);
    scene.end_log();
    assert!(!scene.state(), "nothing is left of the channel");
    assert_eq!(scene.read(Some(next)).head.newest, None);
    // A new life begins above the floor and above the clock.
    assert!(scene.append("c") > next);
    assert_eq!(scene.read(Some(next)).head.believes_after, Some(false));
}

#[test]
fn j_script_and_transaction_bring_what_was_missed() {
    let mut scene = LogScene::start();
    let numbers: Vec<u64> = (0..4).map(|at| scene.append(&format!("event {at}"))).collect();
    let names = keys(&node(1), &channel(0));
    let mark = Mark { channel: channel(0), snapshot: 7 };
    let engine = &mut scene.scene.world.engine;
    let topic = super::names::mark_topic();
    let after = Some(numbers[1]);
    let command = Snapshot::command_when_full(&engine.scripts, &names, &topic, &mark, after);
    let by_script = Snapshot::parse(vec![engine.talk(&command).expect("a state")]);
    let mut pipeline = redis::Pipeline::new();
    for command in Snapshot::commands(&names, &topic, &mark, after) {
        pipeline.add_command(command);
    }
    let answers = engine.pipelined(&pipeline, 7);
    let by_transaction = Snapshot::parse(answers).expect("a snapshot");
    let missed: Vec<u64> = by_transaction.log.missed.iter().map(|entry| entry.number).collect();
    assert_eq!(missed, numbers[2..]);
    assert_eq!(by_script, Ok(by_transaction));
}

/// Its end, or who finds it dead, takes away what is listed.
#[test]
fn j_node_that_only_publishes_is_listed_and_leaves_nothing() {
    let mut scene = LogScene::start();
    let names = keys(&node(1), &channel(0));
    let clear = |counter| Verb::Clear {
        node: node(1),
        channel: channel(0),
        counter,
        blob: "\u{1}cleared".into(),
    };
    for writes_by_append in [true, false] {
        if writes_by_append {
            scene.append("a");
        } else {
            scene.counter += 1;
            let cleared = clear(scene.counter);
            scene.run(&cleared);
        }
        assert!(scene.exists(&names.p) && scene.exists(&names.e));
        assert_eq!(scene.run(&Verb::Retire { node: node(1) }).0, Reply::Retired);
        assert!(!scene.exists(&names.p) && !scene.exists(&names.e));
    }
}
