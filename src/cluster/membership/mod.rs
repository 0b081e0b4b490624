//! Joins a node to its cluster, and keeps the cluster true about its nodes.
//!
//! * A node may join if it opens the cluster's [`identity`] and agrees with it. It takes a free slot,
//!   and raises its beat in the entries of the nodes.
//! * Each beat reads all [`entries`]. An entry that stood still is that of a dead node ([`watch`]):
//!   who claims it takes away all that the node had ([`reaper`], [`burial`]).
//! * A node that was taken for dead is born again, with another name, and announces everything.
//! * Each partition has an owner among the living ([`ownership`]), who ends what lingers there
//!   ([`lingering`]), hands facts for webhooks to the host ([`fact_queue`]), and buries nodes whose
//!   entry Redis has lost ([`forgotten`]).
//! * Each beat also asks the partitions whether Redis still knows this node ([`admission`]).
//!
//! A membership has no connection, no clock and no thread of its own: its caller carries out its
//! [`effect`]s, and brings the answers.

mod admission;
mod burial;
mod context;
mod departure;
pub mod effect;
mod entering;
mod entries;
mod fact_count;
mod fact_marks;
mod fact_queue;
mod forgotten;
mod identity;
mod leaving;
mod lingering;
mod now;
mod owner_hold;
mod ownership;
mod owning;
mod reaper;
#[cfg(test)]
mod tests;
mod token;
pub mod values;
mod watch;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::node::commands::FactPlace;
use admission::{Admissions, Admitted};
use bytes::Bytes;
use context::MembershipContext;
use effect::{MembershipCount, MembershipEffect, NodeLoad};
use entering::Entering;
use entries::Entries;
use fact_queue::FactQueues;
use forgotten::ForgottenNodes;
use leaving::Leaving;
use lingering::LingeringSweep;
pub use now::Now;
pub use owner_hold::OwnerHold;
use ownership::Ownership;
use reaper::Reaper;
use redis::Value;
pub use token::MembershipToken;
use token::Purpose;
use watch::DeathWatch;

use super::{
    names::{Incarnation, Partition, PartitionSet},
    node::sealing::NodeSealing,
    redis::scripts::Scripts,
};
use crate::crypto::key::Fingerprint;

/// A node is dead after so many beats that were missed.
const BEATS_PER_LEASE: u32 = 4;

/// Without a connection there is nothing to do.
const IDLE: Duration = Duration::from_secs(60);

pub struct MembershipSettings {
    pub lease: Duration,
    /// What all nodes must share, given by the host.
    pub identity: Bytes,
    pub key_fingerprint: Fingerprint,
    pub scripts: Arc<Scripts>,
}

pub struct Membership {
    settings: MembershipSettings,
    round: u64,
    now: Now,
    is_linked: bool,
    /// As of the last tick.
    load: NodeLoad,
    state: MembershipState,
    next_beat: Instant,
    entering: Entering,
    entries: Entries,
    watch: DeathWatch,
    admissions: Admissions,
    reaper: Reaper,
    next_look: Instant,
    ownership: Ownership,
    facts: FactQueues,
    lingering: LingeringSweep,
    forgotten: ForgottenNodes,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum MembershipState {
    /// There is no connection.
    Away,
    /// On the way to an entry, or refused.
    Entering,
    Member,
    /// The process has to take another incarnation.
    Reborn,
    Leaving(Leaving),
    Left,
}

impl Membership {
    pub fn new(settings: MembershipSettings, now: Now) -> Self {
        Self {
            round: 0,
            now,
            is_linked: false,
            load: NodeLoad::default(),
            state: MembershipState::Away,
            next_beat: now.at,
            entering: Entering::default(),
            entries: Entries::default(),
            watch: DeathWatch::new(settings.lease),
            admissions: Admissions::default(),
            reaper: Reaper::default(),
            next_look: now.at,
            ownership: Ownership::default(),
            facts: FactQueues::new(),
            lingering: LingeringSweep::default(),
            forgotten: ForgottenNodes::default(),
            settings,
        }
    }

