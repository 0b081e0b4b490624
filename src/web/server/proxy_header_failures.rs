//! Counts and warnings of connections without a valid PROXY header from a trusted load balancer.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::accepted_stream::ProxyRejection;
use crate::engine::{ClientFault, Engine};

/// Connections without a valid header may come at any rate: a warning is due after this long
/// without one.
const QUIET_INTERVAL: Duration = Duration::from_secs(600);

#[derive(Default)]
pub struct ProxyHeaderFailures {
    last: Mutex<Option<Instant>>,
}

impl ProxyHeaderFailures {
    pub fn note(&self, reason: &ProxyRejection, engine: &Engine) {
        engine.counts.refused.strays.add();
        engine.client_faults.note(ClientFault::ProxyHeader, reason);
        if self.is_due(Instant::now()) {
            tracing::warn!(
                close.reason = %reason,
                "a connection was closed at once. With proxy_protocol each must come from a balancer in trusted_proxies that sends the header; later ones are logged at debug"
            );
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        let last = self.last.lock().replace(now);
        last.is_none_or(|last| now.duration_since(last) >= QUIET_INTERVAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_warning_per_quiet_interval() {
        let (failures, start) = (ProxyHeaderFailures::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(failures.is_due(at(0)));
        assert!((1..100).all(|n| !failures.is_due(at(n * 599))));
        assert!(failures.is_due(at(99 * 599 + 600)));
    }
}
