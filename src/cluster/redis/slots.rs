//! The slots of a Redis Cluster, and the masters that serve them.

use redis::{Arg, Cmd, Value};

use super::{checks::accept, link::LinkError};
use crate::cluster::url::RedisHost;

const SLOTS: u16 = 16_384;

/// More ranges than slots are no answer.
const MAX_RANGES: usize = SLOTS as usize;

/// What one server knows. It may be old.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SlotMap {
    ranges: Vec<SlotRange>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct SlotRange {
    first: u16,
    last: u16,
    master: RedisHost,
}

pub fn question() -> Cmd {
    let mut command = redis::cmd("CLUSTER");
    command.arg("SLOTS");
    command
}

impl SlotMap {
    /// Reads the answer of `asked`, which may leave out its own name.
    pub fn read(answer: Value, asked: &RedisHost) -> Result<Self, LinkError> {
        match accept(&answer, "CLUSTER SLOTS") {
            Err(LinkError::Broken { .. }) => return Err(LinkError::NotCluster),
            accepted => accepted?,
        }
        let Value::Array(ranges) = answer else { return Err(LinkError::NotCluster) };
        if ranges.len() > MAX_RANGES {
            return Err(LinkError::NotCluster);
        }
        let ranges = ranges.iter().map(|range| read_range(range, asked));
        let ranges: Option<Vec<_>> = ranges.collect();
        ranges.map(|ranges| Self { ranges }).ok_or(LinkError::NotCluster)
    }

    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// One may come several times.
    pub fn masters(&self) -> impl Iterator<Item = &RedisHost> {
        self.ranges.iter().map(|range| &range.master)
    }

    /// `None`: the slot has no master at the moment.
    pub fn master(&self, slot: u16) -> Option<&RedisHost> {
        let range = self.ranges.iter().find(|it| (it.first..=it.last).contains(&slot));
        range.map(|range| &range.master)
    }
}

/// First, last, the master, its replicas.
fn read_range(range: &Value, asked: &RedisHost) -> Option<SlotRange> {
    let Value::Array(parts) = range else { return None };
    let [first, last, master, ..] = &parts[..] else { return None };
    let (first, last) = (slot(first)?, slot(last)?);
    let Value::Array(master) = master else { return None };
    let [host, Value::Int(port), ..] = &master[..] else { return None };
    let host = match host {
        Value::Nil => None,
        Value::BulkString(host) => Some(str::from_utf8(host).ok()?).filter(|host| !host.is_empty()),
        _ => return None,
    };
    let master = RedisHost::parse(host.unwrap_or(&asked.host), &port.to_string())?;
    (first <= last).then_some(SlotRange { first, last, master })
}

fn slot(value: &Value) -> Option<u16> {
    let Value::Int(slot) = value else { return None };
    u16::try_from(*slot).ok().filter(|slot| *slot < SLOTS)
}

/// The slot of a command's first key. `None` for a command without keys.
pub fn slot_of_command(command: &Cmd) -> Option<u16> {
    let mut words = command.args_iter().filter_map(|word| match word {
        Arg::Simple(word) => Some(word),
        _ => None,
    });
    // The keys of a script stand behind its text or hash, and their number.
    let key = match words.next()? {
        b"EVAL" | b"EVALSHA" => words.nth(2),
        _ => words.next(),
    };
    key.map(slot_of)
}

/// By the hash tag, if the name has one.
pub fn slot_of(name: &[u8]) -> u16 {
    let tag = memchr::memchr(b'{', name).and_then(|open| {
        let rest = &name[open + 1..];
        memchr::memchr(b'}', rest).filter(|end| *end > 0).map(|end| &rest[..end])
    });
    crc16(tag.unwrap_or(name)) % SLOTS
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc: u16, _| match crc & 0x8000 {
            0 => crc << 1,
            _ => crc << 1 ^ 0x1021,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::names::Partition;

    fn asked() -> RedisHost {
        RedisHost::parse("10.0.0.9", "7009").expect("a host")
    }

    fn range(first: i64, last: i64, host: Value, port: i64) -> Value {
        let master = Value::Array(vec![host, Value::Int(port), Value::BulkString(b"id".into())]);
        Value::Array(vec![Value::Int(first), Value::Int(last), master])
    }

    fn name(host: &str) -> Value {
        Value::BulkString(host.into())
    }

    #[test]
    fn slots_are_those_of_redis() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(slot_of(b"foo"), 12_182);
        assert_eq!(slot_of(b"a{foo}b{x}"), 12_182);
        assert_eq!(slot_of(b"{}foo"), crc16(b"{}foo") % SLOTS);
        for (at, partition) in (0..).zip(Partition::all()) {
            let key = format!("SC1:{{{}}}c:x", partition.hash_tag());
            assert_eq!(slot_of(key.as_bytes()), 128 * at + 64);
        }
    }

    #[test]
    fn commands_go_where_their_first_key_is() {
        for name in ["EVAL", "EVALSHA"] {
            let mut script = redis::cmd(name);
            script.arg("{a text}").arg(2).arg("{foo}").arg("{foo}x").arg("bar");
            assert_eq!(slot_of_command(&script), Some(12_182), "{name}");
        }
        let mut read = redis::cmd("HGET");
        assert_eq!(slot_of_command(read.arg("{foo}").arg("bar")), Some(12_182));
        assert_eq!(slot_of_command(&redis::cmd("TIME")), None);
    }

    #[test]
    fn masters_are_found_by_slot() {
        let answer = Value::Array(vec![
            range(0, 99, name("10.0.0.1"), 7001),
            range(200, 299, name(""), 7002),
            range(300, 300, Value::Nil, 7003),
        ]);
        let map = SlotMap::read(answer, &asked()).expect("a map");
        let master = |slot| map.master(slot).map(ToString::to_string);
        assert_eq!(master(99).as_deref(), Some("10.0.0.1:7001"));
        assert_eq!(master(100), None);
        assert_eq!(master(200).as_deref(), Some("10.0.0.9:7002"));
        assert_eq!(master(300).as_deref(), Some("10.0.0.9:7003"));
    }

    #[test]
    fn other_answers_are_refused() {
        let error =
            redis::parse_redis_value(b"-ERR This instance has cluster support disabled\r\n");
        for bad in [
            Value::Nil,
            error.expect("an error reply"),
            Value::Array(vec![Value::Int(1)]),
            Value::Array(vec![range(5, 4, name("a"), 1)]),
            Value::Array(vec![range(0, 16_384, name("a"), 1)]),
            Value::Array(vec![range(-1, 4, name("a"), 1)]),
            Value::Array(vec![range(0, 4, name("a b"), 1)]),
            Value::Array(vec![range(0, 4, name("?"), 1)]),
            Value::Array(vec![range(0, 4, name("a"), 0)]),
        ] {
            assert_eq!(SlotMap::read(bad, &asked()), Err(LinkError::NotCluster));
        }
    }
}
