//! The part of a shard that ends subscriptions with expired or revoked authorizations.

use std::{rc::Rc, sync::Arc, time::Instant};

use super::{
    authorization_cache::{CachedAuthorization, EndReason, NotGranted},
    mailbox::{FoundReader, KeyRequestError, ReaderRequest, RevokeTokens},
    record::TopicId,
    rekey::{rekey_policy::AppRuntimeId, rekeying::SUPPRESS_ALL},
    shard::{Shard, SocketEntry, Table},
    socket::{SessionCommand, Socket},
    topics::Slot,
};
use crate::{
    auth::Ability,
    crypto::sealer::unopenable,
    domain::{ids::SocketId, time::UnixSeconds},
    platform::clock::unix_now,
    protocol::{frame::Frame, message::Message},
};

impl Shard {
    /// The client's authorization for the channel, if our auth endpoint recorded one.
    pub fn cached_authorization(
        &self,
        slot: Slot,
        channel: &str,
    ) -> Result<Option<CachedAuthorization>, NotGranted> {
        self.table.borrow().sockets[slot as usize].authorizations().lookup(channel, unix_now())
    }

    pub(super) fn find_reader(&self, ask: ReaderRequest) {
        let ReaderRequest { runtime, socket, channel, answer } = ask;
        let found = self.reader(runtime, socket, &channel);
        // The requester may have gone meanwhile.
        let _ = answer.send(found);
    }

    fn reader(
        &self,
        runtime: AppRuntimeId,
        socket: SocketId,
        channel: &str,
    ) -> Result<FoundReader, KeyRequestError> {
        let table = self.table.borrow();
        let entry = table.live(socket, runtime).ok_or(KeyRequestError::UnknownSocket)?;
        match entry.authorizations().lookup(channel, unix_now()) {
            Ok(Some(CachedAuthorization { version, grantee, .. })) => {
                Ok(FoundReader { version, user: grantee.user })
            }
            Ok(None) => Ok(FoundReader::default()),
            Err(NotGranted::Reauthorize | NotGranted::Revoked) => {
                Err(KeyRequestError::UnknownSocket)
            }
        }
    }

    pub fn authorization_joined(&self, slot: Slot, channel: &str, topic: TopicId) {
        let entry = &mut self.table.borrow_mut().sockets[slot as usize];
        entry.change_authorizations(|authorizations| authorizations.joined(channel, topic));
    }

    /// The client is about to join.
    pub fn authorization_opening(&self, slot: Slot, channel: &str) {
        let entry = &mut self.table.borrow_mut().sockets[slot as usize];
        entry.change_authorizations(|authorizations| authorizations.opening(channel));
    }

    pub fn authorization_left(&self, slot: Slot, channel: &str) {
        let entry = &mut self.table.borrow_mut().sockets[slot as usize];
        entry.change_authorizations(|authorizations| authorizations.left(channel));
    }

    pub fn may_send_client_events(&self, slot: Slot, channel: &str) -> bool {
        let table = self.table.borrow();
        let abilities = table.sockets[slot as usize].authorizations().abilities(channel);
        abilities.allows(Ability::ClientEvents)
    }

    pub fn tick(&self, now: Instant) {
        self.end_overdue_openings(now);
        let today = unix_now();
        let mut due = Vec::new();
        for (slot, entry) in &self.table.borrow().sockets {
            entry.socket.tick(now);
            if entry.authorizations().due().is_some_and(|due| due <= today) {
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
        let reviewed = entry
            .change_authorizations(|authorizations| authorizations.review(today, u64::from(slot)));
        table.end(slot, reviewed.ended, EndReason::Expired);
        drop(table);
        for topic in reviewed.nudged {
            self.nudge(slot, topic);
        }
    }

    /// Asks the client to renew its authorization during the subscription: it is sent an event that
    /// no secret opens, and asks the auth endpoint. The client drops the event. The secret stays.
    /// A client that keeps events would wait for a secret that opens it.
    fn nudge(&self, slot: Slot, topic: TopicId) {
        let table = self.table.borrow();
        let mut scheduler = self.scheduler.borrow_mut();
        let entry = &table.sockets[slot as usize];
        // A gate that is rekeying makes the client ask anyway, and frames for it must stay in
        // order.
        let gate = scheduler.gates.get_mut(&(slot, topic)).filter(|gate| !gate.is_rekeying());
        let client = entry.peer.reauthorization;
        let Some(gate) = gate.filter(|_| client.asks() && !client.keeps_events()) else { return };
        // Without random bytes there is no nudge, and the subscription expires.
        let Ok(sealed) = unopenable(gate.record.channel(), gate.version()) else { return };
        gate.renewing = true;
        let frame = Frame::new(&Message::sealed(&gate.policy.nudge_event(), None, &sealed));
        drop(scheduler);
        entry.socket.deliver(&frame.in_form(entry.socket.outbox().form()));
    }

    pub(super) fn revoke_tokens(&self, revoke: &RevokeTokens) {
        let mut table = self.table.borrow_mut();
        let theirs = |entry: &SocketEntry| entry.peer.runtime == Some(revoke.runtime);
        let slots: Vec<usize> =
            table.sockets.iter().filter(|(_, e)| theirs(e)).map(|(slot, _)| slot).collect();
        for slot in slots {
            let ended = table.sockets[slot].change_authorizations(|authorizations| {
                authorizations.revoke_tokens(&revoke.which, revoke.at)
            });
            table.end(slot as Slot, ended, EndReason::TokenRevoked);
        }
    }

    pub(super) fn end_topic(&self, topic: TopicId, channel: &Arc<str>, why: EndReason) {
        let mut table = self.table.borrow_mut();
        let slots: Vec<Slot> =
            table.topics.subscribers(topic).iter().map(|subscription| subscription.slot).collect();
        for slot in slots {
            table.end(slot, vec![(channel.clone(), topic)], why);
        }
    }
}

impl Table {
    /// The open connection of this app.
    pub(super) fn live(&self, socket: SocketId, runtime: AppRuntimeId) -> Option<&SocketEntry> {
        let entry = &self.sockets[*self.by_id.get(&socket)? as usize];
        let is_theirs = entry.peer.runtime == Some(runtime) && !entry.socket.outbox().is_closing();
        is_theirs.then_some(entry)
    }

    /// Stops delivery of these topics to the socket; its session then leaves them.
    fn end(&mut self, slot: Slot, ended: Vec<(Arc<str>, TopicId)>, why: EndReason) {
        for (name, topic) in ended {
            if let Some(subscription) = self.topics.get_mut(topic, slot) {
                subscription.since = SUPPRESS_ALL;
            }
            let socket: &Rc<dyn Socket> = &self.sockets[slot as usize].socket;
            socket.command(SessionCommand::End { channel: name, why });
        }
    }
}
