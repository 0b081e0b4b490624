//! The limits of an app; the defaults are those of protocol.md 11.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::rate_limit::{GcraParams, RateQuota};

/// Seconds in a year. Longer times overflow clocks.
pub const YEAR: u64 = 365 * 24 * 60 * 60;

/// The names are those of the configuration, and the comments its descriptions.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Most open connections of the app on one server.
    #[schemars(
        example = 10_000,
        extend("x-unit" = "connections", "x-default" = "unlimited")
    )]
    pub connections: Option<usize>,
    /// Largest payload of an event. On encrypted channels the size of the plaintext counts.
    #[schemars(extend("x-unit" = "bytes"))]
    pub event_bytes: usize,
    /// Longest name of an event, with `client-`.
    #[schemars(extend("x-unit" = "characters"))]
    pub event_name_chars: usize,
    /// Longest name of a channel, with its prefix.
    #[schemars(extend("x-unit" = "bytes"))]
    pub channel_name_bytes: usize,
    /// Most channels of one event, repeated ones included.
    #[schemars(extend("x-unit" = "channels"))]
    pub channels_per_event: usize,
    /// Most events of one batch.
    #[schemars(extend("x-unit" = "events"))]
    pub batch_events: usize,
    /// Largest payload of a client event.
    #[schemars(extend("x-unit" = "bytes"))]
    pub client_event_bytes: usize,
    /// Client events of one connection. 0: none.
    #[schemars(extend("x-unit" = "per second"))]
    pub client_events_per_second: u32,
    /// Most members of a presence channel. A user counts once.
    #[schemars(extend("x-unit" = "members"))]
    pub presence_members: usize,
    /// Largest data of a member: `channel_data`, or the `user_info` of a signed-in user.
    #[schemars(extend("x-unit" = "bytes"))]
    pub presence_member_bytes: usize,
    /// Departures of a member from one channel that are announced at once. Later ones are held for
    /// 10 seconds. 0: any number.
    #[schemars(extend("x-unit" = "per minute"))]
    pub member_returns_per_minute: u32,
    /// Longest id of a user.
    #[schemars(extend("x-unit" = "characters"))]
    pub user_id_chars: usize,
    /// Most ids of a watchlist.
    #[schemars(extend("x-unit" = "ids"))]
    pub watchlist_ids: usize,
    /// Time for which a cache channel remembers its last event.
    #[schemars(range(min = 1, max = YEAR), extend("x-unit" = "seconds"))]
    pub cache_ttl_seconds: u64,
    /// Most bytes of all last events on the cache channels of the app. The oldest go first.
    #[schemars(extend("x-unit" = "bytes"))]
    pub cache_bytes: usize,
    /// Most bytes of all logs of the app in memory. A cluster has its logs in Redis, and refuses this
    /// setting.
    #[schemars(range(min = 65_536), extend("x-unit" = "bytes"))]
    pub history_bytes: usize,
    /// Most subscriptions of one connection at a time.
    #[schemars(extend("x-unit" = "channels"))]
    pub channels_per_connection: usize,
    /// Frames of one connection, control frames and parts of messages included. 0: any number.
    #[schemars(extend("x-unit" = "per second"))]
    pub frames_per_second: u32,
    /// Subscriptions of one connection, beyond joining each channel once. 0: any number.
    #[schemars(extend("x-unit" = "per second"))]
    pub subscribes_per_second: u32,
    /// Events of your backend. Each event counts once for each of its channels. 0: any number.
    #[schemars(extend("x-unit" = "per second"))]
    pub events_per_second: u32,
    /// GET requests of your backend. 0: any number.
    #[schemars(extend("x-unit" = "per second"))]
    pub reads_per_second: u32,
    /// Requests of one address to the auth endpoints and the client API. 0: any number.
    #[schemars(extend("x-unit" = "per second"))]
    pub auth_per_ip: u32,
    /// The same about one socket. 0: any number.
    #[schemars(extend("x-unit" = "per second"))]
    pub auth_per_socket: u32,
    /// The same of one user. 0: any number.
    #[schemars(extend("x-unit" = "per second"))]
    pub auth_per_user: u32,
    /// History that one user is given in the client API. 0: any amount.
    #[schemars(extend("x-unit" = "bytes per second"))]
    pub history_bytes_per_second: u32,
    /// Sockets that one address opens. 0: any number.
    #[schemars(extend("x-unit" = "per second"))]
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
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rotation {
    /// Time for which the previous key is served.
    #[schemars(range(min = 1, max = YEAR), extend("x-unit" = "seconds"))]
    pub grace_seconds: u64,
    /// Auth requests that a rotation may cause.
    #[schemars(range(min = 1), extend("x-unit" = "per second"))]
    pub turns_per_second: u32,
    /// Pause between the answer of the auth endpoint and the ping that releases waiting events. The
    /// answer must arrive first, and travels on another connection.
    #[schemars(extend("x-unit" = "milliseconds"))]
    pub settle_ms: u64,
    /// Longest time that events wait for a client to ask, and then for its pongs. They always wait
    /// this long if your backend issues the secrets.
    #[schemars(range(min = 1, max = 60_000), extend("x-unit" = "milliseconds"))]
    pub hold_ms: u64,
    /// Name of the empty event that is sent on channels without traffic.
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
