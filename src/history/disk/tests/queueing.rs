//! The queue alone, as it is before a disk that hangs.

use super::*;
use crate::history::disk::queue::Work;

const BOUND: usize = 4096;

fn numbered(number: u64) -> LogAddress {
    log(&format!("channel-{number}"), HistoryStore::DiskBehind)
}

fn append(number: u64) -> Op {
    let log = log("a", HistoryStore::DiskBehind);
    Op::Append { log, entry: entry(number, number - 1), committed: None }
}

/// One letter for each change, until nothing waits.
fn taken(queue: &Queue) -> Vec<(char, u64)> {
    queue.end();
    let mut all = Vec::new();
    while let Work::Write(ops) = queue.next() {
        queue.release(ops.iter().map(Op::cost).sum());
        all.extend(ops.iter().map(|op| match op {
            Op::Begin { origin, .. } => ('b', origin.0),
            Op::Append { entry, .. } => ('a', entry.number.0),
            Op::Trim { up_to, .. } => ('t', up_to.0),
            Op::Clear { number, .. } => ('c', number.0),
            Op::Forget { .. } => ('f', 0),
        }));
    }
    assert_eq!(queue.stats().queued_bytes, 0);
    all
}

#[test]
fn queue_is_bounded_while_the_disk_is_slow() {
    let queue = Queue::new(4096);
    let op = |number, waits: bool| Op::Append {
        log: log("a", HistoryStore::DiskBehind),
        entry: entry(number, number - 1),
        committed: waits.then(|| Box::new(|_| {}) as Committed),
    };
    let mut taken = 0;
    while queue.push_behind(op(taken + 1, false)).is_ok() {
        taken += 1;
        assert!(queue.stats().queued_bytes <= 4096);
    }
    assert!(taken > 5);
    assert_eq!(queue.push_before(op(99, true)), Err(JournalError::Busy));
    assert_eq!(queue.push_behind(op(99, false)), Err(JournalError::Busy));
    // Nothing is refused for a disk that refuses, as long as nobody waits.
    queue.change_stats(|stats| stats.is_failing = true);
    assert_eq!(queue.push_behind(op(99, false)), Ok(()));
    assert_eq!(queue.push_before(op(99, true)), Err(JournalError::Unwritable));
    assert_eq!((queue.stats().lost, queue.stats().queued_bytes <= 4096), (1, true));
}

#[test]
fn what_nobody_waits_for_is_bounded_too() {
    let queue = Queue::new(BOUND);
    for number in 0..1000 {
        queue.begin(&numbered(number), LogNumber(number));
        assert!(queue.stats().queued_bytes <= BOUND);
    }
    for number in 0..1000 {
        queue.trim(&numbered(number), LogNumber(number));
        queue.forget(&numbered(number));
        assert!(queue.stats().queued_bytes <= 2 * BOUND);
    }
    let all = taken(&queue);
    let count = |letter| all.iter().filter(|(found, _)| *found == letter).count();
    assert!((5..40).contains(&count('b')) && count('f') > 1 && count('t') > 1, "{all:?}");
}

#[test]
fn of_trims_the_first_and_the_newest_wait() {
    let queue = Queue::new(BOUND);
    let log = log("a", HistoryStore::DiskBehind);
    for number in 2..1000 {
        queue.trim(&log, LogNumber(number));
    }
    assert!(queue.stats().queued_bytes < BOUND / 2);
    assert_eq!(taken(&queue), [('t', 2), ('t', 999)]);
}

/// What was accepted before it, is written before it; it does not wait for what comes later.
#[test]
fn trim_comes_after_the_entries_before_it() {
    let queue = Queue::new(1 << 20);
    for number in 2..1000 {
        queue.push_behind(append(number)).unwrap();
        queue.trim(&log("a", HistoryStore::DiskBehind), LogNumber(number));
    }
    let all = taken(&queue);
    let trims: Vec<_> = (0..all.len()).filter(|at| all[*at].0 == 't').collect();
    assert_eq!(trims, [256, all.len() - 1]);
    assert_eq!((all[256], all[all.len() - 1]), (('t', 2), ('t', 999)));
}

#[test]
fn log_ends_once() {
    let queue = Queue::new(BOUND);
    let log = log("a", HistoryStore::DiskBehind);
    (0..1000).for_each(|_| queue.forget(&log));
    queue.begin(&log, LogNumber(7));
    (0..1000).for_each(|_| queue.forget(&log));
    assert_eq!(taken(&queue), [('f', 0), ('b', 7), ('f', 0)]);
}

/// A clearing was promised, unlike events.
#[test]
fn clearing_is_refused_rather_than_lost() {
    let clearing = |number| Op::Clear {
        log: log("a", HistoryStore::DiskBehind),
        number: LogNumber(number),
        committed: None,
    };
    let queue = Queue::new(BOUND);
    queue.change_stats(|stats| stats.is_failing = true);
    assert_eq!(queue.push_kept(clearing(1)), Ok(()));
    while queue.stats().lost == 0 {
        queue.push_behind(append(2)).unwrap();
    }
    while queue.push_kept(clearing(3)).is_ok() {}
    assert_eq!(queue.push_kept(clearing(3)), Err(JournalError::Unwritable));
    queue.change_stats(|stats| stats.is_failing = false);
    assert_eq!(queue.push_kept(clearing(3)), Err(JournalError::Busy));
    assert_eq!(queue.stats().lost, 1);
    queue.end();
    assert_eq!(queue.push_kept(clearing(3)), Err(JournalError::Ended));
}
