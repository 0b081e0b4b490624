//! The channels with a replica on this node.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;

use crate::cluster::{
    node::{commands::FollowedChannel, news::ReplicaNews},
    replica::input::MasterChange,
};

#[derive(Default)]
pub struct Followers(HashMap<Bytes, Follower>);

struct Follower {
    followed: Arc<FollowedChannel>,
    /// On the present connection.
    is_subscribed: bool,
}

impl Followers {
    pub fn insert(&mut self, topic: Bytes, followed: Arc<FollowedChannel>) {
        self.0.insert(topic, Follower { followed, is_subscribed: false });
    }

    /// The channel whose topic is subscribed, if anybody follows it.
    pub fn subscribed(&mut self, topic: &Bytes) -> Option<&Arc<FollowedChannel>> {
        let follower = self.0.get_mut(topic)?;
        follower.is_subscribed = true;
        Some(&follower.followed)
    }

    /// No topic is subscribed until it is confirmed again.
    pub fn connection_lost(&mut self) {
        self.0.values_mut().for_each(|follower| follower.is_subscribed = false);
    }

    /// False if another holder follows the channel by now.
    pub fn remove(&mut self, topic: &Bytes, followed: &Arc<FollowedChannel>) -> bool {
        let is_there = self.get(topic).is_some_and(|there| Arc::ptr_eq(there, followed));
        is_there && self.0.remove(topic).is_some()
    }

    pub fn get(&self, topic: &Bytes) -> Option<&Arc<FollowedChannel>> {
        self.0.get(topic).map(|follower| &follower.followed)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<FollowedChannel>> {
        self.0.values().map(|follower| &follower.followed)
    }

    pub fn tell_all(&self, news: impl Fn() -> ReplicaNews) {
        self.iter().for_each(|followed| followed.holder.take(news()));
    }

    /// The node is a member. It may have been connected for a while.
    pub fn link_all(&self, change: MasterChange) {
        for Follower { followed, is_subscribed } in self.0.values() {
            followed.holder.take(ReplicaNews::Linked(change));
            if *is_subscribed {
                followed.holder.take(ReplicaNews::Subscribed);
            }
        }
    }
}
