//! Counters of one app since the start, for operators.

use std::time::Duration;

use super::refused::RefusedCounts;
use crate::{
    counting::{Count, Histogram, Tally},
    crypto::sealer::SealError,
    refusal::RefusalCode,
};

pub struct TenantCounts {
    pub connections: Count,
    /// Backend events, counted once per channel.
    pub published: Count,
    pub client_events: Count,
    /// Backend events on encrypted channels: arrived as plaintext and sealed by this server.
    pub sealed: Count,
    /// Backend events on encrypted channels that arrived sealed.
    pub relayed: Count,
    pub not_sealed: Tally,
    seals: Count,
    pub seal_times: Histogram,
    /// Auth endpoint responses by refusal code, or `ALLOWED`.
    pub channel_auth: Tally,
    pub user_auth: Tally,
    pub subscriptions_refused: Tally,
    pub sign_ins_refused: Tally,
    /// Rate limit violations by the name of the limit.
    pub limited: Tally,
}

/// Rate limits an app can configure.
const RATES: [&str; 7] = [
    "events_per_second",
    "reads_per_second",
    "client_events_per_second",
    "subscribes_per_second",
    "auth_per_ip",
    "auth_per_socket",
    "auth_per_user",
];

/// Counters for requests whose app is unknown or not yet known.
pub struct EngineCounts {
    pub channel_auth: Tally,
    pub user_auth: Tally,
    /// Requests refused because their address sent too many wrong signatures.
    pub wrong_signatures: Count,
    pub refused: RefusedCounts,
}

impl Default for EngineCounts {
    fn default() -> Self {
        Self {
            channel_auth: auth_answers(),
            user_auth: auth_answers(),
            wrong_signatures: Count::default(),
            refused: RefusedCounts::default(),
        }
    }
}

pub const ALLOWED: &str = "allowed";

/// One seal in this many is timed: reading the clock twice costs as much as sealing a few bytes.
const TIMED: u64 = 64;
const BOUNDS: [Duration; 8] = [
    Duration::from_micros(5),
    Duration::from_micros(10),
    Duration::from_micros(25),
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_millis(1),
    Duration::from_millis(5),
];

/// All refusal codes, and `ALLOWED`.
fn auth_answers() -> Tally {
    Tally::new([ALLOWED].into_iter().chain(RefusalCode::names()))
}

impl Default for TenantCounts {
    fn default() -> Self {
        Self {
            connections: Count::default(),
            published: Count::default(),
            client_events: Count::default(),
            sealed: Count::default(),
            relayed: Count::default(),
            not_sealed: Tally::new(SealError::REASONS),
            seals: Count::default(),
            seal_times: Histogram::new(&BOUNDS),
            channel_auth: auth_answers(),
            user_auth: auth_answers(),
            subscriptions_refused: Tally::new(RefusalCode::names()),
            sign_ins_refused: Tally::new(RefusalCode::names()),
            limited: Tally::new(RATES),
        }
    }
}

impl TenantCounts {
    pub fn is_to_be_timed(&self) -> bool {
        self.seals.next().is_multiple_of(TIMED)
    }
}
