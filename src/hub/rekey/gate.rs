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

mod buffer;
mod forced_rekey;
mod hold;
#[cfg(any(test, fuzzing))]
mod model;
mod reauth;
mod without_hold;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use buffer::GateBuffer;
use hold::HoldTime;

use super::{reauthorization::Reauthorization, rekey_policy::RekeyPolicy};
use crate::{
    crypto::keytable::Version,
    hub::record::Record,
    protocol::{frame::Frame, sealed::SealedFrames},
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Issuer {
    /// Our auth endpoint issued the secret, and will see the request for the next one.
    Server,
    /// The app's backend issued it: the server cannot see when the client has the next one.
    Backend,
}

pub struct Gate {
    pub record: Arc<Record>,
    pub policy: Arc<RekeyPolicy>,
    pub issuer: Issuer,
    pub user: Option<Arc<str>>,
    pub client: Reauthorization,
    /// A renewal nudge was sent because the authorization is about to end, and the client has not
    /// asked since.
    pub renewing: bool,
    /// The version of the client's secret.
    version: Version,
    pending: Option<PendingRekey>,
    state: GateState,
    hold: HoldTime,
}

/// The rekey that a gate has to carry out.
#[derive(Clone)]
pub struct PendingRekey {
    pub target: Version,
    pub nudge: SealedFrames,
    /// No frame may be sealed with the earlier secret any more.
    pub forced: bool,
    /// The channel's sequence number when its target changed.
    pub since: u64,
}

enum GateState {
    Idle,
    /// Delivers as before; the next event is the nudge, so that most clients need no empty one.
    Scheduled {
        until: Instant,
    },
    ForcedPending {
        at: Instant,
        buffer: GateBuffer,
    },
    AwaitingReauth {
        until: Instant,
        buffer: GateBuffer,
    },
    AuthAnswered {
        until: Instant,
        buffer: GateBuffer,
    },
    AwaitingPong {
        until: Instant,
        buffer: GateBuffer,
        /// The number of the last ping.
        ping: Option<u64>,
        rounds: u8,
    },
}

/// The result of one step of the state machine.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GateOutcome {
    /// No change for the subscription.
    Unchanged,
    /// The caller sends a ping; the gate waits for its pong.
    SendPing,
    /// Idle, with the next secret.
    Rekeyed,
    /// Idle, with the secret that the client had before.
    Reverted,
    /// Idle as before: the auth request came too late, and the gate may have another turn.
    LateReauth,
    /// The client cannot be served any longer.
    Close,
}

/// The wait for an event after a turn begins; then an empty event is the nudge.
const NUDGE_DELAY: Duration = Duration::from_millis(100);

const PING_ROUNDS: u8 = 2;

impl Gate {
    pub fn new(
        record: Arc<Record>,
        policy: Arc<RekeyPolicy>,
        version: Version,
        issuer: Issuer,
        user: Option<Arc<str>>,
        pending: Option<PendingRekey>,
    ) -> Self {
        Self {
            record,
            policy,
            issuer,
            user,
            client: Reauthorization::Retries,
            renewing: false,
            version,
            pending,
            state: GateState::Idle,
            hold: HoldTime::default(),
        }
    }

    pub fn version(&self) -> Version {
        self.version
    }

    pub fn pending_rekey(&self) -> Option<&PendingRekey> {
        self.pending.as_ref()
    }

    /// The version for the topic's list; `REKEYING` while frames go through the gate.
    pub fn served_version(&self) -> Version {
        match self.state {
            GateState::Idle => self.version,
            _ => Version::REKEYING,
        }
    }

    pub fn is_rekeying(&self) -> bool {
        !matches!(self.state, GateState::Idle)
    }

    /// True if a rekey is pending and has not begun.
    pub fn needs_turn(&self) -> bool {
        matches!(self.state, GateState::Idle) && self.pending.is_some()
    }

