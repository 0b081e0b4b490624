//! What the thread of a node tells the holder of a replica.

use crate::cluster::replica::{
    effect::{RequestNumber, VerbReply},
    input::{HeardEvent, HeardMessage, HeldByEngine, MasterChange, OpenedSnapshot, VerbFailure},
};

/// Holds the record of a channel, and its replica.
pub trait ReplicaHolder: Send + Sync {
    /// Called by the thread alone. It may lock the record, and must not wait for anything else.
    /// News of a replica that is closed meanwhile is passed over.
    fn take(&self, news: ReplicaNews);
}

#[derive(Debug)]
pub enum ReplicaNews {
    /// There is a connection: at first, or again.
    Linked(MasterChange),
    /// Either connection is lost. What this node publishes is posted early from now on.
    Unlinked,
    /// Redis has forgotten this node, or knows it under another name from now on.
    AnnounceAll,
    /// Compare with Redis.
    Audit,
    Tick,
    Subscribed,
    Heard(HeardMessage),
    /// The mark of a snapshot was heard.
    Marked(RequestNumber),
    SnapshotTaken(RequestNumber, OpenedSnapshot),
    SnapshotFailed(RequestNumber),
    Held(RequestNumber, HeldByEngine),
    Replied(RequestNumber, VerbReply),
    VerbFailed(RequestNumber, VerbFailure),
    /// An event of this node that cannot come back now. `is_kept`: the channel keeps it.
    PostEarly {
        event: HeardEvent,
        is_kept: bool,
    },
}
