//! Members that left recently, with the rate limit of their announced departures and returns.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::domain::rate_limit::LocalRateLimiter;

/// The time for which an excess departure is held. A member that returns meanwhile was never absent
/// for the others.
pub const DEPARTURE_HOLD: Duration = Duration::from_secs(10);

/// The maximum of remembered users on one channel. Departures beyond it are not limited.
const MAX_LEFT: usize = 1024;

/// Cleaned up only when grown to twice the size after the last cleanup, and at least to this size.
const KEPT_LEFT: usize = 32;

#[derive(Debug, Default)]
pub(super) struct RecentDepartures {
    limiters: HashMap<Arc<str>, LocalRateLimiter>,
    look_at: usize,
}

impl RecentDepartures {
    pub(super) fn insert(&mut self, user_id: Arc<str>, limiter: LocalRateLimiter, now: Instant) {
        if self.limiters.len() >= self.look_at.max(KEPT_LEFT) {
            self.forget(now);
        }
        if self.limiters.len() < MAX_LEFT {
            self.limiters.insert(user_id, limiter);
        }
    }

    pub(super) fn take(&mut self, user_id: &str) -> Option<LocalRateLimiter> {
        self.limiters.remove(user_id)
    }

    /// Forgets users whose limiter is idle again.
    pub(super) fn forget(&mut self, now: Instant) {
        self.limiters.retain(|_, limiter| limiter.is_ahead(now));
        self.limiters.shrink_to(2 * self.limiters.len());
        self.look_at = 2 * self.limiters.len();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.limiters.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.limiters.len()
    }
}
