//! What a session costs in bytes of memory, wherever they stand: short of memory, the connections
//! that hold most are closed.

use super::{Session, Subscription, user::User};
use crate::presence::Member;

/// A subscription beside its channel's name: its places in the tables of the session, the worker and
/// the directory, and its channel's record.
const SUBSCRIPTION_BYTES: usize = 800;

/// A member beside its texts: the table of its channel's members.
const MEMBER_BYTES: usize = 500;

/// A user on the watchlist beside its id: others often watch the same.
const WATCHED_BYTES: usize = 400;

/// The id stands alone and in the roster's text.
pub(super) fn member(member: &Member) -> usize {
    let info = member.info.as_ref().map_or(0, |info| info.len());
    MEMBER_BYTES + 2 * member.user_id.len() + info
}

impl Session {
    pub fn bytes(&self) -> usize {
        self.subscription_bytes + self.user.as_ref().map_or(0, |user| user.bytes())
    }
}

impl Subscription {
    pub(super) fn bytes(&self, channel: &str) -> usize {
        let member = match self {
            Self::Channel { member_bytes, .. } => *member_bytes,
            Self::OwnUser => 0,
        };
        SUBSCRIPTION_BYTES + channel.len() + member
    }
}

impl User {
    fn bytes(&self) -> usize {
        let watched = self.watched.len() * WATCHED_BYTES;
        SUBSCRIPTION_BYTES + self.identity.text_bytes() + watched
    }
}
