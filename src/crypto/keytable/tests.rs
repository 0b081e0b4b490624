use super::*;
use proptest::prelude::*;

fn key(first: u8) -> MasterKey {
    MasterKey::from_bytes(std::array::from_fn(|i| first ^ (i as u8).wrapping_mul(37)))
}

fn states(table: &KeyTable) -> Vec<KeyState> {
    table.keys().iter().map(|key| key.state).collect()
}

fn kept(table: &KeyTable) -> KeptTable {
    KeptTable {
        keys: table.keys.clone(),
        epochs: table.epochs.clone(),
        counter: Some(table.counter),
        is_shared: table.is_shared,
        revocations: table.revocations.clone(),
        configured: table.configured.clone(),
    }
}

fn rotated(table: &KeyTable, with: u8, now: u64) -> KeyTable {
    table.announced(key(with), now, now, 60).unwrap().activated(now).unwrap()
}

#[test]
fn key_passes_through_its_states() {
    use KeyState::*;
    let first = KeyTable::new(key(1), 10);
    let announced = first.announced(key(2), 20, 30, 60).unwrap();
    assert_eq!(states(&announced), [Active, Pending]);
    assert_eq!(announced.target("c"), Version { key: 1, epoch: 0 });
    let second = announced.activated(30).unwrap();
    assert_eq!(states(&second), [Grace, Active]);
    assert_eq!((second.keys()[0].until, second.keys()[1].since), (Some(90), 30));
    assert_eq!(second.target("c"), Version { key: 2, epoch: 0 });
    let third = second.retired(key(1).fingerprint().as_str(), 90).unwrap();
    assert_eq!(states(&third), [Retired, Active]);
    assert!(third.keys()[0].master.is_none());
    assert!(third.activated(91).is_none());
}

#[test]
fn used_keys_cannot_return() {
    let table = rotated(&KeyTable::new(key(1), 10), 2, 20);
    let refused = |table: &KeyTable, with| table.announced(key(with), 30, 30, 9).err();
    assert_eq!(refused(&table, 2), Some(KeyError::Same(key(2).fingerprint())));
    let known = |state| Some(KeyError::Known(key(1).fingerprint(), state));
    assert_eq!(refused(&table, 1), known(KeyState::Grace));
    let id = key(1).fingerprint();
    let table = table.retired(id.as_str(), 40).unwrap();
    assert_eq!(refused(&table, 1), known(KeyState::Retired));
    assert_eq!(table.retired(id.as_str(), 50).err(), Some(KeyError::Retired(id)));
    let active = key(2).fingerprint();
    assert_eq!(table.retired(active.as_str(), 50).err(), Some(KeyError::Same(active)));
    assert!(matches!(table.retired("x", 50), Err(KeyError::Unknown(_))));
    let pending = table.announced(key(3), 60, 99, 9).unwrap();
    assert_eq!(refused(&pending, 4), Some(KeyError::Pending(key(3).fingerprint())));
}

#[test]
fn revocation_raises_the_epoch_of_one_channel() {
    let table = KeyTable::new(key(1), 10).revoked("a", "u", 20).revoked("a", "v", 21);
    assert_eq!(table.target("a"), Version { key: 1, epoch: 21 });
    assert_eq!(table.target("b"), Version { key: 1, epoch: 0 });
    assert_eq!(table.is_revoked("a", "u"), Some(20));
    assert_eq!((table.is_revoked("a", "w"), table.is_revoked("b", "u")), (None, None));
}

#[test]
fn revocations_expire_by_the_earliest_possible_time() {
    let table = KeyTable::new(key(1), 10).revoked("a", "u", 20).revoked("a", "v", 21);
    // The clock that stamped it ran ahead.
    let later = table.revoked("b", "w", 22 + REVOCATION_SECONDS);
    assert_eq!(later.is_revoked("a", "u"), Some(20));
    assert_eq!(later.without_old_revocations(22).revocations().len(), 3);
    let later = later.without_old_revocations(20 + REVOCATION_SECONDS);
    assert_eq!((later.is_revoked("a", "u"), later.is_revoked("a", "v")), (None, Some(21)));
    assert_eq!(later.epoch("a"), 21);
}

