//! Subscribing in two steps: *authorize* decides and changes nothing, *join* enters the channel.

use std::time::Instant;

use super::{
    Session, SessionContext, charged,
    subscription_table::{JoinedSubscription, Subscription},
};
use crate::{
    channels::members::{LeaveMode, Member},
    domain::channel::Channel,
    engine::{
        history::recovery::{ReaderStart, ReplayRoom},
        subscribe::{
            self, Admission, EndedSubscription, Joined, JoinedChannel, SubscribeError, Subscriber,
        },
    },
    hub::{
        authorization_cache::{CachedAuthorization, NotGranted},
        channel_opener::Opened,
        rekey::gate::{Gate, Issuer},
    },
    protocol::{client::Subscribe, code::ErrorCode, message::Message},
};

/// A subscription that may join its channel.
#[must_use]
pub(super) struct AuthorizedSubscription {
    pub(super) channel: Channel,
    /// On presence channels.
    pub(super) member: Option<Member>,
    /// The authorization of our auth endpoint, if it recorded one.
    pub(super) grant: Option<CachedAuthorization>,
    /// If the client is to be told positions.
    pub(super) recover: Option<ReaderStart>,
}

/// A channel whose record has been told of the subscription.
#[must_use]
pub(super) struct EnteredChannel {
    pub(super) channel: Channel,
    pub(super) joined: JoinedChannel,
    grant: Option<CachedAuthorization>,
    member_bytes: usize,
}

impl AuthorizedSubscription {
    pub(super) fn member_bytes(&self) -> usize {
        self.member.as_ref().map_or(0, charged::member)
    }
}

impl Session {
    pub(super) fn subscribe(&mut self, request: &Subscribe) {
        if self.subscriptions.contains(&request.channel) {
            let message = format!("Existing subscription to channel {}", request.channel);
            return self.error(ErrorCode::None, &message);
        }
        let now = Instant::now();
        let per_second = self.context.runtime.app().limits.subscribes_per_second;
        if self.rejoins.take(per_second, now).is_err() {
            self.context.runtime.counts.limited.add("subscribes_per_second");
            let refusal = SubscribeError::TooOften { per_second };
            return self.refuse(&request.channel, Some(request), &refusal);
        }
        let begun = self.authorize(request).and_then(|authorized| self.begin(authorized));
        if let Err(refusal) = begun {
            self.rejoins.note_end(now);
            self.refuse(&request.channel, Some(request), &refusal);
        }
    }

    /// Decides by name, limits, signature and earlier authorizations. Changes nothing.
    fn authorize(&self, request: &Subscribe) -> Result<AuthorizedSubscription, SubscribeError> {
        if let Some(invalid_field) = request.invalid_field {
            return Err(invalid_field.into());
        }
        let app = self.context.runtime.app();
        let channel = app.channel(&request.channel)?;
        let limit = app.limits.channels_per_connection;
        if self.subscriptions.len() >= limit {
            return Err(SubscribeError::TooManyChannels { limit });
        }
        let member = subscribe::authorize(&app, &self.subscriber(), &channel, request)?;
        let grant = self.current_grant(&channel)?;
        let recover = self.wished_start(&channel, request.recover.as_ref());
        Ok(AuthorizedSubscription { channel, member, grant, recover })
    }

    /// Joins the channel, now or once it is open.
    fn begin(&mut self, authorized: AuthorizedSubscription) -> Result<(), SubscribeError> {
        if authorized.channel.user().is_some() {
            self.join_own_user(&authorized.channel);
            return Ok(());
        }
        let arrival = self.next_arrival();
        let (channel, member) = (&authorized.channel, authorized.member.as_ref());
        let from = self.number_to_read(&authorized);
        let SessionContext { engine, runtime, .. } = &self.context;
        let is_joined = match engine.arrive(runtime, channel, member, arrival, from)? {
            Opened::Now => self.join(&authorized, arrival.attempt, false)?,
            Opened::Later => false,
        };
        if !is_joined {
            self.wait(authorized, arrival.attempt);
        }
        Ok(())
    }

    fn join_own_user(&mut self, channel: &Channel) {
        self.subscriptions.insert(channel.name().clone(), Subscription::OwnUser);
        self.answer(&Message::subscription_succeeded(channel, None));
    }

