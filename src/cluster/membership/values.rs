//! Answers of Redis to plain commands. `None` stands for another form, and for an error.

use bytes::Bytes;
use redis::Value;

use crate::cluster::redis::{ID_BYTES, Id};

pub fn text(value: Value) -> Option<Bytes> {
    match value {
        Value::BulkString(bytes) => Some(bytes.into()),
        Value::SimpleString(text) => Some(text.into_bytes().into()),
        _ => None,
    }
}

/// A set or a list.
pub fn list(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(parts) | Value::Set(parts) => Some(parts),
        _ => None,
    }
}

pub fn texts(value: Value) -> Option<Vec<Bytes>> {
    list(value)?.into_iter().map(text).collect()
}

pub fn id(bytes: &[u8]) -> Option<Id> {
    <[u8; ID_BYTES]>::try_from(bytes).ok()
}

/// A hash, in either protocol.
pub fn pairs(value: Value) -> Option<Vec<(Bytes, Bytes)>> {
    match value {
        Value::Map(pairs) => {
            pairs.into_iter().map(|(field, held)| Some((text(field)?, text(held)?))).collect()
        }
        other => {
            let parts = texts(other)?;
            let (pairs, rest) = parts.as_chunks::<2>();
            let pairs = pairs.iter().map(|[field, held]| (field.clone(), held.clone()));
            rest.is_empty().then(|| pairs.collect())
        }
    }
}

/// A page of HSCAN: the cursor, 0 at the end, and the fields with their values.
pub fn scanned(value: Value) -> Option<(u64, Vec<(Bytes, Bytes)>)> {
    let [cursor, page] = <[Value; 2]>::try_from(list(value)?).ok()?;
    let cursor = str::from_utf8(&text(cursor)?).ok()?.parse().ok()?;
    Some((cursor, pairs(page)?))
}

pub fn scanned_fields(value: Value) -> Option<(u64, Vec<Bytes>)> {
    let (cursor, page) = scanned(value)?;
    Some((cursor, page.into_iter().map(|(field, _)| field).collect()))
}

/// A number that is not negative.
pub fn count(value: &Value) -> Option<usize> {
    match value {
        Value::Int(number) => usize::try_from(*number).ok(),
        _ => None,
    }
}

pub fn is_error(value: &Value) -> bool {
    matches!(value, Value::ServerError(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    #[test]
    fn hashes_are_read_in_both_protocols() {
        let expected = Some(vec![(Bytes::from("a"), Bytes::from("b"))]);
        assert_eq!(pairs(Value::Map(vec![(bulk("a"), bulk("b"))])), expected);
        assert_eq!(pairs(Value::Array(vec![bulk("a"), bulk("b")])), expected);
        for bad in [Value::Nil, Value::Array(vec![bulk("a")]), Value::Array(vec![Value::Nil; 2])] {
            assert_eq!(pairs(bad), None);
        }
    }

    #[test]
    fn page_of_a_scan_has_its_cursor() {
        let page =
            |cursor| Value::Array(vec![bulk(cursor), Value::Array(vec![bulk("a"), bulk("1")])]);
        assert_eq!(scanned_fields(page("17")), Some((17, vec!["a".into()])));
        assert_eq!(scanned_fields(page("x")), None);
    }
}
