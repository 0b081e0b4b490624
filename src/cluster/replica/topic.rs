//! What was heard on the channel's topic, and snapshots.

use std::{collections::BTreeSet, time::Instant};

use super::{
    ChannelReplica,
    effect::{ReplicaEffect, RequestNumber},
    inbox::InboxItem,
    input::{ChannelMemory, HeardChange, HeardEvent, HeardMessage, OpenedSnapshot},
    reading::{Reading, SNAPSHOT_PAUSE},
    repair::RepairCause,
};

impl ChannelReplica {
    /// The topic is subscribed, at first or on a new connection.
    pub fn subscribed(&mut self, now: Instant) -> Vec<ReplicaEffect> {
        if matches!(self.reading, Reading::Subscribing) {
            match self.memory {
                // Numbers do not occur, and the total comes with the answer to the count.
                ChannelMemory::CountAlone => {
                    self.reading = Reading::Synced { applied: 0 };
                    self.is_total_stale = true;
                    self.local.recount(now);
                    self.call_ready();
                }
                ChannelMemory::State | ChannelMemory::Mirror => {
                    // Otherwise nobody was here who could have missed anything.
                    if self.local.answered() > 0 {
                        self.note_repair(RepairCause::Reconnected);
                    }
                    self.ask_snapshot();
                }
            }
        }
        self.settle(now)
    }

    pub fn hear(&mut self, message: HeardMessage, now: Instant) -> Vec<ReplicaEffect> {
        self.push(InboxItem::Message(message));
        self.settle(now)
    }

    /// The mark of a snapshot was heard.
    pub fn marked(&mut self, snapshot: RequestNumber, now: Instant) -> Vec<ReplicaEffect> {
        self.push(InboxItem::Mark(snapshot));
        self.settle(now)
    }

    /// The answer to a snapshot. Without effect on a newer one.
    pub fn snapshot_taken(
        &mut self,
        snapshot: RequestNumber,
        taken: OpenedSnapshot,
        now: Instant,
    ) -> Vec<ReplicaEffect> {
        if let Reading::Asked { snapshot: asked, found, .. } = &mut self.reading
            && *asked == snapshot
        {
            *found = Some(Box::new(taken));
        }
        self.settle(now)
    }

    /// The engine has refused to take the snapshot.
    pub fn snapshot_failed(&mut self, snapshot: RequestNumber, now: Instant) -> Vec<ReplicaEffect> {
        if matches!(self.reading, Reading::Asked { snapshot: asked, .. } if asked == snapshot) {
            self.reading = Reading::Failed { until: now + SNAPSHOT_PAUSE };
        }
        self.settle(now)
    }

    /// This node posts its own event before it has come back, since the engine is away. Call it
    /// only for an event of a channel that keeps the last one; others are not the replica's.
    pub fn post_early(&mut self, event: HeardEvent, now: Instant) -> Vec<ReplicaEffect> {
        self.events.post_early(event, &mut self.effects);
        self.settle(now)
    }

    /// This node has other keys now.
    pub fn keys_changed(
        &mut self,
        has_key: impl Fn(&HeardEvent) -> bool,
        now: Instant,
    ) -> Vec<ReplicaEffect> {
        self.is_keyless = false;
        self.inbox.look_again(&has_key);
        if let Some(found) = self.reading.found_mut() {
            found.events_mut().for_each(|event| event.lacks_key = !has_key(event));
        }
        self.settle(now)
    }

    pub(super) fn note_repair(&mut self, cause: RepairCause) {
        self.effects.push(ReplicaEffect::Repairing(cause));
    }

    /// Only a snapshot tells what has happened.
    pub(super) fn ask_snapshot(&mut self) {
        let snapshot = self.local.next_request();
        self.reading = Reading::Asked { snapshot, is_marked: false, found: None };
        let log_after = self.log.last();
        self.effects.push(ReplicaEffect::AskSnapshot { request: snapshot, log_after });
    }

    fn push(&mut self, item: InboxItem) {
        if !matches!(self.reading, Reading::Closed) {
            self.inbox.push(item);
        }
    }

    /// Works off what was heard, as far as it may.
    pub(super) fn read_inbox(&mut self, now: Instant) {
        loop {
            if self.reading.is_complete() && !self.reading.is_keyless() {
                self.apply_snapshot(now);
            }
            if self.inbox.is_over_full() {
                self.make_room();
            }
            if self.reading.is_blocked() || self.reading.is_keyless() {
                return;
            }
            match self.inbox.pop_readable() {
                Some(InboxItem::Message(message)) => self.read(message),
                Some(InboxItem::Mark(snapshot)) => self.read_mark(snapshot),
                None => return,
            }
        }
    }

    /// Too much waits: nothing without a number is lost, and a new snapshot tells the rest.
    fn make_room(&mut self) {
        if self.inbox.is_keyless() {
            self.drop_keyless();
        } else if self.reading.is_keyless() {
            self.drop_keyless_snapshot();
        } else if self.reading.is_blocked() {
            self.note_repair(RepairCause::Overtaken);
            self.ask_snapshot();
        }
    }

