//! Known answers of envelopes, and what does not open.

use std::collections::HashSet;

use super::*;
use crate::{
    cluster::{
        key::tests::{example_key, other_key},
        rejection::ClusterRejectionCounters,
        replay::ReplayGuard,
    },
    crypto::encoding::hex,
};

const PLACE: EnvelopePlace<'_> = EnvelopePlace { app: "1001", channel: "presence-room" };

const SENT_MS: u64 = 1_800_000_000_000;

fn sealer(first: u8) -> EnvelopeSealer {
    EnvelopeSealer::of(&example_key(), Incarnation::from_bytes([first; 16]))
}

fn seal(sealer: &EnvelopeSealer, content: &[u8]) -> Vec<u8> {
    sealer.seal(EnvelopeKind::Event, PLACE, SENT_MS, content).unwrap()
}

/// Another answer would part this version from nodes of the versions before.
#[test]
fn envelopes_are_those_of_the_first_version() {
    let sealer = sealer(0x11);
    let first = sealer.seal(EnvelopeKind::Event, PLACE, SENT_MS, b"hello").unwrap();
    let second = sealer.seal(EnvelopeKind::MemberAdded, PLACE, SENT_MS + 1, b"").unwrap();
    assert_eq!(
        hex(&first),
        "0101111111111111111111111111111111110000000000000000000001a3185c5000376a6bb5b527d92f1d859cb080f7c6b2db76dcef18"
    );
    assert_eq!(
        hex(&second),
        "0102111111111111111111111111111111110000000000000001000001a3185c5001b3f6717ea2c6ae3db5224345eb5cbff3"
    );
    assert_eq!(
        [
            EnvelopeKind::Event,
            EnvelopeKind::MemberAdded,
            EnvelopeKind::MemberRemoved,
            EnvelopeKind::Note,
            EnvelopeKind::LogCleared
        ],
        EnvelopeKind::ALL
    );
    assert_eq!(EnvelopeKind::ALL.map(|kind| kind as u8), [1, 2, 3, 4, 5]);
}

#[test]
fn receivers_get_head_and_content() {
    let sealer = EnvelopeSealer::new(&example_key()).unwrap();
    let mut opener = EnvelopeOpener::new(&example_key());
    for (counter, content) in [&b"hello"[..], b"", &[7; 100_000]].into_iter().enumerate() {
        let opened = opener.open(PLACE, &seal(&sealer, content)).unwrap();
        assert_eq!(*opened.content, content);
        let sender = sealer.incarnation();
        let head = EnvelopeHead {
            kind: EnvelopeKind::Event,
            sender,
            counter: counter as u64,
            sent_ms: SENT_MS,
        };
        assert_eq!(opened.head, head);
    }
}

#[test]
fn envelope_opens_at_its_place_alone() {
    let envelope = seal(&sealer(1), b"x");
    let mut opener = EnvelopeOpener::new(&example_key());
    for (app, channel) in [
        ("1002", "presence-room"),
        ("1001", "presence-room2"),
        ("1001", "presence-roo"),
        // The same text, divided otherwise.
        ("1001p", "resence-room"),
        ("", "1001presence-room"),
    ] {
        let opened = opener.open(EnvelopePlace { app, channel }, &envelope).map(|_| ());
        assert_eq!(opened, Err(ClusterRejection::Unauthentic), "{app} {channel}");
    }
    assert!(opener.open(PLACE, &envelope).is_ok());
}

#[test]
fn envelope_of_another_cluster_does_not_open() {
    let envelope = seal(&sealer(1), b"x");
    let mut opener = EnvelopeOpener::new(&other_key());
    assert_eq!(opener.open(PLACE, &envelope).map(|_| ()), Err(ClusterRejection::Unauthentic));
}

