//! Tickets: one URL, for a browser's `EventSource`, which sends no header of its own. A ticket stands
//! for the grants of a token on some channels, and opens streams of them alone.

mod event_ids;
mod table;

use std::{sync::Arc, time::Instant};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use self::{
    event_ids::TicketEventIds,
    table::{NotOpened, TicketHash, TicketTable},
};
use super::Grant;
use crate::domain::{channel::Channel, ids::SocketId, time::UnixSeconds};

pub use table::{SPENT_AFTER, Started, UNSPENT};

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

/// One stream of a ticket, from its request to its end: it is closed on drop.
pub struct TicketStream {
    tickets: Arc<Tickets>,
    hash: TicketHash,
    number: u64,
    ids: TicketEventIds,
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
    /// `owner`: the user, or else whatever tells the bearer of the token from others.
    pub fn issue(
        &self,
        owner: &str,
        content: TicketContent,
        now: Instant,
    ) -> Result<Zeroizing<String>, TicketError> {
        let mut bytes = Zeroizing::new([0; TICKET_BYTES]);
        getrandom::fill(&mut *bytes).map_err(|_| TicketError::NoRandomness)?;
        let size = content.bytes();
        let added = self.0.lock().add(hash(&*bytes), &owner.into(), content, size, now);
        added.map_err(|_| TicketError::Full)?;
        Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes)))
    }

    /// Opens a stream. `last_event_id`: as a browser shows it, with its tag. `check` looks at what
    /// the ticket was made for; if it refuses, the streams of the ticket go on.
    pub fn open(
        self: &Arc<Self>,
        ticket: &str,
        last_event_id: Option<&str>,
        now: Instant,
        check: impl FnOnce(&TicketContent) -> Result<(), TicketRefusal>,
    ) -> Result<OpenedTicket, TicketRefusal> {
        let bytes = read(ticket).ok_or(TicketRefusal::Unknown)?;
        let (hash, ids) = (hash(&*bytes), TicketEventIds::new(&*bytes));
        let shown = last_event_id.and_then(TicketEventIds::split);
        let own_id = shown.is_some_and(|(position, tag)| ids.verify(position, tag));
        let mut table = self.0.lock();
        let content = table.content(&hash).ok_or(TicketRefusal::Unknown)?.clone();
        check(&content)?;
        let number = table.open(&hash, own_id, now)?;
        drop(table);
        let position = shown.map(|(position, _)| position.to_owned());
        let stream = TicketStream { tickets: self.clone(), hash, number, ids };
        Ok(OpenedTicket { content, position, stream })
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.lock().len()
    }
}

impl TicketStream {
    /// The stream has joined its channels; another stream of the ticket, if it goes on, is to be
    /// ended now.
    pub fn started(&self, socket: SocketId) -> Started {
        self.tickets.0.lock().started(&self.hash, self.number, socket)
    }

    /// To be called when the stream is `SPENT_AFTER` old.
    pub fn lived(&self) {
        self.tickets.0.lock().lived(&self.hash);
    }

    /// The `id` of an event: the position, bound to the ticket.
    pub fn id_of(&self, position: &str) -> String {
        self.ids.of(position)
    }
}

impl Drop for TicketStream {
    fn drop(&mut self) {
        self.tickets.0.lock().closed(&self.hash, self.number, Instant::now());
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

fn hash(bytes: &[u8]) -> TicketHash {
    Sha256::digest(bytes).into()
}

fn read(ticket: &str) -> Option<Zeroizing<[u8; TICKET_BYTES]>> {
    const CHARS: usize = (TICKET_BYTES * 8).div_ceil(6);
    let mut bytes = Zeroizing::new([0; TICKET_BYTES]);
    let length = URL_SAFE_NO_PAD.decode_slice(ticket, &mut *bytes).ok();
    (ticket.len() == CHARS && length == Some(TICKET_BYTES)).then_some(bytes)
}

#[cfg(test)]
mod tests;
