//! Facts for webhooks, queued in Redis.

use super::{
    codec::{ContentReader, ContentWriter, Decoded},
    write_optional_text,
};
use crate::{channels::fact::ChannelFact, cluster::rejection::ClusterRejection};

/// With app and channel: one queue has the facts of a whole partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FactContent<'a> {
    pub app: &'a str,
    pub channel: &'a str,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    pub fact: ChannelFact<'a>,
}

const OCCUPIED: u8 = 1;
const VACATED: u8 = 2;
const MEMBER_ADDED: u8 = 3;
const MEMBER_REMOVED: u8 = 4;
const CLIENT_EVENT: u8 = 5;
const CACHE_MISS: u8 = 6;
const SUBSCRIPTION_COUNT: u8 = 7;

impl<'a> FactContent<'a> {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = ContentWriter::default();
        writer.text(self.app).text(self.channel).u64(self.at_ms);
        write_fact(&mut writer, &self.fact);
        writer.finish()
    }

    /// A total is written by a script, which puts its number outside the seal.
    pub fn with_number(mut self, number: Option<u32>) -> Self {
        if let (ChannelFact::SubscriptionCount { subscription_count }, Some(number)) =
            (&mut self.fact, number)
        {
            *subscription_count = number;
        }
        self
    }

    pub fn parse(content: &'a [u8]) -> Decoded<Self> {
        ContentReader::all(content, |reader| {
            Ok(Self {
                app: reader.text()?,
                channel: reader.text()?,
                at_ms: reader.u64()?,
                fact: read_fact(reader)?,
            })
        })
    }
}

fn write_fact(writer: &mut ContentWriter, fact: &ChannelFact<'_>) {
    match fact {
        ChannelFact::ChannelOccupied => writer.byte(OCCUPIED),
        ChannelFact::ChannelVacated => writer.byte(VACATED),
        ChannelFact::MemberAdded { user_id } => writer.byte(MEMBER_ADDED).text(user_id),
        ChannelFact::MemberRemoved { user_id } => writer.byte(MEMBER_REMOVED).text(user_id),
        ChannelFact::ClientEvent { event, data, socket_id, user_id } => {
            writer.byte(CLIENT_EVENT).text(event).text(data);
            writer.optional(*socket_id, |writer, id| {
                writer.socket_id(id);
            });
            write_optional_text(writer, *user_id);
            writer
        }
        ChannelFact::CacheMiss => writer.byte(CACHE_MISS),
        ChannelFact::SubscriptionCount { subscription_count } => {
            writer.byte(SUBSCRIPTION_COUNT).u32(*subscription_count)
        }
    };
}

fn read_fact<'a>(reader: &mut ContentReader<'a>) -> Decoded<ChannelFact<'a>> {
    Ok(match reader.byte()? {
        OCCUPIED => ChannelFact::ChannelOccupied,
        VACATED => ChannelFact::ChannelVacated,
        MEMBER_ADDED => ChannelFact::MemberAdded { user_id: reader.text()?.into() },
        MEMBER_REMOVED => ChannelFact::MemberRemoved { user_id: reader.text()?.into() },
        CLIENT_EVENT => ChannelFact::ClientEvent {
            event: reader.text()?,
            data: reader.text()?,
            socket_id: reader.optional(ContentReader::socket_id)?,
            user_id: reader.optional(ContentReader::text)?,
        },
        CACHE_MISS => ChannelFact::CacheMiss,
        SUBSCRIPTION_COUNT => ChannelFact::SubscriptionCount { subscription_count: reader.u32()? },
        _ => return Err(ClusterRejection::Malformed),
    })
}
