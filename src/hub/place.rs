//! One subscription to a channel that this server seals, and how it moves from one secret to the
//! next (encryption.md 4). A plain state machine: no socket, and the clock is told to it.
//!
//! ```text
//! Open --turn--> Armed --the next event, or none comes: nudge--> Asking --the client asks--> Settling
//! Open --cut---> Unasked -------------------------------nudge--> Asking ...
//! Settling --a moment later: ping--> Reading --pong, ping, pong--> Open
//! ```
//!
//! From the nudge on, which is the first frame that is sealed with the next secret, frames wait. They
//! are sent when the client has that secret, and only then the place is open again: opening it first
//! would let newer frames overtake them. The secret travels on another connection, and a client that
//! has no time to read may come to its socket first; so it is pinged, and what waits is sent when it
//! has read so far. Twice, because it may read in rounds of what had come before the round: the
//! first pong may be of a round that the secret came too late for.
//!
//! A client that does not ask in time is sent what waited in the form that its own secret opens, and
//! stays with that; when its question comes at last, it gets another turn, in which it is waited for
//! longer. A client that may have lost its secret is closed.

mod cut;
mod hold;
#[cfg(any(test, fuzzing))]
mod model;
mod questions;
mod waiting;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use hold::Hold;
use waiting::Waiting;

use super::{directory::Record, reauthorization::Reauthorization, terms::Terms};
use crate::{
    crypto::keytable::Version,
    protocol::{sealed::SealedFrames, server::Frame},
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Issuer {
    /// Our auth endpoint gave out the secret, and will see when the client asks for the next.
    Server,
    /// The application's own backend did: nobody tells when the client has the next.
    Backend,
}

pub struct Place {
    pub record: Arc<Record>,
    pub terms: Arc<Terms>,
    pub issuer: Issuer,
    pub user: Option<Arc<str>>,
    pub client: Reauthorization,
    /// The client was made to ask because its authorization is about to end, and has not yet.
    pub renewing: bool,
    /// Of the secret that the client has.
    version: Version,
    next: Option<Next>,
    stage: Stage,
    hold: Hold,
}

/// Where a place is to move.
#[derive(Clone)]
pub struct Next {
    pub target: Version,
    pub nudge: SealedFrames,
    /// Nothing more may be sealed with the earlier secret.
    pub cut: bool,
    /// The channel's sequence number when it got the target.
    pub since: u64,
}

enum Stage {
    Open,
    /// Served as before; the next event is the nudge, so that most clients see no other.
    Armed {
        until: Instant,
    },
    Unasked {
        at: Instant,
        waiting: Waiting,
    },
    Asking {
        until: Instant,
        waiting: Waiting,
    },
    Settling {
        until: Instant,
        waiting: Waiting,
    },
    Reading {
        until: Instant,
        waiting: Waiting,
        /// The number of the last one.
        ping: Option<u64>,
        rounds: u8,
    },
}

/// How a step has left the place.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// As it was, or waiting.
    Stays,
    /// Waiting until its client has answered a ping.
    Pings,
    /// Open again, with the next secret.
    Moved,
    /// Open again, with the secret that it had.
    Reverted,
    /// Open as it was; the question of its nudge has come too late, and it may have another turn.
    Late,
    /// It cannot be served any longer.
    Close,
}

/// How long an armed place waits for an event before an empty one is its nudge.
const QUIET: Duration = Duration::from_millis(100);

const ROUNDS: u8 = 2;

impl Place {
    pub fn new(
        record: Arc<Record>,
        terms: Arc<Terms>,
        version: Version,
        issuer: Issuer,
        user: Option<Arc<str>>,
        next: Option<Next>,
    ) -> Self {
        Self {
            record,
            terms,
            issuer,
            user,
            client: Reauthorization::Retries,
            renewing: false,
            version,
            next,
            stage: Stage::Open,
            hold: Hold::default(),
        }
    }

    pub fn version(&self) -> Version {
        self.version
    }

    pub fn next(&self) -> Option<&Next> {
        self.next.as_ref()
    }

    /// What the topic's list says of it: nothing opens while it is held.
    pub fn served_version(&self) -> Version {
        match self.stage {
            Stage::Open => self.version,
            _ => Version::HELD,
        }
    }

    pub fn is_held(&self) -> bool {
        !matches!(self.stage, Stage::Open)
    }

    /// Whether it has somewhere to move and has not begun to.
    pub fn wants_turn(&self) -> bool {
        matches!(self.stage, Stage::Open) && self.next.is_some()
    }

