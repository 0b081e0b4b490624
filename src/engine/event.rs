//! An event on its way from a backend to the hub.

use super::history::condition::Condition;
use crate::{
    crypto::sealer::{Payload, SealError},
    domain::{channel::Channel, ids::SocketId, refusal::RefusalCode},
    protocol::{frame::Frame, sealed::SealedFrames},
};

/// An event triggered over HTTP, with parsed channel names.
pub struct PublishedEvent<'a> {
    pub name: &'a str,
    pub data: &'a str,
    pub channels: Vec<Channel>,
    pub except: Option<SocketId>,
    /// True if the event may name encrypted and other channels at once.
    pub allow_mixed: bool,
    pub publisher: Publisher<'a>,
    pub condition: Option<Condition>,
}

/// Who has triggered an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Publisher<'a> {
    Backend,
    /// A client, over HTTP.
    Client {
        user_id: Option<&'a str>,
    },
    /// A client, on its connection: cache channels do not keep the event.
    Socket {
        user_id: Option<&'a str>,
    },
}

impl<'a> Publisher<'a> {
    pub fn user_id(self) -> Option<&'a str> {
        match self {
            Self::Backend => None,
            Self::Client { user_id } | Self::Socket { user_id } => user_id,
        }
    }
}

impl<'a> PublishedEvent<'a> {
    /// An event without special wishes.
    pub fn of_backend(name: &'a str, data: &'a str, channels: Vec<Channel>) -> Self {
        Self {
            name,
            data,
            channels,
            except: None,
            allow_mixed: false,
            publisher: Publisher::Backend,
            condition: None,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("{error} (channel {channel})")]
    Seal { channel: Channel, error: SealError },
    #[error(
        "channel {channel} takes ciphertext only (payload = \"ciphertext\"), and this payload is none: encrypt it, and send iv.ct in base64url or an envelope {{\"nonce\",\"ciphertext\"}}"
    )]
    NotCiphertext { channel: Channel },
    #[error(
        "an encrypted payload is for one channel: it would open on none of the others. Send it to each channel by itself, or send plaintext and let the server seal it for each"
    )]
    EnvelopeForSeveral,
    #[error(
        "encrypted and other channels in one event: the others would get the payload in clear. Send two events, or add \"allow_mixed\": true if that is meant (or set it for the app)"
    )]
    Mixed,
    #[error("the server has too much to deliver; try again in a second")]
    Overloaded,
    #[error("the other nodes cannot be reached, so the event was not sent (cluster.when_away)")]
    ClusterAway,
    #[error("this server has not been let into its cluster; its log and /ready say why")]
    NotInCluster,
    #[error("too much waits for the other nodes; try again in a second")]
    ClusterBacklog,
}

/// The reason why no event of a request was prepared.
#[derive(Debug)]
pub struct PrepareError {
    pub error: PublishError,
    /// Position of the refused event; `None` if the server is overloaded and takes no event.
    pub index: Option<usize>,
}

impl PublishError {
    pub fn code(&self) -> RefusalCode {
        match self {
            Self::Seal { error: SealError::Plaintext, .. } => {
                RefusalCode::PlaintextOnEncryptedChannel
            }
            Self::Seal { error: SealError::DoesNotOpen, .. } => RefusalCode::EnvelopeDoesNotOpen,
            Self::Seal { error: SealError::NoRandomness, .. } => RefusalCode::NoRandomness,
            Self::Seal { error: SealError::KeyRetired, .. } => RefusalCode::SealingKeyRetired,
            Self::NotCiphertext { .. } => RefusalCode::PlaintextRefused,
            Self::EnvelopeForSeveral => RefusalCode::EnvelopeForSeveralChannels,
            Self::Mixed => RefusalCode::MixedChannels,
            Self::Overloaded => RefusalCode::Overloaded,
            Self::ClusterAway | Self::NotInCluster => RefusalCode::ClusterAway,
            Self::ClusterBacklog => RefusalCode::ClusterBacklog,
        }
    }
}

/// An event encoded for one channel.
pub struct EncodedEvent<'a> {
    pub(super) channel: Channel,
    pub(super) name: &'a str,
    pub(super) body: EventBody<'a>,
    pub(super) except: Option<SocketId>,
    pub(super) publisher: Publisher<'a>,
    pub(super) condition: Option<Condition>,
}

pub enum EventBody<'a> {
    Clear {
        frame: Frame,
        data: &'a str,
    },
    /// Keeps the payload: by the time the event is sent, subscribers may have moved to other
    /// secrets.
    Sealed {
        payload: Payload<'a>,
        frames: SealedFrames,
    },
}
