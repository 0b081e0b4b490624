//! The engine, the model and the observers, in step: each verb is sent to the one, applied to the
//! others, and everything is compared.

use std::collections::BTreeMap;

use bytes::Bytes;
use redis::Value;

use super::{
    book::{Book, Outcome, TimeSpan},
    compare::entry_bytes,
    control_book::ControlBook,
    engine::{CHANNELS, TestEngine, bytes},
    names::{channel, control_keys, keys, removed, total, vacated},
    random::Random,
    stories::{FactStory, Replica},
};
use crate::cluster::redis::{
    Id,
    control::ControlVerb,
    lingering::{Lingering, LingeringKind},
    messages::TopicMessage,
    refusals::Refusal,
    replies::Reply,
    scripts::Script,
    verbs::{Notice, Verb},
};

pub const ANY: Id = [b'x'; 16];

pub struct World {
    pub engine: TestEngine,
    pub book: Book,
    pub control: ControlBook,
    pub facts: FactStory,
    pub replicas: Vec<Replica>,
    /// The memory of the engine is full.
    pub starved: bool,
    /// How many of a hundred messages do not reach the observers.
    pub lost_percent: usize,
    lossy: Random,
    pub verbs: BTreeMap<Script, u64>,
    /// All messages and facts, for tests that empty them.
    pub heard: Vec<TopicMessage>,
    pub written: Vec<Bytes>,
    saved: Option<SavedEngine>,
}

/// A replica of the engine that has not heard of anything later.
struct SavedEngine {
    keys: Vec<(Bytes, i64, Bytes)>,
    book: Book,
    control: ControlBook,
    facts: FactStory,
}

impl World {
    pub fn start() -> Self {
        Self::over(TestEngine::start())
    }

    pub fn over(engine: TestEngine) -> Self {
        Self {
            engine,
            book: Book::default(),
            control: ControlBook::default(),
            facts: FactStory::default(),
            replicas: (0..CHANNELS).map(|_| Replica::default()).collect(),
            starved: false,
            lost_percent: 0,
            lossy: Random::new(1),
            verbs: BTreeMap::new(),
            heard: Vec::new(),
            written: Vec::new(),
            saved: None,
        }
    }

    /// `None` if the memory is full. `repeats` is how often the answer is lost.
    pub fn run(&mut self, verb: &Verb, node: &Id, on: &Id, repeats: usize) -> Option<Reply> {
        let mut reply = self.run_once(verb, node, on);
        for _ in 0..repeats {
            reply = self.run_once(verb, node, on);
        }
        reply
    }

    fn run_once(&mut self, verb: &Verb, node: &Id, on: &Id) -> Option<Reply> {
        let observed = match self.engine.run(verb, node, on) {
            Ok(observed) => observed,
            Err(Refusal::ScriptMissing) => {
                self.engine.load_scripts();
                return self.run_once(verb, node, on);
            }
            Err(Refusal::Full) => {
                let adds = matches!(
                    verb.script(),
                    Script::Join | Script::Last | Script::Renew | Script::Fact
                );
                assert!(adds && self.starved, "{verb:?} has to run in a full engine");
                self.compare();
                return None;
            }
            Err(refusal) => panic!("{refusal:?}: {verb:?}"),
        };
        *self.verbs.entry(verb.script()).or_default() += 1;
        let expected = self.book.apply(verb, node, &observed);
        for message in &observed.messages {
            if let Some(at) = self.index_of(on) {
                let lost = self.lossy.percent(self.lost_percent);
                self.replicas[at].hear(message, lost);
            }
        }
        observed.facts.iter().for_each(|fact| self.facts.hear(fact));
        self.heard.extend(observed.messages.iter().cloned());
        self.written.extend(observed.facts.iter().cloned());
        let reply = observed.reply;
        let seen = Outcome { reply, messages: observed.messages, facts: observed.facts };
        assert_eq!(seen, expected, "engine, then model: {verb:?}");
        self.compare();
        if let Some(at) = self.index_of(on) {
            self.replicas[at].repair_and_compare(on, &mut self.engine, &self.book);
        }
        Some(reply)
    }

    pub fn control(&mut self, verb: &ControlVerb, repeats: usize) -> Reply {
        for _ in 0..repeats {
            self.control(verb, 0);
        }
        let reply = match self.engine.control(verb) {
            Err(Refusal::ScriptMissing) => {
                self.engine.load_scripts();
                self.engine.control(verb)
            }
            reply => reply,
        };
        *self.verbs.entry(verb.script()).or_default() += 1;
        let reply = reply.expect("control verbs run in a full engine");
        assert_eq!(reply, self.control.apply(verb), "engine, then model: {verb:?}");
        reply
    }

    pub fn compare(&mut self) {
        let contents = self.engine.contents();
        self.control.assert_is(&contents);
        self.book.assert_is(contents);
    }

    fn index_of(&self, id: &Id) -> Option<usize> {
        (0..CHANNELS).find(|at| channel(*at) == *id)
    }

    /// Lets the time of an entry be over.
    pub fn elapse(&mut self, entry: &Lingering) {
        let key = keys(&ANY, &ANY).g;
        let mut command = redis::cmd("ZADD");
        command.arg(&key[..]).arg("XX").arg(0).arg(entry_bytes(entry));
        self.engine.ask_admin(&command);
        self.book.lingering.insert(*entry, TimeSpan { from: 0, to: 0 });
    }

