//! What a membership asks of the thread of its node, and what it tells it.

use std::{sync::Arc, time::Duration};

use redis::Cmd;
use zeroize::Zeroizing;

use super::{OwnerHold, token::MembershipToken};
use crate::cluster::{
    names::{Incarnation, NodeSlot, Partition, PartitionSet},
    node::commands::FactPlace,
    redis::link::LinkError,
    rejection::ClusterRejection,
};

/// To be carried out in this order and at once: sealed commands have counters.
#[derive(Debug)]
pub enum MembershipEffect {
    /// Control keys and plain reads: one pipeline on the talking connection. It is answered once, or
    /// lost.
    Ask {
        commands: Vec<Cmd>,
        token: MembershipToken,
    },
    /// A command for the lane of a partition, of the kind `State`.
    Change {
        partition: Partition,
        command: Cmd,
        token: MembershipToken,
    },
    /// The process takes another incarnation now, and reports it with `born`. Every followed channel
    /// is announced.
    Reborn,
    /// Redis does not know this node in the partition: every followed channel there is announced.
    AnnouncePartition {
        partition: Partition,
        /// It knew this node there before.
        was_known: bool,
    },
    /// The node is a member from here on. Also after each reconnection, and with another slot if the
    /// one before was lost.
    Joined {
        slot: NodeSlot,
    },
    /// The node may not be part of this cluster. It looks again with each beat.
    Refused {
        reason: String,
    },
    /// Redis answers, and refuses what makes the node a member. It is tried again with each beat.
    Hindered {
        error: LinkError,
    },
    /// The living nodes with this one, after each read of the entries.
    Peers(Vec<PeerNode>),
    /// Facts for webhooks that wait in the partitions of this node, told or not.
    FactsWaiting(usize),
    /// A fact for webhooks. `Membership::fact_done` ends it.
    Fact {
        entry: FactEntry,
    },
    Count(MembershipCount),
    Left,
}

/// A living node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PeerNode {
    pub incarnation: Incarnation,
    pub slot: NodeSlot,
    pub load: NodeLoad,
    /// When its entry has changed last, as a time since boot.
    pub seen: Duration,
}

/// The part of a node's beat that the node itself does not need.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NodeLoad {
    pub sockets: u64,
    /// Sockets with an older key than the active one.
    pub behind: u64,
    /// The generation of the key tables.
    pub generation: u64,
    /// Partitions whose master the node does not reach.
    pub unreached: PartitionSet,
}

pub struct FactEntry {
    pub place: FactPlace,
    /// The same each time that the fact is handed out, and of no other fact.
    pub id: Arc<str>,
    /// Endpoints that are done with it.
    pub settled: Vec<Box<str>>,
    /// A `FactContent`.
    pub content: Zeroizing<Vec<u8>>,
    /// Of a total: the number that its script wrote.
    pub number: Option<u32>,
    /// An earlier owner may have told it, and has not said so.
    pub may_be_told: bool,
    pub hold: Arc<OwnerHold>,
}

impl std::fmt::Debug for FactEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FactEntry({:?})", self.place)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MembershipCount {
    /// A dead node, and all that it had.
    Reaped,
    /// This node was taken for dead.
    Fenced,
    /// A value in Redis that does not open: it is passed over.
    Rejected(ClusterRejection),
    /// Facts for webhooks that did not fit into the queue.
    FactsLost(u64),
}
