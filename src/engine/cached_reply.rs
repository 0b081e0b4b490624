//! The answer to a new subscriber of a cache channel.

use bytes::Bytes;

use crate::{
    domain::channel::Channel,
    protocol::{form::Form, frame::Frame, message::Message},
};

/// The cached event, sent after the success frame.
pub enum CachedReply {
    /// Not a cache channel.
    No,
    Hit(Frame),
    Miss,
}

impl CachedReply {
    pub fn encode(&self, form: Form, channel: &Channel) -> Option<Bytes> {
        match self {
            Self::No => None,
            Self::Hit(frame) => Some(frame.in_form(form)),
            Self::Miss => Some(form.encode(&Message::cache_miss(channel))),
        }
    }
}
