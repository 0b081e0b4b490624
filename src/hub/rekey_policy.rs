//! The rekey policy of an app: settle time, hold, nudge event, rate of turns.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::{domain::limits::Rotation, platform::counting::Count};

/// Identifies the runtime of an app by a number. A number is never used twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct AppRuntimeId(pub u32);

pub struct RekeyPolicy {
    pub runtime: AppRuntimeId,
    /// Read anew at each use, so that a reload applies to live subscriptions.
    timing: ArcSwap<RekeyTiming>,
    pub turns: RateLimiter,
    pub counts: RekeyCounts,
}

struct RekeyTiming {
    settle: Duration,
    hold: Duration,
    nudge_event: Arc<str>,
}

impl RekeyTiming {
    fn of(rotation: &Rotation) -> Self {
        Self {
            settle: Duration::from_millis(rotation.settle_ms),
            hold: Duration::from_millis(rotation.hold_ms),
            nudge_event: rotation.nudge_event.as_str().into(),
        }
    }
}

impl RekeyPolicy {
    pub fn new(runtime: AppRuntimeId, rotation: &Rotation) -> Self {
        Self {
            runtime,
            timing: ArcSwap::from_pointee(RekeyTiming::of(rotation)),
            turns: RateLimiter::new(rotation.turns_per_second),
            counts: RekeyCounts::default(),
        }
    }

    pub fn change(&self, rotation: &Rotation) {
        self.timing.store(Arc::new(RekeyTiming::of(rotation)));
        self.turns.change(rotation.turns_per_second);
    }

    pub fn settle(&self) -> Duration {
        self.timing.load().settle
    }

    pub fn hold(&self) -> Duration {
        self.timing.load().hold
    }

    pub fn nudge_event(&self) -> Arc<str> {
        self.timing.load().nudge_event.clone()
    }
}

/// Rekey events of an app's subscriptions since the start.
#[derive(Default)]
pub struct RekeyCounts {
    pub nudged: Count,
    /// Clients that fetched the next secret.
    pub reauthorized: Count,
    /// Clients that did not, and keep their present secret.
    pub reverted: Count,
    /// Clients that could not be served any longer and were told to reconnect.
    pub closed: Count,
}

/// An even rate limit (GCRA): after an idle time it permits a few at once, where a token bucket
/// would permit the whole burst.
pub struct RateLimiter(Mutex<RateLimiterState>);

struct RateLimiterState {
    interval: Duration,
    /// GCRA theoretical arrival time.
    next: Option<Instant>,
}

/// Permitted burst, about one check interval of a worker.
const TOLERANCE: Duration = Duration::from_millis(20);

impl RateLimiter {
    pub fn new(per_second: u32) -> Self {
        Self(Mutex::new(RateLimiterState { interval: interval(per_second), next: None }))
    }

    /// Takes effect from the next permit on.
    pub fn change(&self, per_second: u32) {
        self.0.lock().interval = interval(per_second);
    }

    #[must_use]
    pub fn take(&self, now: Instant) -> bool {
        let mut state = self.0.lock();
        let due = state.next.map_or(now, |next| next.max(now));
        let granted = due <= now + TOLERANCE;
        if granted {
            state.next = Some(due + state.interval);
        }
        granted
    }

    /// Returns a permit that was not used.
    pub fn put_back(&self) {
        let RateLimiterState { interval, next } = &mut *self.0.lock();
        if let Some(next) = next {
            *next -= *interval;
        }
    }
}

fn interval(per_second: u32) -> Duration {
    Duration::from_secs(1) / per_second.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_issued_evenly() {
        let (limiter, start) = (RateLimiter::new(100), Instant::now());
        let taken = |ms| {
            let now = start + Duration::from_millis(ms);
            (0..1000).filter(|_| limiter.take(now)).count()
        };
        assert_eq!(taken(0), 3);
        assert_eq!(taken(5), 0);
        let within_a_second: usize = (10..1000).map(taken).sum();
        assert!((98..=100).contains(&within_a_second), "{within_a_second}");
        assert_eq!(taken(60_000), 3, "a pause saves nothing up");
        limiter.put_back();
        assert_eq!(taken(60_000), 1);
        limiter.change(1000);
        let within_a_second: usize = (61_000..62_000).map(taken).sum();
        assert!((980..=1030).contains(&within_a_second), "{within_a_second}");
    }
}
