//! What the thread of a node asks of the server around it.

use bytes::Bytes;

use crate::cluster::{content::FactContent, membership::effect::NodeLoad};

/// Called by the thread alone. Nothing of it may wait.
pub trait NodeHost: Send + Sync {
    /// What all nodes of the cluster must share. Asked once, at the start.
    fn identity(&self) -> Bytes;

    fn load(&self) -> NodeLoad;

    /// A fact for webhooks. Facts of a channel come in their order, and some of them twice.
    fn fact(&self, fact: &FactContent<'_>);
}
