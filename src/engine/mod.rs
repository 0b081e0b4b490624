//! The verbs: one function for each operation on an app's channels and users. Sessions and request
//! handlers call them; the engine knows no transport.

mod aliases;
mod app_runtime;
pub mod app_update;
pub mod busiest;
pub mod cached_reply;
pub mod channel_snapshot;
pub mod clear_cached;
pub mod client_event;
mod client_faults;
pub mod cluster;
pub mod counts;
mod departing;
mod departures;
mod effects;
pub mod event;
pub mod facts;
pub mod grants;
pub mod history;
pub mod inspection;
pub mod keys;
pub mod marks;
pub mod opening;
mod payload_rule;
pub mod process_control;
pub mod publish;
pub mod queries;
pub mod readiness;
mod reauth_refusal;
pub mod reconfigure;
mod refusal_counters;
pub mod refusal_message;
mod reloads;
mod removed_app;
pub mod reveal;
pub mod stats;
pub mod subscribe;
mod tick;
mod tickets;
pub mod users;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64},
};

pub use app_runtime::{AppRuntime, ConnectionGuard};
use arc_swap::{ArcSwap, Guard};
pub use client_faults::{ClientFault, ClientFaults};
use cluster::Cluster;
use counts::EngineCounters;
use history::HistoryStores;
use marks::Timeline;
use parking_lot::Mutex;
use process_control::ProcessControl;
pub use reloads::{LastReload, Reloads};
use removed_app::RemovedApp;
use reveal::Reveals;

use crate::{
    app::AppRegistry,
    hub::{Hub, channel_opener::ChannelOpener},
    observe::{
        audit::{Audit, AuditPage, AuditStats},
        explain::RefusalLog,
        live::LiveBroadcaster,
    },
    platform::{capacity::Capacity, clock::ServerClock, counting::Count},
};

pub struct Engine {
    pub hub: Arc<Hub>,
    pub opener: ChannelOpener,
    pub cluster: Cluster,
    /// Connections were closed since the other nodes cannot be reached.
    closed_while_away: AtomicBool,
    /// This node is on its own for longer than a lease.
    was_cut_off: AtomicBool,
    /// Swapped as a whole by a reload.
    runtimes: ArcSwap<AppRegistry<AppRuntime>>,
    /// Apps removed by a reload that still drain.
    removed: Mutex<Vec<RemovedApp>>,
    pub reloads: Reloads,
    pub control: ProcessControl,
    audit: Audit,
    live: Arc<LiveBroadcaster>,
    pub refusals: RefusalLog,
    pub marks: Timeline,
    pub reveals: Arc<Reveals>,
    pub counts: EngineCounters,
    pub client_faults: ClientFaults,
    pub capacity: Capacity,
    pub clock: ServerClock,
    pub history: HistoryStores,
    /// Log lines dropped because standard error was too slow.
    pub log_lines_dropped: Arc<Count>,
    /// Tripwire count already recorded in the audit log.
    trips_noted: AtomicU64,
}

impl Engine {
    pub fn new(hub: Arc<Hub>, runtimes: AppRegistry<AppRuntime>) -> Self {
        Self {
            hub,
            opener: ChannelOpener::Local,
            cluster: Cluster::Local,
            closed_while_away: AtomicBool::new(false),
            was_cut_off: AtomicBool::new(false),
            runtimes: ArcSwap::from_pointee(runtimes),
            removed: Mutex::default(),
            reloads: Reloads::default(),
            control: ProcessControl::default(),
            audit: Audit::off(),
            live: Arc::default(),
            refusals: RefusalLog::default(),
            marks: Timeline::default(),
            reveals: Arc::default(),
            counts: EngineCounters::default(),
            client_faults: ClientFaults::default(),
            trips_noted: AtomicU64::new(0),
            capacity: Capacity::unlimited(),
            clock: ServerClock::default(),
            history: HistoryStores::in_memory(),
            log_lines_dropped: Arc::default(),
        }
    }

    /// The receivers of facts, before the server begins.
    pub fn with_receivers(self, audit: Audit, live: Arc<LiveBroadcaster>) -> Self {
        Self { audit, live, ..self }
    }

    /// At most `limit` of the newest facts of the audit log.
    pub fn recent_facts(&self, limit: usize) -> AuditPage {
        self.audit.recent(limit)
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
}

#[cfg(test)]
mod tests;
