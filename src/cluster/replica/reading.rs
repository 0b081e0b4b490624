//! How far the replica has come with the state in the engine.

use std::time::{Duration, Instant};

use super::{effect::RequestNumber, input::OpenedSnapshot};

/// The wait after a snapshot that the engine has refused.
pub(super) const SNAPSHOT_PAUSE: Duration = Duration::from_secs(1);

pub(super) enum Reading {
    /// Nothing is known, and nothing is heard.
    Closed,
    /// The topic is not subscribed yet, or the connection is lost.
    Subscribing,
    Asked {
        snapshot: RequestNumber,
        /// The snapshot's mark was heard. What is heard from now on is newer.
        is_marked: bool,
        found: Option<Box<OpenedSnapshot>>,
    },
    /// The engine could not answer. To be asked again then.
    Failed { until: Instant },
    /// All is known up to this number.
    Synced { applied: u64 },
}

impl Reading {
    pub(super) fn applied(&self) -> Option<u64> {
        match self {
            Self::Synced { applied } => Some(*applied),
            _ => None,
        }
    }

    /// What is heard now is newer than a snapshot that has not come.
    pub(super) fn is_blocked(&self) -> bool {
        matches!(self, Self::Asked { is_marked: true, found: None, .. })
    }

    /// The snapshot and its mark are here.
    pub(super) fn is_complete(&self) -> bool {
        matches!(self, Self::Asked { is_marked: true, found: Some(_), .. })
    }

    /// The complete snapshot waits for the key of its last event.
    pub(super) fn is_keyless(&self) -> bool {
        let Self::Asked { is_marked: true, found: Some(found), .. } = self else { return false };
        found.events().any(|event| event.lacks_key)
    }

    pub(super) fn found_mut(&mut self) -> Option<&mut OpenedSnapshot> {
        match self {
            Self::Asked { found: Some(found), .. } => Some(found),
            _ => None,
        }
    }
}
