//! Forced rekeys, after the revocation of a member or a key: the client's present secret must not
//! seal another event.

use std::time::Instant;

use super::{Gate, GateOutcome, GateState, PendingRekey, buffer::GateBuffer};
use crate::{
    hub::rekey::reauthorization::Reauthorization,
    protocol::{frame::Frame, sealed::ResealCache},
};

impl Gate {
    /// Starts a forced rekey. Frames in the buffer were accepted before it, so they are kept and
    /// resealed: the client's auth request may be on its way, and will be answered with the next
    /// secret. The nudge is due at `at`.
    pub fn force_rekey(
        &mut self,
        next: PendingRekey,
        at: Instant,
        reseal_cache: &mut ResealCache<'_>,
        out: &mut dyn FnMut(&Frame),
    ) -> GateOutcome {
        if self.client.keeps_events() {
            return self.rekey_at_once(next);
        }
        let buffer = match std::mem::replace(&mut self.state, GateState::Idle) {
            GateState::Idle | GateState::Scheduled { .. } => Some(GateBuffer::default()),
            // This client has no secret while it asks: it opens nothing sealed with the old one,
            // and must not get a second nudge.
            GateState::AwaitingReauth { until, buffer }
                if self.client == Reauthorization::LosesSecret =>
            {
                return match buffer.reseal(false, reseal_cache) {
                    Some(buffer) => {
                        (self.pending, self.state) =
                            (Some(next), GateState::AwaitingReauth { until, buffer });
                        GateOutcome::Unchanged
                    }
                    None => self.close(),
                };
            }
            GateState::AwaitingReauth { buffer, .. } => buffer
                .reseal(false, reseal_cache)
                .or_else(|| buffer.send(self.version, false, out).then(GateBuffer::default)),
            GateState::ForcedPending { buffer, .. } => buffer.reseal(false, reseal_cache),
            GateState::AuthAnswered { buffer, .. } | GateState::AwaitingPong { buffer, .. } => {
                buffer.reseal(buffer.first_sent, reseal_cache)
            }
        };
        self.pending = Some(next);
        let Some(buffer) = buffer else { return GateOutcome::Close };
        self.state = GateState::ForcedPending { at, buffer };
        GateOutcome::Unchanged
    }
}
