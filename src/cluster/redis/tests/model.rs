//! Random changes from nodes that come, go, hang and die, over an engine that forgets, fails over
//! and fills up. After each verb the engine is as the model says.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{
    engine::CHANNELS,
    names::{channel, text, user},
    node::{Births, Node, Wanted},
    random::Random,
    world::{ANY, World},
};
use crate::cluster::redis::{Id, replies::Reply, verbs::Verb};

const USERS: usize = 6;
const MOST_NODES: usize = 5;
const SHORT_STEPS: u64 = 1_000;
pub const HOUR_MS: u64 = 3_600_000;

pub struct ClusterModel {
    pub world: World,
    pub random: Random,
    pub births: Births,
    pub live: Vec<Node>,
    pub run: Bytes,
    events: u64,
    pub happened: BTreeMap<&'static str, u64>,
}

/// Steps for a longer run: `SEALCAST_TEST_CLUSTER_STEPS=50000`, and another seed:
/// `SEALCAST_TEST_CLUSTER_SEED=7`.
#[test]
fn random_changes_keep_the_engine_equal_to_the_model() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let steps = number("SEALCAST_TEST_CLUSTER_STEPS").unwrap_or(SHORT_STEPS);
    let mut model = ClusterModel::start(number("SEALCAST_TEST_CLUSTER_SEED").unwrap_or(1));
    for step in 0..steps {
        model.step();
        if step % 20 == 0 {
            model.settle();
        }
    }
    model.finish();
}

impl ClusterModel {
    fn start(seed: u64) -> Self {
        let mut model = Self {
            world: World::start(),
            random: Random::new(seed),
            births: Births::default(),
            live: Vec::new(),
            run: "run 1".into(),
            events: 0,
            happened: BTreeMap::new(),
        };
        model.world.lost_percent = 3;
        (0..3).for_each(|_| model.birth());
        model
    }

    fn birth(&mut self) {
        let node = Node::born(around!(self), &self.run);
        self.live.push(node);
    }

    fn step(&mut self) {
        match self.random.below(1000) {
            0..550 => self.change_tabs(),
            550..580 => self.write_fact(),
            580..600 => self.empty_a_channel(),
            600..680 => self.change_others(),
            680..760 => self.send_last(),
            760..800 => self.renew_or_expire(),
            800..850 => self.sweep(50),
            850..870 => self.take_ownership(),
            870..890 => self.kill(),
            890..920 => self.reap(true),
            920..935 => self.wake_a_zombie(),
            935..955 => self.drain(),
            955..960 => self.flush(),
            960..965 => self.world.forget_control(),
            965..980 => self.save_or_fail_over(),
            980..990 => self.world.set_starved(!self.world.starved),
            _ if self.live.len() < MOST_NODES => self.birth(),
            _ => {}
        }
    }

    pub fn note(&mut self, what: &'static str) -> u64 {
        let times = self.happened.entry(what).or_default();
        *times += 1;
        *times
    }

    pub fn any_node(&mut self) -> usize {
        self.random.below(self.live.len())
    }

    pub fn any_channel(&mut self) -> Id {
        channel(self.random.below(CHANNELS))
    }

    pub fn change_tabs(&mut self) {
        let (at, id) = (self.any_node(), self.any_channel());
        self.open_or_close(at, &id);
        self.live[at].synchronize(&id, around!(self));
    }

    pub fn open_or_close(&mut self, at: usize, id: &Id) {
        let member = user(self.random.below(USERS));
        let opens = self.random.percent(50);
        let tag = if self.random.percent(80) { *b"info one" } else { *b"info two" };
        let members = &mut self.live[at].wanted.get_mut(id).expect("a channel").members;
        if opens {
            members.entry(member).or_insert((0, tag)).0 += 1;
        } else if let Some((tabs, _)) = members.get_mut(&member) {
            *tabs -= 1;
            members.retain(|_, (tabs, _)| *tabs > 0);
        }
    }

    fn change_others(&mut self) {
        let (at, id) = (self.any_node(), self.any_channel());
        let more = self.random.below(120) as u32;
        let more = if self.random.percent(70) { 0 } else { more };
        if !self.world.starved && self.random.percent(30) {
            self.world.elapse_total(&id);
        }
        self.live[at].wanted.get_mut(&id).expect("a channel").more = more;
        self.live[at].synchronize(&id, around!(self));
    }

    fn empty_a_channel(&mut self) {
        let id = self.any_channel();
        self.note("empty");
        for at in 0..self.live.len() {
            self.live[at].wanted.insert(id, Wanted::default());
            self.live[at].synchronize(&id, around!(self));
        }
    }

