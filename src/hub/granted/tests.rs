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

#[test]
fn what_was_bounded_stays_bounded() {
    let mut book = GrantBook::default();
    assert!(matches!(book.take("a", 1), Ok(None)));
    book.add(name("a"), nobody(), None, until(100), 1);
    assert!(matches!(book.take("a", 99), Ok(Some(_))));
    book.joined("a", TOPIC);
    assert_eq!(book.due, Some(100));
    assert_eq!(book.expire(99), []);
    assert_eq!(book.expire(100), [(name("a"), TOPIC)]);
    assert_eq!((book.expire(101), book.due), (vec![], None));
    assert_eq!(book.take("a", 50).err(), Some(NotGranted::AskAgain));
    book.add(name("a"), nobody(), None, until(200), 1);
    assert!(matches!(book.take("a", 150), Ok(Some(_))));
    book.joined("a", TOPIC);
    book.left("a");
    assert_eq!(book.expire(200), []);
    assert_eq!(book.take("a", 200).err(), Some(NotGranted::AskAgain));
    book.add(name("a"), nobody(), None, Bounds::NONE, 1);
    assert!(matches!(book.take("a", 500), Ok(None)));
}

#[test]
fn a_newer_word_counts_for_a_subscription_that_runs() {
    let mut book = GrantBook::default();
    book.add(name("a"), nobody(), SEALED, until(100), 1);
    book.joined("a", TOPIC);
    assert_eq!(book.due, Some(70));
    assert_eq!(book.to_nudge(89, 0), []);
    assert_eq!(book.to_nudge(90, 0), [TOPIC]);
    assert_eq!((book.to_nudge(91, 0), book.due), (vec![], Some(100)));
    book.add(name("a"), nobody(), SEALED, until(300), 1);
    assert_eq!((book.expire(100), book.due), (vec![], Some(270)));
    book.add(name("a"), nobody(), SEALED, Bounds::NONE, 1);
    assert_eq!((book.expire(900), book.due), (vec![], None));
    // A short life is asked for anew in its middle.
    book.add(name("a"), nobody(), SEALED, until(11), 1);
    assert_eq!((book.to_nudge(5, 0), book.to_nudge(6, 0)), (vec![], vec![TOPIC]));
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

#[test]
fn a_full_book_forgets_what_was_left_and_remembers_that_it_did() {
    let mut book = GrantBook::default();
    for index in 0..MOST {
        let name = name(&index.to_string());
        assert!(book.may_add(&name));
        book.add(name.clone(), nobody(), None, until(100), 1);
        if index < 10 {
            book.joined(&name, TOPIC);
            book.left(&name);
        }
    }
    assert!(book.may_add("0"));
    assert!(matches!(book.take("nobody", 1), Ok(None)));
    assert!(book.may_add("next"));
    assert_eq!(book.take("0", 1).err(), Some(NotGranted::AskAgain));
    assert_eq!(book.take("nobody", 1).err(), Some(NotGranted::AskAgain));
    for index in 0..10 {
        book.add(name(&format!("more {index}")), nobody(), None, until(100), 1);
    }
    assert!(!book.may_add("next"));
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

#[test]
fn what_was_revoked_stays_revoked_until_it_is_granted_anew() {
    for granted in ["by us, unlimited", "by us, until", "by others"] {
        let mut book = GrantBook::default();
        let bounds = if granted == "by us, until" { until(900) } else { Bounds::NONE };
        if granted != "by others" {
            book.add(name("a"), grantee("u", 7), SEALED, bounds, 1);
            book.joined("a", TOPIC);
        }
        book.revoke(&name("a"));
        book.left("a");
        for _ in 0..2 {
            assert_eq!(taken(&book, "a"), Err(NotGranted::Revoked), "{granted}");
        }
        assert_eq!(book.due, None, "{granted}");
        assert_eq!(taken(&book, "b"), Ok(None), "{granted}: other channels");
        book.add(name("a"), grantee("u", 9), SEALED, Bounds::NONE, 1);
        assert_eq!(taken(&book, "a"), Ok(Some(grantee("u", 9))), "{granted}");
    }
}

#[test]
fn however_many_are_revoked_none_is_good_again() {
    let mut book = GrantBook::default();
    for index in 0..3 * MOST {
        book.revoke(&name(&index.to_string()));
    }
    assert!(book.all.len() <= MOST, "{}", book.all.len());
    for index in 0..3 * MOST {
        assert!(taken(&book, &index.to_string()).is_err(), "{index}");
    }
}
