//! How far this node's subscribers have come in the channel's log.

use super::{
    effect::{LogGap, ReplicaEffect},
    events::ToldEvents,
    input::{HeardEvent, LogSnapshot, LoggedItem, LoggedPlace},
};
use crate::channels::log::GapReason;

#[derive(Default)]
pub(super) struct ToldLog {
    /// The newest event or clearing that they have been told of. `None`: nothing is known of the log.
    last: Option<u64>,
    /// The master may have lost what was told.
    is_suspect: bool,
}

impl ToldLog {
    pub(super) fn last(&self) -> Option<u64> {
        self.last
    }

    pub(super) fn suspect(&mut self) {
        self.is_suspect = true;
    }

    /// The next event in the channel's order.
    pub(super) fn advance(&mut self, place: LoggedPlace, effects: &mut Vec<ReplicaEffect>) {
        let before = self.last.replace(place.number);
        if before.is_some_and(|before| before != place.previous) {
            effects.push(gap(GapReason::Restarted, place.previous));
        }
    }

    /// The log and the last event were cleared.
    pub(super) fn clear(&mut self, number: u64, effects: &mut Vec<ReplicaEffect>) {
        self.last = Some(number);
        effects.push(gap(GapReason::Cleared, number));
    }

    /// Tells what was missed before the snapshot.
    pub(super) fn catch_up(
        &mut self,
        found: LogSnapshot,
        has_listeners: bool,
        events: &mut ToldEvents,
        effects: &mut Vec<ReplicaEffect>,
    ) {
        let is_suspect = std::mem::take(&mut self.is_suspect);
        let LogSnapshot { newest, missed, .. } = &found;
        let before = std::mem::replace(&mut self.last, *newest);
        if !has_listeners {
            return;
        }
        let reason = match before {
            Some(before) if !is_suspect => found.gap_reason(before),
            _ => GapReason::Restarted,
        };
        // `None` if it is unknown what was missed.
        let mut reached = before.filter(|_| !is_suspect);
        for LoggedItem { place, event } in missed {
            if reached != Some(place.previous) {
                effects.push(gap(reason, place.previous));
            }
            reached = event.is_some().then_some(place.number);
            if let Some(event) = event {
                events.catch_up(event.clone(), effects);
            }
        }
        let is_missing = match newest {
            Some(newest) => reached != Some(*newest),
            None => before.is_some(),
        };
        if is_missing {
            effects.push(gap(reason, newest.unwrap_or_default()));
        }
    }

    /// An event that is heard before anything is known of the log: its channel had none until now.
    pub(super) fn is_unknown(&self) -> bool {
        self.last.is_none()
    }
}

impl LogSnapshot {
    fn gap_reason(&self, before: u64) -> GapReason {
        if before < self.cleared {
            GapReason::Cleared
        } else if self.missed.len() >= crate::cluster::redis::snapshot::MAX_MISSED {
            GapReason::TooMany
        } else if before < self.evicted {
            GapReason::Evicted
        } else {
            GapReason::Restarted
        }
    }
}

fn gap(reason: GapReason, at: u64) -> ReplicaEffect {
    ReplicaEffect::TellLogGap(LogGap { reason, at })
}

/// Events of the log come with its numbers.
pub(super) fn is_logged(event: &HeardEvent) -> bool {
    event.logged.is_some()
}
