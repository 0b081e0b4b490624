//! The next time of each channel.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Instant,
};

use crate::cluster::node::commands::FollowedChannel;

/// Channels are told apart by their address: a channel that is given up and followed again is
/// another one.
#[derive(Default)]
pub struct ChannelTimers {
    times: HashMap<usize, Instant>,
    channels: BTreeMap<(Instant, usize), Arc<FollowedChannel>>,
}

impl ChannelTimers {
    /// Replaces an earlier time.
    pub fn set(&mut self, channel: Arc<FollowedChannel>, at: Instant) {
        self.remove(&channel);
        let address = address(&channel);
        self.times.insert(address, at);
        self.channels.insert((at, address), channel);
    }

    pub fn remove(&mut self, channel: &Arc<FollowedChannel>) {
        let address = address(channel);
        if let Some(at) = self.times.remove(&address) {
            self.channels.remove(&(at, address));
        }
    }

    pub fn next(&self) -> Option<Instant> {
        self.channels.first_key_value().map(|((at, _), _)| *at)
    }

    /// A channel whose time has come.
    pub fn take_due(&mut self, now: Instant) -> Option<Arc<FollowedChannel>> {
        let entry = self.channels.first_entry().filter(|entry| entry.key().0 <= now)?;
        let ((_, address), channel) = entry.remove_entry();
        self.times.remove(&address);
        Some(channel)
    }
}

fn address(channel: &Arc<FollowedChannel>) -> usize {
    Arc::as_ptr(channel) as usize
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        cluster::{
            key::tests::example_key,
            names::ClusterNames,
            node::{
                ClusterChannel,
                news::{ReplicaHolder, ReplicaNews},
            },
        },
        domain::channel::Channel,
    };

    struct Nobody;

    impl ReplicaHolder for Nobody {
        fn take(&self, _: ReplicaNews) {}
    }

    fn followed(name: &str) -> Arc<FollowedChannel> {
        let (names, channel) = (ClusterNames::new(&example_key()), Channel::parse(name, 99));
        let channel = channel.expect("a name");
        let channel = ClusterChannel::new(&names, "app".into(), channel);
        Arc::new(FollowedChannel { channel, log: None, holder: Arc::new(Nobody) })
    }

    #[test]
    fn later_wish_replaces_an_earlier_one() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let (one, other) = (followed("one"), followed("other"));
        let mut deadlines = ChannelTimers::default();
        deadlines.set(one.clone(), start + second);
        deadlines.set(other.clone(), start + second * 2);
        deadlines.set(one.clone(), start + second * 3);
        assert_eq!(deadlines.next(), Some(start + second * 2));
        assert!(deadlines.take_due(start + second).is_none());
        let due = |deadlines: &mut ChannelTimers| deadlines.take_due(start + second * 3);
        assert!(due(&mut deadlines).is_some_and(|it| Arc::ptr_eq(&it, &other)));
        assert!(due(&mut deadlines).is_some_and(|it| Arc::ptr_eq(&it, &one)));
        deadlines.set(one.clone(), start);
        deadlines.remove(&one);
        assert!(deadlines.next().is_none() && due(&mut deadlines).is_none());
    }
}
