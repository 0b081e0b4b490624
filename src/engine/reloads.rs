//! How often the configuration was read again, for operators.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::counting::Count;

#[derive(Default)]
pub struct Reloads {
    pub taken: Count,
    pub refused: Count,
    /// Seconds since 1970; 0: not since the start.
    last_taken: AtomicU64,
}

impl Reloads {
    pub fn note_taken(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.last_taken.store(now, Ordering::Relaxed);
        self.taken.add();
    }

    /// When one was taken last, in seconds since 1970.
    pub fn last_taken(&self) -> Option<u64> {
        Some(self.last_taken.load(Ordering::Relaxed)).filter(|time| *time > 0)
    }
}
