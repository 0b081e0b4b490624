//! The conversation on one connection, independent of its transport: a frame arrives, verbs of the
//! engine are called, and answers go to the connection's outbox.

mod charged;
mod facts;
mod rejoins;
mod truncate;
mod user;

use std::{collections::HashMap, rc::Rc, sync::Arc, time::Instant};

use bytes::Bytes;
use rejoins::RejoinLimit;
use truncate::truncated;
use user::SessionUser;

use crate::{
    channels::members::LeaveMode,
    domain::{
        ids::SocketId,
        rate_limit::{GcraParams, LocalRateLimiter},
        refusal::RefusalCode,
    },
    engine::{
        AppRuntime, ConnectionGuard, Engine,
        client_event::{self, ClientEventError},
        facts::{ConnectionFact, Fact},
        refusal_message::{RefusalCause, RefusedRequest},
        subscribe::{self, EndedSubscription, SubscribeError, Subscriber},
    },
    hub::{
        authorization_cache::{EndReason, NotGranted},
        gate::{Gate, Issuer},
        record::Record,
        shard::{Shard, Socket},
        topics::Slot,
    },
    observe::explain::Subject,
    platform::clock::KnownAsOf,
    protocol::{
        client::{ClientEvent, ClientFrame, Subscribe, data_as_text},
        code::ErrorCode,
        form::Form,
        message::{Message, SubscriptionError},
        well_formed::WellFormed,
    },
};

/// The parts of a session, supplied by the transport.
pub struct SessionContext {
    pub engine: Arc<Engine>,
    pub runtime: Arc<AppRuntime>,
    pub shard: Rc<Shard>,
    pub socket: Rc<dyn Socket>,
    pub slot: Slot,
    pub id: SocketId,
}

/// On drop, leaves all channels, however the connection ended.
pub struct Session {
    context: SessionContext,
    subscriptions: HashMap<Arc<str>, Subscription>,
    /// Bytes of memory held by the subscriptions.
    subscription_bytes: usize,
    user: Option<Box<SessionUser>>,
    client_events: Option<LocalRateLimiter>,
    rejoins: RejoinLimit,
    authorized: bool,
    opened: KnownAsOf,
    _guard: ConnectionGuard,
}

enum Subscription {
    Channel {
        record: Arc<Record>,
        member: Option<Arc<str>>,
        /// Bytes of memory held by the member.
        member_bytes: usize,
    },
    /// The user channel of the signed-in user. Its events already arrive since the sign-in.
    OwnUser,
}

impl Session {
    pub fn new(context: SessionContext, guard: ConnectionGuard) -> Self {
        context.note(ConnectionFact::Opened);
        Self {
            opened: KnownAsOf::now(context.engine.clock.now()),
            context,
            subscriptions: HashMap::new(),
            subscription_bytes: 0,
            user: None,
            client_events: None,
            rejoins: RejoinLimit::default(),
            authorized: false,
            _guard: guard,
        }
    }

    /// True if the connection has signed in or joined a channel that needs authorization.
    pub fn is_authorized(&self) -> bool {
        self.authorized
    }

    /// The frame rate limit, if there is one.
    pub fn frames(&self) -> Option<GcraParams> {
        self.context.runtime.app().limits.frames().gcra()
    }

    pub fn on_text(&mut self, text: &str) {
        match ClientFrame::parse(&WellFormed::new(text), self.form().dialect()) {
            Ok(ClientFrame::Ping) => self.send(self.form().pong()),
            Ok(ClientFrame::Pong) => {}
            Ok(ClientFrame::Subscribe(request)) => self.subscribe(&request),
            Ok(ClientFrame::Unsubscribe { channel }) => self.unsubscribe(&channel),
            Ok(ClientFrame::Signin(request)) => self.sign_in(&request),
            Ok(ClientFrame::Event(event)) => {
                if let Err(error) = self.client_event(&event) {
                    self.error(error.code(), &error.to_string());
                }
            }
            Err(error) => self.error(error.code(), &error.to_string()),
        }
    }

    pub fn on_pong(&self, payload: &[u8]) {
        if let Ok(number) = payload.try_into() {
            self.context.shard.pong_received(self.context.slot, u64::from_be_bytes(number));
        }
    }

    fn form(&self) -> Form {
        self.context.socket.outbox().form()
    }

    fn send(&self, frame: Bytes) {
        self.context.socket.send(frame);
    }

    fn answer(&self, message: &Message<'_>) {
        self.send(self.form().encode(message));
    }

    fn error(&self, code: ErrorCode, message: &str) {
        self.answer(&Message::error(code, message));
    }

