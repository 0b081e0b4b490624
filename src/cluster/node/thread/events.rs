//! What Redis brings.

use bytes::Bytes;

use super::{NodeDriver, token::NodeToken};
use crate::cluster::{
    envelope::MAX_CONTENT,
    names::Partition,
    node::news::ReplicaNews,
    redis::{
        lane::Answered,
        link::LinkEvent,
        messages::{Mark, TopicMessage},
        snapshot::{Snapshot, SnapshotError},
    },
    rejection::ClusterRejection,
    replica::input::{HeardChange, HeardEvent, HeardMessage},
};

/// An envelope is a little longer than its content.
const MAX_BLOB: usize = MAX_CONTENT + 256;

/// Numbers are microseconds of the clock of Redis, or a little above them. That clock may have been
/// set back.
const MAX_AHEAD_MS: u64 = 24 * 60 * 60 * 1000;

impl NodeDriver {
    pub(super) fn take(&mut self, event: LinkEvent<NodeToken>) {
        match event {
            LinkEvent::Connected { reach, engine_time_ms } => {
                self.connected(reach, engine_time_ms);
            }
            LinkEvent::Up { reach, changed } => self.up(reach, changed),
            LinkEvent::Away { reach, error } => self.away(reach, error),
            LinkEvent::Answered(Answered::Done { token, reply }) => self.done(token, &reply),
            LinkEvent::Answered(Answered::NotDone { token, refusal }) => {
                self.not_done(token, refusal);
            }
            LinkEvent::Expired(token) => self.expired(token),
            LinkEvent::Read { token, answers } => self.read(token, answers),
            LinkEvent::ReadLost(token) => self.read_lost(token),
            LinkEvent::Unsubscribed(_) | LinkEvent::Moved(_) => {}
            LinkEvent::Snapshot { mark, snapshot } => self.snapshot_taken(mark, snapshot),
            LinkEvent::Mark(mark) => self.marked(mark),
            LinkEvent::Message { topic, message } => self.hear(&topic, &message),
            LinkEvent::Subscribed(topic) => self.subscribed(&topic),
            LinkEvent::Dropped(events) => self.status.dropped.add_many(events),
            LinkEvent::MemoryChanged => self.show_reach(),
        }
    }

    fn hear(&mut self, topic: &Bytes, message: &Bytes) {
        let Some(followed) = self.followers.get(topic) else {
            return self.hear_note(topic, message);
        };
        let rejected = &self.status.rejected;
        let message = TopicMessage::parse(message, MAX_BLOB);
        let message = message.map_err(|_| ClusterRejection::Malformed);
        let Ok(message) = rejected.counted(message) else { return };
        let channel = &followed.channel;
        let heard = self.opening.heard(&self.sealing, channel, message, rejected);
        let Some(heard) = heard else { return };
        let partition = channel.location.partition;
        if let Some(event) = event_in(&heard) {
            self.status.heard.add();
            self.publications.came_back(&event.id);
        }
        let number = opened_number(&heard);
        followed.holder.take(ReplicaNews::Heard(heard));
        number.into_iter().for_each(|number| self.saw_number(partition, number));
    }

    /// Numbers are not sealed. One that is far above the clock of Redis would keep this node from
    /// every master, as long as it runs.
    pub(super) fn saw_number(&mut self, partition: Partition, number: u64) {
        let highest = (self.sealing.redis_ms() + MAX_AHEAD_MS).saturating_mul(1000);
        if number <= highest {
            self.links.saw_number(partition, number);
        }
    }

    fn marked(&mut self, mark: Mark) {
        let Some(asked) = self.snapshots.get_mut(&mark.snapshot) else { return };
        asked.is_marked = true;
        let (followed, request) = (asked.followed.clone(), asked.request);
        if asked.is_answered {
            self.snapshots.remove(&mark.snapshot);
        }
        followed.holder.take(ReplicaNews::Marked(request));
    }

    fn snapshot_taken(&mut self, mark: Mark, snapshot: Result<Snapshot, SnapshotError>) {
        let Some(asked) = self.snapshots.get_mut(&mark.snapshot) else { return };
        asked.is_answered = true;
        let (followed, request) = (asked.followed.clone(), asked.request);
        if asked.is_marked || snapshot.is_err() {
            self.snapshots.remove(&mark.snapshot);
        }
        let news = match snapshot {
            Ok(snapshot) => {
                self.saw_number(followed.channel.location.partition, snapshot.number);
                let rejected = &self.status.rejected;
                let opened =
                    self.opening.snapshot(&self.sealing, &followed.channel, snapshot, rejected);
                ReplicaNews::SnapshotTaken(request, opened)
            }
            Err(error) => {
                tracing::warn!(%error, "a channel's state was not read");
                ReplicaNews::SnapshotFailed(request)
            }
        };
        followed.holder.take(news);
    }
}

/// Anybody who has Redis could have sent what does not open.
fn opened_number(heard: &HeardMessage) -> Option<u64> {
    match heard {
        HeardMessage::Numbered { change: HeardChange::Rejected, .. } => None,
        HeardMessage::Numbered { number, .. } => Some(*number),
        _ => None,
    }
}

/// The event in a message, if it has one.
fn event_in(heard: &HeardMessage) -> Option<&HeardEvent> {
    match heard {
        HeardMessage::Event(event)
        | HeardMessage::Numbered {
            change: HeardChange::LastEvent(event) | HeardChange::Logged { event, .. },
            ..
        } => Some(event),
        _ => None,
    }
}
