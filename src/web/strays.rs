//! Warnings about connections without a valid PROXY header from a trusted load balancer.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::arrival::TurnedAway;

/// Connections without a valid header may come at any rate: a warning is due after this long
/// without one.
const QUIET: Duration = Duration::from_secs(600);

#[derive(Default)]
pub struct Strays {
    last: Mutex<Option<Instant>>,
}

impl Strays {
    pub fn note(&self, reason: &TurnedAway) {
        if self.is_news(Instant::now()) {
            tracing::warn!(
                close.reason = %reason,
                "a connection was closed at once. With proxy_protocol each must come from a balancer in trusted_proxies that sends the header; later ones are logged at debug"
            );
        }
    }

    fn is_news(&self, now: Instant) -> bool {
        let last = self.last.lock().replace(now);
        last.is_none_or(|last| now.duration_since(last) >= QUIET)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_warning_until_they_have_stopped_for_a_while() {
        let (strays, start) = (Strays::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(strays.is_news(at(0)));
        assert!((1..100).all(|n| !strays.is_news(at(n * 599))));
        assert!(strays.is_news(at(99 * 599 + 600)));
    }
}
