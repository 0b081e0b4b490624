//! The system clock, and a clock for comparisons with revocations: the system clock may be set back,
//! and earlier revocations must stay valid.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant, SystemTime},
};

use crate::domain::time::UnixSeconds;

/// The system clock.
pub fn unix_now() -> UnixSeconds {
    system_millis() / 1000
}

/// The system clock in microseconds since 1970.
pub fn unix_micros() -> u64 {
    let micros = |since: Duration| u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, micros)
}

/// The first microsecond since 1970 that is certainly later than this second.
pub fn micros_after(second: UnixSeconds) -> u64 {
    second.saturating_add(1).saturating_mul(1_000_000)
}

/// Wall time that never goes back: after the system clock was set back, it continues from the
/// latest time shown, at the rate of the monotonic clock.
pub struct ServerClock {
    started: Instant,
    /// Milliseconds since 1970.
    started_at: u64,
    /// The maximum of milliseconds by which the system clock was ahead of `started_at` plus the
    /// time since.
    ahead: AtomicU64,
}

/// One reading, in seconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClockReading {
    /// The system clock. For expiry: `exp`, `nbf`, a `ttl`.
    pub wall: UnixSeconds,
    /// Never earlier than in an earlier reading. For comparisons with revocations.
    pub latest: UnixSeconds,
    /// The earlier of the system clock and the time since the start. For dropping old entries: a
    /// clock that is ahead for a while ages nothing.
    pub earliest: UnixSeconds,
}

impl Default for ServerClock {
    fn default() -> Self {
        Self::starting(system_millis())
    }
}

impl ServerClock {
    fn starting(millis: u64) -> Self {
        Self { started: Instant::now(), started_at: millis, ahead: AtomicU64::new(0) }
    }

    /// Since the start of the server.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    pub fn now(&self) -> ClockReading {
        self.at(system_millis(), self.started.elapsed())
    }

    fn at(&self, wall: u64, since_start: Duration) -> ClockReading {
        let steady = self.started_at.saturating_add(millis(since_start));
        let ahead = wall.saturating_sub(steady);
        let ahead = ahead.max(self.ahead.fetch_max(ahead, Ordering::AcqRel));
        let latest = steady.saturating_add(ahead);
        ClockReading { wall: wall / 1000, latest: latest / 1000, earliest: wall.min(steady) / 1000 }
    }

    /// Moves the clock on to a time found in a file of an earlier run.
    pub fn advance_to(&self, time: UnixSeconds) {
        let steady = self.started_at.saturating_add(millis(self.started.elapsed()));
        let ahead = time.saturating_mul(1000).saturating_sub(steady);
        self.ahead.fetch_max(ahead, Ordering::AcqRel);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn system_millis() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, millis)
}

/// The time at which a user's access was known. Only an authorization newer than a revocation
/// outweighs it; an equal time does not, because seconds are coarse.
///
/// Has no `Default`: each decision has to state its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KnownAsOf(UnixSeconds);

impl KnownAsOf {
    /// Older than every revocation, for decisions without a time.
    pub const NEVER: Self = Self(0);

    /// A decision made by this server now.
    pub fn now(now: ClockReading) -> Self {
        Self(now.latest)
    }

    /// The `iat` of a token, less the leeway, because the issuer's clock may be ahead by it. An
    /// `iat` in the future counts as now.
    pub fn issued(iat: Option<UnixSeconds>, leeway: u64, now: ClockReading) -> Self {
        iat.map_or(Self::NEVER, |iat| Self(iat.min(now.latest).saturating_sub(leeway)))
    }

    /// For another node, which reads it with `at_seconds`.
    pub fn seconds(self) -> UnixSeconds {
        self.0
    }

    pub fn at_seconds(seconds: UnixSeconds) -> Self {
        Self(seconds)
    }

    pub fn is_after(self, revoked_at: UnixSeconds) -> bool {
        self.0 > revoked_at
    }

    /// See `micros_after`.
    pub fn micros_after(self) -> u64 {
        micros_after(self.0)
    }
}

#[cfg(test)]
impl ClockReading {
    pub fn at(seconds: UnixSeconds) -> Self {
        Self { wall: seconds, latest: seconds, earliest: seconds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn clock_set_back_continues_from_its_latest_time() {
        let clock = ServerClock::starting(1_000_000);
        assert_eq!(clock.at(1_000_000, seconds(0)), ClockReading::at(1000));
        assert_eq!(clock.at(1_010_000, seconds(10)), ClockReading::at(1010));
        let back = clock.at(711_000, seconds(11));
        assert_eq!((back.wall, back.latest, back.earliest), (711, 1011, 711));
        assert_eq!(clock.at(760_000, seconds(60)).latest, 1060);
        // Set right again: nothing is ahead of it.
        assert_eq!(clock.at(1_061_000, seconds(61)), ClockReading::at(1061));
    }

    #[test]
    fn clock_that_ran_ahead_expires_nothing_and_is_remembered() {
        let clock = ServerClock::starting(1_000_000);
        let ahead = clock.at(9_000_000, seconds(1));
        assert_eq!((ahead.wall, ahead.latest, ahead.earliest), (9000, 9000, 1001));
        let right = clock.at(1_002_000, seconds(2));
        assert_eq!((right.wall, right.latest, right.earliest), (1002, 9001, 1002));
    }

    #[test]
    fn times_in_files_move_the_clock_forward() {
        let clock = ServerClock::starting(1_000_000);
        clock.advance_to(1300);
        clock.advance_to(900);
        assert_eq!(clock.at(1_000_500, seconds(1)).latest, 1301);
        clock.advance_to(u64::MAX);
        assert!(clock.at(1_000_000, seconds(2)).latest > 1 << 50);
    }

    #[test]
    fn equal_time_does_not_outweigh_a_revocation() {
        let now = ClockReading::at(1000);
        assert!(!KnownAsOf::NEVER.is_after(0));
        assert!(!KnownAsOf::now(now).is_after(1000) && KnownAsOf::now(now).is_after(999));
        let issued = |iat| KnownAsOf::issued(iat, 10, now);
        assert_eq!(issued(None), KnownAsOf::NEVER);
        assert!(!issued(Some(1000)).is_after(990) && issued(Some(1000)).is_after(989));
        assert_eq!(issued(Some(u64::MAX)), issued(Some(1000)), "no newer than this moment");
        assert_eq!(issued(Some(3)), KnownAsOf::NEVER);
    }
}
