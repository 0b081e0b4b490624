//! The written form of the configuration: names, units and defaults. Unknown names are errors.

pub mod auth;
pub mod channels;
pub mod cluster;
pub mod units;
pub mod webhooks;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::environment::Environment;
use crate::{
    crypto::padding::Padding,
    domain::{
        limits::{Limits, Rotation},
        sealing_alias::SealingAlias,
    },
    platform::address::Address,
    protocol::dialect::Dialect,
    web::{ForwardedHeader, LiveFeedAccess},
};
use auth::{RawForward, RawJwt, RawRule};
use channels::{RawChannelEntry, RawServerHistory};
use cluster::RawCluster;
use webhooks::RawWebhook;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawConfig {
    pub listen: Address,
    pub api_listen: Option<Address>,
    pub ops_listen: Option<Address>,
    /// Mode of the files of Unix sockets, in octal.
    pub unix_socket_mode: String,
    /// For `listen` and `api_listen`.
    pub proxy_protocol: bool,
    pub api_proxy_protocol: bool,
    /// Both or neither; with them `listen` speaks TLS.
    pub tls_cert_file: Option<PathBuf>,
    pub tls_key_file: Option<PathBuf>,
    pub path_prefix: String,
    /// The address that clients use, if a proxy is in between.
    pub public_url: Option<String>,
    /// 0 means one per processor.
    pub workers: usize,
    pub activity_timeout_seconds: u64,
    pub pong_timeout_seconds: u64,
    /// Time limit for a connection that takes none of its waiting bytes.
    pub stalled_seconds: u64,
    pub keep_alive_seconds: u64,
    pub body_timeout_seconds: u64,
    pub strict_protocol: bool,
    /// 0 closes all connections at once.
    pub drain_seconds: u64,
    pub capacity_percent: u64,
    /// The default is the limit of the control group.
    pub memory_limit_bytes: Option<usize>,
    pub message_bytes: usize,
    pub http_body_bytes: usize,
    /// Proxies whose header with the client's address is believed.
    pub trusted_proxies: Vec<String>,
    pub forwarded_header: ForwardedHeader,
    pub outbox_bytes: usize,
    pub mailbox_bytes: usize,
    /// For the last events of the cache channels of all apps.
    pub cache_bytes: usize,
    pub turns_per_second: u32,
    pub history: RawServerHistory,
    /// `None` for a server alone.
    pub cluster: Option<RawCluster>,
    pub log: String,
    pub log_format: LogFormat,
    /// Changed configuration files are read again.
    pub watch_config: bool,
    pub state_dir: PathBuf,
    pub audit_file: Option<PathBuf>,
    /// Enables the admin API on `ops_listen`.
    pub admin_token: Option<SecretString>,
    pub admin_token_file: Option<PathBuf>,
    pub live_feed: LiveFeedAccess,
    /// Names that `ops_listen` answers to, besides addresses and this host's own name.
    pub ops_hosts: Vec<String>,
    pub apps: BTreeMap<String, RawApp>,
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            listen: Address::Tcp(SocketAddr::from(([0, 0, 0, 0], 6001))),
            api_listen: None,
            ops_listen: None,
            unix_socket_mode: "0660".into(),
            proxy_protocol: false,
            api_proxy_protocol: false,
            tls_cert_file: None,
            tls_key_file: None,
            path_prefix: String::new(),
            public_url: None,
            workers: 0,
            activity_timeout_seconds: 120,
            pong_timeout_seconds: 30,
            stalled_seconds: 30,
            keep_alive_seconds: 75,
            body_timeout_seconds: 30,
            strict_protocol: false,
            drain_seconds: 5,
            capacity_percent: 90,
            memory_limit_bytes: None,
            message_bytes: 64 * 1024,
            http_body_bytes: 1024 * 1024,
            trusted_proxies: Vec::new(),
            forwarded_header: ForwardedHeader::default(),
            outbox_bytes: 1024 * 1024,
            mailbox_bytes: 64 * 1024 * 1024,
            cache_bytes: 256 * 1024 * 1024,
            turns_per_second: 1000,
            history: RawServerHistory::default(),
            cluster: None,
            log: "info".into(),
            log_format: LogFormat::Text,
            watch_config: true,
            state_dir: ".sealcast".into(),
            audit_file: None,
            admin_token: None,
            admin_token_file: None,
            live_feed: LiveFeedAccess::default(),
            ops_hosts: Vec::new(),
            apps: BTreeMap::new(),
        }
    }
}

