//! The file: three tables of a redb database. Entries are keyed by number first, so that appending
//! and trimming touch few pages.

use std::{
    fs::File,
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use redb::{
    Database, DatabaseError, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable,
    StorageError, TableDefinition, TableError, TableHandle, WriteTransaction,
    backends::FileBackend,
};

use crate::{channels::log::LogNumber, platform::state_dir};

/// A keyed hash of app, channel and store.
pub type LogId = [u8; 16];

/// The number of an entry, then its log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct EntryKey([u8; 24]);

type RecordBytes = Vec<u8>;

const META: TableDefinition<&str, &[u8]> = TableDefinition::new("sealcast history");
const LOGS: TableDefinition<&[u8; 16], &[u8]> = TableDefinition::new("logs");
const ENTRIES: TableDefinition<&[u8; 24], &[u8]> = TableDefinition::new("entries");

/// Pages in memory: enough for the newest and the oldest entries, which all writing touches.
const CACHE_BYTES: usize = 8 << 20;

/// Changes for one commit, in order. `None` removes.
#[derive(Default)]
pub struct FileChanges {
    pub entries: Vec<(EntryKey, Option<RecordBytes>)>,
    pub logs: Vec<(LogId, Option<RecordBytes>)>,
    pub meta: Vec<(&'static str, Option<RecordBytes>)>,
}

impl FileChanges {
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.logs.is_empty() && self.meta.is_empty()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("another server has it open")]
    InUse,
    #[error("it is no history file")]
    Foreign,
    #[error("its format {0} is of another version")]
    Version(String),
    #[error("it is damaged ({0})")]
    Damaged(String),
    #[error("{0}")]
    Io(io::Error),
}

pub struct HistoryFile {
    database: Database,
    path: PathBuf,
    /// Distinguishes the file from a copy of it.
    inode: u64,
}

impl EntryKey {
    pub fn new(number: LogNumber, log: LogId) -> Self {
        let mut key = [0; 24];
        key[..8].copy_from_slice(&number.0.to_be_bytes());
        key[8..].copy_from_slice(&log);
        Self(key)
    }

    pub fn number(&self) -> LogNumber {
        let (number, _) = self.0.split_first_chunk().expect("a key has 24 bytes");
        LogNumber(u64::from_be_bytes(*number))
    }

    pub fn log(&self) -> LogId {
        let (_, log) = self.0.split_last_chunk().expect("a key has 24 bytes");
        *log
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl HistoryFile {
    /// Creates a missing file. `checked`: reads every page first, since the file may have been
    /// changed by others.
    pub fn open(path: &Path, checked: bool) -> Result<Self, FileError> {
        let file = state_dir::open_to_change(path).map_err(FileError::Io)?;
        let data = file.metadata().map_err(FileError::Io)?;
        let (is_new, inode) = (data.len() == 0, data.ino());
        let database = open_database(file, checked && !is_new)?;
        let opened = Self { database, path: path.to_owned(), inode };
        if opened.is_foreign()? {
            return Err(FileError::Foreign);
        }
        Ok(opened)
    }

    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// Zero if it cannot be seen.
    pub fn bytes(&self) -> u64 {
        self.path.metadata().map_or(0, |data| data.len())
    }

    /// Another program's database has tables, and none of this name.
    fn is_foreign(&self) -> Result<bool, FileError> {
        let read = self.read()?;
        let mut names = read.0.list_tables()?.map(|table| table.name().to_owned()).peekable();
        Ok(names.peek().is_some() && !names.any(|name| name == META.name()))
    }

    pub fn read(&self) -> Result<HistoryRead, FileError> {
        Ok(HistoryRead(self.database.begin_read()?))
    }

    /// All or nothing. Outlives a loss of power when it returns. After an error it is unknown
    /// whether the changes are in the file, and the file has to be opened again.
    pub fn commit(&self, changes: &FileChanges) -> Result<(), FileError> {
        let write = self.database.begin_write()?;
        put_all(&write, changes)?;
        Ok(write.commit()?)
    }
}

fn open_database(file: File, checked: bool) -> Result<Database, FileError> {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(checked);
    Ok(builder.create_with_backend(FileBackend::new(file)?)?)
}

fn put_all(write: &WriteTransaction, changes: &FileChanges) -> Result<(), FileError> {
    let mut entries = write.open_table(ENTRIES)?;
    for (EntryKey(key), value) in &changes.entries {
        match value {
            Some(value) => drop(entries.insert(key, &**value)?),
            None => drop(entries.remove(key)?),
        }
    }
    let mut logs = write.open_table(LOGS)?;
    for (key, value) in &changes.logs {
        match value {
            Some(value) => drop(logs.insert(key, &**value)?),
            None => drop(logs.remove(key)?),
        }
    }
    let mut meta = write.open_table(META)?;
    for (key, value) in &changes.meta {
        match value {
            Some(value) => drop(meta.insert(key, &**value)?),
            None => drop(meta.remove(key)?),
        }
    }
    Ok(())
}

/// The file at one moment.
pub struct HistoryRead(ReadTransaction);

impl HistoryRead {
    pub fn meta(&self, key: &str) -> Result<Option<RecordBytes>, FileError> {
        let Some(table) = existing(self.0.open_table(META))? else { return Ok(None) };
        Ok(table.get(key)?.map(|value| value.value().to_vec()))
    }

    pub fn each_log<E: From<FileError>>(
        &self,
        mut each: impl FnMut(LogId, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(table) = existing(self.0.open_table(LOGS))? else { return Ok(()) };
        for found in table.iter().map_err(FileError::from)? {
            let (key, value) = found.map_err(FileError::from)?;
            each(*key.value(), value.value())?;
        }
        Ok(())
    }

    /// By number.
    pub fn each_entry<E: From<FileError>>(
        &self,
        mut each: impl FnMut(EntryKey, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(table) = existing(self.0.open_table(ENTRIES))? else { return Ok(()) };
        for found in table.iter().map_err(FileError::from)? {
            let (key, value) = found.map_err(FileError::from)?;
            each(EntryKey(*key.value()), value.value())?;
        }
        Ok(())
    }
}

fn existing<K: redb::Key, V: redb::Value>(
    opened: Result<ReadOnlyTable<K, V>, TableError>,
) -> Result<Option<ReadOnlyTable<K, V>>, FileError> {
    match opened {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl From<StorageError> for FileError {
    fn from(error: StorageError) -> Self {
        match error {
            // What redb says of a file without its mark.
            StorageError::Io(error) if error.kind() == io::ErrorKind::InvalidData => Self::Foreign,
            StorageError::Io(error) => Self::Io(error),
            StorageError::Corrupted(reason) => Self::Damaged(reason),
            other => Self::Io(io::Error::other(other)),
        }
    }
}

impl From<DatabaseError> for FileError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => Self::InUse,
            DatabaseError::UpgradeRequired(version) => Self::Version(format!("{version} of redb")),
            DatabaseError::Storage(error) => error.into(),
            other => Self::Damaged(other.to_string()),
        }
    }
}

impl From<TableError> for FileError {
    fn from(error: TableError) -> Self {
        match error {
            TableError::Storage(error) => error.into(),
            other => Self::Damaged(other.to_string()),
        }
    }
}

impl From<redb::TransactionError> for FileError {
    fn from(error: redb::TransactionError) -> Self {
        match error {
            redb::TransactionError::Storage(error) => error.into(),
            other => Self::Io(io::Error::other(other)),
        }
    }
}

impl From<redb::CommitError> for FileError {
    fn from(error: redb::CommitError) -> Self {
        match error {
            redb::CommitError::Storage(error) => error.into(),
            other => Self::Io(io::Error::other(other)),
        }
    }
}
