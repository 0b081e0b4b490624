//! Reload counters, for operators.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::platform::counting::Count;

#[derive(Default)]
pub struct Reloads {
    pub taken: Count,
    pub refused: Count,
    /// Unix time in seconds; 0 before the first reload.
    last_taken: AtomicU64,
}

impl Reloads {
    pub fn note_taken(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.last_taken.store(now, Ordering::Relaxed);
        self.taken.add();
    }

    /// Time of the last successful reload, in seconds since 1970.
    pub fn last_taken(&self) -> Option<u64> {
        Some(self.last_taken.load(Ordering::Relaxed)).filter(|time| *time > 0)
    }
}
