//! What the thread of the node asks of the engine.

use std::sync::Weak;

use bytes::Bytes;

use crate::{
    cluster::{content::FactContent, membership::effect::NodeLoad, node::host::NodeHost},
    domain::channel::Channel,
    engine::Engine,
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

    /// Of an app that was removed meanwhile, or a name that no version wrote, there is nobody to tell.
    fn fact(&self, fact: &FactContent<'_>) {
        let Some(engine) = self.0.upgrade() else { return };
        let Ok(channel) = Channel::restore(fact.channel) else { return };
        if let Some(runtime) = engine.runtimes().by_id(fact.app) {
            runtime.note_webhooks(&channel, &fact.fact);
        }
    }
}
