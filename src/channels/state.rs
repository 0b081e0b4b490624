//! The state of one channel.
//!
//! `ChannelState::apply` alone changes it. It has no clock and no lock, and delivers nothing: its
//! effects name all that follows. So tests compare it with a model.

use std::{sync::Arc, time::Instant};

use super::{
    change::{
        Change, ChannelMessage, CountEffect, Effects, HeldMember, Leaver, LogChange, Newcomer,
        ReplicatedChange, Transition,
    },
    count_throttle::CountThrottle,
    fact::ChannelFact,
    last_event::LastEvent,
    log::Log,
    members::{HoldOutcome, Member, MemberTransition, Members},
};
use crate::protocol::content::Content;

#[derive(Default)]
pub struct ChannelState {
    subscriptions: u32,
    members: Members,
    last_event: Option<LastEvent>,
    /// The cache miss was reported to the app's backend.
    miss_reported: bool,
    count_throttle: CountThrottle,
    /// On a channel with history.
    log: Option<Box<Log>>,
}

impl ChannelState {
    pub fn with_log(log: Option<Log>) -> Self {
        Self { log: log.map(Box::new), ..Self::default() }
    }

    pub fn subscription_count(&self) -> u32 {
        self.subscriptions
    }

    pub fn is_occupied(&self) -> bool {
        self.subscriptions > 0
    }

    pub fn members(&self) -> &Members {
        &self.members
    }

    /// The last event, as long as it is valid.
    pub fn last_event(&self, now: Instant) -> Option<&LastEvent> {
        let log_ended = self.log().is_some_and(|log| log.has_run_out(now));
        self.last_event.as_ref().filter(|event| !log_ended && event.expires > now)
    }

    /// The last event, even if it has expired since the last `Change::Expire`.
    pub fn kept_event(&self) -> Option<&LastEvent> {
        self.last_event.as_ref()
    }

    pub fn log(&self) -> Option<&Log> {
        self.log.as_deref()
    }

    /// True if nothing is lost without this state.
    pub fn is_unused(&self, now: Instant) -> bool {
        !self.is_occupied()
            && self.last_event(now).is_none()
            && !self.log().is_some_and(|log| log.is_live(now))
    }

    pub fn apply(&mut self, change: Change<'_>, now: Instant) -> Effects {
        let mut effects = Effects::default();
        match change {
            Change::Subscribe(newcomer) => self.subscribe(newcomer, now, &mut effects),
            Change::Unsubscribe(leaver) => self.unsubscribe(&leaver, now, &mut effects),
            Change::EndHold { user_id } => self.end_hold(user_id, now, &mut effects),
            Change::HoldDeparture { user_id, returns, linger } => {
                let until = self.members.hold_departure(user_id, returns, linger, now);
                let held = |until| HeldMember { user_id: user_id.into(), until };
                effects.held = until.map(held);
            }
            Change::TellCount => self.tell_count(now, &mut effects),
            Change::ReportMiss => {
                if !std::mem::replace(&mut self.miss_reported, true) {
                    effects.facts.push(ChannelFact::CacheMiss);
                }
            }
            Change::KeepEvent(event) => {
                effects.dropped = self.last_event.replace(event).map(|before| before.number);
                self.miss_reported = false;
            }
            Change::ResealEvent { content, data } => self.reseal_event(content, data),
            Change::DropEvent { number } => {
                effects.dropped = self.drop_event(|event| event.number == number);
            }
            Change::Expire => self.expire(now, &mut effects),
            Change::InLog(change) => self.change_log(change, now, &mut effects),
            Change::Replicate(change) => self.replicate(change, now, &mut effects),
        }
        effects
    }

    fn replicate(&mut self, change: ReplicatedChange, now: Instant, effects: &mut Effects) {
        match change {
            ReplicatedChange::MemberAdded(member) => {
                let Member { user_id, info } = member.clone();
                if self.members.join(member, now) == MemberTransition::Changed {
                    effects.messages.push(ChannelMessage::MemberAdded { user_id, info });
                }
            }
            ReplicatedChange::MemberRemoved { user_id } => {
                if self.members.drop_member(&user_id, now) {
                    effects.messages.push(ChannelMessage::MemberRemoved { user_id });
                }
            }
            ReplicatedChange::MembersForgotten => self.members = Members::default(),
        }
    }

    fn change_log(&mut self, change: LogChange, now: Instant, effects: &mut Effects) {
        let Some(log) = &mut self.log else { return };
        match change {
            LogChange::Reserve { micros } => effects.reserved = Some(log.next_number(micros)),
            LogChange::Append { event, number } => {
                effects.evicted = log.append(event, number, now);
            }
            LogChange::Clear { number } => {
                log.clear(number, now);
                effects.dropped = self.drop_event(|_| true);
            }
            LogChange::Warm { number, hot } => log.warm(number, hot),
            LogChange::Shrink => effects.evicted = log.give_older_half(),
            LogChange::GiveUp => effects.evicted = log.give_up(),
        }
    }

    /// What ends a log, ends the last event with it.
    fn expire(&mut self, now: Instant, effects: &mut Effects) {
        self.members.forget_left(now);
        let mut log_ended = false;
        if let Some(log) = &mut self.log {
            log.expire(now);
            log_ended = log.has_run_out(now);
        }
        effects.dropped = self.drop_event(|event| log_ended || event.expires <= now);
    }

