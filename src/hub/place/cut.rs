//! Forced rekeys, after the revocation of a member or a key: the client's present secret must not
//! seal another event.

use std::time::Instant;

use super::{Next, Outcome, Place, Stage, waiting::Waiting};
use crate::{
    hub::reauthorization::Reauthorization,
    protocol::{sealed::Resealing, server::Frame},
};

impl Place {
    /// Starts a forced rekey. Frames in the buffer were accepted before it, so they are kept and
    /// resealed: the client's auth request may be on its way, and will be answered with the next
    /// secret. The nudge is due at `at`.
    pub fn cut(
        &mut self,
        next: Next,
        at: Instant,
        resealing: &mut Resealing<'_>,
        out: &mut dyn FnMut(&Frame),
    ) -> Outcome {
        let waiting = match std::mem::replace(&mut self.stage, Stage::Open) {
            Stage::Open | Stage::Armed { .. } => Some(Waiting::default()),
            // This client has no secret while it asks: it opens nothing sealed with the old one,
            // and must not get a second nudge.
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
