//! How long a place waits for its client's question. A late question teaches it to wait longer.

use std::time::{Duration, Instant};

use crate::hub::terms::Terms;

/// The longest hold that is learned. A longer `hold_ms` holds all the same.
pub(super) const LONGEST: Duration = Duration::from_secs(15);

#[derive(Default)]
pub(super) struct Hold {
    learned: Duration,
    /// When the nudge was sent that the client has not asked about.
    pub(super) nudged: Option<Instant>,
}

impl Hold {
    pub(super) fn time(&self, terms: &Terms) -> Duration {
        self.learned.max(terms.hold())
    }

    /// The question came so long after its nudge: too late. The next hold is doubled, as often as
    /// it takes to cover that.
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
