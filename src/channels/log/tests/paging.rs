use super::*;

fn page(log: &Log, query: &PageQuery, now: Instant) -> (Vec<u64>, bool, Option<GapReason>) {
    let LogPage { entries, more, gap } = log.page(query, now);
    (entries.iter().map(|entry| entry.number.0).collect(), more, gap)
}

fn query() -> PageQuery {
    PageQuery { limit: 2, bytes: usize::MAX, ..PageQuery::default() }
}

fn after(number: u64) -> PageQuery {
    PageQuery { after: Some(LogNumber(number)), ..query() }
}

fn before(number: u64) -> PageQuery {
    PageQuery { before: Some(LogNumber(number)), ..newest() }
}

fn newest() -> PageQuery {
    PageQuery { order: PageOrder::NewestFirst, ..query() }
}

#[test]
fn pages_follow_each_other_both_ways() {
    let now = Instant::now();
    let mut log = log(settings(), now);
    append(&mut log, 5, now);
    assert_eq!(page(&log, &query(), now), (vec![1001, 1002], true, None));
    assert_eq!(page(&log, &after(1002), now), (vec![1003, 1004], true, None));
    assert_eq!(page(&log, &after(1004), now), (vec![1005], false, None));
    assert_eq!(page(&log, &after(1005), now), (vec![], false, None));
    assert_eq!(page(&log, &newest(), now), (vec![1005, 1004], true, None));
    assert_eq!(page(&log, &before(1004), now), (vec![1003, 1002], true, None));
    assert_eq!(page(&log, &before(1002), now), (vec![1001], false, None));
    assert_eq!(page(&log, &before(1001), now), (vec![], false, None));
    // Between two positions, without either.
    let between = PageQuery { before: Some(LogNumber(1004)), ..after(1001) };
    assert_eq!(page(&log, &between, now), (vec![1002, 1003], false, None));
    let empty = PageQuery { before: Some(LogNumber(1002)), ..after(1004) };
    assert_eq!(page(&log, &empty, now), (vec![], false, None));
    assert_eq!(page(&log, &PageQuery { limit: 0, ..query() }, now), (vec![], true, None));
}

#[test]
fn page_after_what_is_gone_begins_at_the_oldest_and_says_so() {
    let now = Instant::now();
    let mut log = log(settings(), now);
    append(&mut log, 7, now);
    let evicted = Some(GapReason::Evicted);
    assert_eq!(page(&log, &after(1001), now), (vec![1003, 1004], true, evicted));
    let unknown = Some(GapReason::UnknownPosition);
    assert_eq!(page(&log, &after(5000), now), (vec![1003, 1004], true, unknown));
}

#[test]
fn page_before_what_is_gone_is_empty_and_says_so() {
    let now = Instant::now();
    let mut log = log(settings(), now);
    append(&mut log, 7, now);
    assert_eq!(page(&log, &before(1003), now), (vec![], false, None));
    assert_eq!(page(&log, &before(1002), now), (vec![], false, None), "the oldest's predecessor");
    assert_eq!(page(&log, &before(1001), now), (vec![], false, Some(GapReason::Evicted)));
    let unknown = Some(GapReason::UnknownPosition);
    assert_eq!(page(&log, &before(5000), now), (vec![], false, unknown));
}

#[test]
fn page_before_a_clearing_is_empty() {
    let now = Instant::now();
    let mut log = log(settings(), now);
    append(&mut log, 1, now);
    let cleared = log.next_number(0);
    log.clear(cleared, now);
    append(&mut log, 1, now);
    assert_eq!(page(&log, &before(cleared.0), now), (vec![], false, None));
    assert_eq!(page(&log, &before(1001), now), (vec![], false, Some(GapReason::Cleared)));
}

#[test]
fn page_ends_at_its_bytes_but_is_never_empty_for_them() {
    let now = Instant::now();
    let mut log = log(settings(), now);
    for length in [10, 10, 1000, 10] {
        let number = log.next_number(0);
        log.append(clear_event(&"x".repeat(length)), number, now);
    }
    let bytes = |bytes, query| PageQuery { limit: 9, bytes, ..query };
    assert_eq!(page(&log, &bytes(100, query()), now), (vec![1001, 1002], true, None));
    assert_eq!(page(&log, &bytes(100, after(1002)), now), (vec![1003], true, None));
    assert_eq!(page(&log, &bytes(100, after(1003)), now), (vec![1004], false, None));
    assert_eq!(page(&log, &bytes(2 * 11, query()), now).0, [1001, 1002]);
    assert_eq!(page(&log, &bytes(2 * 11 - 1, query()), now).0, [1001]);
}

#[test]
fn pages_leave_out_what_has_expired() {
    let start = Instant::now();
    let mut log = log(HistorySettings { ttl: SECOND, ..settings() }, start);
    append(&mut log, 2, start);
    append(&mut log, 1, start + SECOND / 2);
    let later = start + SECOND;
    assert_eq!(page(&log, &query(), later), (vec![1003], false, None));
    assert_eq!(page(&log, &newest(), later), (vec![1003], false, None));
    assert_eq!(page(&log, &before(1001), later), (vec![], false, Some(GapReason::Expired)));
}
