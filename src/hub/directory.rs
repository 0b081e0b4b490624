//! The directory of an app: one record for each live channel, with the state that spans workers.

use std::{sync::Arc, time::Instant};

use dashmap::{DashMap, Entry};

use super::{
    Hub,
    cached::Ledger,
    log_budget::LogLedger,
    log_keeper::LogKeeper,
    record::{LockedRecord, Record},
};
use crate::{
    channels::{change::Change, last_event::LastEvent, log::Log},
    domain::channel::Channel,
};

/// Capacity for records that is never given back.
const KEPT_RECORDS: usize = 16 * 1024;

/// The live channels of one application.
pub struct Directory {
    records: DashMap<Arc<str>, Arc<Record>>,
    /// The app's last events on cache channels.
    ledger: Arc<Ledger>,
    /// The app's logs.
    logs: Arc<LogLedger>,
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
        let (ledger, logs) = (hub.cache.open_ledger(), hub.history.open_ledger());
        Self { records: DashMap::new(), ledger, logs, hub }
    }

    /// For channels that come into use from now on.
    pub fn set_keeper(&self, keeper: Box<dyn LogKeeper>) {
        self.logs.set_keeper(keeper);
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub fn logs(&self) -> &LogLedger {
        &self.logs
    }

    /// Sets the last event of a cache channel.
    pub fn set_last_event(
        &self,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
        event: LastEvent,
        now: Instant,
    ) {
        self.ledger.put(record, locked, event, now);
    }

    /// Drops the oldest last events until all are within `limit` bytes. The caller holds no record.
    pub fn enforce_limit(&self, limit: usize, now: Instant) {
        self.ledger
            .enforce_limit(limit, now)
            .iter()
            .for_each(|record| self.remove_if_unused(record, now));
    }

    /// Ends the logs that were silent for longest, until all are within `limit` bytes. The caller
    /// holds no record.
    pub fn enforce_log_limit(&self, limit: usize, now: Instant) {
        self.logs
            .enforce_limit(limit, now)
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
        self.record_with(channel, self.new_log(channel))
    }

    fn record_with(&self, channel: &Channel, log: Option<Log>) -> Record {
        Record::new(self.hub.new_topic(), channel.clone(), self.hub.workers(), log)
    }

    fn new_log(&self, channel: &Channel) -> Option<Log> {
        let keeper = self.logs.keeper();
        let keeper = keeper.as_ref()?;
        let settings = keeper.settings(channel)?;
        let log = Log::new(settings, self.hub.log_numbers.origin(), Instant::now());
        keeper.begun(channel, &log);
        Some(log)
    }

    /// Takes over a log from a journal, as an event would be; `limit` as there. False if the channel
    /// is in use already.
    pub fn restore(&self, channel: &Channel, log: Log, limit: usize) -> bool {
        let record = Arc::new(self.record_with(channel, Some(log)));
        match self.records.entry(channel.name().clone()) {
            Entry::Occupied(_) => return false,
            Entry::Vacant(vacant) => drop(vacant.insert(record.clone())),
        }
        if let Some(mut locked) = record.enter() {
            // The journal may have more, from before the log's beginning.
            locked.log().into_iter().for_each(|log| self.logs.tell_trimmed(&record, log));
            self.logs.charge(&record, &mut locked, limit, Instant::now());
        }
        true
    }

    /// Removes the record from the directory if it is unused.
    pub fn remove_if_unused(&self, record: &Record, now: Instant) {
        let ended = |log: &Log| {
            self.hub.log_numbers.ended(log);
            self.logs.forget(record.topic());
            if let Some(keeper) = &*self.logs.keeper() {
                keeper.ended(record.channel(), log);
            }
        };
        if record.remove_if_unused(now, ended) {
            self.forget(record);
        }
    }

    fn forget(&self, record: &Record) {
        self.records.remove_if(record.channel().name(), |_, found| found.topic() == record.topic());
    }

    /// A copy of the list, so that the map is not locked while records are read.
    pub fn records(&self) -> Vec<Arc<Record>> {
        self.records.iter().map(|record| record.clone()).collect()
    }

    /// Drops expired events with the records that only they kept, and forgets members that left
    /// long ago.
    pub fn sweep(&self, now: Instant) {
        for record in self.records() {
            let kind = record.channel().kind();
            let Some(mut locked) = record.enter() else { continue };
            if !kind.is_cached() && !kind.has_members() && locked.log().is_none() {
                continue;
            }
            self.expire(&record, &mut locked, now);
            drop(locked);
            self.remove_if_unused(&record, now);
        }
        if self.records.capacity() > KEPT_RECORDS.max(4 * self.records.len()) {
            self.records.shrink_to_fit();
        }
    }

    /// True while the other nodes of a cluster may know of this one on a channel.
    pub fn has_followed(&self) -> bool {
        self.records().iter().any(|record| record.is_followed())
    }

    /// Drops the last event of a channel.
    pub fn drop_last_event(&self, locked: &mut LockedRecord<'_>, now: Instant) {
        let Some(number) = locked.kept_event().map(|event| event.number) else { return };
        if locked.apply(Change::DropEvent { number }, now).dropped.is_some() {
            self.ledger.forget(number);
        }
    }

    /// Drops what has expired on one channel.
    pub fn expire(&self, record: &Arc<Record>, locked: &mut LockedRecord<'_>, now: Instant) {
        if let Some(number) = locked.apply(Change::Expire, now).dropped {
            self.ledger.forget(number);
        }
        self.logs.recharge(record, locked, now);
    }

    pub fn occupancy(&self) -> Occupancy {
        let mut sum = Occupancy::default();
        for record in self.records() {
            let Some(locked) = record.enter() else { continue };
            let subscriptions = locked.subscription_count() as usize;
            sum.subscriptions += subscriptions;
            sum.members += locked.members().count();
            sum.cached_events += usize::from(locked.kept_event().is_some());
            sum.channels += usize::from(record.channel().kind().is_listed() && subscriptions > 0);
            sum.users += usize::from(record.channel().user().is_some() && subscriptions > 0);
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