#[test]
fn every_altered_bit_is_noticed() {
    let envelope = seal(&sealer(1), b"hello");
    let mut opener = EnvelopeOpener::new(&example_key());
    assert!(opener.open(PLACE, &envelope).is_ok());
    for bit in 0..envelope.len() * 8 {
        let mut altered = envelope.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        let expected = match bit / 8 {
            0 => vec![ClusterRejection::Version],
            1 => vec![ClusterRejection::Kind, ClusterRejection::Unauthentic],
            _ => vec![ClusterRejection::Unauthentic],
        };
        let rejection = opener.open(PLACE, &altered).map(|_| ()).unwrap_err();
        assert!(expected.contains(&rejection), "bit {bit}: {rejection:?}");
    }
}

#[test]
fn cut_and_extended_envelopes_are_refused() {
    let envelope = seal(&sealer(1), b"hello");
    let mut opener = EnvelopeOpener::new(&example_key());
    for length in 0..envelope.len() {
        let rejection = opener.open(PLACE, &envelope[..length]).map(|_| ()).unwrap_err();
        let short = length < EnvelopeHead::BYTES + TAG_BYTES;
        let expected = if short { ClusterRejection::Length } else { ClusterRejection::Unauthentic };
        assert_eq!(rejection, expected, "{length}");
    }
    let extended = [&envelope[..], &[0]].concat();
    let rejection = opener.open(PLACE, &extended).map(|_| ()).unwrap_err();
    assert_eq!(rejection, ClusterRejection::Unauthentic);
    let mut huge = envelope;
    huge.resize(EnvelopeHead::BYTES + MAX_CONTENT + TAG_BYTES + 1, 0);
    assert_eq!(opener.open(PLACE, &huge).map(|_| ()), Err(ClusterRejection::Length));
}

#[test]
fn content_over_the_limit_is_not_sealed() {
    let sealer = sealer(1);
    let mut content = vec![0; MAX_CONTENT + 1];
    let sealed = sealer.seal(EnvelopeKind::Event, PLACE, SENT_MS, &content);
    assert_eq!(sealed, Err(ContentTooLong));
    content.pop();
    let sealed = seal(&sealer, &content);
    let opened = EnvelopeOpener::new(&example_key()).open(PLACE, &sealed).unwrap();
    assert_eq!(opened.content.len(), MAX_CONTENT);
}

/// One key seals for all partitions, from several threads, and its nonce is the counter.
#[test]
fn nonces_never_repeat_within_an_incarnation() {
    const THREADS: usize = 4;
    const EACH: usize = 2000;
    let sealer = &sealer(1);
    let of_thread = move |thread: usize| -> Vec<u64> {
        let channel = format!("room-{thread}");
        let place = EnvelopePlace { app: "1001", channel: &channel };
        let seal = |_| sealer.seal(EnvelopeKind::Event, place, SENT_MS, b"x").unwrap();
        (0..EACH).map(seal).map(|envelope| counter(&envelope)).collect()
    };
    let counters: Vec<Vec<u64>> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..THREADS).map(|thread| scope.spawn(move || of_thread(thread))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for of_thread in &counters {
        assert!(of_thread.is_sorted_by(|a, b| a < b), "they rise in each lane");
    }
    let all: HashSet<u64> = counters.into_iter().flatten().collect();
    assert_eq!(all, (0..(THREADS * EACH) as u64).collect());
    // The next one comes after a refused content.
    let refused = sealer.seal(EnvelopeKind::Event, PLACE, SENT_MS, &vec![0; MAX_CONTENT + 1]);
    assert_eq!(refused, Err(ContentTooLong));
    assert!(!all.contains(&counter(&seal(sealer, b"x"))));
}

fn counter(envelope: &[u8]) -> u64 {
    EnvelopeHead::split(envelope).unwrap().0.counter
}

