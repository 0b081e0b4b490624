//! Event streams: all channels are named by the request, and all are joined, or none.

use std::{rc::Rc, sync::Arc, time::Duration};

use super::{
    Session,
    stream_positions::{StreamPlace, StreamPositions},
    subscriptions::{AuthorizedSubscription, EnteredChannel},
};
use crate::{
    channels::{
        log::GapReason,
        members::{LeaveMode, Member},
    },
    domain::{channel::Channel, channel_settings::HistoryStore},
    engine::{
        history::recovery::{Missed, Recovery, Replay, ReplayRoom},
        subscribe::{EndedSubscription, JoinedChannel, SubscribeError},
    },
    hub::{authorization_cache::AuthorizationScope, mailbox::KeyRequestError, outbox},
    platform::clock::KnownAsOf,
    protocol::{
        code::Close,
        form::{Form, stream_message},
        message::Message,
        stream_text::StreamText,
    },
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

/// The request of a stream.
pub struct StreamRequest {
    pub channels: Vec<StreamChannel>,
    /// The position that the client has shown.
    pub position: Option<String>,
    /// The client's wait before it reconnects.
    pub retry: Duration,
}

/// The channel for which a stream is refused.
pub struct RefusedChannel {
    pub channel: Channel,
    pub error: SubscribeError,
}

impl Session {
    /// Joins all channels and sends the handshake, then what was missed and the state of each
    /// channel.
    pub fn open_stream(
        &mut self,
        request: StreamRequest,
        positions: Rc<StreamPositions>,
    ) -> Result<(), RefusedChannel> {
        let StreamRequest { channels, position, retry } = request;
        self.check_count(&channels)?;
        let mut entered = Vec::with_capacity(channels.len());
        let shares_ids = channels.len() == 1 && positions.ticket().is_none();
        let id = if shares_ids { 0 } else { outbox::cost(own_id_bytes(channels.len())) };
        let mut room = self.replay_room(id);
        for (attempt, channel) in (0..).zip(channels) {
            match self.enter_for_stream((attempt, channel), position.as_deref(), &mut room) {
                Ok(channel) => entered.push(channel),
                Err(refused) => {
                    entered.iter().for_each(|entered| self.undo(entered));
                    return Err(refused);
                }
            }
        }
        entered.iter().for_each(|entered| note_place(&positions, &entered.joined));
        self.shake_hands(retry, &positions, &entered);
        self.positions = Some(positions);
        entered.into_iter().for_each(|entered| self.complete(entered));
        Ok(())
    }

    fn check_count(&self, channels: &[StreamChannel]) -> Result<(), RefusedChannel> {
        let limit = self.context.runtime.app().limits.channels_per_connection;
        match channels.get(limit) {
            None => Ok(()),
            Some(StreamChannel { channel, .. }) => {
                let error = SubscribeError::TooManyChannels { limit };
                Err(RefusedChannel { channel: channel.clone(), error })
            }
        }
    }

    /// The handshake, and the gaps: the last of these blocks has the `id`. A client that is cut
    /// before it returns as it came, and is told of the gaps again.
    fn shake_hands(
        &self,
        retry: Duration,
        positions: &StreamPositions,
        entered: &[EnteredChannel],
    ) {
        self.form().retry(retry).into_iter().for_each(|line| self.send(line));
        let id = positions.id();
        let gaps: Vec<_> = entered.iter().filter_map(|entered| self.gap(&entered.joined)).collect();
        let established = Message::stream_established(self.context.id);
        let first_id = id.as_deref().filter(|_| gaps.is_empty());
        self.send(stream_message(&established, first_id));
        for (index, (joined, reason, position)) in gaps.iter().enumerate() {
            let id = id.as_deref().filter(|_| index + 1 == gaps.len());
            let gap = Message::gap(joined.record.channel(), reason, position);
            self.send(stream_message(&gap, id));
        }
    }

    fn gap<'a>(
        &self,
        joined: &'a JoinedChannel,
    ) -> Option<(&'a JoinedChannel, &'static str, String)> {
        let Recovery { store, missed, .. } = joined.recovery.as_ref()?;
        let Missed::Gap { reason, from } = missed else { return None };
        let position = self.position(joined.record.channel(), *store, *from);
        Some((joined, reason.name(), position))
    }

    fn enter_for_stream(
        &self,
        (attempt, wanted): (u32, StreamChannel),
        position: Option<&str>,
        room: &mut ReplayRoom,
    ) -> Result<EnteredChannel, RefusedChannel> {
        let StreamChannel { channel, member, grant } = wanted;
        let refused = |error| RefusedChannel { channel: channel.clone(), error };
        if channel.user().is_some() {
            return Err(refused(SubscribeError::NotThatUser(channel.clone())));
        }
        if let Some(grant) = grant {
            self.record_grant(&channel, grant).map_err(refused)?;
        }
        let grant = self.current_grant(&channel).map_err(refused)?;
        let recover = self.reader_start(&channel, position);
        let authorized =
            AuthorizedSubscription { channel: channel.clone(), member, grant, recover };
        let recover = recover.map(|start| (start, *room));
        // It has waited for its channel, if it had to: the handshake tells the positions of all.
        let entered = self.enter(&authorized, recover, attempt, true).map_err(refused)?;
        let gone = || refused(SubscribeError::AuthExpired(channel.clone()));
        let entered = entered.ok_or_else(gone)?;
        room.bytes = room.bytes.saturating_sub(replayed_bytes(&entered.joined, *room));
        Ok(entered)
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
        let (leaving, tells_positions) = (LeaveMode::Final, joined.recovery.is_some());
        let ended = EndedSubscription { member, version, leaving, tells_positions };
        let (engine, runtime) = (&self.context.engine, &self.context.runtime);
        engine.unsubscribe(runtime, self.context.shard.worker(), &joined.record, &ended);
    }

    /// The success frame of one channel, then what its reader missed, or else the last event.
    pub(super) fn answer_stream(&mut self, joined: &JoinedChannel) {
        let channel = joined.record.channel();
        self.answer(&Message::subscription_succeeded(channel, joined.roster.as_ref()));
        if let Some(Recovery { store, missed: Missed::Events(_), .. }) = joined.recovery {
            return self.send_missed(joined, store);
        }
        let cached = joined.cached.encode(self.form(), channel);
        cached.into_iter().for_each(|frame| self.send(frame));
    }

    fn send_missed(&mut self, joined: &JoinedChannel, store: HistoryStore) {
        let Some(Recovery { missed: Missed::Events(entries), number, .. }) = &joined.recovery
        else {
            return;
        };
        let Replay { frames, lost_after } = self.replay(joined, store, entries);
        for frame in frames {
            self.replays.take(frame.bytes());
            StreamText::new(&frame).queue(joined.record.topic(), &*self.context.socket);
        }
        if let (Some(after), Some(positions)) = (lost_after, &self.positions) {
            // With an id behind what is lost, so that it is told once.
            positions.reach(joined.record.topic(), *number);
            let channel = joined.record.channel();
            let position = self.position(channel, store, after);
            let gap = Message::gap(channel, GapReason::Evicted.name(), &position);
            self.send(stream_message(&gap, positions.id().as_deref()));
        }
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

/// The place before what the reader is given again.
fn note_place(positions: &StreamPositions, joined: &JoinedChannel) {
    let Some(Recovery { store, number, missed }) = &joined.recovery else { return };
    let number = match missed {
        Missed::Events(entries) => entries.first().map_or(*number, |entry| entry.previous),
        Missed::NotAsked | Missed::Gap { .. } => *number,
    };
    let (channel, topic) = (joined.record.channel().clone(), joined.record.topic());
    positions.set(StreamPlace { channel, store: *store, topic, number });
}

/// The most bytes of a stream's own id.
fn own_id_bytes(channels: usize) -> usize {
    const ALONE: usize = 80;
    const EACH: usize = 20;
    ALONE + EACH * channels
}

fn replayed_bytes(joined: &JoinedChannel, room: ReplayRoom) -> usize {
    match joined.recovery.as_ref().map(|recovery| &recovery.missed) {
        Some(Missed::Events(entries)) => entries.iter().map(|entry| room.cost(entry)).sum(),
        Some(Missed::NotAsked | Missed::Gap { .. }) | None => 0,
    }
}
