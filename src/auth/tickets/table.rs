//! The tickets of one app. Pure: no clock, no source of random bytes.
//!
//! A ticket opens a stream. A browser returns to the same URL after a cut, so a ticket opens again,
//! and ends its stream before. Until it is *spent* it opens by itself: a connection may be cut
//! before the browser has read an id, and then the browser has nothing else to show. A spent ticket
//! opens only with an id of one of its own streams, so that the ticket in a log of URLs is worth
//! nothing.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::domain::ids::SocketId;

/// A SHA-256 of the ticket: the table holds nothing that opens a stream.
pub type TicketHash = [u8; 32];

/// How long a ticket opens by itself.
pub const UNSPENT: Duration = Duration::from_secs(60);
/// A stream of this age has given its browser an id.
pub const SPENT_AFTER: Duration = Duration::from_secs(3);
/// How long a ticket outlives its last stream.
pub const RETURN: Duration = Duration::from_secs(10 * 60);
/// The interval of `lived`. A stream on another node that says nothing for `RETURN` counts as over,
/// since that node may have been killed.
pub const LIVED_INTERVAL: Duration = Duration::from_secs(3 * 60);

/// The limits of an app.
pub const MAX_TICKETS: usize = 10_000;
pub const MAX_BYTES: usize = 64 * 1024 * 1024;
/// The limits of one owner.
pub const MAX_OF_OWNER: usize = 20;
pub const MAX_BYTES_OF_OWNER: usize = 1024 * 1024;

/// Bytes of an entry without its content: its places in the tables. Rounded up.
const ENTRY_BYTES: usize = 400;

pub struct TicketTable<T> {
    tickets: HashMap<TicketHash, Ticket<T>>,
    owners: HashMap<Arc<str>, Owner>,
    /// When tickets without a stream here are forgotten.
    ends: BTreeSet<(Instant, TicketHash)>,
    bytes: usize,
}

struct Ticket<T> {
    owner: Arc<str>,
    content: Arc<T>,
    bytes: usize,
    made: Instant,
    spent: bool,
    /// The number of the newest stream.
    opened: u64,
    stream: StreamState,
    end: Option<Instant>,
}

/// The newest stream of a ticket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum StreamState {
    /// There has been none.
    Never,
    /// It has not joined yet. The earlier one goes on until it has.
    Opening {
        place: ServedAt,
        former: Option<OpenStream>,
    },
    Open(OpenStream),
    Closed,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct OpenStream {
    number: u64,
    socket: SocketId,
    place: ServedAt,
}

/// The node that serves a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServedAt {
    Here,
    Elsewhere,
}

/// The tickets of an owner, the oldest first.
#[derive(Default)]
struct Owner {
    tickets: Vec<TicketHash>,
    bytes: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableFull;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotOpened {
    /// There is no such ticket, or it has been forgotten.
    Unknown,
    /// It needs an id of its own.
    Spent,
}

/// The answer to a stream that begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Started {
    /// It is the newest. The one before is to be ended.
    Newest { former: Option<SocketId> },
    /// The ticket has been opened again since: this stream is to be ended.
    Superseded,
}

impl<T> Default for TicketTable<T> {
    fn default() -> Self {
        let (tickets, owners) = (HashMap::new(), HashMap::new());
        Self { tickets, owners, ends: BTreeSet::new(), bytes: 0 }
    }
}

