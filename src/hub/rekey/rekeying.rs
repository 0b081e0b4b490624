//! The part of a shard that rekeys subscriptions.

use std::{collections::HashSet, sync::Arc, time::Instant};

use super::{
    gate::{Gate, GateOutcome, PendingRekey},
    rekey_policy::AppRuntimeId,
    rekey_scheduler::{FORCED_REKEY_SPREAD, GateId, TurnKind},
    turns::Dirty,
};
use crate::{
    crypto::keytable::Version,
    domain::ids::SocketId,
    hub::{
        authorization_cache::{EndReason, Grantee, NoRoom},
        mailbox::{
            ForcedRekey, KeyRequest, KeyRequestError, Rekey, RequestedChannel, ResolvedKey,
            TopicDelivery,
        },
        record::TopicId,
        shard::{Shard, Table},
        socket::SessionCommand,
        topics::{Slot, TopicSubscription},
    },
    platform::clock::unix_now,
    protocol::{code::Close, content::Content, sealed::ResealCache},
};

/// Reasons of requests for a channel's secret: to join, because of a rotation, or unknown.
pub const SECRET_REQUEST_REASONS: [&str; 3] = ["join", "rotation", "again"];

/// A sequence number above all others: the subscriber is sent nothing more.
pub(in crate::hub) const SUPPRESS_ALL: u64 = u64::MAX;

impl Shard {
    /// Like `subscribe`, for a sealed channel.
    #[must_use]
    pub fn subscribe_sealed(&self, mut gate: Gate, slot: Slot, since: u64) -> bool {
        let (id, now) = ((slot, gate.record.topic()), Instant::now());
        gate.client = self.table.borrow().sockets[slot as usize].peer.reauthorization;
        let subscription = TopicSubscription::new(slot, since, gate.version());
        if !self.table.borrow_mut().topics.subscribe(id.1, subscription) {
            return false;
        }
        let forced = gate.pending_rekey().filter(|next| next.forced).cloned();
        let late = gate.needs_turn();
        self.scheduler.borrow_mut().gates.insert(id, gate);
        match forced {
            Some(next) => {
                let mut dirty = Vec::new();
                self.force_rekey(id, &next, now, &mut ResealCache::new(None), &mut dirty);
                dirty.iter().for_each(|socket| socket.flush());
            }
            None if late => self.schedule_turn(id, now),
            None => {}
        }
        true
    }

    fn reauthorizes(&self, slot: Slot) -> bool {
        self.table.borrow().sockets[slot as usize].peer.reauthorization.asks()
    }

    pub(in crate::hub) fn remove_gate(&self, topic: TopicId, slot: Slot) -> Option<Version> {
        self.scheduler.borrow_mut().remove((slot, topic)).map(|gate| gate.version())
    }

    /// Clients that never re-authorize keep their secret as long as it is served.
    fn schedule_turn(&self, id: GateId, not_before: Instant) {
        if self.reauthorizes(id.0) {
            self.scheduler.borrow_mut().schedule(id, TurnKind::Rekey, not_before);
            self.moving.notify_one();
        }
    }

    /// Passes an event to the gates of subscribers that are rekeying.
    pub(in crate::hub) fn enqueue(
        &self,
        delivery: &TopicDelivery,
        slots: &[Slot],
        dirty: &mut Dirty,
    ) {
        let Content::Sealed(frames) = &delivery.content else { return };
        let now = Instant::now();
        for slot in slots {
            self.drive((*slot, delivery.topic), dirty, |gate, context, out| {
                gate.deliver(frames, now, context.budget, out)
            });
        }
    }

