//! Ends each call: reads what may be read, calls newcomers, sends differences, closes.

use std::time::Instant;

use super::{
    CLOSING_DELAY, KEY_TIMEOUT, Replica,
    effect::ReplicaEffect,
    inbox::Inbox,
    reading::Reading,
};
use crate::cluster::names::MemberId;

impl Replica {
    /// Time has passed.
    pub fn tick(&mut self, now: Instant) -> Vec<ReplicaEffect> {
        self.roster.end_doubts(now, &mut self.effects);
        self.local.tick(now);
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
        let own = [self.roster.next_doubt(), self.key_by, self.close_at, failed];
        own.into_iter().chain(self.local.deadlines()).flatten().min()
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
                self.ask_snapshot();
            }
        }
    }

    /// The channel has become known. Whoever does not wait for more may enter.
    pub(super) fn call_after_sync(&mut self, _now: Instant) {
        self.call_ready();
    }

    fn call_ready(&mut self) {
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
        if self.is_linked {
            self.local.differences(now, &mut self.effects);
        }
        self.close_if_unused(now);
        std::mem::take(&mut self.effects)
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
        // A late confirmation would be taken for that of the next subscription.
        let is_subscribing = self.is_linked && matches!(self.reading, Reading::Subscribing);
        if close_at <= now && self.local.is_idle() && !is_subscribing {
            self.close();
        }
    }

    /// Nobody is left to be told anything.
    fn close(&mut self) {
        self.reading = Reading::Closed;
        self.inbox = Inbox::default();
        self.roster = Default::default();
        self.events.forget(&mut self.effects);
        self.events = Default::default();
        self.told_total = None;
        (self.is_detached, self.is_keyless, self.is_suspect) = (false, false, false);
        (self.close_at, self.key_by) = (None, None);
        self.effects.push(ReplicaEffect::Unsubscribe);
    }
}
