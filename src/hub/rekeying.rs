//! The part of a shard that moves subscriptions from one secret to the next.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    directory::TopicId,
    granted::{Ended, Grantee},
    mailbox::{Answer, Ask, AskError, AskedChannel, Content, Cut, Delivery, Rekey},
    moves::{CUT_SPREAD, Moves, PlaceId, Turn, TurnKind},
    place::{Next, Outcome, Place},
    shard::{Shard, Socket, Table},
    terms::TenantId,
    topics::{Slot, Subscription},
};
use crate::{
    crypto::keytable::{Version, unix_now},
    ids::SocketId,
    protocol::{
        code::Close,
        sealed::Resealing,
        server::{Frame, answer},
    },
};

/// Between two looks at turns and deadlines, while there are any.
const LOOK: Duration = Duration::from_millis(10);

/// Why clients ask for the secret of a channel: to join it, because its last event did not open since
/// the channel has another, or for no reason that is known here.
pub const REASONS: [&str; 3] = ["join", "rotation", "again"];

/// The state that a subscriber whose time is over has seen: nothing is newer.
pub(super) const REVOKED: u64 = u64::MAX;

type Dirty = Vec<Rc<dyn Socket>>;

impl Shard {
    /// Like `subscribe`, to a channel that is sealed here.
    #[must_use]
    pub fn subscribe_sealed(&self, place: Place, slot: Slot, since: u64) -> bool {
        let (id, now) = ((slot, place.record.topic()), Instant::now());
        let subscription = Subscription { slot, since, version: place.version() };
        if !self.table.borrow_mut().topics.subscribe(id.1, subscription) {
            return false;
        }
        let cut = place.next().filter(|next| next.cut).cloned();
        let late = place.wants_turn();
        self.moves.borrow_mut().places.insert(id, place);
        match cut {
            Some(next) => {
                let mut dirty = Vec::new();
                self.cut(id, &next, now, &mut Resealing::new(None), &mut dirty);
                dirty.iter().for_each(|socket| socket.flush());
            }
            None if late => self.queue_turn(id, now),
            None => {}
        }
        true
    }

    fn reauthorizes(&self, slot: Slot) -> bool {
        self.table.borrow().sockets[slot as usize].peer.reauthorizes
    }

    pub(super) fn leave(&self, topic: TopicId, slot: Slot) -> Option<Version> {
        let mut moves = self.moves.borrow_mut();
        let place = moves.places.remove(&(slot, topic))?;
        if place.is_held() {
            moves.held.swap_remove(&(slot, topic));
        }
        Some(place.version())
    }

    /// Clients that never authorize anew are left with what they have, as long as that is served.
    fn queue_turn(&self, id: PlaceId, not_before: Instant) {
        if self.reauthorizes(id.0) {
            self.moves.borrow_mut().wait_for_turn(id, TurnKind::Move, not_before);
            self.moving.notify_one();
        }
    }

    /// An event for subscribers that are moving.
    pub(super) fn hold(&self, delivery: &Delivery, held: &[Slot], dirty: &mut Dirty) {
        let Content::Sealed(frames) = &delivery.content else { return };
        let now = Instant::now();
        for slot in held {
            self.step((*slot, delivery.topic), dirty, |place, budget, out| {
                place.take(frames, now, budget, out)
            });
        }
    }

    pub(super) fn rekey(&self, rekey: &Rekey, dirty: &mut Dirty) {
        let now = Instant::now();
        let Rekey { topic, nudge, target, cut, resealer } = rekey;
        let mut resealing = Resealing::new(resealer.as_deref());
        if let Some(Cut { revoked: Some((user, theirs)) }) = cut {
            self.revoke(*topic, user, *theirs);
        }
        let next = Next { target: *target, nudge: nudge.clone(), cut: cut.is_some() };
        let subscribers = self.table.borrow().topics.subscribers(*topic).to_vec();
        for Subscription { slot, since, .. } in subscribers {
            let id = (slot, *topic);
            if since == REVOKED || self.has(id, *target) {
                continue;
            }
            if cut.is_some() {
                self.cut(id, &next, now, &mut resealing, dirty);
                continue;
            }
            let wants_turn = self.moves.borrow_mut().places.get_mut(&id).is_some_and(|place| {
                place.set_next(next.clone());
                place.wants_turn()
            });
            if wants_turn {
                self.queue_turn(id, now);
            }
        }
    }

