//! What the thread of a node tells the holder of a replica.

use std::time::Instant;

use super::logs::OpenedLogPart;
use crate::cluster::replica::{
    ChannelReplica,
    effect::{ReplicaEffect, RequestNumber, VerbReply},
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
    /// A part of the log. `None`: Redis did not give it.
    LogRead {
        number: u64,
        /// The position of the reader.
        after: u64,
        part: Option<OpenedLogPart>,
    },
    Replied(RequestNumber, VerbReply),
    VerbFailed(RequestNumber, VerbFailure),
    /// An event of this node that cannot come back now. `is_kept`: the channel keeps it.
    PostEarly {
        event: HeardEvent,
        is_kept: bool,
    },
}

impl ReplicaNews {
    /// An event that is posted early and not kept is the holder's own, and so is a part of a log: no
    /// replica knows of them.
    pub fn apply(self, replica: &mut ChannelReplica, now: Instant) -> Vec<ReplicaEffect> {
        match self {
            Self::Linked(master) => replica.reconnected(master, now),
            Self::Unlinked => replica.disconnected(now),
            Self::AnnounceAll => replica.announce_all(now),
            Self::Audit => replica.audit(now),
            Self::Tick => replica.tick(now),
            Self::Subscribed => replica.subscribed(now),
            Self::Heard(message) => replica.hear(message, now),
            Self::Marked(request) => replica.marked(request, now),
            Self::SnapshotTaken(request, taken) => replica.snapshot_taken(request, taken, now),
            Self::SnapshotFailed(request) => replica.snapshot_failed(request, now),
            Self::Held(request, held) => replica.audited(request, held, now),
            Self::Replied(request, reply) => replica.replied(request, reply, now),
            Self::VerbFailed(request, failure) => replica.verb_failed(request, failure, now),
            Self::PostEarly { event, is_kept: true } => replica.post_early(event, now),
            Self::PostEarly { is_kept: false, .. } | Self::LogRead { .. } => Vec::new(),
        }
    }
}
