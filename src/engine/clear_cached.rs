//! Forgets the cached event of a channel, for operators.

use std::{sync::Arc, time::Instant};

use super::{AppRuntime, Engine, history::outcome::NotPublished};
use crate::{cluster::node::ClusterNode, domain::channel::Channel};

#[derive(Debug, thiserror::Error)]
pub enum ClearCachedError {
    #[error("{0} keeps no event: only cache channels do")]
    NotACacheChannel(Channel),
    /// In Redis, the cached event is the newest one of the log.
    #[error(
        "In a cluster, the cached event of {0} is the newest one of its history: clear the history"
    )]
    Logged(Channel),
    #[error(transparent)]
    NotPublished(#[from] NotPublished),
}

impl Engine {
    /// False if there was no event. Subscribers are told nothing.
    pub async fn clear_cached(
        &self,
        runtime: &Arc<AppRuntime>,
        channel: &Channel,
    ) -> Result<bool, ClearCachedError> {
        if !channel.kind().is_cached() {
            return Err(ClearCachedError::NotACacheChannel(channel.clone()));
        }
        match self.cluster.node() {
            None => Ok(clear_here(runtime, channel)),
            Some(node) => self.clear_in_redis(node, runtime, channel).await,
        }
    }

    async fn clear_in_redis(
        &self,
        node: &ClusterNode,
        runtime: &AppRuntime,
        channel: &Channel,
    ) -> Result<bool, ClearCachedError> {
        if runtime.app().channel_settings(channel).history.is_some() {
            return Err(ClearCachedError::Logged(channel.clone()));
        }
        let cleared = self.publish_clearing(node, runtime, channel).settled().await?;
        // Nothing was there if the clearing has no number.
        Ok(cleared.logged.iter().any(|clearing| clearing.number.0 > 0))
    }
}

fn clear_here(runtime: &AppRuntime, channel: &Channel) -> bool {
    let (directory, now) = (&runtime.directory, Instant::now());
    let cleared = directory.with_existing(channel.name(), |record, mut locked| {
        let is_live = locked.last_event(now).is_some();
        directory.drop_last_event(&mut locked, now);
        (record.clone(), is_live)
    });
    let Some((record, is_live)) = cleared else { return false };
    directory.remove_if_unused(&record, now);
    is_live
}