    /// Who joined after the channel was told its next secret came with that one already.
    fn has(&self, id: PlaceId, target: Version) -> bool {
        self.moves.borrow().places.get(&id).is_some_and(|place| !place.version().is_behind(target))
    }

    fn cut(
        &self,
        id: PlaceId,
        next: &Next,
        now: Instant,
        resealing: &mut Resealing<'_>,
        dirty: &mut Dirty,
    ) {
        let at = now + self.moves.borrow_mut().within(CUT_SPREAD);
        let reauthorizes = self.reauthorizes(id.0);
        self.step(id, dirty, |place, _, out| match place.cut(next.clone(), at, resealing, out) {
            Outcome::Stays if !reauthorizes => Outcome::Close,
            outcome => outcome,
        });
    }

    /// Takes the user's connections off the topic: those that were authorized as the user, and
    /// those that are signed in as such.
    fn revoke(&self, topic: TopicId, user: &Arc<str>, signed_in: Option<TopicId>) {
        let mut table = self.table.borrow_mut();
        let Table { sockets, topics, .. } = &mut *table;
        let theirs: Vec<Slot> = signed_in
            .map(|topic| topics.subscribers(topic).iter().map(|s| s.slot).collect())
            .unwrap_or_default();
        let moves = self.moves.borrow();
        let slots: Vec<Slot> = topics.subscribers(topic).iter().map(|s| s.slot).collect();
        for slot in slots {
            let Some(place) = moves.places.get(&(slot, topic)) else { continue };
            if place.user.as_ref() != Some(user) && !theirs.contains(&slot) {
                continue;
            }
            if let Some(subscription) = topics.get_mut(topic, slot) {
                subscription.since = REVOKED;
            }
            let entry = &mut sockets[slot as usize];
            entry.grants.revoke(place.record.channel().name());
            entry.socket.revoke(place.record.channel().name().clone(), Ended::Removed);
        }
    }

    pub(super) fn answer(&self, ask: Ask) {
        let Ask { tenant, socket, about, answer } = ask;
        // Whoever asked may have gone meanwhile.
        let _ = answer.send(self.asked(tenant, socket, about));
    }

    fn asked(
        &self,
        tenant: TenantId,
        socket: SocketId,
        about: Option<AskedChannel>,
    ) -> Result<Answer, AskError> {
        let mut table = self.table.borrow_mut();
        let slot = *table.by_id.get(&socket).ok_or(AskError::UnknownSocket)?;
        let entry = &mut table.sockets[slot as usize];
        if entry.peer.tenant != Some(tenant) || entry.socket.outbox().is_closing() {
            return Err(AskError::UnknownSocket);
        }
        if about.as_ref().is_some_and(AskedChannel::is_token_revoked) {
            return Err(AskError::TokenRevoked);
        }
        let Some(AskedChannel { name, topic, target, user, as_of, bounds, .. }) = about else {
            return Ok(Answer { version: Version::BLIND, waits: None });
        };
        if (target.is_some() || !bounds.are_none()) && !entry.grants.may_add(&name) {
            return Err(AskError::TooMany);
        }
        let (now, mut version) = (Instant::now(), target);
        let mut moves = self.moves.borrow_mut();
        let place =
            topic.and_then(|topic| Some(((slot, topic), moves.places.get_mut(&(slot, topic))?)));
        if target.is_some() {
            self.gauges().asked.add(match &place {
                None => "join",
                Some((_, place)) if place.is_held() => "rotation",
                Some(_) => "again",
            });
        }
        let mut waits_to_be_told = None;
        if let Some((id, place)) = place {
            let waits = place.retry_after();
            version = Some(place.asked(now, user.clone()));
            waits_to_be_told = place.is_settling().then_some(id.1);
            let retry = place.retry_after();
            // The question of its nudge has come at last: its turn need not wait for that longer.
            if place.wants_turn() && retry < waits {
                moves.wait_for_turn(id, TurnKind::Move, now + retry);
                self.moving.notify_one();
            }
        }
        // Of subscribers, too: they may leave and join with this.
        entry.grants.add(name, Grantee { user, as_of }, version, bounds, unix_now());
        Ok(Answer { version: version.unwrap_or(Version::BLIND), waits: waits_to_be_told })
    }