    fn subscribe(&mut self, newcomer: Newcomer, now: Instant, effects: &mut Effects) {
        let Newcomer { member, member_limit, tell_count } = newcomer;
        if let Some(member) = &member
            && !self.make_room(member, member_limit, now, effects)
        {
            effects.transition = Transition::Full;
            return;
        }
        if !self.is_occupied() {
            effects.transition = Transition::Occupied;
            effects.facts.push(ChannelFact::ChannelOccupied);
        }
        self.subscriptions += 1;
        self.log.iter_mut().for_each(|log| log.occupied());
        if let Some(member) = member {
            self.join(member, now, effects);
        }
        if tell_count {
            self.count_changed(now, effects);
        }
    }

    /// A held departure ends early if its place is needed. False if there is no room.
    fn make_room(
        &mut self,
        member: &Member,
        limit: usize,
        now: Instant,
        effects: &mut Effects,
    ) -> bool {
        let is_full =
            |members: &Members| members.count() >= limit && !members.contains(&member.user_id);
        if is_full(&self.members) {
            self.end_holds(1, now, effects);
        }
        !is_full(&self.members)
    }

    fn join(&mut self, member: Member, now: Instant, effects: &mut Effects) {
        let Member { user_id, info } = member.clone();
        if self.members.join(member, now) == MemberTransition::Changed {
            effects.facts.push(ChannelFact::MemberAdded { user_id: user_id.clone() });
            effects.messages.push(ChannelMessage::MemberAdded { user_id, info });
        }
    }

    fn unsubscribe(&mut self, leaver: &Leaver<'_>, now: Instant, effects: &mut Effects) {
        debug_assert!(self.is_occupied(), "only a subscriber leaves");
        self.subscriptions = self.subscriptions.saturating_sub(1);
        if let Some(user_id) = leaver.user_id {
            // On an empty channel no departure is held.
            let Leaver { returns, linger, .. } =
                if self.is_occupied() { *leaver } else { Leaver::default() };
            match self.members.leave(user_id, returns, linger, now) {
                MemberTransition::Changed => removed(user_id.into(), effects),
                MemberTransition::Held(until) => {
                    effects.held = Some(HeldMember { user_id: user_id.into(), until });
                }
                MemberTransition::Unchanged => {}
            }
        }
        if !self.is_occupied() {
            self.end_holds(usize::MAX, now, effects);
        }
        if leaver.tell_count {
            self.count_changed(now, effects);
        }
        if !self.is_occupied() {
            self.log.iter_mut().for_each(|log| log.vacated(now));
            // Of the nodes of a cluster, each has a record for some seconds more.
            self.miss_reported = false;
            effects.transition = Transition::Vacated;
            effects.facts.push(ChannelFact::ChannelVacated);
        }
    }

    /// Announces up to `most` held departures.
    fn end_holds(&mut self, most: usize, now: Instant, effects: &mut Effects) {
        for user_id in self.members.end_holds(most, now) {
            removed(user_id, effects);
        }
    }

    fn end_hold(&mut self, user_id: &str, now: Instant, effects: &mut Effects) {
        match self.members.end_hold(user_id, now) {
            HoldOutcome::Gone => removed(user_id.into(), effects),
            HoldOutcome::Until(until) => {
                effects.held = Some(HeldMember { user_id: user_id.into(), until });
            }
            HoldOutcome::Over => {}
        }
    }

    fn count_changed(&mut self, now: Instant, effects: &mut Effects) {
        if !self.is_occupied() {
            // There is no subscriber to tell, and the state may be gone before the time has come.
            effects.facts.push(ChannelFact::SubscriptionCount { subscription_count: 0 });
        } else if self.count_throttle.may_send(self.subscriptions, now) {
            self.report_count(effects);
        } else if !std::mem::replace(&mut self.count_throttle.pending, true) {
            effects.count = CountEffect::Later;
        }
    }

    fn tell_count(&mut self, now: Instant, effects: &mut Effects) {
        if self.is_occupied() && !self.count_throttle.may_send(self.subscriptions, now) {
            effects.count = CountEffect::Later;
            return;
        }
        self.count_throttle.pending = false;
        if self.is_occupied() {
            self.report_count(effects);
        }
    }

    fn report_count(&self, effects: &mut Effects) {
        let subscription_count = self.subscriptions;
        effects.count = CountEffect::Tell(subscription_count);
        effects.facts.push(ChannelFact::SubscriptionCount { subscription_count });
    }

    fn reseal_event(&mut self, content: Content, data: Arc<str>) {
        if let Some(last) = &mut self.last_event {
            (last.content, last.data) = (content, data);
        }
    }

    fn drop_event(&mut self, is_due: impl Fn(&LastEvent) -> bool) -> Option<u64> {
        self.last_event.take_if(|event| is_due(event)).map(|event| event.number)
    }
}

fn removed(user_id: Arc<str>, effects: &mut Effects) {
    effects.facts.push(ChannelFact::MemberRemoved { user_id: user_id.clone() });
    effects.messages.push(ChannelMessage::MemberRemoved { user_id });
}

#[cfg(test)]
mod tests;
