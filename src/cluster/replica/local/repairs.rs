//! What snapshots and audits show of this node's part.

use std::{collections::BTreeSet, time::Instant};

use super::{LocalPart, RequestSubject};
use crate::cluster::{
    names::MemberId,
    replica::{
        announced::Announced, effect::RequestNumber, input::HeldByEngine, local_member::LocalMember,
    },
};

/// A member who was lost so often in a row joins again after a pause alone: the engine has the
/// reference and not the member.
const MAX_LOSSES: u8 = 3;

impl LocalPart {
    /// A snapshot that was asked by `asked` has all that was sent before. Returns the members that
    /// have been reached.
    pub(in crate::cluster::replica) fn reach_by_snapshot(
        &mut self,
        asked: RequestNumber,
        number: u64,
    ) -> Vec<MemberId> {
        let mut reached = self.reach(|held| held.reference.request() < asked);
        reached.append(&mut self.pass(number));
        reached
    }

    /// Voids what a snapshot shows to be lost. True if anything is.
    pub(in crate::cluster::replica) fn find_lost(
        &mut self,
        asked: RequestNumber,
        total: u64,
        is_there: impl Fn(&MemberId) -> bool,
        now: Instant,
    ) -> bool {
        let is_older = |request: RequestNumber| request < asked;
        let mut is_lost = false;
        let counted = self.count.sent().filter(|sent| self.count.is_acknowledged(*sent));
        if is_older(self.count.request()) && counted.is_some_and(|sent| total < u64::from(sent)) {
            self.count.void();
            is_lost = true;
        }
        let mut postponed = Vec::new();
        for (id, held) in &mut self.members {
            let reference = &mut held.reference;
            if !is_older(reference.request()) || !reference.is_acknowledged(true) {
                continue;
            }
            if is_there(id) {
                held.losses = 0;
                continue;
            }
            reference.void();
            held.is_reached = false;
            held.losses = held.losses.saturating_add(1);
            is_lost = true;
            if held.losses > MAX_LOSSES {
                postponed.push(*id);
            } else {
                self.dirty.insert(*id);
            }
        }
        for id in postponed {
            self.postpone(RequestSubject::Member(id), now);
        }
        is_lost
    }

    /// Nothing of what the engine has acknowledged is believed any more.
    pub(in crate::cluster::replica) fn void_all(&mut self) {
        self.count.void();
        for (id, held) in &mut self.members {
            held.reference.void();
            held.is_reached = false;
            self.dirty.insert(*id);
        }
        self.joining.clear();
        self.passed.clear();
        self.in_flight.clear();
    }

    /// Takes over what the engine has of this node. True if that is not what it has acknowledged.
    pub(in crate::cluster::replica) fn audited(
        &mut self,
        asked: RequestNumber,
        held_there: HeldByEngine,
    ) -> bool {
        let mut is_lost = self.count.found(held_there.count, asked);
        let found: BTreeSet<MemberId> = held_there.members.iter().map(|it| it.id).collect();
        for who in held_there.members {
            // The reference of a user who left, from before a change of master.
            self.members.entry(who.id).or_insert_with(|| {
                let mut unknown = LocalMember::new(who, 0);
                unknown.reference = Announced::unknown();
                unknown
            });
        }
        for (id, held) in &mut self.members {
            is_lost |= held.reference.found(found.contains(id), asked);
            self.dirty.insert(*id);
        }
        is_lost
    }
}
