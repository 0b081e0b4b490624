//! The time that a gate waits for the auth request. A late request makes later holds longer.

use std::time::{Duration, Instant};

use crate::hub::terms::Terms;

/// The longest learned hold. A longer `hold_ms` takes precedence.
pub(super) const LONGEST: Duration = Duration::from_secs(15);

#[derive(Default)]
pub(super) struct Hold {
    learned: Duration,
    /// The time of the nudge, until the client asks.
    pub(super) nudged: Option<Instant>,
}

impl Hold {
    pub(super) fn time(&self, terms: &Terms) -> Duration {
        self.learned.max(terms.hold())
    }

    /// Called for a late request, with the time since its nudge. Doubles the hold until it covers
    /// that time.
    pub(super) fn learn(&mut self, took: Duration, terms: &Terms) {
        let mut hold = self.time(terms) * 2;
        while hold < took && hold < LONGEST {
            hold *= 2;
        }
        self.learned = hold.min(LONGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{hub::terms::TenantId, limits::Rotation};

    #[test]
    fn a_hold_is_doubled_until_it_covers_the_question_and_never_beyond_its_bound() {
        let terms = Terms::new(TenantId(0), &Rotation::default());
        let (mut hold, seconds) = (Hold::default(), Duration::from_secs);
        assert_eq!(hold.time(&terms), seconds(2));
        hold.learn(Duration::from_millis(2100), &terms);
        assert_eq!(hold.time(&terms), seconds(4));
        hold.learn(seconds(5), &terms);
        assert_eq!(hold.time(&terms), seconds(8));
        hold.learn(seconds(9), &terms);
        assert_eq!(hold.time(&terms), LONGEST);
        hold.learn(seconds(100), &terms);
        assert_eq!(hold.time(&terms), LONGEST);
        let mut fresh = Hold::default();
        fresh.learn(seconds(7), &terms);
        assert_eq!(fresh.time(&terms), seconds(8));
        let patient = Rotation { hold_ms: 20_000, ..Rotation::default() };
        let terms = Terms::new(TenantId(0), &patient);
        fresh.learn(seconds(30), &terms);
        assert_eq!(fresh.time(&terms), seconds(20), "what is configured holds");
    }
}
