//! The written form of channel settings, and of the server's section `[history]`.

use std::{borrow::Cow, fmt, path::PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::SecretString;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::{
    mode::RawMode,
    text::KeyText,
    units::{RawSize, RawTime},
};
use crate::{
    config::takes_effect::TakesEffect::{AfterRestart, AtOnce},
    domain::channel_settings::{HistorySettings, PayloadRule},
};

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawChannelEntry {
    /// Pattern of channel names. `*` stands for any text.
    #[schemars(
        example = "private-encrypted-room-*",
        extend("x-default" = "required")
    )]
    pub pattern: String,
    /// The reading of these encrypted channels.
    #[schemars(
        example = &"blind",
        extend("x-effect" = AfterRestart, "x-default" = "that of the app")
    )]
    pub mode: Option<RawMode>,
    /// Keep the last events. A table of the settings below; `true` is an empty table.
    #[schemars(
        example = true,
        extend("x-default" = "`false`", "x-see" = "history.md")
    )]
    pub history: Option<RawHistoryChoice>,
    /// Time for which a cache channel remembers its last event, from 1 second to a year.
    #[schemars(example = &"1h", extend("x-default" = "`limits.cache_ttl_seconds`"))]
    pub cache_ttl: Option<RawTime>,
    /// Payloads that these channels take.
    #[schemars(
        example = &"ciphertext",
        extend("x-default" = "`\"any\"`", "x-see" = "publishing.md#refuse-plaintext-on-a-channel")
    )]
    pub payload: Option<RawPayload>,
}

/// `true` is a table without entries.
pub enum RawHistoryChoice {
    Off,
    On(RawChannelHistory),
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawChannelHistory {
    /// Most events of the log.
    #[schemars(range(min = 1, max = 100_000), extend("x-unit" = "events"))]
    pub events: u32,
    /// Most bytes of the log, from 1 KiB to 1 GiB.
    pub bytes: RawSize,
    /// Life of an event.
    pub ttl: RawTime,
    /// The log ends this time after its last event.
    pub idle: RawTime,
    /// The log ends this time after its last subscriber has left.
    pub vacant: RawTime,
    /// Log client events too.
    pub client_events: bool,
    /// Allow a log of encrypted channels that are relayed blindly. Clear the log before you change
    /// the key of such a channel.
    pub blind: bool,
    /// Place of the log. A cluster has it in Redis, and refuses this setting.
    #[schemars(example = &"disk", extend("x-default" = "`\"memory\"`"))]
    pub store: Option<RawStore>,
    /// Time of writing, for the store on disk.
    #[schemars(example = &"before", extend("x-default" = "`\"behind\"`"))]
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

#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum RawStore {
    /// Lost when the server ends.
    Memory,
    /// In one sealed file: it survives a restart.
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

#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum RawSync {
    /// Within 200 ms.
    Behind,
    /// Before the server delivers and answers.
    Before,
}

#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum RawPayload {
    /// All payloads.
    Any,
    /// Plaintext is refused.
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

/// Settings of all logs of the server. A cluster has its logs in Redis, and refuses them.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawServerHistory {
    /// Seals the logs at rest. It must differ from every master key.
    #[serde(skip_serializing)]
    #[schemars(
        with = "Option<KeyText>",
        example = "file:/run/secrets/history_key",
        extend(
            "x-effect" = AfterRestart,
            "x-default" = "made by the server",
            "x-see" = "configuration.md#choose-the-form-of-a-key"
        )
    )]
    pub key: Option<SecretString>,
    /// File with this key.
    #[schemars(example = "/run/secrets/history_key", extend("x-effect" = AfterRestart))]
    pub key_file: Option<PathBuf>,
    /// Most bytes of all logs in memory, from 1 MiB to 1 TiB.
    #[schemars(extend("x-effect" = AtOnce, "x-see" = "limits.md#server-limits"))]
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

impl Serialize for RawHistoryChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => serializer.serialize_bool(false),
            Self::On(history) => history.serialize(serializer),
        }
    }
}

impl JsonSchema for RawHistoryChoice {
    fn schema_name() -> Cow<'static, str> {
        "RawHistoryChoice".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<RawChannelHistory>();
        json_schema!({ "anyOf": [{ "type": "boolean" }, table] })
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
