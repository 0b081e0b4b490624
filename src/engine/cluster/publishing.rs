//! Events on their way to the nodes of their subscribers.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::super::{
    AppRuntime, Engine,
    event::{EncodedEvent, EventBody, PublishError, Publisher},
    facts::{Fact, PublishedContext},
    history::outcome::{EventOutcome, NotPublished},
};
use crate::{
    app::App,
    cluster::{
        content::{EventContent, EventData},
        node::{ClusterNode, commands::Publication, status::LinkStatus},
        settings::WhenAway,
    },
    domain::channel::Channel,
};

impl Engine {
    /// Refuses events on these channels that the cluster cannot take now.
    pub(in crate::engine) fn check_cluster<'a>(
        &self,
        runtime: &AppRuntime,
        channels: impl IntoIterator<Item = &'a Channel>,
    ) -> Result<(), PublishError> {
        let Some(node) = self.cluster.node() else { return Ok(()) };
        match node.status().link() {
            LinkStatus::Refused { .. } => Err(PublishError::NotInCluster),
            LinkStatus::Joining if node.when_away() != WhenAway::Local => {
                Err(PublishError::ClusterAway)
            }
            LinkStatus::Away { .. }
                if node.when_away() != WhenAway::Local
                    && !channels.into_iter().all(|channel| node.reaches(&runtime.id, channel)) =>
            {
                Err(PublishError::ClusterAway)
            }
            _ if !node.has_room() => Err(PublishError::ClusterBacklog),
            _ => Ok(()),
        }
    }

    /// The event is delivered here as well when it comes back.
    pub(in crate::engine) fn publish_to_cluster(
        &self,
        node: &ClusterNode,
        (runtime, app): (&AppRuntime, &App),
        event: &EncodedEvent<'_>,
    ) -> EventOutcome {
        let channel = &event.channel;
        let is_kept =
            channel.kind().is_cached() && !matches!(event.publisher, Publisher::Socket { .. });
        let keep = is_kept.then(|| app.cache_ttl(channel));
        let Some(content) = content(event, keep) else {
            return EventOutcome::NotPublished(NotPublished::NotSealed);
        };
        let (done, outcome) = oneshot::channel();
        self.note_published(runtime, event);
        node.publish(Publication {
            channel: node.channel(&runtime.id, channel),
            content,
            keep,
            done: Some(done),
        });
        EventOutcome::InCluster(outcome)
    }

    fn note_published(&self, runtime: &AppRuntime, event: &EncodedEvent<'_>) {
        let record = runtime.directory.find(event.channel.name());
        let subscribers = record.map_or(0, |record| record.subscription_count());
        let context = PublishedContext { runtime, event, content: None, subscribers };
        self.note(Fact::Published(context));
    }

    /// An event of a client, which nobody waits for.
    pub(in crate::engine) fn publish_from_socket(
        &self,
        node: &ClusterNode,
        runtime: &AppRuntime,
        channel: &Channel,
        event: &EventContent<'_>,
    ) {
        let content = Bytes::from(event.to_bytes());
        let channel = node.channel(&runtime.id, channel);
        node.publish(Publication { channel, content, keep: None, done: None });
    }
}

/// `None`: nothing was sealed.
fn content(event: &EncodedEvent<'_>, keep: Option<Duration>) -> Option<Bytes> {
    let data = match &event.body {
        EventBody::Clear { data, .. } => EventData::Clear(data),
        EventBody::Sealed { frames, .. } => {
            EventData::Sealed { envelope: frames.envelope()?, version: frames.version()? }
        }
    };
    let (name, except, user_id) = (event.name, event.except, event.publisher.user_id());
    let keep_ms = keep.map(|keep| keep.as_millis() as u64);
    Some(EventContent { name, data, except, user_id, keep_ms }.to_bytes().into())
}

/// How an accepted event has reached its subscribers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Delivery {
    #[default]
    Everywhere,
    /// The cluster is away: only the subscribers of this node have it for certain.
    Local,
}
