//! The part of a shard that ends subscriptions whose authorization is over.

use std::{rc::Rc, sync::Arc, time::Instant};

use super::{
    directory::TopicId,
    granted::{Ended, NotGranted, Taken},
    mailbox::RevokeTokens,
    rekeying::REVOKED,
    shard::{Shard, Socket, Table},
    topics::Slot,
};
use crate::{
    auth::Abilities,
    crypto::{
        keytable::{UnixSeconds, unix_now},
        sealer::unopenable,
    },
    protocol::server::Frame,
};

impl Shard {
    /// What the client was given for the channel, if our auth endpoint gave it something.
    pub fn take_grant(&self, slot: Slot, channel: &str) -> Result<Option<Taken>, NotGranted> {
        self.table.borrow().sockets[slot as usize].grants().take(channel, unix_now())
    }

    pub fn grant_joined(&self, slot: Slot, channel: &str, topic: TopicId) {
        let entry = &mut self.table.borrow_mut().sockets[slot as usize];
        entry.change_grants(|grants| grants.joined(channel, topic));
    }

    pub fn grant_left(&self, slot: Slot, channel: &str) {
        let entry = &mut self.table.borrow_mut().sockets[slot as usize];
        entry.change_grants(|grants| grants.left(channel));
    }

    pub fn abilities(&self, slot: Slot, channel: &str) -> Abilities {
        self.table.borrow().sockets[slot as usize].grants().abilities(channel)
    }

    pub fn tick(&self, now: Instant) {
        let today = unix_now();
        let mut due = Vec::new();
        for (slot, entry) in &self.table.borrow().sockets {
            entry.socket.tick(now);
            if entry.grants().due().is_some_and(|due| due <= today) {
                due.push(slot as Slot);
            }
        }
        for slot in due {
            self.review(slot, today);
        }
        self.shed();
    }

    fn review(&self, slot: Slot, today: UnixSeconds) {
        let mut table = self.table.borrow_mut();
        let entry = &mut table.sockets[slot as usize];
        let reviewed = entry.change_grants(|grants| grants.review(today, u64::from(slot)));
        table.end(slot, reviewed.ended, Ended::Expired);
        drop(table);
        for topic in reviewed.nudged {
            self.nudge(slot, topic);
        }
    }

    /// Makes the client authorize anew while its subscription goes on: it is sent what it cannot
    /// open, which it drops when what it is given then does not open it either. The secret stays.
    fn nudge(&self, slot: Slot, topic: TopicId) {
        let table = self.table.borrow();
        let mut moves = self.moves.borrow_mut();
        let entry = &table.sockets[slot as usize];
        // A place that is moving asks anyway, and what is sent to it has to wait its turn.
        let place = moves.places.get_mut(&(slot, topic)).filter(|place| !place.is_held());
        let Some(place) = place.filter(|_| entry.peer.reauthorization.asks()) else { return };
        // Without random bytes there is no nudge, and the subscription ends in its time.
        let Ok(sealed) = unopenable(place.record.channel(), place.version()) else { return };
        place.renewing = true;
        let frame = Frame::sealed(&place.terms.nudge_event(), &sealed);
        drop(moves);
        entry.socket.deliver(frame.in_dialect(entry.socket.outbox().dialect()));
    }

    pub(super) fn revoke_tokens(&self, revoke: &RevokeTokens) {
        let mut table = self.table.borrow_mut();
        let theirs = |entry: &super::shard::Entry| entry.peer.tenant == Some(revoke.tenant);
        let slots: Vec<usize> =
            table.sockets.iter().filter(|(_, e)| theirs(e)).map(|(slot, _)| slot).collect();
        for slot in slots {
            let ended = table.sockets[slot]
                .change_grants(|grants| grants.revoke_tokens(&revoke.which, revoke.at));
            table.end(slot as Slot, ended, Ended::TokenRevoked);
        }
    }

    pub(super) fn end_topic(&self, topic: TopicId, channel: &Arc<str>, why: Ended) {
        let mut table = self.table.borrow_mut();
        let slots: Vec<Slot> =
            table.topics.subscribers(topic).iter().map(|subscription| subscription.slot).collect();
        for slot in slots {
            table.end(slot, vec![(channel.clone(), topic)], why);
        }
    }
}

impl Table {
    /// From here on nothing of these topics reaches the socket; its session leaves them.
    fn end(&mut self, slot: Slot, ended: Vec<(Arc<str>, TopicId)>, why: Ended) {
        for (name, topic) in ended {
            if let Some(subscription) = self.topics.get_mut(topic, slot) {
                subscription.since = REVOKED;
            }
            let socket: &Rc<dyn Socket> = &self.sockets[slot as usize].socket;
            socket.revoke(name, why);
        }
    }
}
