//! The figures of `/stats`.

use super::{
    Engine,
    keys::key_report::{AppKey, AppRekeyTotals},
    refusal_counters::RefusalStats,
};
use crate::{
    hub::directory::Occupancy,
    observe::{audit::AuditStats, webhook},
};

/// The body of `/stats`.
#[derive(serde::Serialize)]
pub struct EngineStats {
    pub sockets: usize,
    #[serde(flatten)]
    pub occupancy: Occupancy,
    pub outbox_bytes: usize,
    pub mailbox_bytes: usize,
    /// Connections closed because they read too slowly.
    pub slow_readers: usize,
    pub refused: RefusalStats,
    /// Plaintext events stopped on encrypted channels. More than zero is a bug in the server.
    pub tripwire: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditStats>,
    /// `None` if no app has webhooks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhooks: Option<webhook::WebhookStats>,
    /// Keys of sealing apps, without retired keys.
    pub keys: Vec<AppKey>,
    pub moves: Vec<AppRekeyTotals>,
}

impl Engine {
    pub fn stats(&self) -> EngineStats {
        let (mut occupancy, mut webhooks) = (Occupancy::default(), None::<webhook::WebhookStats>);
        for runtime in self.runtimes().iter() {
            occupancy += runtime.directory.occupancy();
            if let Some(hooks) = runtime.webhooks() {
                *webhooks.get_or_insert_default() += hooks.stats();
            }
        }
        let (keys, moves) = self.key_stats();
        EngineStats {
            sockets: self.hub.sockets(),
            occupancy,
            outbox_bytes: self.hub.outbox_bytes(),
            mailbox_bytes: self.hub.mailbox_bytes(),
            slow_readers: self.hub.slow_readers(),
            refused: self.counts.refused.stats(),
            tripwire: self.hub.trip_count(),
            audit: self.audit.stats(),
            webhooks,
            keys,
            moves,
        }
    }
}
