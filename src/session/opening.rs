//! Subscriptions that wait until their channel is open.

use std::time::Instant;

use super::{
    Session, SessionContext, subscription_table::Subscription,
    subscriptions::AuthorizedSubscription,
};
use crate::{
    engine::subscribe::SubscribeError,
    hub::channel_opener::{OPENING_TIMEOUT, WaitingSubscription},
};

pub(super) struct OpeningSubscription {
    pub(super) authorized: AuthorizedSubscription,
    /// See `WaitingSubscription`.
    pub(super) attempt: u32,
    /// When it is joined all the same.
    pub(super) by: Instant,
}

impl Session {
    /// For the opener, and for the bound of the wait.
    pub(super) fn waiting(&self, authorized: &AuthorizedSubscription) -> WaitingSubscription {
        let channel = authorized.channel.name().clone();
        WaitingSubscription { socket: self.context.id, channel, attempt: self.attempts }
    }

    /// Keeps the subscription until `opened` is called with its attempt.
    pub(super) fn wait(&mut self, authorized: AuthorizedSubscription) {
        let SessionContext { shard, slot, .. } = &self.context;
        let by = Instant::now() + OPENING_TIMEOUT;
        shard.await_opening(*slot, by);
        shard.authorization_opening(*slot, authorized.channel.name());
        let channel = authorized.channel.name().clone();
        let opening = OpeningSubscription { authorized, attempt: self.attempts, by };
        self.subscriptions.insert(channel, Subscription::Opening(Box::new(opening)));
        self.attempts = self.attempts.wrapping_add(1);
    }

    /// Joins if the subscription still waits.
    pub(super) fn opened(&mut self, channel: &str, attempt: u32) {
        if self.context.socket.outbox().is_closing() {
            return;
        }
        let Some(opening) = self.subscriptions.take_opening(channel, attempt) else { return };
        let joined = self.renew(opening.authorized).and_then(|authorized| self.join(authorized));
        if let Err(refusal) = joined {
            let SessionContext { shard, slot, .. } = &self.context;
            shard.authorization_left(*slot, channel);
            self.rejoins.note_end(Instant::now());
            self.refuse(channel, None, &refusal);
            self.end_stream();
        }
    }

    /// Joins the channels that have not opened in time, as far as the client reads its answers. The
    /// others are joined at a later tick.
    pub(super) fn join_overdue(&mut self, at: Instant) {
        for (channel, attempt) in self.subscriptions.overdue(at) {
            if self.context.socket.outbox().has_many_answers() {
                break;
            }
            self.opened(&channel, attempt);
        }
        if let Some(by) = self.subscriptions.next_overdue() {
            self.context.shard.await_opening(self.context.slot, by);
        }
    }

    /// The authorization may have ended during the wait, or a newer one may have come. `join` makes
    /// the checks under the lock of the channel's record.
    fn renew(
        &self,
        authorized: AuthorizedSubscription,
    ) -> Result<AuthorizedSubscription, SubscribeError> {
        let grant = self.current_grant(&authorized.channel)?;
        Ok(AuthorizedSubscription { grant, ..authorized })
    }
}
