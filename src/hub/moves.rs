//! A worker's subscriptions to sealed channels, and whose turn it is to move.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use indexmap::IndexSet;

use super::{
    directory::TopicId,
    place::Place,
    terms::{Pacer, TenantId},
    topics::Slot,
};

pub type PlaceId = (Slot, TopicId);

#[derive(Default)]
pub struct Moves {
    pub places: HashMap<PlaceId, Place>,
    /// Held places, which have deadlines.
    pub held: IndexSet<PlaceId>,
    turns: Vec<Turn>,
    /// Their number.
    pub pings: u64,
    dice: Dice,
}

#[derive(Clone, Copy)]
pub struct Turn {
    pub place: PlaceId,
    pub kind: TurnKind,
    not_before: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TurnKind {
    Move,
    /// Its key is being retired. At the latest `by` then, whatever the pace.
    Close {
        key: u32,
        by: Instant,
    },
}

/// Nudges after a cut are spread over this, however many they are.
pub const CUT_SPREAD: Duration = Duration::from_millis(300);
/// How often places of applications that are at their pace are drawn before a look ends.
const MISSES: usize = 16;

impl Moves {
    pub fn is_idle(&self) -> bool {
        self.held.is_empty() && self.turns.is_empty()
    }

    pub fn wait_for_turn(&mut self, place: PlaceId, kind: TurnKind, not_before: Instant) {
        self.turns.push(Turn { place, kind, not_before });
    }

    pub fn within(&mut self, span: Duration) -> Duration {
        span.mul_f64(self.dice.fraction())
    }

    /// Adds a turn for every place of the application that has the key.
    pub fn retire(&mut self, tenant: TenantId, key: u32, by: Instant, now: Instant) {
        let has_it = |place: &Place| place.terms.tenant == tenant && place.version().key == key;
        let ids = self.places.iter().filter(|(_, place)| has_it(place)).map(|(id, _)| *id);
        let turn = |place| Turn { place, kind: TurnKind::Close { key, by }, not_before: now };
        self.turns.extend(ids.map(turn));
    }

    /// A turn that is due, drawn by chance so that clients of one channel do not ask all at once,
    /// if the paces of the node and of its application allow one.
    pub fn next_turn(&mut self, node: &Pacer, now: Instant) -> Option<Turn> {
        for _ in 0..MISSES {
            if self.turns.is_empty() {
                return None;
            }
            let index = self.dice.below(self.turns.len());
            let turn = self.turns[index];
            if now < turn.not_before {
                continue;
            }
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

/// A small generator: what it decides is an order, not a secret.
pub(super) struct Dice(u64);

impl Default for Dice {
    fn default() -> Self {
        let mut seed = [0; 8];
        // Without chance the turns come in some other order.
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
