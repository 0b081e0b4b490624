//! The content of one delivery.

use super::{frame::Frame, sealed::SealedFrames, tripwire};
use crate::crypto::keytable::Version;

#[derive(Clone)]
pub enum Content {
    /// One frame for all subscribers.
    Same(Frame),
    /// One frame for each secret in use.
    Sealed(SealedFrames),
}

impl Content {
    /// True if the tripwire finds plaintext on an encrypted channel.
    pub fn leaks_plaintext(&self) -> bool {
        match self {
            Self::Same(frame) => tripwire::leaks_plaintext(frame),
            Self::Sealed(frames) => frames.iter().any(tripwire::leaks_plaintext),
        }
    }

    /// The frame for a subscriber with this version. `None` while the subscriber is rekeying.
    pub fn of(&self, version: Version) -> Option<&Frame> {
        match self {
            Self::Same(frame) => Some(frame),
            Self::Sealed(frames) => frames.of(version),
        }
    }

    /// The same content as an entry of its channel's log. `position`: see
    /// `LoggedFrame::position`.
    pub fn logged(&self, number: u64, position: Option<&str>) -> Self {
        match self {
            Self::Same(frame) => Self::Same(frame.logged(number, position)),
            Self::Sealed(frames) => Self::Sealed(frames.logged(number, position)),
        }
    }

    /// The number in the channel's log.
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Same(frame) => frame.number(),
            Self::Sealed(frames) => frames.newest().and_then(Frame::number),
        }
    }

    pub fn bytes(&self) -> usize {
        match self {
            Self::Same(frame) => frame.bytes(),
            Self::Sealed(frames) => frames.bytes(),
        }
    }
}
