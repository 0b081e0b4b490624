//! The members as this node's subscribers have been told of them.
//!
//! Everything that changes the roster posts a message. So each subscriber of the node, early or
//! late, has the same roster.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use super::{effect::ReplicaEffect, input::ClusterMember};
use crate::cluster::names::{InfoTag, MemberId};

#[derive(Default)]
pub(super) struct ToldRoster {
    members: BTreeMap<MemberId, ToldMember>,
    /// Members of this node that the engine does not have, or is about to have again.
    alone: BTreeSet<MemberId>,
    /// Members of others that the engine has lost. They may come back until then.
    doubtful: BTreeMap<MemberId, Instant>,
}

struct ToldMember {
    user_id: Arc<str>,
    tag: InfoTag,
}

impl ToldRoster {
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn contains(&self, id: &MemberId) -> bool {
        self.members.contains_key(id)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &MemberId> {
        self.members.keys()
    }

    /// The engine has the member.
    pub(super) fn is_confirmed(&self, id: &MemberId) -> bool {
        self.contains(id) && !self.alone.contains(id) && !self.doubtful.contains_key(id)
    }

    pub(super) fn has_alone(&self) -> bool {
        !self.alone.is_empty()
    }

    pub(super) fn next_doubt(&self) -> Option<Instant> {
        self.doubtful.values().min().copied()
    }

    /// The engine has added the member. With another info, it has been away for a moment.
    pub(super) fn add(&mut self, added: ClusterMember, effects: &mut Vec<ReplicaEffect>) {
        let ClusterMember { id, tag, .. } = added;
        self.alone.remove(&id);
        self.doubtful.remove(&id);
        if self.members.get(&id).is_some_and(|told| told.tag == tag) {
            return;
        }
        self.drop_member(&id, effects);
        self.tell_added(added, effects);
    }

    /// The engine has removed the member. One of this node stays: it is about to join again.
    pub(super) fn remove(
        &mut self,
        id: &MemberId,
        is_here: bool,
        effects: &mut Vec<ReplicaEffect>,
    ) {
        if is_here && self.contains(id) {
            self.alone.insert(*id);
            self.doubtful.remove(id);
        } else {
            self.drop_member(id, effects);
        }
    }

    /// A session of this node has been answered without the engine.
    pub(super) fn add_alone(&mut self, member: ClusterMember, effects: &mut Vec<ReplicaEffect>) {
        if self.is_confirmed(&member.id) {
            return;
        }
        self.doubtful.remove(&member.id);
        self.alone.insert(member.id);
        if !self.contains(&member.id) {
            self.tell_added(member, effects);
        }
    }

    /// The last session of a member has left. No message will come for one that the engine never
    /// had.
    pub(super) fn leave_alone(&mut self, id: &MemberId, effects: &mut Vec<ReplicaEffect>) {
        if self.alone.contains(id) {
            self.drop_member(id, effects);
        }
    }

    /// Takes over the members in the engine. With `doubt`, members who are missing stay until then.
    pub(super) fn replace(
        &mut self,
        found: Vec<ClusterMember>,
        is_here: impl Fn(&MemberId) -> bool,
        doubt: Option<Instant>,
        effects: &mut Vec<ReplicaEffect>,
    ) {
        let there: BTreeSet<MemberId> = found.iter().map(|member| member.id).collect();
        let missing: Vec<MemberId> =
            self.members.keys().filter(|id| !there.contains(*id)).copied().collect();
        for id in missing {
            let is_doubted = self.doubtful.contains_key(&id);
            match doubt {
                _ if is_here(&id) => self.remove(&id, true, effects),
                Some(until) if !is_doubted => {
                    self.alone.remove(&id);
                    self.doubtful.insert(id, until);
                }
                _ if is_doubted => {}
                _ => self.drop_member(&id, effects),
            }
        }
        found.into_iter().for_each(|member| self.add(member, effects));
    }

    /// The members of others have until then to come back.
    pub(super) fn renew_doubts(&mut self, until: Instant) {
        self.doubtful.values_mut().for_each(|it| *it = until);
    }

    /// Removes the members who have not come back.
    pub(super) fn end_doubts(&mut self, now: Instant, effects: &mut Vec<ReplicaEffect>) {
        let is_due = |(id, until): (&MemberId, &Instant)| (*until <= now).then_some(*id);
        let due: Vec<MemberId> = self.doubtful.iter().filter_map(is_due).collect();
        due.iter().for_each(|id| self.drop_member(id, effects));
    }

    fn drop_member(&mut self, id: &MemberId, effects: &mut Vec<ReplicaEffect>) {
        self.alone.remove(id);
        self.doubtful.remove(id);
        if let Some(ToldMember { user_id, .. }) = self.members.remove(id) {
            effects.push(ReplicaEffect::MemberRemoved { user_id });
        }
    }

    fn tell_added(&mut self, added: ClusterMember, effects: &mut Vec<ReplicaEffect>) {
        let told = ToldMember { user_id: added.user_id(), tag: added.tag };
        self.members.insert(added.id, told);
        effects.push(ReplicaEffect::MemberAdded(added.member));
    }
}
