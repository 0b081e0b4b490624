//! The time that a gate waits for the auth request. A late request makes later holds longer.

use std::time::{Duration, Instant};

use crate::hub::rekey::rekey_policy::RekeyPolicy;

/// The longest learned hold. A longer `hold_ms` takes precedence.
pub(super) const MAX_LEARNED_HOLD: Duration = Duration::from_secs(15);

#[derive(Default)]
pub(super) struct HoldTime {
    learned: Duration,
    /// The time of the nudge, until the client asks.
    pub(super) nudged: Option<Instant>,
}

impl HoldTime {
    pub(super) fn time(&self, policy: &RekeyPolicy) -> Duration {
        self.learned.max(policy.hold())
    }

    /// Called for a late request, with the time since its nudge. Doubles the hold until it covers
    /// that time.
    pub(super) fn learn(&mut self, took: Duration, policy: &RekeyPolicy) {
        let mut hold = self.time(policy) * 2;
        while hold < took && hold < MAX_LEARNED_HOLD {
            hold *= 2;
        }
        self.learned = hold.min(MAX_LEARNED_HOLD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::limits::Rotation, hub::rekey::rekey_policy::AppRuntimeId};

    #[test]
    fn hold_doubles_up_to_its_bound() {
        let policy = RekeyPolicy::new(AppRuntimeId(0), &Rotation::default());
        let (mut hold, seconds) = (HoldTime::default(), Duration::from_secs);
        assert_eq!(hold.time(&policy), seconds(2));
        hold.learn(Duration::from_millis(2100), &policy);
        assert_eq!(hold.time(&policy), seconds(4));
        hold.learn(seconds(5), &policy);
        assert_eq!(hold.time(&policy), seconds(8));
        hold.learn(seconds(9), &policy);
        assert_eq!(hold.time(&policy), MAX_LEARNED_HOLD);
        hold.learn(seconds(100), &policy);
        assert_eq!(hold.time(&policy), MAX_LEARNED_HOLD);
        let mut fresh = HoldTime::default();
        fresh.learn(seconds(7), &policy);
        assert_eq!(fresh.time(&policy), seconds(8));
        let patient = Rotation { hold_ms: 20_000, ..Rotation::default() };
        let policy = RekeyPolicy::new(AppRuntimeId(0), &patient);
        fresh.learn(seconds(30), &policy);
        assert_eq!(fresh.time(&policy), seconds(20), "what is configured holds");
    }
}
