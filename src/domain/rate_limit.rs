//! Rate limits by GCRA. The arithmetic is in `charge`; the limiters differ in their storage: one word
//! shared by threads, a value with one owner, a table by key. None of them reads a clock.

mod atomic;
mod local;
mod table;

use std::time::Duration;

pub use atomic::AtomicRateLimiter;
pub use local::LocalRateLimiter;
pub use table::RateTable;

/// The debt after one more charge, or else the time to wait for it. A debt is the time by which the
/// theoretical arrival time is ahead of now; all times are in nanoseconds.
fn charge(debt: u64, cost: u64, tolerance: u64) -> Result<u64, Duration> {
    let next = debt.saturating_add(cost);
    if next <= tolerance { Ok(next) } else { Err(Duration::from_nanos(next - tolerance)) }
}

fn nanos(duration: Duration) -> u64 {
    duration.as_nanos() as u64
}

const SECOND: u64 = 1_000_000_000;

/// A rate and a burst; `per_second` 0 means no limit.
#[derive(Clone, Copy, Debug)]
pub struct RateQuota {
    pub per_second: u32,
    /// The burst after an idle time; at least one second's worth.
    pub burst: u64,
}

impl RateQuota {
    /// With a burst of so many seconds' worth.
    pub fn with_burst_of(seconds: u32, per_second: u32) -> Self {
        Self { per_second, burst: u64::from(per_second) * u64::from(seconds) }
    }

    fn cost(self, count: u64) -> u64 {
        let rate = u64::from(self.per_second.max(1));
        match count.checked_mul(SECOND) {
            Some(time) => time / rate,
            None => {
                let time = u128::from(count) * u128::from(SECOND) / u128::from(rate);
                u64::try_from(time).unwrap_or(u64::MAX)
            }
        }
    }

    /// The burst as a debt.
    fn tolerance(self) -> u64 {
        self.cost(self.burst.max(u64::from(self.per_second)))
    }

    /// `None`: no limit.
    pub fn gcra(self) -> Option<GcraParams> {
        (self.per_second > 0)
            .then(|| GcraParams { emission_interval: self.cost(1), tolerance: self.tolerance() })
    }
}

/// A quota converted for frequent calls, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct GcraParams {
    /// The cost of one permit.
    emission_interval: u64,
    /// The burst as a debt.
    tolerance: u64,
}

impl GcraParams {
    /// `count` permits in each `period`, and the same number as a burst; 0: none at all.
    pub const fn new(period: Duration, count: u32) -> Self {
        let period = period.as_nanos() as u64;
        match period.checked_div(count as u64) {
            Some(emission_interval) => Self { emission_interval, tolerance: period },
            None => Self { emission_interval: 1, tolerance: 0 },
        }
    }

    /// Permits at even distances, each of them at most `early` before its time.
    pub fn even(per_second: u32, early: Duration) -> Self {
        let emission_interval = SECOND / u64::from(per_second.max(1));
        Self { emission_interval, tolerance: emission_interval + nanos(early) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn all_storages_agree() {
        let start = Instant::now();
        let (atomic, mut local) = (AtomicRateLimiter::new(start), LocalRateLimiter::new(start));
        let table = RateTable::new(Default::default(), start);
        let allowed = RateQuota { per_second: 10, burst: 25 };
        let params = allowed.gcra().expect("a rate");
        for ms in (0..5000).step_by(7).chain([60_000; 30]) {
            let now = start + Duration::from_millis(ms);
            let taken = atomic.take(1, allowed, now);
            assert_eq!(local.take(params, now), taken, "{ms}");
            assert_eq!(table.take("key", allowed, now), taken, "{ms}");
        }
        assert!(RateQuota { per_second: 0, burst: 9 }.gcra().is_none());
    }

    #[test]
    fn costs_of_any_count_are_exact_or_saturate() {
        let cost = |per_second, count| RateQuota { per_second, burst: 0 }.cost(count);
        assert_eq!(cost(3, 1), 333_333_333);
        assert_eq!(cost(3, 9), 3 * SECOND);
        assert_eq!(cost(1_000_000_000, u64::MAX), u64::MAX);
        assert_eq!(cost(u32::MAX, u64::MAX), 4_294_967_297_000_000_000);
        assert_eq!(cost(1, u64::MAX), u64::MAX);
    }
}
