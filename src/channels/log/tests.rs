use super::*;
use crate::{
    crypto::{
        key::MasterKey,
        keyring::KeyRing,
        keytable::{KeyTable, Version},
        padding::Padding,
        sealer::Sealing,
        secret::Derivation,
        vectors::example_salt,
    },
    domain::channel::Channel,
    protocol::{
        frame::Frame,
        message::Message,
        sealed::{EventSource, SealedFrames},
    },
};

mod bounds;
mod model;
mod paging;
mod restoring;

const SECOND: Duration = Duration::from_secs(1);

fn settings() -> HistorySettings {
    HistorySettings { events: 5, bytes: 1 << 20, ..HistorySettings::default() }
}

fn log(settings: HistorySettings, now: Instant) -> Log {
    Log::new(Arc::new(settings), LogNumber(1000), now)
}

fn clear_event(data: &str) -> LogEvent {
    let channel = Channel::parse("news", 200).unwrap();
    let frame = Frame::new(&Message::event(&channel, "e", data).unwrap());
    let body = EntryBody::Clear { data: data.into(), frame };
    LogEvent { at_micros: 0, name: "e".into(), user_id: None, body }
}

fn frames(data: &str) -> SealedFrames {
    let channel = Channel::parse("private-encrypted-a", 200).unwrap();
    let table = KeyTable::new(MasterKey::from_bytes([7; 32]), 0);
    let ring = KeyRing::new("app", table, Derivation::Pusher, example_salt(), Padding::None).into();
    let sealing = Sealing::Auto(ring);
    let payload = sealing.admit(&channel, data, false).unwrap();
    let sealed = sealing.seal(&channel, &payload, Version { key: 1, epoch: 0 }).unwrap();
    SealedFrames::new(&EventSource::backend("e"), [&sealed])
}

fn sealed_event(data: &str, hot: Option<Instant>) -> LogEvent {
    let ciphertext = vec![0; data.len() + 16].into();
    let at_rest = AtRest { key: [0; 6], nonce: [0; 12], ciphertext };
    let hot = hot.map(|now| HotFrames::new(frames(data), now));
    LogEvent { body: EntryBody::Sealed { at_rest, hot }, ..clear_event(data) }
}

/// Appends events with the numbers 1001 and so on.
fn append(log: &mut Log, count: usize, now: Instant) {
    for _ in 0..count {
        let number = log.next_number(0);
        log.append(clear_event("x"), number, now);
    }
}

fn missed(log: &Log, from: u64, now: Instant) -> Result<Vec<u64>, GapReason> {
    let missed = log.resume(LogNumber(from), now)?;
    Ok(missed.map(|entry| entry.number.0).collect())
}

#[test]
fn numbers_are_times_and_never_repeat() {
    let now = Instant::now();
    let mut log = log(settings(), now);
    let numbers = [0, 5000, 5000, 4000, 5001].map(|micros| log.next_number(micros).0);
    assert_eq!(numbers, [1001, 5000, 5001, 5002, 5003]);
    assert_eq!((log.last(), log.reserved()), (LogNumber(1000), LogNumber(5003)));
    log.append(clear_event("x"), LogNumber(5001), now);
    assert_eq!(log.next_number(0), LogNumber(5004), "what is on its way keeps its number");
    assert_eq!(LogNumber(u64::MAX).next(0), LogNumber(u64::MAX));
}

#[test]
fn readers_resume_after_an_entry_at_the_origin_and_at_the_end() {
    let now = Instant::now();
    let mut log = log(settings(), now);
    assert_eq!(missed(&log, 1000, now), Ok(vec![]));
    append(&mut log, 3, now);
    assert_eq!(missed(&log, 1000, now), Ok(vec![1001, 1002, 1003]));
    assert_eq!(missed(&log, 1002, now), Ok(vec![1003]));
    assert_eq!(missed(&log, 1003, now), Ok(vec![]));
    assert_eq!(missed(&log, 1004, now), Err(GapReason::UnknownPosition), "of the future");
    assert_eq!(missed(&log, 999, now), Err(GapReason::Expired), "of an earlier log");
}

#[test]
fn numbers_that_were_never_used_are_unknown_positions() {
    let now = Instant::now();
    let mut log = log(settings(), now);
    for number in [2000, 3000] {
        log.append(clear_event("x"), LogNumber(number), now);
    }
    assert_eq!(missed(&log, 1000, now), Ok(vec![2000, 3000]));
    for foreign in [1500, 1999, 2001, 2999] {
        assert_eq!(missed(&log, foreign, now), Err(GapReason::UnknownPosition), "{foreign}");
    }
}

