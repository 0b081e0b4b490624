//! Tickets of event streams. In a cluster the node that made a ticket keeps it, and opens its streams
//! for the other nodes.

use std::{sync::Arc, time::Instant};

use zeroize::Zeroizing;

use super::{AppRuntime, Engine};
use crate::{
    app::App,
    auth::{
        Grant,
        tickets::{OpenedTicket, ShownTicket, TicketContent, TicketError, TicketRefusal},
    },
    domain::{channel::Channel, ids::SocketId},
    hub::mailbox::WorkerCommand,
    platform::clock::unix_now,
};

impl Engine {
    /// `owner`: see `Tickets::issue`.
    pub fn issue_ticket(
        &self,
        runtime: &AppRuntime,
        owner: &str,
        content: TicketContent,
    ) -> Result<Zeroizing<String>, TicketError> {
        let mark = |bytes: &mut _| self.cluster.mark_ticket(bytes);
        runtime.tickets.issue(owner, content, Instant::now(), mark)
    }

    /// Opens a ticket of any node for a stream of this one. `page`: the origin of the page that asks.
    pub async fn open_ticket(
        self: &Arc<Self>,
        runtime: &AppRuntime,
        shown: &ShownTicket<'_>,
        page: Option<&str>,
    ) -> Result<OpenedTicket, TicketRefusal> {
        let slot = self.cluster.ticket_slot(shown)?;
        if let Some(node) = self.cluster.other_ticket_node(slot) {
            return self.open_ticket_of(node, runtime, shown, page).await;
        }
        let check = |content: &TicketContent| check(&runtime.app(), content, page);
        let opened = runtime.tickets.open(shown, Instant::now(), check);
        match (opened, self.cluster.twin_ticket_node(slot)) {
            (Err(TicketRefusal::Unknown), Some(node)) => {
                self.open_ticket_of(node, runtime, shown, page).await
            }
            (opened, _) => opened,
        }
    }

    /// Ends a stream, wherever it is: a later one of its ticket has begun.
    pub fn replace_stream(&self, runtime: &AppRuntime, socket: SocketId) {
        self.hub.post_to(socket, WorkerCommand::ReplaceStream { socket });
        self.tell_replaced_stream(runtime, socket);
    }
}

/// What the ticket was made for has to hold still.
pub(in crate::engine) fn check(
    app: &App,
    content: &TicketContent,
    page: Option<&str>,
) -> Result<(), TicketRefusal> {
    let is_its_page = match (&content.page, page) {
        (None, None) => true,
        (Some(made_for), Some(page)) => made_for.eq_ignore_ascii_case(page),
        (Some(_), None) | (None, Some(_)) => false,
    };
    if !is_its_page {
        return Err(TicketRefusal::Page);
    }
    if content.expires().is_some_and(|expires| expires <= unix_now()) {
        return Err(TicketRefusal::Ended);
    }
    let is_revoked =
        content.channels.iter().any(|(channel, grant)| is_revoked(app, channel, grant));
    if is_revoked { Err(TicketRefusal::Revoked) } else { Ok(()) }
}

fn is_revoked(app: &App, channel: &Channel, grant: &Grant) -> bool {
    let user = grant.user_id.as_deref();
    user.is_some_and(|user| app.is_revoked(channel, user, grant.as_of))
        || grant.token.as_ref().is_some_and(|token| app.access.revoked.contains(token))
}
