//! The rate of rekeys, of an app and of the node.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::domain::rate_limit::{GcraParams, LocalRateLimiter};

/// An even rate: after an idle time it permits a few turns at once, and not a second's worth.
pub struct TurnLimiter(Mutex<TurnLimiterState>);

struct TurnLimiterState {
    rate: GcraParams,
    limiter: LocalRateLimiter,
}

/// How early a turn may be: about one check interval of a worker.
const EARLY: Duration = Duration::from_millis(20);

impl TurnLimiter {
    pub fn new(per_second: u32, now: Instant) -> Self {
        let rate = GcraParams::even(per_second, EARLY);
        Self(Mutex::new(TurnLimiterState { rate, limiter: LocalRateLimiter::new(now) }))
    }

    /// Takes effect from the next permit on.
    pub fn change(&self, per_second: u32) {
        self.0.lock().rate = GcraParams::even(per_second, EARLY);
    }

    #[must_use]
    pub fn take(&self, now: Instant) -> bool {
        let TurnLimiterState { rate, limiter } = &mut *self.0.lock();
        limiter.take(*rate, now).is_ok()
    }

    /// Returns a permit that was not used.
    pub fn put_back(&self) {
        let TurnLimiterState { rate, limiter } = &mut *self.0.lock();
        limiter.put_back(*rate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_permitted_evenly() {
        let start = Instant::now();
        let limiter = TurnLimiter::new(100, start);
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
