//! Entry point of the fuzz target `cluster_envelope`.

use super::*;
use crate::{cluster::replay::ReplayGuard, crypto::key::MasterKey};

/// A head is read only if it is exactly what is written. Bytes of a stranger never open, and the
/// same bytes sealed by a node open at their place alone, once.
pub fn envelope(bytes: &[u8]) {
    let key = ClusterKey::from(MasterKey::from_bytes([7; 32]));
    let mut opener = EnvelopeOpener::new(&key);
    let place = EnvelopePlace { app: "app", channel: "room" };
    if let Ok((head, rest)) = EnvelopeHead::split(bytes) {
        assert_eq!([&head.to_bytes()[..], rest].concat(), bytes, "another head");
    }
    assert!(opener.open(place, bytes).is_err(), "a forged envelope");

    let (kind, sent_ms) = (EnvelopeKind::ALL[bytes.len() % 3], bytes.len() as u64);
    let sealer = EnvelopeSealer::of(&key, Incarnation::from_bytes([1; 16]));
    let sealed = sealer.seal(kind, place, sent_ms, bytes).expect("inputs are short");
    let elsewhere = EnvelopePlace { channel: "room2", ..place };
    assert!(opener.open(elsewhere, &sealed).is_err(), "at another place");
    let opened = opener.open(place, &sealed).expect("it opens");
    assert_eq!((opened.content.as_slice(), opened.head.kind), (bytes, kind));
    let mut guard = ReplayGuard::new(0);
    assert!(guard.admit(&opened.head).is_ok() && guard.admit(&opened.head).is_err());
}
