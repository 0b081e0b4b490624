//! The JSON of facts about channels, as webhooks report them (protocol.md 8).

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Serialize;

use crate::channels::fact::ChannelFact;

impl ChannelFact<'_> {
    /// One element of `events`, encoded once for all endpoints and attempts.
    pub fn to_json(&self, channel: &str, stamp: &EventStamp) -> Arc<str> {
        #[derive(Serialize)]
        struct StampedFact<'a> {
            #[serde(flatten)]
            fact: &'a ChannelFact<'a>,
            channel: &'a str,
            #[serde(flatten)]
            stamp: &'a EventStamp,
        }
        let stamped = StampedFact { fact: self, channel, stamp };
        serde_json::to_string(&stamped).expect("a fact is made of texts and numbers").into()
    }
}

/// Fields of every event, beside its fact.
#[derive(Serialize)]
pub struct EventStamp {
    /// Time of the fact, not of its delivery.
    occurred_ms: u64,
    /// Unique per event, and the same in every attempt and replay.
    id: Arc<str>,
}

/// Event ids of an app.
pub struct EventIds {
    /// Random, so that ids differ between starts.
    start: u64,
    next: AtomicU64,
}

impl EventIds {
    pub fn of_this_start() -> io::Result<Self> {
        Ok(Self { start: getrandom::u64().map_err(io::Error::other)?, next: AtomicU64::new(1) })
    }

    pub fn next(&self) -> Arc<str> {
        format!("{:016x}-{}", self.start, self.next.fetch_add(1, Ordering::Relaxed)).into()
    }
}

impl EventStamp {
    pub fn new(occurred: SystemTime, id: Arc<str>) -> Self {
        let since_1970 = occurred.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { occurred_ms: u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX), id }
    }
}

/// An event without a fact, for endpoint tests.
pub fn test_event(stamp: &EventStamp) -> String {
    #[derive(Serialize)]
    struct TestEvent<'a> {
        name: &'static str,
        channel: &'static str,
        #[serde(flatten)]
        stamp: &'a EventStamp,
    }
    let test = TestEvent { name: "test", channel: "test", stamp };
    serde_json::to_string(&test).expect("texts and a number become JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels::fact::ChannelFactKind;

    #[test]
    fn f12_each_event_has_its_own_id() {
        let (ids, other) = (EventIds::of_this_start().unwrap(), EventIds::of_this_start().unwrap());
        let time = UNIX_EPOCH + std::time::Duration::from_millis(1_327_078_148_132);
        let stamp = |ids: &EventIds, time| EventStamp::new(time, ids.next());
        let (first, second) = (stamp(&ids, time), stamp(&ids, time));
        assert_eq!(first.occurred_ms, 1_327_078_148_132);
        assert!(first.id != second.id && first.id != stamp(&other, time).id);
        assert_eq!(stamp(&ids, UNIX_EPOCH - std::time::Duration::from_secs(1)).occurred_ms, 0);
    }

    #[test]
    fn facts_have_the_protocol_fields() {
        let socket_id = Some("12.34".parse().unwrap());
        let said = |user_id| ChannelFact::ClientEvent {
            event: "client-x",
            data: "{}",
            socket_id,
            user_id,
        };
        for (fact, expected) in [
            (ChannelFact::ChannelOccupied, r#"{"name":"channel_occupied","channel":"c"}"#),
            (ChannelFact::ChannelVacated, r#"{"name":"channel_vacated","channel":"c"}"#),
            (
                ChannelFact::MemberAdded { user_id: "7".into() },
                r#"{"name":"member_added","user_id":"7","channel":"c"}"#,
            ),
            (
                ChannelFact::MemberRemoved { user_id: "\"".into() },
                r#"{"name":"member_removed","user_id":"\"","channel":"c"}"#,
            ),
            (
                said(None),
                r#"{"name":"client_event","event":"client-x","data":"{}","socket_id":"12.34","channel":"c"}"#,
            ),
            (
                said(Some("7")),
                r#"{"name":"client_event","event":"client-x","data":"{}","socket_id":"12.34","user_id":"7","channel":"c"}"#,
            ),
            (ChannelFact::CacheMiss, r#"{"name":"cache_miss","channel":"c"}"#),
            (
                ChannelFact::SubscriptionCount { subscription_count: 3 },
                r#"{"name":"subscription_count","subscription_count":3,"channel":"c"}"#,
            ),
        ] {
            let stamp = EventStamp { occurred_ms: 5, id: "a-1".into() };
            let body = expected.strip_suffix('}').unwrap();
            let stamped = format!(r#"{body},"occurred_ms":5,"id":"a-1"}}"#);
            assert_eq!(&*fact.to_json("c", &stamp), stamped);
            // The name in the settings is the name on the wire.
            let name = serde_json::from_str::<serde_json::Value>(expected).unwrap()["name"].clone();
            assert_eq!(serde_json::from_value::<ChannelFactKind>(name).unwrap(), fact.kind());
        }
    }
}
