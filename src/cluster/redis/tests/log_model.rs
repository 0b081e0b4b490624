//! Random changes of a log by two nodes, over an engine that loses what it has told: with readers at
//! every position that anybody was ever given.
//!
//! A reader that is believed gets all that anybody was told behind its position, in order, once.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    engine::{Observation, TestEngine},
    names::{channel, keys, node},
    random::Random,
    scene::HOUR_MS,
};
use crate::cluster::redis::{
    keys::Keys,
    log::{LogBounds, LogCondition, LogEntry, LogLife, LogPart, LogQuery},
    messages::{NumberedKind, TopicMessage},
    refusals::Refusal,
    replies::Reply,
    verbs::Verb,
};

const STEPS: u64 = 600;
const EVENTS: u32 = 12;
const LIFE: LogLife = LogLife { idle_ms: HOUR_MS, vacant_ms: HOUR_MS };

/// What happened on the channel, as the nodes heard it.
#[derive(Clone, PartialEq, Debug)]
enum Told {
    Event { number: u64, blob: Bytes },
    Cleared { number: u64 },
}

impl Told {
    fn number(&self) -> u64 {
        match self {
            Self::Event { number, .. } | Self::Cleared { number } => *number,
        }
    }
}

struct LogWorld {
    engine: TestEngine,
    random: Random,
    /// Over all lives of the engine.
    told: Vec<Told>,
    /// Where the engine lost what was told: the next that was told has this place.
    losses: Vec<usize>,
    /// The positions that readers have, with the number of what they were told.
    positions: BTreeMap<u64, usize>,
    counters: [u64; 2],
    runs: u64,
    blobs: u64,
    saved: Option<SavedLog>,
    believed: u64,
    gaps: u64,
}

struct SavedLog {
    dump: Vec<(Bytes, Bytes)>,
    told: usize,
}

fn names() -> Keys {
    keys(&node(1), &channel(0))
}

impl LogWorld {
    fn start(seed: u64) -> Self {
        let mut world = Self {
            engine: TestEngine::start(),
            random: Random::new(seed),
            told: Vec::new(),
            losses: Vec::new(),
            positions: BTreeMap::new(),
            counters: [0; 2],
            runs: 0,
            blobs: 0,
            saved: None,
            believed: 0,
            gaps: 0,
        };
        world.other_run();
        world
    }

    fn run(&mut self, verb: &Verb, at: usize) -> Reply {
        let Observation { reply, messages, .. } =
            match self.engine.run(verb, &node(at), &channel(0)) {
                Err(Refusal::ScriptMissing) => {
                    self.engine.load_scripts();
                    return self.run(verb, at);
                }
                observed => observed.expect("the engine has room"),
            };
        messages.into_iter().for_each(|message| self.hear(message));
        reply
    }

    fn hear(&mut self, message: TopicMessage) {
        let TopicMessage::Numbered(message) = message else { return };
        let number = message.number;
        let told = match message.kind {
            NumberedKind::Logged | NumberedKind::LoggedLast => {
                Told::Event { number, blob: message.blob }
            }
            NumberedKind::Cleared => Told::Cleared { number },
            _ => return,
        };
        assert!(self.told.iter().all(|it| it.number() < number), "{number} was told before");
        self.told.push(told);
        self.positions.insert(number, self.told.len());
    }

    /// All nodes come to another master, each with the greatest number that it knows.
    fn other_run(&mut self) {
        let before = Bytes::from(format!("run {}", self.runs));
        self.runs += 1;
        let run = Bytes::from(format!("run {}", self.runs));
        let known = self.told.last().map_or(0, Told::number);
        for at in [1, 2] {
            let (came_from, run) = (before.clone(), run.clone());
            self.run(&Verb::Floor { came_from, run, known }, at);
        }
    }

    fn append(&mut self, condition: LogCondition) -> Reply {
        let at = 1 + self.random.below(2);
        self.counters[at - 1] += 1;
        self.blobs += 1;
        let size = self.random.below(60);
        let blob = format!("\u{1}{}{}", self.blobs, "x".repeat(size));
        let verb = Verb::Append {
            node: node(at),
            channel: channel(0),
            counter: self.counters[at - 1],
            blob: blob.into(),
            sent_ms: self.blobs,
            keep_ms: if self.random.percent(50) { HOUR_MS } else { 0 },
            bounds: LogBounds { events: EVENTS, bytes: 2048, ttl_ms: HOUR_MS },
            life: LIFE,
            condition,
        };
        let reply = self.run(&verb, at);
        // Lost answers: the lane sends the same again.
        for _ in 0..self.random.below(3) {
            assert_eq!(self.run(&verb, at), reply, "the same is done once");
        }
        reply
    }

    fn append_if(&mut self) {
        let newest = self.read(None, None).head.newest;
        let wanted = if self.random.percent(50) { newest } else { Some(7) };
        let condition = wanted.map_or(LogCondition::Never, LogCondition::Newest);
        let before = self.told.len();
        let reply = self.append(condition);
        let holds = wanted.is_some() && wanted == newest;
        assert_eq!(self.told.len() - before, usize::from(holds), "{condition:?} {newest:?}");
        if !holds {
            assert_eq!(reply, Reply::Changed { newest: newest.unwrap_or_default() });
        }
    }

    fn append_if_empty(&mut self) {
        let part = self.read(None, None);
        let has_last = self.exists(&names().l);
        let before = self.told.len();
        self.append(LogCondition::Empty);
        let holds = part.entries.is_empty() && !has_last;
        assert_eq!(self.told.len() - before, usize::from(holds));
    }

