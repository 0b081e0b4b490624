//! The owner's hold on a partition, for the host that has its facts.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use super::Now;

#[derive(Default, Debug)]
pub struct OwnerHold {
    is_lost: AtomicBool,
    /// As milliseconds since boot. Until then Redis gives the partition to no other node.
    until_ms: AtomicU64,
}

impl OwnerHold {
    /// False once the partition is known to be another node's.
    pub fn is_here(&self) -> bool {
        !self.is_lost.load(Ordering::Relaxed)
    }

    /// False while it may be another node's: this one may have slept, or Redis is away.
    pub fn is_certain(&self) -> bool {
        let until = Duration::from_millis(self.until_ms.load(Ordering::Relaxed));
        self.is_here() && Now::read().boot < until
    }

    pub(super) fn extend(&self, until: Duration) {
        let until_ms = u64::try_from(until.as_millis()).unwrap_or(u64::MAX);
        self.until_ms.store(until_ms, Ordering::Relaxed);
    }

    pub(super) fn lose(&self) {
        self.is_lost.store(true, Ordering::Relaxed);
    }
}

#[test]
fn hold_is_certain_until_its_time_and_never_after_a_loss() {
    let (hold, now) = (OwnerHold::default(), Now::read().boot);
    assert!(hold.is_here() && !hold.is_certain(), "Redis has not granted it");
    hold.extend(now + Duration::from_secs(60));
    assert!(hold.is_certain());
    hold.extend(now);
    assert!(hold.is_here() && !hold.is_certain());
    hold.extend(now + Duration::from_secs(60));
    hold.lose();
    assert!(!hold.is_here() && !hold.is_certain());
}
