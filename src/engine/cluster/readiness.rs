//! Why a node of a cluster is not ready.

use std::{borrow::Cow, time::Duration};

use super::Cluster;
use crate::{
    cluster::node::{commands::NodeCommand, status::LinkStatus},
    engine::{Engine, readiness::Unready},
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
            LinkStatus::Up { .. } => None,
            LinkStatus::Joining => Some(JOINING),
            LinkStatus::Away { error, .. } => {
                Some(Unready { code: "cluster_away", reason: error.to_string().into() })
            }
            LinkStatus::Refused { reason } => {
                Some(Unready { code: "cluster_refused", reason: Cow::Owned(reason.to_string()) })
            }
        }
    }
}

impl Engine {
    /// Closes all connections, spread over `over`. Users who come back to another node meanwhile
    /// were never gone.
    pub fn drain(&self, over: Duration) {
        if let Some(node) = self.cluster.node() {
            node.send(NodeCommand::Drain);
        }
        self.hub.drain(over);
    }
}
