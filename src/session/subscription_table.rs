//! The subscriptions of a connection.

use std::{collections::HashMap, sync::Arc, time::Instant};

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
    pub(super) tells_positions: bool,
}

impl Subscription {
    fn is_authorized_opening(&self) -> bool {
        match self {
            Self::Opening(opening) => opening.authorized.channel.kind().needs_authorization(),
            Self::Joined(_) | Self::OwnUser => false,
        }
    }
}

#[derive(Default)]
pub(super) struct SubscriptionTable {
    by_channel: HashMap<Arc<str>, Subscription>,
    /// Bytes of memory held by the subscriptions.
    bytes: usize,
    /// Waiting subscriptions to channels that need authorization.
    authorized_openings: usize,
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

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Subscription)> {
        self.by_channel.iter()
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

    pub(super) fn awaits_authorized_channel(&self) -> bool {
        self.authorized_openings > 0
    }

    /// Subscriptions that have waited long enough, with their attempts, in the order of these.
    pub(super) fn overdue(&self, now: Instant) -> Vec<(Arc<str>, u32)> {
        let due = self.openings().filter(|(_, opening)| opening.by <= now);
        let mut due: Vec<_> = due.map(|(name, opening)| (name.clone(), opening.attempt)).collect();
        due.sort_unstable_by_key(|(_, attempt)| *attempt);
        due
    }

    /// The earliest deadline of a waiting subscription.
    pub(super) fn next_overdue(&self) -> Option<Instant> {
        self.openings().map(|(_, opening)| opening.by).min()
    }

    fn openings(&self) -> impl Iterator<Item = (&Arc<str>, &OpeningSubscription)> {
        self.iter().filter_map(|(name, subscription)| match subscription {
            Subscription::Opening(opening) => Some((name, &**opening)),
            Subscription::Joined(_) | Subscription::OwnUser => None,
        })
    }

    pub(super) fn insert(&mut self, channel: Arc<str>, subscription: Subscription) {
        self.authorized_openings += usize::from(subscription.is_authorized_opening());
        self.bytes += subscription.bytes(&channel);
        self.by_channel.insert(channel, subscription);
    }

    /// Shrinks an oversized map: its memory is charged to no limit.
    pub(super) fn remove(&mut self, channel: &str) -> Option<Subscription> {
        let subscription = self.by_channel.remove(channel);
        let authorized = subscription.as_ref().is_some_and(Subscription::is_authorized_opening);
        self.authorized_openings -= usize::from(authorized);
        self.bytes -= subscription.as_ref().map_or(0, |removed| removed.bytes(channel));
        if self.by_channel.capacity() > KEPT.max(4 * self.by_channel.len()) {
            self.by_channel.shrink_to(2 * self.by_channel.len());
        }
        subscription
    }

    pub(super) fn remove_all(&mut self) -> impl Iterator<Item = Subscription> + use<> {
        (self.bytes, self.authorized_openings) = (0, 0);
        std::mem::take(&mut self.by_channel).into_values()
    }
}
