//! A worker's gates, and the schedule of their rekeys.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    time::{Duration, Instant},
};

use super::{
    directory::TopicId,
    held::Held,
    numbers::ByNumber,
    place::Place,
    terms::{Pacer, TenantId},
    topics::Slot,
};

pub type PlaceId = (Slot, TopicId);

#[derive(Default)]
pub struct Moves {
    pub places: HashMap<PlaceId, Place, ByNumber>,
    pub held: Held,
    /// Unanswered pings, by number.
    pub pings: HashMap<u64, PlaceId, ByNumber>,
    pub last_ping: u64,
    /// Turns that are due.
    turns: Vec<Turn>,
    /// Turns that are not due yet, the earliest first.
    later: BinaryHeap<Reverse<Turn>>,
    dice: Dice,
    /// Steps taken by gates, for tests that count work.
    #[cfg(test)]
    pub steps: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn {
    not_before: Instant,
    pub place: PlaceId,
    pub kind: TurnKind,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum TurnKind {
    Move,
    /// The gate's key is being retired. The connection is closed at `by` at the latest, regardless
    /// of the rate.
    Close {
        key: u32,
        by: Instant,
    },
}

/// The interval between two checks of turns and deadlines.
pub(super) const LOOK: Duration = Duration::from_millis(10);

/// Nudges of a forced rekey are spread over this time, regardless of their number.
pub const CUT_SPREAD: Duration = Duration::from_millis(300);
/// Turns drawn in vain, because their app is at its rate limit, before a check ends.
const MISSES: usize = 16;

impl Moves {
    pub fn is_idle(&self) -> bool {
        self.held.is_empty() && self.turns.is_empty() && self.later.is_empty()
    }

    pub fn wait_for_turn(&mut self, place: PlaceId, kind: TurnKind, not_before: Instant) {
        self.later.push(Reverse(Turn { not_before, place, kind }));
    }

    /// Removes the gate of a subscription that has ended. Its turns are dropped when they are
    /// drawn.
    pub fn leave(&mut self, id: PlaceId) -> Option<Place> {
        let place = self.places.remove(&id)?;
        self.held.remove(id);
        if let Some(ping) = place.ping() {
            self.pings.remove(&ping);
        }
        Some(place)
    }

    /// Gates of the app with a pending rekey.
    pub fn stragglers(&self, tenant: TenantId) -> Vec<PlaceId> {
        let is_one = |place: &Place| place.terms.tenant == tenant && place.next().is_some();
        self.places.iter().filter(|(_, place)| is_one(place)).map(|(id, _)| *id).collect()
    }

    pub fn within(&mut self, span: Duration) -> Duration {
        span.mul_f64(self.dice.fraction())
    }

    /// Adds a closing turn for every gate of the app that has the key.
    pub fn retire(&mut self, tenant: TenantId, key: u32, by: Instant, now: Instant) {
        let has_it = |place: &Place| place.terms.tenant == tenant && place.version().key == key;
        let ids = self.places.iter().filter(|(_, place)| has_it(place)).map(|(id, _)| *id);
        let turn = |place| Turn { not_before: now, place, kind: TurnKind::Close { key, by } };
        self.turns.extend(ids.map(turn));
    }

    /// A turn that is due, if the rates of node and app permit one. It is drawn at random, so that
    /// the clients of one channel do not all ask at once.
    pub fn next_turn(&mut self, node: &Pacer, now: Instant) -> Option<Turn> {
        while let Some(Reverse(turn)) = self.later.peek().filter(|turn| turn.0.not_before <= now) {
            self.turns.push(*turn);
            self.later.pop();
        }
        for _ in 0..MISSES {
            if self.turns.is_empty() {
                return None;
            }
            let index = self.dice.below(self.turns.len());
            let turn = self.turns[index];
            let Some(place) = self.places.get(&turn.place).filter(|p| turn.still_wanted(p)) else {
                self.turns.swap_remove(index);
                continue;
            };
            if !turn.is_overdue(now) {
                if !node.take(now) {
                    return None;
                }
                if !place.terms.turns.take(now) {
                    node.put_back();
                    continue;
                }
            }
            return Some(self.turns.swap_remove(index));
        }
        None
    }
}

impl Turn {
    fn still_wanted(&self, place: &Place) -> bool {
        match self.kind {
            TurnKind::Move => place.wants_turn(),
            TurnKind::Close { key, .. } => place.version().key == key,
        }
    }

    fn is_overdue(&self, now: Instant) -> bool {
        matches!(self.kind, TurnKind::Close { by, .. } if by <= now)
    }
}

/// A small random number generator; the order it decides is no secret.
pub(super) struct Dice(u64);

impl Default for Dice {
    fn default() -> Self {
        let mut seed = [0; 8];
        // Without random bytes the order is fixed, which does no harm.
        let _ = getrandom::fill(&mut seed);
        Self(u64::from_ne_bytes(seed) | 1)
    }
}

impl Dice {
    /// xorshift64*
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    pub(super) fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}
