//! Reseals envelopes that are still to be sent when their secret goes out of use.

use super::{
    keytable::Version,
    sealer::{Sealed, open, seal},
    secret::SharedSecret,
};
use crate::domain::channel::Channel;

/// From one secret of a channel to the next, for subscribers that never had the first.
pub struct Resealer {
    pub(super) channel: Channel,
    pub(super) from: (Version, SharedSecret),
    pub(super) to: (Version, SharedSecret),
}

impl Resealer {
    pub fn from(&self) -> Version {
        self.from.0
    }

    /// `None` if the envelope has another secret, or the random source fails.
    pub fn reseal(&self, envelope: &str) -> Option<Sealed> {
        let plaintext = open(&self.from.1, envelope)?;
        seal(&self.channel, self.to.0, &self.to.1, &plaintext).ok()
    }
}
