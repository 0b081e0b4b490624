//! The node was buried, and goes on under another name.

use super::NodeDriver;
use crate::cluster::{names::Incarnation, node::news::ReplicaNews};

impl NodeDriver {
    /// Redis refuses changes in the name of this incarnation.
    pub(super) fn fenced(&mut self, incarnation: Incarnation) {
        // All commands on their way are refused, and one rebirth is enough.
        if incarnation != self.sealing.incarnation() {
            return;
        }
        match self.sealing.be_born(&self.key) {
            Ok(()) => {
                tracing::warn!("other nodes have taken this node for dead: it announces itself");
                self.followers.tell_all(|| ReplicaNews::AnnounceAll);
            }
            // The next refusal tries again.
            Err(error) => tracing::error!(%error, "no random bytes for another incarnation"),
        }
    }
}
