//! Subscriptions that wait until their channel is open.

use std::time::Instant;

use super::{
    Session, SessionContext, subscription_table::Subscription,
    subscriptions::AuthorizedSubscription,
};
use crate::{engine::subscribe::SubscribeError, hub::channel_opener::WaitingSubscription};

pub(super) struct OpeningSubscription {
    pub(super) authorized: AuthorizedSubscription,
    /// See `WaitingSubscription`.
    pub(super) attempt: u32,
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
        shard.await_opening(self.waiting(&authorized), Instant::now());
        shard.authorization_opening(*slot, authorized.channel.name());
        // The client has done its part: the time to authorize must not run out meanwhile.
        self.authorized |= authorized.channel.kind().needs_authorization();
        let channel = authorized.channel.name().clone();
        let opening = OpeningSubscription { authorized, attempt: self.attempts };
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
            self.rejoins.note_end(Instant::now());
            self.refuse(channel, None, &refusal);
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
