//! The channels with a replica on this node.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;

use crate::cluster::node::{commands::FollowedChannel, news::ReplicaNews};

#[derive(Default)]
pub struct Followers(HashMap<Bytes, Arc<FollowedChannel>>);

impl Followers {
    pub fn insert(&mut self, topic: Bytes, followed: Arc<FollowedChannel>) {
        self.0.insert(topic, followed);
    }

    /// False if another holder follows the channel by now.
    pub fn remove(&mut self, topic: &Bytes, followed: &Arc<FollowedChannel>) -> bool {
        let is_there = self.0.get(topic).is_some_and(|there| Arc::ptr_eq(there, followed));
        is_there && self.0.remove(topic).is_some()
    }

    pub fn get(&self, topic: &Bytes) -> Option<&Arc<FollowedChannel>> {
        self.0.get(topic)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Bytes, &Arc<FollowedChannel>)> {
        self.0.iter()
    }

    pub fn tell_all(&self, news: impl Fn() -> ReplicaNews) {
        self.0.values().for_each(|followed| followed.holder.take(news()));
    }
}
