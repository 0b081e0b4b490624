//! Events, bytes, hot frames, and memory given back.

use super::*;

#[test]
fn event_beyond_the_count_evicts_the_oldest() {
    let now = Instant::now();
    let mut log = log(settings(), now);
    append(&mut log, 7, now);
    assert_eq!(log.len(), 5);
    assert_eq!(missed(&log, 1001, now), Err(GapReason::Evicted));
    assert_eq!(missed(&log, 1002, now), Ok(vec![1003, 1004, 1005, 1006, 1007]));
}

#[test]
fn bytes_are_bounded_to_the_byte() {
    let now = Instant::now();
    let mut probe = log(settings(), now);
    append(&mut probe, 1, now);
    let one = probe.bytes();
    for (bytes, kept) in [(3 * one - 1, 2), (3 * one, 3), (one, 1), (one - 1, 0), (0, 0)] {
        let mut log = log(HistorySettings { bytes, ..settings() }, now);
        append(&mut log, 5, now);
        assert_eq!((log.len(), log.bytes()), (kept, kept * one), "{bytes}");
        let last = log.last().0;
        assert_eq!(missed(&log, last - kept as u64, now).map(|m| m.len()), Ok(kept));
        assert_eq!(missed(&log, last - kept as u64 - 1, now), Err(GapReason::Evicted));
    }
}

#[test]
fn event_above_the_bound_is_kept_out_with_all_before_it() {
    let now = Instant::now();
    let mut log = log(HistorySettings { bytes: 4000, ..settings() }, now);
    append(&mut log, 2, now);
    let number = log.next_number(0);
    let evicted = log.append(clear_event(&"x".repeat(4000)), number, now);
    assert_eq!((evicted, log.len(), log.bytes()), (3, 0, 0));
    assert_eq!(missed(&log, 1002, now), Err(GapReason::Evicted));
    assert_eq!(missed(&log, 1003, now), Ok(vec![]), "a reader of the live event goes on");
    append(&mut log, 1, now);
    assert_eq!(missed(&log, 1002, now), Err(GapReason::Evicted));
    assert_eq!(missed(&log, 1003, now), Ok(vec![1004]));
}

#[test]
fn log_without_room_for_events_gives_positions_only() {
    let now = Instant::now();
    let mut log = log(HistorySettings { events: 0, ..settings() }, now);
    append(&mut log, 3, now);
    assert_eq!((log.len(), log.last()), (0, LogNumber(1003)));
    assert_eq!(missed(&log, 1002, now), Err(GapReason::Evicted));
    assert_eq!(missed(&log, 1003, now), Ok(vec![]));
}

#[test]
fn older_half_is_given() {
    let now = Instant::now();
    let mut log = log(settings(), now);
    append(&mut log, 4, now);
    let bytes = log.bytes();
    assert_eq!((log.give_older_half(), log.bytes()), (2, bytes / 2));
    assert_eq!(missed(&log, 1001, now), Err(GapReason::Evicted));
    assert_eq!(missed(&log, 1002, now), Ok(vec![1003, 1004]));
    assert_eq!([0; 3].map(|_| log.give_older_half()), [1, 1, 0]);
    assert_eq!((log.len(), log.bytes()), (0, 0));
    assert_eq!(missed(&log, 1004, now), Ok(vec![]));
}

#[test]
fn log_that_is_given_up_ends_and_begins_anew() {
    let now = Instant::now();
    let mut log = log(settings(), now);
    append(&mut log, 2, now);
    assert_eq!((log.give_up(), log.is_live(now), log.bytes()), (2, false, 0));
    assert_eq!(missed(&log, 1001, now), Err(GapReason::Evicted));
    append(&mut log, 1, now);
    assert!(log.is_live(now));
    assert_eq!(missed(&log, 1001, now), Err(GapReason::Evicted));
    assert_eq!(missed(&log, 1002, now), Ok(vec![1003]));
    log.expire(now + 2 * settings().idle);
    assert_eq!(log.give_up(), 0);
    assert_eq!(missed(&log, 1002, now), Err(GapReason::Expired), "nothing was left to evict");
}

fn hot(log: &Log) -> Vec<bool> {
    log.entries.iter().map(|entry| entry.hot_until().is_some()).collect()
}

#[test]
fn hot_frames_cost_bytes_for_half_a_minute() {
    let start = Instant::now();
    let mut log = log(settings(), start);
    let numbers = [0; 2].map(|_| log.next_number(0));
    log.append(sealed_event("x", None), numbers[0], start);
    let cold = log.bytes();
    log.append(sealed_event("x", Some(start)), numbers[1], start);
    let one = log.bytes() - cold;
    assert!(one > cold && hot(&log) == [false, true]);
    log.warm(numbers[0], HotFrames::new(frames("x"), start + SECOND));
    log.warm(LogNumber(1), HotFrames::new(frames("x"), start));
    assert_eq!(log.bytes(), 2 * one);
    log.expire(start + HOT_FOR - SECOND);
    assert_eq!((hot(&log), log.bytes()), (vec![true, true], 2 * one));
    log.expire(start + HOT_FOR);
    assert_eq!((hot(&log), log.bytes()), (vec![true, false], one + cold));
    log.expire(start + HOT_FOR + SECOND);
    assert_eq!((hot(&log), log.bytes()), (vec![false, false], 2 * cold));
}

#[test]
fn hot_frames_are_given_before_events() {
    let start = Instant::now();
    let mut probe = log(settings(), start);
    let number = probe.next_number(0);
    probe.append(sealed_event("x", Some(start)), number, start);
    let one = probe.bytes();
    let mut log = log(HistorySettings { bytes: 2 * one, ..settings() }, start);
    for _ in 0..3 {
        let number = log.next_number(0);
        assert_eq!(log.append(sealed_event("x", Some(start)), number, start), 0);
    }
    assert!(log.bytes() <= 2 * one);
    assert_eq!(hot(&log).last(), Some(&true));
    log.warm(LogNumber(1001), HotFrames::new(frames("x"), start));
    assert!(log.bytes() <= 2 * one);
    assert_eq!(log.len(), 3);
}

#[test]
fn frames_that_are_warmed_again_outlive_the_first() {
    let start = Instant::now();
    let mut log = log(settings(), start);
    let number = log.next_number(0);
    log.append(sealed_event("x", Some(start)), number, start);
    log.warm(number, HotFrames::new(frames("x"), start + SECOND));
    log.expire(start + HOT_FOR);
    assert_eq!(hot(&log), [true]);
    for _ in 0..100 {
        log.warm(number, HotFrames::new(frames("x"), start + SECOND));
        assert!(log.hot.len() <= 10, "the notes of hot frames are bounded as well");
    }
}

#[test]
fn cost_covers_all_texts() {
    let now = Instant::now();
    let cost = |event| Entry::new(event, LogNumber(2), LogNumber(1), Some(now)).cost();
    let base = cost(clear_event("x"));
    let named = LogEvent { name: "n".repeat(101).into(), ..clear_event("x") };
    assert_eq!(cost(named), base + 100);
    let of_user = LogEvent { user_id: Some("u".repeat(100).into()), ..clear_event("x") };
    assert!(cost(of_user) >= base + 100);
    // The frame is a copy, allocated with room to escape, and another has the position.
    assert!(cost(clear_event(&"x".repeat(1001))) >= base + 3250);
    let blind = LogEvent { body: EntryBody::Blind { frames: frames("x") }, ..clear_event("x") };
    assert!(cost(blind) > base);
}
