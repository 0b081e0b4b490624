//! The way into the cluster and the beats there: identity, slot, entry.

use std::time::Duration;

use redis::Value;

use super::{
    BEATS_PER_LEASE, Membership, MembershipState,
    context::{MembershipContext, command},
    effect::{MembershipEffect, PeerNode},
    entries::{self, Entries},
    identity::{self, Identity},
    token::Purpose,
    watch::ReadTimes,
};
use crate::cluster::{
    names::NodeSlot,
    node::keys::control_keys,
    redis::{checks::accept, link::LinkError, replies::Reply, scripts::Script},
};

/// Between the identity and the entry of the first node.
const SECOND_LOOK: Duration = Duration::from_millis(300);

/// Slots that are drawn before the next beat.
const DRAWS: u32 = 8;

#[derive(Default)]
pub(super) struct Entering {
    /// Also while the connection is away: others keep the slot free until the node is dead.
    slot: Option<NodeSlot>,
    /// Until then the living register their slots, which Redis has lost.
    waits_until: Option<Duration>,
    /// A question that is not answered yet.
    is_asking: bool,
    draws: u32,
    /// The last reason for a refusal.
    refused: Option<String>,
}

impl Entering {
    pub fn not_answered(&mut self) {
        self.is_asking = false;
    }

    pub fn slot(&self) -> Option<NodeSlot> {
        self.slot
    }
}

