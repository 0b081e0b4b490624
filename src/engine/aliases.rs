//! Subscriptions to names that a reload has made aliases (`sealing_alias`). What is published on
//! these names arrives on another channel from there on, so the subscriptions would stay silent.

use super::{AppRuntime, Engine};
use crate::hub::authorization_cache::EndReason;

impl Engine {
    /// Called after the application has its new alias. `Engine::subscribe` looks at the alias under
    /// the lock of the channel's record, so a subscription is refused there or ended here.
    pub(super) fn end_subscriptions_to_aliases(&self, runtime: &AppRuntime) {
        let app = runtime.app_snapshot();
        let mut ended = 0;
        for record in runtime.directory.records() {
            if !app.sealing_alias.is_alias(record.channel().name()) {
                continue;
            }
            if let Some(locked) = record.enter() {
                ended += locked.subscription_count();
                locked.end(&self.hub, EndReason::BecameAlias);
            }
        }
        if ended > 0 {
            tracing::warn!(
                app.id = &*runtime.id,
                subscriptions = ended,
                "subscriptions to names that are aliases of encrypted channels now were ended: their clients have to subscribe to the encrypted channels (sealing_alias)"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        app::{App, AppRegistry},
        domain::channel::{Channel, InvalidChannel},
        engine::{
            keys::keyfile::KeyFile,
            subscribe::{Admission, SubscribeError, Subscriber},
        },
        hub::{Hub, socket_ids::SocketIds},
        platform::clock::KnownAsOf,
    };

    /// A reload between the session's look at the name and this call has ended what it found before.
    #[test]
    fn subscription_overtaken_by_a_reload_is_refused() {
        let hub = Hub::new(1, 1000, 1000);
        let app = App::for_tests("a");
        let runtime =
            AppRuntime::new(app, KeyFile::of_app(Path::new("/nowhere"), "a"), hub.clone());
        let engine = Engine::new(hub, AppRegistry::new());
        let subscriber = Subscriber {
            socket_id: SocketIds::of_worker(0).next_id().unwrap(),
            worker: 0,
            user: None,
            opened: KnownAsOf::NEVER,
        };
        let subscribe = |name: &str| {
            let channel = Channel::parse(name, 200).unwrap();
            let admission = Admission {
                member: None,
                granted: None,
                recover: None,
                attempt: 0,
                is_overdue: false,
            };
            engine.subscribe(&runtime, &subscriber, &channel, admission).map(drop)
        };
        assert!(subscribe("private-orders").is_ok());
        let refused = subscribe("private-sealed-orders");
        assert!(matches!(refused, Err(SubscribeError::Channel(InvalidChannel::Alias { .. }))));
        assert!(runtime.directory.find("private-sealed-orders").is_none());
    }
}
