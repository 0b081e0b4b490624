//! The directory's record of one channel: the channel's state, and the routing on this node.

use std::{sync::Arc, time::Instant};

use parking_lot::{Mutex, MutexGuard};

use super::{
    Hub,
    authorization_cache::EndReason,
    delivery_delay::EventTiming,
    log_readers::LogReaders,
    mailbox::{Audience, Rekey, TopicDelivery, WorkerCommand},
    rekey::channel_keys::ChannelKeys,
};
use crate::{
    channels::{
        change::{Change, Effects, Leaver, Newcomer, Transition},
        log::{Log, LogNumber},
        state::ChannelState,
    },
    cluster::{node::commands::FollowedChannel, replica::ChannelReplica},
    crypto::keytable::Version,
    domain::{channel::Channel, ids::SocketId},
    protocol::{content::Content, frame::Frame, message::Message},
};

/// Identifies a record by a number, so that the workers' tables need no strings. A number is never
/// used twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct TopicId(pub u64);

pub struct Record {
    topic: TopicId,
    channel: Channel,
    guarded: Mutex<Guarded>,
}

struct Guarded {
    /// The record is no longer in the directory; a holder must look the channel up again.
    removed: bool,
    state: ChannelState,
    routing: LocalRouting,
    /// In a cluster, while this node follows the channel.
    followed: Option<Box<HeldReplica>>,
}

/// The channel as the cluster has it.
pub struct HeldReplica {
    pub replica: ChannelReplica,
    pub channel: Arc<FollowedChannel>,
    /// The time of the next tick that was asked for.
    pub wake_at: Option<Instant>,
    /// Subscriptions that begin at a position. `None` without one.
    pub log_readers: Option<Box<LogReaders>>,
    /// Of a channel of watchers: whether its user has a connection, as soon as it is known.
    pub is_online: Option<bool>,
}

/// Delivery on this node: the order of frames, the subscribers and their keys.
struct LocalRouting {
    sequence: u64,
    /// By worker.
    subscribers: Box<[u32]>,
    /// Set for sealed channels, from the first subscriber or event on.
    keys: Option<Box<ChannelKeys>>,
    /// Subscribers that are told positions.
    position_readers: u32,
    /// Events that a journal has not written yet. They are posted once it has.
    uncommitted: u32,
}

/// A locked record: the channel's state does not change meanwhile.
pub struct LockedRecord<'a> {
    record: &'a Record,
    guarded: MutexGuard<'a, Guarded>,
}

impl Record {
    pub(super) fn new(topic: TopicId, channel: Channel, workers: usize, log: Option<Log>) -> Self {
        let subscribers = vec![0; workers].into();
        let routing = LocalRouting {
            sequence: 0,
            subscribers,
            keys: None,
            position_readers: 0,
            uncommitted: 0,
        };
        let state = ChannelState::with_log(log);
        let guarded = Guarded { removed: false, state, routing, followed: None };
        Self { topic, channel, guarded: Mutex::new(guarded) }
    }

    pub fn topic(&self) -> TopicId {
        self.topic
    }

    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// `None` if the record is no longer in the directory.
    pub fn enter(&self) -> Option<LockedRecord<'_>> {
        let guarded = self.guarded.lock();
        (!guarded.removed).then_some(LockedRecord { record: self, guarded })
    }

    pub fn subscription_count(&self) -> u32 {
        self.guarded.lock().state.subscription_count()
    }

    /// True while the other nodes of a cluster may know of this one here.
    pub(super) fn is_followed(&self) -> bool {
        self.guarded.lock().followed.is_some()
    }

    /// The number of the last frame that was posted.
    pub fn sequence(&self) -> u64 {
        self.guarded.lock().routing.sequence
    }

    /// Counts a subscriber's change from one version to another.
    pub fn key_changed(&self, before: Version, after: Version) {
        if let Some(keys) = &mut self.guarded.lock().routing.keys {
            keys.leave(before);
            keys.join(after);
        }
    }

    /// False if the channel is in use, or the record was removed before.
    pub(super) fn remove_if_unused(&self, now: Instant, log_ended: impl FnOnce(&Log)) -> bool {
        let mut guarded = self.guarded.lock();
        let is_used = guarded.routing.uncommitted > 0
            || guarded.followed.is_some()
            || !guarded.state.is_unused(now);
        let remove = !guarded.removed && !is_used;
        guarded.removed |= remove;
        if remove && let Some(log) = guarded.state.log() {
            log_ended(log);
        }
        remove
    }
}

