//! Telling a subscriber positions, and giving a returning one what it missed.

use std::time::Instant;

use super::{Session, subscriptions::AuthorizedSubscription};
use crate::{
    channels::log::{Entry, GapReason, LogNumber},
    crypto::keytable::Version,
    domain::{channel::Channel, channel_settings::HistoryStore},
    engine::{
        history::recovery::{Missed, ReaderStart, Recovery, Replay, ReplayRoom},
        subscribe::JoinedChannel,
    },
    protocol::{
        client::Recover,
        message::{Message, RecoveryAnswer},
    },
};

/// Bytes that one connection may be given again in a minute. A short frame asks for many.
const REPLAYED_PER_MINUTE: usize = 2 * 1024 * 1024;

/// What a read of Redis costs that gives nothing.
const READ_IN_VAIN: usize = 256 * 1024;

/// The bytes that may be replayed, which grow with time.
pub(super) struct ReplayAllowance {
    left: usize,
    since: Option<Instant>,
}

impl Default for ReplayAllowance {
    fn default() -> Self {
        Self { left: REPLAYED_PER_MINUTE, since: None }
    }
}

impl ReplayAllowance {
    pub(super) fn left(&mut self, now: Instant) -> usize {
        let before = self.since.replace(now).unwrap_or(now);
        let millis = now.duration_since(before).as_millis().min(60_000) as usize;
        let earned = REPLAYED_PER_MINUTE / 60_000 * millis;
        self.left = REPLAYED_PER_MINUTE.min(self.left + earned);
        self.left
    }

    pub(super) fn take(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
    }
}

impl Session {
    /// `None` if the client has not asked, or the channel has no log.
    pub(super) fn wished_start(
        &self,
        channel: &Channel,
        wish: Option<&Recover>,
    ) -> Option<ReaderStart> {
        match wish? {
            Recover::FromNow => self.reader_start(channel, None),
            Recover::From(position) => self.reader_start(channel, Some(position)),
        }
    }

    /// `None` on a channel without a log. Without a position, readers begin now.
    pub(super) fn reader_start(
        &self,
        channel: &Channel,
        position: Option<&str>,
    ) -> Option<ReaderStart> {
        self.context.engine.reader_start(&self.context.runtime, channel, position)
    }

    /// With the bytes that the subscriber may be given at once: half of what may wait for it.
    pub(super) fn recover_within(
        &mut self,
        authorized: &AuthorizedSubscription,
    ) -> Option<(ReaderStart, ReplayRoom)> {
        let start = authorized.recover?;
        Some((start, self.replay_room(0)))
    }

    /// The number behind which the log has to be read in a cluster. `None` without room for what is
    /// there: Redis is not asked in vain.
    pub(super) fn number_to_read(
        &mut self,
        authorized: &AuthorizedSubscription,
    ) -> Option<LogNumber> {
        let number = authorized.recover.and_then(ReaderStart::number)?;
        (self.replay_room(0).bytes > 0).then_some(number)
    }

    /// `per_event`: see `ReplayRoom`.
    pub(super) fn replay_room(&mut self, per_event: usize) -> ReplayRoom {
        let half = self.context.socket.outbox().budget() / 2;
        ReplayRoom { bytes: half.min(self.replays.left(Instant::now())), per_event }
    }

    /// The success frame for a subscriber that is told positions, then what it missed or a gap.
    pub(super) fn answer_recovery(&mut self, joined: &JoinedChannel, recovery: &Recovery) {
        let channel = joined.record.channel();
        let &Recovery { store, number, ref missed } = recovery;
        let (frames, gap) = match missed {
            Missed::NotAsked => (Vec::new(), None),
            Missed::Gap { reason, from } => (Vec::new(), Some((*reason, *from))),
            Missed::Events(entries) => {
                let Replay { frames, lost_after } = self.replay(joined, store, entries);
                (frames, lost_after.map(|after| (GapReason::Evicted, after)))
            }
        };
        if matches!(gap, Some((GapReason::TooMany, _))) && store == HistoryStore::Redis {
            // It was read.
            self.replays.take(READ_IN_VAIN);
        }
        let recovered = missed.is_recovered() && gap.is_none();
        let position = self.position(channel, store, number);
        let answer = RecoveryAnswer { position: &position, recovered };
        self.answer(&Message::subscription_recovered(channel, joined.roster.as_ref(), &answer));
        for frame in frames {
            self.replays.take(frame.bytes());
            self.send(frame.with_position(self.form().dialect()).clone());
        }
        if let Some((reason, from)) = gap {
            let position = self.position(channel, store, from);
            self.answer(&Message::gap(channel, reason.name(), &position));
        }
    }

    pub(super) fn replay(
        &self,
        joined: &JoinedChannel,
        store: HistoryStore,
        entries: &[Entry],
    ) -> Replay {
        let version = joined.key.as_ref().map_or(Version::BLIND, |(version, _)| *version);
        let (engine, runtime) = (&self.context.engine, &self.context.runtime);
        engine.replay(runtime, &joined.record, store, entries, version)
    }

    pub(super) fn position(
        &self,
        channel: &Channel,
        store: HistoryStore,
        number: LogNumber,
    ) -> String {
        let (engine, runtime) = (&self.context.engine, &self.context.runtime);
        engine.history.position(runtime, channel, store, number)
    }
}
