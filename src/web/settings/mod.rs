//! The settings of the web layer, as plain data: the configuration builds them.

pub mod admin_token;
pub mod config_report;
pub mod console;
pub mod forwarded;
pub mod live_feed_access;
pub mod ops_hosts;

use std::time::Duration;

use admin_token::AdminToken;
use config_report::ConfigReport;
use console::ConsoleSettings;
use forwarded::Proxies;
use live_feed_access::LiveFeedAccess;
use ops_hosts::OpsHosts;

/// The two halves of the settings, by the time when a change takes effect.
#[derive(Clone, Debug)]
pub struct Settings {
    pub start: StartSettings,
    pub reloadable: ReloadableSettings,
}

/// Settings in force until the end of the server.
#[derive(Clone, Debug)]
pub struct StartSettings {
    /// Empty, or `/something`; the prefix of every path.
    pub path_prefix: String,
    pub proxied: Proxied,
    /// Time limit between two requests of an HTTP connection.
    pub keep_alive: Duration,
}

/// Settings that a reload replaces.
#[derive(Clone, Debug)]
pub struct ReloadableSettings {
    pub strict_protocol: bool,
    pub activity_timeout: Duration,
    pub pong_timeout: Duration,
    /// Time limit for a connection that takes none of its waiting bytes.
    pub stalled: Duration,
    /// Time over which connections are closed at shutdown.
    pub drain: Duration,
    /// From this usage on, load balancers are told to send new connections elsewhere.
    pub capacity_percent: u64,
    pub message_bytes: usize,
    pub outbox_bytes: usize,
    pub http_body_bytes: usize,
    pub proxies: Proxies,
    /// Time limit for the whole body of a request.
    pub body_timeout: Duration,
    /// `None` switches the admin API of the operations listener off.
    pub admin_token: Option<AdminToken>,
    pub live_feed: LiveFeedAccess,
    pub ops_hosts: OpsHosts,
    pub console: ConsoleSettings,
    pub config_report: ConfigReport,
}

/// Listeners that require a PROXY header from a load balancer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Proxied {
    pub public: bool,
    pub api: bool,
}