impl std::ops::Deref for LockedRecord<'_> {
    type Target = ChannelState;

    fn deref(&self) -> &ChannelState {
        &self.guarded.state
    }
}

impl<'a> LockedRecord<'a> {
    /// Changes the channel's state. Subscribers come and go by `subscribe` and `unsubscribe`.
    pub fn apply(&mut self, change: Change<'_>, now: Instant) -> Effects {
        self.guarded.state.apply(change, now)
    }

    /// Counts a subscriber of `worker`, unless the channel is full.
    pub fn subscribe(&mut self, worker: usize, newcomer: Newcomer, now: Instant) -> Effects {
        let effects = self.apply(Change::Subscribe(newcomer), now);
        if effects.transition != Transition::Full {
            self.guarded.routing.subscribers[worker] += 1;
        }
        effects
    }

    /// `version`: the version of its secret, for a sealed channel.
    pub fn unsubscribe(
        &mut self,
        worker: usize,
        version: Option<Version>,
        leaver: Leaver<'_>,
        now: Instant,
    ) -> Effects {
        let effects = self.apply(Change::Unsubscribe(leaver), now);
        let routing = &mut self.guarded.routing;
        routing.subscribers[worker] -= 1;
        if let (Some(keys), Some(version)) = (&mut routing.keys, version) {
            keys.leave(version);
        }
        effects
    }

    /// Counts a subscriber that is told positions.
    pub fn join_position_readers(&mut self) {
        self.guarded.routing.position_readers += 1;
    }

    pub fn leave_position_readers(&mut self) {
        self.guarded.routing.position_readers -= 1;
    }

    /// True if an event on its way needs its position.
    pub fn has_position_readers(&self) -> bool {
        self.guarded.routing.position_readers > 0
    }

    /// A journal writes an event of this channel before it is posted.
    pub fn begin_commit(&mut self) {
        self.guarded.routing.uncommitted += 1;
    }

    pub fn end_commit(&mut self) {
        self.guarded.routing.uncommitted -= 1;
    }

    /// The number of the newest event, whether the log still has it or not. Events that a journal
    /// is about to write count: they come before the next one.
    pub fn newest_number(&self) -> Option<LogNumber> {
        let log = self.log()?;
        let uncommitted = self.guarded.routing.uncommitted > 0;
        Some(if uncommitted { log.reserved() } else { log.last() })
    }

    /// True if a reader could be given an event, now or once a journal has written it.
    pub fn has_events(&self, now: Instant) -> bool {
        self.guarded.routing.uncommitted > 0
            || self.log().is_some_and(|log| log.has_events(now))
            || self.last_event(now).is_some()
    }

