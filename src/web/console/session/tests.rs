use std::net::IpAddr;

use super::*;

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

fn begin(table: &mut SessionTable, now: Instant) -> NewSession {
    table.begin(SignInMeans::Code, now).expect("random bytes")
}

#[test]
fn code_works_once_and_for_five_minutes() {
    let (mut table, start) = (SessionTable::default(), Instant::now());
    let code = table.new_code(start).expect("random bytes");
    assert_eq!(code.len(), 22, "128 bits");
    assert!(!table.use_code("", start) && !table.use_code("x", start));
    assert!(table.use_code(&code, start));
    assert!(!table.use_code(&code, start), "a second time");
    let (early, late) = (table.new_code(start), table.new_code(start));
    let just_before = start + CODE_LIFETIME - Duration::from_millis(1);
    assert!(table.use_code(&early.expect("random bytes"), just_before));
    assert!(!table.use_code(&late.expect("random bytes"), start + CODE_LIFETIME));
}

#[test]
fn oldest_of_too_many_codes_is_dropped() {
    let (mut table, now) = (SessionTable::default(), Instant::now());
    let codes: Vec<_> = (0..=MAX_CODES).map(|_| table.new_code(now).expect("bytes")).collect();
    assert!(!table.use_code(&codes[0], now));
    assert!(codes[1..].iter().all(|code| table.use_code(code, now)));
}

#[test]
fn session_ends_idle_or_after_a_day() {
    let (mut table, start) = (SessionTable::default(), Instant::now());
    let idle = begin(&mut table, start);
    assert_eq!(idle.cookie.len(), 43, "256 bits");
    assert!(table.find(&idle.cookie, &idle.key, start + minutes(479)).is_some());
    assert!(
        table.find(&idle.cookie, &idle.key, start + minutes(479 + 481)).is_none(),
        "idle for 8 hours"
    );
    assert_eq!(table.expire(start + minutes(479 + 481)), [idle.view.number]);
    assert_eq!(*idle.view.end.borrow(), Some(SessionEnd::Expired));

    let busy = begin(&mut table, start);
    for hour in 1..24 {
        let view =
            table.find(&busy.cookie, &busy.key, start + minutes(60 * hour)).expect("it is in use");
        assert_eq!(view.expires_in, minutes(60 * 8.min(24 - hour)), "{hour}");
    }
    assert!(table.find(&busy.cookie, &busy.key, start + minutes(24 * 60)).is_none(), "a day");
}

#[test]
fn thirty_third_session_replaces_the_longest_idle() {
    let (mut table, start) = (SessionTable::default(), Instant::now());
    let sessions: Vec<_> = (0..MAX_SESSIONS).map(|_| begin(&mut table, start)).collect();
    let later = start + minutes(1);
    for session in sessions.iter().filter(|session| session.view.number != sessions[7].view.number)
    {
        assert!(table.find(&session.cookie, &session.key, later).is_some());
    }
    let next = begin(&mut table, later);
    assert_eq!(next.replaced, Some(sessions[7].view.number));
    assert_eq!(*sessions[7].view.end.borrow(), Some(SessionEnd::Replaced));
    assert!(table.find(&sessions[7].cookie, &sessions[7].key, later).is_none());
    assert!(table.find(&next.cookie, &next.key, later).is_some());
}

#[test]
fn all_sessions_and_codes_end_together() {
    let (mut table, now) = (SessionTable::default(), Instant::now());
    let (code, session) = (table.new_code(now).expect("bytes"), begin(&mut table, now));
    let before = table.generation();
    assert_eq!(table.end_all(SessionEnd::TokenChanged), [session.view.number]);
    assert_ne!(table.generation(), before, "a sign-in under way does not count");
    assert!(
        table.find(&session.cookie, &session.key, now).is_none() && !table.use_code(&code, now)
    );
    assert_eq!(*session.view.end.borrow(), Some(SessionEnd::TokenChanged));
}

#[test]
fn a_use_over_the_socket_counts() {
    let (mut table, start) = (SessionTable::default(), Instant::now());
    let session = begin(&mut table, start);
    table.touch(session.view.number, start + minutes(400));
    assert!(table.find(&session.cookie, &session.key, start + minutes(600)).is_some());
    assert!(table.end(session.view.number, SessionEnd::SignedOut));
    assert!(!table.end(session.view.number, SessionEnd::SignedOut), "once");
}

#[test]
fn eleventh_wrong_attempt_of_an_address_waits() {
    let (mut attempts, start) = (Attempts::default(), Instant::now());
    let (one, other) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([10, 0, 0, 1]));
    for _ in 0..100 {
        assert!(attempts.begin(Some(one), start).is_ok());
        attempts.succeeded(Some(one), start);
    }
    assert!((0..10).all(|_| attempts.begin(Some(one), start).is_ok()));
    assert_eq!(attempts.begin(Some(one), start), Err(Duration::from_secs(6)));
    assert!(attempts.begin(Some(other), start).is_ok(), "each for itself");
    assert!(attempts.begin(Some(one), start + Duration::from_secs(6)).is_ok());
}

#[test]
fn many_addresses_share_a_limiter() {
    let (mut attempts, now) = (Attempts::default(), Instant::now());
    let allowed = (0..10_000u32)
        .filter(|address| attempts.begin(Some(IpAddr::V4((*address).into())), now).is_ok());
    assert_eq!(allowed.count(), 4096 + 10);
}

#[test]
fn a_session_has_few_open_sockets() {
    let (mut table, now) = (SessionTable::default(), Instant::now());
    let session = begin(&mut table, now);
    let permits: Vec<_> =
        (0..MAX_SOCKETS).map(|_| SocketPermit::of(&session.view).expect("room")).collect();
    assert!(SocketPermit::of(&session.view).is_none());
    drop(permits);
    assert!(SocketPermit::of(&session.view).is_some());
    table.end_all(SessionEnd::SwitchedOff);
    assert!(SocketPermit::of(&session.view).is_none());
}
