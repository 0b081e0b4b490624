use super::*;
use crate::platform::clock::ClockReading;

const TOPIC: TopicId = TopicId(7);
const SEALED: Option<Version> = Some(Version { key: 1, epoch: 0 });

fn until(expires: u64) -> AuthorizationScope {
    AuthorizationScope { expires: Some(expires), ..AuthorizationScope::UNRESTRICTED }
}

fn grantee(user: &str, asked: UnixSeconds) -> Grantee {
    let as_of = KnownAsOf::now(ClockReading::at(asked));
    Grantee { user: (!user.is_empty()).then(|| user.into()), as_of }
}

fn nobody() -> Grantee {
    grantee("", 1)
}

fn name(text: &str) -> Arc<str> {
    text.into()
}

/// Channels that end, and topics that are nudged, with the longest lead.
fn review(
    cache: &mut AuthorizationCache,
    now: UnixSeconds,
) -> (Vec<(Arc<str>, TopicId)>, Vec<TopicId>) {
    let Reviewed { ended, nudged } = cache.review(now, 0);
    (ended, nudged)
}

const NOTHING: (Vec<(Arc<str>, TopicId)>, Vec<TopicId>) = (Vec::new(), Vec::new());

fn ends(text: &str) -> (Vec<(Arc<str>, TopicId)>, Vec<TopicId>) {
    (vec![(name(text), TOPIC)], vec![])
}

#[test]
fn limited_authorization_stays_limited() {
    let mut cache = AuthorizationCache::default();
    assert!(matches!(cache.lookup("a", 1), Ok(None)));
    cache.add(name("a"), nobody(), None, until(100), 1);
    assert!(matches!(cache.lookup("a", 99), Ok(Some(_))));
    cache.joined("a", TOPIC);
    assert_eq!(cache.due(), Some(100));
    assert_eq!(review(&mut cache, 99), NOTHING);
    assert_eq!(review(&mut cache, 100), ends("a"));
    assert_eq!((review(&mut cache, 101), cache.due()), (NOTHING, None));
    assert_eq!(cache.lookup("a", 50).err(), Some(NotGranted::Reauthorize));
    cache.add(name("a"), nobody(), None, until(200), 1);
    assert!(matches!(cache.lookup("a", 150), Ok(Some(_))));
    cache.joined("a", TOPIC);
    cache.left("a");
    assert_eq!(review(&mut cache, 200), NOTHING);
    assert_eq!(cache.lookup("a", 200).err(), Some(NotGranted::Reauthorize));
    cache.add(name("a"), nobody(), None, AuthorizationScope::UNRESTRICTED, 1);
    assert!(matches!(cache.lookup("a", 500), Ok(None)));
}

#[test]
fn newer_authorization_extends_a_running_subscription() {
    let mut cache = AuthorizationCache::default();
    cache.add(name("a"), nobody(), SEALED, until(100), 1);
    cache.joined("a", TOPIC);
    assert_eq!(cache.due(), Some(70));
    assert_eq!(review(&mut cache, 89), NOTHING);
    assert_eq!(cache.due(), Some(90), "not looked at each second");
    assert_eq!(review(&mut cache, 90), (vec![], vec![TOPIC]));
    assert_eq!((review(&mut cache, 91), cache.due()), (NOTHING, Some(100)));
    cache.add(name("a"), nobody(), SEALED, until(300), 1);
    assert_eq!((review(&mut cache, 100), cache.due()), (NOTHING, Some(270)));
    cache.add(name("a"), nobody(), SEALED, AuthorizationScope::UNRESTRICTED, 1);
    assert_eq!((review(&mut cache, 900), cache.due()), (NOTHING, None));
    // A short life is asked for anew in its middle.
    cache.add(name("a"), nobody(), SEALED, until(11), 1);
    assert_eq!(review(&mut cache, 5), NOTHING);
    assert_eq!(review(&mut cache, 6), (vec![], vec![TOPIC]));
}

#[test]
fn revocation_ends_authorizations_of_a_token() {
    let token = |jti: &str, issued| {
        let issued = KnownAsOf::now(ClockReading::at(issued));
        let token = TokenId { jti: jti.into(), user: "u".into(), issued };
        AuthorizationScope { token: Some(token), ..AuthorizationScope::UNRESTRICTED }
    };
    let mut cache = AuthorizationCache::default();
    cache.add(name("a"), nobody(), None, token("j1", 10), 1);
    cache.add(name("b"), nobody(), None, token("j2", 20), 1);
    cache.joined("a", TOPIC);
    assert_eq!(cache.revoke_tokens(&TokenRevocation::User("v".into()), 99), []);
    assert_eq!(cache.revoke_tokens(&TokenRevocation::Token("j1".into()), 99), [(name("a"), TOPIC)]);
    assert_eq!(cache.lookup("a", 1).err(), Some(NotGranted::Reauthorize));
    assert!(cache.lookup("b", 1).is_ok());
    assert_eq!(cache.revoke_tokens(&TokenRevocation::User("u".into()), 19), []);
    assert!(cache.lookup("b", 1).is_ok());
    assert_eq!(cache.revoke_tokens(&TokenRevocation::User("u".into()), 20), []);
    assert_eq!(cache.lookup("b", 1).err(), Some(NotGranted::Reauthorize));
}

