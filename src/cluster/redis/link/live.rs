//! What happens while both connections stand.

use std::time::{Duration, Instant};

use redis::{Cmd, Pipeline};

use super::{
    LinkError, LinkPhase, MasterLink,
    connection::pipeline,
    pair::{ConnectionPair, PairStep},
    places::PlaceStage,
    stall::Stall,
    timing::Grace,
};
use crate::cluster::{
    names::Partition,
    redis::{
        Id,
        keys::Keys,
        lane::{LanePart, PipelineRoom},
        messages::Mark,
        reads::QueuedRead,
        verbs::Verb,
    },
};

/// Pipelines without an answer. A slower answer makes larger pipelines.
const WINDOW: usize = 16;
const PIPELINE_COMMANDS: usize = 512;
const PIPELINE_BYTES: usize = 256 * 1024;
const READS_PER_PIPELINE: usize = 64;
/// A replica confirms events that reach nobody. So a master proves itself by a write, as long as
/// something is sent there.
const PROOF_INTERVAL: Duration = Duration::from_secs(1);
/// A listener that hears nothing for so long is tried.
const LISTENER_SILENCE: Duration = Duration::from_secs(15);
/// The channel of marks that only try the listener.
pub(super) const NO_CHANNEL: Id = [0; 16];

pub struct Live<T> {
    pub(super) pair: ConnectionPair<Sent<T>>,
    pub(super) stage: LinkStage,
    pub(super) scripts_missing: bool,
    /// The index of the partition that is the first in the next pipeline.
    first_lane: usize,
    unproved: bool,
    proved_at: Instant,
    listener_tried_at: Instant,
    pub(super) grace: Grace,
    pub(super) stall: Option<Stall>,
    /// A connection that was kept has to show that it still works.
    pub(super) is_unsure: bool,
    /// Only the talking connection is lost.
    pub(super) keeps_listening: bool,
    /// When the master refused something last, since its memory is full. `None` if it has room.
    pub(super) full_at: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum LinkStage {
    /// The topics come first: what is sent comes back on them.
    Restoring,
    Up,
    /// Nothing more is sent. Answers on their way are awaited: one may be an error, and its command
    /// must not be sent again with the same bytes.
    Closing(LinkError),
}

/// What a pipeline was.
pub enum Sent<T> {
    /// In order.
    Lanes(Vec<(Partition, LanePart<T>)>),
    /// Reads that belong to no lane, each with the number of its commands.
    Reads(Vec<(QueuedRead<T>, usize)>),
    Scripts,
    /// Of partitions that came to this link.
    Floors(Vec<Partition>),
    /// Floors that may be lost.
    LostFloors,
    /// Two commands: one shows that the master takes writes, the other that its memory has room.
    Proof {
        listener: Option<Mark>,
    },
}

impl<T> Live<T> {
    pub fn new(pair: ConnectionPair<Sent<T>>) -> Self {
        let now = Instant::now();
        Self {
            pair,
            stage: LinkStage::Restoring,
            scripts_missing: false,
            first_lane: 0,
            unproved: false,
            proved_at: now,
            listener_tried_at: now,
            grace: Grace::default(),
            stall: None,
            is_unsure: false,
            keeps_listening: false,
            full_at: None,
        }
    }

    pub fn is_up(&self) -> bool {
        self.stage == LinkStage::Up && self.stall.is_none()
    }

    pub fn is_closing(&self) -> bool {
        matches!(self.stage, LinkStage::Closing(_))
    }

    fn has_window(&self) -> bool {
        self.pair.outstanding() < WINDOW
    }

    /// When the listener is tried.
    fn listener_due(&self) -> Instant {
        self.pair.listening_last_read().max(self.listener_tried_at) + LISTENER_SILENCE
    }

    /// When the master has to prove itself next.
    pub fn proof_due(&self) -> Instant {
        if self.is_unsure {
            return self.proved_at;
        }
        match self.unproved || self.full_at.is_some() {
            true => self.listener_due().min(self.proved_at + PROOF_INTERVAL),
            false => self.listener_due(),
        }
    }
}

impl<T: Send + 'static> MasterLink<T> {
    pub(super) async fn advance_live(&mut self, expiry: Option<Instant>) {
        let now = Instant::now();
        self.send(now);
        if !self.events.is_empty() {
            return;
        }
        let wake = self.next_timer(now).into_iter().chain(expiry).min();
        let LinkPhase::Live(live) = &mut self.phase else { return };
        // What the old connections bring comes first: they have lost nothing.
        let step = tokio::select! {
            biased;
            step = live.pair.step() => step,
            opened = Stall::opened(&mut live.stall) => return self.replacement_opened(opened),
            () = super::sleep_until_any(wake) => return self.check_deadlines(Instant::now()),
        };
        match step {
            PairStep::Listening(step) => self.heard(step),
            PairStep::Answered { what, answers } => self.answered(what, answers),
            PairStep::TalkingClosed => self.close_talking(LinkError::Closed),
        }
        self.check_deadlines(Instant::now());
    }

    fn send(&mut self, now: Instant) {
        if self.is_stalled() {
            return;
        }
        self.send_topics(now);
        if !self.is_up() {
            return;
        }
        self.send_scripts(now);
        self.send_floors(now);
        self.send_new_floors(now);
        while self.send_commands(now) | self.send_reads(now) {}
        self.send_proof(now);
    }

