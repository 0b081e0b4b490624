//! The written form of webhooks.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::text::{SecretText, UrlText};
use crate::channels::fact::ChannelFactKind;

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawWebhook {
    /// Address of your backend: https, or http on this machine. It may contain a token after `?`,
    /// which lists and logs leave out.
    #[serde(skip_serializing)]
    #[schemars(
        with = "UrlText",
        example = "https://shop.example.com/pusher/webhooks",
        extend("x-default" = "required")
    )]
    pub url: String,
    /// Events that are sent. Empty: all.
    #[schemars(example = ["channel_occupied", "channel_vacated"], extend("x-see" = "webhooks.md#events"))]
    pub events: Vec<ChannelFactKind>,
    /// Patterns of channel names. Empty: all channels.
    #[schemars(example = ["presence-room-*"])]
    pub channels: Vec<String>,
    /// Headers of each request: a table of names and values. They may hold a secret, and are never
    /// shown.
    #[serde(skip_serializing)]
    #[schemars(
        with = "BTreeMap<String, SecretText>",
        example = BTreeMap::from([("Authorization", "Bearer TOKEN")])
    )]
    pub headers: BTreeMap<String, SecretString>,
    /// Permit http to another machine.
    pub allow_http: bool,
    /// Certificates, as PEM: the only roots trusted for `url`.
    #[schemars(
        example = "/etc/sealcast/ca.pem",
        extend("x-default" = "the roots of browsers")
    )]
    pub ca_file: Option<PathBuf>,
    /// Most events in one request.
    #[schemars(range(min = 1, max = 1000), extend("x-unit" = "events"))]
    pub batch_events: usize,
    /// Time for which events are collected before they are sent.
    #[schemars(range(max = 10_000), extend("x-unit" = "milliseconds"))]
    pub batch_delay_ms: u64,
    /// Most requests at a time.
    #[schemars(range(min = 1, max = 64), extend("x-unit" = "requests"))]
    pub concurrency: usize,
    /// Time for an answer.
    #[schemars(range(min = 1, max = 60), extend("x-unit" = "seconds"))]
    pub timeout_seconds: u64,
    /// Time for which a failed request is repeated. Then its events go to the dead-letter file.
    #[schemars(range(min = 1, max = 86_400), extend("x-unit" = "seconds", "x-see" = "webhooks.md#delivery"))]
    pub retry_seconds: u64,
    /// Most bytes of waiting events. Over it events go to the dead-letter file.
    #[schemars(range(min = 65_536), extend("x-unit" = "bytes"))]
    pub queue_bytes: usize,
}

impl Default for RawWebhook {
    fn default() -> Self {
        Self {
            url: String::new(),
            events: Vec::new(),
            channels: Vec::new(),
            headers: BTreeMap::new(),
            allow_http: false,
            ca_file: None,
            batch_events: 1,
            batch_delay_ms: 0,
            concurrency: 4,
            timeout_seconds: 5,
            retry_seconds: 300,
            queue_bytes: 4 * 1024 * 1024,
        }
    }
}
