//! Subscribers that are told positions, in a cluster: they begin at a position, and are told of gaps.

use std::sync::Arc;

use super::{
    super::{AppRuntime, Engine},
    logs::millis,
};
use crate::{
    channels::log::{GapReason, LogNumber},
    cluster::{
        node::{ClusterNode, commands::NodeCommand, logs::OpenedLogPart},
        redis::log::LogQuery,
        replica::{effect::LogGap, input::WaitingId},
    },
    domain::{channel::Channel, channel_settings::HistoryStore},
    engine::history::recovery::{Missed, ReaderLimits, ReaderStart, Recovery, within},
    history::position::PositionLookup,
    hub::{
        channel_opener::WaitingSubscription,
        log_readers::LogAnswer,
        mailbox::WorkerCommand,
        record::{HeldReplica, LockedRecord, Record},
    },
    protocol::{frame::Frame, message::Message},
};

/// The most that one reader is given: more are too many for any queue.
const MAX_EVENTS: usize = 4096;
const MAX_BYTES: usize = 1024 * 1024;

/// Before all numbers.
const BEGINNING: LogNumber = LogNumber(0);

impl Engine {
    /// A subscription begins at this number. It waits for what is behind it.
    pub(super) fn resume(
        &self,
        node: &ClusterNode,
        runtime: &AppRuntime,
        locked: &mut LockedRecord<'_>,
        id: WaitingId,
        from: LogNumber,
    ) {
        let Some(held) = locked.followed() else { return };
        held.log_readers.get_or_insert_default().add(id, from);
        if held.replica.is_synced() {
            self.read_for_readers(node, runtime, locked);
        }
    }

    /// The node has joined the log, at first or anew.
    pub(super) fn log_synced(
        &self,
        node: &ClusterNode,
        runtime: &AppRuntime,
        locked: &mut LockedRecord<'_>,
    ) {
        let Some(held) = locked.followed() else { return };
        let Some(readers) = &mut held.log_readers else { return };
        readers.begin_anew();
        self.read_for_readers(node, runtime, locked);
    }

    fn read_for_readers(
        &self,
        node: &ClusterNode,
        runtime: &AppRuntime,
        locked: &mut LockedRecord<'_>,
    ) {
        let settings = runtime.app().channel_settings(locked.channel()).history;
        let Some(held) = locked.followed() else { return };
        let Some(readers) = &mut held.log_readers else { return };
        for (number, LogNumber(after)) in readers.ask() {
            let query = LogQuery {
                after: Some(after),
                before: None,
                newest_first: false,
                limit: MAX_EVENTS,
                bytes: MAX_BYTES,
                ttl_ms: settings.as_ref().map_or(0, |settings| millis(settings.ttl)),
                not_before: 0,
            };
            node.send(NodeCommand::ReadLog { followed: held.channel.clone(), number, query });
        }
    }

    /// Without a lock: events of sealed channels are opened.
    pub(super) fn read_answer(
        &self,
        runtime: &AppRuntime,
        channel: &Channel,
        after: u64,
        part: Option<&OpenedLogPart>,
    ) -> Option<LogAnswer> {
        Some(self.log_answer(&runtime.app(), channel, LogNumber(after), part?))
    }

    pub(super) fn log_read(
        &self,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
        number: u64,
        answer: Option<LogAnswer>,
    ) {
        let Some(HeldReplica { replica, log_readers: Some(readers), .. }) = locked.followed()
        else {
            return;
        };
        let ready = readers.answered(number, answer, replica.log_reached().map(LogNumber));
        self.call(record, ready);
    }

    /// The channel is open for the subscription. False if it waits for its log.
    pub(super) fn may_join(&self, locked: &mut LockedRecord<'_>, id: WaitingId) -> bool {
        match locked.followed() {
            Some(HeldReplica { replica, log_readers: Some(readers), .. }) => {
                readers.call(&id, replica.log_reached().map(LogNumber))
            }
            _ => true,
        }
    }

