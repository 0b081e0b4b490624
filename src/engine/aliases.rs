//! Subscriptions to names that a reload has made aliases (`sealing_alias`). What is published on
//! these names arrives on another channel from there on, so the subscriptions would stay silent.

use super::{Engine, Tenant};
use crate::hub::granted::Ended;

impl Engine {
    /// Called after the application has its new alias. `Engine::subscribe` looks at the alias under
    /// the lock of the channel's record, so a subscription is refused there or ended here.
    pub(super) fn end_subscriptions_to_aliases(&self, tenant: &Tenant) {
        let app = tenant.app_kept();
        let mut ended = 0;
        for record in tenant.directory.records() {
            if !app.sealing_alias.is_alias(record.channel().name()) {
                continue;
            }
            if let Some(locked) = record.enter() {
                ended += locked.subscription_count();
                locked.end(&self.hub, Ended::BecameAlias);
            }
        }
        if ended > 0 {
            tracing::warn!(
                app.id = &*tenant.id,
                subscriptions = ended,
                "subscriptions to names that are aliases of encrypted channels now were ended: their clients have to subscribe to the encrypted channels (sealing_alias)"
            );
        }
    }
}
