//! The part of a shard that rekeys subscriptions.

use std::{collections::HashSet, sync::Arc, time::Instant};

use super::{
    directory::TopicId,
    granted::{Ended, Grantee, NoRoom},
    mailbox::{Answer, Ask, AskError, AskedChannel, Content, Cut, Delivery, Rekey},
    moves::{CUT_SPREAD, PlaceId, TurnKind},
    place::{Next, Outcome, Place},
    shard::{Shard, Table},
    terms::TenantId,
    topics::{Slot, Subscription},
    turns::Dirty,
};
use crate::{
    crypto::keytable::{Version, unix_now},
    ids::SocketId,
    protocol::{code::Close, sealed::Resealing},
};

/// Reasons of requests for a channel's secret: to join, because of a rotation, or unknown.
pub const REASONS: [&str; 3] = ["join", "rotation", "again"];

/// A sequence number above all others: the subscriber is sent nothing more.
pub(super) const REVOKED: u64 = u64::MAX;

impl Shard {
    /// Like `subscribe`, for a sealed channel.
    #[must_use]
    pub fn subscribe_sealed(&self, mut place: Place, slot: Slot, since: u64) -> bool {
        let (id, now) = ((slot, place.record.topic()), Instant::now());
        place.client = self.table.borrow().sockets[slot as usize].peer.reauthorization;
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
        self.table.borrow().sockets[slot as usize].peer.reauthorization.asks()
    }

    pub(super) fn leave(&self, topic: TopicId, slot: Slot) -> Option<Version> {
        self.moves.borrow_mut().leave((slot, topic)).map(|place| place.version())
    }

    /// Clients that never re-authorize keep their secret as long as it is served.
    fn queue_turn(&self, id: PlaceId, not_before: Instant) {
        if self.reauthorizes(id.0) {
            self.moves.borrow_mut().wait_for_turn(id, TurnKind::Move, not_before);
            self.moving.notify_one();
        }
    }

    /// Passes an event to the gates of subscribers that are rekeying.
    pub(super) fn hold(&self, delivery: &Delivery, held: &[Slot], dirty: &mut Dirty) {
        let Content::Sealed(frames) = &delivery.content else { return };
        let now = Instant::now();
        for slot in held {
            self.step((*slot, delivery.topic), dirty, |place, line, out| {
                place.take(frames, now, line.budget, out)
            });
        }
    }

    pub(super) fn rekey(&self, rekey: &Rekey, dirty: &mut Dirty) {
        let now = Instant::now();
        let Rekey { topic, nudge, target, since, cut, resealer } = rekey;
        let mut resealing = Resealing::new(resealer.as_deref());
        if let Some(Cut { revoked: Some((user, theirs)) }) = cut {
            self.revoke(*topic, user, *theirs, dirty);
        }
        let cuts = cut.is_some();
        let next = Next { target: *target, nudge: nudge.clone(), cut: cuts, since: *since };
        let subscribers = self.table.borrow().topics.subscribers(*topic).to_vec();
        for Subscription { slot, since, .. } in subscribers {
            let id = (slot, *topic);
            if since == REVOKED || self.has(id, *target) {
                continue;
            }
            if cuts {
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

    /// A subscriber that joined after the change of target has it already.
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
            Outcome::Stays if !reauthorizes => place.close(),
            outcome => outcome,
        });
    }

