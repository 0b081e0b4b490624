//! How often something was refused, for operators.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Engine, Tenant, publish::PublishError};
use crate::{audit::Fact, crypto::sealer::SealError};

#[derive(Default)]
pub struct Refused {
    plaintext: AtomicU64,
    envelopes: AtomicU64,
    overloaded: AtomicU64,
    connects: AtomicU64,
    strays: AtomicU64,
}

#[derive(serde::Serialize)]
pub struct RefusedStats {
    /// Plaintext on encrypted channels of a blind application.
    pub plaintext: u64,
    /// Payloads that have the shape of an envelope and do not open.
    pub envelopes: u64,
    /// Triggers for which the mailboxes had no room.
    pub overloaded: u64,
    /// Sockets that one address opened too often.
    pub connects: u64,
    /// Connections without the PROXY header that they were to have.
    pub strays: u64,
}

impl Engine {
    pub fn note_refused_connect(&self) {
        self.refused.connects.fetch_add(1, Ordering::Relaxed);
    }

    /// Connections without the PROXY header that they were to have.
    pub fn strays(&self) -> u64 {
        self.refused.strays.load(Ordering::Relaxed)
    }

    pub fn note_stray(&self) {
        self.refused.strays.fetch_add(1, Ordering::Relaxed);
    }

    /// Triggers for which the mailboxes had no room.
    pub fn overloaded(&self) -> u64 {
        self.refused.overloaded.load(Ordering::Relaxed)
    }

    pub(super) fn note_refused(&self, tenant: &Tenant, error: &PublishError) {
        self.refused.note(error);
        if let PublishError::Seal { error, .. } = error {
            tenant.counts.not_sealed.add(error.reason());
        }
        if let PublishError::Seal { channel, error: SealError::Plaintext } = error {
            let (app, channel) = (tenant.id.clone(), channel.clone());
            self.audit.note(Fact::PlaintextRefused { app, channel });
        }
    }
}

impl Refused {
    fn note(&self, error: &PublishError) {
        let counter = match error {
            PublishError::Seal { error: SealError::Plaintext, .. } => &self.plaintext,
            PublishError::Seal { error: SealError::DoesNotOpen, .. } => &self.envelopes,
            PublishError::Overloaded => &self.overloaded,
            PublishError::Seal {
                error: SealError::NoRandomness | SealError::KeyRetired, ..
            }
            | PublishError::EnvelopeForSeveral
            | PublishError::Mixed => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub fn stats(&self) -> RefusedStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RefusedStats {
            plaintext: read(&self.plaintext),
            envelopes: read(&self.envelopes),
            overloaded: read(&self.overloaded),
            connects: read(&self.connects),
            strays: read(&self.strays),
        }
    }
}
