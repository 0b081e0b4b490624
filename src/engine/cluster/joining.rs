//! The beginning and the end of this process as a node.

use std::{sync::Arc, time::Duration};

use tokio::sync::oneshot;

use super::{Cluster, host::EngineHost};
use crate::{
    cluster::{
        node::{
            ClusterNode, NodeParts,
            commands::NodeCommand,
            thread::{NodeThread, StartError},
        },
        settings::ClusterSettings,
    },
    engine::Engine,
};

/// More than the node waits for Redis at its end.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// A node whose thread has not begun.
#[must_use]
pub struct PreparedNode(NodeParts);

/// A node in its cluster, or on its way there.
#[must_use]
pub struct RunningNode(NodeThread);

impl Engine {
    /// Before the engine is shared. The node begins with `start`.
    pub fn prepare_node(&mut self, settings: ClusterSettings) -> PreparedNode {
        let (node, parts) = ClusterNode::new(settings);
        self.history.join_cluster(node.history_epoch());
        self.cluster = Cluster::Redis(node);
        PreparedNode(parts)
    }
}

impl PreparedNode {
    pub fn start(self, engine: &Arc<Engine>) -> Result<RunningNode, StartError> {
        let host = Arc::new(EngineHost(Arc::downgrade(engine)));
        Ok(RunningNode(self.0.start(host)?))
    }
}

impl RunningNode {
    /// After all connections are closed. Waits until Redis knows that this node is gone, for as long
    /// as it answers.
    pub fn leave(self, engine: &Arc<Engine>) {
        if let Some(node) = engine.cluster.node() {
            let (left, _) = oneshot::channel();
            node.send(NodeCommand::Leave(left));
        }
        if !self.0.join(LEAVE_TIMEOUT) {
            tracing::warn!(
                "Redis did not take the last changes of this node: the other nodes end them after the lease"
            );
        }
    }
}
