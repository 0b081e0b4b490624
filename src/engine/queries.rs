//! Channel queries for the HTTP API.

use std::time::Instant;

use super::AppRuntime;
use crate::{crypto::key::Fingerprint, domain::channel::Channel, hub::record::LockedRecord};

/// The attributes requested by a query.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Attributes {
    pub user_count: bool,
    pub subscription_count: bool,
    pub cache: bool,
    /// The key that seals the channel's events.
    pub key: bool,
}

impl Attributes {
    /// Unknown names are ignored (protocol.md 7.5).
    pub fn parse(info: &str) -> Self {
        let has = |name| info.split(',').any(|attribute| attribute.trim() == name);
        Self {
            user_count: has("user_count"),
            subscription_count: has("subscription_count"),
            cache: has("cache"),
            key: has("key"),
        }
    }

    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

fn total(locked: &LockedRecord<'_>) -> u32 {
    u32::try_from(locked.total()).unwrap_or(u32::MAX)
}

/// A channel in an API response. Attributes not requested or not applicable are absent.
#[derive(serde::Serialize, Debug, Default, utoipa::ToSchema)]
pub struct ChannelInfo {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub occupied: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_count: Option<u32>,
    /// The outer option: the attribute was requested; the inner: there is a cached event.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<CachedData>)]
    pub cache: Option<Option<CachedData>>,
    /// Absent on channels that this server does not seal.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub key: Option<Fingerprint>,
}

#[derive(serde::Serialize, Debug, utoipa::ToSchema)]
pub struct CachedData {
    pub data: String,
    /// Seconds.
    pub ttl: u64,
}

impl AppRuntime {
    /// The requested attributes, as far as they apply to the channel.
    pub fn attributes(&self, channel: &Channel, asked: Attributes) -> ChannelInfo {
        let record = self.directory.find(channel.name());
        let locked = record.as_ref().and_then(|record| record.enter());
        let state = locked.as_deref();
        let kind = channel.kind();
        let now = Instant::now();
        let cached = || {
            let event = state?.last_event(now)?;
            Some(CachedData { data: event.data.to_string(), ttl: event.ttl(now) })
        };
        ChannelInfo {
            occupied: None,
            user_count: (asked.user_count && kind.has_members())
                .then(|| state.map_or(0, |s| s.members().count())),
            subscription_count: asked
                .subscription_count
                .then(|| locked.as_ref().map_or(0, |locked| total(locked))),
            cache: (asked.cache && kind.is_cached()).then(cached),
            key: if asked.key { self.sealing_key(channel) } else { None },
        }
    }

    /// The key that seals new events of the channel.
    pub(super) fn sealing_key(&self, channel: &Channel) -> Option<Fingerprint> {
        let ring = self.ring(channel)?;
        Some(ring.table().by_number(ring.target(channel).key)?.id.clone())
    }

    /// Occupied channels and their attributes, by name.
    pub fn channels(&self, prefix: &str, asked: Attributes) -> Vec<(Channel, ChannelInfo)> {
        self.directory
            .records()
            .into_iter()
            .filter(|record| {
                record.channel().kind().is_listed() && record.channel().name().starts_with(prefix)
            })
            .filter(|record| record.subscription_count() > 0)
            .map(|record| (record.channel().clone(), self.attributes(record.channel(), asked)))
            .collect()
    }

    pub fn is_occupied(&self, channel: &Channel) -> bool {
        self.directory.find(channel.name()).is_some_and(|record| record.subscription_count() > 0)
    }

    /// The ids of a presence channel's members.
    pub fn users(&self, channel: &Channel) -> Vec<String> {
        let record = self.directory.find(channel.name());
        let locked = record.as_ref().and_then(|record| record.enter());
        locked.map_or(Vec::new(), |locked| locked.members().ids().map(str::to_owned).collect())
    }
}
