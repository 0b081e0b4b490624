//! What a link brings to its owner.

use bytes::Bytes;
use redis::Value;

use super::{LinkError, LinkReach};
use crate::cluster::{
    names::PartitionSet,
    redis::{
        lane::Answered,
        listener::TopicGroup,
        messages::Mark,
        snapshot::{Snapshot, SnapshotError},
    },
};

/// `T` tells the owner what a command or a read was.
pub enum LinkEvent<T> {
    /// A master is there. What is much older than its clock is a replay.
    Connected {
        reach: LinkReach,
        engine_time_ms: u64,
    },
    /// All their topics are subscribed, and all that waits is sent. Without `Connected` before it,
    /// the topics have been heard without a gap; `Subscribed` is told again for each of them. Of the
    /// `changed` partitions nothing counts as acknowledged any more: their master or its data is
    /// another one. Without `Away` before it, they have only moved.
    Up {
        reach: LinkReach,
        changed: PartitionSet,
    },
    /// Also after each failed attempt. All snapshots on their way are lost. Messages and answers may
    /// still follow.
    Away {
        reach: LinkReach,
        error: LinkError,
    },
    /// Redis serves the group elsewhere, and nothing of it is on its way any more.
    Moved(TopicGroup),
    Answered(Answered<T>),
    /// An event that nobody else will get.
    Expired(T),
    Read {
        token: T,
        answers: Vec<Value>,
    },
    ReadLost(T),
    /// The place of the snapshot among the messages is that of the event `Mark`.
    Snapshot {
        mark: Mark,
        snapshot: Result<Snapshot, SnapshotError>,
    },
    Mark(Mark),
    Message {
        topic: Bytes,
        message: Bytes,
    },
    /// All messages of the topic from now on are events.
    Subscribed(Bytes),
    Unsubscribed(Bytes),
    /// Events that arrived and did not fit.
    Dropped(u64),
    /// The memory of the master is full, or has room again.
    MemoryChanged,
}
