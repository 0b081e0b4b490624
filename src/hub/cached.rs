//! Last events of cache channels, within a byte budget for each app and one for the server. The
//! oldest are dropped first.
//!
//! A ledger is locked for one operation, by events on cache channels alone. A thread may wait for a
//! ledger while it holds a record, never the other way round.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use parking_lot::Mutex;

use super::{
    outbox,
    record::{LockedRecord, Record},
    server_budget::ServerBudget,
};
use crate::{
    channels::{change::Change, last_event::LastEvent},
    platform::counting::Count,
    protocol::content::Content,
};

/// The bytes of a channel's record and of its entries in directory and ledger.
const OVERHEAD: usize = 1024;

/// Bytes used by all stored forms of an event.
fn cost(event: &LastEvent) -> usize {
    let content = match &event.content {
        Content::Same(frame) => outbox::cost(frame.bytes()) + event.data.len(),
        // The data is one of the envelopes.
        Content::Sealed(frames) => frames
            .envelopes()
            .map(|(frame, envelope)| outbox::cost(frame.bytes()) + envelope.len())
            .sum(),
    };
    OVERHEAD + event.name.len() + content
}

/// The server's budget for all apps.
pub type CacheBudget = ServerBudget<Ledger>;

/// The last events of one app.
pub struct Ledger {
    server: Arc<CacheBudget>,
    entries: Mutex<LedgerEntries>,
    dropped: Count,
}

#[derive(Default)]
struct LedgerEntries {
    /// Records and costs by event number, the oldest first.
    events: BTreeMap<u64, (Arc<Record>, usize)>,
    bytes: usize,
}

impl ServerBudget<Ledger> {
    pub fn open_ledger(self: &Arc<Self>) -> Arc<Ledger> {
        let ledger = Arc::new(Ledger {
            server: self.clone(),
            entries: Mutex::default(),
            dropped: Count::default(),
        });
        self.register(&ledger);
        ledger
    }
}

impl Ledger {
    /// Replaces the channel's last event.
    pub fn put(
        &self,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
        event: LastEvent,
        now: Instant,
    ) {
        let number = self.server.next_number();
        let cost = cost(&event);
        let kept = Change::KeepEvent(LastEvent { number, ..event });
        let before = locked.apply(kept, now).dropped;
        let mut entries = self.entries.lock();
        if let Some(before) = before {
            self.remove(&mut entries, before);
        }
        entries.events.insert(number, (record.clone(), cost));
        self.add(&mut entries, cost);
    }

    /// Charges the event anew, after its forms have changed.
    pub fn recharge(&self, locked: &LockedRecord<'_>) {
        let Some(last) = locked.kept_event() else { return };
        let cost = cost(last);
        let mut entries = self.entries.lock();
        if let Some((record, _)) = self.remove(&mut entries, last.number) {
            entries.events.insert(last.number, (record, cost));
            self.add(&mut entries, cost);
        }
    }

    /// Removes an event from the ledger.
    pub fn forget(&self, number: u64) {
        self.remove(&mut self.entries.lock(), number);
    }

    /// Drops the oldest events until the app is within `limit` bytes and the server within its own.
    /// The caller holds no record. Returns the app's records that lost their event.
    pub fn enforce_limit(&self, limit: usize, now: Instant) -> Vec<Arc<Record>> {
        let mut dropped = Vec::new();
        while let Some(oldest) = self.oldest_beyond(limit) {
            dropped.extend(self.drop_event(oldest, now));
        }
        while self.server.is_exceeded() {
            let Some(ledger) = self.server.first_ledger(Self::first) else { break };
            let oldest = ledger.oldest_beyond(0);
            let record = oldest.and_then(|oldest| ledger.drop_event(oldest, now));
            dropped.extend(record.filter(|_| std::ptr::eq(self, &*ledger)));
        }
        dropped
    }

    fn first(&self) -> Option<u64> {
        self.entries.lock().events.first_key_value().map(|(number, _)| *number)
    }

    /// Takes the oldest event out of the ledger if it is over `limit`.
    fn oldest_beyond(&self, limit: usize) -> Option<(u64, Arc<Record>)> {
        let mut entries = self.entries.lock();
        if entries.bytes <= limit {
            return None;
        }
        let number = *entries.events.first_key_value()?.0;
        self.remove(&mut entries, number).map(|(record, _)| (number, record))
    }

    /// Does nothing if the channel has had another event meanwhile.
    fn drop_event(
        &self,
        (number, record): (u64, Arc<Record>),
        now: Instant,
    ) -> Option<Arc<Record>> {
        record.enter()?.apply(Change::DropEvent { number }, now).dropped?;
        self.dropped.add();
        Some(record)
    }

    fn add(&self, entries: &mut LedgerEntries, cost: usize) {
        entries.bytes += cost;
        self.server.add(cost);
    }

    fn remove(&self, entries: &mut LedgerEntries, number: u64) -> Option<(Arc<Record>, usize)> {
        let (record, cost) = entries.events.remove(&number)?;
        entries.bytes -= cost;
        self.server.give_back(cost);
        Some((record, cost))
    }

    pub fn bytes(&self) -> usize {
        self.entries.lock().bytes
    }

    /// Events dropped for lack of room since the start.
    pub fn dropped(&self) -> u64 {
        self.dropped.get()
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.server.give_back(self.entries.get_mut().bytes);
    }
}

#[cfg(test)]
mod tests;