impl RawConfig {
    /// Names of the variables that hold keys (`env:NAME`).
    pub fn named_variables(&self) -> impl Iterator<Item = &str> {
        self.keys().filter_map(|key| named_variable(key.as_ref()?))
    }

    fn keys(&self) -> impl Iterator<Item = &Option<SecretString>> {
        let of_apps = self.apps.values().map(|app| &app.master_key);
        let of_cluster = self.cluster.iter().map(|cluster| &cluster.key);
        of_apps.chain([&self.history.key]).chain(of_cluster)
    }

    /// Replaces `env:NAME` by the variable's value. Done here because the variables are no longer
    /// in the process's own environment. A missing one is reported where the key is parsed.
    pub fn read_variables(&mut self, environment: &Environment) {
        let of_apps = self.apps.values_mut().map(|app| &mut app.master_key);
        let of_cluster = self.cluster.iter_mut().map(|cluster| &mut cluster.key);
        for key in of_apps.chain([&mut self.history.key]).chain(of_cluster) {
            let name = key.as_ref().and_then(named_variable);
            if let Some(value) = name.and_then(|name| environment.get(name)) {
                *key = Some(SecretString::from(value));
            }
        }
    }
}

fn named_variable(key: &SecretString) -> Option<&str> {
    key.expose_secret().trim().strip_prefix("env:")
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum RawMode {
    Auto,
    Blind,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Default)]
#[serde(rename_all = "lowercase")]
pub enum RawDerivation {
    #[default]
    Pusher,
    Dotnet,
    Hkdf,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Default)]
#[serde(rename_all = "lowercase")]
pub enum RawAuthorizer {
    #[default]
    Deny,
    Open,
    Jwt,
    Forward,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawApp {
    pub key: Option<String>,
    pub secret: Option<SecretString>,
    pub secret_file: Option<PathBuf>,
    pub master_key: Option<SecretString>,
    pub master_key_file: Option<PathBuf>,
    pub allow_shared_master_key: bool,
    pub enabled: bool,
    pub dialect: Dialect,
    /// The default is `auto` with a master key, `blind` without one.
    pub mode: Option<RawMode>,
    pub derivation: RawDerivation,
    pub padding: Padding,
    pub rotation: Rotation,
    pub channels: Vec<RawChannelEntry>,
    /// A prefix that stands for `private-encrypted-` in triggers; empty for none.
    pub sealing_alias: String,
    pub allow_mixed: bool,
    pub client_events: bool,
    pub subscription_count: bool,
    pub watchlist: bool,
    pub origins: Vec<String>,
    /// Pages of these origins call the signed API.
    pub api_cors: bool,
    pub authorizer: RawAuthorizer,
    /// The default is the app's secret.
    pub jwt_secret: Option<SecretString>,
    pub jwt_secret_file: Option<PathBuf>,
    pub jwt: RawJwt,
    /// Refusals give their reasons.
    pub explain: bool,
    pub rules: Vec<RawRule>,
    pub forward: Option<RawForward>,
    pub authorized_connections: bool,
    pub authorization_timeout_seconds: u64,
    pub webhooks: Vec<RawWebhook>,
    pub limits: Limits,
}

impl Default for RawApp {
    fn default() -> Self {
        Self {
            key: None,
            secret: None,
            secret_file: None,
            master_key: None,
            master_key_file: None,
            allow_shared_master_key: false,
            enabled: true,
            dialect: Dialect::default(),
            mode: None,
            derivation: RawDerivation::default(),
            padding: Padding::default(),
            rotation: Rotation::default(),
            channels: Vec::new(),
            sealing_alias: SealingAlias::DEFAULT.to_owned(),
            allow_mixed: false,
            client_events: false,
            subscription_count: false,
            watchlist: false,
            origins: Vec::new(),
            api_cors: false,
            authorizer: RawAuthorizer::default(),
            jwt_secret: None,
            jwt_secret_file: None,
            jwt: RawJwt::default(),
            explain: false,
            rules: Vec::new(),
            forward: None,
            authorized_connections: false,
            authorization_timeout_seconds: 30,
            webhooks: Vec::new(),
            limits: Limits::default(),
        }
    }
}
