//! A ticket as its client shows it.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{
    OpenedTicket, TICKET_BYTES, TicketBytes, TicketContent, TicketEventIds, TicketHash,
    TicketRefusal, TicketStream, TicketStreamId, stream::TicketHome,
};

/// A ticket and the id of an event beside it. Has no `Debug`.
pub struct ShownTicket<'a> {
    bytes: Zeroizing<TicketBytes>,
    position: Option<&'a str>,
    has_own_id: bool,
}

/// The part of a shown ticket that the table needs. It does not leak the ticket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TicketAttempt {
    pub ticket: TicketHash,
    /// The client shows an id of a stream of this ticket.
    pub has_own_id: bool,
}

impl<'a> ShownTicket<'a> {
    /// `last_event_id`: as a browser shows it, with its tag.
    pub fn read(ticket: &str, last_event_id: Option<&'a str>) -> Result<Self, TicketRefusal> {
        let bytes = read(ticket).ok_or(TicketRefusal::Unknown)?;
        let ids = TicketEventIds::new(&*bytes);
        let shown = last_event_id.and_then(TicketEventIds::split);
        let has_own_id = shown.is_some_and(|(position, tag)| ids.verify(position, tag));
        Ok(Self { bytes, position: shown.map(|(position, _)| position), has_own_id })
    }

    pub fn bytes(&self) -> &TicketBytes {
        &self.bytes
    }

    pub fn attempt(&self) -> TicketAttempt {
        TicketAttempt { ticket: hash(&self.bytes), has_own_id: self.has_own_id }
    }

    pub(super) fn opened(
        &self,
        content: Arc<TicketContent>,
        id: TicketStreamId,
        home: TicketHome,
    ) -> OpenedTicket {
        let stream = TicketStream::new(home, id, TicketEventIds::new(&*self.bytes));
        OpenedTicket { content, position: self.position.map(str::to_owned), stream }
    }
}

pub(super) fn hash(bytes: &TicketBytes) -> TicketHash {
    Sha256::digest(bytes).into()
}

fn read(ticket: &str) -> Option<Zeroizing<TicketBytes>> {
    const CHARS: usize = (TICKET_BYTES * 8).div_ceil(6);
    let mut bytes = Zeroizing::new([0; TICKET_BYTES]);
    let length = URL_SAFE_NO_PAD.decode_slice(ticket, &mut *bytes).ok();
    (ticket.len() == CHARS && length == Some(TICKET_BYTES)).then_some(bytes)
}