    fn subscribe(&mut self, request: &Subscribe) {
        if self.subscriptions.contains_key(request.channel.as_str()) {
            let message = format!("Existing subscription to channel {}", request.channel);
            return self.error(ErrorCode::None, &message);
        }
        let now = Instant::now();
        let per_second = self.context.runtime.app().limits.subscribes_per_second;
        if self.rejoins.take(per_second, now).is_err() {
            self.context.runtime.counts.limited.add("subscribes_per_second");
            return self.refuse(request, &SubscribeError::TooOften { per_second });
        }
        if let Err(refusal) = self.try_subscribe(request) {
            self.rejoins.note_end(now);
            self.refuse(request, &refusal);
        }
    }

    /// Sends two frames. pusher-js reports the first on the channel, by the name as sent; the
    /// second is the one the Pusher service sends (protocol.md 2.4).
    fn refuse(&self, request: &Subscribe, refusal: &SubscribeError) {
        let SessionContext { engine, runtime, id, .. } = &self.context;
        let channel = request.channel.as_str();
        let refused =
            RefusedRequest { code: refusal.code(), channel: Some(channel), socket: Some(*id) };
        let reply = engine.refuse(Some(&runtime.app()), &refused, || match refusal {
            SubscribeError::Auth(reason) => {
                let auth = request.auth.as_deref().unwrap_or_default();
                let data = request.channel_data.as_deref();
                engine.signature_cause(
                    runtime,
                    reason,
                    auth,
                    *id,
                    &Subject::Channel { name: channel, data },
                )
            }
            _ => RefusalCause::of(refusal),
        });
        engine.note(Fact::SubscriptionRefused(runtime, refusal.code()));
        let message = reply.sentence();
        let error = SubscriptionError {
            r#type: refusal.kind(),
            error: &message,
            status: refusal.code().status(),
            code: reply.code.name(),
            fix: reply.fix,
            id: reply.id.map(|id| id.to_string()),
        };
        self.answer(&Message::subscription_error(channel, &error));
        self.error(ErrorCode::None, &message);
    }

    fn try_subscribe(&mut self, request: &Subscribe) -> Result<(), SubscribeError> {
        if let Some(invalid_field) = request.invalid_field {
            return Err(invalid_field.into());
        }
        let app = self.context.runtime.app();
        let limits = &app.limits;
        let channel = app.channel(&request.channel)?;
        if self.subscriptions.len() >= limits.channels_per_connection {
            return Err(SubscribeError::TooManyChannels { limit: limits.channels_per_connection });
        }
        let SessionContext { engine, runtime, shard, slot, id, .. } = &self.context;
        let user = self.user.as_ref().map(|user| &user.identity);
        let subscriber =
            Subscriber { socket_id: *id, worker: shard.worker(), user, opened: self.opened };
        let member = subscribe::authorize(&app, &subscriber, &channel, request)?;
        if channel.user().is_some() {
            self.keep_subscription(channel.name().clone(), Subscription::OwnUser);
            self.answer(&Message::subscription_succeeded(&channel, None));
            return Ok(());
        }
        let needs_authorization = channel.kind().needs_authorization();
        let grant = if needs_authorization {
            shard.cached_authorization(*slot, channel.name()).map_err(|reason| match reason {
                NotGranted::Reauthorize => SubscribeError::AuthExpired(channel.clone()),
                NotGranted::Revoked => SubscribeError::Revoked(channel.clone()),
            })?
        } else {
            None
        };
        // A revocation of the token may still be on its way to this worker.
        let token = grant.as_ref().and_then(|grant| grant.token.as_ref());
        if token.is_some_and(|token| app.access.revoked.contains(token)) {
            return Err(SubscribeError::AuthExpired(channel));
        }
        let member_bytes = member.as_ref().map_or(0, charged::member);
        let joined = engine.subscribe(runtime, &subscriber, &channel, member, grant.as_ref())?;
        let roster = joined.roster.as_ref();
        self.answer(&Message::subscription_succeeded(&channel, roster));
        joined.cached.encode(self.form(), &channel).into_iter().for_each(|frame| self.send(frame));
        let new = match joined.key {
            Some((version, next)) => {
                let by_us = grant.as_ref().is_some_and(|grant| grant.version.is_some());
                let issuer = if by_us { Issuer::Server } else { Issuer::Backend };
                let (record, policy) = (joined.record.clone(), runtime.rekey_policy.clone());
                let grantee = grant.and_then(|grant| grant.grantee.user);
                let gate = Gate::new(record, policy, version, issuer, grantee, next);
                shard.subscribe_sealed(gate, *slot, joined.since)
            }
            None => shard.subscribe(joined.record.topic(), *slot, joined.since),
        };
        debug_assert!(new, "the session knows its subscriptions");
        shard.authorization_joined(*slot, channel.name(), joined.record.topic());
        self.authorized |= needs_authorization;
        self.context.note_subscribed(&joined.record, joined.member.as_deref());
        let (record, member) = (joined.record, joined.member);
        let subscription = Subscription::Channel { record, member, member_bytes };
        self.keep_subscription(channel.name().clone(), subscription);
        Ok(())
    }

