//! Why a node of a cluster is not ready.

use std::{borrow::Cow, sync::atomic::Ordering, time::Duration};

use super::Cluster;
use crate::{
    cluster::{
        node::{
            commands::NodeCommand,
            status::{LinkStatus, RefusedBy},
        },
        redis::link::LinkError,
        settings::WhenAway,
    },
    engine::{Engine, readiness::Unready},
    protocol::code::Close,
};

const JOINING: Unready = Unready {
    code: "cluster_joining",
    reason: Cow::Borrowed(
        "The server has not joined its cluster yet: its log says what it waits for",
    ),
};

impl Cluster {
    pub(in crate::engine) fn unready(&self) -> Option<Unready> {
        match self.node()?.status().link() {
            LinkStatus::Up => None,
            LinkStatus::Full => {
                Some(Unready { code: "cluster_full", reason: LinkError::Full.to_string().into() })
            }
            LinkStatus::Joining => Some(JOINING),
            LinkStatus::Away { error } => {
                Some(Unready { code: "cluster_away", reason: error.to_string().into() })
            }
            LinkStatus::Refused { by, reason } => {
                let code = match by {
                    RefusedBy::Identity => "cluster_refused",
                    RefusedBy::Keys => "key_conflict",
                };
                Some(Unready { code, reason: Cow::Owned(reason.to_string()) })
            }
        }
    }
}

impl Cluster {
    /// True if this node serves nobody, since it has been on its own for longer than a lease.
    pub fn is_closed(&self) -> bool {
        let closes = self.node().is_some_and(|node| node.when_away() == WhenAway::Close);
        closes && self.is_cut_off()
    }

    /// True if this node has been on its own for longer than a lease.
    pub(super) fn is_cut_off(&self) -> bool {
        self.node().is_some_and(|node| node.status().is_cut_off(node.lease()))
    }
}

impl Engine {
    /// Closes the connections that were accepted before this node was on its own.
    pub(in crate::engine) fn close_while_away(&self) {
        let is_closed = self.cluster.is_closed();
        if is_closed && !self.closed_while_away.swap(is_closed, Ordering::Relaxed) {
            let sockets = self.hub.sockets();
            tracing::warn!(
                sockets,
                "closing all connections: the other nodes cannot be reached (cluster.when_away)"
            );
            for runtime in self.runtimes().iter() {
                self.hub.close_app(runtime.rekey_policy.runtime, &Close::ClusterAway);
            }
        } else if !is_closed {
            self.closed_while_away.store(false, Ordering::Relaxed);
        }
    }

    /// Closes all connections, spread over `over`. Users who come back to another node meanwhile
    /// were never gone.
    pub fn drain(&self, over: Duration) {
        if let Some(node) = self.cluster.node() {
            node.send(NodeCommand::Drain);
        }
        self.hub.drain(over);
    }
}
