//! Moments that explain a change of the figures: rotations, revoked keys, reloads, start and end.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use serde::Serialize;

use super::facts::Fact;
use crate::{domain::time::UnixSeconds, observe::audit::AuditFact, platform::clock::unix_now};

const MAX_MARKS: usize = 256;

#[derive(Clone, Serialize, Debug, PartialEq, Eq)]
pub struct TimelineMark {
    pub at: UnixSeconds,
    pub r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<Arc<str>>,
}

/// The newest marks.
pub struct Timeline(Mutex<MarkList>);

struct MarkList {
    marks: VecDeque<TimelineMark>,
    /// Of all marks, with the dropped ones.
    count: u64,
}

impl Default for Timeline {
    /// The start of the server is the first one.
    fn default() -> Self {
        let marks = Self(Mutex::new(MarkList { marks: VecDeque::new(), count: 0 }));
        marks.add("server_started", None);
        marks
    }
}

impl Timeline {
    pub(super) fn note(&self, fact: &Fact<'_>) {
        match fact {
            Fact::Audited(AuditFact::RotationStarted { app, .. }) => {
                self.add("rotation_started", Some(app.clone()));
            }
            Fact::Audited(AuditFact::RotationFinished { app, .. }) => {
                self.add("rotation_finished", Some(app.clone()));
            }
            Fact::Audited(AuditFact::KeyRevoked { app, .. }) => {
                self.add("key_revoked", Some(app.clone()));
            }
            Fact::Audited(AuditFact::ConfigReloaded { .. }) => self.add("config_reloaded", None),
            Fact::Draining => self.add("server_draining", None),
            _ => {}
        }
    }

    fn add(&self, r#type: &'static str, app: Option<Arc<str>>) {
        let mut list = self.0.lock();
        if list.marks.len() >= MAX_MARKS {
            list.marks.pop_front();
        }
        list.marks.push_back(TimelineMark { at: unix_now(), r#type, app });
        list.count += 1;
    }

    /// The marks behind the first `seen`, and the number of all.
    pub fn since(&self, seen: u64) -> (Vec<TimelineMark>, u64) {
        let list = self.0.lock();
        let new = usize::try_from(list.count.saturating_sub(seen)).unwrap_or(usize::MAX);
        let skipped = list.marks.len().saturating_sub(new);
        (list.marks.iter().skip(skipped).cloned().collect(), list.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_read_once_and_the_oldest_are_dropped() {
        let marks = Timeline::default();
        let (first, seen) = marks.since(0);
        assert_eq!((first.len(), first[0].r#type, seen), (1, "server_started", 1));
        assert_eq!(marks.since(seen), (Vec::new(), 1));
        marks.note(&Fact::Draining);
        let (new, seen) = marks.since(seen);
        assert_eq!((new.len(), new[0].r#type, seen), (1, "server_draining", 2));
        (0..MAX_MARKS).for_each(|_| marks.note(&Fact::Draining));
        let (kept, count) = marks.since(0);
        assert_eq!((kept.len(), count), (MAX_MARKS, 2 + MAX_MARKS as u64));
    }
}
