//! One worker's connections and their subscriptions, and the delivery of commands to them.
//!
//! A shard lives on its thread alone. Its cells are borrowed for the length of a call and never
//! across an await.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use slab::Slab;
use tokio::sync::Notify;

use super::{
    Hub, WorkerGauges,
    authorization_cache::AuthorizationCache,
    batch_budget::BatchBudget,
    channel_opener::{AwaitedAnswers, OpeningDeadlines, WaitingSubscription},
    client_names::ClientNames,
    delivery_delay::UnwrittenEvents,
    drain::DrainState,
    int_hasher::BuildIntHasher,
    mailbox::{Audience, TopicDelivery, WorkerCommand},
    receivers::Received,
    record::TopicId,
    rekey::rekey_scheduler::RekeyScheduler,
    socket::{Peer, SessionCommand, Socket},
    topics::{Slot, TopicSubscription, TopicTable},
};
use crate::{
    crypto::keytable::Version,
    domain::ids::SocketId,
    protocol::{code::Close, stream_text::StreamTexts},
};

/// The shard's data on each socket.
pub(super) struct SocketEntry {
    pub(super) socket: Rc<dyn Socket>,
    pub(super) id: SocketId,
    pub(super) peer: Peer,
    authorizations: AuthorizationCache,
    /// The signed-in user.
    pub(super) user: Option<Arc<str>>,
    /// When the client has asked the auth endpoint last.
    pub(super) last_auth_request: Option<Instant>,
    pub(super) opened: Instant,
}

#[derive(Default)]
pub(super) struct Table {
    pub(super) sockets: Slab<SocketEntry>,
    pub(super) by_id: HashMap<SocketId, Slot, BuildIntHasher>,
    pub(super) topics: TopicTable,
}

