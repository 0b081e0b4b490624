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
    pub version: &'static str,
    pub uptime_seconds: u64,
    pub sockets: usize,
    #[serde(flatten)]
    pub occupancy: Occupancy,
    /// Bytes of all logs in memory.
    pub log_bytes: usize,
    pub event_streams: usize,
    /// Events since the start: of backends, of clients, and as frames to subscribers.
    pub published: u64,
    pub client_events: u64,
    pub deliveries: u64,
    pub delivered_bytes: u64,
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
        let (mut published, mut client_events) = (0, 0);
        for runtime in self.runtimes().iter() {
            occupancy += runtime.directory.occupancy();
            published += runtime.counts.published.get();
            client_events += runtime.counts.client_events.get();
            if let Some(hooks) = runtime.webhooks() {
                *webhooks.get_or_insert_default() += hooks.stats();
            }
        }
        let (keys, moves) = self.key_stats();
        let gauges = self.hub.all_gauges();
        EngineStats {
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: self.clock.uptime().as_secs(),
            sockets: self.hub.sockets(),
            occupancy,
            log_bytes: self.hub.history.bytes(),
            event_streams: self.hub.event_streams(),
            published,
            client_events,
            deliveries: gauges.iter().map(|it| it.deliveries.get()).sum(),
            delivered_bytes: gauges.iter().map(|it| it.delivered_bytes.get()).sum(),
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