    /// Its next deadline, while it is held.
    pub fn due(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Open => None,
            Stage::Unasked { at, .. } => Some(*at),
            Stage::Armed { until }
            | Stage::Asking { until, .. }
            | Stage::Settling { until, .. }
            | Stage::Reading { until, .. } => Some(*until),
        }
    }

    /// The ping whose pong it waits for.
    pub fn ping(&self) -> Option<u64> {
        match &self.stage {
            Stage::Reading { ping, .. } => *ping,
            _ => None,
        }
    }

    /// A new secret. A place that is moving goes there next.
    pub fn set_next(&mut self, next: Next) {
        if self.version.is_behind(next.target) {
            self.next = Some(next);
        }
    }

    /// Its turn: the next event is its nudge.
    pub fn arm(&mut self, now: Instant) {
        self.stage = Stage::Armed { until: now + QUIET };
    }

    /// An event for a place that is held.
    pub fn take(
        &mut self,
        frames: &SealedFrames,
        now: Instant,
        budget: usize,
        out: &mut dyn FnMut(&Frame),
    ) -> Outcome {
        match &mut self.stage {
            Stage::Open => send(frames, self.version, out),
            Stage::Armed { .. } => match self.next.as_ref().and_then(|next| frames.of(next.target))
            {
                Some(frame) => {
                    out(frame);
                    let mut waiting = Waiting { first_sent: true, ..Waiting::default() };
                    waiting.push(frames);
                    self.ask(now, waiting);
                    Outcome::Stays
                }
                // It is older than the new secret.
                None => send(frames, self.version, out),
            },
            Stage::Unasked { waiting, .. }
            | Stage::Asking { waiting, .. }
            | Stage::Settling { waiting, .. }
            | Stage::Reading { waiting, .. } => {
                waiting.push(frames);
                if waiting.bytes > budget { self.overflow(out) } else { Outcome::Stays }
            }
        }
    }

    fn ask(&mut self, now: Instant, waiting: Waiting) {
        self.hold.nudged = Some(now);
        self.terms.moves.nudged.add();
        self.stage = Stage::Asking { until: now + self.hold_time(), waiting };
    }

    fn nudge(&mut self, now: Instant, waiting: Waiting, out: &mut dyn FnMut(&Frame)) -> Outcome {
        let next = self.next.as_ref();
        let Some(frame) = next.and_then(|next| next.nudge.of(next.target)) else {
            return Outcome::Close;
        };
        out(frame);
        self.ask(now, waiting);
        Outcome::Stays
    }

    /// Deadlines. `last_question`: when the client has asked last, for whatever channel.
    pub fn tick(
        &mut self,
        now: Instant,
        last_question: Option<Instant>,
        out: &mut dyn FnMut(&Frame),
    ) -> Outcome {
        if self.due().is_none_or(|due| now < due) {
            return Outcome::Stays;
        }
        match std::mem::replace(&mut self.stage, Stage::Open) {
            Stage::Open => Outcome::Stays,
            Stage::Armed { .. } => self.nudge(now, Waiting::default(), out),
            Stage::Unasked { waiting, .. } => self.nudge(now, waiting, out),
            Stage::Asking { waiting, .. } => match self.still_asking(now, last_question) {
                Some(until) => {
                    self.stage = Stage::Asking { until, waiting };
                    Outcome::Stays
                }
                None => self.not_asked(&waiting, out),
            },
            Stage::Settling { waiting, .. } => {
                let until = now + self.hold_time();
                self.stage = Stage::Reading { until, waiting, ping: None, rounds: ROUNDS };
                Outcome::Pings
            }
            Stage::Reading { waiting, .. } => self.open(&waiting, out),
        }
    }

    pub fn pinged(&mut self, number: u64) {
        if let Stage::Reading { ping, .. } = &mut self.stage {
            *ping = Some(number);
        }
    }

    /// The client has answered this ping.
    pub fn has_read(&mut self, number: u64, out: &mut dyn FnMut(&Frame)) -> Outcome {
        match std::mem::replace(&mut self.stage, Stage::Open) {
            Stage::Reading { waiting, ping, rounds: 1, .. } if ping == Some(number) => {
                self.open(&waiting, out)
            }
            Stage::Reading { waiting, ping, rounds, until } if ping == Some(number) => {
                self.stage = Stage::Reading { until, waiting, ping, rounds: rounds - 1 };
                Outcome::Pings
            }
            other => {
                self.stage = other;
                Outcome::Stays
            }
        }
    }

    fn not_asked(&mut self, waiting: &Waiting, out: &mut dyn FnMut(&Frame)) -> Outcome {
        match (self.issuer, self.client) {
            // Its question may have failed, and then it has no secret.
            (Issuer::Server, Reauthorization::LosesSecret) => self.close(),
            (Issuer::Server, Reauthorization::Never | Reauthorization::Retries) => {
                self.give_up(waiting, out)
            }
            // It has asked there, as far as can be known.
            (Issuer::Backend, _) => {
                self.move_on();
                self.open(waiting, out)
            }
        }
    }

    fn move_on(&mut self) {
        self.hold.nudged = None;
        if let Some(next) = self.next.take() {
            let before = std::mem::replace(&mut self.version, next.target);
            self.record.key_changed(before, self.version);
        }
    }

    fn open(&mut self, waiting: &Waiting, out: &mut dyn FnMut(&Frame)) -> Outcome {
        if waiting.send(self.version, waiting.first_sent, out) {
            Outcome::Moved
        } else {
            Outcome::Close
        }
    }

    /// The client stays with the secret that it has, if frames may still be sealed with that.
    fn give_up(&mut self, waiting: &Waiting, out: &mut dyn FnMut(&Frame)) -> Outcome {
        let cut = self.next.as_ref().is_some_and(|next| next.cut);
        if cut || !waiting.send(self.version, false, out) {
            return Outcome::Close;
        }
        self.terms.moves.reverted.add();
        Outcome::Reverted
    }

    fn overflow(&mut self, out: &mut dyn FnMut(&Frame)) -> Outcome {
        match std::mem::replace(&mut self.stage, Stage::Open) {
            Stage::Settling { waiting, .. } | Stage::Reading { waiting, .. } => {
                self.open(&waiting, out)
            }
            Stage::Asking { waiting, .. } => self.not_asked(&waiting, out),
            Stage::Unasked { .. } => Outcome::Close,
            Stage::Open | Stage::Armed { .. } => Outcome::Stays,
        }
    }
}

fn send(frames: &SealedFrames, version: Version, out: &mut dyn FnMut(&Frame)) -> Outcome {
    match frames.of(version) {
        Some(frame) => {
            out(frame);
            Outcome::Stays
        }
        None => Outcome::Close,
    }
}

#[cfg(fuzzing)]
pub mod fuzzing;
#[cfg(test)]
mod tests;
