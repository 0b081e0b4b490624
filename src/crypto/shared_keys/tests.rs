use proptest::prelude::*;

use super::*;
use crate::crypto::{epochs::CounterId, secret::Salt};

const STATES: [KeyState; 4] =
    [KeyState::Pending, KeyState::Active, KeyState::Grace, KeyState::Retired];

fn id(number: u8) -> Fingerprint {
    Fingerprint::from_bytes([number; 6])
}

fn key(state: KeyState, at: u64, id_of: u8) -> SharedKey {
    SharedKey { state, until: (at > 2).then_some(at), since: at, grace: 9, id: id(id_of) }
}

fn counter(number: u8) -> CounterId {
    CounterId::from_bytes([number; 16])
}

/// The keys of a number mostly have one fingerprint, and sometimes two.
fn any_keys() -> impl Strategy<Value = SharedKeys> {
    let key_of = (1u32..4, 0usize..4, 0u64..5, prop::bool::weighted(0.1));
    let epoch = (0u8..2, 0u8..3, 0u64..9);
    let revocation = (0u8..2, 0u8..2, 1u64..9);
    let salt = prop::option::of((0u64..3, 0u8..3));
    let many = |size| 0usize..size;
    (
        prop::collection::vec(key_of, many(4)),
        prop::collection::vec(epoch, many(4)),
        prop::collection::vec(revocation, many(4)),
        salt,
    )
        .prop_map(|(keys, epochs, revocations, salt)| {
            let mut shared = SharedKeys::default();
            for (number, state, at, is_other) in keys {
                let own = number as u8 + if is_other { 100 } else { 0 };
                let _ = shared.add_key(number, key(STATES[state], at, own));
            }
            for (channel, by, count) in epochs {
                let counters = EpochCounters::of([(counter(by), count)]);
                shared.add_epoch(channel.to_string().into(), &counters);
            }
            for (channel, user, at) in revocations {
                let (channel, user) = (channel.to_string().into(), user.to_string().into());
                shared.add_revocation(MemberRevocation { channel, user, at });
            }
            shared.add_salt(
                salt.map(|(drawn, salt)| SharedSalt { drawn, salt: Salt::from_bytes([salt; 32]) }),
            );
            shared
        })
}

/// Which of two keys came first is no part of a conflict.
fn union(one: &SharedKeys, other: &SharedKeys) -> Option<SharedKeys> {
    one.clone().merged(other).ok()
}

proptest! {
    #[test]
    fn merge_is_commutative_associative_and_idempotent(
        a in any_keys(), b in any_keys(), c in any_keys(),
    ) {
        prop_assert_eq!(union(&a, &a), Some(a.clone()));
        prop_assert_eq!(union(&a, &b), union(&b, &a));
        let left = union(&a, &b).and_then(|ab| union(&ab, &c));
        let right = union(&b, &c).and_then(|bc| union(&a, &bc));
        prop_assert_eq!(left, right);
    }

    #[test]
    fn nothing_falls_by_a_merge(a in any_keys(), b in any_keys()) {
        let Some(both) = union(&a, &b) else { return Ok(()) };
        for (number, key) in a.keys() {
            let merged = &both.keys()[number];
            prop_assert!(merged >= key || key.state == KeyState::Pending);
            prop_assert!(merged.id == key.id || key.state == KeyState::Pending);
        }
        for (channel, counters) in a.epochs() {
            prop_assert!(both.epochs()[channel].sum() >= counters.sum());
        }
        prop_assert!(a.revocations().all(|(key, at)| both.revocations[key] >= *at));
        prop_assert!(both.salt() >= a.salt());
    }

    #[test]
    fn difference_makes_the_union(a in any_keys(), b in any_keys()) {
        let Some(both) = union(&a, &b) else { return Ok(()) };
        prop_assert_eq!(union(&a, &both.beyond(&a)), Some(both.clone()));
        prop_assert!(both.beyond(&both).is_empty());
    }

    /// Three servers revoke and exchange what they have through an engine that loses writes. Each
    /// revocation that was made above what all servers had then.
    #[test]
    fn every_revocation_raises_the_epoch_everywhere(
        steps in prop::collection::vec((0usize..3, 0u8..4), 0..40),
    ) {
        let mut servers: [SharedKeys; 3] = Default::default();
        let (mut engine, mut before) = (SharedKeys::default(), SharedKeys::default());
        let mut seen = Vec::new();
        let epoch = |keys: &SharedKeys| keys.epochs().get("c").map_or(0, EpochCounters::sum);
        let sync = |server: &mut SharedKeys, engine: &mut SharedKeys, before: &mut SharedKeys| {
            let both = union(server, engine).expect("no keys");
            if both != *engine {
                *before = std::mem::replace(engine, both.clone());
            }
            *server = both;
        };
        for (at, step) in steps {
            match step {
                0 => {
                    sync(&mut servers[at], &mut engine, &mut before);
                    seen.push(servers.each_ref().map(epoch));
                    let mut counters = servers[at].epochs().get("c").cloned().unwrap_or_default();
                    counters.raise(counter(at as u8), 0);
                    servers[at].add_epoch("c".into(), &counters);
                    before = std::mem::replace(&mut engine, servers[at].clone());
                }
                1 => engine = before.clone(),
                _ => sync(&mut servers[at], &mut engine, &mut before),
            }
        }
        for _ in 0..2 {
            servers.iter_mut().for_each(|server| sync(server, &mut engine, &mut before));
        }
        for old in seen {
            for (server, old) in servers.iter().zip(old) {
                prop_assert!(epoch(server) > old, "{} is not above {old}", epoch(server));
            }
        }
    }
}

