//! Replays dead letters, except those contradicted by the present: a channel with subscribers is
//! not reported as vacated.

use std::{io, sync::Arc, time::Instant};

use serde::{Deserialize, Serialize};

use super::{
    Departure, FactOrigin, Webhooks,
    batch::QueuedEvent,
    dead_letter::{Letter, LetterId},
};
use crate::channels::{departures::HeldDepartures, fact::ChannelFactKind, state::ChannelState};

/// Selects dead letters; all by default.
#[derive(Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LetterSelector {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub id: Option<LetterId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}

#[derive(Default, Serialize, Deserialize, Debug, PartialEq, Eq, utoipa::ToSchema)]
pub struct ReplayReport {
    /// Queued again.
    pub queued: u64,
    /// Left in the file because the queue was full.
    pub left: u64,
    /// Their endpoint is no longer configured.
    pub without_endpoint: u64,
    /// Their statement about a channel or member no longer holds.
    pub outdated: u64,
}

/// The channels of an app.
pub trait ChannelReader {
    /// Runs `look` with the present. Of a server alone, the channel cannot change meanwhile: facts
    /// about it come before or after.
    fn with_channel<T>(
        &self,
        channel: &str,
        user: Option<&str>,
        look: impl FnOnce(ChannelNow) -> T,
    ) -> io::Result<T>;
}

/// The present of a channel, and of one user there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ChannelNow {
    pub subscribers: u32,
    pub is_member: bool,
    pub has_last_event: bool,
}

impl ChannelNow {
    pub fn of(state: &ChannelState, user: Option<&str>, now: Instant) -> Self {
        Self {
            subscribers: state.subscription_count(),
            is_member: user.is_some_and(|user| state.members().contains(user)),
            has_last_event: state.last_event(now).is_some(),
        }
    }
}

impl LetterSelector {
    pub(super) fn is(&self, letter: &Letter) -> bool {
        self.id.is_none_or(|id| id == letter.id)
            && self.endpoint.as_ref().is_none_or(|endpoint| *endpoint == letter.endpoint)
    }
}

/// The event in a letter.
#[derive(Deserialize)]
struct LetterEvent {
    name: ChannelFactKind,
    channel: Arc<str>,
    #[serde(default)]
    user_id: Option<Arc<str>>,
    #[serde(default)]
    subscription_count: u32,
}

impl LetterEvent {
    /// For the backend, a pending departure has not happened yet.
    fn is_current(
        &self,
        present: ChannelNow,
        departures: &HeldDepartures<Departure, FactOrigin>,
    ) -> bool {
        let leaves = |user: Option<Arc<str>>| {
            departures.is_held(&Departure { channel: self.channel.clone(), user })
        };
        let is_occupied = || present.subscribers > 0 || leaves(None);
        let is_member = || present.is_member || leaves(self.user_id.clone());
        match self.name {
            ChannelFactKind::ChannelOccupied => is_occupied(),
            ChannelFactKind::ChannelVacated => !is_occupied(),
            ChannelFactKind::MemberAdded => is_member(),
            ChannelFactKind::MemberRemoved => !is_member(),
            ChannelFactKind::SubscriptionCount => self.subscription_count == present.subscribers,
            ChannelFactKind::CacheMiss => present.subscribers > 0 && !present.has_last_event,
            ChannelFactKind::ClientEvent => true,
        }
    }
}

impl Webhooks {
    /// Queues the selected letters again. Each stays in the file until it has arrived. Reads a
    /// file.
    pub fn replay(
        &self,
        which: &LetterSelector,
        channels: &impl ChannelReader,
        now: Instant,
    ) -> io::Result<ReplayReport> {
        let mut replayed = ReplayReport::default();
        let mut failed = None;
        self.letters.replay_each(&mut |letter| {
            if failed.is_some() {
                return false;
            }
            if !which.is(letter) {
                return false;
            }
            let Some(endpoint) = self.endpoint(&letter.endpoint) else {
                replayed.without_endpoint += 1;
                return false;
            };
            let sent =
                self.if_current(letter, channels, || endpoint.requeue(event_of(letter, now)));
            let sent = match sent {
                Ok(sent) => sent,
                Err(error) => {
                    failed = Some(error);
                    return false;
                }
            };
            let count = match sent {
                Some(true) => &mut replayed.queued,
                Some(false) => &mut replayed.left,
                None => &mut replayed.outdated,
            };
            *count += 1;
            sent == Some(true)
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        if replayed.outdated > 0 {
            tracing::info!(
                app.id = &*self.app,
                webhook.events = replayed.outdated,
                "webhooks were not replayed, for what they say no longer holds"
            );
        }
        Ok(replayed)
    }

    fn if_current(
        &self,
        letter: &Letter,
        channels: &impl ChannelReader,
        send: impl FnOnce() -> bool,
    ) -> io::Result<Option<bool>> {
        // An unreadable event, or one without state, cannot be outdated.
        let parsed = serde_json::from_str::<LetterEvent>(letter.event.get()).ok();
        let Some(parsed) = parsed.filter(|parsed| parsed.name != ChannelFactKind::ClientEvent)
        else {
            return Ok(Some(send()));
        };
        channels.with_channel(&parsed.channel, parsed.user_id.as_deref(), |present| {
            // Held until the event is queued, as in `note`.
            let departures = self.departures.lock();
            parsed.is_current(present, &departures).then(send)
        })
    }
}

fn event_of(letter: &Letter, now: Instant) -> QueuedEvent {
    #[derive(Deserialize)]
    struct EventChannel {
        channel: Arc<str>,
    }
    let json = letter.event.get();
    let channel = serde_json::from_str::<EventChannel>(json).map(|named| named.channel);
    QueuedEvent {
        channel: channel.unwrap_or_default(),
        json: json.into(),
        since: now,
        letter: Some(letter.id),
        receipt: None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::{
        channels::{
            change::{Change, Newcomer},
            last_event::LastEvent,
            members::Member,
        },
        domain::channel::Channel,
        protocol::{content::Content, frame::Frame, message::Message},
    };

    #[test]
    fn f12_only_current_facts_are_replayed() {
        let now = Instant::now();
        let state = |subscribers: u32, cached: bool| {
            let mut state = ChannelState::default();
            let here = Member { user_id: "here".into(), info: None };
            for _ in 0..subscribers {
                let newcomer =
                    Newcomer { member: Some(here.clone()), member_limit: 9, tell_count: false };
                let _ = state.apply(Change::Subscribe(newcomer), now);
            }
            let channel = Channel::parse("cache-c", 200).unwrap();
            let content = Content::Same(Frame::new(&Message::event(&channel, "e", "").unwrap()));
            let expires = now + Duration::from_secs(1);
            let last = LastEvent { name: "e".into(), content, data: "".into(), expires, number: 1 };
            if cached {
                let _ = state.apply(Change::KeepEvent(last), now);
            }
            state
        };
        let mut departures = HeldDepartures::default();
        let leaving = Departure { channel: "c".into(), user: Some("leaving".into()) };
        let origin = || FactOrigin { occurred: SystemTime::now(), source: None };
        assert!(departures.hold(leaving, now, origin()).is_none());
        let left = Departure { channel: "left".into(), user: None };
        assert!(departures.hold(left, now, origin()).is_none());
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
            let parsed: LetterEvent = serde_json::from_str(&format!("{{{event}}}")).unwrap();
            let present =
                ChannelNow::of(&state(subscribers, cached), parsed.user_id.as_deref(), now);
            assert_eq!(
                parsed.is_current(present, &departures),
                holds,
                "{event} with {subscribers}"
            );
        }
    }
}
