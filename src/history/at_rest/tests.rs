use super::*;

fn master(byte: u8) -> MasterKey {
    MasterKey::from_bytes([byte; 32])
}

/// The newest key first.
fn keys(bytes: &[u8]) -> AtRestKeys {
    let masters: Vec<_> = bytes.iter().map(|byte| master(*byte)).collect();
    AtRestKeys::new(&masters[0], &masters[1..])
}

fn context() -> EntryContext<'static> {
    EntryContext { app: "shop", channel: "private-encrypted-a", number: LogNumber(7) }
}

fn does_not_open(keys: &AtRestKeys, context: &EntryContext<'_>, record: &AtRest) -> bool {
    keys.open(context, record) == Err(AtRestError::DoesNotOpen)
}

#[test]
fn record_opens_in_its_context_alone() {
    let keys = keys(&[1]);
    let record = keys.seal(&context(), b"hello").unwrap();
    assert_eq!(keys.open(&context(), &record).unwrap().as_slice(), b"hello");
    for (what, other) in [
        ("app", EntryContext { app: "news", ..context() }),
        ("channel", EntryContext { channel: "private-encrypted-b", ..context() }),
        ("border", EntryContext { app: "shopp", channel: "rivate-encrypted-a", ..context() }),
        ("number", EntryContext { number: LogNumber(8), ..context() }),
    ] {
        assert!(does_not_open(&keys, &other, &record), "another {what}");
    }
}

#[test]
fn altered_records_do_not_open() {
    let keys = keys(&[1]);
    let record = keys.seal(&context(), b"hello").unwrap();
    let with = |ciphertext: Vec<u8>| AtRest { ciphertext: ciphertext.into(), ..record.clone() };
    for at in 0..record.ciphertext.len() {
        let mut altered = record.ciphertext.to_vec();
        altered[at] ^= 1;
        assert!(does_not_open(&keys, &context(), &with(altered)), "{at}");
        let short = record.ciphertext[..at].to_vec();
        assert!(does_not_open(&keys, &context(), &with(short)), "{at}");
    }
    let long = [&record.ciphertext[..], &[0]].concat();
    assert!(does_not_open(&keys, &context(), &with(long)));
    let nonce = AtRest { nonce: [0; 12], ..record };
    assert!(does_not_open(&keys, &context(), &nonce));
}

#[test]
fn equal_events_are_sealed_differently() {
    let keys = keys(&[1]);
    let records = [0; 2].map(|_| keys.seal(&context(), b"hello").unwrap());
    assert!(records[0].nonce != records[1].nonce);
    assert!(records[0].ciphertext != records[1].ciphertext);
    assert_eq!(records[0].ciphertext.len(), b"hello".len() + TAG_LEN);
    assert!(!records[0].ciphertext.starts_with(b"hello"));
}

#[test]
fn older_keys_open_and_the_newest_seals() {
    let old = keys(&[1]).seal(&context(), b"old").unwrap();
    let rotated = keys(&[2, 1]);
    let new = rotated.seal(&context(), b"new").unwrap();
    let ids = [1, 2].map(|byte| master(byte).fingerprint_bytes());
    assert_eq!([old.key, new.key], ids);
    assert_eq!(rotated.open(&context(), &old).unwrap().as_slice(), b"old");
    assert_eq!(rotated.open(&context(), &new).unwrap().as_slice(), b"new");
    let unknown = AtRestError::UnknownKey(master(1).fingerprint());
    assert_eq!(keys(&[2]).open(&context(), &old), Err(unknown));
}

#[test]
fn record_under_the_name_of_another_key_does_not_open() {
    let keys = keys(&[2, 1]);
    let record = keys.seal(&context(), b"hello").unwrap();
    let renamed = AtRest { key: master(1).fingerprint_bytes(), ..record };
    assert!(does_not_open(&keys, &context(), &renamed));
}

#[test]
fn empty_payload_is_sealed_as_well() {
    let keys = keys(&[1]);
    let record = keys.seal(&context(), b"").unwrap();
    assert!(keys.open(&context(), &record).unwrap().is_empty());
    let nothing = AtRest { ciphertext: [].into(), ..record };
    assert!(does_not_open(&keys, &context(), &nothing));
}
