//! Events on their way to the nodes of their subscribers.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{
    super::{
        AppRuntime, Engine,
        event::{EncodedEvent, EventBody, PublishError, Publisher},
        facts::{Fact, PublishedContext},
        history::outcome::{EventOutcome, NotPublished},
    },
    logs::append,
};
use crate::{
    app::App,
    cluster::{
        content::{EventContent, EventData},
        node::{ClusterNode, commands::Publication, status::LinkStatus},
        settings::WhenAway,
    },
    domain::{channel::Channel, channel_settings::HistorySettings},
};

impl Engine {
    /// Refuses events on these channels that the cluster cannot take now. Logged ones wait for Redis.
    pub(in crate::engine) fn check_cluster<'a>(
        &self,
        runtime: &AppRuntime,
        channels: impl IntoIterator<Item = &'a Channel>,
        is_logged: bool,
    ) -> Result<(), PublishError> {
        let Some(node) = self.cluster.node() else { return Ok(()) };
        let may_wait = node.when_away() == WhenAway::Local || is_logged;
        match node.status().link() {
            LinkStatus::Refused { .. } => Err(PublishError::NotInCluster),
            LinkStatus::Joining if !may_wait => Err(PublishError::ClusterAway),
            LinkStatus::Away { .. }
                if !may_wait
                    && !channels.into_iter().all(|channel| node.reaches(&runtime.id, channel)) =>
            {
                Err(PublishError::ClusterAway)
            }
            _ if !node.has_room() => Err(PublishError::ClusterBacklog),
            _ => Ok(()),
        }
    }

    /// The settings of the log in Redis that takes the event.
    pub(in crate::engine) fn logged_in_cluster(
        &self,
        app: &App,
        channel: &Channel,
        publisher: Publisher<'_>,
    ) -> Option<Arc<HistorySettings>> {
        self.cluster.node()?;
        let settings = app.channel_settings(channel).history?;
        (publisher == Publisher::Backend || settings.client_events).then_some(settings)
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
        let settings = self.logged_in_cluster(app, channel, event.publisher);
        if settings.is_none() && event.condition.is_some() {
            return EventOutcome::NotPublished(NotPublished::NotLogged);
        }
        // What ends a log ends the last event with it.
        let life = settings.as_ref().map_or(Duration::MAX, |settings| settings.idle);
        let keep = is_kept.then(|| app.cache_ttl(channel).min(life));
        let Some(content) = content(event, keep, settings.is_some()) else {
            return EventOutcome::NotPublished(NotPublished::NotSealed);
        };
        let (done, outcome) = oneshot::channel();
        self.note_published(runtime, event);
        node.publish(Publication {
            channel: node.channel(&runtime.id, channel),
            content,
            keep,
            log: settings.as_deref().map(|settings| append(settings, event.condition)),
            done: Some(done),
        });
        match settings {
            Some(_) => {
                runtime.counts.history.logged.add();
                EventOutcome::InLog(outcome)
            }
            None => EventOutcome::InCluster(outcome),
        }
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
        settings: Option<Arc<HistorySettings>>,
    ) {
        let content = Bytes::from(event.to_bytes());
        let channel = node.channel(&runtime.id, channel);
        let log = settings.map(|settings| append(&settings, None));
        node.publish(Publication { channel, content, keep: None, log, done: None });
    }
}

/// `None`: nothing was sealed.
fn content(event: &EncodedEvent<'_>, keep: Option<Duration>, is_logged: bool) -> Option<Bytes> {
    let data = match &event.body {
        EventBody::Clear { data, .. } => EventData::Clear(data),
        EventBody::Sealed { frames, .. } => {
            EventData::Sealed { envelope: frames.envelope()?, version: frames.version()? }
        }
    };
    let (name, except, user_id) = (event.name, event.except, event.publisher.user_id());
    let keep_ms = keep.map(|keep| keep.as_millis() as u64);
    Some(EventContent { name, data, except, user_id, keep_ms, is_logged }.to_bytes().into())
}

/// How an accepted event has reached its subscribers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Delivery {
    #[default]
    Everywhere,
    /// The cluster is away: only the subscribers of this node have it for certain.
    Local,
}