    pub fn linked(&mut self, sealing: &NodeSealing, now: Now) -> Vec<MembershipEffect> {
        (self.now, self.is_linked) = (now, true);
        match self.state {
            MembershipState::Away => self.acting(sealing, Self::enter),
            _ => Vec::new(),
        }
    }

    pub fn unlinked(&mut self, now: Now) -> Vec<MembershipEffect> {
        (self.now, self.is_linked) = (now, false);
        self.begin_round();
        match self.state {
            MembershipState::Leaving(_) => return self.end_leaving(),
            MembershipState::Entering | MembershipState::Member => {
                self.state = MembershipState::Away;
            }
            MembershipState::Away | MembershipState::Reborn | MembershipState::Left => {}
        }
        Vec::new()
    }

    /// Facts that their master has given out may not have come.
    pub fn lost_partitions_of_master(&mut self, partitions: PartitionSet) {
        self.facts.lost_in(partitions);
    }

    pub fn tick(
        &mut self,
        sealing: &NodeSealing,
        load: NodeLoad,
        now: Now,
    ) -> Vec<MembershipEffect> {
        (self.now, self.load) = (now, load);
        self.acting(sealing, |membership, context| {
            if membership.state == MembershipState::Member {
                membership.admissions.ask_new(context);
            }
            if now.at >= membership.next_beat {
                membership.beat(context);
            }
            if now.at >= membership.next_look {
                membership.look(context);
            } else if membership.facts.has_done() {
                membership.acknowledge(context);
            }
            if let MembershipState::Leaving(leaving) = membership.state
                && now.at >= leaving.deadline
            {
                context.effects.extend(membership.end_leaving());
            }
        })
    }

    pub fn next_deadline(&self) -> Instant {
        match self.state {
            MembershipState::Away | MembershipState::Reborn | MembershipState::Left => {
                self.now.at + IDLE
            }
            MembershipState::Member if self.admissions.has_new() || self.facts.has_done() => {
                self.now.at
            }
            MembershipState::Member => self.next_beat.min(self.next_look),
            MembershipState::Entering => self.next_beat,
            MembershipState::Leaving(leaving) => leaving.deadline,
        }
    }

    /// All answers to an `Ask`, or the one to a `Change`.
    pub fn answered(
        &mut self,
        token: MembershipToken,
        answers: Vec<Value>,
        sealing: &NodeSealing,
        now: Now,
    ) -> Vec<MembershipEffect> {
        self.now = now;
        if !self.is_awaited(&token) {
            return Vec::new();
        }
        self.acting(sealing, |membership, context| {
            membership.take(token.purpose, answers, context);
        })
    }

    /// The connection was lost before the answers to an `Ask`, or a `Change` was not done. What it was
    /// for is begun anew with the next beat.
    pub fn lost(&mut self, token: MembershipToken, now: Now) -> Vec<MembershipEffect> {
        self.now = now;
        if !self.is_awaited(&token) {
            return Vec::new();
        }
        if token.purpose.is_of_leaving() {
            return self.end_leaving();
        }
        self.not_done(token.purpose);
        Vec::new()
    }

    /// A verb of this incarnation was answered `FENCED`.
    pub fn fenced(
        &mut self,
        node: &Incarnation,
        sealing: &NodeSealing,
        now: Now,
    ) -> Vec<MembershipEffect> {
        self.now = now;
        self.acting(sealing, |membership, context| {
            // An earlier incarnation's verbs may still be on their way.
            if *node == context.sealing.incarnation() {
                membership.be_reborn(context);
            }
        })
    }

    /// The process has another incarnation now.
    pub fn born(&mut self, sealing: &NodeSealing, now: Now) -> Vec<MembershipEffect> {
        self.now = now;
        if self.state != MembershipState::Reborn {
            return Vec::new();
        }
        self.admissions = Admissions::default();
        self.entering = Entering::default();
        self.state = MembershipState::Away;
        if self.is_linked { self.acting(sealing, Self::enter) } else { Vec::new() }
    }

    /// The node has announced something in the partition since its birth.
    pub fn announced(&mut self, partition: Partition) {
        self.admissions.announced(partition);
    }

    /// The host is done with facts that end together. They are acknowledged with the next tick.
    pub fn facts_done(&mut self, partition: Partition, entries: Vec<Bytes>) {
        self.facts.done(partition, entries);
    }

