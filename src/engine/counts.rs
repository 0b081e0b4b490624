//! Counters of one app since the start, for operators.

use std::time::Duration;

use super::{history::recovery::Missed, refusal_counters::RefusalCounters};
use crate::{
    channels::log::GapReason,
    crypto::sealer::SealError,
    domain::refusal::RefusalCode,
    platform::counting::{Count, Histogram, LabelledCounter},
};

pub struct AppCounters {
    pub connections: Count,
    /// Backend events, counted once per channel.
    pub published: Count,
    pub client_events: Count,
    /// Backend events on encrypted channels: arrived as plaintext and sealed by this server.
    pub sealed: Count,
    /// Backend events on encrypted channels that arrived sealed.
    pub relayed: Count,
    pub not_sealed: LabelledCounter,
    seals: Count,
    pub seal_times: Histogram,
    /// Auth endpoint responses by refusal code, or `ALLOWED`.
    pub channel_auth: LabelledCounter,
    pub user_auth: LabelledCounter,
    pub subscriptions_refused: LabelledCounter,
    pub sign_ins_refused: LabelledCounter,
    /// Rate limit violations by the name of the limit.
    pub limited: LabelledCounter,
    pub history: HistoryCounters,
}

/// About logs and their readers.
pub struct HistoryCounters {
    pub logged: Count,
    /// Given up by the log's own bounds, not by the budgets.
    pub evicted: Count,
    pub replayed: Count,
    /// By reason.
    pub gaps: LabelledCounter,
}

impl Default for HistoryCounters {
    fn default() -> Self {
        Self {
            logged: Count::default(),
            evicted: Count::default(),
            replayed: Count::default(),
            gaps: LabelledCounter::new(GapReason::ALL.map(GapReason::name)),
        }
    }
}

impl HistoryCounters {
    pub(super) fn note(&self, missed: &Missed) {
        match missed {
            Missed::NotAsked => {}
            Missed::Events(events) => self.replayed.add_many(events.len() as u64),
            Missed::Gap { reason, .. } => self.gaps.add(reason.name()),
        }
    }
}

/// Rate limits an app can configure.
const RATES: [&str; 8] = [
    "events_per_second",
    "reads_per_second",
    "client_events_per_second",
    "subscribes_per_second",
    "auth_per_ip",
    "auth_per_socket",
    "auth_per_user",
    "history_bytes_per_second",
];

/// Counters for requests whose app is unknown or not yet known.
pub struct EngineCounters {
    pub channel_auth: LabelledCounter,
    pub user_auth: LabelledCounter,
    /// Requests refused because their address sent too many wrong signatures.
    pub wrong_signatures: Count,
    pub refused: RefusalCounters,
}

impl Default for EngineCounters {
    fn default() -> Self {
        Self {
            channel_auth: auth_answers(),
            user_auth: auth_answers(),
            wrong_signatures: Count::default(),
            refused: RefusalCounters::default(),
        }
    }
}

pub const ALLOWED: &str = "allowed";

/// One seal in this many is timed: reading the clock twice costs as much as sealing a few bytes.
const TIMED_EVERY: u64 = 64;
const DURATION_BUCKETS: [Duration; 8] = [
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
fn auth_answers() -> LabelledCounter {
    LabelledCounter::new([ALLOWED].into_iter().chain(RefusalCode::names()))
}

impl Default for AppCounters {
    fn default() -> Self {
        Self {
            connections: Count::default(),
            published: Count::default(),
            client_events: Count::default(),
            sealed: Count::default(),
            relayed: Count::default(),
            not_sealed: LabelledCounter::new(SealError::REASONS),
            seals: Count::default(),
            seal_times: Histogram::new(&DURATION_BUCKETS),
            channel_auth: auth_answers(),
            user_auth: auth_answers(),
            subscriptions_refused: LabelledCounter::new(RefusalCode::names()),
            sign_ins_refused: LabelledCounter::new(RefusalCode::names()),
            limited: LabelledCounter::new(RATES),
            history: HistoryCounters::default(),
        }
    }
}

impl AppCounters {
    pub fn should_time(&self) -> bool {
        self.seals.next().is_multiple_of(TIMED_EVERY)
    }
}
