//! All that is in Redis, to compare with the model.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use redis::Value;

use super::engine::bytes;

/// Reads all keys but streams, whose entries are compared when they are written.
pub const DUMP: &str = "#!lua flags=no-writes,allow-oom,allow-cross-slot-keys
local out = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind = redis.call('TYPE', key).ok
  local held = false
  if kind == 'hash' then held = redis.call('HGETALL', key)
  elseif kind == 'set' then held = redis.call('SMEMBERS', key)
  elseif kind == 'zset' then held = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  elseif kind == 'string' then held = { redis.call('GET', key), redis.call('PTTL', key) > 0 and 1 or 0 } end
  if held then out[#out + 1] = { key, kind, held } end
end
return out";

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Contents {
    Hash(BTreeMap<Bytes, Bytes>),
    Set(BTreeSet<Bytes>),
    /// Milliseconds by entry.
    Times(BTreeMap<Bytes, u64>),
    /// And whether it expires.
    Text(Bytes, bool),
}

pub fn read_contents(dump: Value) -> BTreeMap<Bytes, Contents> {
    array(dump).map(|entry| read_key(array(entry).collect())).collect()
}

fn read_key(entry: Vec<Value>) -> (Bytes, Contents) {
    let [key, kind, held] = <[Value; 3]>::try_from(entry).expect("key, kind, contents");
    let contents = match &bytes(kind)[..] {
        b"hash" => Contents::Hash(pairs(held).collect()),
        b"set" => Contents::Set(array(held).map(bytes).collect()),
        b"zset" => Contents::Times(pairs(held).map(|(entry, at)| (entry, number(&at))).collect()),
        _ => read_text(held),
    };
    (bytes(key), contents)
}

fn read_text(held: Value) -> Contents {
    let [text, expires] = <[Value; 2]>::try_from(array(held).collect::<Vec<_>>()).expect("a text");
    Contents::Text(bytes(text), expires == Value::Int(1))
}

fn pairs(value: Value) -> impl Iterator<Item = (Bytes, Bytes)> {
    let parts: Vec<_> = array(value).map(bytes).collect();
    parts
        .chunks_exact(2)
        .map(|pair| (pair[0].clone(), pair[1].clone()))
        .collect::<Vec<_>>()
        .into_iter()
}

fn array(value: Value) -> std::vec::IntoIter<Value> {
    match value {
        Value::Array(parts) => parts.into_iter(),
        other => panic!("{other:?}"),
    }
}

pub fn number(text: &[u8]) -> u64 {
    str::from_utf8(text).ok().and_then(|text| text.parse().ok()).expect("a number")
}
