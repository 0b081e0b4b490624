//! What the file contains, without the contents: enough to turn a change into records.

use std::collections::{HashMap, VecDeque};

use super::{
    file::{EntryKey, FileChanges, LogId},
    meta,
    queue::Op,
    record::{LogRecord, encode_entry, encode_log},
    sealing::{FileKeys, NameKey},
};
use crate::{
    channels::log::LogNumber,
    history::journal::{JournalEntry, LogAddress},
};

/// Eight bytes for each entry of the file.
pub struct LogIndex {
    names: NameKey,
    logs: HashMap<LogAddress, IndexedLog>,
    /// Not less than any number that the file has had.
    floor: LogNumber,
}

pub struct IndexedLog {
    pub id: LogId,
    pub record: LogRecord,
    /// Of the entries, ascending.
    pub numbers: VecDeque<LogNumber>,
}

impl IndexedLog {
    pub fn last(&self) -> LogNumber {
        self.numbers.back().copied().unwrap_or_default().max(self.record.last)
    }
}

impl LogIndex {
    pub fn new(names: NameKey, floor: LogNumber, logs: HashMap<LogAddress, IndexedLog>) -> Self {
        let floor = logs.values().map(IndexedLog::last).fold(floor, LogNumber::max);
        Self { names, logs, floor }
    }

    pub fn floor(&self) -> LogNumber {
        self.floor
    }

    pub fn key_of(&self, log: &LogAddress, number: LogNumber) -> EntryKey {
        EntryKey::new(number, self.names.id(log))
    }

    /// Rare, so it searches.
    pub fn remove(&mut self, key: EntryKey) {
        if let Some(log) = self.logs.values_mut().find(|log| log.id == key.log()) {
            log.numbers.retain(|number| *number != key.number());
        }
    }

    /// Adds to the changes what the operation means for the file.
    pub fn apply(
        &mut self,
        op: &Op,
        keys: &FileKeys,
        changes: &mut FileChanges,
    ) -> Result<(), getrandom::Error> {
        match op {
            Op::Begin { log, origin } => self.begin(log, *origin, keys, changes),
            Op::Append { log, entry, .. } => self.append(log, entry, keys, changes),
            Op::Trim { log, up_to } => self.trim(log, *up_to, keys, changes),
            Op::Clear { log, number, .. } => self.clear(log, *number, keys, changes),
            Op::Forget { log } => {
                self.forget(log, changes);
                Ok(())
            }
        }
    }

    fn begin(
        &mut self,
        log: &LogAddress,
        origin: LogNumber,
        keys: &FileKeys,
        changes: &mut FileChanges,
    ) -> Result<(), getrandom::Error> {
        self.note(origin);
        if self.logs.contains_key(log) {
            return Ok(());
        }
        let record = LogRecord { last: origin, cleared: LogNumber::default() };
        let id = self.names.id(log);
        put_log(log, id, &record, keys, changes)?;
        self.logs.insert(log.clone(), IndexedLog { id, record, numbers: VecDeque::new() });
        Ok(())
    }

    fn append(
        &mut self,
        log: &LogAddress,
        entry: &JournalEntry,
        keys: &FileKeys,
        changes: &mut FileChanges,
    ) -> Result<(), getrandom::Error> {
        self.begin(log, entry.previous, keys, changes)?;
        self.note(entry.number);
        let Some(indexed) = self.logs.get_mut(log) else { return Ok(()) };
        let key = EntryKey::new(entry.number, indexed.id);
        let record = keys.seal(key.as_bytes(), encode_entry(entry))?;
        changes.entries.push((key, Some(record)));
        // A second attempt finds the number of the first.
        if indexed.numbers.back().is_none_or(|last| *last < entry.number) {
            indexed.numbers.push_back(entry.number);
        }
        Ok(())
    }

    fn trim(
        &mut self,
        log: &LogAddress,
        up_to: LogNumber,
        keys: &FileKeys,
        changes: &mut FileChanges,
    ) -> Result<(), getrandom::Error> {
        let Some(indexed) = self.logs.get_mut(log) else { return Ok(()) };
        let Some(dropped) = drop_up_to(indexed, up_to, changes) else { return Ok(()) };
        if indexed.numbers.is_empty() && dropped > indexed.record.last {
            indexed.record.last = dropped;
            put_log(log, indexed.id, &indexed.record, keys, changes)?;
        }
        Ok(())
    }

    fn clear(
        &mut self,
        log: &LogAddress,
        number: LogNumber,
        keys: &FileKeys,
        changes: &mut FileChanges,
    ) -> Result<(), getrandom::Error> {
        self.begin(log, number, keys, changes)?;
        self.note(number);
        let Some(indexed) = self.logs.get_mut(log) else { return Ok(()) };
        drop_up_to(indexed, number, changes);
        indexed.record = LogRecord { last: number.max(indexed.record.last), cleared: number };
        put_log(log, indexed.id, &indexed.record, keys, changes)
    }

    fn forget(&mut self, log: &LogAddress, changes: &mut FileChanges) {
        let Some(mut indexed) = self.logs.remove(log) else { return };
        self.note(indexed.last());
        drop_up_to(&mut indexed, LogNumber(u64::MAX), changes);
        changes.logs.push((indexed.id, None));
        changes.meta.push((meta::FLOOR, Some(self.floor.0.to_be_bytes().to_vec())));
    }

    fn note(&mut self, number: LogNumber) {
        self.floor = self.floor.max(number);
    }
}

/// Returns the greatest number dropped.
fn drop_up_to(
    indexed: &mut IndexedLog,
    up_to: LogNumber,
    changes: &mut FileChanges,
) -> Option<LogNumber> {
    let mut dropped = None;
    while let Some(number) = indexed.numbers.pop_front_if(|number| *number <= up_to) {
        changes.entries.push((EntryKey::new(number, indexed.id), None));
        dropped = Some(number);
    }
    dropped
}

fn put_log(
    log: &LogAddress,
    id: LogId,
    record: &LogRecord,
    keys: &FileKeys,
    changes: &mut FileChanges,
) -> Result<(), getrandom::Error> {
    changes.logs.push((id, Some(keys.seal(&id, encode_log(log, record))?)));
    Ok(())
}