#[test]
fn last_revocation_of_a_user_is_the_latest_of_any_channel() {
    let table = KeyTable::new(key(1), 10).revoked("a", "u", 30).revoked("b", "u", 20);
    let table = table.revoked("a", "v", 40);
    assert_eq!((table.last_revocation_of("u"), table.last_revocation_of("w")), (Some(30), None));
}

#[test]
fn epochs_follow_the_clock_and_never_fall() {
    let now = 1_800_000_000;
    let table = KeyTable::new(key(1), 10).revoked("a", "u", now);
    assert_eq!(table.epoch("a"), now);
    // Twice in a second, and with a clock that was set back.
    let table = table.revoked("a", "v", now).revoked("a", "w", 5);
    assert_eq!((table.epoch("a"), table.epoch("b")), (now + 2, 0));
    let raised = table.raised_to(now + 1);
    assert_eq!((raised.epoch("a"), raised.epoch("b")), (now + 2, now + 1));
    assert_eq!(raised.revoked("b", "u", 7).epoch("b"), now + 2);
}

#[test]
fn last_possible_epoch_is_rejected() {
    let table = KeyTable::new(key(1), 10).revoked("a", "u", 20);
    let restored = |epoch| {
        let counters = EpochCounters::of([(table.counter, epoch)]);
        let epochs = HashMap::from([("a".into(), counters)]);
        KeyTable::restored(KeptTable { epochs, ..kept(&table) })
    };
    assert_eq!(restored(u64::from(u32::MAX) + 7).unwrap().epoch("a"), u64::from(u32::MAX) + 7);
    assert!(restored(u64::MAX).is_none() && restored(MAX_EPOCH + 1).is_none());
}

#[test]
fn new_configured_key_is_a_rotation() {
    let table = KeyTable::new(key(1), 10);
    let with = |table: &KeyTable, k| table.reconciled(&Arc::new(key(k)), 20, 90);
    assert!(with(&table, 1).unwrap().is_none());
    let next = with(&table, 2).unwrap().unwrap();
    assert_eq!(states(&next), [KeyState::Grace, KeyState::Active]);
    assert!(with(&next, 2).unwrap().is_none());
    assert!(matches!(with(&next, 1), Err(KeyError::Known(_, KeyState::Grace))));
    // Rotated by command, and the configuration follows later.
    let ahead = rotated(&table, 3, 20);
    let followed = with(&ahead, 3).unwrap().unwrap();
    assert_eq!(states(&followed), states(&ahead));
    assert!(with(&followed, 3).unwrap().is_none());
    // It follows before the announced key is active.
    let pending = table.announced(key(4), 20, 99, 60).unwrap();
    let followed = with(&pending, 4).unwrap().unwrap();
    assert_eq!(states(&followed), [KeyState::Active, KeyState::Pending]);
    assert!(with(&followed, 4).unwrap().is_none());
    assert!(matches!(with(&pending, 5), Err(KeyError::Pending(_))));
}

proptest! {
    #[test]
    fn exactly_one_key_is_active(steps in prop::collection::vec((0u8..4, 0u8..12), 0..60)) {
        let mut table = KeyTable::new(key(0), 0);
        for (now, (step, which)) in steps.into_iter().enumerate() {
            let now = now as u64;
            let next = match step {
                0 => table.announced(key(which), now, now, 5).ok(),
                1 => table.activated(now),
                2 => table.retired(key(which).fingerprint().as_str(), now).ok(),
                _ => Some(table.revoked("c", "u", now)),
            };
            table = next.unwrap_or(table);
            prop_assert!(KeyTable::restored(kept(&table)).is_some());
            let mut ids: Vec<_> = table.keys().iter().map(|key| key.id.as_str()).collect();
            ids.sort_unstable();
            ids.dedup();
            prop_assert_eq!(ids.len(), table.keys().len());
        }
    }
}
