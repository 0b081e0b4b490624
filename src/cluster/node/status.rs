//! How this node stands with Redis, for probes, answers and metrics.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::cluster::{
    names::{NodeSlot, Partition, PartitionSet},
    redis::link::LinkError,
    rejection::ClusterRejectionCounters,
};
use crate::platform::counting::Count;

#[derive(Default)]
pub struct NodeStatus {
    link: Mutex<LinkHistory>,
    /// Partitions whose master this node does not reach while Redis is away. All of them, if the node
    /// is no member.
    unreached: Mutex<PartitionSet>,
    /// Nodes that are alive, this one included, as of the last beat.
    nodes: AtomicUsize,
    /// Dead nodes that this one has taken away.
    pub reaped: Count,
    /// How often this node was taken for dead.
    pub fenced: Count,
    pub published: Count,
    pub heard: Count,
    /// Own events that this node posted before they came back, since Redis was away.
    pub local_only: Count,
    /// Events that were heard and did not fit, and those that waited for Redis for too long.
    pub dropped: Count,
    /// Facts for webhooks that no endpoint was told: Redis was full or away for too long.
    pub facts_lost: Count,
    pub rejected: ClusterRejectionCounters,
    clock: Mutex<Option<(u64, Instant)>>,
    peers: Mutex<Peers>,
}

#[derive(Default)]
struct Peers {
    others: Vec<NodeSlot>,
    is_first: bool,
}

/// The state of the connections to Redis.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum LinkStatus {
    /// The node has not been admitted since its start.
    #[default]
    Joining,
    Up {
        since: Instant,
    },
    Away {
        since: Instant,
        error: LinkError,
    },
    /// Not of this cluster, or not able to be.
    Refused {
        by: RefusedBy,
        reason: Arc<str>,
    },
}

/// What a node and its cluster do not agree on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefusedBy {
    Identity,
    Keys,
}

/// The status, and how long this node was without its cluster.
struct LinkHistory {
    status: LinkStatus,
    /// It has been of this kind since then.
    since: Instant,
    /// In earlier times.
    away: Duration,
}

impl LinkStatus {
    /// Stable, for statistics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Up { .. } => "up",
            Self::Away { .. } => "away",
            Self::Refused { .. } => "refused",
        }
    }

    fn is_up(&self) -> bool {
        matches!(self, Self::Up { .. })
    }
}

impl Default for LinkHistory {
    fn default() -> Self {
        Self { status: LinkStatus::Joining, since: Instant::now(), away: Duration::ZERO }
    }
}

impl LinkHistory {
    fn change(&mut self, status: LinkStatus, now: Instant) {
        if status.name() != self.status.name() {
            self.away = self.away_until(now);
            self.since = now;
        }
        self.status = status;
    }

    fn away_until(&self, now: Instant) -> Duration {
        let current = now.saturating_duration_since(self.since);
        self.away + if self.status.is_up() { Duration::ZERO } else { current }
    }
}

impl NodeStatus {
    pub fn link(&self) -> LinkStatus {
        self.link.lock().status.clone()
    }

    pub fn set_link(&self, status: LinkStatus) {
        self.link.lock().change(status, Instant::now());
    }

    /// The status, and since when the node has been up, away, joining or refused.
    pub fn link_since(&self) -> (LinkStatus, Instant) {
        let link = self.link.lock();
        (link.status.clone(), link.since)
    }

    /// The time without the cluster, since the start of the node.
    pub fn away(&self) -> Duration {
        self.link.lock().away_until(Instant::now())
    }

    pub fn set_unreached(&self, partitions: PartitionSet) {
        *self.unreached.lock() = partitions;
    }

    /// While Redis is away: true if the master of the partition is there nevertheless.
    pub fn reaches(&self, partition: Partition) -> bool {
        !self.unreached.lock().contains(partition)
    }

    /// The clock of Redis, in milliseconds since 1970, as of now.
    pub fn set_redis_ms(&self, ms: u64) {
        *self.clock.lock() = Some((ms, Instant::now()));
    }

    /// `None` before the first connection.
    pub fn redis_ms(&self) -> Option<u64> {
        let (ms, at) = (*self.clock.lock())?;
        Some(ms + at.elapsed().as_millis() as u64)
    }

    /// The age of something that was sent at that time of Redis.
    pub fn age_ms(&self, sent_ms: u64) -> u64 {
        self.redis_ms().map_or(0, |now| now.saturating_sub(sent_ms))
    }

    /// The slots of the other living nodes.
    pub fn others(&self) -> Vec<NodeSlot> {
        self.peers.lock().others.clone()
    }

    /// True for one of the living nodes, as of the last beat.
    pub fn is_first(&self) -> bool {
        self.peers.lock().is_first
    }

    pub fn set_peers(&self, others: Vec<NodeSlot>, is_first: bool) {
        *self.peers.lock() = Peers { others, is_first };
    }

    pub fn nodes(&self) -> usize {
        self.nodes.load(Ordering::Relaxed)
    }

    pub fn set_nodes(&self, nodes: usize) {
        self.nodes.store(nodes, Ordering::Relaxed);
    }

    pub fn is_up(&self) -> bool {
        self.link().is_up()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_without_the_cluster_is_added_up() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let away = |error| LinkStatus::Away { since: start, error };
        let mut link = LinkHistory { since: start, ..LinkHistory::default() };
        assert_eq!(link.away_until(at(2)), Duration::from_secs(2), "on its way into the cluster");
        link.change(LinkStatus::Up { since: at(3) }, at(3));
        assert_eq!(link.away_until(at(50)), Duration::from_secs(3));
        link.change(away(LinkError::Silent), at(60));
        link.change(away(LinkError::Full), at(61));
        assert_eq!(link.since, at(60), "for another reason, and still away");
        link.change(LinkStatus::Refused { by: RefusedBy::Identity, reason: "key".into() }, at(64));
        assert_eq!(link.away_until(at(66)), Duration::from_secs(3 + 6));
        link.change(LinkStatus::Up { since: at(70) }, at(70));
        assert_eq!(link.away_until(at(99)), Duration::from_secs(3 + 10));
    }
}
