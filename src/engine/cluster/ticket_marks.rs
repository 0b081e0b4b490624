//! In a cluster a ticket names the slot of its node, as ids of sockets do: 2 bytes of slot, 22 random
//! bytes, and a tag under the cluster key. Without the right tag no other node is asked, so that
//! made-up tickets cost the others nothing.

use super::Cluster;
use crate::{
    auth::tickets::{ShownTicket, TicketBytes, TicketRefusal},
    cluster::{
        names::{ClusterNames, NodeSlot, TICKET_TAG_BYTES},
        node::ClusterNode,
    },
};

const TAG_AT: usize = size_of::<TicketBytes>() - TICKET_TAG_BYTES;

impl Cluster {
    pub(in crate::engine) fn mark_ticket(&self, ticket: &mut TicketBytes) {
        if let Some(node) = self.node() {
            mark(node.names(), node.slots().of_new_sockets(), ticket);
        }
    }

    /// The slot of the node that made the ticket. `None` without a cluster.
    pub(in crate::engine) fn ticket_slot(
        &self,
        shown: &ShownTicket<'_>,
    ) -> Result<Option<NodeSlot>, TicketRefusal> {
        let Some(node) = self.node() else { return Ok(None) };
        slot(node.names(), shown.bytes()).map(Some).ok_or(TicketRefusal::Unknown)
    }

    /// The way to the node that made the ticket, if this one did not.
    pub(in crate::engine) fn other_ticket_node(
        &self,
        slot: Option<NodeSlot>,
    ) -> Option<TicketNodeRoute<'_>> {
        let (node, slot) = (self.node()?, slot?);
        (!node.slots().has(slot)).then_some(TicketNodeRoute { node, slot })
    }

    /// The way to another node with a slot of this one: two can have drawn it. Without Redis there is
    /// none to ask.
    pub(in crate::engine) fn twin_ticket_node(
        &self,
        slot: Option<NodeSlot>,
    ) -> Option<TicketNodeRoute<'_>> {
        let (node, slot) = (self.node()?, slot?);
        let is_twin = node.slots().has(slot) && node.status().is_member();
        is_twin.then_some(TicketNodeRoute { node, slot })
    }
}

/// The node with this slot, asked through this one.
pub(in crate::engine) struct TicketNodeRoute<'a> {
    pub(super) node: &'a ClusterNode,
    pub(super) slot: NodeSlot,
}

fn mark(names: &ClusterNames, slot: NodeSlot, ticket: &mut TicketBytes) {
    let (head, tag) = ticket.split_at_mut(TAG_AT);
    head[..2].copy_from_slice(&slot.number().to_be_bytes());
    tag.copy_from_slice(&names.ticket_tag(head));
}

fn slot(names: &ClusterNames, ticket: &TicketBytes) -> Option<NodeSlot> {
    let (head, tag) = ticket.split_last_chunk()?;
    let slot = NodeSlot::new(u16::from_be_bytes([head[0], head[1]]))?;
    names.is_ticket_tag(head, tag).then_some(slot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::key::MasterKey;

    fn names(key: u8) -> ClusterNames {
        ClusterNames::new(&MasterKey::from_bytes([key; 32]).into())
    }

    #[test]
    fn marked_tickets_name_their_slot_and_keep_their_random_bytes() {
        for number in [0, 1, 258, 4095] {
            let (node, mut ticket) = (NodeSlot::new(number).unwrap(), [0xff; 32]);
            mark(&names(1), node, &mut ticket);
            assert_eq!(slot(&names(1), &ticket), Some(node));
            assert_eq!(ticket[2..TAG_AT], [0xff; 22]);
            assert_eq!(slot(&names(2), &ticket), None, "of another cluster");
        }
    }

    #[test]
    fn altered_and_unmarked_tickets_name_none() {
        let mut ticket = [7; 32];
        assert_eq!(slot(&names(1), &ticket), None);
        mark(&names(1), NodeSlot::new(5).unwrap(), &mut ticket);
        for at in 0..ticket.len() {
            let mut altered = ticket;
            altered[at] ^= 1;
            assert_eq!(slot(&names(1), &altered), None, "{at}");
        }
    }
}