    /// The next deadline, unless the gate is idle.
    pub fn due(&self) -> Option<Instant> {
        match &self.state {
            GateState::Idle => None,
            GateState::ForcedPending { at, .. } => Some(*at),
            GateState::Scheduled { until }
            | GateState::AwaitingReauth { until, .. }
            | GateState::AuthAnswered { until, .. }
            | GateState::AwaitingPong { until, .. } => Some(*until),
        }
    }

    /// The number of the ping that is to be answered.
    pub fn ping(&self) -> Option<u64> {
        match &self.state {
            GateState::AwaitingPong { ping, .. } => *ping,
            _ => None,
        }
    }

    /// Sets the next target. During a rekey it takes effect after the present one.
    pub fn set_pending_rekey(&mut self, next: PendingRekey) {
        if self.version.is_behind(next.target) {
            self.pending = Some(next);
        }
    }

    /// Begins a turn: the next event is the nudge.
    fn begin_turn(&mut self, now: Instant) {
        self.state = GateState::Scheduled { until: now + NUDGE_DELAY };
    }

    /// Delivers an event through the gate, or buffers it.
    pub fn deliver(
        &mut self,
        frames: &SealedFrames,
        now: Instant,
        budget: usize,
        out: &mut dyn FnMut(&Frame),
    ) -> GateOutcome {
        match &mut self.state {
            GateState::Idle => send(frames, self.version, out),
            GateState::Scheduled { .. } => {
                match self.pending.as_ref().and_then(|next| frames.of(next.target)) {
                    Some(frame) => {
                        out(frame);
                        let mut buffer = GateBuffer { first_sent: true, ..GateBuffer::default() };
                        buffer.push(frames);
                        self.await_reauth(now, buffer);
                        GateOutcome::Unchanged
                    }
                    // The event is older than the new secret.
                    None => send(frames, self.version, out),
                }
            }
            GateState::ForcedPending { buffer, .. }
            | GateState::AwaitingReauth { buffer, .. }
            | GateState::AuthAnswered { buffer, .. }
            | GateState::AwaitingPong { buffer, .. } => {
                buffer.push(frames);
                if buffer.bytes > budget { self.overflow(out) } else { GateOutcome::Unchanged }
            }
        }
    }

    fn await_reauth(&mut self, now: Instant, buffer: GateBuffer) {
        self.hold.nudged = Some(now);
        self.policy.counts.nudged.add();
        self.state = GateState::AwaitingReauth { until: now + self.hold_time(), buffer };
    }

    fn nudge(
        &mut self,
        now: Instant,
        buffer: GateBuffer,
        out: &mut dyn FnMut(&Frame),
    ) -> GateOutcome {
        let next = self.pending.as_ref();
        let Some(frame) = next.and_then(|next| next.nudge.of(next.target)) else {
            return GateOutcome::Close;
        };
        out(frame);
        self.await_reauth(now, buffer);
        GateOutcome::Unchanged
    }

    /// Handles the deadline. `last_auth_request`: the client's last request to the auth endpoint,
    /// for any channel.
    pub fn tick(
        &mut self,
        now: Instant,
        last_auth_request: Option<Instant>,
        out: &mut dyn FnMut(&Frame),
    ) -> GateOutcome {
        if self.due().is_none_or(|due| now < due) {
            return GateOutcome::Unchanged;
        }
        match std::mem::replace(&mut self.state, GateState::Idle) {
            GateState::Idle => GateOutcome::Unchanged,
            GateState::Scheduled { .. } => self.nudge(now, GateBuffer::default(), out),
            GateState::ForcedPending { buffer, .. } => self.nudge(now, buffer, out),
            GateState::AwaitingReauth { buffer, .. } => {
                match self.extended_deadline(now, last_auth_request) {
                    Some(until) => {
                        self.state = GateState::AwaitingReauth { until, buffer };
                        GateOutcome::Unchanged
                    }
                    None => self.reauth_timed_out(&buffer, out),
                }
            }
            GateState::AuthAnswered { buffer, .. } => {
                let until = now + self.hold_time();
                self.state =
                    GateState::AwaitingPong { until, buffer, ping: None, rounds: PING_ROUNDS };
                GateOutcome::SendPing
            }
            GateState::AwaitingPong { buffer, .. } => self.release(&buffer, out),
        }
    }