fn first_refusal(answers: [(&Value, &'static str); 3]) -> Option<LinkError> {
    answers.into_iter().find_map(|(answer, command)| accept(answer, command).err())
}

impl Membership {
    /// From the beginning: over a new connection, or as a new incarnation.
    pub(super) fn enter(&mut self, context: &mut MembershipContext<'_>) {
        self.state = MembershipState::Entering;
        self.entering.is_asking = false;
        self.next_beat = context.now.at + context.lease / BEATS_PER_LEASE;
        self.ask_identity(context);
    }

    pub(super) fn beat(&mut self, context: &mut MembershipContext<'_>) {
        if !self.is_beating() {
            return;
        }
        self.next_beat = context.now.at + context.lease / BEATS_PER_LEASE;
        self.entering.draws = 0;
        if self.entering.is_asking {
            return;
        }
        if self.state == MembershipState::Entering {
            return self.ask_identity(context);
        }
        self.raise_beat(context);
        self.admissions.ask_all(context);
        self.reaper.beat(context);
        self.beat_as_owner(context);
    }

    fn ask_identity(&mut self, context: &mut MembershipContext<'_>) {
        let Ok(commands) = self.identity(context).ask() else { return };
        let nodes = command("HLEN", &control_keys(&context.sealing.layout).nodes);
        self.entering.is_asking = true;
        context.ask(commands.into_iter().chain([nodes]).collect(), Purpose::Identity);
    }

    fn identity<'a>(&'a self, context: &MembershipContext<'a>) -> Identity<'a> {
        Identity {
            sealing: context.sealing,
            host: &self.settings.identity,
            fingerprint: &self.settings.key_fingerprint,
        }
    }

    pub(super) fn identity_answered(
        &mut self,
        answers: Vec<Value>,
        context: &mut MembershipContext<'_>,
    ) {
        self.entering.is_asking = false;
        let Ok([set, read, nodes]) = <[Value; 3]>::try_from(answers) else { return };
        if !self.is_beating() {
            return;
        }
        let refused = first_refusal([(&read, "GET"), (&set, "SET"), (&nodes, "HLEN")]);
        match self.identity(context).check(read) {
            Err(wrong) => self.refuse(wrong.to_string(), context),
            Ok(false) => self.hinder(refused, context),
            Ok(true) => {
                self.entering.refused = None;
                let is_lost = set == Value::Nil && nodes == Value::Int(0);
                if self.state == MembershipState::Entering && !self.waits(is_lost, context) {
                    self.raise_beat(context);
                }
            }
        }
    }

    fn refuse(&mut self, reason: String, context: &mut MembershipContext<'_>) {
        // Its entry, if it has one, is left to the others.
        self.state = MembershipState::Entering;
        if self.entering.refused.as_ref() != Some(&reason) {
            self.entering.refused = Some(reason.clone());
            context.effects.push(MembershipEffect::Refused { reason });
        }
    }

    fn hinder(&mut self, refused: Option<LinkError>, context: &mut MembershipContext<'_>) {
        if let Some(error) = refused {
            context.effects.push(MembershipEffect::Hindered { error });
        }
    }

    /// A cluster with an identity and no node has lost its entries, and its living nodes have not
    /// registered their slots again. Or its first node has just begun: then its entry comes at once.
    fn waits(&mut self, is_lost: bool, context: &MembershipContext<'_>) -> bool {
        let (now, lease) = (context.now, context.lease);
        let waits_until = &mut self.entering.waits_until;
        match *waits_until {
            None if is_lost && self.entering.slot.is_none() => {
                *waits_until = Some(now.boot + lease);
                self.next_beat = now.at + SECOND_LOOK;
            }
            Some(until) if !is_lost && until.saturating_sub(now.boot) > lease - SECOND_LOOK * 3 => {
                *waits_until = None;
            }
            _ => {}
        }
        self.entering.waits_until.is_some_and(|until| now.boot < until)
    }

    fn raise_beat(&mut self, context: &mut MembershipContext<'_>) {
        self.entering.slot = self.entering.slot.or_else(|| self.entries.free_slot());
        let Some(slot) = self.entering.slot else { return };
        let Ok(beat) = entries::beat(context, slot, self.load) else { return };
        let renew = identity::renew(&context.sealing.layout.identity());
        let read = entries::read_all(context);
        self.entering.is_asking = true;
        context.ask(vec![beat, renew, read], Purpose::Beat { asked: context.now.boot });
    }

    pub(super) fn beat_answered(
        &mut self,
        asked: Duration,
        answers: Vec<Value>,
        context: &mut MembershipContext<'_>,
    ) {
        self.entering.is_asking = false;
        let Ok([beat, renewed, read]) = <[Value; 3]>::try_from(answers) else { return };
        if !self.is_beating() {
            return;
        }
        let refused =
            first_refusal([(&beat, "EVALSHA"), (&read, "HGETALL"), (&renewed, "PEXPIRE")]);
        if self.state == MembershipState::Entering && refused.is_some() {
            return self.hinder(refused, context);
        }
        if let Some(entries) = Entries::read(read, context) {
            self.entries = entries;
            self.observe(asked, context);
        }
        match Reply::parse(Script::Beat, &beat) {
            Ok(Reply::New | Reply::Here) => self.is_member(context),
            Ok(Reply::Dying) => return self.be_reborn(context),
            Ok(Reply::SlotTaken) => return self.draw_again(context),
            _ => {}
        }
        if renewed == Value::Int(0) {
            self.ask_identity(context);
        }
    }

    fn is_member(&mut self, context: &mut MembershipContext<'_>) {
        if self.state == MembershipState::Entering
            && let Some(slot) = self.entering.slot
        {
            self.state = MembershipState::Member;
            context.effects.push(MembershipEffect::Joined { slot });
            // Redis may be another one, or have lost something.
            self.admissions.ask_all(context);
        }
        let seen = |peer: &PeerNode| self.watch.since(&peer.incarnation).unwrap_or(peer.seen);
        let peers = self.entries.peers().iter();
        let peers = peers.map(|peer| PeerNode { seen: seen(peer), ..*peer }).collect();
        context.effects.push(MembershipEffect::Peers(peers));
    }

    /// Redis may have lost the entries, and another node been quicker: a member as well draws again.
    fn draw_again(&mut self, context: &mut MembershipContext<'_>) {
        self.state = MembershipState::Entering;
        self.entering.slot = None;
        self.entering.draws += 1;
        if self.entering.draws < DRAWS {
            self.raise_beat(context);
        }
    }

    fn observe(&mut self, asked: Duration, context: &mut MembershipContext<'_>) {
        if self.watch.has_paused(asked) {
            self.watch.restart();
            self.watch.has_paused(asked);
            self.forgotten.restart();
        }
        let times = ReadTimes { asked, answered: context.now.boot };
        let own = context.sealing.incarnation();
        for (node, seen) in
            self.watch.observe(times, &self.entries.stored, |node| self.entries.lease(node))
        {
            if node != own && !self.reaper.is_reaping(&node) {
                self.reaper.claim(node, seen, self.entries.slot(&node), context);
            }
        }
    }
}
