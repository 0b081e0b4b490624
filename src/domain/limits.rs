//! The limits of an app; the defaults are those of protocol.md 11.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::rate_limit::{GcraParams, RateQuota};

/// Seconds in a year. Longer times overflow clocks.
pub const YEAR: u64 = 365 * 24 * 60 * 60;

/// The names are those of the configuration.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    pub connections: Option<usize>,
    pub event_bytes: usize,
    pub event_name_chars: usize,
    pub channel_name_bytes: usize,
    pub channels_per_event: usize,
    pub batch_events: usize,
    pub client_event_bytes: usize,
    pub client_events_per_second: u32,
    pub presence_members: usize,
    pub presence_member_bytes: usize,
    /// Announced departures and returns of a member on one channel, per minute; 0: no limit.
    pub member_returns_per_minute: u32,
    pub user_id_chars: usize,
    pub watchlist_ids: usize,
    pub cache_ttl_seconds: u64,
    /// Bytes of all last events on cache channels together.
    pub cache_bytes: usize,
    /// Bytes of all logs together.
    pub history_bytes: usize,
    pub channels_per_connection: usize,
    /// Frames of one connection per second, control frames and fragments included; 0: no limit.
    pub frames_per_second: u32,
    /// Subscriptions of one connection per second, beyond joining each channel once; 0: no limit,
    /// as for the rates below.
    pub subscribes_per_second: u32,
    /// Events of the app's backend per second; each event counts once for each of its channels.
    pub events_per_second: u32,
    /// GET requests of the backend per second.
    pub reads_per_second: u32,
    /// Requests to the auth endpoints per second.
    pub auth_per_ip: u32,
    pub auth_per_socket: u32,
    pub auth_per_user: u32,
    /// Bytes of history that one user is given per second, in the client API.
    pub history_bytes_per_second: u32,
    /// Connections per second from one address; 0: no limit.
    pub connects_per_ip: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: None,
            event_bytes: 10_240,
            event_name_chars: 200,
            channel_name_bytes: 200,
            channels_per_event: 100,
            batch_events: 10,
            client_event_bytes: 10_240,
            client_events_per_second: 10,
            presence_members: 100,
            presence_member_bytes: 1024,
            member_returns_per_minute: 4,
            user_id_chars: 128,
            watchlist_ids: 100,
            cache_ttl_seconds: 30 * 60,
            cache_bytes: 16 * 1024 * 1024,
            history_bytes: 64 * 1024 * 1024,
            channels_per_connection: 10_000,
            frames_per_second: 200,
            subscribes_per_second: 100,
            events_per_second: 0,
            reads_per_second: 0,
            auth_per_ip: 1000,
            auth_per_socket: 100,
            auth_per_user: 200,
            history_bytes_per_second: 512 * 1024,
            connects_per_ip: 1000,
        }
    }
}

impl Limits {
    pub fn cache_ttl(&self) -> Duration {
        Duration::from_secs(self.cache_ttl_seconds)
    }

    /// The burst is the size of the largest request: no request is too large for the rate.
    pub fn events(&self) -> RateQuota {
        let largest = self.channels_per_event.max(self.batch_events) as u64;
        RateQuota { per_second: self.events_per_second, burst: largest }
    }

    /// The burst is enough to join all channels of a connection, plus ten seconds' worth.
    pub fn frames(&self) -> RateQuota {
        let per_second = self.frames_per_second;
        let RateQuota { burst, .. } = RateQuota::with_burst_of(10, per_second);
        let burst = burst.saturating_add(self.channels_per_connection as u64);
        RateQuota { per_second, burst }
    }

    /// 0: none, unlike the other rates.
    pub fn client_events(&self) -> GcraParams {
        GcraParams::new(Duration::from_secs(1), self.client_events_per_second)
    }

    pub fn member_returns(&self) -> Option<GcraParams> {
        let count = self.member_returns_per_minute;
        (count > 0).then(|| GcraParams::new(Duration::from_secs(60), count))
    }

    pub fn reads(&self) -> RateQuota {
        RateQuota { per_second: self.reads_per_second, burst: 0 }
    }
}

/// The settings of a rotation; the names are those of the configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rotation {
    /// The grace period in seconds.
    pub grace_seconds: u64,
    /// The maximum of re-authorizations per second asked of clients.
    pub turns_per_second: u32,
    /// Milliseconds between the auth response and the ping before the gate buffer is released. The
    /// response must arrive first, and travels on another connection.
    pub settle_ms: u64,
    /// Milliseconds for which frames wait for a client's re-authorization. If the app's backend
    /// issues the secrets, the server cannot see it, and frames always wait this long.
    pub hold_ms: u64,
    /// The name of the nudge: an empty sealed event for channels without traffic.
    pub nudge_event: String,
}

impl Default for Rotation {
    fn default() -> Self {
        Self {
            grace_seconds: 3600,
            turns_per_second: 200,
            settle_ms: 100,
            hold_ms: 2000,
            nudge_event: "sealcast:rekey".into(),
        }
    }
}
