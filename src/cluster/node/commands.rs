//! What the engine asks of the thread of its node.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use redis::{Cmd, Value};
use tokio::sync::oneshot;

use super::{
    ClusterChannel,
    asking::{NodeAnnouncement, NodeQuestion},
    news::ReplicaHolder,
};
use crate::cluster::{
    names::{NodeSlot, Partition},
    redis::log::{LogBounds, LogCondition, LogLife, LogQuery},
    replica::effect::{RequestNumber, StateVerb},
};

/// A channel with a replica on this node. The thread tells its holder the news.
pub struct FollowedChannel {
    pub channel: ClusterChannel,
    /// On a channel with a log.
    pub log: Option<LogLife>,
    pub holder: Arc<dyn ReplicaHolder>,
}

pub enum NodeCommand {
    /// Subscribe to the topic. The news `Linked` follows at once if there is a connection, and
    /// `Subscribed` when Redis has confirmed it.
    Follow(Arc<FollowedChannel>),
    Unfollow(Arc<FollowedChannel>),
    Snapshot {
        followed: Arc<FollowedChannel>,
        request: RequestNumber,
        /// With the logged events behind this number.
        log_after: Option<u64>,
    },
    /// Read a part of the log. The news `LogRead` follows, with the same number.
    ReadLog {
        followed: Arc<FollowedChannel>,
        number: u64,
        query: LogQuery,
    },
    /// Read what Redis has of this node on the channel.
    AskHeld {
        followed: Arc<FollowedChannel>,
        request: RequestNumber,
    },
    Change {
        followed: Arc<FollowedChannel>,
        request: RequestNumber,
        verb: StateVerb,
    },
    /// The news `Tick` follows at that time. A later wish replaces an earlier one.
    WakeAt {
        followed: Arc<FollowedChannel>,
        at: Instant,
    },
    Publish(Publication),
    /// For webhooks, behind all that was asked for before.
    Note(FactNote),
    /// An endpoint is done with a fact that this node handed to its host.
    FactSettled {
        place: FactPlace,
        endpoint: Box<str>,
    },
    /// All endpoints are done with these, which end together.
    FactsDone {
        partition: Partition,
        entries: Vec<Bytes>,
    },
    Read(NodeRead),
    Ask(NodeQuestion),
    Announce(NodeAnnouncement),
    /// The server serves other apps from now on.
    AppsChanged,
    Tell {
        to: NodeSlot,
        /// A `RequestContent`.
        body: Bytes,
    },
    /// Departures linger from now on, so that users who return to another node were never gone.
    Drain,
    /// All connections are closed. The node takes itself out of the cluster, and answers.
    Leave(oneshot::Sender<()>),
}

/// A question of a request, as one pipeline.
pub struct NodeRead {
    pub commands: Vec<Cmd>,
    /// Dropped without an answer if there is no connection.
    pub done: oneshot::Sender<Vec<Value>>,
}

/// An entry of the queue of facts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FactPlace {
    pub partition: Partition,
    pub entry: Bytes,
}

/// A fact that no change in Redis makes.
pub struct FactNote {
    pub channel: ClusterChannel,
    /// A `FactContent`.
    pub content: Bytes,
    /// A cache miss: told once by all nodes.
    pub is_miss: bool,
}

/// An event on its way to the nodes of its subscribers.
pub struct Publication {
    pub channel: ClusterChannel,
    /// An `EventContent`.
    pub content: Bytes,
    /// The channel keeps the event for that time.
    pub keep: Option<Duration>,
    /// `None`: a plain event.
    pub log: Option<LogWrite>,
    /// `None`: nobody waits.
    pub done: Option<oneshot::Sender<PublicationEnd>>,
}

/// What a publication does with the log of its channel. It is never posted before Redis has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogWrite {
    Append {
        bounds: LogBounds,
        life: LogLife,
        condition: LogCondition,
    },
    /// No event, and no content: the log is cleared.
    Clear,
}

/// What became of a publication.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PublicationEnd {
    /// Redis has taken it.
    Published,
    /// It has this number in the log. 0: Redis has taken it, and the log does not have it any more. Of
    /// a clearing: there was nothing to be cleared.
    Logged { number: u64 },
    /// Its condition does not hold: this is the newest number of the log; 0 without a log.
    Changed { newest: u64 },
    /// Redis has not confirmed the change of a log in time.
    Overdue,
    /// Redis is away: this node's subscribers have it. Others get it if Redis is back in time.
    Local,
    /// Redis refuses events, and says why in the log.
    Refused,
}
