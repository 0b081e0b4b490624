//! How often the configuration was read again, for operators.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

#[derive(Default)]
pub struct Reloads {
    taken: AtomicU64,
    refused: AtomicU64,
    /// Seconds since 1970; 0: not since the start.
    last_taken: AtomicU64,
}

impl Reloads {
    pub fn note_taken(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.last_taken.store(now, Ordering::Relaxed);
        self.taken.fetch_add(1, Ordering::Relaxed);
    }

    pub fn note_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// When one was taken last, in seconds since 1970.
    pub fn last_taken(&self) -> Option<u64> {
        Some(self.last_taken.load(Ordering::Relaxed)).filter(|time| *time > 0)
    }
}
