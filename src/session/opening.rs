//! Subscriptions that wait until their channel is open.

use std::time::Instant;

use super::{
    Session, SessionContext, subscription_table::Subscription,
    subscriptions::AuthorizedSubscription,
};
use crate::{
    domain::channel::Channel,
    engine::{cluster::SessionArrival, subscribe::SubscribeError},
    hub::channel_opener::OPENING_TIMEOUT,
};

pub(super) struct OpeningSubscription {
    pub(super) authorized: AuthorizedSubscription,
    /// See `WaitingSubscription`.
    pub(super) attempt: u32,
    /// When it is joined all the same.
    pub(super) by: Instant,
}

impl Session {
    /// For the next subscription.
    pub(super) fn next_arrival(&mut self) -> SessionArrival {
        let attempt = self.attempts;
        self.attempts = attempt.wrapping_add(1);
        self.arrival(attempt)
    }

    pub(super) fn arrival(&self, attempt: u32) -> SessionArrival {
        SessionArrival { socket: self.context.id, attempt }
    }

    /// Keeps the subscription until `opened` is called with its attempt.
    pub(super) fn wait(&mut self, authorized: AuthorizedSubscription, attempt: u32) {
        self.wait_until(authorized, attempt, Instant::now() + OPENING_TIMEOUT);
    }

    fn wait_until(&mut self, authorized: AuthorizedSubscription, attempt: u32, by: Instant) {
        let SessionContext { shard, slot, .. } = &self.context;
        shard.await_opening(*slot, by);
        shard.authorization_opening(*slot, authorized.channel.name());
        let channel = authorized.channel.name().clone();
        let opening = OpeningSubscription { authorized, attempt, by };
        self.subscriptions.insert(channel, Subscription::Opening(Box::new(opening)));
    }

    /// Joins if the subscription still waits.
    pub(super) fn opened(&mut self, channel: &str, attempt: u32) {
        if self.sign_in_opened(channel, attempt) || self.watched_opened(channel, attempt) {
            return;
        }
        let Some(opening) = self.take_opening(channel, attempt) else { return };
        let OpeningSubscription { authorized, by, .. } = *opening;
        let is_overdue = by <= Instant::now();
        let joined = match self.renew(authorized) {
            Ok(authorized) => self.join(&authorized, attempt, is_overdue).map(|joined| {
                // Without a place in the table it would be forgotten.
                if !joined {
                    self.wait_until(authorized, attempt, by);
                }
            }),
            Err((channel, refusal)) => {
                let SessionContext { engine, runtime, .. } = &self.context;
                engine.cancel_arrival(runtime, &channel, self.arrival(attempt));
                Err(refusal)
            }
        };
        if let Err(refusal) = joined {
            self.refuse_opening(channel, &refusal);
        }
    }

    /// The channel has no room for the member of a waiting subscription.
    pub(super) fn full(&mut self, channel: &str, attempt: u32) {
        let Some(opening) = self.take_opening(channel, attempt) else { return };
        let (channel, limit) =
            (opening.authorized.channel, self.context.runtime.app().limits.presence_members);
        let name = channel.name().clone();
        self.refuse_opening(&name, &SubscribeError::ChannelFull { channel, limit });
    }

    fn take_opening(&mut self, channel: &str, attempt: u32) -> Option<Box<OpeningSubscription>> {
        // A closing connection cancels all that waits.
        if self.context.socket.outbox().is_closing() {
            return None;
        }
        self.subscriptions.take_opening(channel, attempt)
    }

    fn refuse_opening(&mut self, channel: &str, refusal: &SubscribeError) {
        let SessionContext { shard, slot, .. } = &self.context;
        shard.authorization_left(*slot, channel);
        self.rejoins.note_end(Instant::now());
        self.refuse(channel, None, refusal);
        self.end_stream();
    }

    /// A subscription that waits is given up.
    pub(super) fn cancel_opening(&self, opening: &OpeningSubscription) {
        let SessionContext { engine, runtime, shard, slot, .. } = &self.context;
        let channel = &opening.authorized.channel;
        shard.authorization_left(*slot, channel.name());
        engine.cancel_arrival(runtime, channel, self.arrival(opening.attempt));
    }

    /// Joins the channels that have not opened in time, as far as the client reads its answers. The
    /// others are joined at a later tick.
    pub(super) fn join_overdue(&mut self, at: Instant) {
        self.end_overdue_sign_in(at);
        self.end_overdue_watching(at);
        for (channel, attempt) in self.subscriptions.overdue(at) {
            if self.context.socket.outbox().has_many_answers() {
                break;
            }
            self.opened(&channel, attempt);
        }
        let due = [self.subscriptions.next_overdue(), self.sign_in_due(), self.watching_due()];
        if let Some(by) = due.into_iter().flatten().min() {
            self.context.shard.await_opening(self.context.slot, by);
        }
    }

    /// The authorization may have ended during the wait, or a newer one may have come. `join` makes
    /// the checks under the lock of the channel's record.
    fn renew(
        &self,
        authorized: AuthorizedSubscription,
    ) -> Result<AuthorizedSubscription, (Channel, SubscribeError)> {
        match self.current_grant(&authorized.channel) {
            Ok(grant) => Ok(AuthorizedSubscription { grant, ..authorized }),
            Err(refusal) => Err((authorized.channel, refusal)),
        }
    }
}