#[test]
fn expired_events_are_a_gap_even_before_they_are_dropped() {
    let start = Instant::now();
    let mut log = log(HistorySettings { ttl: 10 * SECOND, ..settings() }, start);
    append(&mut log, 2, start);
    append(&mut log, 1, start + 5 * SECOND);
    let later = start + 10 * SECOND;
    for dropped in [false, true] {
        if dropped {
            log.expire(later);
        }
        assert_eq!(missed(&log, 1000, later), Err(GapReason::Expired));
        assert_eq!(missed(&log, 1001, later), Err(GapReason::Expired));
        assert_eq!(missed(&log, 1002, later), Ok(vec![1003]));
    }
    assert_eq!(log.len(), 1);
    log.expire(start + 15 * SECOND);
    assert_eq!(missed(&log, 1003, later), Ok(vec![]), "at the end all is known");
    assert_eq!(missed(&log, 1002, later), Err(GapReason::Expired));
    assert_eq!(log.bytes(), 0);
}

#[test]
fn events_expire_in_order_though_clocks_of_threads_differ() {
    let start = Instant::now();
    let mut log = log(HistorySettings { ttl: 10 * SECOND, ..settings() }, start);
    append(&mut log, 1, start + SECOND);
    append(&mut log, 1, start);
    let between = start + 10 * SECOND;
    assert_eq!(missed(&log, 1000, between), Ok(vec![1001, 1002]));
    assert_eq!(missed(&log, 1000, between + SECOND), Err(GapReason::Expired));
}

#[test]
fn readers_before_a_clearing_are_told() {
    let now = Instant::now();
    let mut log = log(settings(), now);
    append(&mut log, 2, now);
    let number = log.next_number(0);
    log.clear(number, now);
    assert_eq!((number, log.len(), log.bytes()), (LogNumber(1003), 0, 0));
    for before in [900, 1000, 1001, 1002] {
        assert_eq!(missed(&log, before, now), Err(GapReason::Cleared), "{before}");
    }
    assert_eq!(missed(&log, 1003, now), Ok(vec![]));
    append(&mut log, 1, now);
    assert_eq!(missed(&log, 1003, now), Ok(vec![1004]));
    assert_eq!(missed(&log, 1002, now), Err(GapReason::Cleared));
}

#[test]
fn idle_log_ends_and_begins_anew_above_its_numbers() {
    let start = Instant::now();
    let mut log = log(HistorySettings { idle: 10 * SECOND, ..settings() }, start);
    append(&mut log, 2, start);
    let later = start + 10 * SECOND;
    assert_eq!(log.expires(), Some(later));
    assert!(log.is_live(later - SECOND) && !log.is_live(later));
    assert_eq!(missed(&log, 1001, later), Err(GapReason::Expired), "before it is dropped");
    append(&mut log, 1, later);
    assert!(log.is_live(later));
    assert_eq!(missed(&log, 1001, later), Err(GapReason::Expired));
    assert_eq!(missed(&log, 1002, later), Ok(vec![1003]));
}

#[test]
fn vacant_log_ends_unless_a_subscriber_returns() {
    let start = Instant::now();
    let mut log = log(HistorySettings { vacant: 10 * SECOND, ..settings() }, start);
    append(&mut log, 1, start);
    log.vacated(start + SECOND);
    assert_eq!(log.expires(), Some(start + 11 * SECOND));
    log.occupied();
    assert_eq!(log.expires(), Some(start + settings().idle));
    log.vacated(start + 2 * SECOND);
    let later = start + 12 * SECOND;
    assert!(!log.is_live(later));
    append(&mut log, 1, later);
    assert!(log.is_live(later + 20 * SECOND), "no subscriber has left the new log");
    assert_eq!(log.len(), 1);
}

#[test]
fn times_beyond_the_clock_never_come() {
    let now = Instant::now();
    let forever = Duration::MAX;
    let bounds = HistorySettings { ttl: forever, idle: forever, vacant: forever, ..settings() };
    let mut log = log(bounds, now);
    append(&mut log, 2, now);
    log.vacated(now);
    let later = now + 1_000_000 * SECOND;
    log.expire(later);
    assert_eq!((log.expires(), log.len()), (None, 2));
    assert_eq!(missed(&log, 1000, later), Ok(vec![1001, 1002]));
}
