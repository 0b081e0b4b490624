use super::*;

const MICROS: u64 = 1_000_000_000;

fn restored_entry(previous: u64, number: u64, at_micros: u64) -> RestoredEntry {
    let event = LogEvent { at_micros, ..clear_event("x") };
    RestoredEntry { number: LogNumber(number), previous: LogNumber(previous), event }
}

/// From pairs of predecessor and number.
fn restored(chain: &[(u64, u64)], last: u64, cleared: u64, now: Instant) -> Option<Log> {
    let entries = chain.iter().map(|(previous, number)| restored_entry(*previous, *number, MICROS));
    let (last, cleared) = (LogNumber(last), LogNumber(cleared));
    let journal = RestoredLog { entries: entries.collect(), last, cleared };
    Log::restored(Arc::new(settings()), journal, MICROS, now)
}

#[test]
fn restored_log_goes_on_where_it_was() {
    let now = Instant::now();
    let mut log = restored(&[(10, 20), (20, 30)], 30, 0, now).unwrap();
    assert_eq!(missed(&log, 10, now), Ok(vec![20, 30]));
    assert_eq!(missed(&log, 20, now), Ok(vec![30]));
    assert_eq!(missed(&log, 9, now), Err(GapReason::Expired));
    assert_eq!(missed(&log, 15, now), Err(GapReason::UnknownPosition));
    assert_eq!(log.next_number(0), LogNumber(31), "a clock that was set back does no harm");
    log.append(clear_event("x"), LogNumber(31), now);
    assert_eq!(missed(&log, 20, now), Ok(vec![30, 31]));
}

#[test]
fn journal_without_numbers_has_no_log() {
    assert!(restored(&[], 0, 0, Instant::now()).is_none());
}

#[test]
fn journal_without_entries_still_knows_its_end() {
    let now = Instant::now();
    let log = restored(&[], 30, 0, now).unwrap();
    assert_eq!(missed(&log, 30, now), Ok(vec![]));
    assert_eq!(missed(&log, 20, now), Err(GapReason::Expired));
    let log = restored(&[], 30, 30, now).unwrap();
    assert_eq!(missed(&log, 20, now), Err(GapReason::Cleared));
    assert_eq!(log.last(), LogNumber(30));
}

#[test]
fn only_the_newest_unbroken_chain_is_taken() {
    let now = Instant::now();
    let log = restored(&[(10, 20), (20, 30), (35, 40), (40, 50)], 50, 0, now).unwrap();
    for lost in [10, 20, 30] {
        assert_eq!(missed(&log, lost, now), Err(GapReason::Expired), "{lost}");
    }
    assert_eq!(missed(&log, 35, now), Ok(vec![40, 50]));
}

#[test]
fn numbers_without_entries_make_all_before_them_a_gap() {
    let now = Instant::now();
    for (last, cleared, reason) in [(40, 0, GapReason::Expired), (40, 40, GapReason::Cleared)] {
        let log = restored(&[(10, 20), (20, 30)], last, cleared, now).unwrap();
        for before in [10, 20, 30] {
            assert_eq!(missed(&log, before, now), Err(reason), "{before}");
        }
        assert_eq!(missed(&log, 40, now), Ok(vec![]));
    }
}

#[test]
fn conflicting_entries_are_kept_out_with_all_before_them() {
    let now = Instant::now();
    for (conflict, last) in [((20, 40), 40), ((20, 30), 31), ((30, 30), 31), ((40, 35), 35)] {
        let log = restored(&[(10, 20), (20, 30), conflict], 0, 0, now).unwrap();
        assert_eq!((log.len(), log.last().0), (0, last), "{conflict:?}");
        for before in [10, 20, 30] {
            assert!(missed(&log, before, now).is_err(), "{conflict:?} {before}");
        }
    }
}

#[test]
fn restored_events_have_the_rest_of_their_lives() {
    let now = Instant::now();
    let (ttl, second) = (10_000_000, 1_000_000);
    let settings = HistorySettings { ttl: 10 * SECOND, ..settings() };
    // One has expired, one has a second left, one is of the future.
    let times = [MICROS - ttl, MICROS - ttl + second, MICROS + ttl];
    let entries = times.into_iter().zip(10..).map(|(at, n)| restored_entry(n, n + 1, at));
    let (last, cleared) = (LogNumber(13), LogNumber(0));
    let journal = RestoredLog { entries: entries.collect(), last, cleared };
    let log = Log::restored(Arc::new(settings), journal, MICROS, now).unwrap();
    assert_eq!(missed(&log, 10, now), Err(GapReason::Expired));
    assert_eq!(missed(&log, 11, now), Ok(vec![12, 13]));
    assert_eq!(missed(&log, 11, now + SECOND), Err(GapReason::Expired));
    assert_eq!(missed(&log, 12, now + SECOND), Ok(vec![13]));
    assert_eq!(missed(&log, 12, now + 10 * SECOND), Err(GapReason::Expired));
}

#[test]
fn restored_log_keeps_its_bounds() {
    let now = Instant::now();
    let chain: Vec<_> = (10..20).map(|number| (number, number + 1)).collect();
    let log = restored(&chain, 20, 0, now).unwrap();
    assert_eq!((log.len(), log.last()), (5, LogNumber(20)));
    assert_eq!(missed(&log, 15, now), Ok(vec![16, 17, 18, 19, 20]));
    assert_eq!(missed(&log, 14, now), Err(GapReason::Evicted));
}
