//! A limiter with one owner.

use std::time::{Duration, Instant};

use super::{GcraParams, charge, nanos};

/// A rate limiter with one owner; the field is the GCRA theoretical arrival time. The limit is passed
/// with each call, so that a new one takes effect at once and permits taken before still count.
#[derive(Clone, Copy, Debug)]
pub struct LocalRateLimiter(Instant);

impl LocalRateLimiter {
    pub fn new(now: Instant) -> Self {
        Self(now)
    }

    /// Takes one permit. The error is the time to wait.
    pub fn take(&mut self, params: GcraParams, now: Instant) -> Result<(), Duration> {
        let debt = nanos(self.0.saturating_duration_since(now));
        let debt = charge(debt, params.emission_interval, params.tolerance)?;
        self.0 = now + Duration::from_nanos(debt);
        Ok(())
    }

    /// Returns a permit that was not used.
    pub fn put_back(&mut self, params: GcraParams) {
        let permit = Duration::from_nanos(params.emission_interval);
        self.0 = self.0.checked_sub(permit).unwrap_or(self.0);
    }

    /// True if the limiter still remembers permits.
    pub fn is_ahead(&self, now: Instant) -> bool {
        self.0 > now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_period_of_permits_at_once_and_no_more() {
        let start = Instant::now();
        let mut limiter = LocalRateLimiter::new(start);
        let mut granted = |rate, ms, tries| {
            let params = GcraParams::new(Duration::from_secs(1), rate);
            let now = start + Duration::from_millis(ms);
            (0..tries).filter(|_| limiter.take(params, now).is_ok()).count()
        };
        assert_eq!(granted(10, 0, 100), 10);
        assert_eq!(granted(10, 99, 100), 0);
        assert_eq!(granted(10, 1099, 100), 10);
        assert_eq!(granted(10, 99_000, 100), 10);
        assert_eq!(granted(2, 109_000, 100), 2);
        assert_eq!(granted(20, 109_000, 100), 0);
        assert_eq!(granted(20, 110_000, 100), 20);
        assert_eq!(granted(0, 200_000, 100), 0, "0 is none");
    }

    #[test]
    fn every_usual_rate_is_also_the_burst() {
        let now = Instant::now();
        for rate in (1..1000).chain([1024, 4096, 9999, 20_000, 31_622]) {
            let (mut limiter, params) =
                (LocalRateLimiter::new(now), GcraParams::new(Duration::from_secs(1), rate));
            let granted = (0..=rate).filter(|_| limiter.take(params, now).is_ok()).count();
            assert_eq!(granted, rate as usize);
        }
    }
}
