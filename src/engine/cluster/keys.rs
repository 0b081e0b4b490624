//! Changes of keys on a node.

use crate::engine::{AppRuntime, Engine, keys::key_errors::RotationError};

impl Engine {
    /// A node that has other keys than the rest would seal what they cannot open.
    pub(in crate::engine) fn refuse_in_cluster(
        &self,
        runtime: &AppRuntime,
    ) -> Result<(), RotationError> {
        match self.cluster.node() {
            None => Ok(()),
            Some(_) => Err(RotationError::InCluster { app: runtime.id.clone() }),
        }
    }
}
