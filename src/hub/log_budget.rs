//! Memory of logs, within a byte budget for each app and one for the server. Over one of them a
//! growing log above the average gives its older half, then the logs go that were silent for
//! longest. Last events of cache channels have a budget of their own (`hub::cached`).
//!
//! All changes of logs are charged, so the ledger also sees which have lost events, and tells the
//! log's keeper.
//!
//! A ledger is locked for one operation, by changes of logs alone. A thread may wait for a ledger
//! while it holds a record, never the other way round.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Instant,
};

use arc_swap::{ArcSwapOption, Guard};
use parking_lot::Mutex;

use super::{
    int_hasher::BuildIntHasher,
    log_keeper::LogKeeper,
    record::{LockedRecord, Record, TopicId},
    server_budget::ServerBudget,
};
use crate::{
    channels::{
        change::{Change, LogChange},
        log::{Log, LogNumber},
    },
    platform::counting::Count,
};

/// The bytes of a channel's record and log, and of their entries in directory and ledger.
const OVERHEAD: usize = 1536;

/// The bytes charged for a channel's log. `None`: nothing is kept for its sake.
fn cost(locked: &LockedRecord<'_>, log: &Log, now: Instant) -> Option<usize> {
    let keeps_record = !locked.is_occupied() && log.is_live(now);
    (keeps_record || !log.is_empty()).then(|| OVERHEAD + log.bytes())
}

/// The server's budget for all apps.
pub type HistoryBudget = ServerBudget<LogLedger>;

/// The logs of one app.
pub struct LogLedger {
    server: Arc<HistoryBudget>,
    logs: Mutex<ChargedLogs>,
    evicted: Count,
    keeper: ArcSwapOption<Box<dyn LogKeeper>>,
}

/// The order in which logs go. First those without events, so that visits to many channels take no
/// events of others, then those that were silent for longest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    has_events: bool,
    moment: u64,
}

#[derive(Clone, Copy)]
struct Charge {
    turn: Turn,
    cost: usize,
    /// `Log::kept_after`, as the keeper knows it.
    kept_after: LogNumber,
}

#[derive(Default)]
struct ChargedLogs {
    by_topic: HashMap<TopicId, Charge, BuildIntHasher>,
    by_turn: BTreeMap<Turn, Arc<Record>>,
    bytes: usize,
}

impl ChargedLogs {
    fn remove(&mut self, topic: TopicId) -> Option<Charge> {
        let charge = self.by_topic.remove(&topic)?;
        self.by_turn.remove(&charge.turn);
        self.bytes -= charge.cost;
        Some(charge)
    }

    fn insert(&mut self, record: &Arc<Record>, charge: Charge) {
        self.by_topic.insert(record.topic(), charge);
        self.by_turn.insert(charge.turn, record.clone());
        self.bytes += charge.cost;
    }
}

impl ServerBudget<LogLedger> {
    pub fn open_ledger(self: &Arc<Self>) -> Arc<LogLedger> {
        let ledger = Arc::new(LogLedger {
            server: self.clone(),
            logs: Mutex::default(),
            evicted: Count::default(),
            keeper: ArcSwapOption::empty(),
        });
        self.register(&ledger);
        ledger
    }
}

impl LogLedger {
    pub fn set_keeper(&self, keeper: Box<dyn LogKeeper>) {
        self.keeper.store(Some(Arc::new(keeper)));
    }

    pub fn keeper(&self) -> Guard<Option<Arc<Box<dyn LogKeeper>>>> {
        self.keeper.load()
    }

    /// Charges the channel's log after an event. If the app is over `limit` bytes or the server over
    /// its own, a log above the average gives its older half; `enforce_limit` does the rest.
    pub fn charge(
        &self,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
        limit: usize,
        now: Instant,
    ) {
        let moment = self.server.next_number();
        if self.note(record, locked, Some(moment), now) > limit || self.server.is_exceeded() {
            self.take_half(record, locked, now);
        }
    }

    /// Charges the log anew, after another change.
    pub fn recharge(&self, record: &Arc<Record>, locked: &LockedRecord<'_>, now: Instant) {
        self.note(record, locked, None, now);
    }

    /// Removes a log from the ledger.
    pub fn forget(&self, topic: TopicId) {
        if let Some(charge) = self.logs.lock().remove(topic) {
            self.server.give_back(charge.cost);
        }
    }

