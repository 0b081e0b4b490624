//! A partition on a link.

use bytes::Bytes;
use redis::Cmd;

use crate::cluster::{
    names::Partition,
    redis::{
        backlog::Backlog, checks::MasterRun, keys::Keys, lane::Lane, scripts::Scripts, verbs::Verb,
    },
};

/// A partition, as one node names it.
pub struct PartitionNames {
    pub partition: Partition,
    /// Those of the partition; the names of channels are not used.
    pub keys: Keys,
    pub mark_topic: Bytes,
}

/// A partition that the master serves. It goes on with another link when its slot moves.
pub struct LinkPartition<T> {
    pub names: PartitionNames,
    pub lane: Lane<T>,
    /// The master and data that the node was on before, if any.
    pub came_from: Bytes,
    /// The greatest number that the node has seen.
    pub known: u64,
}

impl<T> LinkPartition<T> {
    pub fn new(names: PartitionNames, backlog: &Backlog) -> Self {
        Self { names, lane: Lane::new(backlog.clone()), came_from: Bytes::new(), known: 0 }
    }

    pub fn comes_from_another(&self, run: &MasterRun) -> bool {
        !self.came_from.is_empty() && self.came_from != *run.as_bytes()
    }

    /// No number up to the greatest that is known comes again.
    pub fn raise(&self, came_from: Bytes, run: Bytes, scripts: &Scripts) -> Cmd {
        Verb::Floor { came_from, run, known: self.known }.command(scripts, &self.names.keys)
    }
}
