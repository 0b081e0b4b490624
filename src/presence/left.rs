//! Members that have left a moment ago: how often each may leave and come back while all others are
//! told.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::meter::Pace;

/// How long a departure is held that is one too many. A member that comes back meanwhile has not
/// been away for the others.
pub const HELD: Duration = Duration::from_secs(10);

/// So many are remembered of one channel. Beyond it some departures are not counted.
const MAX_LEFT: usize = 1024;

/// Looked through for those that can be forgotten only when it has grown to twice what was left.
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

    /// Those whose minute is over.
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
