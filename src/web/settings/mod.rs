//! The settings of the web layer, as plain data: the configuration builds them.

pub mod forwarded;

use std::time::Duration;

use super::ops::{admin::AdminToken, live::LiveFeedAccess, ops_hosts::OpsHosts};
use forwarded::Proxies;

/// The settings of handlers and sockets.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Empty, or `/something`; the prefix of every path.
    pub path_prefix: String,
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
    pub proxied: Proxied,
    /// Time limit between two requests of an HTTP connection.
    pub keep_alive: Duration,
    /// Time limit for the whole body of a request.
    pub body_timeout: Duration,
    /// `None` switches the admin API of the operations listener off.
    pub admin_token: Option<AdminToken>,
    pub live_feed: LiveFeedAccess,
    pub ops_hosts: OpsHosts,
}

/// Listeners that require a PROXY header from a load balancer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Proxied {
    pub public: bool,
    pub api: bool,
}
