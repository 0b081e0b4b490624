//! Presence departures that are held back. A member leaving and returning often would cost every
//! other member a message each time.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use super::AppRuntime;
use crate::{
    channels::members::HoldOutcome,
    hub::{
        Hub,
        directory::{LockedRecord, Record},
        mailbox::Audience,
    },
    observe::webhook::ChannelFact,
    protocol::{content::Content, frame::Frame, message::Message},
};

/// Ordered by time, nearly: all are held for the same duration.
#[derive(Default)]
pub(super) struct HeldDepartures(VecDeque<HeldDeparture>);

struct HeldDeparture {
    until: Instant,
    record: Arc<Record>,
    user_id: Arc<str>,
}

impl HeldDepartures {
    fn due(&mut self, now: Instant) -> Option<HeldDeparture> {
        self.0.pop_front_if(|departure| departure.until <= now)
    }
}

impl AppRuntime {
    pub(super) fn announce_removed(&self, hub: &Hub, locked: &mut LockedRecord<'_>, user_id: &str) {
        let removed = Frame::new(&Message::member_removed(locked.channel(), user_id));
        locked.post(hub, Content::Same(removed), None, Audience::All);
        self.note(locked.channel(), &ChannelFact::MemberRemoved { user_id });
    }

    /// Must be called under the record's lock.
    pub(super) fn hold(&self, record: &Arc<Record>, user_id: &str, until: Instant) {
        let departure = HeldDeparture { until, record: record.clone(), user_id: user_id.into() };
        self.held.lock().0.push_back(departure);
    }

    /// Announces up to `most` held departures, because the channel needs the room or its last
    /// subscriber has left.
    pub(super) fn end_holds(
        &self,
        hub: &Hub,
        locked: &mut LockedRecord<'_>,
        most: usize,
        now: Instant,
    ) {
        for user_id in locked.members.end_holds(most, now) {
            self.announce_removed(hub, locked, &user_id);
        }
    }

    pub(super) fn announce_held(&self, hub: &Hub, now: Instant) {
        // The lock is released for each departure: never wait for a record's lock while holding it.
        while let Some(departure) = { self.held.lock().due(now) } {
            let HeldDeparture { record, user_id, .. } = departure;
            let Some(mut locked) = record.enter() else { continue };
            match locked.members.end_hold(&user_id, now) {
                HoldOutcome::Gone => self.announce_removed(hub, &mut locked, &user_id),
                HoldOutcome::Until(until) => self.hold(&record, &user_id, until),
                HoldOutcome::Over => {}
            }
        }
    }
}
