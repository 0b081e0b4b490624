//! On what terms an application's subscribers move from one secret to the next.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{counting::Count, limits::Rotation};

/// Tells applications apart where a name would be too long. Never used again for another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct TenantId(pub u32);

pub struct Terms {
    pub tenant: TenantId,
    pub settle: Duration,
    pub hold: Duration,
    pub nudge_event: Arc<str>,
    pub turns: Pacer,
    pub moves: MoveCounts,
}

impl Terms {
    pub fn new(tenant: TenantId, rotation: &Rotation) -> Self {
        Self {
            tenant,
            settle: Duration::from_millis(rotation.settle_ms),
            hold: Duration::from_millis(rotation.hold_ms),
            nudge_event: rotation.nudge_event.as_str().into(),
            turns: Pacer::new(rotation.turns_per_second),
            moves: MoveCounts::default(),
        }
    }
}

/// What has happened to subscriptions that were to move, since the start.
#[derive(Default)]
pub struct MoveCounts {
    pub nudged: Count,
    /// The client has fetched the next secret.
    pub reauthorized: Count,
    /// It has not, and is served with the one that it has.
    pub reverted: Count,
    /// It could not be served any longer and was told to reconnect.
    pub closed: Count,
}

/// Lets things happen at a rate, evenly: after a pause a few at once and no more (GCRA), where a
/// bucket would let a whole second's worth go.
pub struct Pacer {
    interval: Duration,
    /// When the next may happen, were all as late as they can be.
    next: Mutex<Option<Instant>>,
}

/// How far ahead of an even pace: about one look of a worker at its turns.
const SLACK: Duration = Duration::from_millis(20);

impl Pacer {
    pub fn new(per_second: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self { interval, next: Mutex::new(None) }
    }

    #[must_use]
    pub fn take(&self, now: Instant) -> bool {
        let mut next = self.next.lock();
        let due = next.map_or(now, |next| next.max(now));
        let granted = due <= now + SLACK;
        if granted {
            *next = Some(due + self.interval);
        }
        granted
    }

    /// Gives one back that was not used.
    pub fn put_back(&self) {
        if let Some(next) = &mut *self.next.lock() {
            *next -= self.interval;
        }
    }
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
    }
}
