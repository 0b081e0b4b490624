//! Departures not yet reported: navigating between pages makes a user leave and return, and a
//! backend need not hear of it.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

pub const DELAY: Duration = Duration::from_secs(3);
/// Bound on pending departures; beyond it, the oldest are reported early.
const MAX_PENDING: usize = 65_536;

/// A vacated channel, or a user who left one.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Departure {
    pub channel: Arc<str>,
    pub user: Option<Arc<str>>,
}

#[derive(Default)]
pub struct Departures {
    /// Report time and event time of each departure.
    due: HashMap<Departure, (Instant, SystemTime)>,
    /// Ordered by report time. Cancelled entries stay until then and are ignored.
    order: VecDeque<(Instant, Departure)>,
}

impl Departures {
    pub fn leave(&mut self, departure: Departure, now: Instant, occurred: SystemTime) {
        let due = now + DELAY;
        self.due.insert(departure.clone(), (due, occurred));
        self.order.push_back((due, departure));
    }

    /// Cancels a pending departure; true if there was one.
    #[must_use]
    pub fn cancel(&mut self, departure: &Departure) -> bool {
        self.due.remove(departure).is_some()
    }

    /// True if a departure is pending.
    pub fn is_pending(&self, departure: &Departure) -> bool {
        self.due.contains_key(departure)
    }

    /// The next departure due for a report, and the time it happened.
    pub fn next(&mut self, now: Instant) -> Option<(Departure, SystemTime)> {
        loop {
            let first = self.order.front()?;
            if first.0 > now && self.order.len() <= MAX_PENDING {
                return None;
            }
            let (due, departure) = self.order.pop_front()?;
            match self.due.get(&departure) {
                Some(&(last, occurred)) if last == due => {
                    self.due.remove(&departure);
                    return Some((departure, occurred));
                }
                Some(_) | None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(channel: &str) -> Departure {
        Departure { channel: channel.into(), user: None }
    }

    fn all(departures: &mut Departures, now: Instant) -> Vec<String> {
        std::iter::from_fn(|| departures.next(now)).map(|(d, _)| d.channel.to_string()).collect()
    }

    const THEN: SystemTime = SystemTime::UNIX_EPOCH;

    #[test]
    fn departure_is_reported_once_after_the_delay() {
        let (mut departures, start) = (Departures::default(), Instant::now());
        departures.leave(of("a"), start, THEN);
        departures.leave(of("b"), start + Duration::from_secs(1), THEN);
        assert!(all(&mut departures, start + DELAY - Duration::from_millis(1)).is_empty());
        assert_eq!(all(&mut departures, start + DELAY), ["a"]);
        assert_eq!(all(&mut departures, start + DELAY * 2), ["b"]);
        assert!(all(&mut departures, start + DELAY * 9).is_empty());
        assert!(!departures.cancel(&of("a")));
    }

    #[test]
    fn f12_departure_keeps_its_original_time() {
        let (mut departures, start) = (Departures::default(), Instant::now());
        let later = THEN + Duration::from_secs(9);
        departures.leave(of("a"), start, THEN);
        assert!(departures.cancel(&of("a")) && !departures.is_pending(&of("a")));
        departures.leave(of("a"), start + DELAY / 2, later);
        assert!(departures.is_pending(&of("a")));
        assert_eq!(departures.next(start + DELAY * 2), Some((of("a"), later)));
    }

    #[test]
    fn returning_member_has_not_left_and_may_leave_again() {
        let (mut departures, start) = (Departures::default(), Instant::now());
        let later = start + Duration::from_secs(2);
        departures.leave(of("a"), start, THEN);
        assert!(departures.cancel(&of("a")));
        assert!(!departures.cancel(&of("a")));
        departures.leave(of("a"), later, THEN);
        assert!(all(&mut departures, start + DELAY).is_empty());
        assert_eq!(all(&mut departures, later + DELAY), ["a"]);
        // A user's departure differs from the channel's.
        departures.leave(Departure { channel: "a".into(), user: Some("u".into()) }, start, THEN);
        assert!(!departures.cancel(&of("a")));
    }

    #[test]
    fn excess_departures_are_reported_early() {
        let (mut departures, now) = (Departures::default(), Instant::now());
        let mut told = Vec::new();
        for n in 0..MAX_PENDING + 10 {
            departures.leave(of(&n.to_string()), now, THEN);
            told.extend(all(&mut departures, now));
        }
        assert_eq!(told, (0..10).map(|n| n.to_string()).collect::<Vec<_>>());
        assert_eq!(all(&mut departures, now + DELAY).len(), MAX_PENDING);
    }
}
