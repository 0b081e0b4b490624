//! The revocations of an app that nodes read before they join: a hash, each value sealed behind its
//! time in clear.

use bytes::Bytes;
use redis::{Cmd, Value};

use super::{NUMBER_LIMIT, numbers};

const WRITE: &str = include_str!("scripts/revocation_write.lua");
const FORGET: &str = include_str!("scripts/revocation_forget.lua");

/// Longer than tokens live, and than a node is expected to be cut off: by default a node that is cut
/// off goes on to serve its connections, and these have no longest life.
pub const LIFETIME_MS: u64 = 25 * 60 * 60 * 1000;

/// A backend that terminates its users without end must not fill Redis.
pub const MAX_REVOCATIONS: usize = 500_000;

/// The most that are read, or taken away, in one step: Redis does nothing else meanwhile.
pub const PAGE: usize = 1000;

/// Whether Redis keeps a revocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeptRevocation {
    /// It, or a later one of the same name.
    Kept,
    Full,
}

/// `at_ms` has to be the time in the sealed content.
pub fn write(key: &[u8], field: &[u8], at_ms: u64, sealed: &[u8]) -> Cmd {
    let mut command = script(WRITE, key);
    command.arg(field).arg(clear_time(at_ms)).arg(sealed).arg(LIFETIME_MS).arg(MAX_REVOCATIONS);
    command
}

/// `None` of an error.
pub fn read_written(answer: &Value) -> Option<KeptRevocation> {
    let Value::Array(parts) = answer else { return None };
    match &parts[..] {
        [Value::BulkString(word)] if word == b"KEPT" || word == b"HELD" => {
            Some(KeptRevocation::Kept)
        }
        [Value::BulkString(word)] if word == b"FULL" => Some(KeptRevocation::Full),
        _ => None,
    }
}

/// Those of the fields that have expired go.
pub fn forget(key: &[u8], fields: &[Bytes]) -> Cmd {
    let mut command = script(FORGET, key);
    command.arg(LIFETIME_MS);
    fields.iter().for_each(|field| {
        command.arg(&field[..]);
    });
    command
}

pub fn page(key: &[u8], cursor: u64) -> Cmd {
    let mut command = redis::cmd("HSCAN");
    command.arg(key).arg(cursor).arg("COUNT").arg(PAGE);
    command
}

/// How many there are, expired ones too.
pub fn count(key: &[u8]) -> Cmd {
    let mut command = redis::cmd("HLEN");
    command.arg(key);
    command
}

/// The sealed part of a value with its time.
pub fn split(value: &[u8]) -> Option<(u64, &[u8])> {
    numbers::split(value)
}

/// The time as it stands in clear.
pub fn clear_time(at_ms: u64) -> u64 {
    at_ms.min(NUMBER_LIMIT - 1)
}

fn script(text: &str, key: &[u8]) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(text).arg(1).arg(key);
    command
}
