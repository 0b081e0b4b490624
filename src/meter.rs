//! Rate limits by GCRA: one shared by threads, in one atomic word without a lock, and one for a
//! single owner.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// A rate limiter shared by all workers. The quota is passed with each call, so that a new one
/// takes effect at once and permits taken before still count.
pub struct Meter {
    start: Instant,
    /// GCRA theoretical arrival time, in nanoseconds after `start`.
    paid: AtomicU64,
}

/// A rate and a burst; `per_second` 0 means no limit.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    pub per_second: u32,
    /// The burst after an idle time; at least one second's worth.
    pub at_once: u64,
}

impl Allowance {
    fn time_of(self, count: u64) -> u64 {
        const SECOND: u128 = 1_000_000_000;
        let time = u128::from(count) * SECOND / u128::from(self.per_second.max(1));
        u64::try_from(time).unwrap_or(u64::MAX)
    }
}

/// A rate limiter with one owner; the field is the GCRA theoretical arrival time.
#[derive(Clone, Copy, Debug)]
pub struct Pace(Instant);

/// A quota converted for frequent calls of a `LocalRateLimiter`.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    /// The emission interval: the cost of one permit.
    each: Duration,
    /// The burst as a duration.
    ahead: Duration,
}

impl Allowance {
    /// `None`: no limit.
    pub fn steps(self) -> Option<Steps> {
        let at_once = self.at_once.max(u64::from(self.per_second));
        (self.per_second > 0).then(|| Steps {
            each: Duration::from_nanos(self.time_of(1)),
            ahead: Duration::from_nanos(self.time_of(at_once)),
        })
    }
}

impl Steps {
    /// `count` permits in each `period`, and the same number as a burst.
    pub const fn new(period: Duration, count: u32) -> Self {
        Self { each: period.checked_div(count).expect("a count above 0"), ahead: period }
    }
}

impl Pace {
    pub fn new(now: Instant) -> Self {
        Self(now)
    }

    /// Takes one permit if the rate allows.
    #[must_use]
    pub fn take(&mut self, steps: Steps, now: Instant) -> bool {
        let paid = self.0.max(now) + steps.each;
        let granted = paid.duration_since(now) <= steps.ahead;
        if granted {
            self.0 = paid;
        }
        granted
    }

    /// True if the limiter still remembers permits.
    pub fn is_ahead(&self, now: Instant) -> bool {
        self.0 > now
    }
}

impl Meter {
    pub fn new(now: Instant) -> Self {
        Self { start: now, paid: AtomicU64::new(0) }
    }

    /// Applies a new quota. The debt is capped at the new burst: a debt that a low rate would take
    /// minutes to pay must not delay a high rate.
    pub fn change(&self, allowed: Allowance, now: Instant) {
        if allowed.per_second > 0 {
            self.paid.fetch_min(self.latest(allowed, now).1, Ordering::Relaxed);
        }
    }

    /// The present time, and the latest permitted arrival time.
    fn latest(&self, allowed: Allowance, now: Instant) -> (u64, u64) {
        let now = now.saturating_duration_since(self.start).as_nanos() as u64;
        let at_once = allowed.at_once.max(u64::from(allowed.per_second));
        (now, now.saturating_add(allowed.time_of(at_once)))
    }

