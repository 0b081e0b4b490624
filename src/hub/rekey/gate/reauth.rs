//! Requests of the client to the auth endpoint: in time, late, refused, or missing.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Gate, GateOutcome, GateState, Issuer, buffer::GateBuffer, hold::MAX_LEARNED_HOLD};
use crate::{crypto::keytable::Version, hub::rekey::reauthorization::Reauthorization};

/// The delay from a late request to the next turn. The response must have arrived by then, or the
/// response to the next request may overtake it.
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// A request that has not arrived by then will not arrive.
pub(super) const LATE_REAUTH_TIMEOUT: Duration = Duration::from_secs(120);

impl Gate {
    /// The delay before a failed rekey is tried again. While the request caused by the first nudge
    /// may still be on its way, a second nudge would let both open, and the client would see one
    /// event twice.
    pub fn retry_after(&self) -> Duration {
        if self.hold.nudged.is_some() { LATE_REAUTH_TIMEOUT } else { RETRY_DELAY }
    }

    pub(super) fn hold_time(&self) -> Duration {
        self.hold.time(&self.policy)
    }

    /// Called when the client asks the auth endpoint; returns the version of the secret to issue.
    /// This is the next version only after a nudge, or if frames on their way would no longer open;
    /// after a forced rekey there is no other. A late request is answered with the present version,
    /// because frames were sent with it after the nudge, unless there were none.
    pub fn auth_requested(
        &mut self,
        now: Instant,
        user: Option<Arc<str>>,
    ) -> (Version, GateOutcome) {
        // A request without a user does not change the user.
        self.user = user.or(self.user.take());
        (self.issuer, self.renewing) = (Issuer::Server, false);
        let nudged = self.hold.nudged.take();
        match std::mem::replace(&mut self.state, GateState::Idle) {
            GateState::AwaitingReauth { buffer, .. } | GateState::ForcedPending { buffer, .. } => {
                self.begin_settling(now, buffer);
            }
            GateState::Idle => {
                let late = nudged.filter(|_| self.pending.is_some());
                if let Some(nudged) = late {
                    self.hold.learn(now.saturating_duration_since(nudged), &self.policy);
                    if !self.is_unpublished_since_target() {
                        return (self.version, GateOutcome::LateReauth);
                    }
                    self.begin_settling(now, GateBuffer::default());
                }
            }
            other => self.state = other,
        }
        (self.version, GateOutcome::Unchanged)
    }

    fn begin_settling(&mut self, now: Instant, buffer: GateBuffer) {
        self.adopt_pending();
        self.policy.counts.reauthorized.add();
        self.state = GateState::AuthAnswered { until: now + self.hold_time(), buffer };
    }

    /// True if the channel has had no event since its target changed.
    fn is_unpublished_since_target(&self) -> bool {
        self.pending.as_ref().is_some_and(|next| next.since == self.record.sequence())
    }

    /// Called when the auth endpoint refused the request. A client that asked because of a nudge
    /// and loses its secret on failure is closed: no frame would open for it.
    pub fn auth_refused(&mut self) -> GateOutcome {
        let expected = self.renewing
            || matches!(
                self.state,
                GateState::AwaitingReauth { .. } | GateState::ForcedPending { .. }
            );
        match self.client {
            Reauthorization::LosesSecret if expected => self.close(),
            _ => GateOutcome::Unchanged,
        }
    }

    /// Ends delivery; the caller closes the connection.
    pub fn close(&mut self) -> GateOutcome {
        (self.state, self.pending) = (GateState::Idle, None);
        GateOutcome::Close
    }

    pub fn is_auth_answered(&self) -> bool {
        matches!(self.state, GateState::AuthAnswered { .. })
    }

    /// Called when another thread has built the auth response: the settle time begins.
    pub fn auth_answered(&mut self, now: Instant) {
        if let GateState::AuthAnswered { until, .. } = &mut self.state {
            *until = now + self.policy.settle();
        }
    }

    /// The new deadline for a client that asks for one channel after the other, if it asked for
    /// another channel meanwhile and would be closed otherwise.
    pub(super) fn extended_deadline(
        &self,
        now: Instant,
        last_auth_request: Option<Instant>,
    ) -> Option<Instant> {
        let patient = self.client == Reauthorization::LosesSecret && self.issuer == Issuer::Server;
        let (nudged, last) = (self.hold.nudged?, last_auth_request?);
        let until = (last + self.hold_time()).min(nudged + MAX_LEARNED_HOLD);
        (patient && until > now).then_some(until)
    }
}
