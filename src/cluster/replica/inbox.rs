//! What was heard of the channel, in the order in which it came.

use std::collections::VecDeque;

use super::{
    effect::RequestNumber,
    input::{HeardChange, HeardEvent, HeardMessage},
};

/// Messages that wait for a snapshot or a key.
pub(super) const MAX_HELD: usize = 1024;

#[derive(Debug)]
pub(super) enum InboxItem {
    Message(HeardMessage),
    /// The snapshot was taken here.
    Mark(RequestNumber),
}

#[derive(Default)]
pub(super) struct ReplicaInbox(VecDeque<InboxItem>);

impl ReplicaInbox {
    pub(super) fn push(&mut self, item: InboxItem) {
        self.0.push_back(item);
    }

    pub(super) fn is_over_full(&self) -> bool {
        self.0.len() > MAX_HELD
    }

    /// The next item, unless it needs a key.
    pub(super) fn pop_readable(&mut self) -> Option<InboxItem> {
        if self.is_keyless() { None } else { self.0.pop_front() }
    }

    /// The first event needs a key that is not here yet.
    pub(super) fn is_keyless(&self) -> bool {
        self.0.front().and_then(InboxItem::event).is_some_and(|event| event.lacks_key)
    }

    /// Drops the event that waits for its key. The chain of numbers breaks at a numbered one.
    pub(super) fn drop_keyless(&mut self) {
        match self.0.front_mut() {
            Some(InboxItem::Message(HeardMessage::Numbered { change, .. })) => {
                *change = HeardChange::Rejected;
            }
            _ => {
                self.0.pop_front();
            }
        }
    }

    /// Tells which events lack their key now.
    pub(super) fn look_again(&mut self, has_key: impl Fn(&HeardEvent) -> bool) {
        for item in &mut self.0 {
            if let Some(event) = item.event_mut().filter(|event| event.lacks_key) {
                event.lacks_key = !has_key(event);
            }
        }
    }
}

impl InboxItem {
    fn event(&self) -> Option<&HeardEvent> {
        match self {
            Self::Message(
                HeardMessage::Event(event)
                | HeardMessage::Numbered {
                    change: HeardChange::LastEvent(event) | HeardChange::Logged { event, .. },
                    ..
                },
            ) => Some(event),
            _ => None,
        }
    }

    fn event_mut(&mut self) -> Option<&mut HeardEvent> {
        match self {
            Self::Message(
                HeardMessage::Event(event)
                | HeardMessage::Numbered {
                    change: HeardChange::LastEvent(event) | HeardChange::Logged { event, .. },
                    ..
                },
            ) => Some(event),
            _ => None,
        }
    }
}
