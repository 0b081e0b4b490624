//! The target version of one sealed channel, and the number of its subscribers by version.

use crate::{crypto::keytable::Version, protocol::sealed::SealedFrames};

pub struct ChannelKeys {
    /// The version that seals new events.
    pub target: Version,
    /// The empty event that makes a client ask for the target's secret.
    pub nudge: Option<SealedFrames>,
    /// Subscribers by version: one entry, and a second during a rekey.
    counts: Vec<(Version, u32)>,
}

impl ChannelKeys {
    pub fn new(target: Version) -> Self {
        Self { target, nudge: None, counts: Vec::new() }
    }

    pub fn join(&mut self, version: Version) {
        match self.counts.iter_mut().find(|(v, _)| *v == version) {
            Some((_, count)) => *count += 1,
            None => self.counts.push((version, 1)),
        }
    }

    pub fn leave(&mut self, version: Version) {
        let Some(index) = self.counts.iter().position(|(v, _)| *v == version) else { return };
        self.counts[index].1 -= 1;
        if self.counts[index].1 == 0 {
            self.counts.swap_remove(index);
        }
    }

    pub fn counts(&self) -> impl Iterator<Item = (Version, u32)> {
        self.counts.iter().copied()
    }

    /// Subscribers behind the target.
    pub fn behind(&self) -> u32 {
        self.counts().filter(|(v, _)| v.is_behind(self.target)).map(|(_, count)| count).sum()
    }

    /// Versions to seal an event for: the target first, then the other versions in use that are
    /// still served.
    pub fn wanted(&self, serves: impl Fn(Version) -> bool) -> Vec<Version> {
        let others = self.counts().map(|(v, _)| v).filter(|v| *v != self.target && serves(*v));
        std::iter::once(self.target).chain(others).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_is_sealed_for_each_version_in_use() {
        let version = |key| Version { key, epoch: 0 };
        let mut keys = ChannelKeys::new(version(1));
        keys.join(version(1));
        keys.join(version(1));
        assert_eq!(keys.wanted(|_| true), [version(1)]);
        keys.target = version(2);
        assert_eq!(keys.wanted(|_| true), [version(2), version(1)]);
        assert_eq!((keys.wanted(|_| false), keys.behind()), (vec![version(2)], 2));
        for _ in 0..2 {
            keys.leave(version(1));
            keys.join(version(2));
        }
        assert_eq!((keys.wanted(|_| true), keys.behind()), (vec![version(2)], 0));
        keys.leave(version(1));
        assert_eq!(keys.counts().collect::<Vec<_>>(), [(version(2), 2)]);
    }
}
