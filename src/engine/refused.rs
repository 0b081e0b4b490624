//! Refusal counters, for operators.

use super::{Engine, Tenant, publish::PublishError};
use crate::{audit::Fact, counting::Count, crypto::sealer::SealError};

#[derive(Default)]
pub struct RefusedCounts {
    /// Plaintext on encrypted channels in blind mode.
    plaintext: Count,
    /// Payloads in the shape of an envelope that do not open.
    envelopes: Count,
    /// Triggers refused because the mailboxes were full.
    pub overloaded: Count,
    /// Connections refused by the limit of their address.
    pub connects: Count,
    /// Connections without the required PROXY header.
    pub strays: Count,
}

/// The counters at one moment.
#[derive(serde::Serialize)]
pub struct RefusedStats {
    pub plaintext: u64,
    pub envelopes: u64,
    pub overloaded: u64,
    pub connects: u64,
    pub strays: u64,
}

impl Engine {
    pub(super) fn note_refused(&self, tenant: &Tenant, error: &PublishError) {
        self.counts.refused.note(error);
        if let PublishError::Seal { error, .. } = error {
            tenant.counts.not_sealed.add(error.reason());
        }
        if let PublishError::Seal { channel, error: SealError::Plaintext } = error {
            let (app, channel) = (tenant.id.clone(), channel.clone());
            self.audit.note(Fact::PlaintextRefused { app, channel });
        }
    }
}

impl RefusedCounts {
    fn note(&self, error: &PublishError) {
        let count = match error {
            PublishError::Seal { error: SealError::Plaintext, .. } => &self.plaintext,
            PublishError::Seal { error: SealError::DoesNotOpen, .. } => &self.envelopes,
            PublishError::Overloaded => &self.overloaded,
            PublishError::Seal {
                error: SealError::NoRandomness | SealError::KeyRetired, ..
            }
            | PublishError::EnvelopeForSeveral
            | PublishError::Mixed => return,
        };
        count.add();
    }

    pub fn stats(&self) -> RefusedStats {
        let Self { plaintext, envelopes, overloaded, connects, strays } = self;
        RefusedStats {
            plaintext: plaintext.get(),
            envelopes: envelopes.get(),
            overloaded: overloaded.get(),
            connects: connects.get(),
            strays: strays.get(),
        }
    }
}
