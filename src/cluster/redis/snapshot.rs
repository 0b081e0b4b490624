//! The state of a channel at one place among its messages.
//!
//! One transaction reads the state and publishes a mark to the reader's own topic. What the reader
//! hears of the channel before the mark is in the state. What it hears after the mark is newer.

use bytes::Bytes;
use redis::{Cmd, Value};

use super::{
    ID_BYTES, Id,
    keys::Keys,
    log::{LogEntry, read_entries},
    messages::Mark,
    numbers,
    refusals::Refusal,
    scripts::{Script, Scripts},
};

const TAG_BYTES: usize = 8;

/// The most events of a log that a snapshot brings.
pub const MAX_MISSED: usize = 256;

/// Replaces all that a node knew of the channel.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Snapshot {
    /// 0 if the engine has nothing of the channel.
    pub number: u64,
    pub total: u64,
    /// The last subscriber has left a draining node, and may come back to another.
    pub lingers: bool,
    pub members: Vec<StoredMember>,
    pub last_event: Option<StoredEvent>,
    pub log: LogState,
}

/// Of the log, by the numbers of `redis::log::LogPart`; 0 for what is not there.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogState {
    pub newest: u64,
    pub cleared: u64,
    pub evicted: u64,
    /// The oldest ones behind the number that was asked for, at most `MAX_MISSED`.
    pub missed: Vec<LogEntry>,
}

/// The record is sealed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredMember {
    pub member: Id,
    pub tag: [u8; TAG_BYTES],
    pub record: Bytes,
}

/// An envelope as its publisher sent it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredEvent {
    pub number: u64,
    pub sent_ms: u64,
    pub blob: Bytes,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("Redis refused to read a channel ({0:?})")]
    Refused(Refusal),
    #[error("a channel's state in Redis has an unknown form")]
    Malformed,
}

impl Snapshot {
    /// One transaction, for the talking connection. `log_after`: with the logged events behind this
    /// number.
    pub fn commands(
        keys: &Keys,
        mark_topic: &[u8],
        mark: &Mark,
        log_after: Option<u64>,
    ) -> Vec<Cmd> {
        let named = |name: &str, key: &Bytes| {
            let mut command = redis::cmd(name);
            command.arg(&key[..]);
            command
        };
        let mut state = named("HMGET", &keys.c);
        state.arg("q").arg("n").arg("v").arg("h").arg("hc").arg("he");
        let mut publish = redis::cmd("SPUBLISH");
        publish.arg(mark_topic).arg(mark.encode());
        let log = log_after.map(|after| {
            let mut range = named("XRANGE", &keys.h);
            range.arg(after.saturating_add(1)).arg("+").arg("COUNT").arg(MAX_MISSED);
            range
        });
        let reads = [state, named("HGETALL", &keys.m), named("GET", &keys.l), publish];
        let begin = std::iter::once(redis::cmd("MULTI"));
        begin.chain(reads).chain(log).chain([redis::cmd("EXEC")]).collect()
    }

    /// The same by a script, at several times the cost. A Redis without memory refuses transactions.
    pub fn command_when_full(
        scripts: &Scripts,
        keys: &Keys,
        mark_topic: &[u8],
        mark: &Mark,
        log_after: Option<u64>,
    ) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(scripts.sha1(Script::Snapshot)).arg(5);
        command.arg(&keys.c[..]).arg(&keys.m[..]).arg(&keys.l[..]).arg(&keys.h[..]);
        command.arg(mark_topic).arg(mark.encode());
        match log_after {
            Some(after) => command.arg(after.saturating_add(1)).arg(MAX_MISSED),
            None => command.arg("").arg(0),
        };
        command
    }

    /// Reads all answers to the transaction, or the one to the script.
    pub fn parse(mut answers: Vec<Value>) -> Result<Self, SnapshotError> {
        // The error of a command stands before that of the transaction, and says more.
        for answer in &answers {
            if let Value::ServerError(error) = answer {
                return Err(SnapshotError::Refused(Refusal::of_server(error)));
            }
        }
        answers.pop().and_then(read_state).ok_or(SnapshotError::Malformed)
    }
}

