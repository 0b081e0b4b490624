//! The node takes itself out of the cluster.

use std::time::{Duration, Instant};

use super::NodeDriver;

/// The longest wait for Redis in each of the two steps.
const STEP_TIMEOUT: Duration = Duration::from_secs(2);

pub enum Leaving {
    /// The last changes of its channels are on their way.
    Flushing {
        until: Instant,
    },
    /// The membership takes the node's entries away.
    Departing {
        until: Instant,
    },
    Gone,
}

impl Leaving {
    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Flushing { until } | Self::Departing { until } => Some(*until),
            Self::Gone => None,
        }
    }
}

impl NodeDriver {
    pub(super) fn leave(&mut self) {
        if self.leaving.is_none() {
            self.leaving = Some(Leaving::Flushing { until: Instant::now() + STEP_TIMEOUT });
        }
    }

    /// True once there is nothing more to do, or to wait for.
    pub(super) fn has_left(&mut self, now: Instant) -> bool {
        match self.leaving {
            None => false,
            Some(Leaving::Gone) => true,
            Some(Leaving::Departing { until }) => until <= now,
            Some(Leaving::Flushing { until }) => {
                let is_flushed = self.commands.is_empty() && self.link.is_idle();
                if is_flushed || until <= now {
                    self.leaving = Some(Leaving::Gone);
                }
                matches!(self.leaving, Some(Leaving::Gone))
            }
        }
    }
}
