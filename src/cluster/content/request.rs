//! What one node asks of others, and what it tells them.

use super::{
    codec::{ContentReader, ContentWriter, Decoded},
    revocation::RevocationContent,
    table::TableContent,
    terms::GrantTerms,
    ticket::{TicketOpening, TicketRejection, TicketReply, TicketStreamContent},
    write_optional_text,
};
use crate::{
    cluster::rejection::ClusterRejection, crypto::keytable::Version, domain::ids::SocketId,
};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestContent<'a> {
    pub app: &'a str,
    pub request: NodeRequest<'a>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NodeRequest<'a> {
    /// Whether the connection is there.
    FindSocket {
        socket: SocketId,
    },
    /// Records an authorization of a connection.
    Grant(GrantRequest<'a>),
    /// The authorization of a connection for a channel.
    FindReader {
        socket: SocketId,
        channel: &'a str,
    },
    /// The answer to an authorization has been built.
    AuthAnswered {
        socket: SocketId,
        channel: &'a str,
    },
    Revoke(RevocationContent<'a>),
    /// Keys, epochs and revocations that the asking node has.
    TakeTable(TableContent<'a>),
    /// Redis has another table of keys.
    ReadTable,
    /// How many subscriptions each key has.
    CountKeys,
    OpenTicket(TicketOpening<'a>),
    /// The stream has joined its channels on the asking node.
    TicketStarted {
        stream: TicketStreamContent,
        socket: SocketId,
    },
    /// The stream goes on.
    TicketLived(TicketStreamContent),
    TicketClosed(TicketStreamContent),
    /// Ends an event stream: another one of its ticket was opened.
    ReplaceStream {
        socket: SocketId,
    },
    /// About the node itself; it names no app.
    DescribeNode,
    /// The node ends, as after SIGTERM. It names no app.
    DrainNode,
}

/// How a node is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeDescription<'a> {
    pub version: &'a str,
    /// Why the node is not ready.
    pub unready: Option<&'a str>,
    pub connections: u64,
    /// Seconds since 1970.
    pub since: u64,
    pub is_draining: bool,
    /// A hash over the keys of all apps.
    pub keys: [u8; 32],
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GrantRequest<'a> {
    pub socket: SocketId,
    pub channel: &'a str,
    pub terms: GrantTerms<'a>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReplyContent<'a> {
    Done,
    Refused(RequestRefusal),
    Granted {
        version: Version,
        /// Frames are held back until `AuthAnswered`.
        is_held: bool,
        user: Option<&'a str>,
    },
    Reader {
        version: Option<Version>,
        user: Option<&'a str>,
    },
    KeyCounts {
        /// Subscriptions that have not moved to their channel's version.
        behind: u32,
        /// Rekeys since the start: nudges, reauthorizations, reversions and closed subscriptions.
        moves: [u64; 4],
        /// By the number of the key.
        counts: Vec<(u32, u32)>,
    },
    Ticket(TicketReply<'a>),
    TicketRejected(TicketRejection),
    Node(NodeDescription<'a>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestRefusal {
    UnknownSocket = 1,
    TooMany = 2,
    TokenRevoked = 3,
    Revoked = 4,
    Busy = 5,
}

const FIND_SOCKET: u8 = 1;
const GRANT: u8 = 2;
const FIND_READER: u8 = 3;
const AUTH_ANSWERED: u8 = 4;
const REVOKE: u8 = 5;
const OPEN_TICKET: u8 = 6;
const TICKET_STARTED: u8 = 7;
const TICKET_LIVED: u8 = 8;
const TICKET_CLOSED: u8 = 9;
const REPLACE_STREAM: u8 = 10;
const TAKE_TABLE: u8 = 11;
const READ_TABLE: u8 = 12;
const COUNT_KEYS: u8 = 13;
const DESCRIBE_NODE: u8 = 14;
const DRAIN_NODE: u8 = 15;

const DONE: u8 = 1;
const REFUSED: u8 = 2;
const GRANTED: u8 = 3;
const READER: u8 = 4;
const TICKET: u8 = 5;
const TICKET_REJECTED: u8 = 6;
const KEY_COUNTS: u8 = 7;
const NODE: u8 = 8;

impl<'a> RequestContent<'a> {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = ContentWriter::default();
        writer.text(self.app);
        match &self.request {
            NodeRequest::FindSocket { socket } => {
                writer.byte(FIND_SOCKET).socket_id(*socket);
            }
            NodeRequest::Grant(grant) => {
                writer.byte(GRANT);
                grant.write(&mut writer);
            }
            NodeRequest::FindReader { socket, channel } => {
                writer.byte(FIND_READER).socket_id(*socket).text(channel);
            }
            NodeRequest::AuthAnswered { socket, channel } => {
                writer.byte(AUTH_ANSWERED).socket_id(*socket).text(channel);
            }
            NodeRequest::Revoke(revocation) => {
                writer.byte(REVOKE);
                revocation.write(&mut writer);
            }
            NodeRequest::TakeTable(table) => {
                writer.byte(TAKE_TABLE);
                table.write(&mut writer);
            }
            NodeRequest::ReadTable => {
                writer.byte(READ_TABLE);
            }
            NodeRequest::CountKeys => {
                writer.byte(COUNT_KEYS);
            }
            NodeRequest::OpenTicket(opening) => {
                writer.byte(OPEN_TICKET);
                opening.write(&mut writer);
            }
            NodeRequest::TicketStarted { stream, socket } => {
                writer.byte(TICKET_STARTED).socket_id(*socket);
                stream.write(&mut writer);
            }
            NodeRequest::TicketLived(stream) => {
                writer.byte(TICKET_LIVED);
                stream.write(&mut writer);
            }
            NodeRequest::TicketClosed(stream) => {
                writer.byte(TICKET_CLOSED);
                stream.write(&mut writer);
            }
            NodeRequest::ReplaceStream { socket } => {
                writer.byte(REPLACE_STREAM).socket_id(*socket);
            }
            NodeRequest::DescribeNode => {
                writer.byte(DESCRIBE_NODE);
            }
            NodeRequest::DrainNode => {
                writer.byte(DRAIN_NODE);
            }
        }
        writer.finish()
    }

    pub fn parse(content: &'a [u8]) -> Decoded<Self> {
        ContentReader::all(content, |reader| {
            let app = reader.text()?;
            let request = match reader.byte()? {
                FIND_SOCKET => NodeRequest::FindSocket { socket: reader.socket_id()? },
                GRANT => NodeRequest::Grant(GrantRequest::read(reader)?),
                FIND_READER => {
                    NodeRequest::FindReader { socket: reader.socket_id()?, channel: reader.text()? }
                }
                AUTH_ANSWERED => NodeRequest::AuthAnswered {
                    socket: reader.socket_id()?,
                    channel: reader.text()?,
                },
                REVOKE => NodeRequest::Revoke(RevocationContent::read(reader)?),
                TAKE_TABLE => NodeRequest::TakeTable(TableContent::read(reader)?),
                READ_TABLE => NodeRequest::ReadTable,
                COUNT_KEYS => NodeRequest::CountKeys,
                OPEN_TICKET => NodeRequest::OpenTicket(TicketOpening::read(reader)?),
                TICKET_STARTED => NodeRequest::TicketStarted {
                    socket: reader.socket_id()?,
                    stream: TicketStreamContent::read(reader)?,
                },
                TICKET_LIVED => NodeRequest::TicketLived(TicketStreamContent::read(reader)?),
                TICKET_CLOSED => NodeRequest::TicketClosed(TicketStreamContent::read(reader)?),
                REPLACE_STREAM => NodeRequest::ReplaceStream { socket: reader.socket_id()? },
                DESCRIBE_NODE => NodeRequest::DescribeNode,
                DRAIN_NODE => NodeRequest::DrainNode,
                _ => return Err(ClusterRejection::Malformed),
            };
            Ok(Self { app, request })
        })
    }
}

impl<'a> GrantRequest<'a> {
    fn write(&self, writer: &mut ContentWriter) {
        writer.socket_id(self.socket).text(self.channel);
        self.terms.write(writer);
    }

    fn read(reader: &mut ContentReader<'a>) -> Decoded<Self> {
        let (socket, channel) = (reader.socket_id()?, reader.text()?);
        Ok(Self { socket, channel, terms: GrantTerms::read(reader)? })
    }
}

impl<'a> ReplyContent<'a> {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = ContentWriter::default();
        match self {
            Self::Done => {
                writer.byte(DONE);
            }
            Self::Refused(refused) => {
                writer.byte(REFUSED).byte(*refused as u8);
            }
            Self::Granted { version, is_held, user } => {
                writer.byte(GRANTED).flag(*is_held).version(*version);
                write_optional_text(&mut writer, *user);
            }
            Self::Reader { version, user } => {
                writer.byte(READER).optional(*version, |writer, version| {
                    writer.version(version);
                });
                write_optional_text(&mut writer, *user);
            }
            Self::KeyCounts { behind, moves, counts } => {
                writer.byte(KEY_COUNTS).u32(*behind);
                moves.iter().for_each(|count| {
                    writer.u64(*count);
                });
                writer.u32(counts.len() as u32);
                for (key, count) in counts {
                    writer.u32(*key).u32(*count);
                }
            }
            Self::Ticket(ticket) => {
                writer.byte(TICKET);
                ticket.write(&mut writer);
            }
            Self::TicketRejected(rejection) => {
                writer.byte(TICKET_REJECTED).byte(*rejection as u8);
            }
            Self::Node(node) => {
                writer.byte(NODE);
                node.write(&mut writer);
            }
        }
        writer.finish()
    }

    pub fn parse(content: &'a [u8]) -> Decoded<Self> {
        ContentReader::all(content, |reader| {
            Ok(match reader.byte()? {
                DONE => Self::Done,
                REFUSED => Self::Refused(RequestRefusal::of(reader.byte()?)?),
                GRANTED => Self::Granted {
                    is_held: reader.flag()?,
                    version: reader.version()?,
                    user: reader.optional(ContentReader::text)?,
                },
                READER => Self::Reader {
                    version: reader.optional(ContentReader::version)?,
                    user: reader.optional(ContentReader::text)?,
                },
                KEY_COUNTS => Self::KeyCounts {
                    behind: reader.u32()?,
                    moves: [reader.u64()?, reader.u64()?, reader.u64()?, reader.u64()?],
                    counts: (0..reader.u32()?)
                        .map(|_| Ok((reader.u32()?, reader.u32()?)))
                        .collect::<Decoded<_>>()?,
                },
                TICKET => Self::Ticket(TicketReply::read(reader)?),
                TICKET_REJECTED => Self::TicketRejected(TicketRejection::of(reader.byte()?)?),
                NODE => Self::Node(NodeDescription::read(reader)?),
                _ => return Err(ClusterRejection::Malformed),
            })
        })
    }
}

impl<'a> NodeDescription<'a> {
    fn write(&self, writer: &mut ContentWriter) {
        writer.text(self.version).u64(self.connections).u64(self.since).flag(self.is_draining);
        writer.bytes(&self.keys);
        write_optional_text(writer, self.unready);
    }

    fn read(reader: &mut ContentReader<'a>) -> Decoded<Self> {
        Ok(Self {
            version: reader.text()?,
            connections: reader.u64()?,
            since: reader.u64()?,
            is_draining: reader.flag()?,
            keys: reader.array()?,
            unready: reader.optional(ContentReader::text)?,
        })
    }
}

impl RequestRefusal {
    pub const ALL: [Self; 5] =
        [Self::UnknownSocket, Self::TooMany, Self::TokenRevoked, Self::Revoked, Self::Busy];

    fn of(byte: u8) -> Decoded<Self> {
        let found = Self::ALL.into_iter().find(|refused| *refused as u8 == byte);
        found.ok_or(ClusterRejection::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_of_a_node_itself_comes_back_whole() {
        for request in [NodeRequest::DescribeNode, NodeRequest::DrainNode] {
            let request = RequestContent { app: "", request };
            assert_eq!(RequestContent::parse(&request.to_bytes()), Ok(request));
        }
        for (unready, is_draining) in [(None, false), (Some("it drains"), true)] {
            let node = NodeDescription {
                version: "0.1.0",
                unready,
                connections: 7,
                since: 1_796_071_109,
                is_draining,
                keys: [9; 32],
            };
            let bytes = ReplyContent::Node(node.clone()).to_bytes();
            assert_eq!(ReplyContent::parse(&bytes), Ok(ReplyContent::Node(node)));
            assert!(ReplyContent::parse(&bytes[..bytes.len() - 1]).is_err());
        }
    }
}
