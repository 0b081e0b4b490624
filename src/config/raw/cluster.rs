//! The written form of the section `[cluster]`.

use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;

use crate::cluster::settings::WhenAway;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawCluster {
    /// May contain a password.
    pub url: Option<SecretString>,
    pub key: Option<SecretString>,
    pub key_file: Option<PathBuf>,
    pub prefix: String,
    pub lease_seconds: u64,
    pub when_away: WhenAway,
    pub backlog_bytes: usize,
    /// The only roots that are trusted.
    pub ca_file: Option<PathBuf>,
    /// Both or neither.
    pub client_cert_file: Option<PathBuf>,
    pub client_key_file: Option<PathBuf>,
}

impl Default for RawCluster {
    fn default() -> Self {
        Self {
            url: None,
            key: None,
            key_file: None,
            prefix: "sealcast".into(),
            lease_seconds: 12,
            when_away: WhenAway::default(),
            backlog_bytes: 64 * 1024 * 1024,
            ca_file: None,
            client_cert_file: None,
            client_key_file: None,
        }
    }
}
