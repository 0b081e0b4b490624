//! A worker's gates, and the schedule of their rekeys.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    time::{Duration, Instant},
};

use super::{
    gate::Gate, gate_deadlines::GateDeadlines, rekey_policy::AppRuntimeId,
    turn_limiter::TurnLimiter,
};
use crate::hub::{int_hasher::BuildIntHasher, record::TopicId, topics::Slot};

pub type GateId = (Slot, TopicId);

#[derive(Default)]
pub struct RekeyScheduler {
    pub gates: HashMap<GateId, Gate, BuildIntHasher>,
    pub deadlines: GateDeadlines,
    /// Unanswered pings, by number.
    pub pings: HashMap<u64, GateId, BuildIntHasher>,
    pub last_ping: u64,
    /// Turns that are due.
    turns: Vec<ScheduledRekey>,
    /// Turns that are not due yet, the earliest first.
    later: BinaryHeap<Reverse<ScheduledRekey>>,
    rng: Rng,
    /// Steps taken by gates, for tests that count work.
    #[cfg(test)]
    pub steps: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScheduledRekey {
    not_before: Instant,
    pub gate: GateId,
    pub kind: TurnKind,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum TurnKind {
    Rekey,
    /// The gate's key is being retired. The connection is closed at `by` at the latest, regardless
    /// of the rate.
    Close {
        key: u32,
        by: Instant,
    },
}

/// The interval between two checks of turns and deadlines.
pub(in crate::hub) const TURN_INTERVAL: Duration = Duration::from_millis(10);

/// Nudges of a forced rekey are spread over this time, regardless of their number.
pub const FORCED_REKEY_SPREAD: Duration = Duration::from_millis(300);
/// Turns drawn in vain, because their app is at its rate limit, before a check ends.
const MAX_MISSES: usize = 16;

impl RekeyScheduler {
    pub fn is_idle(&self) -> bool {
        self.deadlines.is_empty() && self.turns.is_empty() && self.later.is_empty()
    }

    pub fn schedule(&mut self, gate: GateId, kind: TurnKind, not_before: Instant) {
        self.later.push(Reverse(ScheduledRekey { not_before, gate, kind }));
    }

    /// Removes the gate of a subscription that has ended. Its turns are dropped when they are
    /// drawn.
    pub fn remove(&mut self, id: GateId) -> Option<Gate> {
        let gate = self.gates.remove(&id)?;
        self.deadlines.remove(id);
        if let Some(ping) = gate.ping() {
            self.pings.remove(&ping);
        }
        Some(gate)
    }

    /// Gates of the app with a pending rekey.
    pub fn stragglers(&self, runtime: AppRuntimeId) -> Vec<GateId> {
        let is_one = |gate: &Gate| gate.policy.runtime == runtime && gate.pending_rekey().is_some();
        self.gates.iter().filter(|(_, gate)| is_one(gate)).map(|(id, _)| *id).collect()
    }

    pub fn random_within(&mut self, span: Duration) -> Duration {
        span.mul_f64(self.rng.fraction())
    }

    /// Adds a closing turn for every gate of the app that has the key.
    pub fn close_key_users(&mut self, runtime: AppRuntimeId, key: u32, by: Instant, now: Instant) {
        let has_it = |gate: &Gate| gate.policy.runtime == runtime && gate.version().key == key;
        let ids = self.gates.iter().filter(|(_, gate)| has_it(gate)).map(|(id, _)| *id);
        let turn =
            |gate| ScheduledRekey { not_before: now, gate, kind: TurnKind::Close { key, by } };
        self.turns.extend(ids.map(turn));
    }

    /// A turn that is due, if the rates of node and app permit one. It is drawn at random, so that
    /// the clients of one channel do not all ask at once.
    pub fn next_turn(&mut self, node: &TurnLimiter, now: Instant) -> Option<ScheduledRekey> {
        while let Some(Reverse(turn)) = self.later.peek().filter(|turn| turn.0.not_before <= now) {
            self.turns.push(*turn);
            self.later.pop();
        }
        for _ in 0..MAX_MISSES {
            if self.turns.is_empty() {
                return None;
            }
            let index = self.rng.below(self.turns.len());
            let turn = self.turns[index];
            let Some(gate) = self.gates.get(&turn.gate).filter(|p| turn.still_applies(p)) else {
                self.turns.swap_remove(index);
                continue;
            };
            if !turn.is_overdue(now) {
                if !node.take(now) {
                    return None;
                }
                if !gate.policy.turns.take(now) {
                    node.put_back();
                    continue;
                }
            }
            return Some(self.turns.swap_remove(index));
        }
        None
    }
}

impl ScheduledRekey {
    fn still_applies(&self, gate: &Gate) -> bool {
        match self.kind {
            TurnKind::Rekey => gate.needs_turn(),
            TurnKind::Close { key, .. } => gate.version().key == key,
        }
    }

    fn is_overdue(&self, now: Instant) -> bool {
        matches!(self.kind, TurnKind::Close { by, .. } if by <= now)
    }
}

/// A small random number generator; the order it decides is no secret.
pub(in crate::hub) struct Rng(u64);

impl Default for Rng {
    fn default() -> Self {
        let mut seed = [0; 8];
        // Without random bytes the order is fixed, which does no harm.
        let _ = getrandom::fill(&mut seed);
        Self(u64::from_ne_bytes(seed) | 1)
    }
}

impl Rng {
    /// The same seed gives the same numbers.
    #[cfg(debug_assertions)]
    pub(in crate::hub) fn seeded(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// xorshift64*
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(in crate::hub) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    pub(in crate::hub) fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}
