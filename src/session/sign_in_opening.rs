//! A sign-in that waits until the user's channel is open on this node: from its answer on, no event of
//! the user is missed.

use std::time::Instant;

use super::{Session, SessionContext};
use crate::{
    domain::channel::Channel,
    engine::users::SignedIn,
    hub::channel_opener::{OPENING_TIMEOUT, Opened},
};

pub(super) struct SignInOpening {
    pub(super) identity: SignedIn,
    user_data: String,
    attempt: u32,
    /// When it is answered all the same.
    by: Instant,
}

impl Session {
    pub(super) fn begin_sign_in(&mut self, identity: SignedIn, user_data: &str) {
        let arrival = self.next_arrival();
        let SessionContext { engine, runtime, shard, slot, .. } = &self.context;
        let channel = Channel::of_user(&identity.id);
        let (user_data, attempt) = (user_data.to_owned(), arrival.attempt);
        let by = Instant::now() + OPENING_TIMEOUT;
        let opening = SignInOpening { identity, user_data, attempt, by };
        match engine.arrive_as_user(runtime, &channel, arrival) {
            Opened::Now => self.end_sign_in(Box::new(opening), false),
            Opened::Later => {
                shard.await_opening(*slot, by);
                self.signing_in = Some(Box::new(opening));
            }
        }
    }

    fn end_sign_in(&mut self, opening: Box<SignInOpening>, is_overdue: bool) {
        let SessionContext { engine, runtime, shard, .. } = &self.context;
        let arrival = self.arrival(opening.attempt);
        let signed_in =
            engine.sign_in(runtime, shard.worker(), &opening.identity, arrival, is_overdue);
        match signed_in {
            Some((record, since)) => {
                let SignInOpening { identity, user_data, .. } = *opening;
                self.become_user(identity, &user_data, record, since);
            }
            None => self.signing_in = Some(opening),
        }
    }

    /// True if it was the channel of the sign-in that waits.
    pub(super) fn sign_in_opened(&mut self, channel: &str, attempt: u32) -> bool {
        let is_its = |opening: &mut Box<SignInOpening>| {
            opening.attempt == attempt
                && **Channel::of_user(&opening.identity.id).name() == *channel
        };
        let Some(opening) = self.signing_in.take_if(is_its) else { return false };
        let is_overdue = opening.by <= Instant::now();
        self.end_sign_in(opening, is_overdue);
        true
    }

    pub(super) fn end_overdue_sign_in(&mut self, at: Instant) {
        if let Some(opening) = self.signing_in.take_if(|opening| opening.by <= at) {
            self.end_sign_in(opening, true);
        }
    }

    pub(super) fn sign_in_due(&self) -> Option<Instant> {
        self.signing_in.as_ref().map(|opening| opening.by)
    }

    pub(super) fn cancel_sign_in(&mut self) {
        let Some(opening) = self.signing_in.take() else { return };
        let SessionContext { engine, runtime, .. } = &self.context;
        let channel = Channel::of_user(&opening.identity.id);
        engine.cancel_arrival(runtime, &channel, self.arrival(opening.attempt));
    }
}
