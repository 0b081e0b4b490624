//! Refusal counters, for operators.

use super::event::PublishError;
use crate::{crypto::sealer::SealError, platform::counting::Count};

#[derive(Default)]
pub struct RefusalCounters {
    /// Plaintext on encrypted channels in blind mode, and on channels for ciphertext.
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
pub struct RefusalStats {
    pub plaintext: u64,
    pub envelopes: u64,
    pub overloaded: u64,
    pub connects: u64,
    pub strays: u64,
}

impl RefusalCounters {
    pub(super) fn note(&self, error: &PublishError) {
        let count = match error {
            PublishError::Seal { error: SealError::Plaintext, .. }
            | PublishError::NotCiphertext { .. } => &self.plaintext,
            PublishError::Seal { error: SealError::DoesNotOpen, .. } => &self.envelopes,
            PublishError::Overloaded | PublishError::ClusterBacklog => &self.overloaded,
            PublishError::Seal {
                error: SealError::NoRandomness | SealError::KeyRetired, ..
            }
            | PublishError::EnvelopeForSeveral
            | PublishError::Mixed
            | PublishError::ClusterAway
            | PublishError::NotInCluster => return,
        };
        count.add();
    }

    pub fn stats(&self) -> RefusalStats {
        let Self { plaintext, envelopes, overloaded, connects, strays } = self;
        RefusalStats {
            plaintext: plaintext.get(),
            envelopes: envelopes.get(),
            overloaded: overloaded.get(),
            connects: connects.get(),
            strays: strays.get(),
        }
    }
}
