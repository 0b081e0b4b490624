//! Known answers of stored values, and what does not open.

use super::*;
use crate::{
    cluster::{
        key::tests::{example_key, other_key},
        rejection::ClusterRejectionCounters,
    },
    crypto::encoding::hex,
};

const PLACE: StoredPlace<'_> =
    StoredPlace { key: b"sealcast1:{qfs}m:room", field: b"user", generation: 7 };

fn values() -> StoredValues {
    StoredValues::new(&example_key())
}

/// Another answer would part this version from the data of the versions before.
#[test]
fn values_are_those_of_the_first_version() {
    let value = values().seal_with([0x22; NONCE_LEN], PLACE, b"hello").unwrap();
    assert_eq!(hex(&value), "01222222222222222222222222488f90d9803acedecb7c2ecaeb9a7977a3069f16c2");
    assert_eq!(**values().open(PLACE, &value).unwrap(), *b"hello");
}

#[test]
fn value_opens_at_its_place_alone() {
    let (values, counters) = (values(), ClusterRejectionCounters::default());
    let value = values.seal(PLACE, b"hello").unwrap();
    assert_eq!(**values.open(PLACE, &value).unwrap(), *b"hello");
    let places = [
        StoredPlace { key: b"sealcast1:{qfs}m:other", ..PLACE },
        // Of another app: its channels have other names in Redis.
        StoredPlace { key: b"sealcast1:{qfs}m:roomx", ..PLACE },
        StoredPlace { field: b"user2", ..PLACE },
        StoredPlace { field: b"", ..PLACE },
        // The same text, divided otherwise.
        StoredPlace { key: b"sealcast1:{qfs}m:roomu", field: b"ser", ..PLACE },
        StoredPlace { generation: 6, ..PLACE },
        StoredPlace { generation: 8, ..PLACE },
    ];
    for place in &places {
        let opened = counters.counted(values.open(*place, &value)).map(|_| ());
        assert_eq!(opened, Err(ClusterRejection::Unauthentic), "{place:?}");
    }
    let foreign = StoredValues::new(&other_key()).open(PLACE, &value).map(|_| ());
    assert_eq!(foreign, Err(ClusterRejection::Unauthentic));
    assert!(counters.iter().any(|count| count == ("unauthentic", places.len() as u64)));
}

#[test]
fn every_altered_bit_is_noticed() {
    let values = values();
    let value = values.seal(PLACE, b"hello").unwrap();
    for bit in 0..value.len() * 8 {
        let mut altered = value.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        let expected =
            if bit < 8 { ClusterRejection::Version } else { ClusterRejection::Unauthentic };
        assert_eq!(values.open(PLACE, &altered).map(|_| ()), Err(expected), "bit {bit}");
    }
    for length in 0..value.len() {
        let short = length < HEADER + TAG_BYTES;
        let expected = if short { ClusterRejection::Length } else { ClusterRejection::Unauthentic };
        let opened = values.open(PLACE, &value[..length]).map(|_| ());
        assert_eq!(opened, Err(expected), "{length}");
    }
}

#[test]
fn same_content_is_sealed_differently_each_time() {
    let values = values();
    let [one, two] = [(), ()].map(|()| values.seal(PLACE, b"hello").unwrap());
    assert_ne!(one, two);
    assert!(matches!(
        values.seal(PLACE, &vec![0; MAX_CONTENT + 1]),
        Err(StoredError::TooLong(ContentTooLong))
    ));
}
