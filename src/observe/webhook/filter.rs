//! The facts an endpoint receives.

use crate::channels::fact::ChannelFactKind;
use crate::domain::pattern::Pattern;

/// An empty list is no restriction.
#[derive(Default)]
pub struct EndpointFilter {
    pub kinds: Vec<ChannelFactKind>,
    pub channels: Vec<Pattern>,
}

impl EndpointFilter {
    pub fn wants(&self, kind: ChannelFactKind, channel: &str) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&kind)) && self.covers(channel)
    }

    /// An endpoint for one of two opposite facts must not get it after the other has cancelled it.
    pub fn wants_either(&self, kind: ChannelFactKind, channel: &str) -> bool {
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
    fn both_lists_must_match_and_an_empty_one_does() {
        let all = EndpointFilter::default();
        assert!(all.wants(ChannelFactKind::CacheMiss, "anything"));
        let some = EndpointFilter {
            kinds: vec![ChannelFactKind::ChannelOccupied],
            channels: vec![Pattern::new("room-*"), Pattern::new("lobby")],
        };
        assert!(some.wants(ChannelFactKind::ChannelOccupied, "room-1"));
        assert!(some.wants(ChannelFactKind::ChannelOccupied, "lobby"));
        assert!(!some.wants(ChannelFactKind::ChannelOccupied, "lobby-2"));
        assert!(!some.wants(ChannelFactKind::ChannelVacated, "room-1"));
        assert!(some.wants_either(ChannelFactKind::ChannelVacated, "room-1"));
        assert!(!some.wants_either(ChannelFactKind::MemberAdded, "room-1"));
    }
}
