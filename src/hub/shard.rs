//! One worker's connections and their subscriptions, and the delivery of commands to them.
//!
//! A shard lives on its thread alone. Its cells are borrowed for the length of a call and never
//! across an await.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use bytes::Bytes;
use slab::Slab;
use tokio::sync::Notify;

use super::{
    Gauges, Hub,
    directory::TopicId,
    granted::{Ended, GrantBook},
    leaving::Leaving,
    mailbox::{Audience, Delivery, Post},
    moves::Moves,
    numbers::ByNumber,
    outbox::Outbox,
    reauthorization::Reauthorization,
    terms::TenantId,
    topics::{Slot, Subscription, TopicTable},
};
use crate::{crypto::keytable::Version, ids::SocketId, protocol::code::Close};

/// A connection as the shard sees it, independent of its transport.
pub trait Socket {
    fn outbox(&self) -> &Outbox;
    /// Writes as much as the peer takes now; the rest follows when the peer has read.
    fn flush(&self);
    /// Called about once a second, for pings and deadlines.
    fn tick(&self, now: Instant);
    /// Bytes of memory beyond those of an idle connection.
    fn weight(&self) -> usize {
        self.outbox().charged()
    }

    /// Ends a connection that has been sent its close frame, without waiting for an answer to it.
    fn cut(&self) {}

    /// What is remembered of its authorizations takes so many bytes of memory now.
    fn charge_authorizations(&self, bytes: usize);

    /// The connection is no longer to be subscribed to the channel.
    fn revoke(&self, channel: Arc<str>, why: Ended);

    /// Sends one frame and flushes.
    fn deliver(&self, frame: &Bytes) {
        self.send(frame.clone());
        self.flush();
    }

    /// Queues a frame. One batch may exceed the budget although the peer reads, so earlier frames
    /// are written before the outbox is judged full.
    fn send(&self, frame: Bytes) {
        if !self.outbox().has_room(frame.len()) {
            self.flush();
        }
        self.outbox().push(frame);
    }
}

/// Properties of the client.
#[derive(Clone, Copy)]
pub struct Peer {
    /// `None` if the connection was refused.
    pub tenant: Option<TenantId>,
    /// The hub's count at the time of the app's lookup.
    pub dismissals: u32,
    /// See `Audience::NotLegacyJava`.
    pub legacy_java: bool,
    pub reauthorization: Reauthorization,
}

/// The shard's data on each socket.
pub(super) struct Entry {
    pub(super) socket: Rc<dyn Socket>,
    id: SocketId,
    pub(super) peer: Peer,
    grants: GrantBook,
    /// When the client has asked the auth endpoint last.
    pub(super) last_question: Option<Instant>,
}

#[derive(Default)]
pub(super) struct Table {
    pub(super) sockets: Slab<Entry>,
    pub(super) by_id: HashMap<SocketId, Slot, ByNumber>,
    pub(super) topics: TopicTable,
}

pub struct Shard {
    worker: usize,
    pub(super) hub: Arc<Hub>,
    pub(super) table: RefCell<Table>,
    pub(super) moves: RefCell<Moves>,
    /// Notified when a rekey is scheduled.
    pub(super) moving: Notify,
    pub(super) leaving: Leaving,
    /// The number of the last memory check for which sockets were closed.
    pub(super) shed_at: Cell<u64>,
}

/// The amount queued in one batch, and its limits.
#[derive(Default)]
struct Turn {
    /// The maximum of bytes queued for one socket.
    bytes: usize,
    frames: usize,
}

impl Turn {
    const BYTES: usize = 128 * 1024;
    const FRAMES: usize = 50_000;

    fn add(&mut self, bytes: usize, subscribers: usize) {
        self.bytes += bytes;
        self.frames += subscribers;
    }

    fn is_full(&self) -> bool {
        self.bytes >= Self::BYTES || self.frames >= Self::FRAMES
    }
}

async fn write_out(dirty: &mut Vec<Rc<dyn Socket>>) {
    for slice in dirty.chunks(WRITES_PER_SLICE) {
        slice.iter().for_each(|socket| socket.flush());
        if slice.len() == WRITES_PER_SLICE {
            tokio::task::yield_now().await;
        }
    }
    dirty.clear();
}

/// Sockets written before the worker yields, so that a very large channel does not delay pings.
const WRITES_PER_SLICE: usize = 256;

