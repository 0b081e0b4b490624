//! What an owner leaves to its successor: the endpoints that are done with a fact, sealed, since their
//! names are URLs.

use bytes::Bytes;

use crate::cluster::{
    names::Partition,
    node::sealing::NodeSealing,
    rejection::ClusterRejection,
    stored::{StoredError, StoredPlace},
};

/// Ends an endpoint: no URL has it.
const END: char = '\n';

pub(super) fn seal(
    sealing: &NodeSealing,
    partition: Partition,
    entry: &[u8],
    endpoints: &[Box<str>],
) -> Result<Bytes, StoredError> {
    let key = sealing.layout.partition(partition).fact_marks();
    let text: String = endpoints.iter().flat_map(|it| it.chars().chain([END])).collect();
    let place = StoredPlace { key: &key, field: entry, generation: 0 };
    Ok(sealing.stored.seal(place, text.as_bytes())?.into())
}

pub(super) fn open(
    sealing: &NodeSealing,
    partition: Partition,
    entry: &[u8],
    mark: &[u8],
) -> Result<Vec<Box<str>>, ClusterRejection> {
    let key = sealing.layout.partition(partition).fact_marks();
    let place = StoredPlace { key: &key, field: entry, generation: 0 };
    let text = sealing.stored.open(place, mark)?;
    let text = str::from_utf8(&text).map_err(|_| ClusterRejection::Malformed)?;
    Ok(text.split_terminator(END).map(Box::from).collect())
}
