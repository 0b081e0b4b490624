//! Memory cost of a session in bytes, wherever it is held. Under memory pressure, the connections
//! with the highest cost are closed.

use super::{
    Session,
    subscription_table::{JoinedSubscription, Subscription},
    user::SessionUser,
};
use crate::channels::members::Member;

/// Cost of a subscription beside its channel name: entries in the tables of the session, the worker
/// and the directory, and the channel's record.
const SUBSCRIPTION_BYTES: usize = 800;

/// Cost of a member beside its texts, in the channel's member table.
const MEMBER_BYTES: usize = 500;

/// Cost of a watched user beside its id; watchers often share users.
const WATCHED_BYTES: usize = 400;

/// The id is held alone and in the roster.
pub(super) fn member(member: &Member) -> usize {
    let info = member.info.as_ref().map_or(0, |info| info.len());
    MEMBER_BYTES + 2 * member.user_id.len() + info
}

impl Session {
    pub fn bytes(&self) -> usize {
        self.subscriptions.bytes() + self.user.as_ref().map_or(0, |user| user.bytes())
    }
}

impl Subscription {
    pub(super) fn bytes(&self, channel: &str) -> usize {
        let member = match self {
            Self::Joined(JoinedSubscription { member_bytes, .. }) => *member_bytes,
            Self::Opening(opening) => opening.authorized.member_bytes(),
            Self::OwnUser => 0,
        };
        SUBSCRIPTION_BYTES + channel.len() + member
    }
}

impl SessionUser {
    fn bytes(&self) -> usize {
        let watched = self.watched.len() * WATCHED_BYTES;
        SUBSCRIPTION_BYTES + self.identity.text_bytes() + watched
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels::members::MemberLimits;

    fn member_of(id: &str, info: &str) -> usize {
        let data = format!(r#"{{"user_id":"{id}","user_info":"{info}"}}"#);
        let limits = MemberLimits { bytes: 10_000, user_id_chars: 200 };
        member(&Member::parse(&data, limits).unwrap())
    }

    /// 78 such channels take 190 KB: a charge for the subscriptions alone would be a third of it.
    #[test]
    fn f14_a_subscription_is_charged_for_its_name_and_its_member() {
        assert_eq!(member_of("u", &"x".repeat(900)) - member_of("u", ""), 900);
        assert_eq!(member_of(&"u".repeat(101), "") - member_of("u", ""), 200);
        let channel = "n".repeat(170);
        assert_eq!(Subscription::OwnUser.bytes(&channel), Subscription::OwnUser.bytes("") + 170);
        let one =
            Subscription::OwnUser.bytes(&channel) + member_of(&"u".repeat(103), &"y".repeat(850));
        assert!(78 * one > 180_000 && 78 * one < 260_000, "{one}");
    }
}