impl Shard {
    pub fn new(hub: Arc<Hub>) -> Rc<Self> {
        Rc::new(Self {
            worker: hub.register_worker(),
            hub,
            table: RefCell::default(),
            moves: RefCell::default(),
            moving: Notify::new(),
            leaving: Leaving::default(),
            shed_at: Cell::new(0),
        })
    }

    pub fn worker(&self) -> usize {
        self.worker
    }

    pub fn gauges(&self) -> &Gauges {
        self.hub.gauges(self.worker)
    }

    pub fn add(&self, id: SocketId, peer: Peer, socket: Rc<dyn Socket>) -> Slot {
        let mut table = self.table.borrow_mut();
        let entry = Entry { socket, id, peer, grants: GrantBook::default(), last_question: None };
        let slot = table.sockets.insert(entry) as Slot;
        table.by_id.insert(id, slot);
        self.gauges().sockets.fetch_add(1, Ordering::Relaxed);
        slot
    }

    /// The socket must have left all topics.
    pub fn remove(&self, slot: Slot) {
        let mut table = self.table.borrow_mut();
        let entry = table.sockets.remove(slot as usize);
        table.by_id.remove(&entry.id);
        self.gauges().sockets.fetch_sub(1, Ordering::Relaxed);
    }

    #[must_use]
    pub fn subscribe(&self, topic: TopicId, slot: Slot, since: u64) -> bool {
        let subscription = Subscription { slot, since, version: Version::BLIND };
        self.table.borrow_mut().topics.subscribe(topic, subscription)
    }

    /// Returns the version of the subscriber's secret, for a sealed channel.
    pub fn unsubscribe(&self, topic: TopicId, slot: Slot) -> Option<Version> {
        self.table.borrow_mut().topics.unsubscribe(topic, slot);
        self.leave(topic, slot)
    }

    /// Runs the worker's commands until the worker ends.
    ///
    /// A batch takes all commands of the mailbox, queues frames by reference, and then writes each
    /// socket once. Queueing never yields, so the table cannot change meanwhile; writing does. A
    /// batch ends early when it has queued much: peers can read before their queues are judged, and
    /// pings are answered.
    pub async fn run(self: Rc<Self>) {
        let mut posts = Vec::new();
        let mut dirty = Vec::new();
        let mut recipients = Vec::new();
        loop {
            posts = self.hub.mailbox(self.worker).take(posts).await;
            if let [Post::Deliver(delivery)] = &*posts {
                self.deliver(delivery, &mut recipients).await;
                posts.clear();
                continue;
            }
            let mut turn = Turn::default();
            for post in posts.drain(..) {
                self.queue(post, &mut dirty, &mut turn);
                if turn.is_full() {
                    write_out(&mut dirty).await;
                    turn = Turn::default();
                    tokio::task::yield_now().await;
                }
            }
            write_out(&mut dirty).await;
        }
    }

    fn queue(&self, post: Post, dirty: &mut Vec<Rc<dyn Socket>>, turn: &mut Turn) {
        match post {
            Post::Deliver(delivery) => self.queue_delivery(&delivery, dirty, turn),
            Post::Rekey(rekey) => self.rekey(&rekey, dirty),
            Post::Ask(ask) => self.answer(ask),
            Post::Told { socket, topic } => self.told(socket, topic),
            Post::QuestionRefused { socket, topic } => self.question_refused(socket, topic, dirty),
            Post::CloseStragglers { tenant } => self.close_stragglers(tenant, dirty),
            Post::Retire { tenant, key, by } => self.retire(tenant, key, by),
            Post::RevokeTokens(revoke) => self.revoke_tokens(&revoke),
            Post::End { topic, channel, why } => self.end_topic(topic, &channel, why),
            Post::Terminate { topic } => {
                let table = self.table.borrow();
                for subscription in table.topics.subscribers(topic) {
                    table.sockets[subscription.slot as usize].close(Close::Terminated, dirty);
                }
            }
            Post::Dismiss { tenant, number, reason } => {
                let is_theirs =
                    |peer: &Peer| peer.tenant == Some(tenant) && peer.dismissals < number;
                let table = self.table.borrow();
                let theirs = table.sockets.iter().filter(|(_, entry)| is_theirs(&entry.peer));
                theirs.for_each(|(_, entry)| entry.close(reason.clone(), dirty));
            }
            Post::Drain { over } => self.leaving.begin(over),
            Post::Leave { socket, at_once } => self.send_away(socket, at_once, dirty),
        }
    }

