//! How this node stands with Redis, for probes, answers and metrics.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use parking_lot::Mutex;

use crate::cluster::{redis::link::LinkError, rejection::ClusterRejectionCounters};
use crate::platform::counting::Count;

#[derive(Default)]
pub struct NodeStatus {
    link: Mutex<LinkStatus>,
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
        reason: Arc<str>,
    },
}

impl NodeStatus {
    pub fn link(&self) -> LinkStatus {
        self.link.lock().clone()
    }

    pub fn set_link(&self, status: LinkStatus) {
        *self.link.lock() = status;
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

    pub fn nodes(&self) -> usize {
        self.nodes.load(Ordering::Relaxed)
    }

    pub fn set_nodes(&self, nodes: usize) {
        self.nodes.store(nodes, Ordering::Relaxed);
    }

    pub fn is_up(&self) -> bool {
        matches!(self.link(), LinkStatus::Up { .. })
    }
}
