//! Reaps dead nodes: those that this node has claimed, in all partitions, and those that a partition
//! lists and the entries do not, in that one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use redis::Value;

use super::{
    burial::{Burial, Progress},
    context::MembershipContext,
    effect::MembershipCount,
    token::{Grave, Purpose},
};
use crate::cluster::{
    names::{Incarnation, NodeSlot, Partition},
    node::keys::control_keys,
    redis::{control::ControlVerb, replies::Reply, scripts::Script},
};

/// Burials at the same time. Each has at most a few hundred commands on their way.
const ACTIVE: usize = 8;

#[derive(Default)]
pub(super) struct Reaper {
    /// The claimed nodes.
    claimed: BTreeMap<Incarnation, Claimed>,
    active: BTreeMap<Grave, Burial>,
    waiting: VecDeque<Grave>,
    /// To be begun anew with the next beat.
    failed: BTreeSet<Grave>,
}

struct Claimed {
    slot: Option<NodeSlot>,
    partitions_left: BTreeSet<Partition>,
}

impl Reaper {
    pub fn is_reaping(&self, node: &Incarnation) -> bool {
        self.claimed.contains_key(node)
    }

    /// Takes over a node whose entry stood still.
    pub fn claim(
        &mut self,
        node: Incarnation,
        seen: Bytes,
        slot: Option<NodeSlot>,
        context: &mut MembershipContext<'_>,
    ) {
        let claimer = *context.sealing.incarnation().as_bytes();
        let verb = ControlVerb::Claim { node: *node.as_bytes(), seen, claimer };
        let keys = control_keys(&context.sealing.layout);
        context.ask(vec![verb.command(context.scripts, &keys)], Purpose::Claim { node, slot });
    }

    pub fn claim_answered(
        &mut self,
        node: Incarnation,
        slot: Option<NodeSlot>,
        answer: &Value,
        context: &mut MembershipContext<'_>,
    ) {
        let is_ours = Reply::parse(Script::Claim, answer) == Ok(Reply::Claimed);
        if !is_ours || self.is_reaping(&node) {
            return;
        }
        let partitions_left = Partition::all().collect();
        self.claimed.insert(node, Claimed { slot, partitions_left });
        self.waiting.extend(Partition::all().map(|partition| Grave::new(node, partition)));
        self.advance(context);
    }

    /// A node that only one partition still lists.
    pub fn bury(&mut self, grave: Grave, context: &mut MembershipContext<'_>) {
        let mut known = self.active.keys().chain(&self.failed).chain(&self.waiting);
        if !self.is_reaping(&grave.node) && !known.any(|known| known.is_same_place(&grave)) {
            self.waiting.push_back(grave);
            self.advance(context);
        }
    }

    /// With each beat: what failed is begun anew.
    pub fn beat(&mut self, context: &mut MembershipContext<'_>) {
        self.waiting.extend(std::mem::take(&mut self.failed));
        let done = self.claimed.iter().filter(|(_, it)| it.partitions_left.is_empty());
        let done: Vec<_> = done.map(|(node, _)| *node).collect();
        done.into_iter().for_each(|node| self.forget(node, context));
        self.advance(context);
    }

    fn advance(&mut self, context: &mut MembershipContext<'_>) {
        while self.active.len() < ACTIVE {
            // Burials that wait for their master would hold up the others.
            let is_reached = |grave: &Grave| !context.unreached.contains(grave.partition);
            let Some(at) = self.waiting.iter().position(is_reached) else { return };
            let Some(grave) = self.waiting.remove(at) else { return };
            self.active.insert(grave, Burial::begin(grave, context));
        }
    }

    pub fn answered(
        &mut self,
        grave: Grave,
        purpose: Purpose,
        answers: Vec<Value>,
        context: &mut MembershipContext<'_>,
    ) {
        let Some(burial) = self.active.get_mut(&grave) else { return };
        match burial.answered(purpose, answers, context) {
            Progress::Goes => {}
            Progress::Failed => self.failed(grave),
            Progress::Done => {
                self.active.remove(&grave);
                self.buried(grave, context);
                self.advance(context);
            }
        }
    }

    /// A question was lost, or a change refused. Answers that still come are passed over.
    pub fn failed(&mut self, grave: Grave) {
        if self.active.remove(&grave).is_some() {
            self.failed.insert(grave.again());
        }
    }

    fn buried(&mut self, grave: Grave, context: &mut MembershipContext<'_>) {
        let Some(claimed) = self.claimed.get_mut(&grave.node) else { return };
        claimed.partitions_left.remove(&grave.partition);
        if claimed.partitions_left.is_empty() {
            self.forget(grave.node, context);
        }
    }

    fn forget(&mut self, node: Incarnation, context: &mut MembershipContext<'_>) {
        let slot = self.claimed.get(&node).and_then(|claimed| claimed.slot);
        let verb = ControlVerb::Forget {
            node: *node.as_bytes(),
            // A slot that nobody can have leaves the node's own one to the next who draws it.
            slot: slot.map_or(NodeSlot::COUNT, NodeSlot::number),
            claimer: *context.sealing.incarnation().as_bytes(),
        };
        let keys = control_keys(&context.sealing.layout);
        context.ask(vec![verb.command(context.scripts, &keys)], Purpose::Forget { node });
    }

    pub fn forgotten(
        &mut self,
        node: Incarnation,
        answer: &Value,
        context: &mut MembershipContext<'_>,
    ) {
        let Ok(reply) = Reply::parse(Script::Forget, answer) else { return };
        if self.claimed.remove(&node).is_some() && reply == Reply::Forgotten {
            context.count(MembershipCount::Reaped);
        }
    }
}
