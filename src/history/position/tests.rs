use proptest::prelude::*;

use super::*;

const EPOCHS: Epochs = Epochs {
    memory: Epoch::from_bytes([1; 5]),
    disk_behind: Epoch::from_bytes([2; 5]),
    disk_before: Epoch::from_bytes([3; 5]),
    redis: Epoch::from_bytes([4; 5]),
};

/// Microseconds since 1970, in 2026.
const NOW: u64 = 1_790_000_000_000_000;

const DAY: u64 = 24 * 60 * 60 * 1_000_000;

use HistoryStore::{DiskBefore, DiskBehind, Memory};

fn key() -> PositionKey {
    PositionKey::derive(b"it-secret-9b21d4f7e6", "shop")
}

fn one(channel: &str) -> String {
    key().encode(&EPOCHS, &[(channel, Memory, LogNumber(NOW))])
}

fn of(text: &str, channel: &str, store: HistoryStore) -> PositionLookup {
    key().decode(text).unwrap().of(&key(), channel, store, &EPOCHS)
}

/// As many channels, with numbers from the last day.
fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("private-room-{n}")).collect()
}

fn many(names: &[String], stores: &[HistoryStore]) -> String {
    let channels = names.iter().zip(stores.iter().cycle()).zip(0..);
    let channels =
        channels.map(|((name, store), n)| (name.as_str(), *store, LogNumber(NOW - n * DAY / 64)));
    key().encode(&EPOCHS, &channels.collect::<Vec<_>>())
}

#[test]
fn position_names_its_channels_and_no_other() {
    let text =
        key().encode(&EPOCHS, &[("a", Memory, LogNumber(7)), ("b", DiskBefore, LogNumber(9))]);
    assert_eq!(of(&text, "a", Memory), PositionLookup::Named(LogNumber(7)));
    assert_eq!(of(&text, "b", DiskBefore), PositionLookup::Named(LogNumber(9)));
    assert_eq!(of(&text, "c", Memory), PositionLookup::NotNamed);
}

/// Of this version. Another text for the same position makes all clients miss events once.
#[test]
fn texts_stay_the_same() {
    let channels = [("orders", Memory, LogNumber(NOW)), ("news", DiskBehind, LogNumber(NOW - DAY))];
    let text = "BFh-QnB1WhZk6xKBC0qpNItzduzKB8xOs1xu0OUlkWLp-aNPl1dJkccoOMU6jRelczmdiwur";
    assert_eq!(key().encode(&EPOCHS, &channels), text);
}

#[test]
fn hashes_of_channels_are_kept_for_their_key_alone() {
    let other = PositionKey::derive(b"another-secret-1234", "shop");
    let channel = HashedChannel::new("a".into());
    for key in [&key(), &key(), &other, &key()] {
        let kept = [(&channel, Memory, LogNumber(NOW))].into_iter();
        let made = key.encode(&EPOCHS, &[("a", Memory, LogNumber(NOW))]);
        assert_eq!(key.encode_hashed(&EPOCHS, kept), made);
    }
}

#[test]
fn positions_are_short() {
    assert!(one("orders").len() <= 52, "{}", one("orders").len());
    assert!(many(&names(8), &[Memory]).len() <= 180);
    assert!(many(&names(64), &[Memory]).len() <= 1100);
    let longest = many(&names(64), &[Memory, DiskBehind, DiskBefore]);
    assert!(longest.len() <= MAX_TEXT, "{}", longest.len());
    let far = |n: usize| LogNumber(NOW * u64::from(n == 0));
    let names = names(64);
    let channels: Vec<_> =
        names.iter().enumerate().map(|(n, name)| (name.as_str(), Memory, far(n))).collect();
    let longest = key().encode(&EPOCHS, &channels);
    assert!(longest.len() <= MAX_TEXT && key().decode(&longest).is_some(), "{}", longest.len());
}

