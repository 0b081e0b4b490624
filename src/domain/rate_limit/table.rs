//! Limiters by key: one lookup in a table of fixed size.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::{RateQuota, charge, nanos};

/// GCRA theoretical arrival time, in nanoseconds since `start`; zero for a new key.
#[derive(Clone, Copy, Default)]
struct RateEntry {
    key: u64,
    arrival: u64,
}

/// A set-associative table: keys with the same hash suffix share a few entries, and the entry that
/// expires first is replaced. The table never grows, and crowding makes it lenient, never unjust.
pub struct RateTable {
    sets: Box<[Mutex<[RateEntry; WAYS]>]>,
    /// Randomly keyed, so that clients cannot choose a set to crowd.
    hash: RandomState,
    start: Instant,
}

const WAYS: usize = 8;
const SETS: usize = 4096;

impl RateTable {
    pub fn new(hash: RandomState, now: Instant) -> Self {
        let sets = (0..SETS).map(|_| Mutex::default()).collect();
        Self { sets, hash, start: now }
    }

    /// The error is the time to wait.
    pub fn take(&self, key: impl Hash, allowed: RateQuota, now: Instant) -> Result<(), Duration> {
        let Some(params) = allowed.gcra() else { return Ok(()) };
        self.with_entry(key, now, |debt| charge(debt, params.emission_interval, params.tolerance))
    }

    /// Takes what has been used already, even beyond the burst: the next one waits for longer.
    pub fn charge(&self, key: impl Hash, count: u64, allowed: RateQuota, now: Instant) {
        if allowed.gcra().is_some() {
            let used =
                self.with_entry(key, now, |debt| Ok(debt.saturating_add(allowed.cost(count))));
            debug_assert!(used.is_ok(), "nothing is refused");
        }
    }

    fn with_entry(
        &self,
        key: impl Hash,
        now: Instant,
        next: impl FnOnce(u64) -> Result<u64, Duration>,
    ) -> Result<(), Duration> {
        // Not zero, which marks an empty entry.
        let now = nanos(now.saturating_duration_since(self.start)) + 1;
        let key = self.hash.hash_one(key);
        let mut set = self.sets[key as usize % SETS].lock();
        let entry = match set.iter().position(|entry| entry.key == key) {
            Some(at) => &mut set[at],
            None => {
                let next = set.iter_mut().min_by_key(|entry| entry.arrival).expect("it has ways");
                *next = RateEntry { key, arrival: 0 };
                next
            }
        };
        let debt = entry.arrival.saturating_sub(now);
        entry.arrival = now.saturating_add(next(debt)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(now: Instant) -> RateTable {
        RateTable::new(RandomState::new(), now)
    }

    fn allowed(per_second: u32) -> RateQuota {
        RateQuota::with_burst_of(10, per_second)
    }

    #[test]
    fn a_burst_of_ten_seconds_and_then_the_rate() {
        let start = Instant::now();
        let rates = table(start);
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let taken = |key: &str, seconds: f64| {
            (0..1000).filter(|_| rates.take(key, allowed(5), at(seconds)).is_ok()).count()
        };
        assert_eq!(taken("a", 0.0), 50);
        assert_eq!(taken("b", 0.0), 50, "each for itself");
        assert_eq!(taken("a", 1.0), 5);
        assert_eq!(taken("a", 3.0), 10);
        assert_eq!(taken("a", 1000.0), 50, "a pause saves no more up");
        let wait = rates.take("a", allowed(5), at(1000.0)).expect_err("there is nothing left");
        assert!(wait > Duration::ZERO && wait <= Duration::from_millis(200), "{wait:?}");
        assert!(
            rates.take("a", allowed(5), at(1000.0) + wait).is_ok(),
            "it is told how long to wait"
        );
        assert!((0..1000).all(|_| rates.take("c", allowed(0), at(0.0)).is_ok()), "0 is no limit");
    }

    #[test]
    fn charges_beyond_the_burst_delay_the_next_one() {
        let start = Instant::now();
        let (rates, at) = (table(start), |seconds| start + Duration::from_secs(seconds));
        assert!(rates.take("a", allowed(5), at(0)).is_ok());
        rates.charge("a", 99, allowed(5), at(0));
        assert_eq!(rates.take("a", allowed(5), at(0)), Err(Duration::from_millis(10_200)));
        assert!(rates.take("a", allowed(5), at(10)).is_err());
        assert!(rates.take("a", allowed(5), at(11)).is_ok());
        rates.charge("b", u64::MAX, allowed(0), at(0));
        rates.charge("c", u64::MAX, allowed(1), at(0));
        assert!(rates.take("b", allowed(0), at(0)).is_ok(), "0 is no limit");
        assert!(rates.take("c", allowed(1), at(1_000_000)).is_err());
    }

    #[test]
    fn crowding_makes_the_table_lenient_and_not_larger() {
        let now = Instant::now();
        let rates = table(now);
        let busy = |n: u32| (0..20).filter(|_| rates.take(n, allowed(1), now).is_ok()).count();
        assert!((0..100_000).all(|n| busy(n) == 10), "each newcomer has its due");
        assert_eq!(size_of_val(&*rates.sets), SETS * (WAYS * 16 + 8));
    }
}
