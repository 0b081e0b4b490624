//! The figures of `/stats`.

use super::{
    Engine,
    cluster::ClusterStats,
    keys::key_report::{AppKey, AppRekeyTotals},
    refusal_counters::RefusalStats,
};
use crate::{
    history::journal::JournalStats,
    hub::directory::Occupancy,
    observe::{audit::AuditStats, webhook},
};

/// The body of `/stats`.
#[derive(serde::Serialize)]
pub struct EngineStats {
    pub sockets: usize,
    #[serde(flatten)]
    pub occupancy: Occupancy,
    /// Bytes of all logs in memory.
    pub log_bytes: usize,
    pub event_streams: usize,
    pub outbox_bytes: usize,
    pub mailbox_bytes: usize,
    /// Connections closed because they read too slowly.
    pub slow_readers: usize,
    pub refused: RefusalStats,
    /// Plaintext events stopped on encrypted channels. More than zero is a bug in the server.
    pub tripwire: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditStats>,
    /// `None` without a history on disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal: Option<JournalStats>,
    /// `None` without a cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterStats>,
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
            log_bytes: self.hub.history.bytes(),
            event_streams: self.hub.event_streams(),
            outbox_bytes: self.hub.outbox_bytes(),
            mailbox_bytes: self.hub.mailbox_bytes(),
            slow_readers: self.hub.slow_readers(),
            refused: self.counts.refused.stats(),
            tripwire: self.hub.trip_count(),
            audit: self.audit.stats(),
            journal: self.history.journal.stats(),
            cluster: self.cluster_stats(),
            webhooks,
            keys,
            moves,
        }
    }
}
