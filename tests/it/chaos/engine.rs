//! The engine of a round: what the nodes have for a Redis.

use std::net::SocketAddr;

use super::replicas::ReplicaSet;
use super::single::SingleRedis;
use super::slots::MovableSlots;
use crate::support::*;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EngineKind {
    /// One Redis.
    Single,
    /// A master with two replicas, one of which takes its place.
    Replicated,
    /// Three masters, between which slots move.
    Masters,
}

impl EngineKind {
    /// Rounds take turns.
    pub fn of_seed(seed: u64) -> Self {
        match seed % 3 {
            1 => Self::Single,
            2 => Self::Replicated,
            _ => Self::Masters,
        }
    }
}

pub enum Engine {
    Single(SingleRedis),
    Replicated(ReplicaSet),
    Masters(MovableSlots),
}

impl Engine {
    pub async fn start(kind: EngineKind) -> Self {
        match kind {
            EngineKind::Single => Self::Single(SingleRedis::start()),
            EngineKind::Replicated => Self::Replicated(ReplicaSet::start().await),
            EngineKind::Masters => Self::Masters(MovableSlots::start()),
        }
    }

    pub fn section(&self) -> ClusterSection {
        match self {
            Self::Masters(slots) => slots.section().clone(),
            Self::Single(_) | Self::Replicated(_) => ClusterSection::on(self.master()),
        }
    }

    /// Where a proxy between a node and the engine leads. Nodes find the masters of a Redis Cluster
    /// by themselves, so nothing can be between them.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Single(_) | Self::Replicated(_) => Some(self.master().addr()),
            Self::Masters(_) => None,
        }
    }

    /// All servers whose data is that of the cluster.
    pub fn masters(&self) -> Vec<&Redis> {
        match self {
            Self::Single(single) => vec![single.redis()],
            Self::Replicated(replicas) => vec![replicas.master()],
            Self::Masters(slots) => slots.masters(),
        }
    }

    /// The only master.
    pub fn master(&self) -> &Redis {
        match &self.masters()[..] {
            [master] => master,
            _ => panic!("this engine has several masters"),
        }
    }

    pub fn single(&mut self) -> &mut SingleRedis {
        match self {
            Self::Single(single) => single,
            _ => panic!("another engine than a single Redis"),
        }
    }

    pub fn replicas(&mut self) -> &mut ReplicaSet {
        match self {
            Self::Replicated(replicas) => replicas,
            _ => panic!("an engine without replicas"),
        }
    }

    pub fn slots(&mut self) -> &mut MovableSlots {
        match self {
            Self::Masters(slots) => slots,
            _ => panic!("an engine without slots"),
        }
    }
}