fn taken(cache: &AuthorizationCache, name: &str) -> Result<Option<Grantee>, NotGranted> {
    cache.lookup(name, 500).map(|taken| taken.map(|taken| taken.grantee))
}

#[test]
fn user_of_a_sealed_channel_is_remembered_after_unsubscribing() {
    let mut cache = AuthorizationCache::default();
    cache.add(name("a"), grantee("u", 7), SEALED, AuthorizationScope::UNRESTRICTED, 1);
    assert_eq!(taken(&cache, "a"), Ok(Some(grantee("u", 7))));
    cache.joined("a", TOPIC);
    cache.left("a");
    assert_eq!(taken(&cache, "a"), Ok(Some(grantee("u", 7))));
    // An authorization without a user is about the connection's known user.
    cache.add(name("a"), grantee("", 9), SEALED, AuthorizationScope::UNRESTRICTED, 1);
    assert_eq!(taken(&cache, "a"), Ok(Some(grantee("u", 9))));
    cache.add(name("a"), grantee("v", 10), SEALED, AuthorizationScope::UNRESTRICTED, 1);
    assert_eq!(taken(&cache, "a"), Ok(Some(grantee("v", 10))));
}

/// The channel is granted, joined and left.
fn visit(cache: &mut AuthorizationCache, text: &str, user: &str) {
    assert_eq!(cache.has_room_for(text), Ok(()), "{text}");
    cache.add(name(text), grantee(user, 7), SEALED, AuthorizationScope::UNRESTRICTED, 1);
    cache.joined(text, TOPIC);
    cache.left(text);
}

#[test]
fn f4_a_full_book_evicts_what_was_left_first_and_nothing_else() {
    let mut cache = AuthorizationCache::default();
    cache.add(name("joined"), grantee("u", 7), SEALED, AuthorizationScope::UNRESTRICTED, 1);
    cache.joined("joined", TOPIC);
    cache.add(name("unused"), grantee("u", 7), SEALED, AuthorizationScope::UNRESTRICTED, 1);
    (0..5000).for_each(|index| visit(&mut cache, &index.to_string(), "u"));
    for kept in ["joined", "unused", "4999", "4900"] {
        assert_eq!(taken(&cache, kept), Ok(Some(grantee("u", 7))), "{kept}");
    }
    for evicted in ["0", "2500", "4899"] {
        assert_eq!(taken(&cache, evicted), Err(NotGranted::Reauthorize), "{evicted}");
    }
    assert_eq!(taken(&cache, "signed by others, or unlimited"), Ok(None));
    // Asking again helps, and keeps the user.
    cache.add(name("0"), grantee("", 9), SEALED, AuthorizationScope::UNRESTRICTED, 1);
    assert_eq!(taken(&cache, "0"), Ok(Some(grantee("u", 9))));
    cache.add(name("1"), nobody(), None, AuthorizationScope::UNRESTRICTED, 1);
    assert_eq!(taken(&cache, "1"), Ok(None), "the newest word has no limits");
}

#[test]
fn f4_neither_a_full_book_nor_an_end_lets_in_what_is_over() {
    let mut cache = AuthorizationCache::default();
    cache.add(name("over"), nobody(), None, until(100), 1);
    cache.add(name("left"), nobody(), None, until(900), 1);
    cache.left("left");
    assert_eq!(review(&mut cache, 100), NOTHING);
    (0..MAX_LEFT).for_each(|index| visit(&mut cache, &index.to_string(), ""));
    for text in ["over", "left"] {
        assert_eq!(cache.lookup(text, 50).err(), Some(NotGranted::Reauthorize), "{text}");
    }
}

#[test]
fn f4_unused_and_evicted_authorizations_are_refused_differently() {
    let mut cache = AuthorizationCache::default();
    for index in 0..MAX_UNUSED {
        assert_eq!(cache.has_room_for(&index.to_string()), Ok(()));
        cache.add(name(&index.to_string()), nobody(), None, until(100), 1);
    }
    assert_eq!(
        (cache.has_room_for("0"), cache.has_room_for("more")),
        (Ok(()), Err(NoRoom::Unused))
    );
    assert_eq!(review(&mut cache, 100), NOTHING);
    assert_eq!(cache.has_room_for("more"), Ok(()), "those that are over make room");
    for index in 0..MAX_EVICTED + MAX_LEFT - MAX_UNUSED {
        visit(&mut cache, &format!("v{index}"), "u");
    }
    assert_eq!(
        (cache.has_room_for("v0"), cache.has_room_for("more")),
        (Ok(()), Err(NoRoom::Evicted))
    );
}

