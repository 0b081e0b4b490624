//! Channel queries of the HTTP API, for the cluster as a whole.
//!
//! A channel that is open here is answered from its replica, any other from Redis.

use std::time::Duration;

use super::effects::saturated;
use crate::{
    cluster::{
        content::{EventContent, EventData},
        node::{
            ClusterNode,
            queries::{LastContent, QueryError},
        },
        replica::ReplicaState,
    },
    domain::channel::Channel,
    engine::{
        AppRuntime, Engine,
        queries::{Attributes, CachedData, ChannelInfo},
    },
};

impl Engine {
    /// The requested attributes, as far as they apply to the channel.
    pub async fn attributes(
        &self,
        runtime: &AppRuntime,
        channel: &Channel,
        asked: Attributes,
    ) -> Result<ChannelInfo, QueryError> {
        match self.cluster.node().filter(|_| !runtime.is_open(channel)) {
            None => Ok(runtime.attributes(channel, asked)),
            Some(_) if asked.is_empty() => Ok(ChannelInfo::default()),
            Some(node) => read_attributes(node, runtime, channel, asked).await,
        }
    }

    /// The same for an event that is sent already: without an answer of Redis, as this node knows
    /// them.
    pub async fn known_attributes(
        &self,
        runtime: &AppRuntime,
        channel: &Channel,
        asked: Attributes,
    ) -> ChannelInfo {
        let info = self.attributes(runtime, channel, asked).await;
        info.unwrap_or_else(|_| runtime.attributes(channel, asked))
    }

    /// Occupied channels and their attributes, by name.
    pub async fn channels(
        &self,
        runtime: &AppRuntime,
        prefix: &str,
        asked: Attributes,
    ) -> Result<Vec<(Channel, ChannelInfo)>, QueryError> {
        let Some(node) = self.cluster.node() else { return Ok(runtime.channels(prefix, asked)) };
        let occupied = node.occupied(&runtime.id, prefix, asked.user_count).await?;
        let info = |total: u64, members, channel: &Channel| ChannelInfo {
            user_count: (asked.user_count && channel.kind().has_members()).then_some(members),
            subscription_count: asked.subscription_count.then_some(saturated(total)),
            ..ChannelInfo::default()
        };
        let named = occupied.into_iter().map(|it| {
            let info = info(it.total, it.members, &it.channel);
            (it.channel, info)
        });
        Ok(named.collect())
    }

    pub async fn is_occupied(
        &self,
        runtime: &AppRuntime,
        channel: &Channel,
    ) -> Result<bool, QueryError> {
        match self.cluster.node().filter(|_| !runtime.is_occupied(channel)) {
            None => Ok(runtime.is_occupied(channel)),
            Some(node) => Ok(node.total(&node.channel(&runtime.id, channel)).await? > 0),
        }
    }

    /// The ids of a presence channel's members.
    pub async fn users(
        &self,
        runtime: &AppRuntime,
        channel: &Channel,
    ) -> Result<Vec<String>, QueryError> {
        match self.cluster.node().filter(|_| !runtime.is_open(channel)) {
            None => Ok(runtime.users(channel)),
            Some(node) => node.users(&node.channel(&runtime.id, channel)).await,
        }
    }
}

impl AppRuntime {
    /// True if this node knows the channel's state on all nodes.
    fn is_open(&self, channel: &Channel) -> bool {
        let record = self.directory.find(channel.name());
        let locked = record.as_ref().and_then(|record| record.enter());
        locked.is_some_and(|mut locked| {
            let state = locked.followed().map(|held| held.replica.state());
            state == Some(ReplicaState::Open)
                && locked.followed().is_some_and(|held| held.replica.total().is_some())
        })
    }
}

async fn read_attributes(
    node: &ClusterNode,
    runtime: &AppRuntime,
    channel: &Channel,
    asked: Attributes,
) -> Result<ChannelInfo, QueryError> {
    let (kind, place) = (channel.kind(), node.channel(&runtime.id, channel));
    let mut info = ChannelInfo::default();
    if asked.subscription_count {
        info.subscription_count = Some(saturated(node.total(&place).await?));
    }
    if asked.user_count && kind.has_members() {
        info.user_count = Some(node.member_count(&place).await?);
    }
    if asked.cache && kind.is_cached() {
        info.cache = Some(node.last_event(&place).await?.and_then(cached));
    }
    if asked.key {
        info.key = runtime.sealing_key(channel);
    }
    Ok(info)
}

fn cached(last: LastContent) -> Option<CachedData> {
    let event = EventContent::parse(&last.content).ok()?;
    let data = match event.data {
        EventData::Clear(data) => data,
        EventData::Sealed { envelope, .. } => envelope,
    };
    Some(CachedData { data: data.to_owned(), ttl: seconds(last.left) })
}

/// As `LastEvent::ttl` counts.
fn seconds(left: Duration) -> u64 {
    left.max(Duration::from_secs(1)).as_secs()
}
