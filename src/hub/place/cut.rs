//! The secret that the client has is not to seal another event: a member was revoked, or a key.

use std::time::Instant;

use super::{Next, Outcome, Place, Stage, waiting::Waiting};
use crate::{
    hub::reauthorization::Reauthorization,
    protocol::{sealed::Resealing, server::Frame},
};

impl Place {
    /// Nothing more with the secret that it has. What waits already was accepted before that, and
    /// goes on waiting, sealed anew: the client's question may be on its way, and will be answered
    /// with the next secret. The nudge goes at `at`.
    pub fn cut(
        &mut self,
        next: Next,
        at: Instant,
        resealing: &mut Resealing<'_>,
        out: &mut dyn FnMut(&Frame),
    ) -> Outcome {
        let waiting = match std::mem::replace(&mut self.stage, Stage::Open) {
            Stage::Open | Stage::Armed { .. } => Some(Waiting::default()),
            // It has no secret while it asks: it opens nothing in the old form, and no second nudge.
            Stage::Asking { until, waiting } if self.client == Reauthorization::LosesSecret => {
                return match waiting.again(false, resealing) {
                    Some(waiting) => {
                        (self.next, self.stage) = (Some(next), Stage::Asking { until, waiting });
                        Outcome::Stays
                    }
                    None => self.close(),
                };
            }
            Stage::Asking { waiting, .. } => waiting
                .again(false, resealing)
                .or_else(|| waiting.send(self.version, false, out).then(Waiting::default)),
            Stage::Unasked { waiting, .. } => waiting.again(false, resealing),
            Stage::Settling { waiting, .. } | Stage::Reading { waiting, .. } => {
                waiting.again(waiting.first_sent, resealing)
            }
        };
        self.next = Some(next);
        let Some(waiting) = waiting else { return Outcome::Close };
        self.stage = Stage::Unasked { at, waiting };
        Outcome::Stays
    }
}
