//! The settings of channels by pattern: history, the remembered event, and what payloads may be.

use std::{sync::Arc, time::Duration};

use crate::domain::{channel::Channel, pattern::Pattern};

/// The place where logs are kept. Each store has an epoch of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum HistoryStore {
    /// Lost when the server ends.
    Memory,
    /// On disk, written shortly after delivery.
    DiskBehind,
    /// On disk, written before delivery and answer.
    DiskBefore,
    /// In the Redis of a cluster, for all nodes.
    Redis,
}

impl HistoryStore {
    pub fn is_on_disk(self) -> bool {
        match self {
            Self::DiskBehind | Self::DiskBefore => true,
            Self::Memory | Self::Redis => false,
        }
    }
}

/// The bounds of a channel's log. What ends first, ends an event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistorySettings {
    pub events: u32,
    pub bytes: usize,
    /// The life of an event.
    pub ttl: Duration,
    /// The life of a log since its last event.
    pub idle: Duration,
    /// The life of a log since its last subscriber left.
    pub vacant: Duration,
    /// True if client events are logged as well.
    pub client_events: bool,
    /// True if the log may be of a blindly relayed channel: the server cannot seal its entries for
    /// another key.
    pub blind: bool,
    pub store: HistoryStore,
}

impl Default for HistorySettings {
    fn default() -> Self {
        Self {
            events: 200,
            bytes: 256 * 1024,
            ttl: Duration::from_secs(24 * 60 * 60),
            idle: Duration::from_secs(60 * 60),
            vacant: Duration::from_secs(5 * 60),
            client_events: false,
            blind: false,
            store: HistoryStore::Memory,
        }
    }
}

/// The payloads that a channel takes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum PayloadRule {
    #[default]
    Any,
    /// Only what looks like ciphertext.
    Ciphertext,
}

/// The settings of one channel.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ChannelSettings {
    /// `None`: the channel has no log.
    pub history: Option<Arc<HistorySettings>>,
    /// `None`: the app's default.
    pub cache_ttl: Option<Duration>,
    pub payload: PayloadRule,
}

/// What an entry of the list says about history.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum HistoryChoice {
    /// A later entry may decide.
    #[default]
    Unnamed,
    Off,
    On(Arc<HistorySettings>),
}

/// The settings that channels of a pattern have. `None` leaves the setting to later entries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelEntry {
    pub pattern: Pattern,
    pub history: HistoryChoice,
    pub cache_ttl: Option<Duration>,
    pub payload: Option<PayloadRule>,
}

impl ChannelEntry {
    fn is_empty(&self) -> bool {
        self.history == HistoryChoice::Unnamed && self.cache_ttl.is_none() && self.payload.is_none()
    }
}

/// The entries of an app, in order. Each setting of a channel comes from the first entry that
/// matches its name and names the setting.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ChannelSettingsList(Arc<[ChannelEntry]>);

impl ChannelSettingsList {
    /// Leaves out entries that name no setting: they would only cost time.
    pub fn new(entries: impl IntoIterator<Item = ChannelEntry>) -> Self {
        Self(entries.into_iter().filter(|entry| !entry.is_empty()).collect())
    }

    /// True if a channel may have a log elsewhere than in Redis, or (`!in_redis`) in Redis.
    pub fn has_log_outside(&self, in_redis: bool) -> bool {
        self.0.iter().any(|entry| match &entry.history {
            HistoryChoice::On(settings) => (settings.store == HistoryStore::Redis) != in_redis,
            HistoryChoice::Unnamed | HistoryChoice::Off => false,
        })
    }

    /// True if a channel may have a log on disk.
    pub fn has_disk_store(&self) -> bool {
        self.0.iter().any(|entry| match &entry.history {
            HistoryChoice::On(settings) => settings.store.is_on_disk(),
            HistoryChoice::Unnamed | HistoryChoice::Off => false,
        })
    }

    /// Channels that clients cannot name or publish on have no settings.
    pub fn of(&self, channel: &Channel) -> ChannelSettings {
        if self.0.is_empty() || !channel.kind().is_listed() {
            return ChannelSettings::default();
        }
        let mut history = HistoryChoice::Unnamed;
        let (mut cache_ttl, mut payload) = (None, None);
        for entry in self.0.iter().filter(|entry| entry.pattern.matches(channel.name())) {
            if history == HistoryChoice::Unnamed {
                history = entry.history.clone();
            }
            cache_ttl = cache_ttl.or(entry.cache_ttl);
            payload = payload.or(entry.payload);
        }
        let history = match history {
            HistoryChoice::Unnamed | HistoryChoice::Off => None,
            HistoryChoice::On(settings) => Some(settings),
        };
        ChannelSettings { history, cache_ttl, payload: payload.unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn entry(pattern: &str) -> ChannelEntry {
        ChannelEntry {
            pattern: Pattern::new(pattern),
            history: HistoryChoice::Unnamed,
            cache_ttl: None,
            payload: None,
        }
    }

    fn log_of(events: u32) -> HistoryChoice {
        HistoryChoice::On(Arc::new(HistorySettings { events, ..HistorySettings::default() }))
    }

    fn of(list: &ChannelSettingsList, name: &str) -> ChannelSettings {
        list.of(&Channel::parse(name, 200).unwrap())
    }

    #[test]
    fn each_setting_comes_from_the_first_matching_entry_that_names_it() {
        let list = ChannelSettingsList::new([
            ChannelEntry { cache_ttl: Some(HOUR), ..entry("private-room-*") },
            ChannelEntry { history: HistoryChoice::Off, ..entry("*-quiet") },
            ChannelEntry {
                history: log_of(7),
                cache_ttl: Some(HOUR * 2),
                payload: Some(PayloadRule::Ciphertext),
                ..entry("private-*")
            },
            ChannelEntry {
                history: log_of(9),
                payload: Some(PayloadRule::Any),
                ..entry("private-room-1")
            },
        ]);
        let room = of(&list, "private-room-1");
        assert_eq!(room.cache_ttl, Some(HOUR));
        assert_eq!(room.history.map(|history| history.events), Some(7));
        assert_eq!(room.payload, PayloadRule::Ciphertext);
        let quiet = of(&list, "private-room-quiet");
        assert_eq!(quiet.history, None);
        assert_eq!((quiet.cache_ttl, quiet.payload), (Some(HOUR), PayloadRule::Ciphertext));
        assert_eq!(of(&list, "news"), ChannelSettings::default());
    }

    #[test]
    fn every_kind_that_clients_name_has_settings_and_no_other() {
        let list = ChannelSettingsList::new([ChannelEntry { history: log_of(1), ..entry("*") }]);
        for name in
            ["a", "private-a", "private-cache-a", "private-encrypted-a", "presence-a", "cache-a"]
        {
            assert!(of(&list, name).history.is_some(), "{name}");
        }
        for channel in [Channel::of_user("u"), Channel::of_watchers("u")] {
            assert_eq!(list.of(&channel), ChannelSettings::default(), "{channel}");
        }
    }

    #[test]
    fn entries_without_a_setting_are_left_out() {
        let list = ChannelSettingsList::new([entry("*"), entry("private-*")]);
        assert_eq!(list, ChannelSettingsList::default());
    }
}