    /// Ends the logs that were silent for longest, until the app is within `limit` bytes and the
    /// server within its own. The caller holds no record. Returns the app's records that lost their
    /// log.
    pub fn enforce_limit(&self, limit: usize, now: Instant) -> Vec<Arc<Record>> {
        let mut ended = Vec::new();
        while let Some(record) = self.next_beyond(limit) {
            self.give_up(&record, now);
            ended.push(record);
        }
        while self.server.is_exceeded() {
            let Some(ledger) = self.server.first_ledger(Self::first) else { break };
            let Some(record) = ledger.next_beyond(0) else { continue };
            ledger.give_up(&record, now);
            if std::ptr::eq(self, &*ledger) {
                ended.push(record);
            }
        }
        ended
    }

    /// Charges the log's cost of this moment, and tells the keeper what it has lost. Without a moment
    /// of its own the log keeps the last one. Returns the app's bytes.
    fn note(
        &self,
        record: &Arc<Record>,
        locked: &LockedRecord<'_>,
        moment: Option<u64>,
        now: Instant,
    ) -> usize {
        let Some(log) = locked.log() else { return 0 };
        let (cost, has_events) = (cost(locked, log, now), !log.is_empty());
        let kept_after = log.kept_after();
        let mut logs = self.logs.lock();
        let before = logs.remove(record.topic());
        if let Some(before) = before {
            self.server.give_back(before.cost);
        }
        if let Some(cost) = cost {
            let last = before.map(|before| before.turn.moment);
            let next = || self.server.next_number();
            let turn = Turn { has_events, moment: moment.or(last).unwrap_or_else(next) };
            logs.insert(record, Charge { turn, cost, kept_after });
            self.server.add(cost);
        }
        let bytes = logs.bytes;
        drop(logs);
        // Without events the ledger may not know what it has told: it tells it again.
        if kept_after != before.map_or(log.origin(), |before| before.kept_after) {
            self.tell_trimmed(record, log);
        }
        bytes
    }

    /// Tells the keeper what the log has lost.
    pub fn tell_trimmed(&self, record: &Record, log: &Log) {
        if let Some(keeper) = &*self.keeper() {
            keeper.trimmed(record.channel(), log);
        }
    }

    fn take_half(&self, record: &Arc<Record>, locked: &mut LockedRecord<'_>, now: Instant) {
        if self.is_above_average(record.topic()) && locked.log().is_some_and(|log| log.len() > 1) {
            let evicted = locked.apply(Change::InLog(LogChange::Shrink), now).evicted;
            self.evicted.add_many(evicted as u64);
            self.note(record, locked, None, now);
        }
    }

    /// A log alone in its app is. Equal ones are not: the silent ones are to go.
    fn is_above_average(&self, topic: TopicId) -> bool {
        let logs = self.logs.lock();
        let count = logs.by_topic.len();
        let cost = logs.by_topic.get(&topic).map_or(0, |charge| charge.cost);
        count == 1 || cost.saturating_mul(count) > logs.bytes
    }

    fn give_up(&self, record: &Arc<Record>, now: Instant) {
        let Some(mut locked) = record.enter() else { return };
        let evicted = locked.apply(Change::InLog(LogChange::GiveUp), now).evicted;
        self.evicted.add_many(evicted as u64);
        // An event may have come in meanwhile.
        self.note(record, &locked, None, now);
    }

    fn first(&self) -> Option<Turn> {
        self.logs.lock().by_turn.first_key_value().map(|(turn, _)| *turn)
    }

    /// Takes the next log out of the ledger if it is over `limit`.
    fn next_beyond(&self, limit: usize) -> Option<Arc<Record>> {
        let mut logs = self.logs.lock();
        if logs.bytes <= limit {
            return None;
        }
        let record = logs.by_turn.first_key_value()?.1.clone();
        let charge = logs.remove(record.topic())?;
        self.server.give_back(charge.cost);
        Some(record)
    }

    pub fn bytes(&self) -> usize {
        self.logs.lock().bytes
    }

    /// Logs that are charged.
    pub fn count(&self) -> usize {
        self.logs.lock().by_topic.len()
    }

    /// Events that were given up for lack of room since the start.
    pub fn evicted(&self) -> u64 {
        self.evicted.get()
    }
}

impl Drop for LogLedger {
    fn drop(&mut self) {
        self.server.give_back(self.logs.get_mut().bytes);
    }
}

#[cfg(test)]
mod tests;
