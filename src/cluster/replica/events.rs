//! The channel's last event, and which events this node's subscribers have been told.

use super::{
    effect::ReplicaEffect,
    input::{HeardEvent, SentId},
};

/// Events of one millisecond that are remembered.
const MAX_REMEMBERED: usize = 64;

#[derive(Default)]
pub(super) struct ToldEvents {
    /// The event that newcomers are told.
    kept: Option<SentId>,
    /// The newest time of a last event that was heard or posted, and the events of that time. The
    /// engine keeps none that is older.
    newest_ms: u64,
    newest: Vec<SentId>,
}

impl ToldEvents {
    /// This node posts its own event without waiting for its return.
    pub(super) fn post_early(&mut self, event: HeardEvent, effects: &mut Vec<ReplicaEffect>) {
        self.remember(&event);
        effects.push(ReplicaEffect::KeepLast(event.clone()));
        self.kept = Some(event.id);
        effects.push(ReplicaEffect::Deliver(event));
    }

    /// An event that is not kept.
    pub(super) fn hear(&mut self, event: HeardEvent, effects: &mut Vec<ReplicaEffect>) {
        if !event.is_posted {
            effects.push(ReplicaEffect::Deliver(event));
        }
    }

    /// The engine keeps the event as the last one from now on.
    pub(super) fn hear_last(&mut self, event: HeardEvent, effects: &mut Vec<ReplicaEffect>) {
        self.remember(&event);
        self.keep(&event, effects);
        self.hear(event, effects);
    }

    /// The last event of a snapshot. It is told to those who were here and have missed it.
    pub(super) fn find(
        &mut self,
        found: Option<HeardEvent>,
        has_listeners: bool,
        effects: &mut Vec<ReplicaEffect>,
    ) {
        let Some(event) = found else {
            self.forget(effects);
            return;
        };
        let is_missed = !self.is_known(&event);
        self.remember(&event);
        self.keep(&event, effects);
        if is_missed && has_listeners {
            self.hear(event, effects);
        }
    }

    pub(super) fn forget(&mut self, effects: &mut Vec<ReplicaEffect>) {
        if self.kept.take().is_some() {
            effects.push(ReplicaEffect::DropLast);
        }
    }

    fn keep(&mut self, event: &HeardEvent, effects: &mut Vec<ReplicaEffect>) {
        if self.kept != Some(event.id) {
            self.kept = Some(event.id);
            effects.push(ReplicaEffect::KeepLast(event.clone()));
        }
    }

    /// An older one may come back with a master that has lost the newest.
    fn is_known(&self, event: &HeardEvent) -> bool {
        event.sent_ms < self.newest_ms
            || event.sent_ms == self.newest_ms && self.newest.contains(&event.id)
    }

    fn remember(&mut self, event: &HeardEvent) {
        if event.sent_ms > self.newest_ms {
            self.newest_ms = event.sent_ms;
            self.newest.clear();
        }
        let is_newest = event.sent_ms == self.newest_ms && !self.newest.contains(&event.id);
        if is_newest && self.newest.len() < MAX_REMEMBERED {
            self.newest.push(event.id);
        }
    }
}