    pub(in crate::hub) fn rekey(&self, rekey: &Rekey, dirty: &mut Dirty) {
        let now = Instant::now();
        let Rekey { topic, nudge, target, since, forced, resealer } = rekey;
        let mut reseal_cache = ResealCache::new(resealer.as_deref());
        if let Some(ForcedRekey { revoked }) = forced {
            for (user, theirs) in revoked {
                self.revoke(*topic, user, *theirs, dirty);
            }
        }
        let is_forced = forced.is_some();
        let next = PendingRekey {
            target: *target,
            nudge: nudge.clone(),
            forced: is_forced,
            since: *since,
        };
        let subscribers = self.table.borrow().topics.subscribers(*topic).to_vec();
        for TopicSubscription { slot, since, .. } in subscribers {
            let id = (slot, *topic);
            if since == SUPPRESS_ALL || self.has_target(id, *target) {
                continue;
            }
            if is_forced {
                self.force_rekey(id, &next, now, &mut reseal_cache, dirty);
                continue;
            }
            let needs_turn = self.scheduler.borrow_mut().gates.get_mut(&id).is_some_and(|gate| {
                gate.set_pending_rekey(next.clone());
                gate.needs_turn()
            });
            if needs_turn {
                self.schedule_turn(id, now);
            }
        }
    }

    /// A subscriber that joined after the change of target has it already.
    fn has_target(&self, id: GateId, target: Version) -> bool {
        self.scheduler.borrow().gates.get(&id).is_some_and(|gate| !gate.version().is_behind(target))
    }