    fn send_last(&mut self) {
        let (at, id) = (self.any_node(), self.any_channel());
        self.events += 1;
        let late = if self.random.percent(20) { 5 } else { 0 };
        let blob = Bytes::from(format!("\u{1}event {}", self.events));
        let sent_ms = (1_000 + self.events / 2).saturating_sub(late);
        let verb = Verb::Last { channel: id, blob, ttl_ms: HOUR_MS, sent_ms };
        let repeats = usize::from(self.random.percent(25));
        let node = self.live[at].incarnation;
        if self.world.run(&verb, &node, &id, repeats) == Some(Reply::Fenced) {
            self.live[at].beat(around!(self));
        }
    }

    fn write_fact(&mut self) {
        let (at, id) = (self.any_node(), self.any_channel());
        let is_miss = self.random.percent(70);
        // Only a miss is told once: another fact that is sent again is written again.
        let repeats = usize::from(is_miss && self.random.percent(25));
        let was_told = self.world.book.channels.get(&id).is_some_and(|it| it.miss_told);
        if is_miss && was_told {
            self.note("told miss");
        }
        let verb = Verb::Fact { fact: format!("noted {}", text(&id)).into(), is_miss };
        self.world.run(&verb, &self.live[at].incarnation.clone(), &id, repeats);
    }

    fn renew_or_expire(&mut self) {
        let id = self.any_channel();
        let stored = self.world.book.channels.get(&id).and_then(|it| it.last_event.clone());
        if self.random.percent(50) {
            let number = stored.map(|it| it.number).unwrap_or_default();
            let number = if self.random.percent(30) { 17 } else { number };
            let blob = Bytes::from(format!("\u{1}renewed {number}"));
            self.world.run(&Verb::Renew { number, blob }, &ANY, &id, 0);
        } else if !self.world.starved {
            self.world.expire(&id);
        }
    }

    /// The owner ends what is over. Before that, the time of some entries is over.
    fn sweep(&mut self, percent: usize) {
        for entry in self.world.book.lingering.keys().copied().collect::<Vec<_>>() {
            if !self.world.starved && self.random.percent(percent) {
                self.world.elapse(&entry);
            }
            let repeats = usize::from(self.random.percent(25));
            self.world.end(&entry, repeats);
        }
    }

    fn take_ownership(&mut self) {
        let at = self.any_node();
        let token = Bytes::copy_from_slice(&self.live[at].incarnation);
        let lease_ms = if self.random.percent(70) { HOUR_MS } else { 0 };
        self.world.run(&Verb::Own { token, lease_ms }, &ANY, &ANY, 1);
    }

    pub fn beat(&mut self) {
        for at in 0..self.live.len() {
            self.live[at].beat(around!(self));
        }
    }

    /// Once all are connected, the dead are reaped and all time is over, the engine has what the
    /// sockets want.
    fn settle(&mut self) {
        self.world.set_starved(false);
        self.beat();
        for at in 0..self.live.len() {
            self.live[at].synchronize_all(around!(self));
        }
        self.reap(false);
        assert!(self.dead().is_empty());
        self.sweep(100);
        for at in 0..CHANNELS {
            let id = channel(at);
            let wanted = |node: &Node| node.wanted[&id].clone();
            let members: BTreeSet<Id> =
                self.live.iter().flat_map(|node| wanted(node).members.into_keys()).collect();
            assert_eq!(self.world.book.members(&id), members, "{}", text(&id));
            let tabs = |node: &Node| wanted(node).members.values().map(|it| it.0).sum::<u32>();
            let total: u32 = self.live.iter().map(|node| tabs(node) + wanted(node).more).sum();
            let held = self.world.book.channels.get(&id).map(|it| it.total()).unwrap_or_default();
            assert_eq!(held, u64::from(total));
        }
    }

    fn finish(mut self) {
        self.settle();
        while let Some(mut node) = self.live.pop() {
            node.drain(0, around!(self));
        }
        (0..CHANNELS).for_each(|at| self.world.expire(&channel(at)));
        self.sweep(100);
        if let Some(token) = self.world.book.owner.clone() {
            self.world.run(&Verb::Own { token, lease_ms: 0 }, &ANY, &ANY, 0);
        }
        self.world.assert_only_traces_are_left();
        // A run in which nothing happened shows nothing.
        let kinds = ["kill", "half a reaping", "zombie", "drain", "flush", "failover", "empty"];
        assert!(kinds.iter().all(|kind| self.happened.contains_key(kind)), "{:?}", self.happened);
        assert!(self.happened["told miss"] > 0, "{:?}", self.happened);
        assert!(self.world.verbs.values().all(|times| *times > 10), "{:?}", self.world.verbs);
        let heard: u64 = self.world.replicas.iter().map(|it| it.heard).sum();
        let gaps: u64 = self.world.replicas.iter().map(|it| it.gaps).sum();
        assert!(heard > 300 && gaps > 5, "{heard} numbered messages, {gaps} gaps");
    }
}
