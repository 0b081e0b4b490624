//! Carries out the effects of a change of a channel's state, under the lock of its record.

use std::{sync::Arc, time::Instant};

use super::{
    AppRuntime, Engine,
    facts::{ChannelContext, Fact},
};
use crate::{
    channels::change::{Change, ChannelMessage, CountEffect, Effects, HeldMember},
    domain::channel::Channel,
    hub::{
        Hub,
        mailbox::Audience,
        record::{LockedRecord, Record},
    },
    protocol::message::Message,
};

impl AppRuntime {
    /// True if the channel's subscribers are told their number.
    pub(super) fn tells_count(&self, channel: &Channel) -> bool {
        channel.kind().sends_counts() && self.app().subscription_count
    }
}

impl Engine {
    pub(super) fn carry_out(
        &self,
        runtime: &AppRuntime,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
        mut effects: Effects,
    ) {
        self.post_messages(locked, std::mem::take(&mut effects.messages));
        self.settle(runtime, record, locked, effects);
    }

    /// Must be called before the newcomer's sequence number is read: its answer contains the
    /// messages already.
    pub(super) fn post_messages(
        &self,
        locked: &mut LockedRecord<'_>,
        messages: Vec<ChannelMessage>,
    ) {
        for message in messages {
            let message = message.on(locked.channel());
            locked.post_message(&self.hub, &message, Audience::All);
        }
    }

    /// All effects but the messages.
    pub(super) fn settle(
        &self,
        runtime: &AppRuntime,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
        effects: Effects,
    ) {
        let Effects {
            messages: _,
            count,
            facts,
            transition: _,
            held,
            dropped,
            reserved: _,
            evicted: _,
        } = effects;
        debug_assert!(dropped.is_none(), "the ledger alone drops events");
        match count {
            CountEffect::None => {}
            CountEffect::Tell(count) => tell_count(&self.hub, locked, count),
            CountEffect::Later => runtime.pending_counts.lock().push(record.clone()),
        }
        let (channel, subscribers) = (record.channel(), locked.subscription_count());
        for fact in &facts {
            self.note(Fact::Channel(ChannelContext { runtime, channel, subscribers }, fact));
        }
        if let Some(HeldMember { user_id, until }) = held {
            runtime.hold_member(record, user_id, until);
        }
    }

    pub(super) fn send_pending_counts(&self, runtime: &AppRuntime, now: Instant) {
        // Taken out first: never wait for a record's lock while holding this one.
        let pending = std::mem::take(&mut *runtime.pending_counts.lock());
        for record in pending {
            if let Some(mut locked) = record.enter() {
                let effects = locked.apply(Change::TellCount, now);
                self.carry_out(runtime, &record, &mut locked, effects);
            }
        }
    }
}

pub(super) fn tell_count(hub: &Hub, locked: &mut LockedRecord<'_>, count: u32) {
    let encrypted = locked.channel().kind().is_encrypted();
    let audience = if encrypted { Audience::NotLegacyJava } else { Audience::All };
    let message = Message::subscription_count(locked.channel(), count);
    locked.post_message(hub, &message, audience);
}
