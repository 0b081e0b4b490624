//! The verbs: one function for each operation on an app's channels and users. Transports call them;
//! the engine knows the hub and the domain, and no socket.

mod aliases;
pub mod client_event;
mod client_faults;
pub mod counts;
pub mod grants;
mod held;
mod key_deadlines;
mod key_errors;
pub mod key_report;
mod key_store;
pub mod opening;
pub mod publish;
pub mod queries;
mod questions;
pub mod readiness;
mod reconcile;
pub mod reconfigure;
mod refused;
pub mod refusing;
mod reloads;
pub mod rotation;
mod sealed_channels;
mod shown;
mod standing;
mod stragglers;
pub mod subscribe;
mod tenant;
pub mod unwritten;
pub mod users;
pub mod waiting_keys;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use arc_swap::{ArcSwap, Guard};
pub use client_faults::{ClientFault, ClientFaults};
use counts::EngineCounts;
use key_report::{AppKey, AppMoves};
use parking_lot::Mutex;
use reconfigure::Leaving;
use refused::RefusedStats;
pub use reloads::Reloads;
pub use tenant::{ConnectionGuard, Tenant};

use crate::{
    app::AppRegistry,
    audit::{Audit, AuditStats, Fact},
    capacity::Capacity,
    clock::ServerClock,
    counting::Count,
    explain::Refusals,
    hub::{Hub, directory::Occupancy},
    live::Feed,
    webhook,
};

pub struct Engine {
    pub hub: Arc<Hub>,
    /// Swapped as a whole by a reload.
    tenants: ArcSwap<AppRegistry<Tenant>>,
    /// Apps removed by a reload that still drain.
    leaving: Mutex<Vec<Leaving>>,
    pub reloads: Reloads,
    pub audit: Audit,
    pub live: Arc<Feed>,
    pub refusals: Refusals,
    pub counts: EngineCounts,
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
pub struct Stats {
    pub sockets: usize,
    #[serde(flatten)]
    pub occupancy: Occupancy,
    pub outbox_bytes: usize,
    pub mailbox_bytes: usize,
    /// Connections closed because they read too slowly.
    pub slow_readers: usize,
    pub refused: RefusedStats,
    /// Plaintext events stopped on encrypted channels. More than zero is a bug in the server.
    pub tripwire: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditStats>,
    /// `None` if no app has webhooks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhooks: Option<webhook::Stats>,
    /// Keys of sealing apps, without retired keys.
    pub keys: Vec<AppKey>,
    pub moves: Vec<AppMoves>,
}

impl Engine {
    pub fn new(hub: Arc<Hub>, tenants: AppRegistry<Tenant>) -> Self {
        Self {
            hub,
            tenants: ArcSwap::from_pointee(tenants),
            leaving: Mutex::default(),
            reloads: Reloads::default(),
            audit: Audit::off(),
            live: Arc::default(),
            refusals: Refusals::default(),
            counts: EngineCounts::default(),
            client_faults: ClientFaults::default(),
            trips_noted: AtomicU64::new(0),
            capacity: Capacity::unlimited(),
            clock: ServerClock::default(),
            log_lines_dropped: Arc::default(),
        }
    }

    /// The apps at this moment.
    pub fn tenants(&self) -> Guard<Arc<AppRegistry<Tenant>>> {
        self.tenants.load()
    }

    /// The same, for use over a longer time.
    pub fn tenants_kept(&self) -> Arc<AppRegistry<Tenant>> {
        self.tenants.load_full()
    }

    /// Called about once a second, by one thread.
    pub fn tick(&self, now: Instant) {
        self.hub.pressure.set(self.capacity.look(), self.hub.sockets());
        self.client_faults.tick(now);
        let trips = self.hub.trips();
        let dropped = trips - self.trips_noted.swap(trips, Ordering::Relaxed);
        if dropped > 0 {
            self.audit.note(Fact::Tripwire { dropped });
        }
        for tenant in self.tenants().iter() {
            tenant.send_pending_counts(&self.hub, now);
            tenant.announce_departures(&self.hub, now);
            tenant.tell_held(&self.hub, now);
            // Applies a budget lowered by a reload now, not at the next event.
            tenant.directory.drop_beyond(tenant.app().limits.cache_bytes, now);
            self.note_finished(tenant);
        }
        self.tick_leaving(now);
    }

    /// Called from time to time, by one thread: it walks all records.
    pub fn sweep(&self, now: Instant) {
        self.tenants().iter().for_each(|tenant| tenant.directory.sweep(now));
    }

    pub fn stats(&self) -> Stats {
        let (mut occupancy, mut webhooks) = (Occupancy::default(), None::<webhook::Stats>);
        for tenant in self.tenants().iter() {
            occupancy += tenant.directory.occupancy();
            if let Some(hooks) = tenant.webhooks() {
                *webhooks.get_or_insert_default() += hooks.stats();
            }
        }
        let (keys, moves) = self.key_stats();
        Stats {
            sockets: self.hub.sockets(),
            occupancy,
            outbox_bytes: self.hub.outbox_bytes(),
            mailbox_bytes: self.hub.mailbox_bytes(),
            slow_readers: self.hub.slow_readers(),
            refused: self.counts.refused.stats(),
            tripwire: self.hub.trips(),
            audit: self.audit.stats(),
            webhooks,
            keys,
            moves,
        }
    }
}
