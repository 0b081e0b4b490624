//! A returning reader: what it missed comes from the log, or it is told once that it is gone.

use std::{sync::Arc, time::Instant};

use zeroize::Zeroizing;

use crate::{
    app::App,
    channels::{
        change::{Change, LogChange},
        log::{AtRest, Entry, EntryBody, GapReason, HotFrames, Log, LogNumber},
    },
    crypto::keytable::Version,
    domain::{channel::Channel, channel_settings::HistoryStore},
    engine::{AppRuntime, Engine},
    history::{at_rest::EntryContext, position::PositionLookup},
    hub::{outbox, record::Record},
    protocol::{
        frame::Frame,
        sealed::{EventSource, SealedFrames},
    },
};

/// Where a reader of one channel begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReaderStart {
    FromNow,
    At(PositionLookup),
    /// With a position that this app has not given out.
    Unknown,
}

impl ReaderStart {
    /// The number behind which events were missed.
    pub fn number(self) -> Option<LogNumber> {
        match self {
            Self::At(PositionLookup::Named(number)) => Some(number),
            Self::At(_) | Self::FromNow | Self::Unknown => None,
        }
    }
}

/// Room for a replay in the queue of one connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReplayRoom {
    /// What all events may cost.
    pub bytes: usize,
    /// The cost of each event beyond its frame.
    pub per_event: usize,
}

impl ReplayRoom {
    /// The text of a position of one channel, and the name of its field.
    const POSITION: usize = 80;

    pub fn cost(self, entry: &Entry) -> usize {
        outbox::cost(entry.frame_bytes() + Self::POSITION) + self.per_event
    }
}

/// The limits of one reader.
#[derive(Clone, Copy)]
pub struct ReaderLimits {
    pub room: ReplayRoom,
    /// Events from before this time are not for the reader, who was barred until then:
    /// microseconds since 1970.
    pub not_before: u64,
}

/// How a reader begins, at the moment of the subscription.
pub struct Recovery {
    pub store: HistoryStore,
    /// The newest number: later events reach the reader live.
    pub number: LogNumber,
    pub missed: Missed,
}

pub enum Missed {
    /// The reader has not asked.
    NotAsked,
    /// The oldest first.
    Events(Vec<Entry>),
    /// What the log still has can be paged from this number.
    Gap { reason: GapReason, from: LogNumber },
}

impl Missed {
    pub fn is_recovered(&self) -> bool {
        matches!(self, Self::Events(_))
    }
}

/// Reads the log under the lock of the channel's record; cloned entries are references.
pub(in crate::engine) fn recover(
    log: &Log,
    start: ReaderStart,
    limits: ReaderLimits,
    now: Instant,
) -> Recovery {
    let (store, number) = (log.settings().store, log.last());
    let missed = match start {
        ReaderStart::FromNow => Missed::NotAsked,
        ReaderStart::At(PositionLookup::NotNamed) => Missed::NotAsked,
        ReaderStart::At(PositionLookup::Named(from)) => missed(log, from, limits, now),
        ReaderStart::At(PositionLookup::Restarted) => gap(log, GapReason::Restarted, now),
        ReaderStart::At(PositionLookup::Ambiguous) | ReaderStart::Unknown => {
            gap(log, GapReason::UnknownPosition, now)
        }
    };
    Recovery { store, number, missed }
}

fn missed(log: &Log, from: LogNumber, limits: ReaderLimits, now: Instant) -> Missed {
    let entries = match log.resume(from, now) {
        Ok(entries) => entries,
        Err(reason) => return gap(log, reason, now),
    };
    match refused(entries.clone(), from, limits) {
        None => Missed::Events(entries.cloned().collect()),
        Some(GapReason::TooMany) => Missed::Gap { reason: GapReason::TooMany, from },
        Some(reason) => gap(log, reason, now),
    }
}

/// The reason why a reader gets none of these events.
fn refused<'a>(
    entries: impl ExactSizeIterator<Item = &'a Entry>,
    from: LogNumber,
    limits: ReaderLimits,
) -> Option<GapReason> {
    if entries.len() > 0 && from.0 < limits.not_before {
        return Some(GapReason::UnknownPosition);
    }
    let cost: usize = entries.map(|entry| limits.room.cost(entry)).sum();
    (cost > limits.room.bytes).then_some(GapReason::TooMany)
}

