//! Tickets: one URL, for a browser's `EventSource`, which sends no header of its own. A ticket stands
//! for the grants of a token on some channels, and opens streams of them alone.

mod event_ids;
mod shown;
mod stream;
mod table;

use std::{sync::Arc, time::Instant};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use zeroize::Zeroizing;

use self::{
    event_ids::TicketEventIds,
    stream::TicketHome,
    table::{NotOpened, ServedAt, TicketTable},
};
use super::Grant;
use crate::domain::{channel::Channel, ids::SocketId, time::UnixSeconds};

pub use shown::{ShownTicket, TicketAttempt};
pub use stream::{TicketNode, TicketStream};
pub use table::{LIVED_INTERVAL, SPENT_AFTER, Started, TicketHash, UNSPENT};

/// The bytes behind the text of a ticket. Nobody can guess them.
pub type TicketBytes = [u8; TICKET_BYTES];

const TICKET_BYTES: usize = 32;

/// The tickets of one app.
#[derive(Default)]
pub struct Tickets(Mutex<TicketTable<TicketContent>>);

pub struct TicketContent {
    pub channels: Vec<(Channel, Grant)>,
    /// The origin of the page that it was made for, if a page made it.
    pub page: Option<String>,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TicketError {
    #[error("the application has as many tickets as it may have: ask again in a minute")]
    Full,
    #[error("the operating system gave no random bytes; try again")]
    NoRandomness,
}

/// Why a ticket opens no stream. A page then gets another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketRefusal {
    #[error("there is no such ticket: it was never made here, or its time is over")]
    Unknown,
    #[error("the node that made the ticket does not answer")]
    NoAnswer,
    #[error(
        "the ticket is spent: after a minute, or once a stream of it has lived three seconds, it takes the Last-Event-ID of one of its streams"
    )]
    Spent,
    #[error("the ticket was made for pages of another origin")]
    Page,
    #[error("the authorization behind the ticket has ended")]
    Ended,
    #[error("the authorization behind the ticket has been revoked")]
    Revoked,
}

/// A ticket that has opened a stream.
pub struct OpenedTicket {
    pub content: Arc<TicketContent>,
    /// The position in the id that the client has shown, of whichever ticket the id was.
    pub position: Option<String>,
    pub stream: TicketStream,
}

/// One opening of a ticket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TicketStreamId {
    pub ticket: TicketHash,
    /// Rises with each opening.
    pub number: u64,
}

impl TicketContent {
    /// The end of the first of its grants.
    pub fn expires(&self) -> Option<UnixSeconds> {
        self.channels.iter().filter_map(|(_, grant)| grant.expires).min()
    }

    /// Bytes of memory, rounded up.
    fn bytes(&self) -> usize {
        let grants = self.channels.iter().map(|(channel, grant)| {
            size_of::<(Channel, Grant)>() + channel.name().len() + grant.text_bytes()
        });
        grants.sum::<usize>() + self.page.as_ref().map_or(0, String::len)
    }
}

impl Tickets {
    /// `owner`: the user, or else whatever tells the bearer of the token from others. `mark` changes
    /// the random bytes so that other nodes find this one.
    pub fn issue(
        &self,
        owner: &str,
        content: TicketContent,
        now: Instant,
        mark: impl FnOnce(&mut TicketBytes),
    ) -> Result<Zeroizing<String>, TicketError> {
        let mut bytes = Zeroizing::new([0; TICKET_BYTES]);
        getrandom::fill(&mut *bytes).map_err(|_| TicketError::NoRandomness)?;
        mark(&mut bytes);
        let size = content.bytes();
        let added = self.0.lock().add(shown::hash(&bytes), &owner.into(), content, size, now);
        added.map_err(|_| TicketError::Full)?;
        Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes)))
    }

    /// Opens a stream. `check` looks at what the ticket was made for; if it refuses, the streams of
    /// the ticket go on.
    pub fn open(
        self: &Arc<Self>,
        shown: &ShownTicket<'_>,
        now: Instant,
        check: impl FnOnce(&TicketContent) -> Result<(), TicketRefusal>,
    ) -> Result<OpenedTicket, TicketRefusal> {
        let (content, id) = self.begin(shown.attempt(), ServedAt::Here, now, check)?;
        Ok(shown.opened(content, id, TicketHome::Here(self.clone())))
    }

    /// The same for a stream of another node, which has to tell `started`, `lived` and `closed`.
    pub fn open_elsewhere(
        &self,
        attempt: TicketAttempt,
        now: Instant,
        check: impl FnOnce(&TicketContent) -> Result<(), TicketRefusal>,
    ) -> Result<(Arc<TicketContent>, TicketStreamId), TicketRefusal> {
        self.begin(attempt, ServedAt::Elsewhere, now, check)
    }

    fn begin(
        &self,
        TicketAttempt { ticket, has_own_id }: TicketAttempt,
        place: ServedAt,
        now: Instant,
        check: impl FnOnce(&TicketContent) -> Result<(), TicketRefusal>,
    ) -> Result<(Arc<TicketContent>, TicketStreamId), TicketRefusal> {
        let mut table = self.0.lock();
        let content = table.content(&ticket).ok_or(TicketRefusal::Unknown)?.clone();
        check(&content)?;
        let number = table.open(&ticket, has_own_id, place, now)?;
        Ok((content, TicketStreamId { ticket, number }))
    }

    /// The stream has joined its channels; another stream of the ticket, if it goes on, is to be
    /// ended now.
    pub fn started(&self, stream: TicketStreamId, socket: SocketId) -> Started {
        self.0.lock().started(&stream.ticket, stream.number, socket)
    }

    /// To be called when a stream is `SPENT_AFTER` old, and then each `LIVED_INTERVAL`.
    pub fn lived(&self, ticket: &TicketHash, now: Instant) {
        self.0.lock().lived(ticket, now);
    }

    pub fn closed(&self, stream: TicketStreamId, now: Instant) {
        self.0.lock().closed(&stream.ticket, stream.number, now);
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.lock().len()
    }
}

impl From<NotOpened> for TicketRefusal {
    fn from(reason: NotOpened) -> Self {
        match reason {
            NotOpened::Unknown => Self::Unknown,
            NotOpened::Spent => Self::Spent,
        }
    }
}

#[cfg(test)]
mod tests;