    fn read_mark(&mut self, snapshot: RequestNumber) {
        if let Reading::Asked { snapshot: asked, is_marked, .. } = &mut self.reading
            && *asked == snapshot
        {
            *is_marked = true;
        }
    }

    fn read(&mut self, message: HeardMessage) {
        match message {
            HeardMessage::Event(event) => self.events.hear(event, &mut self.effects),
            HeardMessage::Total(total) => self.tell_total(total),
            HeardMessage::Numbered { number, predecessor, change } => {
                let is_next =
                    matches!(self.reading, Reading::Synced { applied } if applied == predecessor);
                if is_next && !matches!(change, HeardChange::Rejected) {
                    self.apply(number, change);
                    self.advance(number);
                    return;
                }
                self.read_out_of_order(number, change);
                if matches!(self.reading, Reading::Synced { .. }) {
                    self.note_repair(RepairCause::Gap);
                    self.ask_snapshot();
                }
            }
        }
    }

    /// The state that it belongs to comes with a snapshot, and logged events do. Another event does not.
    fn read_out_of_order(&mut self, number: u64, change: HeardChange) {
        let is_synced = matches!(self.reading, Reading::Synced { .. });
        match change {
            HeardChange::LastEvent(event) => self.events.hear_last(event, &mut self.effects),
            // The first of a log that this node did not expect.
            HeardChange::Logged { .. } if is_synced && self.log.is_unknown() => {
                self.apply(number, change);
            }
            _ => {}
        }
    }

    fn apply(&mut self, number: u64, change: HeardChange) {
        match change {
            HeardChange::Added(member) => self.roster.add(member, &mut self.effects),
            HeardChange::Removed(id) => {
                let is_here = self.local.is_shown(&id);
                self.roster.remove(&id, is_here, &mut self.effects);
            }
            HeardChange::LastEvent(event) => self.events.hear_last(event, &mut self.effects),
            HeardChange::Logged { event, place, is_last } => {
                self.log.advance(place, &mut self.effects);
                match is_last {
                    true => self.events.hear_last(event, &mut self.effects),
                    false => self.events.hear(event, &mut self.effects),
                }
            }
            HeardChange::Cleared => {
                self.events.forget(&mut self.effects);
                self.log.clear(number, &mut self.effects);
            }
            HeardChange::Rejected => {}
        }
    }

    /// All is known up to `number`. Who has waited for it may enter.
    fn advance(&mut self, number: u64) {
        self.reading = Reading::Synced { applied: number };
        let reached = self.local.pass(number);
        self.call_joined(reached);
        if self.local.take_forgotten_passed() {
            self.note_repair(RepairCause::Overtaken);
            self.ask_snapshot();
        }
    }

    fn apply_snapshot(&mut self, now: Instant) {
        let reading = std::mem::replace(&mut self.reading, Reading::Subscribing);
        let Reading::Asked { snapshot: asked, found: Some(found), .. } = reading else { return };
        let OpenedSnapshot { number, total, members, last_event, log } = *found;
        let there: BTreeSet<_> = members.iter().map(|member| member.id).collect();
        let is_lost = self.local.find_lost(asked, total, |id| there.contains(id), now);
        if is_lost {
            self.note_repair(RepairCause::Lost);
        }
        if std::mem::take(&mut self.is_suspect) || is_lost {
            self.doubt_until = Some(now + self.lease);
        }
        let doubt = self.doubt_until.filter(|until| *until > now);
        let local = &self.local;
        self.roster.replace(members, |id| local.is_shown(id), doubt, &mut self.effects);
        let has_listeners = self.local.answered() > 0;
        self.log.catch_up(log, has_listeners, &mut self.events, &mut self.effects);
        self.events.find(last_event, has_listeners, &mut self.effects);
        self.effects.push(ReplicaEffect::LogSynced);
        // The user's nodes may not have come back yet.
        let is_doubtful = self.memory == ChannelMemory::Mirror && total == 0 && doubt.is_some();
        if !(is_doubtful && self.told_total.is_some()) {
            self.tell_total(total);
        }
        self.reading = Reading::Synced { applied: number };
        let reached = self.local.reach_by_snapshot(asked, number);
        self.call_joined(reached);
        self.call_ready();
    }

    pub(super) fn tell_total(&mut self, total: u64) {
        self.is_total_stale = false;
        let greets = self.greeting_at.take().is_some();
        if greets || self.told_total != Some(total) {
            self.told_total = Some(total);
            self.effects.push(ReplicaEffect::TellTotal(total));
        }
    }

    pub(super) fn drop_keyless(&mut self) {
        self.inbox.drop_keyless();
        self.note_dropped();
    }

    pub(super) fn drop_keyless_snapshot(&mut self) {
        if let Some(found) = self.reading.found_mut() {
            found.drop_keyless();
        }
        self.note_dropped();
    }

    fn note_dropped(&mut self) {
        self.is_keyless = true;
        self.key_by = None;
        self.effects.push(ReplicaEffect::DroppedKeyless);
    }
}