    fn clear(&mut self) {
        let at = 1 + self.random.below(2);
        self.counters[at - 1] += 1;
        let counter = self.counters[at - 1];
        let (node, channel) = (node(at), channel(0));
        let verb = Verb::Clear { node, channel, counter, blob: "cleared".into() };
        let reply = self.run(&verb, at);
        assert_eq!(self.run(&verb, at), reply, "a log is cleared once");
    }

    fn read(&mut self, after: Option<u64>, before: Option<u64>) -> LogPart {
        let query = LogQuery {
            after,
            before,
            newest_first: false,
            limit: 1000,
            bytes: 1 << 20,
            ttl_ms: HOUR_MS,
            not_before: 0,
        };
        self.ask(&query)
    }

    fn ask(&mut self, query: &LogQuery) -> LogPart {
        let command = query.command(&self.engine.scripts, &names());
        match self.engine.talk(&command) {
            Ok(answer) => LogPart::parse(answer).expect("a log"),
            Err(_) => {
                self.engine.load_scripts();
                self.ask(query)
            }
        }
    }

    fn exists(&mut self, key: &Bytes) -> bool {
        let mut command = redis::cmd("EXISTS");
        self.engine.ask_admin(command.arg(&key[..])) == redis::Value::Int(1)
    }

    fn save(&mut self) {
        let keys = self.engine.ask_admin(redis::cmd("KEYS").arg("*"));
        let keys: Vec<Bytes> = redis::from_redis_value(keys).expect("names");
        let dump = |key: &Bytes| {
            let held = self.engine.ask_admin(redis::cmd("DUMP").arg(&key[..]));
            (key.clone(), redis::from_redis_value(held).expect("a value"))
        };
        let dump = keys.iter().map(dump).collect();
        self.saved = Some(SavedLog { dump, told: self.told.len() });
    }

    /// An older copy takes over.
    fn restore(&mut self) {
        let Some(SavedLog { dump, told }) = self.saved.take() else { return };
        self.engine.administer(&["FLUSHALL"]);
        for (key, held) in &dump {
            let mut restore = redis::cmd("RESTORE");
            self.engine.ask_admin(restore.arg(&key[..]).arg(0).arg(&held[..]));
        }
        if told < self.told.len() {
            self.losses.push(self.told.len());
        }
        self.other_run();
    }

    fn flush(&mut self) {
        self.engine.administer(&["FLUSHALL"]);
        self.engine.administer(&["SCRIPT", "FLUSH"]);
        self.saved = None;
        self.losses.push(self.told.len());
        self.other_run();
    }

    /// Every position that a reader could show.
    fn check_readers(&mut self) {
        for (position, told) in self.positions.clone() {
            let part = self.read(Some(position), None);
            if part.head.believes_after == Some(false) {
                self.gaps += 1;
                continue;
            }
            self.believed += 1;
            let missed: Vec<_> = self.told[told..].to_vec();
            let found = part.entries.iter().map(|LogEntry { number, blob, .. }| Told::Event {
                number: *number,
                blob: blob.clone(),
            });
            assert_eq!(found.collect::<Vec<_>>(), missed, "behind {position}");
            let is_before_loss = self.losses.iter().any(|loss| told <= *loss);
            assert!(!is_before_loss, "{position} is from before a loss");
        }
        // What nobody was given is nobody's.
        let strange = self.told.last().map_or(1, |it| it.number() + 1);
        assert_eq!(self.read(Some(strange), None).head.believes_after, Some(false));
    }

    fn check_log(&mut self) {
        let part = self.read(None, None);
        assert!(part.entries.len() <= EVENTS as usize);
        let chain = part.entries.windows(2).all(|pair| pair[0].number == pair[1].previous);
        assert!(chain, "{:?}", part.entries);
        let cost = |entry: &LogEntry| entry.blob.len() as u64 + 96;
        let bytes: u64 = part.entries.iter().map(cost).sum();
        let mut command = redis::cmd("HGET");
        let held = self.engine.ask_admin(command.arg(&names().c[..]).arg("hb"));
        let held: Option<u64> = redis::from_redis_value(held).expect("a number");
        assert_eq!(held.unwrap_or_default(), bytes);
        assert!(bytes <= 2048);
        let newest_first = LogQuery {
            after: None,
            before: None,
            newest_first: true,
            limit: 5,
            bytes: 1 << 20,
            ttl_ms: HOUR_MS,
            not_before: 0,
        };
        let newest: Vec<_> = self.ask(&newest_first).entries;
        let expected: Vec<_> = part.entries.iter().rev().take(5).cloned().collect();
        assert_eq!(newest, expected);
    }
}

#[test]
fn believed_readers_miss_nothing_and_get_nothing_twice() {
    let mut world = LogWorld::start(3);
    for step in 0..STEPS {
        match world.random.below(100) {
            0..60 => drop(world.append(LogCondition::None)),
            60..72 => world.append_if(),
            72..80 => world.append_if_empty(),
            80..84 => world.clear(),
            84..89 => world.save(),
            89..94 => world.restore(),
            94..97 => world.flush(),
            _ => world.other_run(),
        }
        if step % 4 == 0 {
            world.check_readers();
            world.check_log();
        }
    }
    assert!(world.believed > 300 && world.gaps > 300, "{} {}", world.believed, world.gaps);
    assert!(world.losses.len() > 5, "{:?}", world.losses);
}
