//! The plaintext of messages and stored values.
//!
//! A content holds no number of the channel's order: Redis gives that out when the content is
//! sealed already.

mod codec;
mod fact;
#[cfg(fuzzing)]
pub mod fuzzing;
mod node;
mod note;
mod request;
mod revocation;
mod table;
mod terms;
#[cfg(test)]
mod tests;
mod ticket;

pub use fact::FactContent;
pub use node::{BeatContent, IdentityContent};
pub use note::{NoteContent, ReplyAddress};
pub use request::{
    GrantRequest, NodeDescription, NodeRequest, ReplyContent, RequestContent, RequestRefusal,
};
pub use revocation::RevocationContent;
pub use table::{
    FingerprintBytes, TableContent, TableEpoch, TableKey, TableRevocation, TableSalt,
    WrappedContent,
};
pub use terms::{GrantTerms, GrantToken};
pub use ticket::{
    TicketChannel, TicketMember, TicketOpening, TicketRejection, TicketReply, TicketStreamContent,
};

use codec::{ContentReader, ContentWriter, Decoded};

use super::rejection::ClusterRejection;
use crate::{crypto::keytable::Version, domain::ids::SocketId};

/// An event on its way to the nodes of its subscribers. Each node encodes it as frames itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EventContent<'a> {
    pub name: &'a str,
    pub data: EventData<'a>,
    /// The connection that does not get it.
    pub except: Option<SocketId>,
    /// The user behind a client's event.
    pub user_id: Option<&'a str>,
    /// Milliseconds for which the channel keeps it as its last event.
    pub keep_ms: Option<u64>,
    /// It is in the channel's log.
    pub is_logged: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventData<'a> {
    Clear(&'a str),
    /// Of an encrypted channel: Redis' ciphertext opens to ciphertext.
    Sealed {
        envelope: &'a str,
        version: Version,
    },
}

/// A member of a presence channel, kept in Redis and told to all nodes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberRecord<'a> {
    pub user_id: &'a str,
    /// JSON text.
    pub info: Option<&'a str>,
}

/// The names behind a channel's hash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelNameContent<'a> {
    pub app: &'a str,
    pub channel: &'a str,
}

const CLEAR: u8 = 0;
const SEALED: u8 = 1;

impl<'a> EventContent<'a> {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = ContentWriter::default();
        writer.text(self.name);
        match self.data {
            EventData::Clear(data) => writer.byte(CLEAR).text(data),
            EventData::Sealed { envelope, version } => {
                writer.byte(SEALED).version(version).text(envelope)
            }
        };
        writer.optional(self.except, |writer, id| {
            writer.socket_id(id);
        });
        write_optional_text(&mut writer, self.user_id);
        writer.optional(self.keep_ms, |writer, keep_ms| {
            writer.u64(keep_ms);
        });
        writer.flag(self.is_logged);
        writer.finish()
    }

    pub fn parse(content: &'a [u8]) -> Decoded<Self> {
        ContentReader::all(content, |reader| {
            Ok(Self {
                name: reader.text()?,
                data: match reader.byte()? {
                    CLEAR => EventData::Clear(reader.text()?),
                    SEALED => {
                        let version = reader.version()?;
                        EventData::Sealed { version, envelope: reader.text()? }
                    }
                    _ => return Err(ClusterRejection::Malformed),
                },
                except: reader.optional(ContentReader::socket_id)?,
                user_id: reader.optional(ContentReader::text)?,
                keep_ms: reader.optional(ContentReader::u64)?,
                is_logged: reader.flag()?,
            })
        })
    }
}

impl<'a> MemberRecord<'a> {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = ContentWriter::default();
        writer.text(self.user_id);
        write_optional_text(&mut writer, self.info);
        writer.finish()
    }

    pub fn parse(content: &'a [u8]) -> Decoded<Self> {
        ContentReader::all(content, |reader| {
            Ok(Self { user_id: reader.text()?, info: reader.optional(ContentReader::text)? })
        })
    }
}

impl<'a> ChannelNameContent<'a> {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = ContentWriter::default();
        writer.text(self.app).text(self.channel);
        writer.finish()
    }

    pub fn parse(content: &'a [u8]) -> Decoded<Self> {
        ContentReader::all(content, |reader| {
            Ok(Self { app: reader.text()?, channel: reader.text()? })
        })
    }
}

fn write_optional_text(writer: &mut ContentWriter, text: Option<&str>) {
    writer.optional(text, |writer, text| {
        writer.text(text);
    });
}
