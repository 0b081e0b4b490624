//! The connection to the engine, and its answers.

use std::time::Instant;

use super::{
    ChannelReplica,
    effect::{ReplicaEffect, RequestNumber, VerbReply},
    input::{ChannelMemory, HeldByEngine, MasterChange, VerbFailure},
    local::RequestSubject,
    reading::Reading,
    repair::RepairCause,
};
use crate::cluster::names::MemberId;

impl ChannelReplica {
    /// Either connection is lost. No verb is sent until `reconnected`.
    pub fn disconnected(&mut self, now: Instant) -> Vec<ReplicaEffect> {
        self.is_linked = false;
        self.is_suspect |= self.doubt_until.take().is_some_and(|until| until > now);
        if !matches!(self.reading, Reading::Closed) {
            self.reading = Reading::Subscribing;
        }
        self.settle(now)
    }

    /// Both connections are there again, and the lane has repeated what was not answered. The topic
    /// is reported by `subscribed`.
    pub fn reconnected(&mut self, master: MasterChange, now: Instant) -> Vec<ReplicaEffect> {
        self.is_linked = true;
        self.roster.renew_doubts(now + self.lease);
        if master == MasterChange::Other {
            self.log.suspect();
            self.suspect_all();
            if self.memory != ChannelMemory::Mirror {
                self.ask_held();
            }
        }
        self.settle(now)
    }

    /// The engine has forgotten this node, or knows it under another name from now on.
    pub fn announce_all(&mut self, now: Instant) -> Vec<ReplicaEffect> {
        self.suspect_all();
        self.doubt_until = Some(now + self.lease);
        if self.is_linked {
            self.ask_state();
        }
        self.settle(now)
    }

    /// Compares this replica with the engine.
    pub fn audit(&mut self, now: Instant) -> Vec<ReplicaEffect> {
        if self.is_linked {
            if self.memory != ChannelMemory::Mirror {
                self.ask_held();
            }
            self.ask_state();
        }
        self.settle(now)
    }

    /// The engine has something of this node here, although no session is left: takes it away.
    pub fn look_after(&mut self, now: Instant) -> Vec<ReplicaEffect> {
        self.begin_subscribing();
        self.ask_held();
        self.settle(now)
    }

    pub fn audited(
        &mut self,
        asked: RequestNumber,
        held: HeldByEngine,
        now: Instant,
    ) -> Vec<ReplicaEffect> {
        // Above some size a total is told now and then, and who was to tell it may have died. Whoever
        // counts once more tells it.
        if self.told_total != Some(held.total) {
            self.is_total_stale = true;
            self.local.recount(now);
        }
        // Members of other nodes may be lost as well, and come back.
        let is_lost = self.local.audited(asked, held);
        if is_lost {
            self.note_repair(RepairCause::Lost);
        }
        self.is_suspect |= is_lost;
        self.settle(now)
    }

    fn suspect_all(&mut self) {
        self.is_suspect = true;
        // A mirror has nothing of this node.
        if self.memory != ChannelMemory::Mirror {
            self.local.void_all();
        }
    }

    fn ask_held(&mut self) {
        let asked = self.local.next_request();
        self.effects.push(ReplicaEffect::AskHeld(asked));
    }

    pub(super) fn ask_state(&mut self) {
        let is_synced = matches!(self.reading, Reading::Synced { .. });
        if is_synced && self.memory != ChannelMemory::CountAlone {
            self.ask_snapshot();
        }
    }

    /// The answer to a verb.
    pub fn replied(
        &mut self,
        request: RequestNumber,
        reply: VerbReply,
        now: Instant,
    ) -> Vec<ReplicaEffect> {
        match (self.local.answered_request(request), reply) {
            (Some(RequestSubject::Count), VerbReply::Counted { total, due_ms }) => {
                let is_newest = self.local.counted(request, due_ms, now);
                if is_newest && self.is_total_stale && self.memory == ChannelMemory::CountAlone {
                    self.tell_total(total);
                }
            }
            (Some(RequestSubject::Member(id)), VerbReply::Joined { number }) => {
                let is_reached = self.local.joined(id, request, number);
                self.call_joined(is_reached.then_some(id).into_iter().collect());
            }
            (Some(RequestSubject::Member(id)), VerbReply::Left) => self.local.left(id, request),
            (Some(RequestSubject::Member(id)), VerbReply::Full) => self.turn_away(id, request),
            _ => {}
        }
        self.settle(now)
    }

    /// The sessions of a user are neither counted nor members from now on: no retry.
    fn turn_away(&mut self, id: MemberId, request: RequestNumber) {
        if !self.local.refused_as_full(id, request) {
            return;
        }
        for waiting in self.newcomers.take_of(id) {
            self.local.stop_waiting(Some(id));
            self.effects.push(ReplicaEffect::RefuseFull(waiting));
        }
    }

    /// A verb was not done.
    pub fn verb_failed(
        &mut self,
        request: RequestNumber,
        failure: VerbFailure,
        now: Instant,
    ) -> Vec<ReplicaEffect> {
        if let Some(subject) = self.local.answered_request(request) {
            let is_last = self.local.failed(subject, request);
            if is_last && failure == VerbFailure::Refused {
                self.local.postpone(subject, now);
            }
        }
        self.settle(now)
    }
}
