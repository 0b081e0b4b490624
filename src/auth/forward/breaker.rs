//! Circuit breaker. After several consecutive failures, requests stop for a while; then one probe
//! is sent, and the others follow if it succeeds.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

#[derive(Default)]
pub struct Breaker(Mutex<State>);

#[derive(Default)]
struct State {
    failures: u32,
    rests_until: Option<Instant>,
    probing: bool,
}

const FAILURES: u32 = 5;
const REST: Duration = Duration::from_secs(5);

/// A request in progress. Dropping it without an outcome, as when the client is gone, changes
/// nothing.
#[must_use]
pub struct Attempt<'a> {
    breaker: &'a Breaker,
    probe: bool,
}

impl Breaker {
    pub fn attempt(&self) -> Option<Attempt<'_>> {
        let mut state = self.0.lock();
        let probe = match state.rests_until {
            None => false,
            Some(until) if Instant::now() < until || state.probing => return None,
            Some(_) => true,
        };
        state.probing = probe;
        Some(Attempt { breaker: self, probe })
    }
}

impl Attempt<'_> {
    pub fn succeeded(self) {
        *self.breaker.0.lock() = State::default();
    }

    pub fn failed(self) {
        let mut state = self.breaker.0.lock();
        state.failures += 1;
        if state.failures >= FAILURES {
            state.rests_until = Some(Instant::now() + REST);
        }
    }

    pub fn forget(self) {}
}

impl Drop for Attempt<'_> {
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
    fn it_rests_after_failures_in_a_row_and_then_lets_one_try() {
        let breaker = Breaker::default();
        let attempt = || breaker.attempt();
        for _ in 0..FAILURES - 1 {
            attempt().unwrap().failed();
        }
        attempt().unwrap().succeeded();
        for _ in 0..FAILURES {
            attempt().unwrap().failed();
        }
        assert!(attempt().is_none());
        breaker.0.lock().rests_until = Some(Instant::now());
        let probe = attempt().unwrap();
        assert!(attempt().is_none());
        drop(probe);
        attempt().unwrap().failed();
        assert!(attempt().is_none());
        breaker.0.lock().rests_until = Some(Instant::now());
        attempt().unwrap().succeeded();
        attempt().unwrap().forget();
        assert!(attempt().is_some());
    }
}
