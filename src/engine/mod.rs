//! The verbs: one function for each operation on an app's channels and users. Sessions and request
//! handlers call them; the engine knows no transport.

mod aliases;
mod app_runtime;
mod channel_snapshot;
pub mod client_event;
mod client_faults;
pub mod counts;
mod departures;
mod effects;
pub mod facts;
pub mod grants;
pub mod opening;
pub mod publish;
pub mod queries;
pub mod readiness;
mod reauth_refusal;
pub mod reconfigure;
mod refusal_counters;
pub mod refusal_message;
mod reloads;
pub mod subscribe;
pub mod users;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

pub use app_runtime::{AppRuntime, ConnectionGuard};
use arc_swap::{ArcSwap, Guard};
pub use client_faults::{ClientFault, ClientFaults};
use counts::EngineCounters;
use facts::Fact;
use parking_lot::Mutex;
use reconfigure::RemovedApp;
use refusal_counters::RefusalStats;
pub use reloads::Reloads;

use crate::{
    app::AppRegistry,
    engine::keys::key_report::{AppKey, AppRekeyTotals},
    hub::{Hub, channel_opener::ChannelOpener, directory::Occupancy},
    observe::{
        audit::{Audit, AuditFact, AuditStats},
        explain::RefusalLog,
        live::LiveBroadcaster,
        webhook,
    },
    platform::{capacity::Capacity, clock::ServerClock, counting::Count},
};

pub struct Engine {
    pub hub: Arc<Hub>,
    pub opener: ChannelOpener,
    /// Swapped as a whole by a reload.
    runtimes: ArcSwap<AppRegistry<AppRuntime>>,
    /// Apps removed by a reload that still drain.
    removed: Mutex<Vec<RemovedApp>>,
    pub reloads: Reloads,
    audit: Audit,
    live: Arc<LiveBroadcaster>,
    pub refusals: RefusalLog,
    pub counts: EngineCounters,
    pub client_faults: ClientFaults,
    pub capacity: Capacity,
    pub clock: ServerClock,
    /// Log lines dropped because standard error was too slow.
    pub log_lines_dropped: Arc<Count>,
    /// Tripwire count already recorded in the audit log.
    trips_noted: AtomicU64,
}

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
    pub fn new(hub: Arc<Hub>, runtimes: AppRegistry<AppRuntime>) -> Self {
        Self {
            hub,
            opener: ChannelOpener::Local,
            runtimes: ArcSwap::from_pointee(runtimes),
            removed: Mutex::default(),
            reloads: Reloads::default(),
            audit: Audit::off(),
            live: Arc::default(),
            refusals: RefusalLog::default(),
            counts: EngineCounters::default(),
            client_faults: ClientFaults::default(),
            trips_noted: AtomicU64::new(0),
            capacity: Capacity::unlimited(),
            clock: ServerClock::default(),
            log_lines_dropped: Arc::default(),
        }
    }

    /// The receivers of facts, before the server begins.
    pub fn with_receivers(self, audit: Audit, live: Arc<LiveBroadcaster>) -> Self {
        Self { audit, live, ..self }
    }

    /// False if facts about access go nowhere: callers then skip building expensive ones.
    pub fn is_audited(&self) -> bool {
        self.audit.is_on()
    }

    /// `None` without a file.
    pub fn audit_stats(&self) -> Option<AuditStats> {
        self.audit.stats()
    }

    /// The feed for watchers.
    pub fn live(&self) -> &Arc<LiveBroadcaster> {
        &self.live
    }

    /// The apps at this moment.
    pub fn runtimes(&self) -> Guard<Arc<AppRegistry<AppRuntime>>> {
        self.runtimes.load()
    }

    /// The same, for use over a longer time.
    pub fn runtimes_snapshot(&self) -> Arc<AppRegistry<AppRuntime>> {
        self.runtimes.load_full()
    }

    /// Called about once a second, by one thread.
    pub fn tick(&self, now: Instant) {
        self.hub.pressure.set(self.capacity.look(), self.hub.sockets());
        self.client_faults.tick(now);
        let trips = self.hub.trip_count();
        let dropped = trips - self.trips_noted.swap(trips, Ordering::Relaxed);
        if dropped > 0 {
            self.note(Fact::Audited(AuditFact::Tripwire { dropped }));
        }
        for runtime in self.runtimes().iter() {
            self.send_pending_counts(runtime, now);
            self.announce_departures(runtime, now);
            // Applies a budget lowered by a reload now, not at the next event.
            runtime.directory.enforce_limit(runtime.app().limits.cache_bytes, now);
            self.note_finished(runtime);
        }
        self.tick_removed(now);
    }

    /// Called from time to time, by one thread: it walks all records.
    pub fn sweep(&self, now: Instant) {
        self.runtimes().iter().for_each(|runtime| runtime.directory.sweep(now));
    }

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

pub mod keys;
#[cfg(test)]
mod tests;
