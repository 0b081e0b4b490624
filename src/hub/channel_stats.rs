//! Counts of channels, subscriptions and members by channel kind, computed on request. Each record
//! is locked for a moment, one after the other.

use super::directory::Directory;
use crate::domain::channel::ChannelKind;

/// The figures of one app.
pub struct ChannelStats {
    pub kinds: Vec<KindStats>,
    pub members: usize,
    pub cached_events: usize,
}

pub struct KindStats {
    pub kind: ChannelKind,
    /// Channels with subscribers.
    pub channels: usize,
    pub subscriptions: usize,
}

impl Default for ChannelStats {
    fn default() -> Self {
        let kinds = ChannelKind::ALL.map(|kind| KindStats { kind, channels: 0, subscriptions: 0 });
        Self { kinds: kinds.into(), members: 0, cached_events: 0 }
    }
}

impl Directory {
    pub fn channel_stats(&self) -> ChannelStats {
        let mut stats = ChannelStats::default();
        for record in self.records() {
            let kind = record.channel().kind();
            let Some(locked) = record.enter() else { continue };
            let subscriptions = locked.subscription_count() as usize;
            stats.members += locked.members().count();
            stats.cached_events += usize::from(locked.kept_event().is_some());
            if let Some(counted) = stats.kinds.iter_mut().find(|counted| counted.kind == kind) {
                counted.channels += usize::from(subscriptions > 0);
                counted.subscriptions += subscriptions;
            }
        }
        stats
    }
}
