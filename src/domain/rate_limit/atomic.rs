//! A limiter shared by threads, in one word without a lock.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use super::{RateQuota, charge, nanos};

/// A rate limiter shared by all workers. The quota is passed with each call, so that a new one
/// takes effect at once and permits taken before still count.
pub struct AtomicRateLimiter {
    start: Instant,
    /// GCRA theoretical arrival time, in nanoseconds after `start`.
    tat: AtomicU64,
}

impl AtomicRateLimiter {
    pub fn new(now: Instant) -> Self {
        Self { start: now, tat: AtomicU64::new(0) }
    }

    /// Applies a new quota. The debt is capped at the new burst: a debt that a low rate would take
    /// minutes to pay must not delay a high rate.
    pub fn change(&self, allowed: RateQuota, now: Instant) {
        if allowed.per_second > 0 {
            let latest = self.since_start(now).saturating_add(allowed.tolerance());
            self.tat.fetch_min(latest, Ordering::Relaxed);
        }
    }

    fn since_start(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.start))
    }

    /// Takes `count` permits or none. The error is the time to wait until `count` are available, if
    /// no other caller takes any and the burst is large enough.
    pub fn take(&self, count: u64, allowed: RateQuota, now: Instant) -> Result<(), Duration> {
        if allowed.per_second == 0 {
            return Ok(());
        }
        let now = self.since_start(now);
        let (cost, tolerance) = (allowed.cost(count), allowed.tolerance());
        // Relaxed: the word guards nothing but itself.
        let mut tat = self.tat.load(Ordering::Relaxed);
        loop {
            let next = now.saturating_add(charge(tat.saturating_sub(now), cost, tolerance)?);
            match self.tat.compare_exchange_weak(tat, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(other) => tat = other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(per_second: u32, burst: u64) -> RateQuota {
        RateQuota { per_second, burst }
    }

    #[test]
    fn burst_then_rate() {
        let start = Instant::now();
        let limiter = AtomicRateLimiter::new(start);
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let taken = |seconds: f64| {
            (0..1000).filter(|_| limiter.take(1, allowed(10, 25), at(seconds)).is_ok()).count()
        };
        assert_eq!(taken(0.0), 25);
        assert_eq!(taken(0.099), 0);
        assert_eq!(taken(1.0), 10);
        assert_eq!(taken(1000.0), 25, "a pause saves no more up");
        let wait = limiter.take(1, allowed(10, 25), at(1000.0)).expect_err("nothing is left");
        assert_eq!(wait, Duration::from_millis(100));
        assert!(limiter.take(1, allowed(10, 25), at(1000.0) + wait).is_ok(), "it is told how long");
    }

    #[test]
    fn batches_are_taken_whole_or_not_at_all() {
        let start = Instant::now();
        let limiter = AtomicRateLimiter::new(start);
        assert!(limiter.take(8, allowed(10, 10), start).is_ok());
        let wait = limiter.take(5, allowed(10, 10), start).expect_err("two are left");
        assert_eq!(wait, Duration::from_millis(300));
        assert!(limiter.take(2, allowed(10, 10), start).is_ok(), "the five took none of them");
    }

    #[test]
    fn burst_is_at_least_one_second() {
        let start = Instant::now();
        let limiter = AtomicRateLimiter::new(start);
        assert!(limiter.take(10, allowed(10, 0), start).is_ok());
        assert!(limiter.take(1, allowed(10, 0), start).is_err());
        assert!(limiter.take(u64::MAX, allowed(0, 0), start).is_ok(), "0 is no limit");
        assert!(limiter.take(u64::MAX, allowed(1, 1), start).is_err());
    }

    #[test]
    fn changed_rate_keeps_what_was_taken() {
        let start = Instant::now();
        let limiter = AtomicRateLimiter::new(start);
        assert!(limiter.take(10, allowed(10, 10), start).is_ok());
        assert!(limiter.take(100, allowed(100, 100), start).is_err(), "some of it is spent");
        assert!((0..1000).all(|_| limiter.take(1, allowed(0, 0), start).is_ok()));
        assert!(limiter.take(1, allowed(10, 10), start).is_err(), "and still is");
    }

    #[test]
    fn higher_rate_is_not_delayed_by_debt_of_a_lower_one() {
        let start = Instant::now();
        let limiter = AtomicRateLimiter::new(start);
        assert!(limiter.take(100, allowed(1, 100), start).is_ok());
        limiter.change(allowed(0, 100), start);
        assert!(limiter.take(1, allowed(1, 100), start).is_err(), "it is still owed");
        limiter.change(allowed(1000, 100), start);
        let wait = limiter.take(1, allowed(1000, 100), start).expect_err("nothing is given");
        assert_eq!(wait, Duration::from_millis(1));
        assert!(limiter.take(1, allowed(1000, 100), start + wait).is_ok());
        limiter.change(allowed(1, 100), start + wait);
        assert!(limiter.take(100, allowed(1, 100), start + wait).is_err(), "a second is owed");
        assert!(limiter.take(99, allowed(1, 100), start + wait).is_ok());
    }

    #[test]
    fn many_threads_get_no_more_than_one() {
        let start = Instant::now();
        let limiter = AtomicRateLimiter::new(start);
        let taken = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mine =
                        (0..10_000).filter(|_| limiter.take(1, allowed(9, 5000), start).is_ok());
                    taken.fetch_add(mine.count() as u64, Ordering::Relaxed);
                });
            }
        });
        assert_eq!(taken.into_inner(), 5000);
    }
}