    pub fn ping_sent(&mut self, number: u64) {
        if let GateState::AwaitingPong { ping, .. } = &mut self.state {
            *ping = Some(number);
        }
    }

    /// Called when the client has answered the ping of this number.
    pub fn pong_received(&mut self, number: u64, out: &mut dyn FnMut(&Frame)) -> GateOutcome {
        match std::mem::replace(&mut self.state, GateState::Idle) {
            GateState::AwaitingPong { buffer, ping, rounds: 1, .. } if ping == Some(number) => {
                self.release(&buffer, out)
            }
            GateState::AwaitingPong { buffer, ping, rounds, until } if ping == Some(number) => {
                self.state = GateState::AwaitingPong { until, buffer, ping, rounds: rounds - 1 };
                GateOutcome::SendPing
            }
            other => {
                self.state = other;
                GateOutcome::Unchanged
            }
        }
    }

    fn reauth_timed_out(
        &mut self,
        buffer: &GateBuffer,
        out: &mut dyn FnMut(&Frame),
    ) -> GateOutcome {
        match (self.issuer, self.client) {
            // The auth request may have failed, and then the client has no secret.
            (Issuer::Server, Reauthorization::LosesSecret) => self.close(),
            (
                Issuer::Server,
                Reauthorization::Never | Reauthorization::Retries | Reauthorization::Once,
            ) => self.revert(buffer, out),
            // The client is assumed to have asked its backend.
            (Issuer::Backend, _) => {
                self.adopt_pending();
                self.release(buffer, out)
            }
        }
    }

    fn adopt_pending(&mut self) {
        self.hold.nudged = None;
        if let Some(next) = self.pending.take() {
            let before = std::mem::replace(&mut self.version, next.target);
            self.record.key_changed(before, self.version);
        }
    }

    fn release(&mut self, buffer: &GateBuffer, out: &mut dyn FnMut(&Frame)) -> GateOutcome {
        if buffer.send(self.version, buffer.first_sent, out) {
            GateOutcome::Rekeyed
        } else {
            GateOutcome::Close
        }
    }

    /// Keeps the client's present secret, if frames may still be sealed with it.
    fn revert(&mut self, buffer: &GateBuffer, out: &mut dyn FnMut(&Frame)) -> GateOutcome {
        let forced = self.pending.as_ref().is_some_and(|next| next.forced);
        if forced || !buffer.send(self.version, false, out) {
            return GateOutcome::Close;
        }
        self.policy.counts.reverted.add();
        GateOutcome::Reverted
    }

    fn overflow(&mut self, out: &mut dyn FnMut(&Frame)) -> GateOutcome {
        match std::mem::replace(&mut self.state, GateState::Idle) {
            GateState::AuthAnswered { buffer, .. } | GateState::AwaitingPong { buffer, .. } => {
                self.release(&buffer, out)
            }
            GateState::AwaitingReauth { buffer, .. } => self.reauth_timed_out(&buffer, out),
            GateState::ForcedPending { .. } => GateOutcome::Close,
            GateState::Idle | GateState::Scheduled { .. } => GateOutcome::Unchanged,
        }
    }
}

fn send(frames: &SealedFrames, version: Version, out: &mut dyn FnMut(&Frame)) -> GateOutcome {
    match frames.of(version) {
        Some(frame) => {
            out(frame);
            GateOutcome::Unchanged
        }
        None => GateOutcome::Close,
    }
}

#[cfg(fuzzing)]
pub mod fuzzing;
#[cfg(test)]
mod tests;
