//! Rate limits by address, socket and user: one lookup in a table of fixed size (GCRA).

use std::{
    hash::{BuildHasher, Hash, RandomState},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// The subject of a limit; each app counts for itself.
#[derive(Clone, Copy, Hash, PartialEq, Eq, Debug)]
pub enum Counted<T> {
    Address(T),
    Socket(T),
    User(T),
    /// Wrong signatures of API requests, by address.
    Signatures(T),
    /// New connections, by address.
    Connects(T),
}

/// GCRA theoretical arrival time, in nanoseconds since `start`; zero for a new key.
#[derive(Clone, Copy, Default)]
struct Entry {
    who: u64,
    paid: u64,
}

/// A set-associative table: keys with the same hash suffix share a few entries, and the entry that
/// expires first is replaced. The table never grows, and crowding makes it lenient, never unjust.
pub struct Rates {
    sets: Box<[Mutex<[Entry; WAYS]>]>,
    /// Randomly keyed, so that clients cannot choose a set to crowd.
    hash: RandomState,
    start: Instant,
}

const WAYS: usize = 8;
const SETS: usize = 4096;

/// The burst after a pause: a page that joins all its channels, an office that reconnects after a
/// restart.
const BURST: Duration = Duration::from_secs(10);

impl Rates {
    pub fn new(now: Instant) -> Self {
        let sets = (0..SETS).map(|_| Mutex::default()).collect();
        Self { sets, hash: RandomState::new(), start: now }
    }

    /// `per_second` 0 means no limit. The error is the time to wait.
    pub fn take(&self, who: impl Hash, per_second: u32, now: Instant) -> Result<(), Duration> {
        if per_second == 0 {
            return Ok(());
        }
        let interval = (Duration::from_secs(1) / per_second).as_nanos() as u64;
        // Not zero, which marks an empty entry.
        let now = now.saturating_duration_since(self.start).as_nanos() as u64 + 1;
        let who = self.hash.hash_one(who);
        let mut set = self.sets[who as usize % SETS].lock();
        let entry = match set.iter().position(|entry| entry.who == who) {
            Some(at) => &mut set[at],
            None => {
                let next = set.iter_mut().min_by_key(|entry| entry.paid).expect("it has ways");
                *next = Entry { who, paid: 0 };
                next
            }
        };
        let paid = entry.paid.max(now) + interval;
        let latest = now + BURST.as_nanos() as u64;
        if paid > latest {
            return Err(Duration::from_nanos(paid - latest));
        }
        entry.paid = paid;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_seconds_worth_and_then_the_rate() {
        let start = Instant::now();
        let rates = Rates::new(start);
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let taken = |who: &str, seconds: f64| {
            (0..1000).filter(|_| rates.take(who, 5, at(seconds)).is_ok()).count()
        };
        assert_eq!(taken("a", 0.0), 50);
        assert_eq!(taken("b", 0.0), 50, "each for itself");
        assert_eq!(taken("a", 1.0), 5);
        assert_eq!(taken("a", 3.0), 10);
        assert_eq!(taken("a", 1000.0), 50, "a pause saves no more up");
        let wait = rates.take("a", 5, at(1000.0)).expect_err("there is nothing left");
        assert!(wait > Duration::ZERO && wait <= Duration::from_millis(200), "{wait:?}");
        assert!(rates.take("a", 5, at(1000.0) + wait).is_ok(), "it is told how long to wait");
        assert!((0..1000).all(|_| rates.take("c", 0, at(0.0)).is_ok()), "0 is no limit");
    }

    #[test]
    fn kinds_do_not_mix() {
        let (rates, now) = (Rates::new(Instant::now()), Instant::now());
        let taken =
            |who: Counted<u32>| (0..100).filter(|_| rates.take(who, 1, now).is_ok()).count();
        assert_eq!(taken(Counted::Address(1)), 10);
        assert_eq!(taken(Counted::Socket(1)), 10);
        assert_eq!(taken(Counted::User(1)), 10);
    }

    #[test]
    fn a_crowd_makes_it_lenient_and_never_larger() {
        let (rates, now) = (Rates::new(Instant::now()), Instant::now());
        let busy = |n: u32| (0..20).filter(|_| rates.take(n, 1, now).is_ok()).count();
        assert!((0..100_000).all(|n| busy(n) == 10), "each newcomer has its due");
        assert_eq!(size_of_val(&*rates.sets), SETS * (WAYS * 16 + 8));
    }
}
