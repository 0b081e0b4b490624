//! The conversation on one connection, independent of its transport: a frame arrives, verbs of the
//! engine are called, and answers go to the connection's outbox.

mod charged;
mod details;
mod facts;
mod opening;
mod recovery;
mod refusals;
mod rejoins;
mod sign_in_opening;
pub mod stream_positions;
pub mod streams;
mod subscription_table;
mod subscriptions;
mod truncate;
mod user;
mod watching;

use std::{rc::Rc, sync::Arc, time::Instant};

use bytes::Bytes;
use recovery::ReplayAllowance;
use rejoins::RejoinLimit;
use sign_in_opening::SignInOpening;
use stream_positions::StreamPositions;
use subscription_table::SubscriptionTable;
use truncate::truncated;
use user::SessionUser;

use crate::{
    domain::{
        ids::SocketId,
        rate_limit::{GcraParams, LocalRateLimiter},
    },
    engine::{
        AppRuntime, ConnectionGuard, Engine,
        client_event::{self, ClientEventError},
        facts::ConnectionFact,
    },
    hub::{
        shard::Shard,
        socket::{SessionCommand, Socket},
        topics::Slot,
    },
    platform::clock::KnownAsOf,
    protocol::{
        client::{ClientEvent, ClientFrame, data_as_text},
        code::ErrorCode,
        form::Form,
        message::Message,
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
    subscriptions: SubscriptionTable,
    /// The number of the next subscription that waits for its channel.
    attempts: u32,
    user: Option<Box<SessionUser>>,
    signing_in: Option<Box<SignInOpening>>,
    client_events: Option<LocalRateLimiter>,
    rejoins: RejoinLimit,
    /// Of an event stream.
    positions: Option<Rc<StreamPositions>>,
    replays: ReplayAllowance,
    authorized: bool,
    opened: KnownAsOf,
    _guard: ConnectionGuard,
}

impl Session {
    pub fn new(context: SessionContext, guard: ConnectionGuard) -> Self {
        context.note(ConnectionFact::Opened);
        Self {
            opened: KnownAsOf::now(context.engine.clock.now()),
            context,
            subscriptions: SubscriptionTable::default(),
            attempts: 0,
            user: None,
            signing_in: None,
            client_events: None,
            rejoins: RejoinLimit::default(),
            positions: None,
            replays: ReplayAllowance::default(),
            authorized: false,
            _guard: guard,
        }
    }

    /// True if the connection has signed in or joined a channel that needs authorization.
    pub fn is_authorized(&self) -> bool {
        self.authorized
    }

    /// True if an authorized subscription waits for its channel: the time to authorize rests.
    pub fn awaits_authorized_channel(&self) -> bool {
        self.subscriptions.awaits_authorized_channel()
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

    pub fn on_command(&mut self, command: &SessionCommand) {
        match command {
            SessionCommand::End { channel, why } => self.end(channel, *why),
            SessionCommand::Opened { channel, attempt } => self.opened(channel, *attempt),
            SessionCommand::ChannelFull { channel, attempt } => self.full(channel, *attempt),
            SessionCommand::OpeningsDue { at } => self.join_overdue(*at),
            SessionCommand::Describe(inquiry) => inquiry.answer(self.subscription_details()),
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
        let joined = self.subscriptions.joined(name).ok_or_else(not_subscribed)?;
        if !shard.may_send_client_events(*slot, channel.name()) {
            return Err(ClientEventError::NotAllowed(channel));
        }
        let now = Instant::now();
        let limiter = self.client_events.get_or_insert_with(|| LocalRateLimiter::new(now));
        if limiter.take(limits.client_events(), now).is_err() {
            runtime.counts.limited.add("client_events_per_second");
            return Err(ClientEventError::Rate);
        }
        let member = joined.member.as_deref();
        engine.client_event(runtime, &joined.record, *id, &event.event, &data, member)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for subscription in self.subscriptions.remove_all() {
            self.leave(&subscription, self.leave_mode());
        }
        self.context.note_closed();
        self.cancel_sign_in();
        self.sign_out();
    }
}

#[cfg(test)]
mod tests;
