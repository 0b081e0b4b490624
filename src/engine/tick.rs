//! The regular work of the engine.

use std::{sync::atomic::Ordering, time::Instant};

use super::{Engine, facts::Fact};
use crate::observe::audit::AuditFact;

impl Engine {
    /// Called about once a second, by one thread.
    pub fn tick(&self, now: Instant) {
        self.hub.pressure.set(self.capacity.look(), self.hub.sockets());
        self.client_faults.tick(now);
        self.close_while_away();
        self.close_revocable_while_cut_off(now);
        let trips = self.hub.trip_count();
        let dropped = trips - self.trips_noted.swap(trips, Ordering::Relaxed);
        if dropped > 0 {
            self.note(Fact::Audited(AuditFact::Tripwire { dropped }));
        }
        for runtime in self.runtimes().iter() {
            self.send_pending_counts(runtime, now);
            runtime.busiest.tick(now);
            self.announce_departures(runtime, now);
            // Applies a budget lowered by a reload now, not at the next event.
            let app = runtime.app();
            runtime.directory.enforce_limit(app.limits.cache_bytes, now);
            runtime.directory.enforce_log_limit(app.limits.history_bytes, now);
            self.note_finished(runtime);
        }
        self.tick_removed(now);
    }

    /// Called from time to time, by one thread: it walks all records.
    pub fn sweep(&self, now: Instant) {
        self.runtimes().iter().for_each(|runtime| runtime.directory.sweep(now));
    }
}
