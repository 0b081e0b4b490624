use super::*;
use crate::crypto::{
    key::MasterKey, keytable::KeyTable, padding::Padding, secret::Derivation, vectors::example_salt,
};
use proptest::prelude::*;

const NOW: Version = Version { key: 1, epoch: 0 };

fn key(first: u8) -> MasterKey {
    MasterKey::from_bytes(std::array::from_fn(|i| first.wrapping_add(i as u8)))
}

fn ring(first: u8) -> KeyRing {
    KeyRing::new(
        "app",
        KeyTable::new(key(first), 0),
        Derivation::Pusher,
        example_salt(),
        Padding::None,
    )
}

fn secret(ring: &KeyRing, name: &str) -> SharedSecret {
    ring.secret(&channel(name), NOW).unwrap()
}

fn sealed(sealing: &Sealing, data: &str) -> Sealed {
    let channel = channel("private-encrypted-a");
    let payload = sealing.admit(&channel, data, false).unwrap();
    sealing.seal(&channel, &payload, NOW).unwrap()
}

fn channel(name: &str) -> Channel {
    Channel::parse(name, 200).unwrap()
}

#[test]
fn vectors_of_protocol_section_13() {
    let secret = secret(&ring(0), "private-encrypted-my-channel");
    let envelope = r#"{"nonce":"ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7","ciphertext":"HZSzVhuMPpoli+SBD9xYZd5ui/SFBKBYDbomQvRphTHLIgC31Gi3geLRD/aEBoRWUhFo4Qy+DHgem5XEYKagQg=="}"#;
    let plain = open(&secret, envelope).unwrap();
    assert_eq!(std::str::from_utf8(&plain), Ok(r#"{"message":"hello world","n":1,"u":"héllo ✓"}"#));
    let empty =
        r#"{"nonce":"ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7","ciphertext":"N9+dP/FWA14Cj9+VnIE8bQ=="}"#;
    assert_eq!(open(&secret, empty).unwrap().len(), 0);
    let other = ring(224).secret(&channel("private-encrypted-my-channel"), NOW).unwrap();
    assert!(open(&other, envelope).is_none());
}

#[test]
fn sealed_length_is_known_without_the_key() {
    let auto = Sealing::Auto(ring(9).into());
    for length in [0, 1, 2, 3, 100, 10_240] {
        let envelope = sealed(&auto, &"x".repeat(length)).envelope;
        assert_eq!(sealed_bytes(&envelope), Some(length));
        // As some SDKs write it.
        assert_eq!(sealed_bytes(&envelope.replace('/', "\\/").replace(',', " , ")), Some(length));
    }
    assert_eq!(sealed_bytes("hello"), None);
}

#[test]
fn nonces_are_unique() {
    let auto = Sealing::Auto(ring(9).into());
    let nonces: std::collections::HashSet<_> =
        (0..20_000).map(|_| decode(&sealed(&auto, "").envelope).unwrap().0).collect();
    assert_eq!(nonces.len(), 20_000);
}

#[test]
fn auto_mode_seals_plaintext_and_relays_valid_envelopes() {
    let channel = channel("private-encrypted-a");
    let auto = Sealing::Auto(ring(1).into());
    let first = sealed(&auto, "hello");
    assert_eq!(sealed(&auto, first.envelope()).envelope(), first.envelope());
    let foreign = sealed(&Sealing::Auto(ring(2).into()), "hello");
    for data in [
        &**foreign.envelope(),
        r#"{"nonce":"","ciphertext":""}"#,
        r#"{"nonce":1,"ciphertext":null}"#,
        r#" {"ciphertext":"AAAA","nonce":"AAAA"}"#,
    ] {
        assert_eq!(auto.admit(&channel, data, false).err(), Some(SealError::DoesNotOpen), "{data}");
    }
    assert_eq!(auto.admit(&channel, "hello", true).err(), Some(SealError::Plaintext));
    assert!(auto.admit(&channel, foreign.envelope(), true).is_ok());
}

#[test]
fn envelope_of_an_old_key_is_resealed_for_others() {
    let channel = channel("private-encrypted-a");
    let ring = ring(1);
    let old = ring.seal(&channel, NOW, b"hello").unwrap();
    let next = ring.table().announced(key(2), 0, 0, 9).unwrap().activated(0).unwrap();
    ring.install(next);
    let auto = Sealing::Auto(ring.into());
    let payload = auto.admit(&channel, old.envelope(), false).unwrap();
    assert_eq!(auto.seal(&channel, &payload, NOW).unwrap().envelope(), old.envelope());
    let new = auto.seal(&channel, &payload, Version { key: 2, epoch: 0 }).unwrap();
    assert_ne!(new.envelope(), old.envelope());
    let ring = auto.keys().unwrap();
    assert_eq!(ring.open(&channel, new.envelope()).unwrap().1.as_slice(), b"hello");
    let retired = ring.table().retired(key(1).fingerprint().as_str(), 9).unwrap();
    ring.install(retired);
    assert_eq!(auto.admit(&channel, old.envelope(), false).err(), Some(SealError::DoesNotOpen));
    assert!(auto.seal(&channel, &payload, NOW).is_ok());
    let plain = auto.admit(&channel, "x", false).unwrap();
    assert_eq!(auto.seal(&channel, &plain, NOW).err(), Some(SealError::KeyRetired));
}

#[test]
fn revoked_epoch_opens_nothing_new() {
    let channel = channel("private-encrypted-a");
    let table = KeyTable::new(key(1), 0);
    let ring = KeyRing::new("app", table, Derivation::Hkdf, example_salt(), Padding::Buckets);
    let before = ring.secret(&channel, ring.target(&channel)).unwrap();
    assert!(open(&before, ring.seal(&channel, NOW, b"{}").unwrap().envelope()).is_some());
    ring.install(ring.table().revoked(channel.name(), "u", 5));
    assert!(!ring.serves(&channel, NOW));
    let after = ring.seal(&channel, ring.target(&channel), b"{}").unwrap();
    assert!(open(&before, after.envelope()).is_none());
}

#[test]
fn blind_mode_accepts_well_formed_envelopes_only() {
    let channel = channel("private-encrypted-a");
    let first = sealed(&Sealing::Auto(ring(1).into()), "hello");
    let relayed = sealed(&Sealing::Blind, first.envelope());
    assert_eq!((relayed.envelope(), relayed.version()), (first.envelope(), Version::BLIND));
    for data in
        ["hello", "", "{}", "null", r#"{"nonce":"a"}"#, r#"{"nonce":"a","ciphertext":"b","x":1}"#]
    {
        assert_eq!(
            Sealing::Blind.admit(&channel, data, false).err(),
            Some(SealError::Plaintext),
            "{data}"
        );
    }
    let bad = r#"{"nonce":"a","ciphertext":"b"}"#;
    assert_eq!(Sealing::Blind.admit(&channel, bad, false).err(), Some(SealError::DoesNotOpen));
}

proptest! {
    #[test]
    fn envelope_opens_on_its_own_channel_only(data in "\\PC{0,200}", name in "[a-z]{1,8}", more in "[a-z]{1,3}") {
        let ring = ring(5);
        let own = channel(&format!("private-encrypted-{name}"));
        let other = channel(&format!("private-encrypted-{name}{more}"));
        let envelope = ring.seal(&own, NOW, data.as_bytes()).unwrap().envelope;
        let (version, opened) = ring.open(&own, &envelope).unwrap();
        prop_assert_eq!((version, opened.as_slice()), (NOW, data.as_bytes()));
        prop_assert!(ring.open(&other, &envelope).is_none());
    }

    #[test]
    fn admission_never_panics(data in "\\PC{0,200}") {
        let channel = channel("private-encrypted-a");
        let _ = (Sealing::Blind.admit(&channel, &data, false), Sealing::Auto(ring(1).into()).admit(&channel, &data, false));
    }
}
