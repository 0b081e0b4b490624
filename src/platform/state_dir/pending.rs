//! A state in force that could not be written to disk.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// Marks the newest state as unwritten, and schedules the next attempt. Each attempt writes the
/// newest state of its time.
pub struct PendingWrite {
    waits: AtomicBool,
    retry: Mutex<Retry>,
}

struct Retry {
    at: Instant,
    pause: Duration,
}

const MIN_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(30);

impl PendingWrite {
    pub fn none() -> Self {
        let retry = Retry { at: Instant::now(), pause: MIN_PAUSE };
        Self { waits: AtomicBool::new(false), retry: Mutex::new(retry) }
    }

    pub fn waits(&self) -> bool {
        self.waits.load(Ordering::Acquire)
    }

    pub fn is_due(&self, now: Instant) -> bool {
        self.waits() && self.retry.lock().at <= now
    }

    /// Schedules the next attempt. Returns true if nothing was pending before.
    pub fn failed(&self, now: Instant) -> bool {
        let mut retry = self.retry.lock();
        let is_first = !self.waits.swap(true, Ordering::AcqRel);
        let pause = if is_first { MIN_PAUSE } else { (retry.pause * 2).min(MAX_PAUSE) };
        *retry = Retry { at: now + pause, pause };
        is_first
    }

    /// Returns true if the state was pending.
    pub fn written(&self) -> bool {
        self.waits.swap(false, Ordering::AcqRel)
    }
}

/// A revocation took effect, and a restart would undo it.
#[derive(Debug, thiserror::Error)]
#[error(
    "this holds from now on, but only until the server restarts, for it could not be written to the state directory: {0}. Make room on the disk, or make the directory writable, and do not restart the server before; it writes by itself as soon as it can, and until then /ready on ops_listen says so"
)]
pub struct UntilRestart(pub io::Error);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f5_retries_back_off_up_to_a_bound() {
        let (pending, mut now) = (PendingWrite::none(), Instant::now());
        assert!(!pending.waits() && !pending.is_due(now));
        for (attempt, seconds) in [1, 2, 4, 8, 16, 30, 30].into_iter().enumerate() {
            assert_eq!(pending.failed(now), attempt == 0);
            let pause = Duration::from_secs(seconds);
            assert!(!pending.is_due(now + pause - Duration::from_millis(1)));
            now += pause;
            assert!(pending.is_due(now));
        }
        assert!(pending.written() && !pending.written() && !pending.is_due(now));
        // The next failure starts with the first pause again.
        assert!(pending.failed(now) && pending.is_due(now + MIN_PAUSE));
    }
}
