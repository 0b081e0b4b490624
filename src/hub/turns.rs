//! The part of a shard that gives turns, keeps deadlines, and applies the results to sockets.

use std::{rc::Rc, time::Instant};

use super::{
    moves::{LOOK, Moves, PlaceId, Turn, TurnKind},
    place::{Outcome, Place},
    shard::{Shard, Socket, Table},
    topics::Slot,
};
use crate::protocol::{
    code::Close,
    server::{Frame, answer},
};

pub(super) type Dirty = Vec<Rc<dyn Socket>>;

/// Facts about the socket that a gate needs.
pub(super) struct Line {
    /// The outbox budget in bytes; it also bounds the gate buffer.
    pub budget: usize,
    /// See `Gate::tick`.
    pub last_question: Option<Instant>,
}

/// Steps before the worker turns to other work.
const STEPS: usize = 256;

impl Shard {
    /// Gives turns and keeps deadlines until the worker ends.
    pub async fn run_turns(self: Rc<Self>) {
        let mut dirty = Vec::new();
        loop {
            self.moving.notified().await;
            while !self.moves.borrow().is_idle() {
                let now = Instant::now();
                while self.take_turns(now, &mut dirty) {
                    dirty.drain(..).for_each(|socket| socket.flush());
                    tokio::task::yield_now().await;
                }
                dirty.drain(..).for_each(|socket| socket.flush());
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    /// Returns true if more may be due at this time.
    pub(super) fn take_turns(&self, now: Instant, dirty: &mut Dirty) -> bool {
        let mut steps = 0..STEPS;
        while steps.next().is_some() {
            let turn = self.moves.borrow_mut().next_turn(&self.hub.turns, now);
            let Some(Turn { place, kind, .. }) = turn else { break };
            self.step(place, dirty, |place, _, _| match kind {
                TurnKind::Move => {
                    place.arm(now);
                    Outcome::Stays
                }
                TurnKind::Close { .. } => place.close(),
            });
        }
        while steps.next().is_some() {
            let due = self.moves.borrow_mut().held.next_due(now);
            let Some(id) = due else { return false };
            self.step(id, dirty, |place, line, out| place.tick(now, line.last_question, out));
        }
        true
    }

    /// Called when the socket's client has answered this ping.
    pub fn has_read(&self, slot: Slot, ping: u64) {
        // A number that was never sent to this socket is ignored.
        let waits = self.moves.borrow().pings.get(&ping).copied().filter(|id| id.0 == slot);
        let Some(id) = waits else { return };
        let mut dirty = Vec::new();
        self.step(id, &mut dirty, |place, _, out| place.has_read(ping, out));
        dirty.iter().for_each(|socket| socket.flush());
    }

    /// Runs one step of a gate and applies its outcome to the topic's list, the deadlines and the
    /// socket.
    pub(super) fn step(
        &self,
        id: PlaceId,
        dirty: &mut Dirty,
        action: impl FnOnce(&mut Place, &Line, &mut dyn FnMut(&Frame)) -> Outcome,
    ) {
        let mut table = self.table.borrow_mut();
        let mut moves = self.moves.borrow_mut();
        #[cfg(test)]
        {
            moves.steps += 1;
        }
        let Moves { places, held, pings, last_ping, .. } = &mut *moves;
        let Some(place) = places.get_mut(&id) else { return };
        let Table { sockets, topics, .. } = &mut *table;
        let entry = &sockets[id.0 as usize];
        let outbox = entry.socket.outbox();
        let line = Line { budget: outbox.budget(), last_question: entry.last_question };
        let (was_held, awaited) = (place.is_held(), place.ping());
        let (mut frames, mut bytes) = (0, 0);
        let outcome = action(place, &line, &mut |frame| {
            let frame = frame.in_dialect(outbox.dialect());
            (frames, bytes) = (frames + 1, bytes + frame.len());
            entry.socket.send(frame.clone());
            entry.mark(dirty);
        });
        self.gauges().delivered(frames, bytes);
        match outcome {
            Outcome::Close => {
                place.terms.moves.closed.add();
                entry.close(Close::SecretRetired, dirty);
            }
            Outcome::Pings => {
                *last_ping += 1;
                place.pinged(*last_ping);
                pings.insert(*last_ping, id);
                entry.socket.send(answer::numbered_ping(*last_ping));
                entry.mark(dirty);
            }
            Outcome::Stays | Outcome::Moved | Outcome::Reverted | Outcome::Late => {}
        }
        if let Some(ping) = awaited.filter(|ping| place.ping() != Some(*ping)) {
            pings.remove(&ping);
        }
        if let Some(subscription) = topics.get_mut(id.1, id.0) {
            subscription.version = place.served_version();
        }
        let again = match outcome {
            // Another rotation began meanwhile.
            Outcome::Moved => Some(Instant::now()),
            Outcome::Reverted | Outcome::Late => Some(Instant::now() + place.retry_after()),
            Outcome::Stays | Outcome::Pings | Outcome::Close => None,
        };
        let again = again.filter(|_| place.wants_turn() && entry.peer.reauthorization.asks());
        match place.due() {
            Some(due) => {
                held.set(id, due);
                if !was_held {
                    self.moving.notify_one();
                }
            }
            None => held.remove(id),
        }
        if let Some(not_before) = again {
            moves.wait_for_turn(id, TurnKind::Move, not_before);
            self.moving.notify_one();
        }
    }
}
