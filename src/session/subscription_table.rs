//! The subscriptions of a connection.

use std::{collections::HashMap, sync::Arc};

use super::opening::OpeningSubscription;
use crate::hub::record::Record;

pub(super) enum Subscription {
    /// Waits until the channel is open. Boxed, since it is rare.
    Opening(Box<OpeningSubscription>),
    Joined(JoinedSubscription),
    /// The user channel of the signed-in user. Its events already arrive since the sign-in.
    OwnUser,
}

pub(super) struct JoinedSubscription {
    pub(super) record: Arc<Record>,
    pub(super) member: Option<Arc<str>>,
    /// Bytes of memory held by the member.
    pub(super) member_bytes: usize,
}

#[derive(Default)]
pub(super) struct SubscriptionTable {
    by_channel: HashMap<Arc<str>, Subscription>,
    /// Bytes of memory held by the subscriptions.
    bytes: usize,
}

/// Capacity that is never given back.
const KEPT: usize = 64;

impl SubscriptionTable {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.by_channel.len()
    }

    pub(super) fn contains(&self, channel: &str) -> bool {
        self.by_channel.contains_key(channel)
    }

    /// The subscription, if the channel is joined.
    pub(super) fn joined(&self, channel: &str) -> Option<&JoinedSubscription> {
        match self.by_channel.get(channel)? {
            Subscription::Joined(joined) => Some(joined),
            Subscription::Opening(_) | Subscription::OwnUser => None,
        }
    }

    /// The subscription, if it waits for its channel.
    pub(super) fn opening(&self, channel: &str) -> Option<&OpeningSubscription> {
        match self.by_channel.get(channel)? {
            Subscription::Opening(opening) => Some(opening),
            Subscription::Joined(_) | Subscription::OwnUser => None,
        }
    }

    /// Takes the subscription out, if it waits with this attempt.
    pub(super) fn take_opening(
        &mut self,
        channel: &str,
        attempt: u32,
    ) -> Option<Box<OpeningSubscription>> {
        self.opening(channel).filter(|opening| opening.attempt == attempt)?;
        match self.remove(channel)? {
            Subscription::Opening(opening) => Some(opening),
            Subscription::Joined(_) | Subscription::OwnUser => None,
        }
    }

    pub(super) fn insert(&mut self, channel: Arc<str>, subscription: Subscription) {
        self.bytes += subscription.bytes(&channel);
        self.by_channel.insert(channel, subscription);
    }

    /// Shrinks an oversized map: its memory is charged to no limit.
    pub(super) fn remove(&mut self, channel: &str) -> Option<Subscription> {
        let subscription = self.by_channel.remove(channel);
        self.bytes -= subscription.as_ref().map_or(0, |removed| removed.bytes(channel));
        if self.by_channel.capacity() > KEPT.max(4 * self.by_channel.len()) {
            self.by_channel.shrink_to(2 * self.by_channel.len());
        }
        subscription
    }

    pub(super) fn remove_all(&mut self) -> impl Iterator<Item = Subscription> + use<> {
        self.bytes = 0;
        std::mem::take(&mut self.by_channel).into_values()
    }
}
