//! Conditions of an event: writers of one snapshot never overwrite each other.

use crate::{channels::log::LogNumber, hub::record::LockedRecord};
use std::time::Instant;

/// What a channel's log must be like for an event to be published.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Condition {
    /// This is the number of its newest event, expired or not; a clearing counts. `None`: no number
    /// of this log, so it is not.
    Newest(Option<LogNumber>),
    /// It has no event.
    Empty,
}

impl Condition {
    /// False as well without a log.
    pub(in crate::engine) fn holds(self, locked: &LockedRecord<'_>, now: Instant) -> bool {
        match self {
            Self::Newest(number) => number.is_some() && locked.newest_number() == number,
            Self::Empty => !locked.has_events(now),
        }
    }
}