    /// After each change of the replica.
    pub(super) fn log_advanced(&self, record: &Arc<Record>, locked: &mut LockedRecord<'_>) {
        let Some(HeldReplica { replica, log_readers, .. }) = locked.followed() else { return };
        let Some(readers) = log_readers else { return };
        let ready = readers.advanced(replica.log_reached().map(LogNumber));
        if readers.is_empty() {
            *log_readers = None;
        }
        self.call(record, ready);
    }

    fn call(&self, record: &Record, ready: Vec<WaitingId>) {
        for id in ready {
            let waiting = waiting(record, id);
            self.hub.post_to(id.socket, WorkerCommand::Opened(waiting));
        }
    }

    /// The beginning of a subscriber that is told positions.
    pub(in crate::engine) fn recover_in_cluster(
        &self,
        locked: &mut LockedRecord<'_>,
        id: WaitingId,
        start: ReaderStart,
        limits: ReaderLimits,
    ) -> Recovery {
        let (mut reached, mut answer) = (None, None);
        if let Some(held) = locked.followed() {
            reached = held.replica.log_reached().map(LogNumber);
            answer = held.log_readers.as_mut().and_then(|readers| readers.take(&id, reached));
        }
        let gap = |reason, from| Missed::Gap { reason, from };
        let missed = match start {
            ReaderStart::FromNow | ReaderStart::At(PositionLookup::NotNamed) => Missed::NotAsked,
            ReaderStart::At(PositionLookup::Restarted) => gap(GapReason::Restarted, BEGINNING),
            ReaderStart::At(PositionLookup::Ambiguous) | ReaderStart::Unknown => {
                gap(GapReason::UnknownPosition, BEGINNING)
            }
            ReaderStart::At(PositionLookup::Named(from)) => match answer {
                Some(LogAnswer::Events { entries, .. }) => within(entries, from, limits)
                    .unwrap_or_else(|reason| gap(reason, reason_from(reason, from))),
                Some(LogAnswer::Gap(reason)) => gap(reason, reason_from(reason, from)),
                None if limits.room.bytes == 0 => gap(GapReason::TooMany, from),
                None => gap(GapReason::Unavailable, from),
            },
        };
        let number = reached.unwrap_or_default();
        Recovery { store: HistoryStore::Redis, number, missed }
    }

    /// Only to subscribers that are told positions.
    pub(super) fn tell_log_gap(
        &self,
        runtime: &AppRuntime,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
        LogGap { reason, at }: LogGap,
    ) {
        let at = LogNumber(at);
        if locked.has_position_readers() {
            let place = |number| {
                let channel = record.channel();
                self.history.position(runtime, channel, HistoryStore::Redis, number)
            };
            let from = if reason == GapReason::Cleared { at } else { BEGINNING };
            let gap = Message::gap(record.channel(), reason.name(), &place(from));
            let frame = Frame::new(&gap).logged(at.0, Some(&place(at)));
            locked.tell_gap(&self.hub, frame);
        }
        if let Some(HeldReplica { replica, log_readers: Some(readers), .. }) = locked.followed() {
            let ready = readers.tell_gap(reason, at, replica.log_reached().map(LogNumber));
            self.call(record, ready);
        }
    }
}

/// Where a reader with a gap may begin to page.
fn reason_from(reason: GapReason, from: LogNumber) -> LogNumber {
    match reason {
        GapReason::TooMany | GapReason::Unavailable => from,
        GapReason::Restarted
        | GapReason::Expired
        | GapReason::Evicted
        | GapReason::Cleared
        | GapReason::UnknownPosition => BEGINNING,
    }
}

pub(super) fn waiting(record: &Record, id: WaitingId) -> WaitingSubscription {
    let channel = record.channel().name().clone();
    WaitingSubscription { socket: id.socket, channel, attempt: id.attempt }
}
