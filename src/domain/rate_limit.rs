//! Rate limits by GCRA: one shared by threads, in one atomic word without a lock, and one for a
//! single owner.

mod table;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

pub use table::{RateKey, RateTable};

/// A rate limiter shared by all workers. The quota is passed with each call, so that a new one
/// takes effect at once and permits taken before still count.
pub struct AtomicRateLimiter {
    start: Instant,
    /// GCRA theoretical arrival time, in nanoseconds after `start`.
    tat: AtomicU64,
}

/// A rate and a burst; `per_second` 0 means no limit.
#[derive(Clone, Copy, Debug)]
pub struct RateQuota {
    pub per_second: u32,
    /// The burst after an idle time; at least one second's worth.
    pub burst: u64,
}

impl RateQuota {
    fn time_of(self, count: u64) -> u64 {
        const SECOND: u128 = 1_000_000_000;
        let time = u128::from(count) * SECOND / u128::from(self.per_second.max(1));
        u64::try_from(time).unwrap_or(u64::MAX)
    }
}

/// A rate limiter with one owner; the field is the GCRA theoretical arrival time.
#[derive(Clone, Copy, Debug)]
pub struct LocalRateLimiter(Instant);

/// A quota converted for frequent calls of a `LocalRateLimiter`.
#[derive(Clone, Copy, Debug)]
pub struct GcraParams {
    /// The emission interval: the cost of one permit.
    emission_interval: Duration,
    /// The burst as a duration.
    tolerance: Duration,
}

impl RateQuota {
    /// `None`: no limit.
    pub fn gcra(self) -> Option<GcraParams> {
        let burst = self.burst.max(u64::from(self.per_second));
        (self.per_second > 0).then(|| GcraParams {
            emission_interval: Duration::from_nanos(self.time_of(1)),
            tolerance: Duration::from_nanos(self.time_of(burst)),
        })
    }
}

impl GcraParams {
    /// `count` permits in each `period`, and the same number as a burst.
    pub const fn new(period: Duration, count: u32) -> Self {
        Self {
            emission_interval: period.checked_div(count).expect("a count above 0"),
            tolerance: period,
        }
    }
}

impl LocalRateLimiter {
    pub fn new(now: Instant) -> Self {
        Self(now)
    }

    /// Takes one permit if the rate allows.
    #[must_use]
    pub fn take(&mut self, params: GcraParams, now: Instant) -> bool {
        let tat = self.0.max(now) + params.emission_interval;
        let granted = tat.duration_since(now) <= params.tolerance;
        if granted {
            self.0 = tat;
        }
        granted
    }

    /// True if the limiter still remembers permits.
    pub fn is_ahead(&self, now: Instant) -> bool {
        self.0 > now
    }
}

impl AtomicRateLimiter {
    pub fn new(now: Instant) -> Self {
        Self { start: now, tat: AtomicU64::new(0) }
    }

    /// Applies a new quota. The debt is capped at the new burst: a debt that a low rate would take
    /// minutes to pay must not delay a high rate.
    pub fn change(&self, allowed: RateQuota, now: Instant) {
        if allowed.per_second > 0 {
            self.tat.fetch_min(self.latest(allowed, now).1, Ordering::Relaxed);
        }
    }

    /// The present time, and the latest permitted arrival time.
    fn latest(&self, allowed: RateQuota, now: Instant) -> (u64, u64) {
        let now = now.saturating_duration_since(self.start).as_nanos() as u64;
        let burst = allowed.burst.max(u64::from(allowed.per_second));
        (now, now.saturating_add(allowed.time_of(burst)))
    }

    /// Takes `count` permits or none. The error is the time to wait until `count` are available, if
    /// no other caller takes any and the burst is large enough.
    pub fn take(&self, count: u64, allowed: RateQuota, now: Instant) -> Result<(), Duration> {
        if allowed.per_second == 0 {
            return Ok(());
        }
        let (now, latest) = self.latest(allowed, now);
        let cost = allowed.time_of(count);
        // Relaxed: the word guards nothing but itself.
        let mut tat = self.tat.load(Ordering::Relaxed);
        loop {
            let next = tat.max(now).saturating_add(cost);
            if next > latest {
                return Err(Duration::from_nanos(next - latest));
            }
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
    fn rate_limiter_and_meter_agree() {
        let start = Instant::now();
        let (limiter, mut local) = (AtomicRateLimiter::new(start), LocalRateLimiter::new(start));
        let allowed = allowed(10, 25);
        let params = allowed.gcra().expect("a rate");
        for ms in (0..5000).step_by(7).chain([60_000; 30]) {
            let now = start + Duration::from_millis(ms);
            assert_eq!(local.take(params, now), limiter.take(1, allowed, now).is_ok(), "{ms}");
        }
        assert!(RateQuota { per_second: 0, burst: 9 }.gcra().is_none());
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
