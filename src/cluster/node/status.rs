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
    membership::Now,
    names::{NodeSlot, Partition, PartitionSet},
    redis::link::LinkError,
    rejection::ClusterRejectionCounters,
    replica::repair::RepairCounters,
};
use crate::platform::counting::{Count, Histogram};

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
    pub repairs: RepairCounters,
    /// From the way of an own event into its lane to its acknowledgement.
    pub acks: AckTimes,
    /// Facts for webhooks that wait in the partitions of this node, as of its last beat.
    facts: AtomicUsize,
    clock: Mutex<Option<(u64, Instant)>>,
    peers: Mutex<Peers>,
}

pub struct AckTimes(pub Histogram);

impl Default for AckTimes {
    fn default() -> Self {
        Self(Histogram::new(&ACK_BUCKETS))
    }
}

/// Redis is fast, and its stalls are seconds.
const ACK_BUCKETS: [Duration; 11] = [
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(10),
];

#[derive(Default)]
struct Peers {
    others: Vec<LivingPeer>,
    is_first: bool,
}

/// Another living node, as of the last beat of this one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LivingPeer {
    pub slot: NodeSlot,
    pub sockets: u64,
    /// When its beat has changed last, as a time since boot.
    pub seen: Duration,
}

impl LivingPeer {
    pub fn seen_before(&self) -> Duration {
        Now::read().boot.saturating_sub(self.seen)
    }
}

/// The state of the connections to Redis.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum LinkStatus {
    /// The node has not been admitted since its start.
    #[default]
    Joining,
    Up,
    /// A member of its cluster, on a Redis whose memory is full: events go on, and new members of
    /// channels are not told to other nodes.
    Full,
    Away {
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
    /// It has been of this kind since then. Others count the time in which this machine was suspended
    /// as well.
    since: Now,
    /// In earlier times.
    away: Duration,
}

impl LinkStatus {
    /// Stable, for statistics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Up => "up",
            Self::Full => "full",
            Self::Away { .. } => "away",
            Self::Refused { .. } => "refused",
        }
    }

    fn is_up(&self) -> bool {
        matches!(self, Self::Up)
    }

    fn is_member(&self) -> bool {
        matches!(self, Self::Up | Self::Full)
    }
}

impl Default for LinkHistory {
    fn default() -> Self {
        Self { status: LinkStatus::Joining, since: Now::read(), away: Duration::ZERO }
    }
}

impl LinkHistory {
    fn change(&mut self, status: LinkStatus, now: Now) {
        if status.name() != self.status.name() {
            self.away = self.away_until(now);
            self.since = now;
        }
        self.status = status;
    }

    fn away_until(&self, now: Now) -> Duration {
        let current = self.lasts(now);
        self.away + if self.status.is_member() { Duration::ZERO } else { current }
    }

    fn is_cut_off(&self, lease: Duration, now: Now) -> bool {
        match self.status {
            LinkStatus::Up | LinkStatus::Full | LinkStatus::Joining => false,
            LinkStatus::Away { .. } => self.lasts(now) > lease,
            LinkStatus::Refused { .. } => true,
        }
    }

    fn lasts(&self, now: Now) -> Duration {
        now.boot.saturating_sub(self.since.boot)
    }
}

impl NodeStatus {
    pub fn link(&self) -> LinkStatus {
        self.link.lock().status.clone()
    }

    pub fn set_link(&self, status: LinkStatus) {
        self.link.lock().change(status, Now::read());
    }

    /// The status, and for how long the node has been up, away, joining or refused.
    pub fn link_for(&self) -> (LinkStatus, Duration) {
        let link = self.link.lock();
        (link.status.clone(), link.lasts(Now::read()))
    }

    /// True if the others may know what this node does not: it is on its own for longer than `lease`.
    pub fn is_cut_off(&self, lease: Duration) -> bool {
        self.link.lock().is_cut_off(lease, Now::read())
    }

    /// The time without the cluster, since the start of the node.
    pub fn away(&self) -> Duration {
        self.link.lock().away_until(Now::read())
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
        self.peers.lock().others.iter().map(|peer| peer.slot).collect()
    }

    /// The other living nodes.
    pub fn peers(&self) -> Vec<LivingPeer> {
        self.peers.lock().others.clone()
    }

    /// True for one of the living nodes, as of the last beat.
    pub fn is_first(&self) -> bool {
        self.peers.lock().is_first
    }

    pub fn set_peers(&self, others: Vec<LivingPeer>, is_first: bool) {
        *self.peers.lock() = Peers { others, is_first };
    }

    pub fn nodes(&self) -> usize {
        self.nodes.load(Ordering::Relaxed)
    }

    pub fn set_nodes(&self, nodes: usize) {
        self.nodes.store(nodes, Ordering::Relaxed);
    }

    /// 0 while this node is no member: another owns its partitions then.
    pub fn facts(&self) -> usize {
        if self.is_member() { self.facts.load(Ordering::Relaxed) } else { 0 }
    }

    pub fn set_facts(&self, facts: usize) {
        self.facts.store(facts, Ordering::Relaxed);
    }

    pub fn is_up(&self) -> bool {
        self.link().is_up()
    }

    /// True if this node is in its cluster and hears the others, even if Redis takes no more.
    pub fn is_member(&self) -> bool {
        self.link().is_member()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The machine has run before, and is never suspended.
    fn clock() -> impl Fn(u64) -> Now {
        let start = Now::read();
        move |seconds| {
            let passed = Duration::from_secs(seconds);
            Now { at: start.at + passed, boot: start.boot + passed }
        }
    }

    #[test]
    fn time_without_the_cluster_is_added_up() {
        let at = clock();
        let away = |error| LinkStatus::Away { error };
        let mut link = LinkHistory { since: at(0), ..LinkHistory::default() };
        assert_eq!(link.away_until(at(2)), Duration::from_secs(2), "on its way into the cluster");
        link.change(LinkStatus::Up, at(3));
        assert_eq!(link.away_until(at(50)), Duration::from_secs(3));
        link.change(away(LinkError::Silent), at(60));
        link.change(away(LinkError::Full), at(61));
        assert_eq!(link.since, at(60), "for another reason, and still away");
        link.change(LinkStatus::Refused { by: RefusedBy::Identity, reason: "key".into() }, at(64));
        assert_eq!(link.away_until(at(66)), Duration::from_secs(3 + 6));
        link.change(LinkStatus::Up, at(70));
        assert_eq!(link.away_until(at(99)), Duration::from_secs(3 + 10));
        link.change(LinkStatus::Full, at(100));
        assert_eq!(link.away_until(at(120)), Duration::from_secs(3 + 10), "a full Redis is there");
    }

    /// Others go on counting a lease while this machine is suspended.
    #[test]
    fn ju16_suspended_node_is_cut_off_when_it_wakes() {
        let (at, lease) = (clock(), Duration::from_secs(12));
        let mut link = LinkHistory { since: at(0), ..LinkHistory::default() };
        link.change(LinkStatus::Away { error: LinkError::Silent }, at(10));
        assert!(!link.is_cut_off(lease, at(20)));
        let woken = Now { at: at(20).at, boot: at(60).boot };
        assert!(link.is_cut_off(lease, woken));
        link.change(LinkStatus::Full, woken);
        assert!(!link.is_cut_off(lease, at(999)), "it hears the others");
    }
}
