//! Reading the file: wholly at the start, and its keys alone after a write error.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use super::{
    file::{EntryKey, FileChanges, HistoryFile, HistoryRead, LogId},
    index::{IndexedLog, LogIndex},
    meta::{DiskEpochs, Meta, MetaError},
    record::{LogRecord, decode_entry, decode_log, encode_log},
    sealing::{FileKeys, NameKey, Unopened},
};
use crate::{
    channels::log::LogNumber,
    domain::time::UnixSeconds,
    history::journal::{JournalBody, JournalLog, LogAddress},
};

/// An open file with all that was in it.
pub struct Restored {
    pub file: HistoryFile,
    pub index: LogIndex,
    pub epochs: DiskEpochs,
    pub logs: Vec<JournalLog>,
    pub keys_in_use: HashSet<[u8; 6]>,
}

/// Opens the file, reads it, drops what has expired, and takes the mark of a clean end off. Until
/// that last step nothing has changed.
pub fn restore(
    file: HistoryFile,
    keys: &FileKeys,
    now: UnixSeconds,
) -> Result<Restored, MetaError> {
    let (read, mut changes) = (file.read()?, FileChanges::default());
    let Meta { names, epochs, floor } = Meta::begin(&read, file.inode(), keys, &mut changes)?;
    let (mut logs, mut in_use) = (read_logs(&read, keys)?, HashSet::new());
    read_entries(&read, keys, now, &mut logs, &mut changes, &mut in_use)?;
    drop(read);
    let (index, logs) = index(names, floor, logs, keys, &mut changes)?;
    file.commit(&changes)?;
    Ok(Restored { file, index, epochs, logs, keys_in_use: in_use })
}

/// The index of a file whose last commit may have failed.
pub fn reindex(file: &HistoryFile, keys: &FileKeys) -> Result<LogIndex, MetaError> {
    let read = file.read()?;
    // Made anew; nothing of it is written.
    let Meta { names, floor, .. } =
        Meta::begin(&read, file.inode(), keys, &mut FileChanges::default())?;
    let mut logs = read_logs(&read, keys)?;
    read.each_entry::<MetaError>(|key, _| {
        if let Some(log) = logs.get_mut(&key.log()) {
            log.numbers.push_back(key.number());
        }
        Ok(())
    })?;
    let (index, _) = index(names, floor, logs, keys, &mut FileChanges::default())?;
    Ok(index)
}

struct FoundLog {
    found: JournalLog,
    numbers: VecDeque<LogNumber>,
    /// The record of the log has to be written.
    has_changed: bool,
}

type FoundLogs = HashMap<LogId, FoundLog>;

fn read_logs(read: &HistoryRead, keys: &FileKeys) -> Result<FoundLogs, MetaError> {
    let mut logs = FoundLogs::new();
    read.each_log::<MetaError>(|id, sealed| {
        let text = keys.open(&id, sealed).map_err(MetaError::Unopened)?;
        let (address, record) = decode_log(&text).ok_or_else(altered)?;
        let LogRecord { last, cleared } = record;
        let found = JournalLog { address, last, cleared, entries: Vec::new() };
        // Sealed again after a rotation: the record has no end of its own.
        let has_changed = !keys.is_newest(sealed);
        logs.insert(id, FoundLog { found, numbers: VecDeque::new(), has_changed });
        Ok(())
    })?;
    Ok(logs)
}

fn read_entries(
    read: &HistoryRead,
    keys: &FileKeys,
    now: UnixSeconds,
    logs: &mut FoundLogs,
    changes: &mut FileChanges,
    in_use: &mut HashSet<[u8; 6]>,
) -> Result<(), MetaError> {
    read.each_entry(|key, record| {
        let text = keys.open(key.as_bytes(), record).map_err(MetaError::Unopened)?;
        let entry = decode_entry(key.number(), &text).ok_or_else(altered)?;
        match logs.get_mut(&key.log()) {
            Some(log) if entry.expires > now => {
                in_use.extend(FileKeys::key_of(record));
                if let JournalBody::Sealed(at_rest) = &entry.body {
                    in_use.insert(at_rest.key);
                }
                log.numbers.push_back(entry.number);
                log.found.entries.push(entry);
            }
            Some(log) => {
                log.has_changed = true;
                log.found.last = log.found.last.max(entry.number);
                changes.entries.push((key, None));
            }
            None => changes.entries.push((key, None)),
        }
        Ok(())
    })
}

/// Divides what was found into the index and the contents, and notes the changes of logs.
fn index(
    names: NameKey,
    floor: LogNumber,
    logs: FoundLogs,
    keys: &FileKeys,
    changes: &mut FileChanges,
) -> Result<(LogIndex, Vec<JournalLog>), MetaError> {
    let (mut indexed, mut contents) = (HashMap::with_capacity(logs.len()), Vec::new());
    for (id, FoundLog { found, numbers, has_changed }) in logs {
        let record = LogRecord { last: found.last, cleared: found.cleared };
        if has_changed {
            changes.logs.push((id, Some(keys.seal(&id, encode_log(&found.address, &record))?)));
        }
        let address: LogAddress = found.address.clone();
        indexed.insert(address, IndexedLog { id, record, numbers });
        contents.push(found);
    }
    Ok((LogIndex::new(names, floor, indexed), contents))
}

fn altered() -> MetaError {
    MetaError::Unopened(Unopened::Altered)
}

/// Removes entries of which nobody was told, though they may have been written.
pub fn undo(entries: &BTreeSet<EntryKey>, index: &mut LogIndex, changes: &mut FileChanges) {
    for key in entries {
        changes.entries.push((*key, None));
        index.remove(*key);
    }
}
