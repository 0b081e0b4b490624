//! What a replica is told. All of it is opened: a blob that does not open never gets here.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    channels::members::Member,
    cluster::names::{Incarnation, InfoTag, MemberId},
    domain::ids::SocketId,
};

/// Whether a channel keeps anything but a count of subscribers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChannelMemory {
    CountAlone,
    /// It has members, or a last event: a node needs a snapshot to know them.
    State,
    /// It tells the total of another channel, and nobody counts its own subscribers.
    Mirror,
}

/// A user of the channel, with the names that the engine has for the user and the info.
#[derive(Clone, Debug)]
pub struct ClusterMember {
    pub id: MemberId,
    pub tag: InfoTag,
    pub member: Member,
}

/// A session that subscribes and has not been answered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct WaitingId {
    pub socket: SocketId,
    /// A channel may be left and joined again while it opens.
    pub attempt: u32,
}

/// A subscription that has been authorized.
#[derive(Clone, Debug)]
pub struct ArrivingSubscriber {
    pub id: WaitingId,
    /// On a presence channel.
    pub member: Option<ClusterMember>,
    pub member_limit: u32,
}

/// The end of an answered subscription.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemberDeparture {
    Now,
    /// The user stays a member until `end_hold`.
    Held,
}

/// A message of the channel's topic.
#[derive(Clone, Debug)]
pub enum HeardMessage {
    /// An event without a number.
    Event(HeardEvent),
    Numbered {
        number: u64,
        predecessor: u64,
        change: HeardChange,
    },
    /// The total of subscribers.
    Total(u64),
}

#[derive(Clone, Debug)]
pub enum HeardChange {
    Added(ClusterMember),
    Removed(MemberId),
    LastEvent(HeardEvent),
    Logged {
        event: HeardEvent,
        place: LoggedPlace,
        /// It is the last event as well.
        is_last: bool,
    },
    /// The log and the last event are empty.
    Cleared,
    /// Its blob did not open. The chain of numbers breaks here.
    Rejected,
}

/// The bytes that its publisher sent, known by sender and counter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SentId {
    pub sender: Incarnation,
    pub counter: u64,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeardEvent {
    pub id: SentId,
    pub sent_ms: u64,
    /// An `EventContent`, which a replica does not read.
    pub content: Bytes,
    /// This node has published it, and has posted it before it came back.
    pub is_posted: bool,
    /// It is sealed under a key that this node does not have yet.
    pub lacks_key: bool,
    /// Its place in the log.
    pub logged: Option<LoggedPlace>,
}

/// The number of a logged event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoggedPlace {
    pub number: u64,
    /// Of the logged one before.
    pub previous: u64,
}

/// The state of a channel in the engine.
#[derive(Clone, Debug, Default)]
pub struct OpenedSnapshot {
    pub number: u64,
    pub total: u64,
    /// Without those whose record did not open.
    pub members: Vec<ClusterMember>,
    pub last_event: Option<HeardEvent>,
    pub log: LogSnapshot,
}

impl OpenedSnapshot {
    pub fn events(&self) -> impl Iterator<Item = &HeardEvent> {
        let missed = self.log.missed.iter().filter_map(|item| item.event.as_ref());
        self.last_event.iter().chain(missed)
    }

    pub fn events_mut(&mut self) -> impl Iterator<Item = &mut HeardEvent> {
        let missed = self.log.missed.iter_mut().filter_map(|item| item.event.as_mut());
        self.last_event.iter_mut().chain(missed)
    }

    /// The keys of these events did not come.
    pub(super) fn drop_keyless(&mut self) {
        self.last_event.take_if(|event| event.lacks_key);
        for item in &mut self.log.missed {
            item.event.take_if(|event| event.lacks_key);
        }
    }
}

/// The log of a channel in the engine.
#[derive(Clone, Debug, Default)]
pub struct LogSnapshot {
    /// Of the newest event or clearing. `None` without a log.
    pub newest: Option<u64>,
    /// Of the last clearing; 0 without one.
    pub cleared: u64,
    /// Of the newest evicted event; 0 without one.
    pub evicted: u64,
    /// Behind the number that was asked for, in order.
    pub missed: Vec<LoggedItem>,
}

#[derive(Clone, Debug)]
pub struct LoggedItem {
    pub place: LoggedPlace,
    /// `None`: its blob did not open.
    pub event: Option<HeardEvent>,
}

/// What the engine has of this node, for an audit.
#[derive(Clone, Debug, Default)]
pub struct HeldByEngine {
    pub count: u32,
    /// Of all nodes.
    pub total: u64,
    /// The users may be unknown to this node, so each comes with its record.
    pub members: Vec<ClusterMember>,
}

/// Whether the connections lead to the master that they led to before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MasterChange {
    Same,
    /// It may lack the last changes.
    Other,
}

/// The reason why a verb was not done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VerbFailure {
    /// It may be sent again at once.
    Repeatable,
    /// The engine has no memory, or forbids it. Not before a while.
    Refused,
}

impl ClusterMember {
    pub(super) fn user_id(&self) -> Arc<str> {
        self.member.user_id.clone()
    }
}