#[test]
fn equal_positions_are_equal_texts() {
    let (a, b) = (("a", Memory, LogNumber(NOW)), ("b", DiskBehind, LogNumber(NOW - 5)));
    assert_eq!(key().encode(&EPOCHS, &[a, b]), key().encode(&EPOCHS, &[b, a]));
    assert_ne!(one("a"), one("b"));
    let url_safe = |letter: u8| letter.is_ascii_alphanumeric() || b"-_".contains(&letter);
    assert!(many(&names(64), &[Memory]).bytes().all(url_safe));
}

#[test]
fn positions_of_another_app_or_secret_are_refused() {
    let text = one("a");
    assert!(key().decode(&text).is_some());
    for (secret, app) in [("it-secret-9b21d4f7e6", "sho"), ("another-secret-1234", "shop")] {
        assert!(PositionKey::derive(secret.as_bytes(), app).decode(&text).is_none(), "{app}");
    }
    // Label and app are told apart.
    let split = PositionKey::derive(b"it-secret-9b21d4f7e6", "p\0shop");
    assert!(split.decode(&text).is_none());
}

#[test]
fn altered_texts_are_refused() {
    let text = one("a");
    for at in 0..text.len() {
        let mut altered = text.clone().into_bytes();
        altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
        assert!(key().decode(std::str::from_utf8(&altered).unwrap()).is_none(), "{at}");
        assert!(key().decode(&text[..at]).is_none(), "{at}");
    }
    for altered in [format!("{text}A"), format!("{text}="), format!(" {text}"), format!("{text}\n")]
    {
        assert!(key().decode(&altered).is_none(), "{altered:?}");
    }
}

#[test]
fn long_texts_are_refused_unread() {
    for length in [MAX_TEXT + 1, 100 * 1024] {
        assert!(key().decode(&"A".repeat(length)).is_none());
    }
}

#[test]
fn texts_of_one_position_are_refused_in_other_bytes() {
    let hash = |n: u8| [n; 5];
    let entry = |n, store, behind: &[u8]| [&hash(n)[..], &[store], behind].concat();
    let epoch = [1; 5];
    let plain = |parts: &[&[u8]]| key().decode(&key().seal(parts.concat()));
    let (first, second) = (entry(1, 0, &[0]), entry(2, 0, &[1]));
    assert!(plain(&[&[1], &epoch, &[9], &first, &second]).is_some());
    assert!(plain(&[&[0], &[0]]).is_some(), "of no channel");
    for (why, parts) in [
        ("unsorted", &[&[1], &epoch[..], &[9], &second, &first][..]),
        ("a longer number", &[&[1], &epoch, &[0x89, 0], &first]),
        ("nothing is the newest", &[&[1], &epoch, &[9], &second]),
        ("before zero", &[&[1], &epoch, &[0], &first, &second]),
        ("an unused epoch", &[&[3], &epoch, &epoch, &[9], &first]),
        ("no epoch", &[&[0], &[9], &first]),
        ("an epoch of another store", &[&[2], &epoch, &[9], &first]),
        ("an unknown store", &[&[16], &epoch, &[9], &entry(1, 4, &[0])]),
        ("an unknown bit", &[&[17], &epoch, &[9], &first]),
        ("an incomplete channel", &[&[1], &epoch, &[9], &first, &hash(2)]),
        ("a number without an end", &[&[1], &epoch, &[9], &first, &hash(2), &[0, 0x80]]),
        ("a number of 70 bits", &[&[1], &epoch, &[0xff; 9], &[2], &first]),
        ("an incomplete epoch", &[&[1], &epoch[..4]]),
        ("a number and nothing else", &[&[0], &[9]]),
        ("nothing", &[]),
    ] {
        assert!(plain(parts).is_none(), "{why}");
    }
    let too_many: Vec<u8> = (0..65).flat_map(|n| entry(n, 0, &[0])).collect();
    assert!(plain(&[&[1], &epoch, &[9], &too_many]).is_none());
    assert!(plain(&[&[1], &epoch, &[9], &too_many[7..]]).is_some());
}

