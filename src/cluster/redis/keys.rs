//! The names of the keys and topics that scripts use.

use bytes::Bytes;

/// The keys of one node in one partition, and of one channel there. All are in one slot. A verb of
/// the whole partition leaves the channel's names empty.
#[derive(Clone, Default)]
pub struct Keys {
    /// Tombstone of the node.
    pub d: Bytes,
    /// Set of the channels where the node has a count or members.
    pub i: Bytes,
    /// Hash of the incarnations in the partition, with the number of their last announcement.
    pub p: Bytes,
    /// Hash of the channel's number, totals, sealed name and counts by node.
    pub c: Bytes,
    /// Hash of the channel's members: tag and sealed record.
    pub m: Bytes,
    /// Hash of the references to members, by node.
    pub r: Bytes,
    /// The channel's last event.
    pub l: Bytes,
    /// Stream of the channel's logged events.
    pub h: Bytes,
    /// Hash of the counters of each node's last change of a log.
    pub e: Bytes,
    /// Sorted set of lingering members and channels, of last events and of logs, by the time of their
    /// end.
    pub g: Bytes,
    /// Set of the occupied channels of the app.
    pub a: Bytes,
    /// Stream of facts for webhooks.
    pub w: Bytes,
    /// Hash of the endpoints that are done with a fact, by its entry.
    pub y: Bytes,
    /// The token of the partition's owner.
    pub o: Bytes,
    /// Hash of the partition's floor and of the master that it was made for.
    pub f: Bytes,
    /// Topic of the channel.
    pub t: Bytes,
    /// Of a user's own channel, the topic of the user's watchers; of another, its own topic.
    pub u: Bytes,
}

/// The keys that belong to no partition.
#[derive(Clone)]
pub struct ControlKeys {
    /// Hash of the nodes' entries.
    pub nodes: Bytes,
    /// Hash of the nodes by slot.
    pub slots: Bytes,
}

/// A key of a partition that a script declares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key {
    Tombstone,
    NodeChannels,
    Incarnations,
    State,
    Members,
    References,
    LastEvent,
    Log,
    Appends,
    Lingering,
    Occupied,
    Facts,
    Marks,
    Owner,
    Floor,
    Topic,
    WatchersTopic,
}

impl Key {
    /// The local variable that holds the name in a script.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Tombstone => "tombstone",
            Self::NodeChannels => "node_channels",
            Self::Incarnations => "incarnations",
            Self::State => "state",
            Self::Members => "members",
            Self::References => "references",
            Self::LastEvent => "last_event",
            Self::Log => "log",
            Self::Appends => "appends",
            Self::Lingering => "lingering",
            Self::Occupied => "occupied",
            Self::Facts => "facts",
            Self::Marks => "marks",
            Self::Owner => "owner",
            Self::Floor => "floor",
            Self::Topic => "topic",
            Self::WatchersTopic => "watchers_topic",
        }
    }
}

impl Keys {
    pub fn name(&self, key: Key) -> &Bytes {
        match key {
            Key::Tombstone => &self.d,
            Key::NodeChannels => &self.i,
            Key::Incarnations => &self.p,
            Key::State => &self.c,
            Key::Members => &self.m,
            Key::References => &self.r,
            Key::LastEvent => &self.l,
            Key::Log => &self.h,
            Key::Appends => &self.e,
            Key::Lingering => &self.g,
            Key::Occupied => &self.a,
            Key::Facts => &self.w,
            Key::Marks => &self.y,
            Key::Owner => &self.o,
            Key::Floor => &self.f,
            Key::Topic => &self.t,
            Key::WatchersTopic => &self.u,
        }
    }
}
