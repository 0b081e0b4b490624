//! Ends each call: reads what may be read, calls newcomers, sends differences, closes.

use std::time::Instant;

use super::{
    CLOSING_DELAY, ChannelReplica, KEY_TIMEOUT, effect::ReplicaEffect, inbox::ReplicaInbox,
    input::ChannelMemory, reading::Reading, repair::RepairCause,
};
use crate::cluster::names::MemberId;

impl ChannelReplica {
    /// Time has passed.
    pub fn tick(&mut self, now: Instant) -> Vec<ReplicaEffect> {
        self.end_doubts(now);
        self.local.tick(now);
        if self.due_greeting().is_some_and(|at| at <= now)
            && let Some(total) = self.told_total
        {
            self.tell_total(total);
        }
        if self.key_by.is_some_and(|by| by <= now) {
            if self.reading.is_keyless() {
                self.drop_keyless_snapshot();
            } else {
                self.drop_keyless();
            }
        }
        if matches!(self.reading, Reading::Failed { until } if until <= now) && self.is_linked {
            self.ask_snapshot();
        }
        self.settle(now)
    }

    /// `tick` is due then.
    pub fn next_deadline(&self) -> Option<Instant> {
        let failed = match self.reading {
            Reading::Failed { until } => Some(until),
            _ => None,
        };
        let close_at = self.close_at.filter(|_| self.may_close());
        let greeting = self.due_greeting();
        let own = [self.next_doubt(), self.key_by, close_at, failed, greeting];
        let local = self.may_announce().then(|| self.local.deadlines());
        own.into_iter().chain(local.into_iter().flatten()).flatten().min()
    }

    /// The others have had their time. Without a connection nobody could have come back.
    fn end_doubts(&mut self, now: Instant) {
        if !self.is_linked {
            return;
        }
        self.roster.end_doubts(now, &mut self.effects);
        let is_over = self.doubt_until.take_if(|until| *until <= now).is_some();
        if is_over && self.memory == ChannelMemory::Mirror {
            self.ask_state();
        }
    }

    fn next_doubt(&self) -> Option<Instant> {
        let total = self.doubt_until.filter(|_| self.memory == ChannelMemory::Mirror);
        let next = self.roster.next_doubt().into_iter().chain(total).min();
        next.filter(|_| self.is_linked)
    }

    /// While nothing is known, the next total greets.
    fn due_greeting(&self) -> Option<Instant> {
        let is_synced = matches!(self.reading, Reading::Synced { .. });
        self.greeting_at.filter(|_| is_synced && self.told_total.is_some())
    }

    pub(super) fn begin_subscribing(&mut self) {
        if matches!(self.reading, Reading::Closed) {
            self.reading = Reading::Subscribing;
            self.effects.push(ReplicaEffect::Subscribe);
        }
    }

    /// What was asked for is here: the members have been reached.
    pub(super) fn call_joined(&mut self, reached: Vec<MemberId>) {
        for id in reached {
            if self.is_ready(Some(id)) {
                self.newcomers.call(Some(id), &mut self.effects);
            } else if matches!(self.reading, Reading::Synced { .. })
                && self.local.member(&id).is_some_and(|member| member.has_joined())
            {
                // The engine has the member, and this roster lacks it.
                self.note_repair(RepairCause::Overtaken);
                self.ask_snapshot();
            }
        }
    }

    /// The channel has become known, or this node is on its own.
    pub(super) fn call_ready(&mut self) {
        for member in self.newcomers.groups() {
            if self.is_ready(member) {
                self.newcomers.call(member, &mut self.effects);
            }
        }
    }

    #[must_use]
    pub(super) fn settle(&mut self, now: Instant) -> Vec<ReplicaEffect> {
        self.read_inbox(now);
        self.await_key(now);
        if self.is_detached {
            self.end_detachment();
        }
        if self.is_detached {
            self.call_ready();
        }
        if self.may_announce() {
            self.local.differences(self.reading.applied(), now, &mut self.effects);
        }
        self.close_if_unused(now);
        std::mem::take(&mut self.effects)
    }

    /// The answer to the first count has the total, so no later one must be missed.
    fn may_announce(&self) -> bool {
        let is_subscribing = matches!(self.reading, Reading::Subscribing);
        let misses_totals = self.memory == ChannelMemory::CountAlone && is_subscribing;
        self.is_linked && !misses_totals && self.memory != ChannelMemory::Mirror
    }

    fn await_key(&mut self, now: Instant) {
        let is_awaited = self.inbox.is_keyless() || self.reading.is_keyless();
        self.key_by = is_awaited.then(|| self.key_by.unwrap_or(now + KEY_TIMEOUT));
    }

    /// The engine has everybody whom this node has answered.
    fn end_detachment(&mut self) {
        let is_synced = matches!(self.reading, Reading::Synced { .. });
        self.is_detached = !is_synced || self.roster.has_alone();
    }

    fn close_if_unused(&mut self, now: Instant) {
        let is_unused = self.local.sessions() == 0 && !self.is_closed();
        if !is_unused {
            self.close_at = None;
            return;
        }
        let close_at = *self.close_at.get_or_insert(now + CLOSING_DELAY);
        if close_at <= now && self.may_close() {
            self.close();
        }
    }

    /// A late confirmation would be taken for that of the next subscription.
    fn may_close(&self) -> bool {
        let is_subscribing = self.is_linked && matches!(self.reading, Reading::Subscribing);
        self.local.is_idle() && !is_subscribing
    }

    /// Nobody is left to be told anything.
    fn close(&mut self) {
        self.reading = Reading::Closed;
        self.inbox = ReplicaInbox::default();
        self.roster = Default::default();
        self.events.forget(&mut self.effects);
        self.events = Default::default();
        self.log = Default::default();
        (self.told_total, self.is_total_stale, self.greeting_at) = (None, true, None);
        (self.is_detached, self.is_keyless, self.is_suspect) = (false, false, false);
        (self.close_at, self.key_by, self.doubt_until) = (None, None, None);
        self.effects.push(ReplicaEffect::Unsubscribe);
    }
}
