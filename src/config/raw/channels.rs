//! The written form of channel settings, and of the server's section `[history]`.

use std::{fmt, path::PathBuf};

use secrecy::SecretString;
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::{
    RawMode,
    units::{RawSize, RawTime},
};
use crate::domain::channel_settings::{HistorySettings, PayloadRule};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawChannelEntry {
    pub pattern: String,
    pub mode: Option<RawMode>,
    pub history: Option<RawHistoryChoice>,
    pub cache_ttl: Option<RawTime>,
    pub payload: Option<RawPayload>,
}

/// `true` is a table without entries.
pub enum RawHistoryChoice {
    Off,
    On(RawChannelHistory),
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawChannelHistory {
    pub events: u32,
    pub bytes: RawSize,
    pub ttl: RawTime,
    pub idle: RawTime,
    pub vacant: RawTime,
    pub client_events: bool,
    pub blind: bool,
    /// The default is `memory`, and Redis in a cluster.
    pub store: Option<RawStore>,
    /// Of the store on disk; the default is `behind`.
    pub sync: Option<RawSync>,
}

impl Default for RawChannelHistory {
    fn default() -> Self {
        let HistorySettings { events, bytes, ttl, idle, vacant, client_events, blind, store: _ } =
            HistorySettings::default();
        Self {
            events,
            bytes: RawSize(bytes),
            ttl: RawTime(ttl),
            idle: RawTime(idle),
            vacant: RawTime(vacant),
            client_events,
            blind,
            store: None,
            sync: None,
        }
    }
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum RawStore {
    Memory,
    Disk,
}

impl RawStore {
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Disk => "disk",
        }
    }
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum RawSync {
    Behind,
    Before,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum RawPayload {
    Any,
    Ciphertext,
}

impl From<RawPayload> for PayloadRule {
    fn from(raw: RawPayload) -> Self {
        match raw {
            RawPayload::Any => Self::Any,
            RawPayload::Ciphertext => Self::Ciphertext,
        }
    }
}

/// Settings of all logs of the server.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawServerHistory {
    pub key: Option<SecretString>,
    pub key_file: Option<PathBuf>,
    pub bytes: RawSize,
}

impl Default for RawServerHistory {
    fn default() -> Self {
        Self { key: None, key_file: None, bytes: RawSize(256 * 1024 * 1024) }
    }
}

impl<'de> Deserialize<'de> for RawHistoryChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ChoiceVisitor)
    }
}

struct ChoiceVisitor;

impl<'de> Visitor<'de> for ChoiceVisitor {
    type Value = RawHistoryChoice;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table, such as { events = 200, ttl = \"24h\" }, or false")
    }

    fn visit_bool<E: Error>(self, on: bool) -> Result<Self::Value, E> {
        Ok(match on {
            true => RawHistoryChoice::On(RawChannelHistory::default()),
            false => RawHistoryChoice::Off,
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let table = RawChannelHistory::deserialize(MapAccessDeserializer::new(map));
        table.map(RawHistoryChoice::On)
    }
}
