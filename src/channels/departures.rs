//! Departures held for a while: navigation between pages makes a user leave and return, and a
//! return in time cancels the departure.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    time::Instant,
};

/// `K`: the departed user, member or channel. `V`: data kept with the departure.
pub struct HeldDepartures<K, V> {
    held: HashMap<K, (HoldTicket, V)>,
    order: BTreeMap<HoldTicket, K>,
    next: u64,
    limit: usize,
}

/// The time of a departure, then its place among those of the same time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct HoldTicket(Instant, u64);

impl<K, V> Default for HeldDepartures<K, V> {
    fn default() -> Self {
        Self::bounded(usize::MAX)
    }
}

impl<K, V> HeldDepartures<K, V> {
    /// Beyond `limit` departures, the earliest are due at once.
    pub fn bounded(limit: usize) -> Self {
        Self { held: HashMap::new(), order: BTreeMap::new(), next: 0, limit }
    }
}

impl<K: Clone + Eq + Hash, V> HeldDepartures<K, V> {
    /// Replaces a held departure of the same key, and returns it.
    pub fn hold(&mut self, who: K, until: Instant, value: V) -> Option<V> {
        let ticket = HoldTicket(until, self.next);
        self.next += 1;
        let replaced = self.held.insert(who.clone(), (ticket, value));
        self.order.insert(ticket, who);
        let (before, value) = replaced?;
        self.order.remove(&before);
        Some(value)
    }

    /// Called on a return: the departure that was held.
    #[must_use]
    pub fn cancel(&mut self, who: &K) -> Option<V> {
        let (ticket, value) = self.held.remove(who)?;
        self.order.remove(&ticket);
        Some(value)
    }

    pub fn is_held(&self, who: &K) -> bool {
        self.held.contains_key(who)
    }

    /// Takes the next due departure.
    pub fn next(&mut self, now: Instant) -> Option<(K, V)> {
        let first = self.order.first_entry()?;
        if first.key().0 > now && self.held.len() <= self.limit {
            return None;
        }
        let who = first.remove();
        let (_, value) = self.held.remove(&who)?;
        Some((who, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const DELAY: Duration = Duration::from_secs(3);

    fn due(departures: &mut HeldDepartures<String, u8>, now: Instant) -> Vec<(String, u8)> {
        std::iter::from_fn(|| departures.next(now)).collect()
    }

    fn of(name: &str) -> String {
        name.to_owned()
    }

    #[test]
    fn departure_is_told_once_after_the_delay() {
        let (mut departures, start) = (HeldDepartures::default(), Instant::now());
        let _ = departures.hold(of("b"), start + DELAY + Duration::from_secs(1), 2);
        let _ = departures.hold(of("a"), start + DELAY, 1);
        assert!(due(&mut departures, start + DELAY - Duration::from_millis(1)).is_empty());
        assert_eq!(due(&mut departures, start + DELAY), [(of("a"), 1)]);
        assert_eq!(due(&mut departures, start + DELAY * 2), [(of("b"), 2)]);
        assert!(due(&mut departures, start + DELAY * 9).is_empty());
        assert!(departures.cancel(&of("a")).is_none());
    }

    #[test]
    fn f12_departure_keeps_its_original_time() {
        let (mut departures, start) = (HeldDepartures::default(), Instant::now());
        let _ = departures.hold(of("a"), start + DELAY, 1);
        assert!(departures.cancel(&of("a")).is_some() && !departures.is_held(&of("a")));
        let _ = departures.hold(of("a"), start + DELAY, 9);
        assert!(departures.is_held(&of("a")));
        assert_eq!(due(&mut departures, start + DELAY * 2), [(of("a"), 9)]);
    }

    #[test]
    fn return_cancels_the_departure() {
        let (mut departures, start) = (HeldDepartures::default(), Instant::now());
        let later = start + Duration::from_secs(2);
        let _ = departures.hold(of("a"), start + DELAY, 1);
        assert!(departures.cancel(&of("a")).is_some());
        assert!(departures.cancel(&of("a")).is_none());
        let _ = departures.hold(of("a"), later + DELAY, 2);
        assert!(due(&mut departures, start + DELAY).is_empty());
        assert_eq!(due(&mut departures, later + DELAY), [(of("a"), 2)]);
    }

    #[test]
    fn departure_held_anew_is_told_once_at_the_later_time() {
        let (mut departures, start) = (HeldDepartures::default(), Instant::now());
        let _ = departures.hold(of("a"), start + DELAY, 1);
        let _ = departures.hold(of("a"), start + DELAY * 2, 2);
        assert!(due(&mut departures, start + DELAY).is_empty());
        assert_eq!(due(&mut departures, start + DELAY * 2), [(of("a"), 2)]);
    }

    #[test]
    fn excess_departures_are_told_early() {
        const LIMIT: usize = 50;
        let (mut departures, now) = (HeldDepartures::bounded(LIMIT), Instant::now());
        let mut told = Vec::new();
        for n in 0..LIMIT + 10 {
            let _ = departures.hold(n.to_string(), now + DELAY, 0);
            told.extend(due(&mut departures, now));
        }
        assert_eq!(told, (0..10).map(|n| (n.to_string(), 0)).collect::<Vec<_>>());
        assert_eq!(due(&mut departures, now + DELAY).len(), LIMIT);
    }
}