    fn queue_delivery(
        &self,
        delivery: &Delivery,
        dirty: &mut Vec<Rc<dyn Socket>>,
        turn: &mut Turn,
    ) {
        if delivery.content.trips() {
            return self.hub.tripped();
        }
        let mut held = Vec::new();
        let (mut frames, mut bytes) = (0, 0);
        let table = self.table.borrow();
        let subscribers = table.topics.subscribers(delivery.topic).len();
        turn.add(delivery.content.bytes(), subscribers);
        for (subscription, entry) in table.recipients(delivery) {
            match delivery.content.of(subscription.version) {
                Some(frame) => {
                    let dialect = entry.socket.outbox().dialect();
                    let frame = frame.in_dialect(dialect);
                    (frames, bytes) = (frames + 1, bytes + frame.len());
                    entry.socket.send(frame.clone());
                    entry.mark(dirty);
                }
                None => held.push(subscription.slot),
            }
        }
        drop(table);
        self.gauges().delivered(frames, bytes);
        self.hold(delivery, &held, dirty);
    }

    /// Writes a single frame directly, past the outboxes.
    ///
    /// The table may change between two slices. A subscriber that has left is skipped; one that has
    /// come back was answered with the state of this frame.
    async fn deliver(&self, delivery: &Delivery, recipients: &mut Vec<(Slot, Version)>) {
        if delivery.content.trips() {
            return self.hub.tripped();
        }
        let changes = {
            let table = self.table.borrow();
            recipients.clear();
            recipients.extend(table.recipients(delivery).map(|(s, _)| (s.slot, s.version)));
            table.topics.changes()
        };
        for slice in recipients.chunks(WRITES_PER_SLICE) {
            self.write_slice(delivery, slice, changes);
            if slice.len() == WRITES_PER_SLICE {
                tokio::task::yield_now().await;
            }
        }
    }

    fn write_slice(&self, delivery: &Delivery, recipients: &[(Slot, Version)], changes: u64) {
        let mut held = Vec::new();
        let (mut frames, mut bytes) = (0, 0);
        let table = self.table.borrow();
        let unchanged = table.topics.changes() == changes;
        for &(slot, version) in recipients {
            let version = if unchanged { Some(version) } else { table.due(delivery, slot) };
            let Some(version) = version else { continue };
            match delivery.content.of(version) {
                Some(frame) => {
                    let socket = &table.sockets[slot as usize].socket;
                    let frame = frame.in_dialect(socket.outbox().dialect());
                    (frames, bytes) = (frames + 1, bytes + frame.len());
                    socket.deliver(frame);
                }
                None => held.push(slot),
            }
        }
        drop(table);
        self.gauges().delivered(frames, bytes);
        let mut dirty = Vec::new();
        self.hold(delivery, &held, &mut dirty);
        dirty.iter().for_each(|socket| socket.flush());
    }
}

impl Table {
    fn recipients(&self, delivery: &Delivery) -> impl Iterator<Item = (&Subscription, &Entry)> {
        let &Delivery { topic, sequence, except, audience, .. } = delivery;
        let except = except.and_then(|id| self.by_id.get(&id).copied());
        self.topics.subscribers(topic).iter().filter_map(move |subscription| {
            if subscription.since >= sequence || Some(subscription.slot) == except {
                return None;
            }
            let entry = &self.sockets[subscription.slot as usize];
            let meant = !entry.peer.legacy_java || audience == Audience::All;
            meant.then_some((subscription, entry))
        })
    }

    /// The version to deliver with, if the subscription still exists.
    fn due(&self, delivery: &Delivery, slot: Slot) -> Option<Version> {
        let subscription = self.topics.subscription(delivery.topic, slot)?;
        (subscription.since < delivery.sequence).then_some(subscription.version)
    }
}

impl Entry {
    pub(super) fn grants(&self) -> &GrantBook {
        &self.grants
    }

    /// The socket is charged with what the change costs.
    pub(super) fn change_grants<T>(&mut self, change: impl FnOnce(&mut GrantBook) -> T) -> T {
        let changed = change(&mut self.grants);
        self.socket.charge_authorizations(self.grants.bytes());
        changed
    }

    pub(super) fn close(&self, reason: Close, dirty: &mut Vec<Rc<dyn Socket>>) {
        self.socket.outbox().close(reason);
        self.mark(dirty);
    }

    pub(super) fn mark(&self, dirty: &mut Vec<Rc<dyn Socket>>) {
        if self.socket.outbox().mark_dirty() {
            dirty.push(self.socket.clone());
        }
    }
}

#[cfg(test)]
mod tests;
