use super::*;
use crate::clock::Now;

const TOPIC: TopicId = TopicId(7);
const SEALED: Option<Version> = Some(Version { key: 1, epoch: 0 });

fn until(expires: u64) -> Bounds {
    Bounds { expires: Some(expires), ..Bounds::NONE }
}

fn grantee(user: &str, asked: UnixSeconds) -> Grantee {
    let as_of = KnownAsOf::now(Now::at(asked));
    Grantee { user: (!user.is_empty()).then(|| user.into()), as_of }
}

fn nobody() -> Grantee {
    grantee("", 1)
}

fn name(text: &str) -> Arc<str> {
    text.into()
}

/// What ends, and what is nudged, with the longest lead.
fn review(book: &mut GrantBook, now: UnixSeconds) -> (Vec<(Arc<str>, TopicId)>, Vec<TopicId>) {
    let Reviewed { ended, nudged } = book.review(now, 0);
    (ended, nudged)
}

const NOTHING: (Vec<(Arc<str>, TopicId)>, Vec<TopicId>) = (Vec::new(), Vec::new());

fn ends(text: &str) -> (Vec<(Arc<str>, TopicId)>, Vec<TopicId>) {
    (vec![(name(text), TOPIC)], vec![])
}

#[test]
fn what_was_bounded_stays_bounded() {
    let mut book = GrantBook::default();
    assert!(matches!(book.take("a", 1), Ok(None)));
    book.add(name("a"), nobody(), None, until(100), 1);
    assert!(matches!(book.take("a", 99), Ok(Some(_))));
    book.joined("a", TOPIC);
    assert_eq!(book.due(), Some(100));
    assert_eq!(review(&mut book, 99), NOTHING);
    assert_eq!(review(&mut book, 100), ends("a"));
    assert_eq!((review(&mut book, 101), book.due()), (NOTHING, None));
    assert_eq!(book.take("a", 50).err(), Some(NotGranted::AskAgain));
    book.add(name("a"), nobody(), None, until(200), 1);
    assert!(matches!(book.take("a", 150), Ok(Some(_))));
    book.joined("a", TOPIC);
    book.left("a");
    assert_eq!(review(&mut book, 200), NOTHING);
    assert_eq!(book.take("a", 200).err(), Some(NotGranted::AskAgain));
    book.add(name("a"), nobody(), None, Bounds::NONE, 1);
    assert!(matches!(book.take("a", 500), Ok(None)));
}

#[test]
fn a_newer_word_counts_for_a_subscription_that_runs() {
    let mut book = GrantBook::default();
    book.add(name("a"), nobody(), SEALED, until(100), 1);
    book.joined("a", TOPIC);
    assert_eq!(book.due(), Some(70));
    assert_eq!(review(&mut book, 89), NOTHING);
    assert_eq!(book.due(), Some(90), "not looked at each second");
    assert_eq!(review(&mut book, 90), (vec![], vec![TOPIC]));
    assert_eq!((review(&mut book, 91), book.due()), (NOTHING, Some(100)));
    book.add(name("a"), nobody(), SEALED, until(300), 1);
    assert_eq!((review(&mut book, 100), book.due()), (NOTHING, Some(270)));
    book.add(name("a"), nobody(), SEALED, Bounds::NONE, 1);
    assert_eq!((review(&mut book, 900), book.due()), (NOTHING, None));
    // A short life is asked for anew in its middle.
    book.add(name("a"), nobody(), SEALED, until(11), 1);
    assert_eq!(review(&mut book, 5), NOTHING);
    assert_eq!(review(&mut book, 6), (vec![], vec![TOPIC]));
}

#[test]
fn revocation_ends_what_a_token_was_given() {
    let token = |jti: &str, issued| {
        let issued = KnownAsOf::now(Now::at(issued));
        let token = TokenId { jti: jti.into(), user: "u".into(), issued };
        Bounds { token: Some(token), ..Bounds::NONE }
    };
    let mut book = GrantBook::default();
    book.add(name("a"), nobody(), None, token("j1", 10), 1);
    book.add(name("b"), nobody(), None, token("j2", 20), 1);
    book.joined("a", TOPIC);
    assert_eq!(book.revoke_tokens(&Revocation::User("v".into()), 99), []);
    assert_eq!(book.revoke_tokens(&Revocation::Token("j1".into()), 99), [(name("a"), TOPIC)]);
    assert_eq!(book.take("a", 1).err(), Some(NotGranted::AskAgain));
    assert!(book.take("b", 1).is_ok());
    assert_eq!(book.revoke_tokens(&Revocation::User("u".into()), 19), []);
    assert!(book.take("b", 1).is_ok());
    assert_eq!(book.revoke_tokens(&Revocation::User("u".into()), 20), []);
    assert_eq!(book.take("b", 1).err(), Some(NotGranted::AskAgain));
}

