//! What a member does as the owner of partitions.

use std::time::Duration;

use redis::Value;

use super::{
    Membership, MembershipState, context::MembershipContext, fact_count,
    ownership::OwnershipChange, token::Purpose,
};
use crate::cluster::names::Partition;

/// Between two looks at facts and at what lingers.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_millis(500);

impl Membership {
    pub(super) fn beat_as_owner(&mut self, context: &mut MembershipContext<'_>) {
        let facts = &self.facts;
        let is_in_hand = |partition| facts.is_in_hand(partition);
        let given_back = self.ownership.beat(self.entries.peers(), is_in_hand, context);
        given_back.into_iter().for_each(|partition| self.facts.lost_partition(partition));
        let owned = self.ownership.owned(context.now.boot);
        fact_count::ask(&owned, context);
        self.forgotten.ask(owned, context);
    }

    pub(super) fn look(&mut self, context: &mut MembershipContext<'_>) {
        self.next_look = context.now.at + LOOK_INTERVAL;
        if self.state != MembershipState::Member {
            return;
        }
        let boot = context.now.boot;
        let token = self.ownership.token(context.sealing.incarnation());
        self.facts.acknowledge(&token, context);
        self.facts.mark(&token, context);
        self.facts.ask(&self.ownership.kept(boot), &token, context);
        self.lingering.ask(&self.ownership.owned(boot), context);
    }

    /// Between two looks, as facts are done with one by one.
    pub(super) fn acknowledge(&mut self, context: &mut MembershipContext<'_>) {
        if self.state == MembershipState::Member {
            let token = self.ownership.token(context.sealing.incarnation());
            self.facts.acknowledge(&token, context);
        }
    }

    pub(super) fn take_as_owner(
        &mut self,
        purpose: Purpose,
        answers: Vec<Value>,
        context: &mut MembershipContext<'_>,
    ) {
        let first = answers.first().cloned().unwrap_or(Value::Nil);
        match purpose {
            Purpose::Own { partition, asked } => {
                match self.ownership.answered(partition, asked, &first, context.lease) {
                    OwnershipChange::None => {}
                    OwnershipChange::Gained => self.facts.gained(partition),
                    OwnershipChange::Lost => self.facts.lost_partition(partition),
                }
                if let Some(until) = self.ownership.until(partition) {
                    self.facts.granted(partition, until);
                }
            }
            Purpose::ListLingering(partitions) => {
                self.lingering.listed(partitions, answers, context);
            }
            Purpose::ReadLingering(found) => self.lingering.read(found, answers, context),
            Purpose::End(partition) => self.lingering.ended(partition),
            Purpose::TakeFacts(partitions) => {
                let taking = self.facts.taken(partitions, answers, context);
                self.lost_partitions(taking.lost);
                if taking.has_more {
                    self.next_look = context.now.at;
                }
            }
            Purpose::Acknowledge { partition, entries } => {
                let is_ours = self.facts.acknowledged(partition, &entries, &first);
                self.lost_partitions((!is_ours).then_some(partition));
            }
            Purpose::CountFacts => fact_count::take(&answers, context),
            Purpose::ListNodes { partitions, asked } => {
                let entries = &self.entries;
                let graves = self.forgotten.listed(partitions, asked, answers, entries, context);
                graves.into_iter().for_each(|grave| self.reaper.bury(grave, context));
            }
            _ => {}
        }
    }

    pub(super) fn not_done_as_owner(&mut self, purpose: Purpose) {
        match purpose {
            Purpose::Own { partition, .. } => self.ownership.refused(partition),
            Purpose::ListLingering(_) | Purpose::ReadLingering(_) => self.lingering.lost(),
            Purpose::End(partition) => self.lingering.ended(partition),
            Purpose::TakeFacts(_) => self.facts.lost(),
            Purpose::Acknowledge { partition, entries } => {
                self.facts.not_acknowledged(partition, &entries);
            }
            Purpose::ListNodes { .. } => self.forgotten.lost(),
            _ => {}
        }
    }

    fn lost_partitions(&mut self, partitions: impl IntoIterator<Item = Partition>) {
        for partition in partitions {
            self.ownership.lost(partition);
            self.facts.lost_partition(partition);
        }
    }
}
