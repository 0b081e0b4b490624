//! Revocations that nodes share, written and read by the Redis user of the documents.

use bytes::Bytes;
use redis::{Cmd, Value};

use super::{engine::TestEngine, names::PREFIX};
use crate::{
    cluster::redis::revocations::{
        KeptRevocation, LIFETIME_MS, MAX_REVOCATIONS, forget, page, read_written, write,
    },
    platform::clock::unix_micros,
};

fn key() -> Bytes {
    format!("{PREFIX}v:app").into()
}

fn now_ms() -> u64 {
    unix_micros() / 1000
}

fn written(engine: &mut TestEngine, field: &str, at_ms: u64) -> Option<KeptRevocation> {
    let command = write(&key(), field.as_bytes(), at_ms, b"sealed");
    read_written(&engine.talk(&command).expect("an answer"))
}

fn held(engine: &mut TestEngine, field: &str) -> Option<String> {
    let held = engine.ask_admin(redis::cmd("HGET").arg(&key()[..]).arg(field));
    redis::from_redis_value(held).expect("a value")
}

fn length(engine: &mut TestEngine) -> Value {
    engine.ask_admin(redis::cmd("HLEN").arg(&key()[..]))
}

/// Writes `count` that have expired, and some that are no revocations.
fn fill(engine: &mut TestEngine, count: usize) {
    let script = "for at = 1, ARGV[1] do redis.call('HSET', KEYS[1], at, ARGV[2]) end \
                  redis.call('HSET', KEYS[1], 'foreign', 'x') return 1";
    let mut command: Cmd = redis::cmd("EVAL");
    let expired = format!("{}:sealed", now_ms() - LIFETIME_MS - 60_000);
    command.arg(script).arg(1).arg(&key()[..]).arg(count).arg(expired);
    assert_eq!(engine.ask_admin(&command), Value::Int(1));
}

#[test]
fn later_revocation_stands() {
    let engine = &mut TestEngine::start();
    let at = now_ms();
    for (at_ms, stands) in [(at + 2, at + 2), (at, at + 2), (at + 2, at + 2), (at + 3, at + 3)] {
        assert_eq!(written(engine, "u", at_ms), Some(KeptRevocation::Kept));
        assert_eq!(held(engine, "u"), Some(format!("{stands}:sealed")));
    }
}

#[test]
fn expired_revocation_goes_unless_it_was_written_anew() {
    let engine = &mut TestEngine::start();
    assert_eq!(written(engine, "new", now_ms()), Some(KeptRevocation::Kept));
    fill(engine, 2);
    let fields = ["1", "new", "unknown"].map(Bytes::from);
    assert!(engine.talk(&forget(&key(), &fields)).is_ok());
    let left = ["1", "2", "new"].map(|field| held(engine, field).is_some());
    assert_eq!(left, [false, true, true]);
}

#[test]
fn revocations_are_bounded_and_the_expired_make_room() {
    let engine = &mut TestEngine::start();
    fill(engine, MAX_REVOCATIONS);
    assert_eq!(written(engine, "a", now_ms()), Some(KeptRevocation::Kept));
    let live = "for at = 1, ARGV[1] do redis.call('HSET', KEYS[1], at, ARGV[2]) end return 1";
    let mut command = redis::cmd("EVAL");
    command.arg(live).arg(1).arg(&key()[..]).arg(MAX_REVOCATIONS);
    assert_eq!(engine.ask_admin(command.arg(format!("{}:s", now_ms()))), Value::Int(1));
    assert_eq!(written(engine, "b", now_ms()), Some(KeptRevocation::Full));
    assert_eq!(written(engine, "7", now_ms() + 1), Some(KeptRevocation::Kept));
}

/// Nobody reads them, and they do not become more.
#[test]
fn writes_take_expired_revocations_away() {
    let engine = &mut TestEngine::start();
    fill(engine, 20);
    (0..40).for_each(|user| {
        let _ = written(engine, &format!("u{user}"), now_ms());
    });
    let Value::Int(count) = length(engine) else { panic!("a number") };
    assert!((40..50).contains(&count), "{count}");
}

#[test]
fn revocations_are_read_in_pages() {
    let engine = &mut TestEngine::start();
    fill(engine, 3000);
    let answer = engine.talk(&page(&key(), 0)).expect("a page");
    let Value::Array(parts) = answer else { panic!("{answer:?}") };
    let [Value::BulkString(cursor), Value::Array(fields)] = &parts[..] else { panic!("a page") };
    assert!(cursor != b"0" && fields.len() < 4000, "{} fields", fields.len() / 2);
}
