//! Members that left recently, with the rate limit of their announced departures and returns.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::meter::Pace;

/// The time for which an excess departure is held. A member that returns meanwhile was never absent
/// for the others.
pub const HELD: Duration = Duration::from_secs(10);

/// The maximum of remembered users on one channel. Departures beyond it are not limited.
const MAX_LEFT: usize = 1024;

/// Cleaned up only when grown to twice the size after the last cleanup, and at least to this size.
const KEPT_LEFT: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Left {
    paces: HashMap<Arc<str>, Pace>,
    look_at: usize,
}

impl Left {
    pub(super) fn insert(&mut self, user_id: Arc<str>, pace: Pace, now: Instant) {
        if self.paces.len() >= self.look_at.max(KEPT_LEFT) {
            self.forget(now);
        }
        if self.paces.len() < MAX_LEFT {
            self.paces.insert(user_id, pace);
        }
    }

    pub(super) fn take(&mut self, user_id: &str) -> Option<Pace> {
        self.paces.remove(user_id)
    }

    /// Forgets users whose limiter is idle again.
    pub(super) fn forget(&mut self, now: Instant) {
        self.paces.retain(|_, pace| pace.is_ahead(now));
        self.paces.shrink_to(2 * self.paces.len());
        self.look_at = 2 * self.paces.len();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.paces.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.paces.len()
    }
}
