//! What nodes tell each other of themselves, kept in Redis.

use super::codec::{ContentReader, ContentWriter, Decoded};
use crate::cluster::names::{NodeSlot, PartitionSet};

/// A sign of life.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BeatContent {
    pub slot: NodeSlot,
    pub sockets: u64,
    /// Sockets with an older key than the active one.
    pub behind: u64,
    /// The generation of the key tables.
    pub generation: u64,
    /// Partitions whose master the node does not reach.
    pub unreached: PartitionSet,
    /// The node beats once in a part of it, so it is dead no sooner. The nodes of a cluster may be
    /// configured one after the other.
    pub lease_ms: u64,
}

/// What all nodes of a cluster must agree on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdentityContent<'a> {
    /// The layout of keys and values.
    pub layout: u8,
    /// The protocols that the nodes can speak, from the lowest to the highest.
    pub protocols: (u8, u8),
    /// The apps and their keys, as the host describes them.
    pub host: &'a [u8],
}

impl BeatContent {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = ContentWriter::default();
        writer.slot(self.slot).u64(self.sockets).u64(self.behind);
        writer.u64(self.generation).bytes(&self.unreached.to_bytes()).u64(self.lease_ms);
        writer.finish()
    }

    pub fn parse(content: &[u8]) -> Decoded<Self> {
        ContentReader::all(content, |reader| {
            Ok(Self {
                slot: reader.slot()?,
                sockets: reader.u64()?,
                behind: reader.u64()?,
                generation: reader.u64()?,
                unreached: PartitionSet::from_bytes(reader.array()?),
                lease_ms: reader.u64()?,
            })
        })
    }
}

impl<'a> IdentityContent<'a> {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = ContentWriter::default();
        let (lowest, highest) = self.protocols;
        writer.byte(self.layout).byte(lowest).byte(highest).bytes(self.host);
        writer.finish()
    }

    pub fn parse(content: &'a [u8]) -> Decoded<Self> {
        ContentReader::all(content, |reader| {
            Ok(Self {
                layout: reader.byte()?,
                protocols: (reader.byte()?, reader.byte()?),
                host: reader.rest(),
            })
        })
    }
}
