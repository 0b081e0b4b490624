//! Undelivered webhooks of an app, which all nodes share. A letter is sealed.

use bytes::Bytes;
use redis::{Cmd, Value};

use super::{
    numbers,
    replies::{integer, text},
};

const WRITE: &str = include_str!("scripts/letter_write.lua");
const CLAIM: &str = include_str!("scripts/letter_claim.lua");
const END: &str = include_str!("scripts/letter_end.lua");

/// A backend that is gone for good must not fill Redis.
pub const MAX_LETTERS: u64 = 50_000;

#[derive(Clone)]
pub struct LetterKeys {
    /// Stream of the letters. The number of a letter is the first part of its entry's name.
    pub letters: Bytes,
    /// Hash of the last number, and of the claims on letters by number.
    pub claims: Bytes,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LetterEnd {
    /// It has arrived.
    Remove,
    /// It has not, and stays.
    Keep,
    /// It goes unless it is claimed.
    Discard,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredLetter {
    pub number: u64,
    pub sealed: Bytes,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EndedLetters {
    pub gone: u64,
    pub under_way: u64,
    pub left: u64,
}

impl LetterKeys {
    pub fn write(&self, sealed: &[Bytes]) -> Cmd {
        let mut command = self.script(WRITE);
        command.arg(MAX_LETTERS);
        sealed.iter().for_each(|letter| {
            command.arg(&letter[..]);
        });
        command
    }

    pub fn claim(&self, lease_ms: u64, numbers: &[u64]) -> Cmd {
        let mut command = self.script(CLAIM);
        command.arg(lease_ms).arg(numbers);
        command
    }

    pub fn end(&self, end: LetterEnd, numbers: &[u64]) -> Cmd {
        let how = match end {
            LetterEnd::Remove => "remove",
            LetterEnd::Keep => "keep",
            LetterEnd::Discard => "discard",
        };
        let mut command = self.script(END);
        command.arg(how).arg(numbers);
        command
    }

    pub fn page(&self, after: u64, most: usize) -> Cmd {
        let mut command = redis::cmd("XRANGE");
        command.arg(&self.letters[..]).arg(format!("{}-0", after + 1)).arg("+");
        command.arg("COUNT").arg(most);
        command
    }

    pub fn count(&self) -> Cmd {
        let mut command = redis::cmd("XLEN");
        command.arg(&self.letters[..]);
        command
    }

    fn script(&self, text: &str) -> Cmd {
        let mut command = redis::cmd("EVAL");
        command.arg(text).arg(2).arg(&self.letters[..]).arg(&self.claims[..]);
        command
    }
}

/// The number of letters then; `Some(None)` if there is no room.
pub fn read_written(answer: Value) -> Option<Option<u64>> {
    let Value::Array(parts) = answer else { return None };
    match &parts[..] {
        [word] if text(word)? == b"FULL" => Some(None),
        [word, left] if text(word)? == b"WRITTEN" => Some(Some(integer(left)?)),
        _ => None,
    }
}

pub fn read_claimed(answer: Value) -> Option<Vec<u64>> {
    let Value::Array(parts) = answer else { return None };
    let [word, Value::Array(numbers)] = &parts[..] else { return None };
    (text(word)? == b"CLAIMED").then(|| numbers.iter().map(integer).collect())?
}

pub fn read_ended(answer: Value) -> Option<EndedLetters> {
    let Value::Array(parts) = answer else { return None };
    let [word, gone, under_way, left] = &parts[..] else { return None };
    (text(word)? == b"ENDED").then_some(())?;
    let (gone, under_way, left) = (integer(gone)?, integer(under_way)?, integer(left)?);
    Some(EndedLetters { gone, under_way, left })
}

/// In their order.
pub fn read_page(answer: Value) -> Option<Vec<StoredLetter>> {
    let Value::Array(entries) = answer else { return None };
    entries.into_iter().map(read_letter).collect()
}

fn read_letter(entry: Value) -> Option<StoredLetter> {
    let Value::Array(parts) = entry else { return None };
    let [id, Value::Array(fields)] = <[Value; 2]>::try_from(parts).ok()? else { return None };
    let number = text(&id)?.split(|byte| *byte == b'-').next().and_then(numbers::parse)?;
    match fields.into_iter().nth(1)? {
        Value::BulkString(sealed) => Some(StoredLetter { number, sealed: sealed.into() }),
        _ => None,
    }
}
