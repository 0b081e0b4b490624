//! What one channel is sealed with, and how many of its subscribers have which secret.

use crate::{crypto::keytable::Version, protocol::sealed::SealedFrames};

pub struct ChannelKeys {
    /// Of whatever is new.
    pub target: Version,
    /// The empty event that makes a client notice the target.
    pub nudge: Option<SealedFrames>,
    /// Subscribers by version: one entry, and a second while they move.
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

    /// Subscribers that have not moved to the target.
    pub fn behind(&self) -> u32 {
        self.counts().filter(|(v, _)| v.is_behind(self.target)).map(|(_, count)| count).sum()
    }

    /// What an event is to be sealed with: the target first, and whatever else subscribers have
    /// that may still be used.
    pub fn wanted(&self, serves: impl Fn(Version) -> bool) -> Vec<Version> {
        let others = self.counts().map(|(v, _)| v).filter(|v| *v != self.target && serves(*v));
        std::iter::once(self.target).chain(others).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_sealed_for_those_who_are_there() {
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