    fn force_rekey(
        &self,
        id: GateId,
        next: &PendingRekey,
        now: Instant,
        reseal_cache: &mut ResealCache<'_>,
        dirty: &mut Dirty,
    ) {
        let at = now + self.scheduler.borrow_mut().random_within(FORCED_REKEY_SPREAD);
        let reauthorizes = self.reauthorizes(id.0);
        self.drive(id, dirty, |gate, _, out| {
            match gate.force_rekey(next.clone(), at, reseal_cache, out) {
                GateOutcome::Unchanged if !reauthorizes => gate.close(),
                outcome => outcome,
            }
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
        let scheduler = self.scheduler.borrow();
        let slots: Vec<Slot> = topics.subscribers(topic).iter().map(|s| s.slot).collect();
        for slot in slots {
            let Some(gate) = scheduler.gates.get(&(slot, topic)) else { continue };
            if gate.user.as_ref() != Some(user) && !theirs.contains(&slot) {
                continue;
            }
            if let Some(subscription) = topics.get_mut(topic, slot) {
                subscription.since = SUPPRESS_ALL;
            }
            let entry = &mut sockets[slot as usize];
            let name = gate.record.channel().name();
            let end = SessionCommand::End { channel: name.clone(), why: EndReason::Removed };
            entry.socket.command(end);
            if !entry.change_authorizations(|authorizations| authorizations.revoke(name)) {
                entry.close(Close::TooManyAuthorizations, dirty);
            }
        }
    }

    pub(in crate::hub) fn resolve_key(&self, ask: KeyRequest) {
        let KeyRequest { runtime, socket, channel, answer } = ask;
        // The requester may have gone meanwhile.
        let _ = answer.send(self.resolve_for(runtime, socket, channel));
    }

    /// Records what the request of an event stream was granted, before it joins its channels.
    pub fn authorize(
        &self,
        runtime: AppRuntimeId,
        socket: SocketId,
        channel: RequestedChannel,
    ) -> Result<ResolvedKey, KeyRequestError> {
        self.resolve_for(runtime, socket, Some(channel))
    }

    fn resolve_for(
        &self,
        runtime: AppRuntimeId,
        socket: SocketId,
        channel: Option<RequestedChannel>,
    ) -> Result<ResolvedKey, KeyRequestError> {
        let mut table = self.table.borrow_mut();
        let slot = *table.by_id.get(&socket).ok_or(KeyRequestError::UnknownSocket)?;
        let entry = &mut table.sockets[slot as usize];
        if entry.peer.runtime != Some(runtime) || entry.socket.outbox().is_closing() {
            return Err(KeyRequestError::UnknownSocket);
        }
        if channel.as_ref().is_some_and(RequestedChannel::is_token_revoked) {
            return Err(KeyRequestError::TokenRevoked);
        }
        let Some(RequestedChannel { name, topic, target, user, as_of, scope, .. }) = channel else {
            return Ok(ResolvedKey { version: Version::BLIND, held_topic: None, user: None });
        };
        // A request without a user keeps the user of the earlier one.
        if user.is_none() && entry.authorizations().is_revoked(&name) {
            return Err(KeyRequestError::Revoked);
        }
        if target.is_some() || !scope.is_unrestricted() {
            match entry.authorizations().has_room_for(&name) {
                Ok(()) => {}
                Err(NoRoom::Unused) => return Err(KeyRequestError::TooMany),
                Err(NoRoom::Evicted) => {
                    // On a new connection all that was signed for this one is void.
                    entry.socket.outbox().close(Close::TooManyAuthorizations);
                    let socket = entry.socket.clone();
                    drop(table);
                    socket.flush();
                    return Err(KeyRequestError::UnknownSocket);
                }
            }
        }
        entry.last_auth_request = Some(Instant::now());
        drop(table);
        let id = topic.map(|topic| (slot, topic));
        let id = id.filter(|id| self.scheduler.borrow().gates.contains_key(id));
        let (mut version, mut held_topic) = (target, None);
        if let Some(id) = id {
            let (resolved, holds_events) =
                self.resolve_for_subscriber(id, user.clone(), target.is_some());
            version = resolved.or(target);
            held_topic = holds_events.then_some(id.1);
        } else if target.is_some() {
            self.gauges().secret_requests.add("join");
        }
        let mut table = self.table.borrow_mut();
        let entry = &mut table.sockets[slot as usize];
        // Recorded for subscribers as well: they may leave and join with this authorization.
        let (grantee, now) = (Grantee { user, as_of }, unix_now());
        let user = entry.change_authorizations(|authorizations| {
            authorizations.add(name, grantee, version, scope, now)
        });
        Ok(ResolvedKey { version: version.unwrap_or(Version::BLIND), held_topic, user })
    }

    /// Returns the version to issue, and true if events are buffered until the client has it.
    fn resolve_for_subscriber(
        &self,
        id: GateId,
        user: Option<Arc<str>>,
        counts: bool,
    ) -> (Option<Version>, bool) {
        let (now, mut resolved) = (Instant::now(), (None, false));
        self.drive(id, &mut Vec::new(), |gate, _, _| {
            if counts {
                self.gauges().secret_requests.add(if gate.is_rekeying() {
                    "rotation"
                } else {
                    "again"
                });
            }
            let (version, outcome) = gate.auth_requested(now, user);
            resolved = (Some(version), gate.is_auth_answered());
            outcome
        });
        resolved
    }

    pub(in crate::hub) fn auth_answered(&self, socket: SocketId, topic: TopicId) {
        if let Some(id) = self.gate_id(socket, topic) {
            self.drive(id, &mut Vec::new(), |gate, _, _| {
                gate.auth_answered(Instant::now());
                GateOutcome::Unchanged
            });
        }
    }

    pub(in crate::hub) fn auth_refused(&self, socket: SocketId, topic: TopicId, dirty: &mut Dirty) {
        if let Some(id) = self.gate_id(socket, topic) {
            self.drive(id, dirty, |gate, _, _| gate.auth_refused());
        }
    }

    fn gate_id(&self, socket: SocketId, topic: TopicId) -> Option<GateId> {
        self.table.borrow().by_id.get(&socket).map(|slot| (*slot, topic))
    }

    /// Closes the stragglers of the last rotation before the next one begins.
    pub(in crate::hub) fn close_stragglers(&self, runtime: AppRuntimeId, dirty: &mut Dirty) {
        let stragglers = self.scheduler.borrow().stragglers(runtime);
        for id in stragglers {
            self.drive(id, dirty, |gate, _, _| gate.close());
        }
    }

    pub(in crate::hub) fn close_key_users(&self, runtime: AppRuntimeId, key: u32, by: Instant) {
        self.scheduler.borrow_mut().close_key_users(runtime, key, by, Instant::now());
        self.moving.notify_one();
    }
}

#[cfg(test)]
mod tests;
