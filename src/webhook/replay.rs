//! Replays dead letters, except those contradicted by the present: a channel with subscribers is
//! not reported as vacated.

use std::{io, sync::Arc, time::Instant};

use serde::{Deserialize, Serialize};

use super::{
    Webhooks,
    batch::Event,
    dead_letter::{Letter, LetterId},
    departures::{Departure, Departures},
    facts::Kind,
};
use crate::presence::Members;

/// Selects dead letters; all by default.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Which {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<LetterId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}

#[derive(Default, Serialize, Deserialize, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Queued again.
    pub queued: u64,
    /// Left in the file because the queue was full.
    pub left: u64,
    /// Their endpoint is no longer configured.
    pub without_endpoint: u64,
    /// Their statement about a channel or member no longer holds.
    pub outdated: u64,
}

/// The state of a channel at one moment.
pub struct Standing<'a> {
    pub subscribers: u32,
    pub members: &'a Members,
    /// True if new subscribers get a cached event.
    pub cached: bool,
}

/// The channels of an app.
pub trait Channels {
    /// Runs `look` while the channel cannot change: facts about it come before or after.
    fn hold<T>(&self, channel: &str, look: impl FnOnce(&Standing<'_>) -> T) -> T;
}

impl Which {
    pub(super) fn is(&self, letter: &Letter) -> bool {
        self.id.is_none_or(|id| id == letter.id)
            && self.endpoint.as_ref().is_none_or(|endpoint| *endpoint == letter.endpoint)
    }
}

/// The event in a letter.
#[derive(Deserialize)]
struct Told {
    name: Kind,
    channel: Arc<str>,
    #[serde(default)]
    user_id: Option<Arc<str>>,
    #[serde(default)]
    subscription_count: u32,
}

impl Told {
    /// For the backend, a pending departure has not happened yet.
    fn holds(&self, now: &Standing<'_>, departures: &Departures) -> bool {
        let leaves = |user: Option<Arc<str>>| {
            departures.is_pending(&Departure { channel: self.channel.clone(), user })
        };
        let is_occupied = || now.subscribers > 0 || leaves(None);
        let is_member = || {
            let user = self.user_id.as_deref().unwrap_or_default();
            now.members.contains(user) || leaves(self.user_id.clone())
        };
        match self.name {
            Kind::ChannelOccupied => is_occupied(),
            Kind::ChannelVacated => !is_occupied(),
            Kind::MemberAdded => is_member(),
            Kind::MemberRemoved => !is_member(),
            Kind::SubscriptionCount => self.subscription_count == now.subscribers,
            Kind::CacheMiss => now.subscribers > 0 && !now.cached,
            Kind::ClientEvent => true,
        }
    }
}

impl Webhooks {
    /// Queues the selected letters again. Each stays in the file until it has arrived. Reads a
    /// file.
    pub fn replay(
        &self,
        which: &Which,
        channels: &impl Channels,
        now: Instant,
    ) -> io::Result<Replayed> {
        let mut replayed = Replayed::default();
        self.letters.send_again(|letter| {
            if !which.is(letter) {
                return false;
            }
            let Some(endpoint) = self.endpoint(&letter.endpoint) else {
                replayed.without_endpoint += 1;
                return false;
            };
            let sent =
                self.if_it_holds(letter, channels, || endpoint.accept_again(event_of(letter, now)));
            let count = match sent {
                Some(true) => &mut replayed.queued,
                Some(false) => &mut replayed.left,
                None => &mut replayed.outdated,
            };
            *count += 1;
            sent == Some(true)
        })?;
        if replayed.outdated > 0 {
            tracing::info!(
                app.id = &*self.app,
                webhook.events = replayed.outdated,
                "webhooks were not replayed, for what they say no longer holds"
            );
        }
        Ok(replayed)
    }

    fn if_it_holds(
        &self,
        letter: &Letter,
        channels: &impl Channels,
        send: impl FnOnce() -> bool,
    ) -> Option<bool> {
        // An unreadable event, or one without state, cannot be outdated.
        let told = serde_json::from_str::<Told>(letter.event.get()).ok();
        let Some(told) = told.filter(|told| told.name != Kind::ClientEvent) else {
            return Some(send());
        };
        channels.hold(&told.channel, |standing| {
            // Held until the event is queued, as in `note`.
            let departures = self.departures.lock();
            told.holds(standing, &departures).then(send)
        })
    }
}

fn event_of(letter: &Letter, now: Instant) -> Event {
    #[derive(Deserialize)]
    struct Named {
        channel: Arc<str>,
    }
    let json = letter.event.get();
    let channel = serde_json::from_str::<Named>(json).map(|named| named.channel);
    Event {
        channel: channel.unwrap_or_default(),
        json: json.into(),
        since: now,
        letter: Some(letter.id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::Member;

    #[test]
    fn f12_only_what_holds_is_told_again() {
        let mut members = Members::default();
        let _ = members.join(Member { user_id: "here".into(), info: None }, Instant::now());
        let mut departures = Departures::default();
        let now = Instant::now();
        let leaving = Departure { channel: "c".into(), user: Some("leaving".into()) };
        departures.leave(leaving, now, std::time::SystemTime::now());
        let left = Departure { channel: "left".into(), user: None };
        departures.leave(left, now, std::time::SystemTime::now());
        for (event, subscribers, cached, holds) in [
            (r#""name":"channel_occupied","channel":"c""#, 1, false, true),
            (r#""name":"channel_occupied","channel":"c""#, 0, false, false),
            (r#""name":"channel_occupied","channel":"left""#, 0, false, true),
            (r#""name":"channel_vacated","channel":"c""#, 1, false, false),
            (r#""name":"channel_vacated","channel":"c""#, 0, false, true),
            (r#""name":"channel_vacated","channel":"left""#, 0, false, false),
            (r#""name":"member_added","channel":"c","user_id":"here""#, 1, false, true),
            (r#""name":"member_added","channel":"c","user_id":"leaving""#, 1, false, true),
            (r#""name":"member_added","channel":"c","user_id":"gone""#, 1, false, false),
            (r#""name":"member_removed","channel":"c","user_id":"here""#, 1, false, false),
            (r#""name":"member_removed","channel":"c","user_id":"leaving""#, 1, false, false),
            (r#""name":"member_removed","channel":"c","user_id":"gone""#, 1, false, true),
            (r#""name":"subscription_count","channel":"c","subscription_count":3"#, 3, false, true),
            (
                r#""name":"subscription_count","channel":"c","subscription_count":3"#,
                2,
                false,
                false,
            ),
            (r#""name":"cache_miss","channel":"c""#, 1, false, true),
            (r#""name":"cache_miss","channel":"c""#, 1, true, false),
            (r#""name":"cache_miss","channel":"c""#, 0, false, false),
        ] {
            let told: Told = serde_json::from_str(&format!("{{{event}}}")).unwrap();
            let standing = Standing { subscribers, members: &members, cached };
            assert_eq!(told.holds(&standing, &departures), holds, "{event} with {subscribers}");
        }
    }
}
