//! A node takes itself out of the cluster.
//!
//! What it had has left before, in the same lanes. If something is left nevertheless, its entry stays,
//! and it is reaped like a dead node.

use std::time::{Duration, Instant};

use redis::Value;

use super::{
    Membership, MembershipState,
    context::{MembershipContext, command},
    effect::MembershipEffect,
    token::Purpose,
};
use crate::cluster::{
    node::keys::control_keys,
    redis::{control::ControlVerb, replies::Reply, scripts::Script, verbs::Verb},
};

/// Redis may not answer. The others then reap this node.
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Leaving {
    pub deadline: Instant,
    waiting: usize,
    keeps_entry: bool,
}

impl Membership {
    pub(super) fn begin_leaving(&mut self, context: &mut MembershipContext<'_>) {
        if self.state != MembershipState::Member {
            return context.effects.extend(self.end_leaving());
        }
        let own = context.sealing.incarnation();
        let token = self.ownership.token(own);
        self.facts.acknowledge(&token, context);
        let owned = self.ownership.take_all();
        for partition in &owned {
            let verb = Verb::Own { token: token.clone(), lease_ms: 0 };
            context.change_partition(*partition, &own, &verb, Purpose::GiveBack);
        }
        let announced: Vec<_> = self.admissions.partitions().collect();
        for partition in &announced {
            let verb = Verb::Retire { node: *own.as_bytes() };
            context.change_partition(*partition, &own, &verb, Purpose::RetireSelf);
        }
        self.state = MembershipState::Leaving(Leaving {
            deadline: context.now.at + TIMEOUT,
            waiting: owned.len() + announced.len() + 1,
            keeps_entry: false,
        });
        self.one_done(true, context);
    }

    /// One of the partitions is done; `is_gone` unless something of the node is left there.
    pub(super) fn one_done(&mut self, is_gone: bool, context: &mut MembershipContext<'_>) {
        let MembershipState::Leaving(leaving) = &mut self.state else { return };
        leaving.keeps_entry |= !is_gone;
        leaving.waiting = leaving.waiting.saturating_sub(1);
        let Leaving { waiting, keeps_entry, .. } = *leaving;
        match (waiting, keeps_entry) {
            (0, false) => self.forget_self(context),
            (0, true) => context.effects.extend(self.end_leaving()),
            _ => {}
        }
    }

    pub(super) fn retired_self(&mut self, answer: &Value, context: &mut MembershipContext<'_>) {
        let is_gone = Reply::parse(Script::Retire, answer) == Ok(Reply::Retired);
        self.one_done(is_gone, context);
    }

    fn forget_self(&mut self, context: &mut MembershipContext<'_>) {
        let Some(slot) = self.entering.slot() else {
            return context.effects.extend(self.end_leaving());
        };
        let node = *context.sealing.incarnation().as_bytes();
        let verb = ControlVerb::Forget { node, slot: slot.number(), claimer: node };
        let keys = control_keys(&context.sealing.layout);
        let nodes = command("HLEN", &keys.nodes);
        context.ask(vec![verb.command(context.scripts, &keys), nodes], Purpose::ForgetSelf);
    }

    /// The last node takes the identity with it. One without nodes would tell the next node that Redis
    /// has lost them, and let it wait for them.
    pub(super) fn forgot_self(&mut self, answers: &[Value], context: &mut MembershipContext<'_>) {
        if let [_, Value::Int(0)] = answers {
            let identity = context.sealing.layout.identity();
            context.ask(vec![command("DEL", &identity)], Purpose::RemoveIdentity);
        } else {
            context.effects.extend(self.end_leaving());
        }
    }

    /// The others reap what is left.
    pub(super) fn end_leaving(&mut self) -> Vec<MembershipEffect> {
        let before = std::mem::replace(&mut self.state, MembershipState::Left);
        if before == MembershipState::Left { Vec::new() } else { vec![MembershipEffect::Left] }
    }
}
