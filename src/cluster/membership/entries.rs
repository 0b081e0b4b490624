//! The entries of the nodes, as of the last read.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use redis::{Cmd, Value};

use super::{
    context::{MembershipContext, command},
    effect::{NodeLoad, PeerNode},
    values,
};
use crate::cluster::{
    content::BeatContent,
    names::{Incarnation, NodeSlot},
    node::{keys::control_keys, sealing::NodeSealing},
    redis::control::{ControlVerb, NodeEntry},
    rejection::ClusterRejection,
    stored::{StoredError, StoredPlace},
};

#[derive(Default)]
pub(super) struct Entries {
    /// As they are in Redis.
    pub stored: Vec<(Incarnation, Bytes)>,
    peers: Vec<PeerNode>,
    /// Dying nodes have one too.
    slots: BTreeMap<Incarnation, NodeSlot>,
    leases: BTreeMap<Incarnation, Duration>,
}

impl Entries {
    /// `None` for an answer of another form.
    pub fn read(answer: Value, context: &mut MembershipContext<'_>) -> Option<Self> {
        let mut entries = Self::default();
        for (node, entry) in values::pairs(answer)? {
            let Some(node) = values::id(&node).map(Incarnation::from_bytes) else { continue };
            entries.add(node, entry, context);
        }
        entries.peers.sort_by_key(|peer| peer.incarnation);
        Some(entries)
    }

    fn add(&mut self, node: Incarnation, entry: Bytes, context: &mut MembershipContext<'_>) {
        let (beat, is_alive) = match NodeEntry::parse(&entry) {
            Some(NodeEntry::Alive { beat }) => (beat, true),
            Some(NodeEntry::Dying { beat, .. }) => (beat, false),
            None => (&[][..], false),
        };
        let opened = open(context.sealing, &node, beat);
        if let Some(BeatContent { slot, sockets, behind, generation, unreached, lease_ms }) =
            context.opened(opened)
        {
            self.slots.insert(node, slot);
            self.leases.insert(node, Duration::from_millis(lease_ms));
            let load = NodeLoad { sockets, behind, generation, unreached };
            if is_alive {
                let seen = context.now.boot;
                self.peers.push(PeerNode { incarnation: node, slot, load, seen });
            }
        }
        self.stored.push((node, entry));
    }

    pub fn peers(&self) -> &[PeerNode] {
        &self.peers
    }

    pub fn has(&self, node: &Incarnation) -> bool {
        self.stored.iter().any(|(other, _)| other == node)
    }

    pub fn slot(&self, node: &Incarnation) -> Option<NodeSlot> {
        self.slots.get(node).copied()
    }

    /// Zero for a node that has not told it.
    pub fn lease(&self, node: &Incarnation) -> Duration {
        self.leases.get(node).copied().unwrap_or_default()
    }

    pub fn longest_lease(&self) -> Duration {
        self.leases.values().copied().max().unwrap_or_default()
    }

    /// A random slot that nobody is known to have.
    pub fn free_slot(&self) -> Option<NodeSlot> {
        let taken: std::collections::BTreeSet<_> = self.slots.values().copied().collect();
        let free =
            usize::from(NodeSlot::COUNT).checked_sub(taken.len()).filter(|free| *free > 0)?;
        let mut random = [0; 8];
        getrandom::fill(&mut random).ok()?;
        let at = u64::from_be_bytes(random) % free as u64;
        let all = (0..NodeSlot::COUNT).filter_map(NodeSlot::new);
        all.filter(|slot| !taken.contains(slot)).nth(at as usize)
    }
}

/// The command that raises this node's own beat.
pub(super) fn beat(
    context: &MembershipContext<'_>,
    slot: NodeSlot,
    load: NodeLoad,
) -> Result<Cmd, StoredError> {
    let node = context.sealing.incarnation();
    let NodeLoad { sockets, behind, generation, unreached } = load;
    let lease_ms = context.lease_ms();
    let content = BeatContent { slot, sockets, behind, generation, unreached, lease_ms }.to_bytes();
    let keys = control_keys(&context.sealing.layout);
    let beat = context.sealing.stored.seal(place(&keys.nodes, &node), &content)?;
    let verb = ControlVerb::Beat { node: *node.as_bytes(), slot: slot.number(), beat: beat.into() };
    Ok(verb.command(context.scripts, &keys))
}

pub(super) fn read_all(context: &MembershipContext<'_>) -> Cmd {
    command("HGETALL", &control_keys(&context.sealing.layout).nodes)
}

fn open(
    sealing: &NodeSealing,
    node: &Incarnation,
    beat: &[u8],
) -> Result<BeatContent, ClusterRejection> {
    let key = control_keys(&sealing.layout).nodes;
    BeatContent::parse(&sealing.stored.open(place(&key, node), beat)?)
}

fn place<'a>(key: &'a [u8], node: &'a Incarnation) -> StoredPlace<'a> {
    StoredPlace { key, field: node.as_bytes(), generation: 0 }
}