#[test]
fn position_of_another_epoch_or_store_is_restarted() {
    let text =
        key().encode(&EPOCHS, &[("a", Memory, LogNumber(7)), ("b", DiskBefore, LogNumber(9))]);
    let position = key().decode(&text).unwrap();
    let restarted = Epochs { memory: Epoch::from_bytes([9; 5]), ..EPOCHS };
    assert_eq!(position.of(&key(), "a", Memory, &restarted), PositionLookup::Restarted);
    let named = PositionLookup::Named(LogNumber(9));
    assert_eq!(position.of(&key(), "b", DiskBefore, &restarted), named);
    // The channel's log is in another store now, of the same epoch or not.
    assert_eq!(position.of(&key(), "a", DiskBefore, &EPOCHS), PositionLookup::Restarted);
    let same = Epochs { disk_before: EPOCHS.memory, ..EPOCHS };
    assert_eq!(position.of(&key(), "a", DiskBefore, &same), PositionLookup::Restarted);
}

#[test]
fn channels_with_equal_hashes_are_ambiguous() {
    for number in [7, 8] {
        let twice = [("a", Memory, LogNumber(7)), ("a", Memory, LogNumber(number))];
        let text = key().encode(&EPOCHS, &twice);
        assert_eq!(of(&text, "a", Memory), PositionLookup::Ambiguous);
        assert_eq!(of(&text, "b", Memory), PositionLookup::NotNamed);
    }
}

#[test]
fn hash_of_a_name_depends_on_app_and_secret() {
    let hash = |secret: &str, app| PositionKey::derive(secret.as_bytes(), app).hash("a");
    let hashes = [hash("one", "shop"), hash("one", "news"), hash("two", "shop")];
    assert!(hashes[0] != hashes[1] && hashes[0] != hashes[2] && hashes[1] != hashes[2]);
}

#[test]
fn key_is_not_printed() {
    assert_eq!(format!("{:?}", key()), "PositionKey(..)");
}

#[test]
fn epochs_are_random() {
    assert_ne!(Epoch::random().unwrap(), Epoch::random().unwrap());
}

fn store() -> impl Strategy<Value = HistoryStore> {
    prop_oneof![Just(Memory), Just(DiskBehind), Just(DiskBefore)]
}

proptest! {
    #[test]
    fn positions_round_trip(
        channels in prop::collection::btree_map(
            "[a-z,\"\\PC]{1,20}",
            (store(), prop_oneof![NOW - 30 * DAY..NOW, any::<u64>()]),
            0..=MAX_CHANNELS,
        ),
    ) {
        let listed = channels.iter().map(|(name, (store, n))| (name.as_str(), *store, LogNumber(*n)));
        let listed: Vec<_> = listed.collect();
        let text = key().encode(&EPOCHS, &listed);
        // Numbers far apart, which are no times, may need more room than there is.
        let Some(position) = key().decode(&text) else {
            prop_assert!(text.len() > MAX_TEXT);
            return Ok(());
        };
        for (name, store, number) in &listed {
            let place = position.of(&key(), name, *store, &EPOCHS);
            prop_assert_eq!(place, PositionLookup::Named(*number), "{}", name);
        }
        let reversed: Vec<_> = listed.into_iter().rev().collect();
        prop_assert_eq!(key().encode(&EPOCHS, &reversed), text);
    }

    #[test]
    fn foreign_texts_are_refused(text in "\\PC{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(key().decode(&text).is_none());
        prop_assert!(key().decode(&URL_SAFE_NO_PAD.encode(bytes)).is_none());
    }

    #[test]
    fn plaintext_is_read_exactly_or_not_at_all(bytes in prop::collection::vec(0..10_u8, 0..60)) {
        if let Some(position) = Position::from_bytes(&bytes) {
            prop_assert_eq!(position.to_bytes(), bytes);
        }
    }
}
