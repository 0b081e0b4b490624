//! Circuit breaker. After several consecutive failures, requests stop for a while; then one probe
//! is sent, and the others follow if it succeeds.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

#[derive(Default)]
pub struct Breaker(Mutex<BreakerState>);

#[derive(Default)]
struct BreakerState {
    failures: u32,
    open_until: Option<Instant>,
    probing: bool,
}

const FAILURE_THRESHOLD: u32 = 5;
const OPEN_INTERVAL: Duration = Duration::from_secs(5);

/// A request in progress. Dropping it without an outcome, as when the client is gone, changes
/// nothing.
#[must_use]
pub struct BreakerPermit<'a> {
    breaker: &'a Breaker,
    probe: bool,
}

impl Breaker {
    pub fn attempt(&self) -> Option<BreakerPermit<'_>> {
        let mut state = self.0.lock();
        let probe = match state.open_until {
            None => false,
            Some(until) if Instant::now() < until || state.probing => return None,
            Some(_) => true,
        };
        state.probing = probe;
        Some(BreakerPermit { breaker: self, probe })
    }
}

impl BreakerPermit<'_> {
    pub fn succeeded(self) {
        *self.breaker.0.lock() = BreakerState::default();
    }

    pub fn failed(self) {
        let mut state = self.breaker.0.lock();
        state.failures += 1;
        if state.failures >= FAILURE_THRESHOLD {
            state.open_until = Some(Instant::now() + OPEN_INTERVAL);
        }
    }

    pub fn forget(self) {}
}

impl Drop for BreakerPermit<'_> {
    fn drop(&mut self) {
        if self.probe {
            self.breaker.0.lock().probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_after_consecutive_failures_and_lets_one_probe_through() {
        let breaker = Breaker::default();
        let attempt = || breaker.attempt();
        for _ in 0..FAILURE_THRESHOLD - 1 {
            attempt().unwrap().failed();
        }
        attempt().unwrap().succeeded();
        for _ in 0..FAILURE_THRESHOLD {
            attempt().unwrap().failed();
        }
        assert!(attempt().is_none());
        breaker.0.lock().open_until = Some(Instant::now());
        let probe = attempt().unwrap();
        assert!(attempt().is_none());
        drop(probe);
        attempt().unwrap().failed();
        assert!(attempt().is_none());
        breaker.0.lock().open_until = Some(Instant::now());
        attempt().unwrap().succeeded();
        attempt().unwrap().forget();
        assert!(attempt().is_some());
    }
}
