//! The directory of an app: one record for each live channel, with the state that spans workers.

use std::{sync::Arc, time::Instant};

use dashmap::DashMap;
use parking_lot::{Mutex, MutexGuard};

use super::{
    Hub,
    authorization_cache::EndReason,
    cached::{LastEvent, Ledger},
    channel_keys::ChannelKeys,
    mailbox::{Audience, Rekey, TopicDelivery, WorkerCommand},
};
use crate::{
    channels::{count_throttle::CountThrottle, members::Members},
    crypto::keytable::Version,
    domain::{
        channel::{Access, Channel},
        ids::SocketId,
    },
    protocol::content::Content,
};

/// Identifies a record by a number, so that the workers' tables need no strings. A number is never
/// used twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct TopicId(pub u64);

pub struct Record {
    topic: TopicId,
    channel: Channel,
    state: Mutex<ChannelState>,
}

pub struct ChannelState {
    /// The record is no longer in the directory; a holder must look the channel up again.
    removed: bool,
    sequence: u64,
    /// By worker.
    subscribers: Box<[u32]>,
    pub members: Members,
    pub last_event: Option<LastEvent>,
    /// The cache miss was reported to the app's backend.
    pub miss_reported: bool,
    pub count_throttle: CountThrottle,
    /// Set for sealed channels, from the first subscriber or event on.
    keys: Option<Box<ChannelKeys>>,
}

/// A locked record: the channel's state does not change meanwhile.
pub struct LockedRecord<'a> {
    record: &'a Record,
    state: MutexGuard<'a, ChannelState>,
}

impl Record {
    pub fn topic(&self) -> TopicId {
        self.topic
    }

    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// `None` if the record is no longer in the directory.
    pub fn enter(&self) -> Option<LockedRecord<'_>> {
        let state = self.state.lock();
        (!state.removed).then_some(LockedRecord { record: self, state })
    }

    pub fn subscription_count(&self) -> u32 {
        self.state.lock().subscription_count()
    }

    /// The number of the last frame that was posted.
    pub fn sequence(&self) -> u64 {
        self.state.lock().sequence
    }

    /// Counts a subscriber's change from one version to another.
    pub fn key_changed(&self, before: Version, after: Version) {
        if let Some(keys) = &mut self.state.lock().keys {
            keys.leave(before);
            keys.join(after);
        }
    }
}

impl ChannelState {
    fn new(workers: usize) -> Self {
        Self {
            removed: false,
            sequence: 0,
            subscribers: vec![0; workers].into(),
            members: Members::default(),
            last_event: None,
            miss_reported: false,
            count_throttle: CountThrottle::default(),
            keys: None,
        }
    }

    pub fn keys(&self) -> Option<&ChannelKeys> {
        self.keys.as_deref()
    }

    pub fn subscription_count(&self) -> u32 {
        self.subscribers.iter().sum()
    }

    fn is_unused(&self, now: Instant) -> bool {
        self.subscription_count() == 0
            && self.last_event.as_ref().is_none_or(|event| event.expires <= now)
    }
}

impl std::ops::Deref for LockedRecord<'_> {
    type Target = ChannelState;

    fn deref(&self) -> &ChannelState {
        &self.state
    }
}

impl std::ops::DerefMut for LockedRecord<'_> {
    fn deref_mut(&mut self) -> &mut ChannelState {
        &mut self.state
    }
}

impl LockedRecord<'_> {
    /// Counts a subscriber of `worker` and returns the sequence number that its state is of.
    pub fn subscribe(&mut self, worker: usize) -> u64 {
        self.state.subscribers[worker] += 1;
        self.state.sequence
    }

    /// `version`: the version of its secret, for a sealed channel.
    pub fn unsubscribe(&mut self, worker: usize, version: Option<Version>) {
        self.state.subscribers[worker] -= 1;
        if let (Some(keys), Some(version)) = (&mut self.state.keys, version) {
            keys.leave(version);
        }
    }

    pub fn channel(&self) -> &Channel {
        &self.record.channel
    }

    pub fn topic(&self) -> TopicId {
        self.record.topic
    }

    /// The number of the last frame that was posted.
    pub fn sequence(&self) -> u64 {
        self.state.sequence
    }

    pub fn is_occupied(&self) -> bool {
        self.state.subscription_count() > 0
    }

    /// The channel's keys; `target` gives the version for a channel without keys so far.
    pub fn sealed(&mut self, target: impl FnOnce() -> Version) -> &mut ChannelKeys {
        self.state.keys.get_or_insert_with(|| Box::new(ChannelKeys::new(target())))
    }

    /// Posts to all workers with subscribers, under the record's lock: every worker sees the events
    /// of a channel in the same order.
    pub fn post(
        &mut self,
        hub: &Hub,
        content: Content,
        except: Option<SocketId>,
        audience: Audience,
    ) {
        self.state.sequence += 1;
        let (topic, sequence) = (self.record.topic, self.state.sequence);
        let delivery = TopicDelivery { topic, content, sequence, except, audience };
        hub.post(&self.state.subscribers, || WorkerCommand::Deliver(delivery.clone()));
    }

    /// Sets the channel's target and starts the rekey of its subscribers.
    pub fn rekey(&mut self, hub: &Hub, rekey: Rekey) {
        if let Some(keys) = &mut self.state.keys {
            (keys.target, keys.nudge) = (rekey.target, Some(rekey.nudge.clone()));
        }
        hub.post(&self.state.subscribers, || WorkerCommand::Rekey(rekey.clone()));
    }

    /// Ends all subscriptions to the channel.
    pub fn end(&self, hub: &Hub, why: EndReason) {
        let (topic, channel) = (self.record.topic, self.record.channel.name());
        hub.post(&self.state.subscribers, || WorkerCommand::End {
            topic,
            channel: channel.clone(),
            why,
        });
    }

    pub fn close_topic(&self, hub: &Hub) {
        let topic = self.record.topic;
        hub.post(&self.state.subscribers, || WorkerCommand::CloseTopic { topic });
    }
}

