//! The facts an endpoint receives.

use super::Kind;
use crate::pattern::Pattern;

/// An empty list is no restriction.
#[derive(Default)]
pub struct Filter {
    pub kinds: Vec<Kind>,
    pub channels: Vec<Pattern>,
}

impl Filter {
    pub fn wants(&self, kind: Kind, channel: &str) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&kind)) && self.covers(channel)
    }

    /// An endpoint for one of two opposite facts must not get it after the other has cancelled it.
    pub fn wants_either(&self, kind: Kind, channel: &str) -> bool {
        self.wants(kind, channel) || kind.opposite().is_some_and(|kind| self.wants(kind, channel))
    }

    fn covers(&self, channel: &str) -> bool {
        self.channels.is_empty() || self.channels.iter().any(|pattern| pattern.matches(channel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lists_must_let_it_through_and_an_empty_one_does() {
        let all = Filter::default();
        assert!(all.wants(Kind::CacheMiss, "anything"));
        let some = Filter {
            kinds: vec![Kind::ChannelOccupied],
            channels: vec![Pattern::new("room-*"), Pattern::new("lobby")],
        };
        assert!(some.wants(Kind::ChannelOccupied, "room-1"));
        assert!(some.wants(Kind::ChannelOccupied, "lobby"));
        assert!(!some.wants(Kind::ChannelOccupied, "lobby-2"));
        assert!(!some.wants(Kind::ChannelVacated, "room-1"));
        assert!(some.wants_either(Kind::ChannelVacated, "room-1"));
        assert!(!some.wants_either(Kind::MemberAdded, "room-1"));
    }
}