fn taken(book: &GrantBook, name: &str) -> Result<Option<Grantee>, NotGranted> {
    book.take(name, 500).map(|taken| taken.map(|taken| taken.grantee))
}

#[test]
fn who_a_sealed_channel_was_granted_to_is_remembered_also_when_it_was_left() {
    let mut book = GrantBook::default();
    book.add(name("a"), grantee("u", 7), SEALED, Bounds::NONE, 1);
    assert_eq!(taken(&book, "a"), Ok(Some(grantee("u", 7))));
    book.joined("a", TOPIC);
    book.left("a");
    assert_eq!(taken(&book, "a"), Ok(Some(grantee("u", 7))));
    // An authorization without a user is about the connection's known user.
    book.add(name("a"), grantee("", 9), SEALED, Bounds::NONE, 1);
    assert_eq!(taken(&book, "a"), Ok(Some(grantee("u", 9))));
    book.add(name("a"), grantee("v", 10), SEALED, Bounds::NONE, 1);
    assert_eq!(taken(&book, "a"), Ok(Some(grantee("v", 10))));
}

/// The channel is granted, joined and left.
fn visit(book: &mut GrantBook, text: &str, user: &str) {
    assert_eq!(book.room_for(text), Ok(()), "{text}");
    book.add(name(text), grantee(user, 7), SEALED, Bounds::NONE, 1);
    book.joined(text, TOPIC);
    book.left(text);
}

#[test]
fn f4_a_full_book_evicts_what_was_left_first_and_nothing_else() {
    let mut book = GrantBook::default();
    book.add(name("joined"), grantee("u", 7), SEALED, Bounds::NONE, 1);
    book.joined("joined", TOPIC);
    book.add(name("unused"), grantee("u", 7), SEALED, Bounds::NONE, 1);
    (0..5000).for_each(|index| visit(&mut book, &index.to_string(), "u"));
    for kept in ["joined", "unused", "4999", "4900"] {
        assert_eq!(taken(&book, kept), Ok(Some(grantee("u", 7))), "{kept}");
    }
    for evicted in ["0", "2500", "4899"] {
        assert_eq!(taken(&book, evicted), Err(NotGranted::AskAgain), "{evicted}");
    }
    assert_eq!(taken(&book, "signed by others, or unlimited"), Ok(None));
    // Asking again helps, and makes nobody somebody else.
    book.add(name("0"), grantee("", 9), SEALED, Bounds::NONE, 1);
    assert_eq!(taken(&book, "0"), Ok(Some(grantee("u", 9))));
    book.add(name("1"), nobody(), None, Bounds::NONE, 1);
    assert_eq!(taken(&book, "1"), Ok(None), "the newest word has no limits");
}

#[test]
fn f4_neither_a_full_book_nor_an_end_lets_in_what_is_over() {
    let mut book = GrantBook::default();
    book.add(name("over"), nobody(), None, until(100), 1);
    book.add(name("left"), nobody(), None, until(900), 1);
    book.left("left");
    assert_eq!(review(&mut book, 100), NOTHING);
    (0..MAX_LEFT).for_each(|index| visit(&mut book, &index.to_string(), ""));
    for text in ["over", "left"] {
        assert_eq!(book.take(text, 50).err(), Some(NotGranted::AskAgain), "{text}");
    }
}

#[test]
fn f4_who_joins_nothing_is_refused_and_who_cannot_be_remembered_is_told_apart() {
    let mut book = GrantBook::default();
    for index in 0..MAX_UNUSED {
        assert_eq!(book.room_for(&index.to_string()), Ok(()));
        book.add(name(&index.to_string()), nobody(), None, until(100), 1);
    }
    assert_eq!((book.room_for("0"), book.room_for("more")), (Ok(()), Err(NoRoom::Unused)));
    assert_eq!(review(&mut book, 100), NOTHING);
    assert_eq!(book.room_for("more"), Ok(()), "those that are over make room");
    for index in 0..MAX_EVICTED + MAX_LEFT - MAX_UNUSED {
        visit(&mut book, &format!("v{index}"), "u");
    }
    assert_eq!((book.room_for("v0"), book.room_for("more")), (Ok(()), Err(NoRoom::Evicted)));
}