    /// Lets the time since the last total be over.
    pub fn elapse_total(&mut self, id: &Id) {
        let told = self.book.channels.get_mut(id).and_then(|it| it.told.as_mut());
        if let Some((at, total)) = told {
            *at = TimeSpan { from: 0, to: 0 };
            let key = keys(&ANY, id).c;
            let mut command = redis::cmd("HSET");
            self.engine.ask_admin(command.arg(&key[..]).arg("x").arg(format!("0:{total}")));
        }
    }

    /// Lets a last event expire, as Redis does it, and lets the time of its entry be over.
    pub fn expire(&mut self, id: &Id) {
        let Some(channel) = self.book.channels.get_mut(id) else { return };
        if channel.last_event.take().is_some() {
            let key = keys(&ANY, id).l;
            let mut command = redis::cmd("DEL");
            self.engine.ask_admin(command.arg(&key[..]));
            self.elapse(&Lingering { channel: *id, kind: LingeringKind::LastEvent });
        }
    }

    pub fn end(&mut self, entry: &Lingering, repeats: usize) -> Option<Reply> {
        let ended = match entry.kind {
            LingeringKind::Member(member) => removed(&entry.channel, &member),
            _ => Notice { blob: Bytes::new(), fact: Some(vacated(&entry.channel)) },
        };
        let total = (entry.kind == LingeringKind::Channel).then(|| total(&entry.channel));
        let verb = Verb::End { lingering: *entry, ended, total };
        self.run(&verb, &ANY, &entry.channel, repeats)
    }

    /// All is gone, scripts too.
    pub fn flush(&mut self) {
        self.engine.administer(&["FLUSHALL"]);
        self.engine.administer(&["SCRIPT", "FLUSH"]);
        self.book = Book::default();
        self.control = ControlBook::default();
        self.facts = FactStory::default();
        self.saved = None;
        self.engine.skip_facts();
        self.reopen_replicas();
    }

    pub fn forget_control(&mut self) {
        self.engine.administer(&["DEL", "SC1:{ctl}nodes", "SC1:{ctl}slots"]);
        self.control = ControlBook::default();
    }

    pub fn set_starved(&mut self, starved: bool) {
        self.starved = starved;
        let limit = if starved { "1" } else { "0" };
        self.engine.administer(&["CONFIG", "SET", "maxmemory", limit]);
    }

    pub fn save(&mut self) {
        let Value::Array(names) = self.engine.administer(&["KEYS", "*"]) else { panic!("keys") };
        let keys = names.into_iter().map(bytes).map(|key| {
            let (mut dump, mut ttl) = (redis::cmd("DUMP"), redis::cmd("PTTL"));
            let held = self.engine.ask_admin(dump.arg(&key[..]));
            let ttl = self.engine.ask_admin(ttl.arg(&key[..]));
            let ttl: i64 = redis::from_redis_value(ttl).expect("a time");
            (key, ttl.max(0), bytes(held))
        });
        self.saved = Some(SavedEngine {
            keys: keys.collect(),
            book: self.book.clone(),
            control: self.control.clone(),
            facts: self.facts.clone(),
        });
    }

    /// A replica is promoted that lacks all that came after `save`. With `keep_control`, `{ctl}` is
    /// on another master. False if nothing was saved.
    pub fn fail_over(&mut self, keep_control: bool) -> bool {
        let Some(saved) = self.saved.take() else { return false };
        self.engine.administer(&["FLUSHALL"]);
        self.engine.administer(&["SCRIPT", "FLUSH"]);
        for (key, ttl, held) in &saved.keys {
            let mut restore = redis::cmd("RESTORE");
            restore.arg(&key[..]).arg(ttl).arg(&held[..]);
            self.engine.ask_admin(&restore);
        }
        self.book = saved.book;
        self.facts = saved.facts;
        if keep_control {
            self.restore_control();
        } else {
            self.control = saved.control;
        }
        self.engine.skip_facts();
        self.compare();
        self.reopen_replicas();
        true
    }

    fn restore_control(&mut self) {
        let names = control_keys();
        self.engine.administer(&["DEL", "SC1:{ctl}nodes", "SC1:{ctl}slots"]);
        for (node, entry) in &self.control.nodes {
            let mut set = redis::cmd("HSET");
            set.arg(&names.nodes[..]).arg(&node[..]).arg(&entry[..]);
            self.engine.ask_admin(&set);
        }
        for (slot, node) in &self.control.slots {
            let mut set = redis::cmd("HSET");
            set.arg(&names.slots[..]).arg(slot).arg(&node[..]);
            self.engine.ask_admin(&set);
        }
    }

    fn reopen_replicas(&mut self) {
        for at in 0..CHANNELS {
            self.replicas[at].open(&channel(at), &mut self.engine, &self.book);
        }
    }

    /// The greatest number that any node has heard.
    pub fn known(&self) -> u64 {
        self.replicas.iter().map(Replica::known).max().unwrap_or_default()
    }

    /// The members of a set, as a node reads them.
    pub fn read_ids(&mut self, command: &str, key: &Bytes) -> Vec<Bytes> {
        let mut read = redis::cmd(command);
        match self.engine.talk(read.arg(&key[..])).expect("a list") {
            Value::Array(ids) | Value::Set(ids) => ids.into_iter().map(bytes).collect(),
            other => panic!("{other:?}"),
        }
    }

    pub fn assert_only_traces_are_left(&mut self) {
        let left = self.engine.contents();
        let trace = |key: &Bytes| {
            let key = str::from_utf8(key).expect("names of tests are text");
            key.contains("}d:") || key.ends_with("}f")
        };
        let more: Vec<_> = left.keys().filter(|key| !trace(key)).collect();
        assert!(more.is_empty(), "{more:?} are left, and {:?}", self.facts.holding());
        assert!(self.facts.holding().is_empty(), "{:?}", self.facts.holding());
    }
}