#[test]
fn revocation_lasts_until_a_new_authorization() {
    for granted in ["by us, unlimited", "by us, until", "by others", "by us, evicted"] {
        let mut cache = AuthorizationCache::default();
        let scope =
            if granted == "by us, until" { until(900) } else { AuthorizationScope::UNRESTRICTED };
        if granted != "by others" {
            cache.add(name("a"), grantee("u", 7), SEALED, scope, 1);
            cache.joined("a", TOPIC);
        }
        if granted == "by us, evicted" {
            cache.left("a");
            (0..MAX_LEFT).for_each(|index| visit(&mut cache, &index.to_string(), "u"));
        }
        assert!(cache.revoke(&name("a")));
        cache.left("a");
        (0..3 * MAX_LEFT).for_each(|index| visit(&mut cache, &index.to_string(), "u"));
        for _ in 0..2 {
            assert_eq!(taken(&cache, "a"), Err(NotGranted::Revoked), "{granted}");
        }
        assert!(cache.is_revoked("a"), "{granted}");
        assert_eq!(review(&mut cache, 1000), NOTHING, "{granted}");
        assert_eq!(taken(&cache, "b"), Ok(None), "{granted}: other channels");
        cache.add(name("a"), grantee("u", 9), SEALED, AuthorizationScope::UNRESTRICTED, 1);
        assert_eq!(taken(&cache, "a"), Ok(Some(grantee("u", 9))), "{granted}");
    }
}

#[test]
fn f4_however_many_are_revoked_none_is_good_again() {
    let mut cache = AuthorizationCache::default();
    for index in 0..3 * MAX_REVOKED {
        let has_room = cache.revoke(&name(&index.to_string()));
        assert_eq!(has_room, index < MAX_REVOKED, "{index}: else the connection is closed");
    }
    for index in 0..3 * MAX_REVOKED {
        assert_eq!(taken(&cache, &index.to_string()), Err(NotGranted::Revoked), "{index}");
    }
}

#[test]
fn f14_each_authorization_is_charged_and_none_twice() {
    let mut cache = AuthorizationCache::default();
    let long = "x".repeat(150);
    let names: Vec<Arc<str>> = (0..300).map(|index| name(&format!("{long}{index}"))).collect();
    let user = grantee(&"u".repeat(100), 7);
    for name in &names {
        cache.add(name.clone(), user.clone(), SEALED, until(100), 1);
        cache.add(name.clone(), user.clone(), SEALED, until(100), 1);
    }
    assert!(cache.bytes() > 300 * 600 && cache.bytes() < 300 * 800, "{}", cache.bytes());
    names.iter().for_each(|name| cache.joined(name, TOPIC));
    names.iter().for_each(|name| cache.left(name));
    let evicted = 300 - MAX_LEFT;
    assert!(cache.bytes() > evicted * 160 && cache.bytes() < 300 * 500, "{}", cache.bytes());
    assert_eq!(review(&mut cache, 100), NOTHING);
    assert!(cache.bytes() > 300 * 160 && cache.bytes() < 300 * 200, "{}", cache.bytes());
    names.iter().for_each(|name| assert!(cache.revoke(name)));
    assert!(cache.bytes() > 300 * 200 && cache.bytes() < 300 * 300, "{}", cache.bytes());
    for name in &names {
        cache.add(name.clone(), nobody(), None, AuthorizationScope::UNRESTRICTED, 1);
    }
    assert_eq!((cache.bytes(), cache.unused, cache.left.len()), (0, 0, 0));
    assert!(cache.records.capacity() <= KEPT_RECORDS, "{}", cache.records.capacity());
}

#[test]
fn f19_a_join_costs_the_same_however_many_came_before() {
    let mut cache = AuthorizationCache::default();
    const MANY: usize = 9000;
    for index in 0..MANY {
        let (name, end) = (name(&index.to_string()), 1000 + index as u64);
        assert_eq!(cache.has_room_for(&name), Ok(()));
        cache.add(name.clone(), nobody(), SEALED, until(end), 1);
        cache.joined(&name, TOPIC);
    }
    assert_eq!(cache.due(), Some(970));
    // Each has two deadlines so far, of which one counts: a few passes over those left over.
    assert!(cache.deadlines.examined <= 4 * MANY, "{}", cache.deadlines.examined);
    let before = cache.deadlines.examined;
    assert_eq!(review(&mut cache, 900), NOTHING);
    assert_eq!(cache.deadlines.examined, before, "nothing is due");
    assert_eq!(cache.review(u64::MAX, 0).ended.len(), MANY);
    assert!(cache.deadlines.examined <= before + 2 * MANY + 64, "{}", cache.deadlines.examined);
}

#[test]
fn authorizations_of_opening_channels_are_no_unused_ones() {
    let mut cache = AuthorizationCache::default();
    for index in 0..2 * MAX_UNUSED {
        let channel = index.to_string();
        assert_eq!(cache.has_room_for(&channel), Ok(()), "{index}");
        cache.add(name(&channel), nobody(), None, until(100), 1);
        cache.opening(&channel);
    }
    cache.add(name("0"), nobody(), None, until(100), 1);
    assert_eq!(cache.has_room_for("more"), Ok(()), "a newer one for an opening channel as well");
    cache.joined("0", TOPIC);
    cache.left("1");
    assert!(matches!(cache.lookup("1", 1), Ok(Some(_))));
}
