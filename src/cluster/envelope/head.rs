//! The head of an envelope. It is authenticated, and not encrypted.

use crate::cluster::{names::Incarnation, rejection::ClusterRejection};

/// The version of head and contents.
const VERSION: u8 = 1;

/// What the content is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EnvelopeKind {
    /// `content::EventContent`, also as the last event of a cache channel.
    Event = 1,
    /// `content::MemberRecord`
    MemberAdded = 2,
    /// `content::MemberRecord`, without `info`
    MemberRemoved = 3,
    /// `content::NoteContent`, on a topic of nodes
    Note = 4,
    /// Nothing: the channel's log is cleared
    LogCleared = 5,
}

impl EnvelopeKind {
    pub const ALL: [Self; 5] =
        [Self::Event, Self::MemberAdded, Self::MemberRemoved, Self::Note, Self::LogCleared];

    fn of(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EnvelopeHead {
    pub kind: EnvelopeKind,
    pub sender: Incarnation,
    /// Counts the sender's messages in all partitions.
    pub counter: u64,
    /// Redis' time, in milliseconds since 1970.
    pub sent_ms: u64,
}

impl EnvelopeHead {
    pub(super) const BYTES: usize = 34;

    pub(super) fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[0] = VERSION;
        bytes[1] = self.kind as u8;
        bytes[2..18].copy_from_slice(self.sender.as_bytes());
        bytes[18..26].copy_from_slice(&self.counter.to_be_bytes());
        bytes[26..].copy_from_slice(&self.sent_ms.to_be_bytes());
        bytes
    }

    /// The head and the rest. Nothing of the head is authentic yet.
    pub(super) fn split(envelope: &[u8]) -> Result<(Self, &[u8]), ClusterRejection> {
        // First, since another version may have another length.
        if envelope.first().is_some_and(|version| *version != VERSION) {
            return Err(ClusterRejection::Version);
        }
        let (head, rest) =
            envelope.split_first_chunk::<{ Self::BYTES }>().ok_or(ClusterRejection::Length)?;
        let head = Self {
            kind: EnvelopeKind::of(head[1]).ok_or(ClusterRejection::Kind)?,
            sender: Incarnation::from_bytes(array(&head[2..18])),
            counter: u64::from_be_bytes(array(&head[18..26])),
            sent_ms: u64::from_be_bytes(array(&head[26..])),
        };
        Ok((head, rest))
    }
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("the range has this length")
}