    /// Ignores unknown subscriptions (protocol.md 2.2).
    fn unsubscribe(&mut self, channel: &str) {
        if let Some(subscription) = self.take_subscription(channel) {
            self.rejoins.note_end(Instant::now());
            self.leave(&subscription, LeaveMode::MayReturn);
        }
    }

    fn keep_subscription(&mut self, channel: Arc<str>, subscription: Subscription) {
        self.subscription_bytes += subscription.bytes(&channel);
        self.subscriptions.insert(channel, subscription);
    }

    /// Shrinks an oversized map: its memory is charged to no limit.
    fn take_subscription(&mut self, channel: &str) -> Option<Subscription> {
        const KEPT: usize = 64;
        let subscription = self.subscriptions.remove(channel);
        self.subscription_bytes -= subscription.as_ref().map_or(0, |taken| taken.bytes(channel));
        if self.subscriptions.capacity() > KEPT.max(4 * self.subscriptions.len()) {
            self.subscriptions.shrink_to(2 * self.subscriptions.len());
        }
        subscription
    }

    fn leave(&self, subscription: &Subscription, leaving: LeaveMode) {
        let Subscription::Channel { record, member, .. } = subscription else { return };
        let SessionContext { engine, runtime, shard, slot, .. } = &self.context;
        let version = shard.unsubscribe(record.topic(), *slot);
        shard.authorization_left(*slot, record.channel().name());
        let ended = EndedSubscription { member: member.as_deref(), version, leaving };
        engine.unsubscribe(runtime, shard.worker(), record, &ended);
        self.context.note_unsubscribed(record, member.as_deref());
    }

    /// Ends the subscription and tells the client how to get another.
    pub fn revoke(&mut self, channel: &str, why: EndReason) {
        if let Some(subscription) = self.take_subscription(channel) {
            // An expired authorization is no departure: the client may renew it at once.
            let leaving = match why {
                EndReason::Expired => LeaveMode::MayReturn,
                EndReason::Removed | EndReason::TokenRevoked | EndReason::BecameAlias => {
                    LeaveMode::Final
                }
            };
            self.leave(&subscription, leaving);
            // Another reload may have turned the alias off again.
            let alias = self.context.runtime.app().channel(channel).err();
            let alias = alias.map(|error| error.to_string());
            let alias = alias.as_deref().unwrap_or(RefusalCode::SealingAlias.text());
            let (kind, code, message) = match why {
                EndReason::BecameAlias => ("InvalidChannel", RefusalCode::SealingAlias, alias),
                EndReason::Removed => {
                    ("Revoked", RefusalCode::Revoked, "You have been removed from this channel")
                }
                EndReason::Expired => (
                    "AuthExpired",
                    RefusalCode::AuthorizationExpired,
                    "The authorization has expired: subscribe again",
                ),
                EndReason::TokenRevoked => {
                    ("AuthRevoked", RefusalCode::TokenRevoked, "The access token has been revoked")
                }
            };
            let error = SubscriptionError {
                r#type: kind,
                error: message,
                status: code.status(),
                code: code.name(),
                fix: None,
                id: None,
            };
            self.answer(&Message::subscription_error(channel, &error));
        }
    }

    fn client_event(&mut self, event: &ClientEvent<'_>) -> Result<(), ClientEventError> {
        let SessionContext { engine, runtime, shard, slot, id, .. } = &self.context;
        let app = runtime.app();
        let limits = &app.limits;
        if !app.client_events {
            return Err(ClientEventError::Disabled);
        }
        let (Some(name), Some(data)) = (&event.channel, event.data) else {
            return Err(ClientEventError::Incomplete);
        };
        let not_subscribed = || ClientEventError::NotSubscribed(truncated(name).into_owned());
        let channel = app.channel(name).map_err(|_| not_subscribed())?;
        let data = data_as_text(data);
        client_event::check(limits, &channel, &event.event, &data)?;
        let Some(Subscription::Channel { record, member, .. }) = self.subscriptions.get(&**name)
        else {
            return Err(not_subscribed());
        };
        if !shard.abilities(*slot, channel.name()).client_events {
            return Err(ClientEventError::NotAllowed(channel));
        }
        let now = Instant::now();
        let limiter = self.client_events.get_or_insert_with(|| LocalRateLimiter::new(now));
        if limiter.take(limits.client_events(), now).is_err() {
            runtime.counts.limited.add("client_events_per_second");
            return Err(ClientEventError::Rate);
        }
        engine.client_event(runtime, record, *id, &event.event, &data, member.as_deref())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for subscription in std::mem::take(&mut self.subscriptions).into_values() {
            self.leave(&subscription, LeaveMode::MayReturn);
        }
        self.context.note_closed();
        self.sign_out();
    }
}
