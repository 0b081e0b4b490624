//! The node takes itself out of the cluster.

use std::time::{Duration, Instant};

use super::NodeDriver;
use crate::cluster::membership::Now;

/// The longest wait for Redis in each of the two steps.
const STEP_TIMEOUT: Duration = Duration::from_secs(2);

pub enum LeavingStep {
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

impl LeavingStep {
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
            self.leaving = Some(LeavingStep::Flushing { until: Instant::now() + STEP_TIMEOUT });
        }
    }

    /// True once there is nothing more to do, or to wait for.
    pub(super) fn has_left(&mut self, now: Instant) -> bool {
        match self.leaving {
            None => false,
            Some(LeavingStep::Gone) => true,
            Some(LeavingStep::Departing { until }) => until <= now,
            Some(LeavingStep::Flushing { until }) => {
                let is_flushed = self.commands.is_empty() && self.links.is_idle();
                if is_flushed || until <= now {
                    self.leaving = Some(LeavingStep::Departing { until: now + STEP_TIMEOUT });
                    let effects = self.membership.leave(&self.sealing, Now::read());
                    self.run_effects(effects);
                }
                matches!(self.leaving, Some(LeavingStep::Gone))
            }
        }
    }
}
