//! The figures of this node in its cluster.

use serde::Serialize;

use crate::{
    cluster::replica::ReplicaState, domain::time::UnixSeconds, engine::Engine,
    platform::clock::unix_now,
};

/// For `/stats`.
#[derive(Serialize)]
pub struct ClusterStats {
    /// Living nodes, this one included, as of this node's last beat.
    nodes: usize,
    /// By which other nodes name this one, as in their answers 504.
    slot: u16,
    link: &'static str,
    /// The time of the last change of `link`.
    since: UnixSeconds,
}

impl Engine {
    /// `None` without a cluster.
    pub(in crate::engine) fn cluster_stats(&self) -> Option<ClusterStats> {
        let node = self.cluster.node()?;
        let (link, lasts) = node.status().link_for();
        Some(ClusterStats {
            nodes: node.status().nodes(),
            slot: node.slots().of_new_sockets().number(),
            link: link.name(),
            since: unix_now().saturating_sub(lasts.as_secs()),
        })
    }

    /// Followed channels by the state of their replicas. Locks each record for a moment.
    pub fn replicas(&self) -> [(&'static str, usize); 4] {
        let mut replicas = [("closed", 0), ("opening", 0), ("open", 0), ("detached", 0)];
        for runtime in self.runtimes().iter() {
            for record in runtime.directory.records() {
                let Some(mut locked) = record.enter() else { continue };
                let Some(held) = locked.followed() else { continue };
                let at = match held.replica.state() {
                    ReplicaState::Closed => 0,
                    ReplicaState::Opening => 1,
                    ReplicaState::Open => 2,
                    ReplicaState::Detached => 3,
                };
                replicas[at].1 += 1;
            }
        }
        replicas
    }
}
