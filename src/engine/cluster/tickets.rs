//! Tickets of other nodes, and tickets of this one for other nodes.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;

use super::{ticket_contents, ticket_marks::TicketNodeRoute};
use crate::{
    auth::tickets::{
        OpenedTicket, ShownTicket, Started, TicketAttempt, TicketContent, TicketNode,
        TicketRefusal, TicketStreamId,
    },
    cluster::{
        content::{
            NodeRequest, ReplyContent, RequestContent, TicketOpening, TicketReply,
            TicketStreamContent,
        },
        names::NodeSlot,
        node::asking::AskError,
    },
    domain::ids::SocketId,
    engine::{AppRuntime, Engine, tickets::check},
    hub::mailbox::WorkerCommand,
};

impl Engine {
    /// Each failure is a refusal after which the client gets another ticket, from a node that answers.
    pub(in crate::engine) async fn open_ticket_of(
        self: &Arc<Self>,
        TicketNodeRoute { node, slot }: TicketNodeRoute<'_>,
        runtime: &AppRuntime,
        shown: &ShownTicket<'_>,
        page: Option<&str>,
    ) -> Result<OpenedTicket, TicketRefusal> {
        let TicketAttempt { ticket, has_own_id } = shown.attempt();
        let opening = TicketOpening { ticket, has_own_id, page };
        let body = body(&runtime.id, NodeRequest::OpenTicket(opening));
        let reply = node.ask(slot, body).await.map_err(|error| match error {
            AskError::Nobody => TicketRefusal::Unknown,
            AskError::Busy => TicketRefusal::NoAnswer,
        })?;
        let reply = match ReplyContent::parse(&reply) {
            Ok(ReplyContent::Ticket(reply)) => reply,
            Ok(ReplyContent::TicketRejected(it)) => return Err(ticket_contents::refusal(it)),
            // Of another version of this server.
            Ok(_) | Err(_) => return Err(TicketRefusal::NoAnswer),
        };
        let id = TicketStreamId { ticket, number: reply.number };
        let node = OtherTicketNode { engine: self.clone(), app: runtime.id.clone(), slot };
        self.opened(runtime, shown, page, (&reply, id, node))
    }

    /// Checks once more: a token may have been revoked here during the question.
    fn opened(
        &self,
        runtime: &AppRuntime,
        shown: &ShownTicket<'_>,
        page: Option<&str>,
        (reply, id, node): (&TicketReply<'_>, TicketStreamId, OtherTicketNode),
    ) -> Result<OpenedTicket, TicketRefusal> {
        let app = runtime.app();
        let content = ticket_contents::content(&app, reply);
        let content = content.ok_or(TicketRefusal::NoAnswer);
        let checked = content.and_then(|content| check(&app, &content, page).map(|()| content));
        match checked {
            Ok(content) => Ok(OpenedTicket::of_other_node(shown, content, id, Box::new(node))),
            Err(refusal) => {
                node.closed(id);
                Err(refusal)
            }
        }
    }

    /// `None`: another node may have made the ticket.
    pub(super) fn open_ticket_for_node(
        &self,
        runtime: &AppRuntime,
        opening: &TicketOpening<'_>,
    ) -> Option<Bytes> {
        let TicketOpening { ticket, has_own_id, page } = *opening;
        let attempt = TicketAttempt { ticket, has_own_id };
        let check = |content: &TicketContent| check(&runtime.app(), content, page);
        let opened = runtime.tickets.open_elsewhere(attempt, Instant::now(), check);
        let reply = match opened {
            Ok((content, id)) => ticket_contents::reply(id.number, &content),
            Err(refusal) => {
                ReplyContent::TicketRejected(ticket_contents::rejection(refusal)?).to_bytes()
            }
        };
        Some(reply.into())
    }

    /// `None` unless the stream is the newest of its ticket.
    pub(super) fn ticket_started(
        &self,
        runtime: &AppRuntime,
        stream: TicketStreamContent,
        socket: SocketId,
    ) -> Option<Bytes> {
        match runtime.tickets.started(ticket_contents::stream_id(stream), socket) {
            Started::Newest { former } => {
                former.into_iter().for_each(|former| self.replace_stream(runtime, former));
                Some(ReplyContent::Done.to_bytes().into())
            }
            Started::Superseded => None,
        }
    }

    /// Two nodes can have drawn the slot in the id, so the other one is told in any case.
    pub(in crate::engine) fn tell_replaced_stream(&self, runtime: &AppRuntime, socket: SocketId) {
        if let Some(node) = self.cluster.node() {
            let body = body(&runtime.id, NodeRequest::ReplaceStream { socket });
            node.teller().tell(NodeSlot::of_socket(socket), body);
        }
    }
}

fn body(app: &str, request: NodeRequest<'_>) -> Bytes {
    RequestContent { app, request }.to_bytes().into()
}

/// The node that made a ticket, for a stream here.
struct OtherTicketNode {
    engine: Arc<Engine>,
    app: Arc<str>,
    slot: NodeSlot,
}

impl OtherTicketNode {
    fn tell(&self, request: NodeRequest<'_>) {
        if let Some(node) = self.engine.cluster.node() {
            node.teller().tell(self.slot, body(&self.app, request));
        }
    }
}

impl TicketNode for OtherTicketNode {
    fn started(&self, stream: TicketStreamId, socket: SocketId) {
        let (engine, slot) = (self.engine.clone(), self.slot);
        let stream = ticket_contents::stream(stream);
        let body = body(&self.app, NodeRequest::TicketStarted { stream, socket });
        tokio::spawn(async move {
            let Some(node) = engine.cluster.node() else { return };
            if node.ask(slot, body).await.is_err() {
                engine.hub.post_to(socket, WorkerCommand::ReplaceStream { socket });
            }
        });
    }

    fn lived(&self, stream: TicketStreamId) {
        self.tell(NodeRequest::TicketLived(ticket_contents::stream(stream)));
    }

    fn closed(&self, stream: TicketStreamId) {
        self.tell(NodeRequest::TicketClosed(ticket_contents::stream(stream)));
    }
}