    /// Takes the user's connections off the topic: those that were authorized as the user, and
    /// those that are signed in as such.
    fn revoke(
        &self,
        topic: TopicId,
        user: &Arc<str>,
        signed_in: Option<TopicId>,
        dirty: &mut Dirty,
    ) {
        let mut table = self.table.borrow_mut();
        let Table { sockets, topics, .. } = &mut *table;
        let theirs: HashSet<Slot> = signed_in
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
            let name = place.record.channel().name();
            entry.socket.revoke(name.clone(), Ended::Removed);
            if !entry.change_grants(|grants| grants.revoke(name)) {
                entry.close(Close::TooManyAuthorizations, dirty);
            }
        }
    }

    pub(super) fn answer(&self, ask: Ask) {
        let Ask { tenant, socket, about, answer } = ask;
        // The requester may have gone meanwhile.
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
            return Ok(Answer { version: Version::BLIND, waits: None, user: None });
        };
        // Asking once more without a name makes nobody somebody else.
        if user.is_none() && entry.grants().is_revoked(&name) {
            return Err(AskError::Revoked);
        }
        if target.is_some() || !bounds.are_none() {
            match entry.grants().room_for(&name) {
                Ok(()) => {}
                Err(NoRoom::Unused) => return Err(AskError::TooMany),
                Err(NoRoom::Evicted) => {
                    // On a new connection all that was signed for this one is void.
                    entry.socket.outbox().close(Close::TooManyAuthorizations);
                    let socket = entry.socket.clone();
                    drop(table);
                    socket.flush();
                    return Err(AskError::UnknownSocket);
                }
            }
        }
        entry.last_question = Some(Instant::now());
        drop(table);
        let id = topic.map(|topic| (slot, topic));
        let id = id.filter(|id| self.moves.borrow().places.contains_key(id));
        let (mut version, mut waits) = (target, None);
        if let Some(id) = id {
            let (told, settles) = self.asked_by_subscriber(id, user.clone(), target.is_some());
            version = told.or(target);
            waits = settles.then_some(id.1);
        } else if target.is_some() {
            self.gauges().asked.add("join");
        }
        let mut table = self.table.borrow_mut();
        let entry = &mut table.sockets[slot as usize];
        // Of subscribers, too: they may leave and join with this.
        let (grantee, now) = (Grantee { user, as_of }, unix_now());
        let user = entry.change_grants(|grants| grants.add(name, grantee, version, bounds, now));
        Ok(Answer { version: version.unwrap_or(Version::BLIND), waits, user })
    }

    /// Returns the version to issue, and true if events are buffered until the client has it.
    fn asked_by_subscriber(
        &self,
        id: PlaceId,
        user: Option<Arc<str>>,
        counts: bool,
    ) -> (Option<Version>, bool) {
        let (now, mut told) = (Instant::now(), (None, false));
        self.step(id, &mut Vec::new(), |place, _, _| {
            if counts {
                self.gauges().asked.add(if place.is_held() { "rotation" } else { "again" });
            }
            let (version, outcome) = place.asked(now, user);
            told = (Some(version), place.is_settling());
            outcome
        });
        told
    }

    pub(super) fn told(&self, socket: SocketId, topic: TopicId) {
        if let Some(id) = self.place_of(socket, topic) {
            self.step(id, &mut Vec::new(), |place, _, _| {
                place.told(Instant::now());
                Outcome::Stays
            });
        }
    }

    pub(super) fn question_refused(&self, socket: SocketId, topic: TopicId, dirty: &mut Dirty) {
        if let Some(id) = self.place_of(socket, topic) {
            self.step(id, dirty, |place, _, _| place.refused());
        }
    }

    fn place_of(&self, socket: SocketId, topic: TopicId) -> Option<PlaceId> {
        self.table.borrow().by_id.get(&socket).map(|slot| (*slot, topic))
    }

    /// Closes the stragglers of the last rotation before the next one begins.
    pub(super) fn close_stragglers(&self, tenant: TenantId, dirty: &mut Dirty) {
        let stragglers = self.moves.borrow().stragglers(tenant);
        for id in stragglers {
            self.step(id, dirty, |place, _, _| place.close());
        }
    }

    pub(super) fn retire(&self, tenant: TenantId, key: u32, by: Instant) {
        self.moves.borrow_mut().retire(tenant, key, by, Instant::now());
        self.moving.notify_one();
    }
}

#[cfg(test)]
mod tests;