#[test]
fn what_was_revoked_stays_revoked_until_it_is_granted_anew() {
    for granted in ["by us, unlimited", "by us, until", "by others", "by us, evicted"] {
        let mut book = GrantBook::default();
        let bounds = if granted == "by us, until" { until(900) } else { Bounds::NONE };
        if granted != "by others" {
            book.add(name("a"), grantee("u", 7), SEALED, bounds, 1);
            book.joined("a", TOPIC);
        }
        if granted == "by us, evicted" {
            book.left("a");
            (0..MAX_LEFT).for_each(|index| visit(&mut book, &index.to_string(), "u"));
        }
        assert!(book.revoke(&name("a")));
        book.left("a");
        (0..3 * MAX_LEFT).for_each(|index| visit(&mut book, &index.to_string(), "u"));
        for _ in 0..2 {
            assert_eq!(taken(&book, "a"), Err(NotGranted::Revoked), "{granted}");
        }
        assert!(book.is_revoked("a"), "{granted}");
        assert_eq!(review(&mut book, 1000), NOTHING, "{granted}");
        assert_eq!(taken(&book, "b"), Ok(None), "{granted}: other channels");
        book.add(name("a"), grantee("u", 9), SEALED, Bounds::NONE, 1);
        assert_eq!(taken(&book, "a"), Ok(Some(grantee("u", 9))), "{granted}");
    }
}

#[test]
fn f4_however_many_are_revoked_none_is_good_again() {
    let mut book = GrantBook::default();
    for index in 0..3 * MAX_REVOKED {
        let has_room = book.revoke(&name(&index.to_string()));
        assert_eq!(has_room, index < MAX_REVOKED, "{index}: else the connection is closed");
    }
    for index in 0..3 * MAX_REVOKED {
        assert_eq!(taken(&book, &index.to_string()), Err(NotGranted::Revoked), "{index}");
    }
}

#[test]
fn f14_each_authorization_is_charged_and_none_twice() {
    let mut book = GrantBook::default();
    let long = "x".repeat(150);
    let names: Vec<Arc<str>> = (0..300).map(|index| name(&format!("{long}{index}"))).collect();
    let user = grantee(&"u".repeat(100), 7);
    for name in &names {
        book.add(name.clone(), user.clone(), SEALED, until(100), 1);
        book.add(name.clone(), user.clone(), SEALED, until(100), 1);
    }
    assert!(book.bytes() > 300 * 600 && book.bytes() < 300 * 800, "{}", book.bytes());
    names.iter().for_each(|name| book.joined(name, TOPIC));
    names.iter().for_each(|name| book.left(name));
    let evicted = 300 - MAX_LEFT;
    assert!(book.bytes() > evicted * 160 && book.bytes() < 300 * 500, "{}", book.bytes());
    assert_eq!(review(&mut book, 100), NOTHING);
    assert!(book.bytes() > 300 * 160 && book.bytes() < 300 * 200, "{}", book.bytes());
    names.iter().for_each(|name| assert!(book.revoke(name)));
    assert!(book.bytes() > 300 * 200 && book.bytes() < 300 * 300, "{}", book.bytes());
    for name in &names {
        book.add(name.clone(), nobody(), None, Bounds::NONE, 1);
    }
    assert_eq!((book.bytes(), book.unused, book.left.len()), (0, 0, 0));
    assert!(book.records.capacity() <= KEPT_RECORDS, "{}", book.records.capacity());
}

#[test]
fn f19_a_join_costs_the_same_however_many_came_before() {
    let mut book = GrantBook::default();
    const MANY: usize = 9000;
    for index in 0..MANY {
        let (name, end) = (name(&index.to_string()), 1000 + index as u64);
        assert_eq!(book.room_for(&name), Ok(()));
        book.add(name.clone(), nobody(), SEALED, until(end), 1);
        book.joined(&name, TOPIC);
    }
    assert_eq!(book.due(), Some(970));
    // Each has two deadlines so far, of which one counts: a few passes over those left over.
    assert!(book.deadlines.examined <= 4 * MANY, "{}", book.deadlines.examined);
    let before = book.deadlines.examined;
    assert_eq!(review(&mut book, 900), NOTHING);
    assert_eq!(book.deadlines.examined, before, "nothing is due");
    assert_eq!(book.review(u64::MAX, 0).ended.len(), MANY);
    assert!(book.deadlines.examined <= before + 2 * MANY + 64, "{}", book.deadlines.examined);
}