    pub fn channel(&self) -> &'a Channel {
        &self.record.channel
    }

    /// `None` while this node does not follow the channel, and without a cluster.
    pub fn followed(&mut self) -> Option<&mut HeldReplica> {
        self.guarded.followed.as_deref_mut()
    }

    /// The total of subscribers of all nodes; without a cluster, that of this node.
    pub fn total(&self) -> u64 {
        let followed = self.guarded.followed.as_ref();
        let total = followed.and_then(|held| held.replica.total());
        total.unwrap_or_else(|| self.subscription_count().into())
    }

    pub fn follow(&mut self, held: HeldReplica) {
        self.guarded.followed = Some(Box::new(held));
    }

    pub fn unfollow(&mut self) {
        self.guarded.followed = None;
    }

    pub fn topic(&self) -> TopicId {
        self.record.topic
    }

    /// The number of the last frame that was posted.
    pub fn sequence(&self) -> u64 {
        self.guarded.routing.sequence
    }

    /// `None` on a channel without a sealed event or subscriber so far.
    pub fn keys(&self) -> Option<&ChannelKeys> {
        self.guarded.routing.keys.as_deref()
    }

    /// The channel's keys; `target` gives the version for a channel without keys so far.
    pub fn sealed(&mut self, target: impl FnOnce() -> Version) -> &ChannelKeys {
        let keys = &mut self.guarded.routing.keys;
        keys.get_or_insert_with(|| Box::new(ChannelKeys::new(target())))
    }

    /// Counts a subscriber with the secret of this version.
    pub fn join_key(&mut self, version: Version) {
        let keys = &mut self.guarded.routing.keys;
        keys.get_or_insert_with(|| Box::new(ChannelKeys::new(version))).join(version);
    }

    /// Posts to all workers with subscribers, under the record's lock: every worker sees the events
    /// of a channel in the same order.
    pub fn post(
        &mut self,
        hub: &Hub,
        content: Content,
        except: Option<SocketId>,
        audience: Audience,
        timing: EventTiming,
    ) {
        let topic = self.record.topic;
        let routing = &mut self.guarded.routing;
        routing.sequence += 1;
        let sequence = routing.sequence;
        let accepted = timing.timed(topic.0, sequence);
        let delivery = TopicDelivery { topic, content, sequence, except, audience, accepted };
        hub.post(&routing.subscribers, || WorkerCommand::Deliver(delivery.clone()));
    }

    /// Posts a message of the protocol to all subscribers. Events are encoded before the lock.
    pub fn post_message(&mut self, hub: &Hub, message: &Message<'_>, audience: Audience) {
        let content = Content::Same(Frame::new(message));
        self.post(hub, content, None, audience, EventTiming::Untimed);
    }

    /// Tells subscribers that are told positions that events are gone.
    pub fn tell_gap(&mut self, hub: &Hub, frame: Frame) {
        let topic = self.record.topic;
        let routing = &mut self.guarded.routing;
        routing.sequence += 1;
        let sequence = routing.sequence;
        let gap = || WorkerCommand::Gap { topic, frame: frame.clone(), sequence };
        hub.post(&routing.subscribers, gap);
    }

    /// Sets the channel's target and starts the rekey of its subscribers.
    pub fn rekey(&mut self, hub: &Hub, rekey: Rekey) {
        let routing = &mut self.guarded.routing;
        if let Some(keys) = &mut routing.keys {
            (keys.target, keys.nudge) = (rekey.target, Some(rekey.nudge.clone()));
        }
        hub.post(&routing.subscribers, || WorkerCommand::Rekey(rekey.clone()));
    }

    /// Ends all subscriptions to the channel.
    pub fn end(&self, hub: &Hub, why: EndReason) {
        let (topic, channel) = (self.record.topic, self.record.channel.name());
        hub.post(&self.guarded.routing.subscribers, || WorkerCommand::End {
            topic,
            channel: channel.clone(),
            why,
        });
    }

    pub fn close_topic(&self, hub: &Hub, opened_before: Instant) {
        let topic = self.record.topic;
        let close = || WorkerCommand::CloseTopic { topic, opened_before };
        hub.post(&self.guarded.routing.subscribers, close);
    }
}

impl Drop for LockedRecord<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let Guarded { state, routing, .. } = &*self.guarded;
        debug_assert_eq!(
            state.subscription_count(),
            routing.subscribers.iter().sum::<u32>(),
            "the subscribers of a channel are those of this node's workers"
        );
    }
}
