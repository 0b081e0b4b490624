//! The subscriptions of a connection, for operators.

use std::sync::Arc;

use super::{
    Session, SessionContext,
    subscription_table::{JoinedSubscription, Subscription},
};
use crate::hub::connections::SubscriptionDetail;

impl Session {
    /// Ordered by name.
    pub(super) fn subscription_details(&self) -> Vec<SubscriptionDetail> {
        let detail = |channel: &Arc<str>, joined| SubscriptionDetail {
            channel: channel.clone(),
            joined,
            user: None,
            version: None,
        };
        let details = self.subscriptions.iter().map(|(channel, subscription)| match subscription {
            Subscription::Joined(joined) => self.joined_detail(joined),
            Subscription::Opening(_) => detail(channel, false),
            Subscription::OwnUser => detail(channel, true),
        });
        let mut details: Vec<_> = details.collect();
        details.sort_unstable_by(|one, other| one.channel.cmp(&other.channel));
        details
    }

    fn joined_detail(&self, joined: &JoinedSubscription) -> SubscriptionDetail {
        let SessionContext { shard, slot, .. } = &self.context;
        SubscriptionDetail {
            channel: joined.record.channel().name().clone(),
            joined: true,
            user: joined.member.clone(),
            version: shard.version_of(joined.record.topic(), *slot),
        }
    }
}
