//! The log of a channel: what is written to it, what is asked of it, and what is read.
//!
//! An entry is an envelope as its publisher sent it, under the number of its event. It names the
//! number before it, so that a reader sees what is missing.

use bytes::Bytes;
use redis::{Cmd, Value};

use super::{
    keys::Keys,
    numbers,
    refusals::Refusal,
    scripts::{Script, Scripts},
};

/// How long a log lives without events, and without subscribers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogLife {
    pub idle_ms: u64,
    pub vacant_ms: u64,
}

/// What a log may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogBounds {
    pub events: u32,
    /// Of envelopes, with about a hundred bytes for each entry.
    pub bytes: usize,
    pub ttl_ms: u64,
}

/// What the log must be like for an event to be published.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogCondition {
    None,
    /// The newest event or clearing has this number.
    Newest(u64),
    /// It has no event.
    Empty,
    /// Does not hold.
    Never,
}

impl LogCondition {
    pub(super) fn argument(self) -> String {
        match self {
            Self::None => String::new(),
            Self::Newest(number) => number.to_string(),
            Self::Empty => "empty".into(),
            Self::Never => "-".into(),
        }
    }
}

/// The part of a log that is wanted, without its ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogQuery {
    pub after: Option<u64>,
    pub before: Option<u64>,
    pub newest_first: bool,
    pub limit: usize,
    /// Bytes of envelopes. The first event is exempt.
    pub bytes: usize,
    pub ttl_ms: u64,
    /// Nothing below this number is given.
    pub not_before: u64,
}

/// A part of a log at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogPart {
    pub head: LogHead,
    pub entries: Vec<LogEntry>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LogHead {
    /// No position below it is believed.
    pub floor: u64,
    /// Of the newest event or clearing, or of the beginning before the first. `None`: there is no log.
    pub newest: Option<u64>,
    /// Of the last clearing; 0 without one.
    pub cleared: u64,
    /// Of the newest evicted event; 0 without one.
    pub evicted: u64,
    /// Whether the bound is a position of this log. `None`: it was not asked.
    pub believes_after: Option<bool>,
    pub believes_before: Option<bool>,
    /// Events below `not_before` were left out.
    pub hides: bool,
    /// The log has more within the query.
    pub more: bool,
}

/// The envelope is not opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogEntry {
    pub number: u64,
    /// Of the entry or clearing before, or of the log's beginning.
    pub previous: u64,
    pub blob: Bytes,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LogError {
    #[error("Redis refused to read a log ({0:?})")]
    Refused(Refusal),
    #[error("a log in Redis has an unknown form")]
    Malformed,
}

impl LogQuery {
    pub fn command(&self, scripts: &Scripts, keys: &Keys) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        let names = Script::Read.keys();
        command.arg(scripts.sha1(Script::Read)).arg(names.len());
        names.iter().for_each(|key| {
            command.arg(&keys.name(*key)[..]);
        });
        let bound = |bound: Option<u64>| bound.map_or_else(String::new, |it| it.to_string());
        command.arg(bound(self.after)).arg(bound(self.before));
        command.arg(if self.newest_first { "-" } else { "+" });
        command.arg(self.limit).arg(self.bytes).arg(self.ttl_ms).arg(self.not_before);
        command
    }
}

impl LogPart {
    pub fn parse(answer: Value) -> Result<Self, LogError> {
        if let Value::ServerError(error) = &answer {
            return Err(LogError::Refused(Refusal::of_server(error)));
        }
        read_part(answer).ok_or(LogError::Malformed)
    }
}

fn read_part(answer: Value) -> Option<LogPart> {
    let Value::Array(parts) = answer else { return None };
    let [word, floor, newest, cleared, evicted, after, before, hides, more, entries] =
        <[Value; 10]>::try_from(parts).ok()?;
    if text(&word)? != b"LOG" {
        return None;
    }
    let head = LogHead {
        floor: numbers::parse(text(&floor)?)?,
        newest: match text(&newest)? {
            b"" => None,
            number => Some(numbers::parse(number)?),
        },
        cleared: numbers::parse(text(&cleared)?)?,
        evicted: numbers::parse(text(&evicted)?)?,
        believes_after: belief(&after)?,
        believes_before: belief(&before)?,
        hides: flag(&hides)?,
        more: flag(&more)?,
    };
    Some(LogPart { head, entries: read_entries(entries)? })
}