#[test]
fn incarnations_have_keys_of_their_own() {
    let (one, two) = (sealer(1), sealer(2));
    let (first, second) = (seal(&one, b"hello"), seal(&two, b"hello"));
    let sealed = |envelope: &[u8]| envelope[EnvelopeHead::BYTES..].to_vec();
    assert_ne!(sealed(&first), sealed(&second));
    // With the other's sender in the head.
    let swapped = [&second[..EnvelopeHead::BYTES], &sealed(&first)].concat();
    let mut opener = EnvelopeOpener::new(&example_key());
    assert_eq!(opener.open(PLACE, &swapped).map(|_| ()), Err(ClusterRejection::Unauthentic));
    let random = [(), ()].map(|()| EnvelopeSealer::new(&example_key()).unwrap().incarnation());
    assert_ne!(random[0], random[1]);
}

#[test]
fn keys_at_hand_are_bounded_and_only_of_authentic_senders() {
    let incarnation = |number: u64| {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        Incarnation::from_bytes(bytes)
    };
    let mut opener = EnvelopeOpener::new(&example_key());
    let mut forged = seal(&sealer(1), b"x");
    for number in 0..10 {
        forged[2..18].copy_from_slice(incarnation(number).as_bytes());
        assert!(opener.open(PLACE, &forged).is_err());
    }
    assert_eq!(opener.ciphers.len(), 0);
    for number in 0..MAX_CIPHERS as u64 + 10 {
        let sealer = EnvelopeSealer::of(&example_key(), incarnation(number));
        assert!(opener.open(PLACE, &seal(&sealer, b"x")).is_ok());
    }
    assert_eq!(opener.ciphers.len(), MAX_CIPHERS);
    assert!(!opener.ciphers.contains_key(&incarnation(0)));
    // One that was dropped is derived again.
    let sealer = EnvelopeSealer::of(&example_key(), incarnation(0));
    assert!(opener.open(PLACE, &seal(&sealer, b"x")).is_ok());
}

#[test]
fn dropped_messages_are_counted_by_reason() {
    let counters = ClusterRejectionCounters::default();
    let mut opener = EnvelopeOpener::new(&example_key());
    let mut guard = ReplayGuard::new(SENT_MS);
    let mut receive = |place, envelope: &[u8]| {
        let opened = counters.counted(opener.open(place, envelope))?;
        counters.counted(guard.admit(&opened.head))
    };
    let sealer = sealer(1);
    let (first, second) = (seal(&sealer, b"1"), seal(&sealer, b"2"));
    let altered = |at: usize, byte: u8| {
        let mut envelope = first.clone();
        envelope[at] = byte;
        envelope
    };
    let old = EnvelopeSealer::of(&example_key(), Incarnation::from_bytes([9; 16]));
    let old = old.seal(EnvelopeKind::Event, PLACE, SENT_MS - 3_600_000, b"old").unwrap();
    let elsewhere = EnvelopePlace { channel: "presence-lobby", ..PLACE };
    for (place, envelope, expected) in [
        (PLACE, &first, Ok(())),
        (PLACE, &first, Err(ClusterRejection::Replayed)),
        (PLACE, &second, Ok(())),
        (PLACE, &first, Err(ClusterRejection::Replayed)),
        (elsewhere, &second, Err(ClusterRejection::Unauthentic)),
        (PLACE, &altered(40, 0), Err(ClusterRejection::Unauthentic)),
        (PLACE, &altered(0, 2), Err(ClusterRejection::Version)),
        (PLACE, &altered(1, 200), Err(ClusterRejection::Kind)),
        (PLACE, &first[..20].to_vec(), Err(ClusterRejection::Length)),
        (PLACE, &old, Err(ClusterRejection::Stale)),
    ] {
        assert_eq!(receive(place, envelope), expected);
    }
    let counts: Vec<_> = counters.iter().collect();
    let expected = [
        ("length", 1),
        ("version", 1),
        ("kind", 1),
        ("unauthentic", 2),
        ("replayed", 2),
        ("stale", 1),
        ("malformed", 0),
    ];
    assert_eq!(counts, expected);
}
