//! The written form of webhooks.

use std::{collections::BTreeMap, path::PathBuf};

use secrecy::SecretString;
use serde::Deserialize;

use crate::channels::fact::ChannelFactKind;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawWebhook {
    pub url: String,
    /// Empty for all events.
    pub events: Vec<ChannelFactKind>,
    /// Patterns; empty for all channels.
    pub channels: Vec<String>,
    pub headers: BTreeMap<String, SecretString>,
    /// Permits http to another machine.
    pub allow_http: bool,
    /// PEM certificates to trust instead of the usual roots.
    pub ca_file: Option<PathBuf>,
    pub batch_events: usize,
    pub batch_delay_ms: u64,
    pub concurrency: usize,
    pub timeout_seconds: u64,
    pub retry_seconds: u64,
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
