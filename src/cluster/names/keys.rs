//! The names of all keys and topics in Redis.

use super::{AppHash, ChannelId, Incarnation, Partition};
use crate::{
    cluster::settings::KeyPrefix,
    domain::ids::{NODE_BITS, SocketId},
};

/// The layout of keys and values. A node never touches data of another layout.
pub const LAYOUT: u8 = 1;

/// The place of a live node in the cluster, given out again after its end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeSlot(u16);

impl NodeSlot {
    pub const COUNT: u16 = 1 << NODE_BITS;

    pub fn new(slot: u16) -> Option<Self> {
        (slot < Self::COUNT).then_some(Self(slot))
    }

    pub fn number(self) -> u16 {
        self.0
    }

    /// The slot in the id of a socket.
    pub fn of_socket(socket: SocketId) -> Self {
        Self(socket.node_slot())
    }

    /// Without random bytes it is always the same one.
    pub fn random() -> Self {
        Self(getrandom::u32().unwrap_or_default() as u16 % Self::COUNT)
    }
}

/// Names are bytes: hashes stand in them as they are.
pub struct KeyLayout {
    /// Has no brace: the first pair in a name is the hash tag.
    prefix: KeyPrefix,
}

impl KeyLayout {
    pub fn new(prefix: KeyPrefix) -> Self {
        Self { prefix }
    }

    /// The sealed identity of the cluster. It is the same in every layout and has no hash tag.
    pub fn identity(&self) -> Vec<u8> {
        format!("{}:id", self.prefix.as_str()).into_bytes()
    }

    pub fn partition(&self, partition: Partition) -> PartitionKeyNames {
        PartitionKeyNames(self.tagged(partition.hash_tag()))
    }

    pub fn control(&self) -> ControlKeyNames {
        ControlKeyNames(self.tagged("ctl"))
    }

    fn tagged(&self, tag: &str) -> TaggedPrefix {
        TaggedPrefix(format!("{}{LAYOUT}:{{{tag}}}", self.prefix.as_str()).into())
    }
}

/// The beginning of all names of one slot.
#[derive(Clone)]
struct TaggedPrefix(Box<str>);

impl TaggedPrefix {
    fn name(&self, parts: &[&[u8]]) -> Vec<u8> {
        let length = self.0.len() + parts.iter().map(|part| part.len()).sum::<usize>();
        let mut name = Vec::with_capacity(length);
        name.extend_from_slice(self.0.as_bytes());
        parts.iter().for_each(|part| name.extend_from_slice(part));
        name
    }
}

/// The names of one partition.
#[derive(Clone)]
pub struct PartitionKeyNames(TaggedPrefix);

impl PartitionKeyNames {
    /// Set of the channels to which a node has announced itself here.
    pub fn node_channels(&self, node: &Incarnation) -> Vec<u8> {
        self.0.name(&[b"i:", node.as_bytes()])
    }

    /// Marks a node as buried.
    pub fn tombstone(&self, node: &Incarnation) -> Vec<u8> {
        self.0.name(&[b"d:", node.as_bytes()])
    }

    /// Set of an app's occupied channels.
    pub fn occupied(&self, app: &AppHash) -> Vec<u8> {
        self.0.name(&[b"a:", app.as_bytes()])
    }

    /// Lingering members and channels, by the time of their end.
    pub fn lingering(&self) -> Vec<u8> {
        self.0.name(&[b"g"])
    }

    /// Hash of the counters of each node's last change of a log.
    pub fn appends(&self) -> Vec<u8> {
        self.0.name(&[b"e"])
    }

    /// Stream of facts for webhooks.
    pub fn facts(&self) -> Vec<u8> {
        self.0.name(&[b"w"])
    }

    /// Hash of the endpoints that are done with a fact.
    pub fn fact_marks(&self) -> Vec<u8> {
        self.0.name(&[b"y"])
    }

    /// The owner of the partition.
    pub fn owner(&self) -> Vec<u8> {
        self.0.name(&[b"o"])
    }

    /// Set of the incarnations in the partition.
    pub fn incarnations(&self) -> Vec<u8> {
        self.0.name(&[b"p"])
    }

    /// No number below the floor is given out.
    pub fn floor(&self) -> Vec<u8> {
        self.0.name(&[b"f"])
    }

    /// Topic of a node's own marks. `node` is its first incarnation: it keeps the topic.
    pub fn mark_topic(&self, node: &Incarnation) -> Vec<u8> {
        self.0.name(&[b"t:m", node.as_bytes()])
    }

    pub fn channel(&self, id: ChannelId) -> ChannelKeyNames {
        ChannelKeyNames { prefix: self.0.clone(), id }
    }
}

/// The names of one channel.
pub struct ChannelKeyNames {
    prefix: TaggedPrefix,
    id: ChannelId,
}

impl ChannelKeyNames {
    /// Hash of numbers, counts by node and the sealed name.
    pub fn state(&self) -> Vec<u8> {
        self.name(b"c:")
    }

    /// Hash of the members' sealed records.
    pub fn members(&self) -> Vec<u8> {
        self.name(b"m:")
    }

    /// Hash of the references to members, by node.
    pub fn references(&self) -> Vec<u8> {
        self.name(b"r:")
    }

    pub fn last_event(&self) -> Vec<u8> {
        self.name(b"l:")
    }

    /// Stream of logged events.
    pub fn log(&self) -> Vec<u8> {
        self.name(b"h:")
    }

    pub fn topic(&self) -> Vec<u8> {
        self.name(b"t:")
    }

    fn name(&self, kind: &[u8]) -> Vec<u8> {
        self.prefix.name(&[kind, self.id.as_bytes()])
    }
}

/// The names of what belongs to no partition.
pub struct ControlKeyNames(TaggedPrefix);

impl ControlKeyNames {
    /// Hash of the nodes' beats.
    pub fn nodes(&self) -> Vec<u8> {
        self.0.name(&[b"nodes"])
    }

    /// Hash of the nodes by slot.
    pub fn slots(&self) -> Vec<u8> {
        self.0.name(&[b"slots"])
    }

    /// An app's key table.
    pub fn key_table(&self, app: &AppHash) -> Vec<u8> {
        self.0.name(&[b"k:", app.as_bytes()])
    }

    /// Stream of an app's undelivered webhooks.
    pub fn letters(&self, app: &AppHash) -> Vec<u8> {
        self.0.name(&[b"x:", app.as_bytes()])
    }

    /// Hash of the claims on them.
    pub fn letter_claims(&self, app: &AppHash) -> Vec<u8> {
        self.0.name(&[b"y:", app.as_bytes()])
    }

    /// An app's revoked tokens.
    pub fn revoked_tokens(&self, app: &AppHash) -> Vec<u8> {
        self.0.name(&[b"v:", app.as_bytes()])
    }

    /// Topic of all nodes.
    pub fn everyone_topic(&self) -> Vec<u8> {
        self.0.name(&[b"t:all"])
    }

    /// Topic of one node.
    pub fn node_topic(&self, node: NodeSlot) -> Vec<u8> {
        self.0.name(&[b"t:n", node.0.to_string().as_bytes()])
    }
}