pub struct Shard {
    worker: usize,
    pub(super) hub: Arc<Hub>,
    pub(super) table: RefCell<Table>,
    pub(super) client_names: RefCell<ClientNames>,
    pub(super) scheduler: RefCell<RekeyScheduler>,
    /// Notified when a rekey is scheduled.
    pub(super) moving: Notify,
    pub(super) drain: DrainState,
    pub(super) opening_deadlines: OpeningDeadlines,
    pub(super) awaited_answers: AwaitedAnswers,
    /// The number of the last memory check for which sockets were closed.
    pub(super) shed_at: Cell<u64>,
    unwritten: UnwrittenEvents,
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
            client_names: RefCell::default(),
            scheduler: RefCell::default(),
            moving: Notify::new(),
            drain: DrainState::default(),
            opening_deadlines: OpeningDeadlines::default(),
            awaited_answers: AwaitedAnswers::default(),
            shed_at: Cell::new(0),
            unwritten: UnwrittenEvents::default(),
        })
    }

    pub fn worker(&self) -> usize {
        self.worker
    }

    pub fn random_within(&self, span: Duration) -> Duration {
        self.scheduler.borrow_mut().random_within(span)
    }

    pub fn gauges(&self) -> &WorkerGauges {
        self.hub.gauges(self.worker)
    }

    pub fn add(&self, id: SocketId, peer: Peer, socket: Rc<dyn Socket>) -> Slot {
        let mut table = self.table.borrow_mut();
        let entry = SocketEntry {
            socket,
            id,
            peer,
            authorizations: AuthorizationCache::default(),
            user: None,
            last_auth_request: None,
            opened: Instant::now(),
        };
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
        self.opening_deadlines.borrow_mut().remove(&slot);
        self.gauges().sockets.fetch_sub(1, Ordering::Relaxed);
    }

    #[must_use]
    pub fn subscribe(&self, topic: TopicId, slot: Slot, since: u64) -> bool {
        let subscription = TopicSubscription::new(slot, since, Version::BLIND);
        self.table.borrow_mut().topics.subscribe(topic, subscription)
    }

    /// Sends the subscriber the position with each logged event.
    pub fn tell_positions(&self, topic: TopicId, slot: Slot) {
        if let Some(subscription) = self.table.borrow_mut().topics.get_mut(topic, slot) {
            subscription.tells_positions = true;
        }
    }

    /// Returns the version of the subscriber's secret, for a sealed channel.
    pub fn unsubscribe(&self, topic: TopicId, slot: Slot) -> Option<Version> {
        self.table.borrow_mut().topics.unsubscribe(topic, slot);
        self.remove_gate(topic, slot)
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
            if let [WorkerCommand::Deliver(delivery)] = &*posts {
                self.deliver(delivery, &mut recipients).await;
                if let Some(accepted) = delivery.accepted {
                    self.hub.delays.note(accepted);
                }
                posts.clear();
                continue;
            }
            let mut batch = BatchBudget::default();
            for post in posts.drain(..) {
                self.queue(post, &mut dirty, &mut batch);
                if batch.is_full() {
                    self.write_out(&mut dirty).await;
                    batch = BatchBudget::default();
                    tokio::task::yield_now().await;
                }
            }
            self.write_out(&mut dirty).await;
        }
    }

    pub(super) fn queue(
        &self,
        post: WorkerCommand,
        dirty: &mut Vec<Rc<dyn Socket>>,
        batch: &mut BatchBudget,
    ) {
        match post {
            WorkerCommand::Deliver(delivery) => self.queue_delivery(&delivery, dirty, batch),
            WorkerCommand::Gap { topic, frame, sequence } => {
                self.tell_gap(topic, &frame, sequence, dirty)
            }
            WorkerCommand::Rekey(rekey) => self.rekey(&rekey, dirty),
            WorkerCommand::ResolveKey(ask) => self.resolve_key(ask),
            WorkerCommand::FindReader(ask) => self.find_reader(ask),
            WorkerCommand::AuthAnswered { socket, topic } => self.auth_answered(socket, topic),
            WorkerCommand::AuthRefused { socket, topic } => self.auth_refused(socket, topic, dirty),
            WorkerCommand::CloseStragglers { runtime } => self.close_stragglers(runtime, dirty),
            WorkerCommand::CloseKeyUsers { runtime, key, by } => {
                self.close_key_users(runtime, key, by)
            }
            WorkerCommand::Opened(WaitingSubscription { socket, channel, attempt }) => {
                self.command(socket, SessionCommand::Opened { channel, attempt });
            }
            WorkerCommand::ChannelFull(WaitingSubscription { socket, channel, attempt }) => {
                self.command(socket, SessionCommand::ChannelFull { channel, attempt });
            }
            WorkerCommand::RevokeTokens(revoke) => self.revoke_tokens(&revoke),
            WorkerCommand::End { topic, channel, why } => self.end_topic(topic, &channel, why),
            WorkerCommand::CloseTopic { topic, opened_before } => {
                let table = self.table.borrow();
                let subscribers = table.topics.subscribers(topic).iter();
                let entries = subscribers.map(|it| &table.sockets[it.slot as usize]);
                entries
                    .filter(|entry| entry.opened < opened_before)
                    .for_each(|entry| entry.close(Close::Terminated, dirty));
            }
            WorkerCommand::CloseApp { runtime, number, reason } => {
                let is_theirs =
                    |peer: &Peer| peer.runtime == Some(runtime) && peer.app_closings < number;
                let table = self.table.borrow();
                let theirs = table.sockets.iter().filter(|(_, entry)| is_theirs(&entry.peer));
                theirs.for_each(|(_, entry)| entry.close(reason.clone(), dirty));
            }
            WorkerCommand::Drain { over } => self.drain.begin(over),
            WorkerCommand::ReplaceStream { socket } => self.replace_stream(socket, dirty),
            WorkerCommand::CloseSocket { socket, at_once } => {
                self.close_socket(socket, at_once, dirty)
            }
            WorkerCommand::ForOperator(ask) => self.serve_operator(ask, dirty),
        }
    }

    fn queue_delivery(
        &self,
        delivery: &TopicDelivery,
        dirty: &mut Vec<Rc<dyn Socket>>,
        batch: &mut BatchBudget,
    ) {
        if delivery.content.leaks_plaintext() {
            return self.hub.record_trip();
        }
        let mut gated = Vec::new();
        let (mut frames, mut bytes) = (0, 0);
        let mut texts = StreamTexts::default();
        let table = self.table.borrow();
        let subscribers = table.topics.subscribers(delivery.topic).len();
        batch.add(delivery.content.bytes(), subscribers);
        for (subscription, entry) in table.recipients(delivery) {
            match delivery.content.of(subscription.version) {
                Some(frame) => {
                    let (topic, subscription) = (delivery.topic, *subscription);
                    let received = Received { topic, subscription, frame };
                    bytes += received.queue(&*entry.socket, &mut texts);
                    frames += 1;
                    entry.mark(dirty);
                }
                None => gated.push(subscription.slot),
            }
        }
        drop(table);
        self.gauges().delivered(frames, bytes);
        self.enqueue(delivery, &gated, dirty);
        self.unwritten.add(delivery.accepted);
    }

    async fn write_out(&self, dirty: &mut Vec<Rc<dyn Socket>>) {
        write_out(dirty).await;
        self.unwritten.written(&self.hub.delays);
    }

    /// Writes a single frame directly, past the outboxes.
    ///
    /// The table may change between two slices. A subscriber that has left is skipped; one that has
    /// come back was answered with the state of this frame.
    async fn deliver(&self, delivery: &TopicDelivery, recipients: &mut Vec<TopicSubscription>) {
        if delivery.content.leaks_plaintext() {
            return self.hub.record_trip();
        }
        let changes = {
            let table = self.table.borrow();
            recipients.clear();
            recipients.extend(table.recipients(delivery).map(|(subscription, _)| *subscription));
            table.topics.changes()
        };
        let mut texts = StreamTexts::default();
        for slice in recipients.chunks(WRITES_PER_SLICE) {
            self.write_slice(delivery, slice, changes, &mut texts);
            if slice.len() == WRITES_PER_SLICE {
                tokio::task::yield_now().await;
            }
        }
    }

    fn write_slice(
        &self,
        delivery: &TopicDelivery,
        recipients: &[TopicSubscription],
        changes: u64,
        texts: &mut StreamTexts,
    ) {
        let mut gated = Vec::new();
        let (mut frames, mut bytes) = (0, 0);
        let table = self.table.borrow();
        let unchanged = table.topics.changes() == changes;
        for recipient in recipients {
            let slot = recipient.slot;
            let subscription = if unchanged { Some(*recipient) } else { table.due(delivery, slot) };
            let Some(subscription) = subscription else { continue };
            match delivery.content.of(subscription.version) {
                Some(frame) => {
                    let socket = &table.sockets[slot as usize].socket;
                    let received = Received { topic: delivery.topic, subscription, frame };
                    bytes += received.deliver(&**socket, texts);
                    frames += 1;
                }
                None => gated.push(slot),
            }
        }
        drop(table);
        self.gauges().delivered(frames, bytes);
        let mut dirty = Vec::new();
        self.enqueue(delivery, &gated, &mut dirty);
        dirty.iter().for_each(|socket| socket.flush());
    }
}

impl Table {
    fn recipients(
        &self,
        delivery: &TopicDelivery,
    ) -> impl Iterator<Item = (&TopicSubscription, &SocketEntry)> {
        let &TopicDelivery { topic, sequence, except, audience, .. } = delivery;
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

    /// The subscription as it is now, if the delivery is still for it.
    fn due(&self, delivery: &TopicDelivery, slot: Slot) -> Option<TopicSubscription> {
        let subscription = self.topics.subscription(delivery.topic, slot)?;
        (subscription.since < delivery.sequence).then_some(*subscription)
    }
}

impl SocketEntry {
    pub(super) fn authorizations(&self) -> &AuthorizationCache {
        &self.authorizations
    }

    /// The socket is charged with what the change costs.
    pub(super) fn change_authorizations<T>(
        &mut self,
        change: impl FnOnce(&mut AuthorizationCache) -> T,
    ) -> T {
        let changed = change(&mut self.authorizations);
        self.socket.charge_authorizations(self.authorizations.bytes());
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
