//! The rekey policy of an app: settle time, hold, nudge event, rate of turns.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;

use super::turn_limiter::TurnLimiter;
use crate::{domain::limits::Rotation, platform::counting::Count};

/// Identifies the runtime of an app by a number. A number is never used twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct AppRuntimeId(pub u32);

pub struct RekeyPolicy {
    pub runtime: AppRuntimeId,
    /// Read anew at each use, so that a reload applies to live subscriptions.
    timing: ArcSwap<RekeyTiming>,
    pub turns: TurnLimiter,
    pub counts: RekeyCounts,
}

struct RekeyTiming {
    settle: Duration,
    hold: Duration,
    nudge_event: Arc<str>,
}

impl RekeyTiming {
    fn of(rotation: &Rotation) -> Self {
        Self {
            settle: Duration::from_millis(rotation.settle_ms),
            hold: Duration::from_millis(rotation.hold_ms),
            nudge_event: rotation.nudge_event.as_str().into(),
        }
    }
}

impl RekeyPolicy {
    pub fn new(runtime: AppRuntimeId, rotation: &Rotation) -> Self {
        Self {
            runtime,
            timing: ArcSwap::from_pointee(RekeyTiming::of(rotation)),
            turns: TurnLimiter::new(rotation.turns_per_second, Instant::now()),
            counts: RekeyCounts::default(),
        }
    }

    pub fn change(&self, rotation: &Rotation) {
        self.timing.store(Arc::new(RekeyTiming::of(rotation)));
        self.turns.change(rotation.turns_per_second);
    }

    pub fn settle(&self) -> Duration {
        self.timing.load().settle
    }

    pub fn hold(&self) -> Duration {
        self.timing.load().hold
    }

    pub fn nudge_event(&self) -> Arc<str> {
        self.timing.load().nudge_event.clone()
    }
}

/// Rekey events of an app's subscriptions since the start.
#[derive(Default)]
pub struct RekeyCounts {
    pub nudged: Count,
    /// Clients that fetched the next secret.
    pub reauthorized: Count,
    /// Clients that did not, and keep their present secret.
    pub reverted: Count,
    /// Clients that could not be served any longer and were told to reconnect.
    pub closed: Count,
}
