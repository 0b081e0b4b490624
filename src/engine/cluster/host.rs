//! What the thread of the node asks of the engine.

use std::{
    sync::{Arc, Weak},
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;

use super::answering;
use crate::{
    channels::{fact::ChannelFactKind, fact_receipt::SourcedFact},
    cluster::{
        content::{FactContent, RevocationContent},
        membership::effect::NodeLoad,
        node::host::{Company, HostAnswer, HostTable, NodeHost, TablesTaken},
    },
    domain::channel::Channel,
    engine::Engine,
    observe::webhook::FactOrigin,
};

/// Refers to the engine weakly, since the engine leads to the thread.
pub(super) struct EngineHost(pub Weak<Engine>);

impl NodeHost for EngineHost {
    /// Nothing of the apps: a change of them, and a new master key, go from node to node.
    fn identity(&self) -> Bytes {
        Bytes::new()
    }

    fn load(&self) -> NodeLoad {
        let sockets = self.0.upgrade().map_or(0, |engine| engine.hub.sockets());
        NodeLoad { sockets: sockets as u64, ..NodeLoad::default() }
    }

    fn wants_fact(&self, app: &str, channel: &Channel, kind: ChannelFactKind) -> bool {
        let Some(engine) = self.0.upgrade() else { return false };
        let Some(runtime) = engine.runtimes().by_id(app).cloned() else { return false };
        let is_told = kind != ChannelFactKind::SubscriptionCount || runtime.tells_count(channel);
        is_told && runtime.wants_webhook(channel, kind)
    }

    /// Of an app that was removed meanwhile, or a name that no version wrote, there is nobody to tell.
    fn fact(&self, fact: &FactContent<'_>, source: &Arc<SourcedFact>) {
        let Some(engine) = self.0.upgrade() else { return };
        let Ok(channel) = Channel::restore(fact.channel) else { return };
        if let Some(runtime) = engine.runtimes().by_id(fact.app) {
            let occurred = UNIX_EPOCH + Duration::from_millis(fact.at_ms);
            let origin = FactOrigin { occurred, source: Some(source.clone()) };
            runtime.note_webhooks(&channel, &fact.fact, origin);
        }
    }

    fn has_fact_room(&self) -> bool {
        let Some(engine) = self.0.upgrade() else { return false };
        let runtimes = engine.runtimes();
        runtimes.iter().all(|it| it.webhooks().is_none_or(|webhooks| webhooks.has_room()))
    }

    /// Nobody asks for the channels of an app that was removed.
    fn look_after(&self, app: &str, channel: &Channel) {
        let Some(engine) = self.0.upgrade() else { return };
        let Some(runtime) = engine.runtimes().by_id(app).cloned() else { return };
        engine.look_after(&runtime, channel);
    }

    fn answer(&self, request: Bytes) -> HostAnswer {
        Box::pin(answering::answer(self.0.clone(), request))
    }

    fn apps(&self) -> Vec<Arc<str>> {
        let Some(engine) = self.0.upgrade() else { return Vec::new() };
        engine.runtimes().iter().map(|runtime| runtime.id.clone()).collect()
    }

    fn sealed_apps(&self) -> Vec<Arc<str>> {
        let Some(engine) = self.0.upgrade() else { return Vec::new() };
        let runtimes = engine.runtimes();
        let sealed = runtimes.iter().filter(|runtime| runtime.keys().is_some());
        sealed.map(|runtime| runtime.id.clone()).collect()
    }

    fn take_tables(&self, stored: Vec<HostTable>, company: Company) -> TablesTaken {
        let engine = self.0.clone();
        Box::pin(async move {
            let Some(engine) = engine.upgrade() else { return Ok(Vec::new()) };
            let take = move || take_tables(&engine, stored, company);
            tokio::task::spawn_blocking(take).await.unwrap_or_else(|error| Err(error.to_string()))
        })
    }

    fn table(&self, app: &str) -> Option<Bytes> {
        self.0.upgrade()?.table_content(app).map(Bytes::from)
    }

    fn take_revocations(&self, app: &Arc<str>, stored: &[RevocationContent<'_>]) -> Vec<Bytes> {
        let Some(engine) = self.0.upgrade() else { return Vec::new() };
        let runtime = engine.runtimes().by_id(app).cloned();
        runtime.map_or_else(Vec::new, |runtime| engine.take_stored(&runtime, stored))
    }
}

/// Of all apps. The first that cannot be taken says why.
fn take_tables(
    engine: &Engine,
    stored: Vec<HostTable>,
    company: Company,
) -> Result<Vec<Arc<str>>, String> {
    let mut behind = Vec::new();
    for (app, content) in stored {
        let content = content.as_ref().map(|content| &content[..]);
        match engine.take_stored_table(&app, content, company) {
            Ok(true) => behind.push(app),
            Ok(false) => {}
            Err(refusal) => return Err(refusal.to_string()),
        }
    }
    Ok(behind)
}
