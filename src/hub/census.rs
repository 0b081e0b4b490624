//! How much there is of every kind of channel: counted when somebody asks, so that nothing is kept
//! twice. It locks one record after the other, each for a moment.

use super::directory::Directory;
use crate::channel::ChannelKind;

/// Of one application.
pub struct Census {
    pub kinds: Vec<KindCensus>,
    pub members: usize,
    pub cached_events: usize,
}

pub struct KindCensus {
    pub kind: ChannelKind,
    /// That have subscribers.
    pub channels: usize,
    pub subscriptions: usize,
}

impl Default for Census {
    fn default() -> Self {
        let kinds = ChannelKind::ALL.map(|kind| KindCensus { kind, channels: 0, subscriptions: 0 });
        Self { kinds: kinds.into(), members: 0, cached_events: 0 }
    }
}

impl Directory {
    pub fn census(&self) -> Census {
        let mut census = Census::default();
        for record in self.records() {
            let kind = record.channel().kind();
            let Some(locked) = record.enter() else { continue };
            let subscriptions = locked.subscription_count() as usize;
            census.members += locked.members.count();
            census.cached_events += usize::from(locked.last_event.is_some());
            if let Some(counted) = census.kinds.iter_mut().find(|counted| counted.kind == kind) {
                counted.channels += usize::from(subscriptions > 0);
                counted.subscriptions += subscriptions;
            }
        }
        census
    }
}
