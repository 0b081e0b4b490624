//! The master key of one application, and what is derived from it.

use super::{
    key::{Fingerprint, MasterKey},
    secret::{Derivation, SharedSecret},
};

pub struct KeyRing {
    active: MasterKey,
    id: Fingerprint,
    derivation: Derivation,
}

impl KeyRing {
    pub fn new(active: MasterKey, derivation: Derivation) -> Self {
        Self { id: active.fingerprint(), active, derivation }
    }

    /// A key is known by its fingerprint: the same key has the same id on every node.
    pub fn active_id(&self) -> &Fingerprint {
        &self.id
    }

    /// The secret that new ciphertexts of `channel` are sealed with.
    pub fn secret(&self, channel: &str) -> SharedSecret {
        SharedSecret::derive(self.derivation, &self.active, channel)
    }
}