    fn subscriber(&self) -> Subscriber<'_> {
        Subscriber {
            socket_id: self.context.id,
            worker: self.context.shard.worker(),
            user: self.user.as_ref().map(|user| &user.identity),
            opened: self.opened,
        }
    }

    pub(super) fn current_grant(
        &self,
        channel: &Channel,
    ) -> Result<Option<CachedAuthorization>, SubscribeError> {
        let SessionContext { runtime, shard, slot, .. } = &self.context;
        if !channel.kind().needs_authorization() {
            return Ok(None);
        }
        let grant =
            shard.cached_authorization(*slot, channel.name()).map_err(|reason| match reason {
                NotGranted::Reauthorize => SubscribeError::AuthExpired(channel.clone()),
                NotGranted::Revoked => SubscribeError::Revoked(channel.clone()),
            })?;
        // A revocation of the token may still be on its way to this worker.
        let token = grant.as_ref().and_then(|grant| grant.token.as_ref());
        if token.is_some_and(|token| runtime.app().access.revoked.contains(token)) {
            return Err(SubscribeError::AuthExpired(channel.clone()));
        }
        Ok(grant)
    }

    /// Enters the channel and answers with its state.
    /// False if the channel is not open any more.
    pub(super) fn join(
        &mut self,
        authorized: &AuthorizedSubscription,
        attempt: u32,
        is_overdue: bool,
    ) -> Result<bool, SubscribeError> {
        let recover = self.recover_within(authorized);
        let entered = self.enter(authorized, recover, attempt, is_overdue)?;
        let is_joined = entered.is_some();
        entered.into_iter().for_each(|entered| self.complete(entered));
        Ok(is_joined)
    }

    /// Must be followed by `complete` without an await, or undone: between the lock of the
    /// channel's record and the topic table no frame may be delivered. `None` if the channel is not
    /// open any more.
    pub(super) fn enter(
        &self,
        authorized: &AuthorizedSubscription,
        recover: Option<(ReaderStart, ReplayRoom)>,
        attempt: u32,
        is_overdue: bool,
    ) -> Result<Option<EnteredChannel>, SubscribeError> {
        let AuthorizedSubscription { channel, member, grant, .. } = authorized;
        let SessionContext { engine, runtime, .. } = &self.context;
        let (member, granted) = (member.clone(), grant.as_ref());
        let admission = Admission { member, granted, recover, attempt, is_overdue };
        let joined = engine.subscribe(runtime, &self.subscriber(), channel, admission)?;
        Ok(match joined {
            Joined::NotYet => None,
            Joined::Now(joined) => Some(EnteredChannel {
                channel: channel.clone(),
                joined: *joined,
                grant: grant.clone(),
                member_bytes: authorized.member_bytes(),
            }),
        })
    }

    pub(super) fn complete(&mut self, entered: EnteredChannel) {
        let EnteredChannel { channel, joined, grant, member_bytes } = entered;
        self.answer_joined(&channel, &joined);
        self.enter_topic(&joined, grant);
        self.authorized |= channel.kind().needs_authorization();
        self.context.note_subscribed(&joined.record, joined.member.as_deref());
        let tells_positions = joined.recovery.is_some();
        let (record, member) = (joined.record, joined.member);
        let joined = JoinedSubscription { record, member, member_bytes, tells_positions };
        self.subscriptions.insert(channel.name().clone(), Subscription::Joined(joined));
    }

    /// Sends the success frame, then the cached event or the cache miss.
    fn answer_joined(&mut self, channel: &Channel, joined: &JoinedChannel) {
        if self.is_stream() {
            return self.answer_stream(joined);
        }
        match &joined.recovery {
            Some(recovery) => self.answer_recovery(joined, recovery),
            None => {
                let roster = joined.roster.as_ref();
                self.answer(&Message::subscription_succeeded(channel, roster));
            }
        }
        let cached = joined.cached.encode(self.form(), channel);
        cached.into_iter().for_each(|frame| self.send(frame));
    }

    fn enter_topic(&self, joined: &JoinedChannel, grant: Option<CachedAuthorization>) {
        let SessionContext { runtime, shard, slot, .. } = &self.context;
        let record = &joined.record;
        let new = match &joined.key {
            Some((version, next)) => {
                let by_us = grant.as_ref().is_some_and(|grant| grant.version.is_some());
                let issuer = if by_us { Issuer::Server } else { Issuer::Backend };
                let (record, policy) = (record.clone(), runtime.rekey_policy.clone());
                let grantee = grant.and_then(|grant| grant.grantee.user);
                let gate = Gate::new(record, policy, *version, issuer, grantee, next.clone());
                shard.subscribe_sealed(gate, *slot, joined.since)
            }
            None => shard.subscribe(record.topic(), *slot, joined.since),
        };
        debug_assert!(new, "the session knows its subscriptions");
        if joined.recovery.is_some() {
            shard.tell_positions(record.topic(), *slot);
        }
        shard.authorization_joined(*slot, record.channel().name(), record.topic());
    }

    /// Ignores unknown subscriptions (protocol.md 2.2).
    pub(super) fn unsubscribe(&mut self, channel: &str) {
        if let Some(subscription) = self.subscriptions.remove(channel) {
            self.rejoins.note_end(Instant::now());
            self.leave(&subscription, LeaveMode::MayReturn);
        }
    }

    pub(super) fn leave(&self, subscription: &Subscription, leaving: LeaveMode) {
        match subscription {
            Subscription::Joined(joined) => self.leave_channel(joined, leaving),
            Subscription::Opening(opening) => self.cancel_opening(opening),
            Subscription::OwnUser => {}
        }
    }

    fn leave_channel(&self, joined: &JoinedSubscription, leaving: LeaveMode) {
        let JoinedSubscription { record, member, tells_positions, .. } = joined;
        let SessionContext { engine, runtime, shard, slot, .. } = &self.context;
        let version = shard.unsubscribe(record.topic(), *slot);
        shard.authorization_left(*slot, record.channel().name());
        let (member, tells_positions) = (member.as_deref(), *tells_positions);
        let ended = EndedSubscription { member, version, leaving, tells_positions };
        engine.unsubscribe(runtime, shard.worker(), record, &ended);
        self.context.note_unsubscribed(record, member);
    }
}
