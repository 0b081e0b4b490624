//! A node whose thread is the test.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use redis::Value;

use super::scene::{TestRedis, layout};
use crate::{
    channels::{fact::ChannelFactKind, members::Member},
    cluster::{
        key::ClusterKey,
        membership::{
            Membership, MembershipSettings, Now,
            effect::{FactEntry, MembershipCount, MembershipEffect, NodeLoad, PeerNode},
        },
        names::{ClusterNames, NodeSlot, PartitionSet},
        node::{
            ClusterChannel,
            commands::FactPlace,
            sealing::{FactFilter, NodeSealing},
        },
        redis::{link::LinkError, replies::Reply, scripts::Scripts, verbs::Verb},
        replica::input::ClusterMember,
    },
    domain::channel::Channel,
};

pub struct MemberNode {
    key: ClusterKey,
    pub sealing: NodeSealing,
    pub membership: Membership,
    scripts: Arc<Scripts>,
    /// The users by channel, each with one subscriber.
    held: BTreeMap<Arc<str>, Vec<&'static str>>,
    pub is_linked: bool,
    /// A node that hangs or is dead.
    pub is_stopped: bool,
    /// It stops after so many commands, and goes on with `waiting` if it wakes.
    pub stops_after: Option<usize>,
    waiting: VecDeque<MembershipEffect>,
    /// Partitions whose master is away: their lanes hold changes.
    pub unreached: PartitionSet,
    lanes: Vec<MembershipEffect>,
    pub slots: Vec<NodeSlot>,
    pub peers: Vec<PeerNode>,
    pub counts: Vec<MembershipCount>,
    pub refused: Vec<String>,
    pub hindered: Vec<LinkError>,
    pub births: usize,
    pub facts: Vec<FactEntry>,
    pub facts_waiting: usize,
    /// Whether the host is done with a fact at once.
    pub finishes_facts: bool,
    pub has_left: bool,
}

impl MemberNode {
    pub fn new(
        key: ClusterKey,
        identity: &'static str,
        lease: Duration,
        redis_ms: u64,
        now: Now,
    ) -> Self {
        let names = Arc::new(ClusterNames::new(&key));
        let wanted: FactFilter = Box::new(|_, _, kind| kind != ChannelFactKind::SubscriptionCount);
        let mut sealing = NodeSealing::new(&key, names, layout(), wanted).expect("random bytes");
        sealing.set_clock(redis_ms);
        let scripts = Arc::new(Scripts::new());
        let settings = MembershipSettings {
            lease,
            identity: identity.into(),
            key_fingerprint: key.fingerprint(),
            scripts: scripts.clone(),
        };
        Self {
            key,
            sealing,
            membership: Membership::new(settings, now),
            scripts,
            held: BTreeMap::new(),
            is_linked: false,
            is_stopped: false,
            stops_after: None,
            waiting: VecDeque::new(),
            unreached: PartitionSet::default(),
            lanes: Vec::new(),
            slots: Vec::new(),
            peers: Vec::new(),
            counts: Vec::new(),
            refused: Vec::new(),
            hindered: Vec::new(),
            births: 0,
            facts: Vec::new(),
            facts_waiting: 0,
            finishes_facts: true,
            has_left: false,
        }
    }

    pub fn is_joined(&self) -> bool {
        !self.slots.is_empty()
    }

