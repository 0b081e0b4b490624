//! One stream of a ticket.

use std::{sync::Arc, time::Instant};

use super::{
    OpenedTicket, ShownTicket, Started, TicketContent, TicketEventIds, TicketStreamId, Tickets,
};
use crate::domain::ids::SocketId;

/// The other node that made a ticket. What it is told may be lost.
pub trait TicketNode {
    /// It ends the stream before. This stream ends unless the node says that it is the newest.
    fn started(&self, stream: TicketStreamId, socket: SocketId);
    fn lived(&self, stream: TicketStreamId);
    fn closed(&self, stream: TicketStreamId);
}

/// Where the table with the ticket is.
pub(super) enum TicketHome {
    Here(Arc<Tickets>),
    Elsewhere(Box<dyn TicketNode>),
}

/// One stream of a ticket, from its request to its end: it is closed on drop.
pub struct TicketStream {
    home: TicketHome,
    id: TicketStreamId,
    ids: TicketEventIds,
}

impl OpenedTicket {
    /// The stream of a ticket that another node has opened for this one.
    pub fn of_other_node(
        shown: &ShownTicket<'_>,
        content: TicketContent,
        id: TicketStreamId,
        node: Box<dyn TicketNode>,
    ) -> Self {
        shown.opened(Arc::new(content), id, TicketHome::Elsewhere(node))
    }
}

impl TicketStream {
    pub(super) fn new(home: TicketHome, id: TicketStreamId, ids: TicketEventIds) -> Self {
        Self { home, id, ids }
    }

    /// The stream has joined its channels. `None`: the node that made the ticket is asked, and ends
    /// the other stream itself.
    pub fn started(&self, socket: SocketId) -> Option<Started> {
        match &self.home {
            TicketHome::Here(tickets) => Some(tickets.started(self.id, socket)),
            TicketHome::Elsewhere(node) => {
                node.started(self.id, socket);
                None
            }
        }
    }

    /// See `Tickets::lived`.
    pub fn lived(&self, now: Instant) {
        match &self.home {
            TicketHome::Here(tickets) => tickets.lived(&self.id.ticket, now),
            TicketHome::Elsewhere(node) => node.lived(self.id),
        }
    }

    /// The `id` of an event: the position, bound to the ticket.
    pub fn id_of(&self, position: &str) -> String {
        self.ids.of(position)
    }
}

impl Drop for TicketStream {
    fn drop(&mut self) {
        match &self.home {
            TicketHome::Here(tickets) => tickets.closed(self.id, Instant::now()),
            TicketHome::Elsewhere(node) => node.closed(self.id),
        }
    }
}
