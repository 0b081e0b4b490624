//! When a master counts as away, and when it is tried again.

use std::time::{Duration, Instant};

/// Without a byte for this time, although something is outstanding, a master is away.
pub const SILENCE_TIMEOUT: Duration = Duration::from_secs(1);

/// From then on, silent connections are kept for this time before others are opened beside them: a
/// path may be dead for good.
pub const REPLACEMENT_DELAY: Duration = Duration::from_secs(4);

const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const FIRST_CEILING: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A link that was up for a shorter time has not recovered.
const RECOVERED_AFTER: Duration = Duration::from_secs(10);

/// `oldest_sent` is the time of the oldest command without an answer.
pub fn silence_deadline(oldest_sent: Option<Instant>, last_read: Instant) -> Option<Instant> {
    oldest_sent.map(|sent| sent.max(last_read) + SILENCE_TIMEOUT)
}

/// Some time behind a deadline. After a pause of this process it is over before what arrived in the
/// meantime is read.
#[derive(Default)]
pub struct Grace {
    /// A deadline that is over, and the end of its grace.
    granted: Option<(Instant, Instant)>,
}

const GRACE: Duration = Duration::from_millis(20);

impl Grace {
    /// When to look again.
    pub fn wake(&self, deadline: Instant) -> Instant {
        match self.granted {
            Some((of, until)) if of == deadline => until,
            _ => deadline,
        }
    }

    /// True once the grace of this very deadline is over.
    pub fn is_over(&mut self, deadline: Instant, now: Instant) -> bool {
        if deadline > now {
            return false;
        }
        if self.wake(deadline) == deadline {
            self.granted = Some((deadline, now + GRACE));
        }
        self.wake(deadline) <= now
    }
}

/// Pauses between attempts: random, so that nodes do not return in step.
#[derive(Default)]
pub struct Backoff {
    failures: u32,
    up_since: Option<Instant>,
}

impl Backoff {
    pub fn up(&mut self, now: Instant) {
        self.up_since = Some(now);
    }

    /// The pause until the next attempt. `random` is from 0 to 1.
    pub fn lost(&mut self, now: Instant, random: f64) -> Duration {
        if self.up_since.take().is_some_and(|since| now - since >= RECOVERED_AFTER) {
            self.failures = 0;
        }
        let ceiling = FIRST_CEILING.saturating_mul(1 << self.failures.min(10)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        SHORTEST_PAUSE + (ceiling - SHORTEST_PAUSE).mul_f64(random.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_counts_from_the_last_byte_or_the_oldest_command() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        assert_eq!(silence_deadline(None, start), None);
        assert_eq!(silence_deadline(Some(at(500)), start), Some(at(1500)));
        assert_eq!(silence_deadline(Some(at(500)), at(900)), Some(at(1900)));
    }

    #[test]
    fn deadline_that_moves_during_its_grace_is_not_over() {
        let start = Instant::now();
        let late = start + Duration::from_secs(5);
        let mut grace = Grace::default();
        assert!(!grace.is_over(late, start) && !grace.is_over(start, late));
        assert_eq!(grace.wake(start), late + GRACE);
        // An answer was read in the meantime.
        assert!(!grace.is_over(late, late + GRACE));
        assert!(grace.is_over(late, late + GRACE * 2));
    }

    #[test]
    fn pauses_grow_from_a_tenth_of_a_second_to_ten_seconds() {
        let now = Instant::now();
        let longest: Vec<_> = (0..8)
            .scan(Backoff::default(), |backoff, _| Some(backoff.lost(now, 1.0).as_millis()))
            .collect();
        assert_eq!(longest, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        let mut backoff = Backoff::default();
        for _ in 0..50 {
            assert_eq!(backoff.lost(now, 0.0), SHORTEST_PAUSE);
        }
    }

    #[test]
    fn j20_only_a_link_that_lasted_starts_with_short_pauses_again() {
        let now = Instant::now();
        let mut backoff = Backoff::default();
        (0..9).for_each(|_| {
            backoff.lost(now, 1.0);
        });
        backoff.up(now);
        assert_eq!(backoff.lost(now + Duration::from_secs(1), 1.0), LONGEST_PAUSE);
        backoff.up(now);
        assert_eq!(backoff.lost(now + RECOVERED_AFTER, 1.0), FIRST_CEILING);
    }
}
