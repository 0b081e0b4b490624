//! Joins a node to its cluster, and keeps the cluster true about its nodes.
//!
//! * A node may join if it opens the cluster's [`identity`] and agrees with it. It takes a free slot,
//!   and raises its beat in the entries of the nodes.
//! * Each beat reads all [`entries`]. An entry that stood still is that of a dead node ([`watch`]):
//!   who claims it takes away all that the node had ([`reaper`], [`burial`]).
//! * A node that was taken for dead is born again, with another name, and announces everything.
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
mod identity;
mod now;
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

use admission::{Admissions, Admitted};
use bytes::Bytes;
use context::Context;
use effect::{MembershipCount, MembershipEffect, NodeLoad};
use entering::Entering;
use entries::Entries;
pub use now::Now;
use reaper::Reaper;
use redis::Value;
pub use token::MembershipToken;
use token::Purpose;
use watch::DeathWatch;

use super::{
    names::{Incarnation, Partition},
    node::sealing::NodeSealing,
    redis::{refusals::Refusal, scripts::Scripts},
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
    /// As of the last tick.
    load: NodeLoad,
    state: MembershipState,
    next_beat: Instant,
    entering: Entering,
    entries: Entries,
    watch: DeathWatch,
    admissions: Admissions,
    reaper: Reaper,
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
}

impl Membership {
    pub fn new(settings: MembershipSettings, now: Now) -> Self {
        Self {
            round: 0,
            now,
            load: NodeLoad::default(),
            state: MembershipState::Away,
            next_beat: now.at,
            entering: Entering::default(),
            entries: Entries::default(),
            watch: DeathWatch::new(settings.lease),
            admissions: Admissions::default(),
            reaper: Reaper::default(),
            settings,
        }
    }

    pub fn linked(&mut self, sealing: &NodeSealing, now: Now) -> Vec<MembershipEffect> {
        self.now = now;
        if self.state != MembershipState::Away {
            return Vec::new();
        }
        self.acting(sealing, Self::enter)
    }

    pub fn unlinked(&mut self, now: Now) -> Vec<MembershipEffect> {
        self.now = now;
        self.begin_round();
        if self.state != MembershipState::Reborn {
            self.state = MembershipState::Away;
        }
        Vec::new()
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
        })
    }

    pub fn next_deadline(&self) -> Instant {
        match self.state {
            MembershipState::Away | MembershipState::Reborn => self.now.at + IDLE,
            MembershipState::Member if self.admissions.has_new() => self.now.at,
            MembershipState::Member | MembershipState::Entering => self.next_beat,
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
        if token.round != self.round {
            return Vec::new();
        }
        self.acting(sealing, |membership, context| {
            membership.take(token.purpose, answers, context);
        })
    }

    /// The connection was lost before the answers to an `Ask`.
    pub fn lost(&mut self, token: MembershipToken, now: Now) -> Vec<MembershipEffect> {
        self.now = now;
        if token.round == self.round {
            self.not_done(token.purpose);
        }
        Vec::new()
    }

    /// A `Change` was not done. What it was for is begun anew with the next beat.
    pub fn refused(
        &mut self,
        token: MembershipToken,
        _refusal: Refusal,
        _sealing: &NodeSealing,
        now: Now,
    ) -> Vec<MembershipEffect> {
        self.lost(token, now)
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
        self.acting(sealing, Self::enter)
    }

    /// The node has announced something in the partition since its birth.
    pub fn announced(&mut self, partition: Partition) {
        self.admissions.announced(partition);
    }

    fn acting(
        &mut self,
        sealing: &NodeSealing,
        act: impl FnOnce(&mut Self, &mut Context<'_>),
    ) -> Vec<MembershipEffect> {
        let scripts = self.settings.scripts.clone();
        let mut context = Context {
            sealing,
            scripts: &scripts,
            now: self.now,
            round: self.round,
            lease: self.settings.lease,
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
    }

    fn be_reborn(&mut self, context: &mut Context<'_>) {
        if self.state == MembershipState::Reborn {
            return;
        }
        self.begin_round();
        self.state = MembershipState::Reborn;
        context.count(MembershipCount::Fenced);
        context.effects.push(MembershipEffect::Reborn);
    }

    fn take(&mut self, purpose: Purpose, answers: Vec<Value>, context: &mut Context<'_>) {
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
            purpose => {
                if let Some(grave) = purpose.grave() {
                    self.reaper.answered(grave, purpose, answers, context);
                }
            }
        }
    }

    fn not_done(&mut self, purpose: Purpose) {
        match purpose {
            Purpose::Identity | Purpose::Beat { .. } => self.entering.not_answered(),
            Purpose::Admit { partition, .. } => self.admissions.refused(partition),
            // Seen again with the next read, or asked again with the next beat.
            Purpose::Claim { .. } | Purpose::Forget { .. } => {}
            purpose => {
                if let Some(grave) = purpose.grave() {
                    self.reaper.failed(grave);
                }
            }
        }
    }
}