pub(in crate::cluster) fn read_entries(value: Value) -> Option<Vec<LogEntry>> {
    match value {
        Value::Array(entries) => entries.into_iter().map(read_entry).collect(),
        Value::Nil => Some(Vec::new()),
        _ => None,
    }
}

fn read_entry(value: Value) -> Option<LogEntry> {
    let Value::Array(parts) = value else { return None };
    let [id, fields] = <[Value; 2]>::try_from(parts).ok()?;
    let number = numbers::parse(text(&id)?.strip_suffix(b"-0")?)?;
    let Value::Array(fields) = fields else { return None };
    let [h, previous, b, blob] = <[Value; 4]>::try_from(fields).ok()?;
    let Value::BulkString(blob) = blob else { return None };
    let previous = numbers::parse(text(&previous)?)?;
    let is_ours = text(&h)? == b"h" && text(&b)? == b"b" && previous < number;
    is_ours.then(|| LogEntry { number, previous, blob: blob.into() })
}

fn belief(value: &Value) -> Option<Option<bool>> {
    match text(value)? {
        b"" => Some(None),
        _ => flag(value).map(Some),
    }
}

fn flag(value: &Value) -> Option<bool> {
    match text(value)? {
        b"0" => Some(false),
        b"1" => Some(true),
        _ => None,
    }
}

fn text(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(text) => Some(text),
        Value::SimpleString(text) => Some(text.as_bytes()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().into())
    }

    fn texts(texts: &[&str]) -> Vec<Value> {
        texts.iter().map(|text| bulk(text)).collect()
    }

    fn entry(id: &str, fields: &[&str]) -> Value {
        Value::Array(vec![bulk(id), Value::Array(texts(fields))])
    }

    fn part(head: [&str; 9], entries: Vec<Value>) -> Value {
        let mut parts = texts(&head);
        parts.push(Value::Array(entries));
        Value::Array(parts)
    }

    const HEAD: [&str; 9] = ["LOG", "5", "9", "0", "6", "1", "", "0", "1"];

    #[test]
    fn part_of_a_log_is_read() {
        let read = LogPart::parse(part(HEAD, vec![entry("9-0", &["h", "7", "b", "x"])]));
        let entries = vec![LogEntry { number: 9, previous: 7, blob: Bytes::from_static(b"x") }];
        let head = LogHead {
            floor: 5,
            newest: Some(9),
            evicted: 6,
            believes_after: Some(true),
            more: true,
            ..LogHead::default()
        };
        assert_eq!(read, Ok(LogPart { head, entries }));
        let none = LogPart::parse(part(["LOG", "0", "", "0", "0", "", "", "0", "0"], vec![]));
        assert_eq!(none, Ok(LogPart::default()));
    }

    #[test]
    fn other_forms_are_refused() {
        let with = |at: usize, text: &'static str| {
            let mut head = HEAD;
            head[at] = text;
            part(head, vec![])
        };
        for bad in [
            Value::Nil,
            Value::Array(vec![]),
            with(0, "FENCED"),
            with(1, "1.8e15"),
            with(2, "-1"),
            with(5, "2"),
            part(HEAD, vec![entry("9-1", &["h", "7", "b", "x"])]),
            part(HEAD, vec![entry("9-0", &["h", "9", "b", "x"])]),
            part(HEAD, vec![entry("9-0", &["b", "x", "h", "7"])]),
            part(HEAD, vec![entry("9-0", &["h", "7"])]),
            part(HEAD, vec![Value::Nil]),
        ] {
            assert_eq!(LogPart::parse(bad.clone()), Err(LogError::Malformed), "{bad:?}");
        }
    }
}
