//! When the engine lost something, and when its master became another one.

use std::time::Instant;

use super::world::unix_ms;
use crate::support::LEASE_SECONDS;

/// What is written before and after Redis has lost its data may be lost with it: a departure that is
/// noticed then is told to nobody. A dead node is noticed after the lease.
const LOST_BEFORE_MS: u64 = (LEASE_SECONDS + 8) * 1000;
const LOST_AFTER_MS: u64 = 15_000;

#[derive(Default)]
pub struct Losses {
    /// In Unix milliseconds.
    of_facts: Vec<LostFacts>,
    pub masters_changed: Vec<Instant>,
    pub all_lost: Vec<Instant>,
}

#[derive(Clone, Copy)]
struct LostFacts {
    from: u64,
    until: u64,
}

impl Losses {
    /// From now on no node is sure of what it has told.
    pub fn master_changed(&mut self) {
        self.masters_changed.push(Instant::now());
    }

    pub fn all_is_lost(&mut self) {
        let now = unix_ms();
        self.all_lost.push(Instant::now());
        self.of_facts.push(LostFacts { from: now - LOST_BEFORE_MS, until: now + LOST_AFTER_MS });
    }

    /// What was written from then until now.
    pub fn writes_are_lost(&mut self, from: u64) {
        self.of_facts.push(LostFacts { from, until: unix_ms() + LOST_AFTER_MS });
    }

    /// A fact of this time may be missing.
    pub fn concern(&self, from: u64, until: u64) -> bool {
        self.of_facts.iter().any(|lost| from < lost.until && until > lost.from)
    }
}
