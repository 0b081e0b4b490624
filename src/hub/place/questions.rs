//! Requests of the client to the auth endpoint: in time, late, refused, or missing.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Issuer, Outcome, Place, Stage, hold::LONGEST, waiting::Waiting};
use crate::{crypto::keytable::Version, hub::reauthorization::Reauthorization};

/// The delay from a late request to the next turn. The response must have arrived by then, or the
/// response to the next request may overtake it.
const RETRY: Duration = Duration::from_secs(1);
/// A request that has not arrived by then will not arrive.
pub(super) const LOST: Duration = Duration::from_secs(120);

impl Place {
    /// The delay before a failed rekey is tried again. While the request caused by the first nudge
    /// may still be on its way, a second nudge would let both open, and the client would see one
    /// event twice.
    pub fn retry_after(&self) -> Duration {
        if self.hold.nudged.is_some() { LOST } else { RETRY }
    }

    pub(super) fn hold_time(&self) -> Duration {
        self.hold.time(&self.terms)
    }

    /// Called when the client asks the auth endpoint; returns the version of the secret to issue.
    /// This is the next version only after a nudge, or if frames on their way would no longer open;
    /// after a forced rekey there is no other. A late request is answered with the present version,
    /// because frames were sent with it after the nudge, unless there were none.
    pub fn asked(&mut self, now: Instant, user: Option<Arc<str>>) -> (Version, Outcome) {
        // A request without a user does not change the user.
        self.user = user.or(self.user.take());
        (self.issuer, self.renewing) = (Issuer::Server, false);
        let nudged = self.hold.nudged.take();
        match std::mem::replace(&mut self.stage, Stage::Open) {
            Stage::Asking { waiting, .. } | Stage::Unasked { waiting, .. } => {
                self.settle(now, waiting);
            }
            Stage::Open => {
                let late = nudged.filter(|_| self.next.is_some());
                if let Some(nudged) = late {
                    self.hold.learn(now.saturating_duration_since(nudged), &self.terms);
                    if !self.is_quiet() {
                        return (self.version, Outcome::Late);
                    }
                    self.settle(now, Waiting::default());
                }
            }
            other => self.stage = other,
        }
        (self.version, Outcome::Stays)
    }

    fn settle(&mut self, now: Instant, waiting: Waiting) {
        self.move_on();
        self.terms.moves.reauthorized.add();
        self.stage = Stage::Settling { until: now + self.hold_time(), waiting };
    }

    /// True if the channel has had no event since its target changed.
    fn is_quiet(&self) -> bool {
        self.next.as_ref().is_some_and(|next| next.since == self.record.sequence())
    }

    /// Called when the auth endpoint refused the request. A client that asked because of a nudge
    /// and loses its secret on failure is closed: no frame would open for it.
    pub fn refused(&mut self) -> Outcome {
        let expected =
            self.renewing || matches!(self.stage, Stage::Asking { .. } | Stage::Unasked { .. });
        match self.client {
            Reauthorization::LosesSecret if expected => self.close(),
            _ => Outcome::Stays,
        }
    }

    /// Ends delivery; the caller closes the connection.
    pub fn close(&mut self) -> Outcome {
        (self.stage, self.next) = (Stage::Open, None);
        Outcome::Close
    }

    pub fn is_settling(&self) -> bool {
        matches!(self.stage, Stage::Settling { .. })
    }

    /// Called when another thread has built the auth response: the settle time begins.
    pub fn told(&mut self, now: Instant) {
        if let Stage::Settling { until, .. } = &mut self.stage {
            *until = now + self.terms.settle();
        }
    }

    /// The new deadline for a client that asks for one channel after the other, if it asked for
    /// another channel meanwhile and would be closed otherwise.
    pub(super) fn still_asking(
        &self,
        now: Instant,
        last_question: Option<Instant>,
    ) -> Option<Instant> {
        let patient = self.client == Reauthorization::LosesSecret && self.issuer == Issuer::Server;
        let (nudged, last) = (self.hold.nudged?, last_question?);
        let until = (last + self.hold_time()).min(nudged + LONGEST);
        (patient && until > now).then_some(until)
    }
}