    /// An endpoint is done with a fact, and others are not. A successor is told so after a while.
    pub fn fact_settled(&mut self, place: &FactPlace, endpoint: Box<str>) {
        self.facts.settled(place, endpoint);
    }

    /// While there is no room, facts stay in the queue.
    pub fn set_fact_room(&mut self, has_room: bool) {
        self.facts.has_room = has_room;
    }

    /// The node's channels are closed, and what it had has been taken away in the lanes. Ends with
    /// `Left`.
    pub fn leave(&mut self, sealing: &NodeSealing, now: Now) -> Vec<MembershipEffect> {
        self.now = now;
        self.acting(sealing, Self::begin_leaving)
    }

    fn is_beating(&self) -> bool {
        matches!(self.state, MembershipState::Entering | MembershipState::Member)
    }

    /// Facts stay in hand over a lost connection, and so do their acknowledgements in the lanes.
    fn is_awaited(&self, token: &MembershipToken) -> bool {
        token.round == self.round || matches!(token.purpose, Purpose::Acknowledge { .. })
    }

    fn acting(
        &mut self,
        sealing: &NodeSealing,
        act: impl FnOnce(&mut Self, &mut MembershipContext<'_>),
    ) -> Vec<MembershipEffect> {
        let scripts = self.settings.scripts.clone();
        let mut context = MembershipContext {
            sealing,
            scripts: &scripts,
            now: self.now,
            round: self.round,
            lease: self.settings.lease,
            unreached: self.load.unreached,
            effects: Vec::new(),
        };
        act(self, &mut context);
        context.effects
    }

    /// What was asked before is answered in vain. Claims are forgotten: who has lived through no
    /// lease with a connection knows nothing of the dead.
    fn begin_round(&mut self) {
        self.round += 1;
        self.watch.restart();
        self.admissions.restart();
        self.reaper = Reaper::default();
        self.ownership.restart();
        self.facts.lost();
        self.lingering = LingeringSweep::default();
        self.forgotten.restart();
    }

    fn be_reborn(&mut self, context: &mut MembershipContext<'_>) {
        // A node that leaves needs no other life.
        if !self.is_beating() && self.state != MembershipState::Away {
            return;
        }
        self.begin_round();
        self.state = MembershipState::Reborn;
        context.count(MembershipCount::Fenced);
        context.effects.push(MembershipEffect::Reborn);
    }

    fn take(&mut self, purpose: Purpose, answers: Vec<Value>, context: &mut MembershipContext<'_>) {
        let first = answers.first().cloned().unwrap_or(Value::Nil);
        match purpose {
            Purpose::Identity => self.identity_answered(answers, context),
            Purpose::Beat { asked } => self.beat_answered(asked, answers, context),
            Purpose::Admit { partition, announcement } => {
                let admitted = self.admissions.answered(partition, announcement, &first, context);
                if admitted == Admitted::Fenced {
                    self.be_reborn(context);
                }
            }
            Purpose::Claim { node, slot } => {
                self.reaper.claim_answered(node, slot, &first, context);
            }
            Purpose::Forget { node } => self.reaper.forgotten(node, &first, context),
            Purpose::GiveBack => self.one_done(true, context),
            Purpose::RetireSelf => self.retired_self(&first, context),
            Purpose::ForgetSelf => self.forgot_self(&answers, context),
            Purpose::RemoveIdentity => context.effects.extend(self.end_leaving()),
            purpose => match purpose.grave() {
                Some(grave) => self.reaper.answered(grave, purpose, answers, context),
                None => self.take_as_owner(purpose, answers, context),
            },
        }
    }

    fn not_done(&mut self, purpose: Purpose) {
        match purpose {
            Purpose::Identity | Purpose::Beat { .. } => self.entering.not_answered(),
            Purpose::Admit { partition, .. } => self.admissions.refused(partition),
            // Seen again with the next read, or asked again with the next beat.
            Purpose::Claim { .. } | Purpose::Forget { .. } => {}
            purpose => match purpose.grave() {
                Some(grave) => self.reaper.failed(grave),
                None => self.not_done_as_owner(purpose),
            },
        }
    }
}