fn read_state(state: Value) -> Option<Snapshot> {
    let Value::Array(replies) = state else { return None };
    let mut replies = replies.into_iter();
    let (state, members, last_event) = (replies.next()?, replies.next()?, replies.next()?);
    let (_receivers, missed) = (replies.next()?, replies.next().unwrap_or(Value::Nil));
    if replies.next().is_some() {
        return None;
    }
    let Value::Array(state) = state else { return None };
    let [number, total, lingers, newest, cleared, evicted] = <[Value; 6]>::try_from(state).ok()?;
    Some(Snapshot {
        number: number_or_0(&number)?,
        total: number_or_0(&total)?,
        lingers: lingers != Value::Nil,
        members: read_members(members)?,
        last_event: read_event(last_event)?,
        log: LogState {
            newest: number_or_0(&newest)?,
            cleared: number_or_0(&cleared)?,
            evicted: number_or_0(&evicted)?,
            missed: read_entries(missed)?,
        },
    })
}

pub(in crate::cluster) fn number_or_0(value: &Value) -> Option<u64> {
    match value {
        Value::Nil => Some(0),
        Value::BulkString(text) => numbers::parse(text),
        _ => None,
    }
}

/// RESP3 answers with a map, RESP2 with an array of fields and values.
pub(in crate::cluster) fn read_members(value: Value) -> Option<Vec<StoredMember>> {
    match value {
        Value::Map(pairs) => pairs.into_iter().map(|(id, held)| read_member(&id, held)).collect(),
        Value::Array(parts) => {
            let mut parts = parts.into_iter();
            let mut members = Vec::with_capacity(parts.len() / 2);
            while let Some(id) = parts.next() {
                members.push(read_member(&id, parts.next()?)?);
            }
            Some(members)
        }
        _ => None,
    }
}

fn read_member(id: &Value, held: Value) -> Option<StoredMember> {
    let (Value::BulkString(id), Value::BulkString(held)) = (id, held) else { return None };
    let member: [u8; ID_BYTES] = id.as_slice().try_into().ok()?;
    let (tag, _) = held.split_first_chunk::<TAG_BYTES>()?;
    let tag = *tag;
    Some(StoredMember { member, tag, record: Bytes::from(held).slice(TAG_BYTES..) })
}

pub(in crate::cluster) fn read_event(value: Value) -> Option<Option<StoredEvent>> {
    match value {
        Value::Nil => Some(None),
        Value::BulkString(held) => {
            let held = Bytes::from(held);
            let (number, rest) = numbers::split(&held)?;
            let (sent_ms, blob) = numbers::split(rest)?;
            Some(Some(StoredEvent { number, sent_ms, blob: held.slice_ref(blob) }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &[u8]) -> Value {
        Value::BulkString(text.into())
    }

    fn exec(members: Value, last: Value) -> Value {
        let state = [bulk(b"7"), bulk(b"2"), Value::Nil, bulk(b"6"), Value::Nil, Value::Nil];
        Value::Array(vec![Value::Array(state.into()), members, last, Value::Int(1)])
    }

    #[test]
    fn both_protocols_and_an_empty_channel_are_read() {
        let (id, held) = (bulk(&[5; 16]), bulk(b"12345678record"));
        let map = Value::Map(vec![(id.clone(), held.clone())]);
        let snapshot = Snapshot::parse(vec![exec(map, bulk(b"6:99:blob:x"))]).expect("a snapshot");
        assert_eq!(snapshot.members[0].record, "record");
        let blob = Bytes::from_static(b"blob:x");
        assert_eq!(snapshot.last_event, Some(StoredEvent { number: 6, sent_ms: 99, blob }));
        let array = Value::Array(vec![id, held]);
        assert_eq!(Snapshot::parse(vec![exec(array, bulk(b"6:99:blob:x"))]), Ok(snapshot));
        let nothing = Value::Array(vec![Value::Nil; 6]);
        let empty = vec![nothing, Value::Map(vec![]), Value::Nil, Value::Int(0)];
        assert_eq!(Snapshot::parse(vec![Value::Array(empty)]), Ok(Snapshot::default()));
    }

    #[test]
    fn other_forms_are_refused() {
        let members = || Value::Map(vec![]);
        for bad in [
            Value::Nil,
            Value::Okay,
            Value::Array(vec![]),
            exec(members(), Value::Int(3)),
            exec(members(), bulk(b"6:blob")),
            exec(Value::Array(vec![bulk(&[5; 16])]), Value::Nil),
            exec(Value::Map(vec![(bulk(b"short"), bulk(b"12345678"))]), Value::Nil),
            exec(Value::Map(vec![(bulk(&[5; 16]), bulk(b"1234567"))]), Value::Nil),
        ] {
            assert_eq!(
                Snapshot::parse(vec![bad.clone()]),
                Err(SnapshotError::Malformed),
                "{bad:?}"
            );
        }
    }
}
