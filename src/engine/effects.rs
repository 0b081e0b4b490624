//! Carries out the effects of a change of a channel's state, under the lock of its record.

use std::{sync::Arc, time::Instant};

use super::AppRuntime;
use crate::{
    channels::change::{Change, ChannelMessage, CountEffect, Effects, HeldMember},
    domain::channel::Channel,
    hub::{
        Hub,
        mailbox::Audience,
        record::{LockedRecord, Record},
    },
    protocol::{content::Content, frame::Frame, message::Message},
};

impl AppRuntime {
    /// True if the channel's subscribers are told their number.
    pub(super) fn tells_count(&self, channel: &Channel) -> bool {
        channel.kind().sends_counts() && self.app().subscription_count
    }

    pub(super) fn carry_out(
        &self,
        hub: &Hub,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
        mut effects: Effects,
    ) {
        announce(hub, locked, std::mem::take(&mut effects.messages));
        self.settle(hub, record, locked, effects);
    }

    /// All effects but the messages.
    pub(super) fn settle(
        &self,
        hub: &Hub,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
        effects: Effects,
    ) {
        match effects.count {
            CountEffect::None => {}
            CountEffect::Tell(count) => tell_count(hub, locked, count),
            CountEffect::Later => self.pending_counts.lock().push(record.clone()),
        }
        for fact in &effects.facts {
            self.note(record.channel(), fact);
        }
        if let Some(HeldMember { user_id, until }) = effects.held {
            self.hold_member(record, user_id, until);
        }
    }

    pub(super) fn send_pending_counts(&self, hub: &Hub, now: Instant) {
        // Taken out first: never wait for a record's lock while holding this one.
        let pending = std::mem::take(&mut *self.pending_counts.lock());
        for record in pending {
            if let Some(mut locked) = record.enter() {
                let effects = locked.apply(Change::TellCount, now);
                self.carry_out(hub, &record, &mut locked, effects);
            }
        }
    }
}

/// Posts messages that are part of what a newcomer is answered with.
pub(super) fn announce(hub: &Hub, locked: &mut LockedRecord<'_>, messages: Vec<ChannelMessage>) {
    for message in messages {
        let frame = Frame::new(&message.on(locked.channel()));
        locked.post(hub, Content::Same(frame), None, Audience::All);
    }
}

fn tell_count(hub: &Hub, locked: &mut LockedRecord<'_>, count: u32) {
    let encrypted = locked.channel().kind().is_encrypted();
    let audience = if encrypted { Audience::NotLegacyJava } else { Audience::All };
    let frame = Frame::new(&Message::subscription_count(locked.channel(), count));
    locked.post(hub, Content::Same(frame), None, audience);
}
