//! The engine as one node of a cluster.
//!
//! A channel with subscribers here has a replica in its record. Whatever changes it has effects, which
//! are carried out under the record's lock ([`effects`]). News comes from the thread of the node
//! ([`holder`]).

mod answering;
mod arriving;
mod asking;
mod cut_off;
mod departing;
mod effects;
mod events;
mod granting;
mod holder;
mod host;
mod joining;
mod keys;
mod letters;
mod log_entries;
mod logs;
pub mod nodes;
mod publishing;
mod queries;
mod readiness;
mod resuming;
mod revoking;
mod rotating;
mod stats;
mod ticket_contents;
mod ticket_marks;
mod tickets;
mod watching;

#[cfg(test)]
mod tests;

pub use arriving::SessionArrival;
pub(super) use asking::RemoteAnswerGuard;
pub(super) use departing::HoldTerms;
pub use joining::{PreparedNode, RunningNode};
pub(super) use keys::ClusterKeys;
pub(super) use letters::ClusterLetters;
pub use publishing::Delivery;
pub(super) use revoking::Terminations;
pub use stats::ClusterStats;

use crate::cluster::node::ClusterNode;

/// The nodes that serve clients as one server.
#[derive(Default)]
pub enum Cluster {
    /// This one alone.
    #[default]
    Local,
    Redis(ClusterNode),
}

impl Cluster {
    /// `None` without a cluster.
    pub fn node(&self) -> Option<&ClusterNode> {
        match self {
            Self::Local => None,
            Self::Redis(node) => Some(node),
        }
    }
}
