//! Channels with revocable secrets on a node that is cut off.
//!
//! The others may have taken a member off such a channel, and this node cannot know. So after a lease
//! on its own it closes the channels' subscribers, and gives nobody a secret.

use std::{sync::atomic::Ordering, time::Instant};

use crate::{
    crypto::{keyring::KeyRing, secret::Derivation},
    domain::channel::Channel,
    engine::{AppRuntime, Engine},
};

impl Engine {
    /// True if nobody may be let into the channel, since a revocation may be unknown here.
    pub(in crate::engine) fn withholds_secret(
        &self,
        runtime: &AppRuntime,
        channel: &Channel,
    ) -> bool {
        runtime.ring(channel).is_some_and(|ring| is_revocable(&ring)) && self.cluster.is_cut_off()
    }

    /// Called about once a second.
    pub(in crate::engine) fn close_revocable_while_cut_off(&self, now: Instant) {
        let is_cut_off = self.cluster.is_cut_off();
        if self.was_cut_off.swap(is_cut_off, Ordering::Relaxed) || !is_cut_off {
            return;
        }
        for runtime in self.runtimes().iter() {
            let Some(ring) = runtime.keys().filter(|ring| is_revocable(ring)) else { continue };
            tracing::warn!(
                app.id = &*runtime.id,
                "closing the subscribers of encrypted channels: a revocation on another node cannot be known here"
            );
            for key in ring.table().keys() {
                self.close_subscribers(runtime, key.number, now);
            }
        }
    }
}

fn is_revocable(ring: &KeyRing) -> bool {
    ring.derivation() == Derivation::Hkdf
}
