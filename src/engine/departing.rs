//! Whose departure is held.

use std::sync::Arc;

use crate::{
    channels::departures::HeldDepartures,
    hub::record::{Record, TopicId},
};

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Departing {
    User(Arc<str>),
    Member(TopicId, Arc<str>),
}

/// A member is held with its channel's record.
pub(super) type Departures = HeldDepartures<Departing, Option<Arc<Record>>>;