    fn send_topics(&mut self, now: Instant) {
        let LinkPhase::Live(live) = &mut self.phase else { return };
        if live.is_closing() {
            return;
        }
        if let Some(command) = self.topics.next_command(now) {
            live.pair.send_topics(command);
        }
        if live.stage == LinkStage::Restoring && self.topics.are_restored() {
            self.backoff.up(now);
            self.settle_all();
        }
    }

    fn send_scripts(&mut self, now: Instant) {
        let LinkPhase::Live(live) = &mut self.phase else { return };
        if std::mem::take(&mut live.scripts_missing) {
            live.pair.send(pipeline(self.settings.scripts.load()), Sent::Scripts, now);
        }
    }

    fn send_floors(&mut self, now: Instant) {
        let LinkPhase::Live(live) = &mut self.phase else { return };
        if self.floors.is_empty() {
            return;
        }
        let run = live.pair.run().as_bytes().clone();
        let scripts = &self.settings.scripts;
        let floors = std::mem::take(&mut self.floors).iter().filter_map(|partition| {
            let served = self.places.partition(partition)?;
            Some(served.raise(run.clone(), run.clone(), scripts))
        });
        live.pair.send(pipeline(floors), Sent::LostFloors, now);
    }

    /// Of partitions that came while the link was up.
    fn send_new_floors(&mut self, now: Instant) {
        let LinkPhase::Live(live) = &mut self.phase else { return };
        let run = live.pair.run().as_bytes().clone();
        let (mut raised, mut commands) = (Vec::new(), Vec::new());
        for (_, place) in self.places.iter_mut() {
            let is_due = place.stage == PlaceStage::New && place.hold_until.is_none();
            if let Some(served) = place.served.as_ref().filter(|_| is_due) {
                place.stage = PlaceStage::Raising;
                let came_from = served.came_from.clone();
                commands.push(served.raise(came_from, run.clone(), &self.settings.scripts));
                raised.push(served.names.partition);
            }
        }
        if !raised.is_empty() {
            live.pair.send(pipeline(commands), Sent::Floors(raised), now);
        }
    }

    /// One pipeline of all lanes; false if there is nothing to send, or no room for it.
    fn send_commands(&mut self, now: Instant) -> bool {
        let LinkPhase::Live(live) = &mut self.phase else { return false };
        if !live.has_window() {
            return false;
        }
        let mut commands = Pipeline::new();
        let mut room = PipelineRoom {
            commands: PIPELINE_COMMANDS,
            bytes: PIPELINE_BYTES,
            reads: READS_PER_PIPELINE,
        };
        let mut parts = Vec::new();
        for lane in (live.first_lane..Partition::COUNT).chain(0..live.first_lane) {
            let Some(served) = self.places.sending_mut(lane) else { continue };
            let added = served.lane.fill(&mut commands, &mut room, &self.settings.scripts);
            parts.extend(added.into_iter().map(|part| (served.names.partition, part)));
        }
        let Some((last, _)) = parts.last() else { return false };
        live.first_lane = (last.index() + 1) % Partition::COUNT;
        live.unproved |= parts.iter().any(|(_, part)| matches!(part, LanePart::Commands(_)));
        live.pair.send(commands, Sent::Lanes(parts), now);
        true
    }

    fn send_reads(&mut self, now: Instant) -> bool {
        let LinkPhase::Live(live) = &mut self.phase else { return false };
        if !live.has_window() || self.reads.is_empty() {
            return false;
        }
        let taken = self.reads.len().min(READS_PER_PIPELINE);
        let (mut commands, mut counts) = (Pipeline::new(), Vec::with_capacity(taken));
        for mut read in self.reads.drain(..taken) {
            let before = commands.len();
            let of_read = read.take_commands(&self.settings.scripts);
            of_read.into_iter().for_each(|command| {
                commands.add_command(command);
            });
            counts.push((read, commands.len() - before));
        }
        live.pair.send(commands, Sent::Reads(counts), now);
        true
    }

    fn send_proof(&mut self, now: Instant) {
        let LinkPhase::Live(live) = &mut self.phase else { return };
        let Some(place) = self.places.proving() else { return };
        if live.proof_due() > now {
            return;
        }
        let listener = std::mem::take(&mut live.is_unsure) || live.listener_due() <= now;
        live.unproved = false;
        live.proved_at = now;
        // Of a known run, so that it changes nothing.
        let run = live.pair.run().as_bytes().clone();
        let write = Verb::Floor { came_from: run.clone(), run, known: 0 };
        let keys = &place.names.keys;
        let mut commands = pipeline([write.command(&self.settings.scripts, keys), room(keys)]);
        let mark = listener.then(|| self.marks.draw(NO_CHANNEL));
        if let Some(mark) = &mark {
            live.listener_tried_at = now;
            commands.cmd("SPUBLISH").arg(&place.names.mark_topic[..]).arg(mark.encode());
        }
        live.pair.send(commands, Sent::Proof { listener: mark }, now);
    }
}

/// Writes nothing, and is refused like a write while the memory is full. Scripts that a node needs
/// then are not, so that they prove nothing.
fn room(keys: &Keys) -> Cmd {
    let mut command = redis::cmd("SETRANGE");
    command.arg(&keys.o[..]).arg(0).arg("");
    command
}