/// The events for a reader, within its limits.
pub(in crate::engine) fn within(
    entries: Vec<Entry>,
    from: LogNumber,
    limits: ReaderLimits,
) -> Result<Missed, GapReason> {
    match refused(entries.iter(), from, limits) {
        None => Ok(Missed::Events(entries)),
        Some(reason) => Err(reason),
    }
}

fn gap(log: &Log, reason: GapReason, now: Instant) -> Missed {
    Missed::Gap { reason, from: log.start(now) }
}

/// The frames of missed events.
pub struct Replay {
    pub frames: Vec<Frame>,
    /// The number behind which events cannot be given any more.
    pub lost_after: Option<LogNumber>,
}

impl Engine {
    /// The frames of logged events for a reader with this version of the channel's secret. Sealed
    /// where needed, without a lock.
    pub fn replay(
        &self,
        runtime: &AppRuntime,
        record: &Arc<Record>,
        store: HistoryStore,
        entries: &[Entry],
        version: Version,
    ) -> Replay {
        let app = runtime.app_snapshot();
        let (channel, record) = (record.channel(), Some(record));
        let reader = Reader { engine: self, runtime, app: &app, channel, record, store, version };
        let mut replay = Replay { frames: Vec::with_capacity(entries.len()), lost_after: None };
        for entry in entries {
            match reader.frame(entry) {
                Some(frame) => replay.frames.push(frame),
                None => {
                    replay.lost_after = Some(entry.previous);
                    break;
                }
            }
        }
        replay
    }
}

/// A reader of one channel.
pub(in crate::engine) struct Reader<'a> {
    pub(in crate::engine) engine: &'a Engine,
    pub(in crate::engine) runtime: &'a AppRuntime,
    pub(in crate::engine) app: &'a App,
    pub(in crate::engine) channel: &'a Channel,
    /// `None`: the log is not on this node.
    pub(in crate::engine) record: Option<&'a Arc<Record>>,
    pub(in crate::engine) store: HistoryStore,
    pub(in crate::engine) version: Version,
}

impl Reader<'_> {
    fn channel(&self) -> &Channel {
        self.channel
    }

    fn frame(&self, entry: &Entry) -> Option<Frame> {
        let frame = match &entry.body {
            EntryBody::Clear { frame, .. } => frame.clone(),
            EntryBody::Blind { frames } => frames.newest()?.clone(),
            EntryBody::Sealed { at_rest, hot } => {
                let frames = self.sealed(entry, at_rest, hot.as_ref())?;
                // Of another version if the key of the reader's secret is retired: the client asks.
                frames.of(self.version).or(frames.newest())?.clone()
            }
        };
        let place = frame.place()?;
        place.position_or(|| {
            let history = &self.engine.history;
            history.position(self.runtime, self.channel(), self.store, entry.number)
        });
        Some(frame)
    }

    /// The frames for the reader's version. They stay with the entry for other readers.
    pub(super) fn sealed(
        &self,
        entry: &Entry,
        at_rest: &AtRest,
        hot: Option<&HotFrames>,
    ) -> Option<SealedFrames> {
        if let Some(hot) = hot
            && hot.frames().of(self.version).is_some()
        {
            return Some(hot.frames().clone());
        }
        let plaintext = self.open(entry, at_rest)?;
        let ring = self.app.ring(self.channel())?;
        let seal = |version| ring.seal(self.channel(), version, &plaintext).ok();
        let sealed = seal(self.version).or_else(|| seal(ring.target(self.channel())))?;
        let (event, user_id) = (entry.name.clone(), entry.user_id.clone());
        let source = EventSource { event, user_id };
        let frames = SealedFrames::new(&source, [&sealed]).logged(entry.number.0, None);
        self.warm(entry.number, &frames);
        Some(frames)
    }

    fn open(&self, entry: &Entry, at_rest: &AtRest) -> Option<Zeroizing<Vec<u8>>> {
        let (app, channel) = (&*self.app.id, self.channel().name());
        let context = EntryContext { app, channel, number: entry.number };
        let opened = self.engine.history.keys.open(&context, at_rest);
        opened.inspect_err(|error| tracing::error!(app.id = app, %error)).ok()
    }

    fn warm(&self, number: LogNumber, frames: &SealedFrames) {
        if let Some((record, mut locked)) = self.record.and_then(|it| Some((it, it.enter()?))) {
            let now = Instant::now();
            let hot = HotFrames::new(frames.clone(), now);
            let _no_effects = locked.apply(Change::InLog(LogChange::Warm { number, hot }), now);
            self.runtime.directory.logs().recharge(record, &locked, now);
        }
    }
}