#[test]
fn pending_key_yields_to_another_one_with_its_number() {
    let with = |state, of| {
        let mut shared = SharedKeys::default();
        shared.add_key(2, key(state, 1, of)).expect("the first");
        shared
    };
    for (state, other, wanted) in [
        (KeyState::Pending, KeyState::Active, Some(2)),
        (KeyState::Grace, KeyState::Pending, Some(1)),
        (KeyState::Pending, KeyState::Pending, Some(2)),
        (KeyState::Active, KeyState::Active, None),
        (KeyState::Active, KeyState::Retired, None),
    ] {
        for (one, another) in [((state, 1), (other, 2)), ((other, 2), (state, 1))] {
            let merged = with(one.0, one.1).merged(&with(another.0, another.1));
            let id_of = merged.map(|merged| merged.keys()[&2].id.clone());
            match wanted {
                Some(wanted) => assert_eq!(id_of, Ok(id(wanted)), "{state} {other}"),
                None => {
                    let (own, other) = (id(one.1), id(another.1));
                    assert_eq!(id_of, Err(KeyConflict { number: 2, own, other }));
                }
            }
        }
    }
}

#[test]
fn newest_active_key_seals_and_without_one_the_newest_in_grace() {
    let of = |states: &[KeyState]| {
        let mut shared = SharedKeys::default();
        for (number, state) in (1..).zip(states) {
            shared.add_key(number, key(*state, 1, number as u8)).expect("one each");
        }
        shared.active()
    };
    use KeyState::*;
    assert_eq!(of(&[Active, Active, Pending]), Some(2));
    assert_eq!(of(&[Grace, Grace, Retired]), Some(2));
    assert_eq!(of(&[Retired, Pending]), None);
}

#[test]
fn surplus_of_retired_keys_and_old_revocations_is_forgotten() {
    let mut shared = SharedKeys::default();
    for number in 1..6 {
        let state = if number == 1 { KeyState::Grace } else { KeyState::Retired };
        shared.add_key(number, key(state, 1, number as u8)).expect("one each");
    }
    for (user, at) in [("u", 10), ("v", 11)] {
        let (channel, user) = ("c".into(), user.into());
        shared.add_revocation(MemberRevocation { channel, user, at });
    }
    let pruned = shared.pruned(10, 2);
    assert_eq!(pruned.keys().keys().copied().collect::<Vec<_>>(), [1, 4, 5]);
    assert_eq!(pruned.revocations().map(|((_, user), _)| &**user).collect::<Vec<_>>(), ["v"]);
}