    pub(super) fn told(&self, socket: SocketId, topic: TopicId) {
        let slot = self.table.borrow().by_id.get(&socket).copied();
        let mut moves = self.moves.borrow_mut();
        if let Some(place) = slot.and_then(|slot| moves.places.get_mut(&(slot, topic))) {
            place.told(Instant::now());
        }
    }

    pub(super) fn retire(&self, tenant: TenantId, key: u32, by: Instant) {
        self.moves.borrow_mut().retire(tenant, key, by, Instant::now());
        self.moving.notify_one();
    }

    /// Gives turns and keeps deadlines, for as long as the worker runs.
    pub async fn run_turns(self: Rc<Self>) {
        let mut dirty = Vec::new();
        loop {
            self.moving.notified().await;
            while !self.moves.borrow().is_idle() {
                self.take_turns(Instant::now(), &mut dirty);
                dirty.drain(..).for_each(|socket| socket.flush());
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    fn take_turns(&self, now: Instant, dirty: &mut Dirty) {
        loop {
            let turn = self.moves.borrow_mut().next_turn(&self.hub.turns, now);
            let Some(Turn { place, kind, .. }) = turn else { break };
            self.step(place, dirty, |place, _, _| match kind {
                TurnKind::Move => {
                    place.arm(now);
                    Outcome::Stays
                }
                TurnKind::Close { .. } => Outcome::Close,
            });
        }
        let held: Vec<PlaceId> = self.moves.borrow().held.iter().copied().collect();
        for id in held {
            self.step(id, dirty, |place, _, out| place.tick(now, out));
        }
    }

    /// The socket's client has answered this ping.
    pub fn has_read(&self, slot: Slot, ping: u64) {
        let moves = self.moves.borrow();
        let theirs: Vec<PlaceId> = moves.held.iter().filter(|id| id.0 == slot).copied().collect();
        drop(moves);
        let mut dirty = Vec::new();
        for id in theirs {
            self.step(id, &mut dirty, |place, _, out| place.has_read(ping, out));
        }
        dirty.iter().for_each(|socket| socket.flush());
    }

    /// Lets a place do something, and does what follows from it for the topic's list, the held
    /// ones, and the socket.
    fn step(
        &self,
        id: PlaceId,
        dirty: &mut Dirty,
        action: impl FnOnce(&mut Place, usize, &mut dyn FnMut(&Frame)) -> Outcome,
    ) {
        let mut table = self.table.borrow_mut();
        let mut moves = self.moves.borrow_mut();
        let Moves { places, held, pings, .. } = &mut *moves;
        let Some(place) = places.get_mut(&id) else { return };
        let Table { sockets, topics, .. } = &mut *table;
        let entry = &sockets[id.0 as usize];
        let outbox = entry.socket.outbox();
        let was_held = place.is_held();
        let (mut frames, mut bytes) = (0, 0);
        let outcome = action(place, outbox.budget(), &mut |frame| {
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
                *pings += 1;
                place.pinged(*pings);
                entry.socket.send(answer::numbered_ping(*pings));
                entry.mark(dirty);
            }
            Outcome::Stays | Outcome::Moved | Outcome::Reverted => {}
        }
        if let Some(subscription) = topics.get_mut(id.1, id.0) {
            subscription.version = place.served_version();
        }
        let is_held = place.is_held();
        let again = match outcome {
            // There was another rotation meanwhile.
            Outcome::Moved => Some(Instant::now()),
            Outcome::Reverted => Some(Instant::now() + place.retry_after()),
            Outcome::Stays | Outcome::Pings | Outcome::Close => None,
        };
        let again = again.filter(|_| place.wants_turn() && entry.peer.reauthorizes);
        match (was_held, is_held) {
            (false, true) => {
                held.insert(id);
                self.moving.notify_one();
            }
            (true, false) => {
                held.swap_remove(&id);
            }
            _ => {}
        }
        if let Some(not_before) = again {
            moves.wait_for_turn(id, TurnKind::Move, not_before);
            self.moving.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;
