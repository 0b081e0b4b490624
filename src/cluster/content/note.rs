//! What nodes send each other on their own topics.

use super::codec::{ContentReader, ContentWriter, Decoded};
use crate::cluster::{names::NodeSlot, rejection::ClusterRejection};

/// The body is for the hosts of the nodes, as `RequestContent` and `ReplyContent`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NoteContent<'a> {
    Request {
        /// `None`: nobody waits for a reply.
        reply_to: Option<ReplyAddress>,
        body: &'a [u8],
    },
    Reply {
        /// That of the request.
        number: u64,
        /// `None`: the request is for another node.
        body: Option<&'a [u8]>,
    },
}

/// Where a reply goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReplyAddress {
    /// Begins at random in each process, since a slot may have had another node.
    pub number: u64,
    pub slot: NodeSlot,
}

const TELL: u8 = 0;
const ASK: u8 = 1;
const REPLY: u8 = 2;
const FOR_ANOTHER: u8 = 3;

impl<'a> NoteContent<'a> {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = ContentWriter::default();
        match *self {
            Self::Request { reply_to: None, body } => writer.byte(TELL).bytes(body),
            Self::Request { reply_to: Some(ReplyAddress { number, slot }), body } => {
                writer.byte(ASK).u64(number).slot(slot).bytes(body)
            }
            Self::Reply { number, body: Some(body) } => writer.byte(REPLY).u64(number).bytes(body),
            Self::Reply { number, body: None } => writer.byte(FOR_ANOTHER).u64(number),
        };
        writer.finish()
    }

    pub fn parse(content: &'a [u8]) -> Decoded<Self> {
        ContentReader::all(content, |reader| {
            Ok(match reader.byte()? {
                TELL => Self::Request { reply_to: None, body: reader.rest() },
                ASK => {
                    let reply_to = ReplyAddress { number: reader.u64()?, slot: reader.slot()? };
                    Self::Request { reply_to: Some(reply_to), body: reader.rest() }
                }
                REPLY => Self::Reply { number: reader.u64()?, body: Some(reader.rest()) },
                FOR_ANOTHER => Self::Reply { number: reader.u64()?, body: None },
                _ => return Err(ClusterRejection::Malformed),
            })
        })
    }
}