impl<T> TicketTable<T> {
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.tickets.len()
    }

    /// `bytes`: of the content. An owner at a limit loses the oldest ticket without a stream: a page
    /// that is loaded again and again needs a new one each time. A full table takes no more, so that
    /// nobody's ticket makes room for a stranger's.
    pub fn add(
        &mut self,
        hash: TicketHash,
        owner: &Arc<str>,
        content: T,
        bytes: usize,
        now: Instant,
    ) -> Result<(), TableFull> {
        self.forget(now);
        let bytes = bytes + ENTRY_BYTES + owner.len();
        while !self.owner_has_room(owner, bytes) {
            let idle = self.oldest_idle_of(owner).ok_or(TableFull)?;
            self.remove(&idle);
        }
        if self.tickets.len() >= MAX_TICKETS || self.bytes + bytes > MAX_BYTES {
            return Err(TableFull);
        }
        let of_owner = self.owners.entry(owner.clone()).or_default();
        of_owner.tickets.push(hash);
        of_owner.bytes += bytes;
        self.bytes += bytes;
        let (content, owner) = (Arc::new(content), owner.clone());
        let (stream, spent, opened) = (StreamState::Never, false, 0);
        let ticket = Ticket { owner, content, bytes, made: now, spent, opened, stream, end: None };
        self.tickets.insert(hash, ticket);
        self.update_end(&hash, now);
        Ok(())
    }

    pub fn content(&self, hash: &TicketHash) -> Option<&Arc<T>> {
        self.tickets.get(hash).map(|ticket| &ticket.content)
    }

    /// Opens a stream, and returns its number. `own_id`: the client shows an id of this ticket.
    pub fn open(
        &mut self,
        hash: &TicketHash,
        own_id: bool,
        place: ServedAt,
        now: Instant,
    ) -> Result<u64, NotOpened> {
        self.forget(now);
        let ticket = self.tickets.get_mut(hash).ok_or(NotOpened::Unknown)?;
        ticket.spent |= now.saturating_duration_since(ticket.made) >= UNSPENT;
        if ticket.spent && !own_id {
            return Err(NotOpened::Spent);
        }
        ticket.opened += 1;
        let former = match ticket.stream {
            StreamState::Never | StreamState::Closed => None,
            StreamState::Opening { former, .. } => former,
            StreamState::Open(stream) => Some(stream),
        };
        ticket.stream = StreamState::Opening { place, former };
        let number = ticket.opened;
        self.update_end(hash, now);
        Ok(number)
    }

    /// The stream has joined its channels.
    pub fn started(&mut self, hash: &TicketHash, number: u64, socket: SocketId) -> Started {
        let newest = self.tickets.get_mut(hash).filter(|ticket| ticket.opened == number);
        match newest {
            Some(ticket) => match ticket.stream {
                StreamState::Opening { place, former } => {
                    ticket.stream = StreamState::Open(OpenStream { number, socket, place });
                    Started::Newest { former: former.map(|stream| stream.socket) }
                }
                StreamState::Never | StreamState::Open(_) | StreamState::Closed => {
                    Started::Superseded
                }
            },
            None => Started::Superseded,
        }
    }

    /// A stream of the ticket is `SPENT_AFTER` old, and goes on.
    pub fn lived(&mut self, hash: &TicketHash, now: Instant) {
        if let Some(ticket) = self.tickets.get_mut(hash) {
            ticket.spent = true;
            self.update_end(hash, now);
        }
    }

    /// A stream has ended, whether it had started or not.
    pub fn closed(&mut self, hash: &TicketHash, number: u64, now: Instant) {
        let Some(ticket) = self.tickets.get_mut(hash) else { return };
        let is_newest = ticket.opened == number;
        let before = ticket.stream;
        ticket.stream = match before {
            // The newest has not started: the earlier one goes on.
            StreamState::Opening { former: Some(former), .. } if is_newest => {
                StreamState::Open(former)
            }
            StreamState::Opening { former: None, .. } if is_newest => StreamState::Closed,
            StreamState::Opening { former: Some(former), place } if former.number == number => {
                StreamState::Opening { place, former: None }
            }
            StreamState::Open(stream) if stream.number == number => StreamState::Closed,
            unchanged => unchanged,
        };
        match ticket.stream {
            unchanged if unchanged == before => {}
            StreamState::Closed => self.set_end(hash, Some(now + RETURN)),
            _ => self.update_end(hash, now),
        }
    }

    /// Forgets the tickets whose time is over.
    pub fn forget(&mut self, now: Instant) {
        while let Some((_, hash)) = self.ends.first().copied().filter(|(end, _)| *end <= now) {
            if self.return_to_former(&hash) {
                self.update_end(&hash, now);
            } else {
                self.remove(&hash);
            }
        }
    }

    /// The node of a stream that opens has said nothing: the earlier stream goes on. False if there
    /// is none.
    fn return_to_former(&mut self, hash: &TicketHash) -> bool {
        let stream = self.tickets.get_mut(hash).map(|ticket| &mut ticket.stream);
        let Some(stream) = stream else { return false };
        let StreamState::Opening { former: Some(former), .. } = *stream else { return false };
        *stream = StreamState::Open(former);
        true
    }

    fn update_end(&mut self, hash: &TicketHash, now: Instant) {
        let Some(ticket) = self.tickets.get(hash) else { return };
        let end = match ticket.stream {
            StreamState::Never => Some(ticket.made + UNSPENT),
            StreamState::Opening { place, .. } | StreamState::Open(OpenStream { place, .. }) => {
                (place == ServedAt::Elsewhere).then(|| now + RETURN)
            }
            StreamState::Closed => return,
        };
        self.set_end(hash, end);
    }

    fn set_end(&mut self, hash: &TicketHash, end: Option<Instant>) {
        let Some(ticket) = self.tickets.get_mut(hash) else { return };
        if let Some(before) = std::mem::replace(&mut ticket.end, end) {
            self.ends.remove(&(before, *hash));
        }
        self.ends.extend(end.map(|end| (end, *hash)));
    }

    fn owner_has_room(&self, owner: &str, bytes: usize) -> bool {
        let (count, held) =
            self.owners.get(owner).map_or((0, 0), |owner| (owner.tickets.len(), owner.bytes));
        count < MAX_OF_OWNER && held + bytes <= MAX_BYTES_OF_OWNER
    }

    fn oldest_idle_of(&self, owner: &str) -> Option<TicketHash> {
        let mut hashes = self.owners.get(owner)?.tickets.iter();
        let is_idle = |hash: &&TicketHash| {
            let stream = self.tickets.get(*hash).map(|ticket| ticket.stream);
            matches!(stream, Some(StreamState::Never | StreamState::Closed))
        };
        hashes.find(is_idle).copied()
    }

    fn remove(&mut self, hash: &TicketHash) {
        let Some(ticket) = self.tickets.remove(hash) else { return };
        if let Some(end) = ticket.end {
            self.ends.remove(&(end, *hash));
        }
        self.bytes -= ticket.bytes;
        let Some(owner) = self.owners.get_mut(&ticket.owner) else { return };
        owner.tickets.retain(|other| other != hash);
        owner.bytes -= ticket.bytes;
        if owner.tickets.is_empty() {
            self.owners.remove(&ticket.owner);
        }
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
