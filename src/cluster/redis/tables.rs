//! The key table of an app in Redis: its generation, and behind it the sealed table.

use bytes::Bytes;
use redis::{Cmd, Value};

const STORE: &str = include_str!("scripts/table.lua");

const GENERATION_BYTES: usize = 8;

/// The generation, and as much of the sealed table as differs in each of them: version and nonce.
const HEAD_BYTES: usize = GENERATION_BYTES + 13;

/// Tells a stored table from all others.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TableHead(Bytes);

impl TableHead {
    /// Empty if there is none. Shorter than a head if no node wrote it.
    fn of(value: &[u8]) -> Self {
        Self(Bytes::copy_from_slice(&value[..value.len().min(HEAD_BYTES)]))
    }

    pub fn generation(&self) -> u64 {
        self.0.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }

    fn expected(&self) -> &[u8] {
        &self.0[..self.0.len().min(GENERATION_BYTES)]
    }
}

/// A table as it lies in Redis; empty if there is none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StoredTable {
    pub head: TableHead,
    /// Sealed for its generation.
    pub sealed: Bytes,
}

impl StoredTable {
    pub fn new(generation: u64, sealed: &[u8]) -> Self {
        Self::of(&[&generation.to_be_bytes()[..], sealed].concat())
    }

    fn of(value: &[u8]) -> Self {
        let sealed = value.get(GENERATION_BYTES..).unwrap_or_default();
        Self { head: TableHead::of(value), sealed: Bytes::copy_from_slice(sealed) }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TableStored {
    Stored,
    /// The generation is another one by now.
    Conflict,
}

#[derive(Clone)]
pub struct TableKeys {
    pub table: Bytes,
    /// Of all nodes.
    pub topic: Bytes,
}

impl TableKeys {
    /// `expected`: what the caller has read. `notice` is told if the table is stored. Sent again with
    /// the same bytes, it is stored once.
    pub fn store(&self, expected: &TableHead, table: &StoredTable, notice: &[u8]) -> Cmd {
        let mut command = redis::cmd("EVAL");
        command.arg(STORE).arg(2).arg(&self.table[..]).arg(&self.topic[..]);
        command.arg(expected.expected()).arg(table.head.expected());
        command.arg(&table.sealed[..]).arg(notice);
        command
    }

    pub fn read(&self) -> Cmd {
        let mut command = redis::cmd("GET");
        command.arg(&self.table[..]);
        command
    }

    pub fn look(&self) -> Cmd {
        let mut command = redis::cmd("GETRANGE");
        command.arg(&self.table[..]).arg(0).arg(HEAD_BYTES - 1);
        command
    }
}

/// `None` for an error.
pub fn read_table(answer: &Value) -> Option<StoredTable> {
    match answer {
        Value::Nil => Some(StoredTable::default()),
        Value::BulkString(value) => Some(StoredTable::of(value)),
        _ => None,
    }
}

pub fn read_head(answer: &Value) -> Option<TableHead> {
    match answer {
        Value::BulkString(value) => Some(TableHead::of(value)),
        _ => None,
    }
}

pub fn read_stored(answer: &Value) -> Option<TableStored> {
    let Value::Array(parts) = answer else { return None };
    match parts.first()? {
        Value::BulkString(word) if word == b"STORED" => Some(TableStored::Stored),
        Value::BulkString(word) if word == b"CONFLICT" => Some(TableStored::Conflict),
        _ => None,
    }
}
