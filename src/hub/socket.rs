//! A connection as its worker's shard sees it, and the commands for its session.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::channels::log::LogNumber;

use super::{
    authorization_cache::EndReason,
    client_names::ClientNameId,
    connections::SessionInquiry,
    outbox::Outbox,
    record::TopicId,
    rekey::{reauthorization::Reauthorization, rekey_policy::AppRuntimeId},
};

/// Independent of its transport.
pub trait Socket {
    fn outbox(&self) -> &Outbox;
    /// Writes as much as the peer takes now; the rest follows when the peer has read.
    fn flush(&self);
    /// Called about once a second, for pings and deadlines.
    fn tick(&self, now: Instant);
    /// Bytes of memory beyond those of an idle connection.
    fn weight(&self) -> usize {
        self.outbox().charged()
    }

    /// Ends a connection that has been sent its close frame, without waiting for an answer to it.
    fn cut(&self) {}

    /// When the peer sent its last whole message. `None` if it sends none.
    fn last_heard(&self) -> Option<Instant> {
        None
    }

    /// Sets the bytes of memory held for the connection's authorizations.
    fn charge_authorizations(&self, bytes: usize);

    /// The end of an event of this number in the log of the topic's channel, for an event stream
    /// with an id of its own. `None`: the channel's own position is the id.
    fn own_id(&self, topic: TopicId, number: LogNumber) -> Option<Bytes> {
        let _ = (topic, number);
        None
    }

    /// Passes the command to the connection's session, which handles it soon.
    fn command(&self, command: SessionCommand);

    /// Sends one frame and flushes.
    fn deliver(&self, frame: &Bytes) {
        self.send(frame.clone());
        self.flush();
    }

    /// Queues a frame. One batch may exceed the budget although the peer reads, so earlier frames
    /// are written before the outbox is judged full.
    fn send(&self, frame: Bytes) {
        if !self.outbox().has_room(frame.len()) {
            self.flush();
        }
        self.outbox().push(frame);
    }
}

/// The bounds of the time after which the client of an event stream reconnects. It is drawn for each
/// stream, so that clients cut at once do not return at once.
pub const MIN_RETRY: Duration = Duration::from_millis(500);
pub const MAX_RETRY: Duration = Duration::from_secs(3);

/// Properties of the client.
#[derive(Clone, Copy)]
pub struct Peer {
    /// `None` if the connection was refused.
    pub runtime: Option<AppRuntimeId>,
    /// The hub's count at the time of the app's lookup.
    pub app_closings: u32,
    /// See `Audience::NotLegacyJava`.
    pub legacy_java: bool,
    pub reauthorization: Reauthorization,
    pub client: ClientNameId,
}

/// Handled by a connection's session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionCommand {
    /// The subscription is over.
    End { channel: Arc<str>, why: EndReason },
    /// The channel is open, for the subscription with this number.
    Opened { channel: Arc<str>, attempt: u32 },
    /// The channel has no room for its member.
    ChannelFull { channel: Arc<str>, attempt: u32 },
    /// A channel has not opened by this time.
    OpeningsDue { at: Instant },
    /// An operator asks for the subscriptions.
    Describe(SessionInquiry),
}

impl SessionCommand {
    /// True if the session answers with the state of a channel, which may be large.
    pub fn has_answer(&self) -> bool {
        match self {
            // The answer to `Describe` is not for the client.
            Self::End { .. } | Self::ChannelFull { .. } | Self::Describe(_) => false,
            Self::Opened { .. } | Self::OpeningsDue { .. } => true,
        }
    }
}
