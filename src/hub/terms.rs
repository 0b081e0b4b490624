//! The rekey policy of an app: settle time, hold, nudge event, rate of turns.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::{counting::Count, limits::Rotation};

/// Identifies the runtime of an app by a number. A number is never used twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct TenantId(pub u32);

pub struct Terms {
    pub tenant: TenantId,
    /// Read anew at each use, so that a reload applies to live subscriptions.
    pace: ArcSwap<Pace>,
    pub turns: Pacer,
    pub moves: MoveCounts,
}

struct Pace {
    settle: Duration,
    hold: Duration,
    nudge_event: Arc<str>,
}

impl Pace {
    fn of(rotation: &Rotation) -> Self {
        Self {
            settle: Duration::from_millis(rotation.settle_ms),
            hold: Duration::from_millis(rotation.hold_ms),
            nudge_event: rotation.nudge_event.as_str().into(),
        }
    }
}

impl Terms {
    pub fn new(tenant: TenantId, rotation: &Rotation) -> Self {
        Self {
            tenant,
            pace: ArcSwap::from_pointee(Pace::of(rotation)),
            turns: Pacer::new(rotation.turns_per_second),
            moves: MoveCounts::default(),
        }
    }

    pub fn change(&self, rotation: &Rotation) {
        self.pace.store(Arc::new(Pace::of(rotation)));
        self.turns.change(rotation.turns_per_second);
    }

    pub fn settle(&self) -> Duration {
        self.pace.load().settle
    }

    pub fn hold(&self) -> Duration {
        self.pace.load().hold
    }

    pub fn nudge_event(&self) -> Arc<str> {
        self.pace.load().nudge_event.clone()
    }
}

/// Rekey events of an app's subscriptions since the start.
#[derive(Default)]
pub struct MoveCounts {
    pub nudged: Count,
    /// Clients that fetched the next secret.
    pub reauthorized: Count,
    /// Clients that did not, and keep their present secret.
    pub reverted: Count,
    /// Clients that could not be served any longer and were told to reconnect.
    pub closed: Count,
}

/// An even rate limit (GCRA): after an idle time it permits a few at once, where a token bucket
/// would permit the whole burst.
pub struct Pacer(Mutex<Beat>);

struct Beat {
    interval: Duration,
    /// GCRA theoretical arrival time.
    next: Option<Instant>,
}

/// Permitted burst, about one check interval of a worker.
const SLACK: Duration = Duration::from_millis(20);

impl Pacer {
    pub fn new(per_second: u32) -> Self {
        Self(Mutex::new(Beat { interval: interval(per_second), next: None }))
    }

    /// Takes effect from the next permit on.
    pub fn change(&self, per_second: u32) {
        self.0.lock().interval = interval(per_second);
    }

    #[must_use]
    pub fn take(&self, now: Instant) -> bool {
        let mut beat = self.0.lock();
        let due = beat.next.map_or(now, |next| next.max(now));
        let granted = due <= now + SLACK;
        if granted {
            beat.next = Some(due + beat.interval);
        }
        granted
    }

    /// Returns a permit that was not used.
    pub fn put_back(&self) {
        let Beat { interval, next } = &mut *self.0.lock();
        if let Some(next) = next {
            *next -= *interval;
        }
    }
}

fn interval(per_second: u32) -> Duration {
    Duration::from_secs(1) / per_second.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_even() {
        let (pacer, start) = (Pacer::new(100), Instant::now());
        let taken = |ms| {
            let now = start + Duration::from_millis(ms);
            (0..1000).filter(|_| pacer.take(now)).count()
        };
        assert_eq!(taken(0), 3);
        assert_eq!(taken(5), 0);
        let within_a_second: usize = (10..1000).map(taken).sum();
        assert!((98..=100).contains(&within_a_second), "{within_a_second}");
        assert_eq!(taken(60_000), 3, "a pause saves nothing up");
        pacer.put_back();
        assert_eq!(taken(60_000), 1);
        pacer.change(1000);
        let within_a_second: usize = (61_000..62_000).map(taken).sum();
        assert!((980..=1030).contains(&within_a_second), "{within_a_second}");
    }
}
