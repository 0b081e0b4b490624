//! The gate of one subscription to a sealed channel: it takes the subscriber from one secret to the
//! next (encryption.md 4). A plain state machine without a socket; the caller passes the time.
//!
//! ```text
//! Idle --turn--> Scheduled --next event, or nudge--> AwaitingReauth --auth request--> AuthAnswered
//! Idle --forced rekey--> ForcedPending ------nudge--> AwaitingReauth ...
//! AuthAnswered --settle time, ping--> AwaitingPong --pong, ping, pong--> Idle
//! ```
//!
//! The first frame sealed with the next secret goes out; the client cannot open it and asks the
//! auth endpoint. All later frames wait in the gate buffer until the client has the secret. The
//! gate is idle again only then; otherwise newer frames would overtake the buffered ones. The auth
//! response travels on another connection, and a busy client may read its WebSocket first. So the
//! gate pings the client and releases the buffer on the pong. It does so twice, because a client
//! may read in rounds: the first pong may belong to a round that began before the auth response
//! arrived.
//!
//! A client that does not ask in time receives the buffered frames sealed with its own secret, and
//! keeps it. When it asks at last, it gets another turn with a longer hold. The server closes a
//! client that may have lost its secret.

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
    /// Our auth endpoint issued the secret, and will see the request for the next one.
    Server,
    /// The app's backend issued it: the server cannot see when the client has the next one.
    Backend,
}

pub struct Place {
    pub record: Arc<Record>,
    pub terms: Arc<Terms>,
    pub issuer: Issuer,
    pub user: Option<Arc<str>>,
    pub client: Reauthorization,
    /// A renewal nudge was sent because the authorization is about to end, and the client has not
    /// asked since.
    pub renewing: bool,
    /// The version of the client's secret.
    version: Version,
    next: Option<Next>,
    stage: Stage,
    hold: Hold,
}

/// The rekey that a gate has to carry out.
#[derive(Clone)]
pub struct Next {
    pub target: Version,
    pub nudge: SealedFrames,
    /// No frame may be sealed with the earlier secret any more.
    pub cut: bool,
    /// The channel's sequence number when its target changed.
    pub since: u64,
}

enum Stage {
    Open,
    /// Delivers as before; the next event is the nudge, so that most clients need no empty one.
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
        /// The number of the last ping.
        ping: Option<u64>,
        rounds: u8,
    },
}

/// The result of one step of the state machine.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// No change for the subscription.
    Stays,
    /// The caller sends a ping; the gate waits for its pong.
    Pings,
    /// Idle, with the next secret.
    Moved,
    /// Idle, with the secret that the client had before.
    Reverted,
    /// Idle as before: the auth request came too late, and the gate may have another turn.
    Late,
    /// The client cannot be served any longer.
    Close,
}

/// The wait for an event after a turn begins; then an empty event is the nudge.
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

    /// The version for the topic's list; `REKEYING` while frames go through the gate.
    pub fn served_version(&self) -> Version {
        match self.stage {
            Stage::Open => self.version,
            _ => Version::HELD,
        }
    }

    pub fn is_held(&self) -> bool {
        !matches!(self.stage, Stage::Open)
    }

    /// True if a rekey is pending and has not begun.
    pub fn wants_turn(&self) -> bool {
        matches!(self.stage, Stage::Open) && self.next.is_some()
    }

    /// The next deadline, unless the gate is idle.
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

    /// The number of the ping that is to be answered.
    pub fn ping(&self) -> Option<u64> {
        match &self.stage {
            Stage::Reading { ping, .. } => *ping,
            _ => None,
        }
    }

    /// Sets the next target. During a rekey it takes effect after the present one.
    pub fn set_next(&mut self, next: Next) {
        if self.version.is_behind(next.target) {
            self.next = Some(next);
        }
    }

    /// Begins a turn: the next event is the nudge.
    pub fn arm(&mut self, now: Instant) {
        self.stage = Stage::Armed { until: now + QUIET };
    }

    /// Delivers an event through the gate, or buffers it.
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
                // The event is older than the new secret.
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

    /// Handles the deadline. `last_auth_request`: the client's last request to the auth endpoint,
    /// for any channel.
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

    /// Called when the client has answered the ping of this number.
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
            // The auth request may have failed, and then the client has no secret.
            (Issuer::Server, Reauthorization::LosesSecret) => self.close(),
            (Issuer::Server, Reauthorization::Never | Reauthorization::Retries) => {
                self.give_up(waiting, out)
            }
            // The client is assumed to have asked its backend.
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

    /// Keeps the client's present secret, if frames may still be sealed with it.
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
