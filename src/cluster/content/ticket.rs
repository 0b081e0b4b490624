//! Tickets of event streams, asked for at the node that made them. The ticket itself is sent nowhere:
//! its hash stands for it.

use super::{
    codec::{ContentReader, ContentWriter, Decoded},
    terms::GrantTerms,
    write_optional_text,
};
use crate::cluster::rejection::ClusterRejection;

/// Opens a stream with a ticket, for the node that asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TicketOpening<'a> {
    pub ticket: [u8; 32],
    /// The client shows an id of a stream of this ticket.
    pub has_own_id: bool,
    /// The origin of the page.
    pub page: Option<&'a str>,
}

/// One opening of a ticket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TicketStreamContent {
    pub ticket: [u8; 32],
    pub number: u64,
}

/// A ticket whose stream the asking node may open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TicketReply<'a> {
    pub number: u64,
    /// The origin of the page that it was made for.
    pub page: Option<&'a str>,
    pub channels: Vec<TicketChannel<'a>>,
}

/// A channel of a ticket, and what the ticket allows there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TicketChannel<'a> {
    pub channel: &'a str,
    pub member: Option<TicketMember<'a>>,
    pub terms: GrantTerms<'a>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TicketMember<'a> {
    pub user: &'a str,
    /// JSON text.
    pub info: Option<&'a str>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TicketRejection {
    Spent = 1,
    Page = 2,
    Ended = 3,
    Revoked = 4,
}

impl<'a> TicketOpening<'a> {
    pub(super) fn write(&self, writer: &mut ContentWriter) {
        writer.bytes(&self.ticket).flag(self.has_own_id);
        write_optional_text(writer, self.page);
    }

    pub(super) fn read(reader: &mut ContentReader<'a>) -> Decoded<Self> {
        Ok(Self {
            ticket: reader.array()?,
            has_own_id: reader.flag()?,
            page: reader.optional(ContentReader::text)?,
        })
    }
}

impl TicketStreamContent {
    pub(super) fn write(self, writer: &mut ContentWriter) {
        writer.bytes(&self.ticket).u64(self.number);
    }

    pub(super) fn read(reader: &mut ContentReader<'_>) -> Decoded<Self> {
        Ok(Self { ticket: reader.array()?, number: reader.u64()? })
    }
}

impl<'a> TicketReply<'a> {
    pub(super) fn write(&self, writer: &mut ContentWriter) {
        writer.u64(self.number);
        write_optional_text(writer, self.page);
        writer.u32(self.channels.len() as u32);
        self.channels.iter().for_each(|channel| channel.write(writer));
    }

    pub(super) fn read(reader: &mut ContentReader<'a>) -> Decoded<Self> {
        let (number, page) = (reader.u64()?, reader.optional(ContentReader::text)?);
        let channels = (0..reader.u32()?).map(|_| TicketChannel::read(reader));
        Ok(Self { number, page, channels: channels.collect::<Decoded<_>>()? })
    }
}

impl<'a> TicketChannel<'a> {
    fn write(&self, writer: &mut ContentWriter) {
        writer.text(self.channel).optional(self.member.as_ref(), |writer, member| {
            writer.text(member.user);
            write_optional_text(writer, member.info);
        });
        self.terms.write(writer);
    }

    fn read(reader: &mut ContentReader<'a>) -> Decoded<Self> {
        Ok(Self {
            channel: reader.text()?,
            member: reader.optional(|reader| {
                let (user, info) = (reader.text()?, reader.optional(ContentReader::text)?);
                Ok(TicketMember { user, info })
            })?,
            terms: GrantTerms::read(reader)?,
        })
    }
}

impl TicketRejection {
    pub const ALL: [Self; 4] = [Self::Spent, Self::Page, Self::Ended, Self::Revoked];

    pub(super) fn of(byte: u8) -> Decoded<Self> {
        let found = Self::ALL.into_iter().find(|rejection| *rejection as u8 == byte);
        found.ok_or(ClusterRejection::Malformed)
    }
}
