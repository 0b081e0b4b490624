//! The channel's last event, and which events this node's subscribers have been told.

use std::collections::VecDeque;

use super::{
    effect::ReplicaEffect,
    input::{HeardEvent, SentId},
    log::is_logged,
};

/// Publishers that are remembered.
const MAX_SENDERS: usize = 64;

#[derive(Default)]
pub(super) struct ToldEvents {
    /// The event that newcomers are told.
    kept: Option<SentId>,
    /// The newest last event of each publisher that was heard or posted, by their times: a publisher
    /// numbers what it sends. Times are not compared, since the clock of Redis may be set.
    newest: VecDeque<SentId>,
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

    /// The engine keeps the event as the last one from now on. A publisher without an answer repeats
    /// it: this node may have it from a snapshot, and not have heard it before.
    pub(super) fn hear_last(&mut self, event: HeardEvent, effects: &mut Vec<ReplicaEffect>) {
        let is_repeated = self.is_known(&event);
        self.remember(&event);
        self.keep(&event, effects);
        if !is_repeated {
            self.hear(event, effects);
        }
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
        // What was missed of the log has been told.
        let is_missed = !is_logged(&event) && !self.is_known(&event);
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

    /// A logged event that was missed. The snapshot tells which event is the last one.
    pub(super) fn catch_up(&mut self, event: HeardEvent, effects: &mut Vec<ReplicaEffect>) {
        self.remember(&event);
        self.hear(event, effects);
    }

    fn keep(&mut self, event: &HeardEvent, effects: &mut Vec<ReplicaEffect>) {
        if self.kept != Some(event.id) {
            self.kept = Some(event.id);
            effects.push(ReplicaEffect::KeepLast(event.clone()));
        }
    }

    /// An older one may come back with a master that has lost the newest.
    fn is_known(&self, event: &HeardEvent) -> bool {
        let SentId { sender, counter } = event.id;
        self.newest.iter().any(|newest| newest.sender == sender && newest.counter >= counter)
    }

    fn remember(&mut self, event: &HeardEvent) {
        let mut newest = event.id;
        if let Some(at) = self.newest.iter().position(|known| known.sender == newest.sender)
            && let Some(known) = self.newest.remove(at)
        {
            newest.counter = newest.counter.max(known.counter);
        } else if self.newest.len() == MAX_SENDERS {
            self.newest.pop_front();
        }
        self.newest.push_back(newest);
    }
}