    /// Takes `count` permits or none. The error is the time to wait until `count` are available, if
    /// no other caller takes any and the burst is large enough.
    pub fn take(&self, count: u64, allowed: Allowance, now: Instant) -> Result<(), Duration> {
        if allowed.per_second == 0 {
            return Ok(());
        }
        let (now, latest) = self.latest(allowed, now);
        let cost = allowed.time_of(count);
        // Relaxed: the word guards nothing but itself.
        let mut paid = self.paid.load(Ordering::Relaxed);
        loop {
            let next = paid.max(now).saturating_add(cost);
            if next > latest {
                return Err(Duration::from_nanos(next - latest));
            }
            match self.paid.compare_exchange_weak(paid, next, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return Ok(()),
                Err(other) => paid = other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(per_second: u32, at_once: u64) -> Allowance {
        Allowance { per_second, at_once }
    }

    #[test]
    fn what_is_allowed_at_once_and_then_the_rate() {
        let start = Instant::now();
        let meter = Meter::new(start);
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let taken = |seconds: f64| {
            (0..1000).filter(|_| meter.take(1, allowed(10, 25), at(seconds)).is_ok()).count()
        };
        assert_eq!(taken(0.0), 25);
        assert_eq!(taken(0.099), 0);
        assert_eq!(taken(1.0), 10);
        assert_eq!(taken(1000.0), 25, "a pause saves no more up");
        let wait = meter.take(1, allowed(10, 25), at(1000.0)).expect_err("nothing is left");
        assert_eq!(wait, Duration::from_millis(100));
        assert!(meter.take(1, allowed(10, 25), at(1000.0) + wait).is_ok(), "it is told how long");
    }

    #[test]
    fn a_pace_gives_the_same_as_a_meter() {
        let start = Instant::now();
        let (meter, mut pace) = (Meter::new(start), Pace::new(start));
        let allowed = allowed(10, 25);
        let steps = allowed.steps().expect("a rate");
        for ms in (0..5000).step_by(7).chain([60_000; 30]) {
            let now = start + Duration::from_millis(ms);
            assert_eq!(pace.take(steps, now), meter.take(1, allowed, now).is_ok(), "{ms}");
        }
        assert!(Allowance { per_second: 0, at_once: 9 }.steps().is_none());
    }

    #[test]
    fn several_are_taken_whole_or_not_at_all() {
        let start = Instant::now();
        let meter = Meter::new(start);
        assert!(meter.take(8, allowed(10, 10), start).is_ok());
        let wait = meter.take(5, allowed(10, 10), start).expect_err("two are left");
        assert_eq!(wait, Duration::from_millis(300));
        assert!(meter.take(2, allowed(10, 10), start).is_ok(), "the five took none of them");
    }

    #[test]
    fn a_second_s_worth_is_the_least_that_passes_at_once() {
        let start = Instant::now();
        let meter = Meter::new(start);
        assert!(meter.take(10, allowed(10, 0), start).is_ok());
        assert!(meter.take(1, allowed(10, 0), start).is_err());
        assert!(meter.take(u64::MAX, allowed(0, 0), start).is_ok(), "0 is no limit");
        assert!(meter.take(u64::MAX, allowed(1, 1), start).is_err());
    }

    #[test]
    fn another_rate_counts_from_what_was_taken() {
        let start = Instant::now();
        let meter = Meter::new(start);
        assert!(meter.take(10, allowed(10, 10), start).is_ok());
        assert!(meter.take(100, allowed(100, 100), start).is_err(), "some of it is spent");
        assert!((0..1000).all(|_| meter.take(1, allowed(0, 0), start).is_ok()));
        assert!(meter.take(1, allowed(10, 10), start).is_err(), "and still is");
    }

    #[test]
    fn a_higher_rate_is_not_held_up_by_what_a_lower_one_has_lent() {
        let start = Instant::now();
        let meter = Meter::new(start);
        assert!(meter.take(100, allowed(1, 100), start).is_ok());
        meter.change(allowed(0, 100), start);
        assert!(meter.take(1, allowed(1, 100), start).is_err(), "it is still owed");
        meter.change(allowed(1000, 100), start);
        let wait = meter.take(1, allowed(1000, 100), start).expect_err("nothing is given");
        assert_eq!(wait, Duration::from_millis(1));
        assert!(meter.take(1, allowed(1000, 100), start + wait).is_ok());
        meter.change(allowed(1, 100), start + wait);
        assert!(meter.take(100, allowed(1, 100), start + wait).is_err(), "a second is owed");
        assert!(meter.take(99, allowed(1, 100), start + wait).is_ok());
    }

    #[test]
    fn many_threads_get_no_more_than_one() {
        let start = Instant::now();
        let meter = Meter::new(start);
        let taken = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mine =
                        (0..10_000).filter(|_| meter.take(1, allowed(9, 5000), start).is_ok());
                    taken.fetch_add(mine.count() as u64, Ordering::Relaxed);
                });
            }
        });
        assert_eq!(taken.into_inner(), 5000);
    }
}
