//! The gate buffer: frames held back until the client has the secret that opens them.

use crate::{
    crypto::keytable::Version,
    hub::outbox,
    protocol::{
        frame::Frame,
        sealed::{ResealCache, SealedFrames},
    },
};

#[derive(Default)]
pub struct GateBuffer {
    pub(super) frames: Vec<SealedFrames>,
    /// The charge for these frames in an outbox, to which they all go in the end.
    pub(super) bytes: usize,
    /// The first frame was sent as the nudge already.
    pub(super) first_sent: bool,
}

impl GateBuffer {
    pub(super) fn push(&mut self, frames: &SealedFrames) {
        self.bytes += outbox::cost(frames.bytes());
        self.frames.push(frames.clone());
    }

    fn rest(&self, skip_first: bool) -> &[SealedFrames] {
        &self.frames[usize::from(skip_first).min(self.frames.len())..]
    }

    /// All frames resealed for another secret; `None` if one cannot be.
    pub(super) fn reseal(
        &self,
        skip_first: bool,
        reseal_cache: &mut ResealCache<'_>,
    ) -> Option<Self> {
        let mut resealed = Self::default();
        for frames in self.rest(skip_first) {
            resealed.push(&reseal_cache.reseal(frames)?);
        }
        Some(resealed)
    }

    /// Sends all frames, or none if one has no form for this version.
    pub(super) fn send(
        &self,
        version: Version,
        skip_first: bool,
        out: &mut dyn FnMut(&Frame),
    ) -> bool {
        let rest = self.rest(skip_first);
        if rest.iter().any(|frames| frames.of(version).is_none()) {
            return false;
        }
        rest.iter().filter_map(|frames| frames.of(version)).for_each(out);
        true
    }
}
