//! Event streams: all channels are named by the request, and all are joined, or none.

use std::{sync::Arc, time::Duration};

use super::{
    Session,
    subscriptions::{AuthorizedSubscription, EnteredChannel},
};
use crate::{
    channels::members::{LeaveMode, Member},
    domain::channel::Channel,
    engine::subscribe::{EndedSubscription, SubscribeError},
    hub::{
        authorization_cache::AuthorizationScope, channel_opener::Opened, mailbox::KeyRequestError,
    },
    platform::clock::KnownAsOf,
    protocol::{code::Close, form::Form, message::Message},
};

/// A channel of a stream, as its request was authorized.
pub struct StreamChannel {
    pub channel: Channel,
    /// On presence channels.
    pub member: Option<Member>,
    /// `None` on channels that need no authorization.
    pub grant: Option<StreamGrant>,
}

pub struct StreamGrant {
    pub user: Option<Arc<str>>,
    pub as_of: KnownAsOf,
    pub scope: AuthorizationScope,
}

/// The channel for which a stream is refused.
pub struct RefusedChannel {
    pub channel: Channel,
    pub error: SubscribeError,
}

impl Session {
    /// Joins all channels and sends the handshake, then the state of each channel.
    pub fn open_stream(
        &mut self,
        channels: Vec<StreamChannel>,
        retry: Duration,
    ) -> Result<(), RefusedChannel> {
        let mut entered = Vec::with_capacity(channels.len());
        let mut waiting = Vec::new();
        for channel in channels {
            match self.enter_for_stream(channel) {
                Ok(EnteredForStream::Now(channel)) => entered.push(channel),
                Ok(EnteredForStream::Later(authorized)) => waiting.push(authorized),
                Err(refused) => {
                    entered.iter().for_each(|entered| self.undo(entered));
                    return Err(refused);
                }
            }
        }
        self.shake_hands(retry);
        entered.into_iter().for_each(|entered| self.complete(entered));
        waiting.into_iter().for_each(|authorized| self.wait(authorized));
        Ok(())
    }

    fn shake_hands(&self, retry: Duration) {
        self.form().retry(retry).into_iter().for_each(|line| self.send(line));
        self.answer(&Message::stream_established(self.context.id));
    }

    fn enter_for_stream(
        &mut self,
        wanted: StreamChannel,
    ) -> Result<EnteredForStream, RefusedChannel> {
        let StreamChannel { channel, member, grant } = wanted;
        let refused = |error| RefusedChannel { channel: channel.clone(), error };
        if channel.user().is_some() {
            return Err(refused(SubscribeError::NotThatUser(channel.clone())));
        }
        if let Some(grant) = grant {
            self.record_grant(&channel, grant).map_err(refused)?;
        }
        let grant = self.current_grant(&channel).map_err(refused)?;
        let authorized =
            AuthorizedSubscription { channel: channel.clone(), member, grant, recover: None };
        match self.context.engine.opener.open(|| self.waiting(&authorized)) {
            Opened::Now => self.enter(authorized).map(EnteredForStream::Now).map_err(refused),
            Opened::Later => Ok(EnteredForStream::Later(authorized)),
        }
    }

    /// The worker remembers it like an answer of the auth endpoint: so it expires and is revoked.
    fn record_grant(&self, channel: &Channel, grant: StreamGrant) -> Result<(), SubscribeError> {
        let (engine, runtime) = (&self.context.engine, &self.context.runtime);
        let StreamGrant { user, as_of, scope } = grant;
        let requested = engine.requested_channel(runtime, channel, user, as_of, scope);
        let recorded =
            self.context.shard.authorize(runtime.rekey_policy.runtime, self.context.id, requested);
        match recorded {
            Ok(_) => Ok(()),
            Err(KeyRequestError::Revoked) => Err(SubscribeError::Revoked(channel.clone())),
            Err(
                KeyRequestError::TokenRevoked
                | KeyRequestError::TooMany
                | KeyRequestError::UnknownSocket,
            ) => Err(SubscribeError::AuthExpired(channel.clone())),
        }
    }

    fn undo(&self, entered: &EnteredChannel) {
        let joined = &entered.joined;
        let member = joined.member.as_deref();
        let version = joined.key.as_ref().map(|(version, _)| *version);
        let tells_positions = joined.recovery.is_some();
        let leaving = LeaveMode::Final;
        let ended = EndedSubscription { member, version, leaving, tells_positions };
        let (engine, runtime) = (&self.context.engine, &self.context.runtime);
        engine.unsubscribe(runtime, self.context.shard.worker(), &joined.record, &ended);
    }

    pub(super) fn is_stream(&self) -> bool {
        self.form() == Form::Stream
    }

    /// The mode in which the end of the connection leaves its channels.
    pub(super) fn leave_mode(&self) -> LeaveMode {
        if self.is_stream() { LeaveMode::Resumes } else { LeaveMode::MayReturn }
    }

    /// A stream ends with any of its subscriptions: its client asks for all of them again.
    pub(super) fn end_stream(&self) {
        if self.is_stream() {
            self.context.socket.outbox().close(Close::SubscriptionEnded);
        }
    }
}

enum EnteredForStream {
    Now(EnteredChannel),
    Later(AuthorizedSubscription),
}
