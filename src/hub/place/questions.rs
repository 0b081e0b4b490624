//! What the client asks the auth endpoint, in time, too late, in vain, or not at all.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Issuer, Outcome, Place, Stage, hold::LONGEST, waiting::Waiting};
use crate::{crypto::keytable::Version, hub::reauthorization::Reauthorization};

/// From a late question to the next turn: the answer must have arrived by then, or the one to the
/// next question may overtake it.
const RETRY: Duration = Duration::from_secs(1);
/// A question that has not come by then will not come.
pub(super) const LOST: Duration = Duration::from_secs(120);

impl Place {
    /// When a place that could not move tries again. As long as the question that its nudge caused
    /// may still be on its way, a second nudge would let both of them open, and the client would see
    /// one event twice.
    pub fn retry_after(&self) -> Duration {
        if self.hold.nudged.is_some() { LOST } else { RETRY }
    }

    pub(super) fn hold_time(&self) -> Duration {
        self.hold.time(&self.terms)
    }

    /// The client asks the auth endpoint. It is told the secret that it will need: the next only if
    /// it has been nudged, or frames that are on their way to it would no longer open; after a cut
    /// there is no other. So a late question is answered with the present secret, for what was sent
    /// with that after the nudge, unless nothing was.
    pub fn asked(&mut self, now: Instant, user: Option<Arc<str>>) -> (Version, Outcome) {
        // Asking once more without a name makes nobody somebody else.
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

    /// Nothing has been sent on the channel since it got the secret that the place is to move to.
    fn is_quiet(&self) -> bool {
        self.next.as_ref().is_some_and(|next| next.since == self.record.sequence())
    }

    /// The auth endpoint has refused the question. A client that asked because an event did not open,
    /// and has no secret without the answer, is closed: nothing that it is sent would open.
    pub fn refused(&mut self) -> Outcome {
        let expected =
            self.renewing || matches!(self.stage, Stage::Asking { .. } | Stage::Unasked { .. });
        match self.client {
            Reauthorization::LosesSecret if expected => self.close(),
            _ => Outcome::Stays,
        }
    }

    /// Nothing more is sent.
    pub fn close(&mut self) -> Outcome {
        (self.stage, self.next) = (Stage::Open, None);
        Outcome::Close
    }

    pub fn is_settling(&self) -> bool {
        matches!(self.stage, Stage::Settling { .. })
    }

    /// The answer to what the client asked is on its way: it was another thread's to write.
    pub fn told(&mut self, now: Instant) {
        if let Stage::Settling { until, .. } = &mut self.stage {
            *until = now + self.terms.settle();
        }
    }

    /// A client that is closed if it does not ask, and asks for one channel after the other, has
    /// asked for another one meanwhile: until when it is waited for.
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