/// Capacity for records that is never given back.
const KEPT_RECORDS: usize = 16 * 1024;

/// The live channels of one application.
pub struct Directory {
    records: DashMap<Arc<str>, Arc<Record>>,
    /// The app's last events on cache channels.
    ledger: Arc<Ledger>,
    hub: Arc<Hub>,
}

/// The figures of an app in `/stats`.
#[derive(Default, Clone, Copy, Debug, serde::Serialize)]
pub struct Occupancy {
    pub channels: usize,
    pub subscriptions: usize,
    pub members: usize,
    pub users: usize,
    pub cached_events: usize,
}

impl Directory {
    pub fn new(hub: Arc<Hub>) -> Self {
        Self { records: DashMap::new(), ledger: hub.cache.open_ledger(), hub }
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Sets the last event of a cache channel.
    pub fn set_last_event(
        &self,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
        event: LastEvent,
    ) {
        self.ledger.put(record, locked, event);
    }

    /// Drops the oldest last events until all are within `limit` bytes. The caller holds no record.
    pub fn enforce_limit(&self, limit: usize, now: Instant) {
        self.ledger
            .enforce_limit(limit)
            .iter()
            .for_each(|record| self.remove_if_unused(record, now));
    }

    pub fn find(&self, channel: &str) -> Option<Arc<Record>> {
        self.records.get(channel).map(|record| record.clone())
    }

    /// Finds or creates the channel's record and runs `action` under its lock.
    pub fn with<T>(
        &self,
        channel: &Channel,
        action: impl FnOnce(&Arc<Record>, LockedRecord<'_>) -> T,
    ) -> T {
        loop {
            // The map's own lock is released before the record is locked: see the lock order.
            let record = self.find(channel.name()).unwrap_or_else(|| {
                self.records
                    .entry(channel.name().clone())
                    .or_insert_with(|| Arc::new(self.record(channel)))
                    .clone()
            });
            match record.enter() {
                Some(locked) => return action(&record, locked),
                None => self.forget(&record),
            }
        }
    }

    /// Runs `action` under the lock of the channel's record, if it has one.
    pub fn with_existing<T>(
        &self,
        channel: &str,
        action: impl FnOnce(&Arc<Record>, LockedRecord<'_>) -> T,
    ) -> Option<T> {
        loop {
            let record = self.find(channel)?;
            match record.enter() {
                Some(locked) => return Some(action(&record, locked)),
                None => self.forget(&record),
            }
        }
    }

    fn record(&self, channel: &Channel) -> Record {
        Record {
            topic: self.hub.new_topic(),
            channel: channel.clone(),
            state: Mutex::new(ChannelState::new(self.hub.workers())),
        }
    }

    /// Removes the record from the directory if it is unused.
    pub fn remove_if_unused(&self, record: &Record, now: Instant) {
        let mut state = record.state.lock();
        if state.removed || !state.is_unused(now) {
            return;
        }
        state.removed = true;
        drop(state);
        self.forget(record);
    }

    fn forget(&self, record: &Record) {
        self.records.remove_if(record.channel.name(), |_, found| found.topic == record.topic);
    }

    /// A copy of the list, so that the map is not locked while records are read.
    pub fn records(&self) -> Vec<Arc<Record>> {
        self.records.iter().map(|record| record.clone()).collect()
    }

    /// Drops expired last events with the records that only they kept, and forgets members that
    /// left long ago.
    pub fn sweep(&self, now: Instant) {
        for record in self.records() {
            let kind = record.channel.kind();
            if !kind.cached && kind.access != Access::Presence {
                continue;
            }
            if let Some(mut locked) = record.enter() {
                locked.members.forget_left(now);
                if let Some(event) = locked.last_event.take_if(|event| event.expires <= now) {
                    self.ledger.forget(&event);
                }
            }
            self.remove_if_unused(&record, now);
        }
        if self.records.capacity() > KEPT_RECORDS.max(4 * self.records.len()) {
            self.records.shrink_to_fit();
        }
    }

    pub fn occupancy(&self) -> Occupancy {
        let mut sum = Occupancy::default();
        for record in self.records() {
            let Some(locked) = record.enter() else { continue };
            let subscriptions = locked.subscription_count() as usize;
            sum.subscriptions += subscriptions;
            sum.members += locked.members.count();
            sum.cached_events += usize::from(locked.last_event.is_some());
            sum.channels += usize::from(record.channel.is_listed() && subscriptions > 0);
            sum.users += usize::from(record.channel.user().is_some() && subscriptions > 0);
        }
        sum
    }
}

impl std::ops::AddAssign for Occupancy {
    fn add_assign(&mut self, other: Self) {
        self.channels += other.channels;
        self.subscriptions += other.subscriptions;
        self.members += other.members;
        self.users += other.users;
        self.cached_events += other.cached_events;
    }
}

#[cfg(test)]
mod tests;
