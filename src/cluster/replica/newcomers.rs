//! The sessions that have not been answered.

use indexmap::{IndexMap, IndexSet};
use std::collections::BTreeMap;

use super::{
    effect::ReplicaEffect,
    input::{ArrivingSubscriber, WaitingId},
};
use crate::cluster::names::MemberId;

#[derive(Default)]
pub(super) struct Newcomers {
    waiting: IndexMap<WaitingId, ArrivingSubscriber>,
    /// Those who have not been called to enter, by what they wait for: a member's join, or the
    /// channel alone.
    uncalled: BTreeMap<Option<MemberId>, IndexSet<WaitingId>>,
}

impl Newcomers {
    /// False if it waits already.
    pub(super) fn insert(&mut self, newcomer: ArrivingSubscriber) -> bool {
        let (id, member) = (newcomer.id, member_of(&newcomer));
        if self.waiting.contains_key(&id) {
            return false;
        }
        self.waiting.insert(id, newcomer);
        self.uncalled.entry(member).or_default().insert(id)
    }

    pub(super) fn get(&self, id: &WaitingId) -> Option<&ArrivingSubscriber> {
        self.waiting.get(id)
    }

    pub(super) fn remove(&mut self, id: &WaitingId) -> Option<ArrivingSubscriber> {
        let newcomer = self.waiting.swap_remove(id)?;
        self.mark_called(id, member_of(&newcomer));
        Some(newcomer)
    }

    /// The session enters in this call, or has been called.
    pub(super) fn mark_called(&mut self, id: &WaitingId, member: Option<MemberId>) {
        if let Some(group) = self.uncalled.get_mut(&member) {
            group.swap_remove(id);
            if group.is_empty() {
                self.uncalled.remove(&member);
            }
        }
    }

    /// It came, and may not enter after all: it is to be called again.
    pub(super) fn uncall(&mut self, id: WaitingId) {
        if let Some(newcomer) = self.waiting.get(&id) {
            self.uncalled.entry(member_of(newcomer)).or_default().insert(id);
        }
    }

    /// Calls those who wait for `member`, or those who wait for the channel alone.
    pub(super) fn call(&mut self, member: Option<MemberId>, effects: &mut Vec<ReplicaEffect>) {
        let called = self.uncalled.remove(&member).unwrap_or_default();
        effects.extend(called.into_iter().map(ReplicaEffect::Answer));
    }

    pub(super) fn groups(&self) -> Vec<Option<MemberId>> {
        self.uncalled.keys().copied().collect()
    }

    /// Forgets all sessions of a user.
    pub(super) fn take_of(&mut self, member: MemberId) -> Vec<WaitingId> {
        let is_of = |it: &ArrivingSubscriber| member_of(it) == Some(member);
        let all = self.waiting.values().filter(|it| is_of(it)).map(|it| it.id).collect::<Vec<_>>();
        for id in &all {
            self.remove(id);
        }
        all
    }
}

fn member_of(newcomer: &ArrivingSubscriber) -> Option<MemberId> {
    newcomer.member.as_ref().map(|member| member.id)
}