    pub fn users(&self, on: &str) -> Vec<&'static str> {
        self.held.get(on).cloned().unwrap_or_default()
    }

    pub fn link(&mut self, redis: &mut TestRedis, now: Now) {
        self.is_linked = true;
        let effects = self.membership.linked(&self.sealing, now);
        self.carry_out(effects, redis, now);
    }

    pub fn unlink(&mut self, redis: &mut TestRedis, now: Now) {
        self.is_linked = false;
        let effects = self.membership.unlinked(now);
        self.carry_out(effects, redis, now);
    }

    pub fn tick(&mut self, redis: &mut TestRedis, now: Now) {
        if self.is_stopped {
            return;
        }
        self.carry_out(Vec::new(), redis, now);
        if self.membership.next_deadline() > now.at {
            return;
        }
        let load = NodeLoad { sockets: 7, unreached: self.unreached, ..NodeLoad::default() };
        let effects = self.membership.tick(&self.sealing, load, now);
        self.carry_out(effects, redis, now);
    }

    pub fn reach_all(&mut self) {
        self.unreached = PartitionSet::default();
        self.waiting.extend(self.lanes.drain(..));
    }

    pub fn leave_cluster(&mut self, redis: &mut TestRedis, now: Now) {
        let effects = self.membership.leave(&self.sealing, now);
        self.carry_out(effects, redis, now);
    }

    pub fn finish_facts(&mut self) {
        for FactPlace { partition, entry } in self.facts.iter().map(|fact| fact.place.clone()) {
            self.membership.facts_done(partition, vec![entry]);
        }
    }

    pub fn channel(&self, channel: &Channel) -> ClusterChannel {
        ClusterChannel::new(&self.sealing.names, "1001".into(), channel.clone())
    }

    pub fn arrive(&mut self, redis: &mut TestRedis, now: Now, on: &Channel, user: &'static str) {
        self.held.entry(on.name().clone()).or_default().push(user);
        let effects = self.announce(redis, now, on);
        self.carry_out(effects, redis, now);
    }

    /// All subscribers of the channel leave.
    pub fn depart(&mut self, redis: &mut TestRedis, on: &Channel, linger_ms: u64) {
        let users = self.held.remove(on.name()).unwrap_or_default();
        let channel = self.channel(on);
        let acting = self.sealing.acting(linger_ms);
        for user in users {
            let id = self.sealing.names.member(&channel.location.id, user);
            let leave = self.sealing.leave(&channel, acting, id, &user.into());
            self.run(redis, &channel, &leave.expect("sealed"));
        }
        let count = self.sealing.count(&channel, acting, 0, None).expect("sealed");
        self.run(redis, &channel, &count);
    }

    fn announce(&mut self, redis: &mut TestRedis, now: Now, on: &Channel) -> Vec<MembershipEffect> {
        let channel = self.channel(on);
        let users = self.held[on.name()].clone();
        self.membership.announced(channel.location.partition);
        let acting = self.sealing.acting(0);
        let count = self.sealing.count(&channel, acting, users.len() as u32, None).expect("sealed");
        let mut replies = vec![self.run(redis, &channel, &count)];
        for user in users {
            let names = self.sealing.member(&channel, user, None);
            let member = Member { user_id: user.into(), info: None };
            let member = ClusterMember { id: names.id, tag: names.tag, member };
            let join = self.sealing.join(&channel, &member, 0).expect("sealed");
            replies.push(self.run(redis, &channel, &join));
        }
        if replies.contains(&Some(Reply::Fenced)) {
            let own = self.sealing.incarnation();
            return self.membership.fenced(&own, &self.sealing, now);
        }
        Vec::new()
    }

    pub fn run(
        &self,
        redis: &mut TestRedis,
        channel: &ClusterChannel,
        verb: &Verb,
    ) -> Option<Reply> {
        let keys = self.sealing.keys(channel);
        verb.parse(&redis.run(&verb.command(&self.scripts, &keys))).ok()
    }

    fn announce_all(&mut self, redis: &mut TestRedis, now: Now) -> Vec<MembershipEffect> {
        let names: Vec<_> = self.held.keys().cloned().collect();
        let channels = names.iter().map(|name| Channel::restore(name).expect("a channel"));
        channels.flat_map(|channel| self.announce(redis, now, &channel)).collect()
    }

    pub fn carry_out(&mut self, effects: Vec<MembershipEffect>, redis: &mut TestRedis, now: Now) {
        self.waiting.extend(effects);
        while !self.is_stopped
            && let Some(effect) = self.waiting.pop_front()
        {
            let effects = self.carry_out_one(effect, redis, now);
            self.waiting.extend(effects);
        }
    }

    fn carry_out_one(
        &mut self,
        effect: MembershipEffect,
        redis: &mut TestRedis,
        now: Now,
    ) -> Vec<MembershipEffect> {
        match effect {
            MembershipEffect::Ask { commands, token } => {
                let answers = redis.pipeline(&commands);
                self.note_commands(commands.len());
                self.membership.answered(token, answers, &self.sealing, now)
            }
            MembershipEffect::Change { partition, .. } if self.unreached.contains(partition) => {
                self.lanes.push(effect);
                Vec::new()
            }
            MembershipEffect::Change { command, token, .. } => {
                let answer = redis.run(&command);
                self.note_commands(1);
                match answer {
                    Value::ServerError(_) => self.membership.lost(token, now),
                    answer => self.membership.answered(token, vec![answer], &self.sealing, now),
                }
            }
            MembershipEffect::Reborn => {
                self.births += 1;
                self.sealing.be_born(&self.key).expect("random bytes");
                let mut effects = self.membership.born(&self.sealing, now);
                effects.extend(self.announce_all(redis, now));
                effects
            }
            MembershipEffect::AnnouncePartition { .. } => self.announce_all(redis, now),
            other => self.note(other),
        }
    }

    fn note(&mut self, effect: MembershipEffect) -> Vec<MembershipEffect> {
        match effect {
            MembershipEffect::Joined { slot } => self.slots.push(slot),
            MembershipEffect::Refused { reason } => self.refused.push(reason),
            MembershipEffect::Hindered { error } => self.hindered.push(error),
            MembershipEffect::Peers(peers) => self.peers = peers,
            MembershipEffect::Count(count) => self.counts.push(count),
            MembershipEffect::FactsWaiting(facts) => self.facts_waiting = facts,
            MembershipEffect::Left => self.has_left = true,
            MembershipEffect::Fact { entry } => {
                if self.finishes_facts {
                    let FactPlace { partition, entry } = entry.place.clone();
                    self.membership.facts_done(partition, vec![entry]);
                }
                self.facts.push(entry);
            }
            other => panic!("{other:?}"),
        }
        Vec::new()
    }

    fn note_commands(&mut self, commands: usize) {
        if let Some(left) = &mut self.stops_after {
            *left = left.saturating_sub(commands);
            self.is_stopped = *left == 0;
        }
    }

    pub fn wake(&mut self) {
        (self.is_stopped, self.stops_after) = (false, None);
    }
}
