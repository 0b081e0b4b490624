//! A worker's subscriptions to sealed channels, and whose turn it is to move.

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
    /// Pings whose pongs places wait for, by number.
    pub pings: HashMap<u64, PlaceId, ByNumber>,
    pub last_ping: u64,
    /// Those whose time has come.
    turns: Vec<Turn>,
    /// And those whose time is yet to come, the earliest first.
    later: BinaryHeap<Reverse<Turn>>,
    dice: Dice,
    /// Steps that places have taken, for tests that count work.
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
    /// Its key is being retired. At the latest `by` then, whatever the pace.
    Close {
        key: u32,
        by: Instant,
    },
}

/// Between two looks at turns and deadlines, while there are any.
pub(super) const LOOK: Duration = Duration::from_millis(10);

/// Nudges after a cut are spread over this, however many they are.
pub const CUT_SPREAD: Duration = Duration::from_millis(300);
/// How often places of applications that are at their pace are drawn before a look ends.
const MISSES: usize = 16;

impl Moves {
    pub fn is_idle(&self) -> bool {
        self.held.is_empty() && self.turns.is_empty() && self.later.is_empty()
    }

    pub fn wait_for_turn(&mut self, place: PlaceId, kind: TurnKind, not_before: Instant) {
        self.later.push(Reverse(Turn { not_before, place, kind }));
    }

    /// The subscription is over. Its turns are dropped when they come up.
    pub fn leave(&mut self, id: PlaceId) -> Option<Place> {
        let place = self.places.remove(&id)?;
        self.held.remove(id);
        if let Some(ping) = place.ping() {
            self.pings.remove(&ping);
        }
        Some(place)
    }

    /// Places of the application that have not moved to their channel's secret.
    pub fn stragglers(&self, tenant: TenantId) -> Vec<PlaceId> {
        let is_one = |place: &Place| place.terms.tenant == tenant && place.next().is_some();
        self.places.iter().filter(|(_, place)| is_one(place)).map(|(id, _)| *id).collect()
    }

    pub fn within(&mut self, span: Duration) -> Duration {
        span.mul_f64(self.dice.fraction())
    }

    /// Adds a turn for every place of the application that has the key.
    pub fn retire(&mut self, tenant: TenantId, key: u32, by: Instant, now: Instant) {
        let has_it = |place: &Place| place.terms.tenant == tenant && place.version().key == key;
        let ids = self.places.iter().filter(|(_, place)| has_it(place)).map(|(id, _)| *id);
        let turn = |place| Turn { not_before: now, place, kind: TurnKind::Close { key, by } };
        self.turns.extend(ids.map(turn));
    }

    /// A turn that is due, drawn by chance so that clients of one channel do not ask all at once,
    /// if the paces of the node and of its application allow one.
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
