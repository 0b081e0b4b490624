//! The thread of one worker: delivery, timers, and the HTTP connections.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use actix_rt::task::JoinHandle;

use super::{
    deadlines::HEAD_DEADLINE,
    http_connections::{Demand, HttpConnections},
    http_usage::Patience,
};
use crate::web::context::worker::{SharedState, Worker};

pub struct WorkerThread {
    pub worker: Rc<Worker>,
    pub http: HttpConnections,
    cut_at: Cell<Instant>,
}

/// HTTP connections closed for each new one while descriptors are short.
const FREED_AT_ONCE: usize = 4;
/// All sockets are looked at no more often.
const BETWEEN_CUTS: Duration = Duration::from_millis(50);

const TICK: Duration = Duration::from_secs(1);
/// Ticks between sweeps of unused memory.
const SWEEP_TICKS: u32 = 30;

impl WorkerThread {
    /// Starts the delivery and timer tasks of this thread.
    pub fn start(shared: SharedState) -> Rc<Self> {
        let engine = &shared.engine;
        let http = HttpConnections::new(engine.capacity.memory_limit(), engine.hub.workers());
        let worker = Rc::new(Worker::new(shared));
        let shard = worker.shard.clone();
        let thread = Rc::new(Self { worker, http, cut_at: Cell::new(Instant::now()) });
        // Unconstrained: the runtime's operation budget per task would make writes report a full
        // socket that is not full. All these tasks yield by themselves.
        actix_rt::spawn(tokio::task::unconstrained(shard.clone().run()));
        actix_rt::spawn(tokio::task::unconstrained(shard.clone().run_turns()));
        actix_rt::spawn(shard.run_drain());
        actix_rt::spawn(tokio::task::unconstrained(thread.clone().tick()));
        thread
    }

    /// Closes idle HTTP connections, and sockets after their close frame.
    pub fn free_descriptors(&self) {
        self.http.make_room(FREED_AT_ONCE);
        let now = Instant::now();
        if now.duration_since(self.cut_at.get()) >= BETWEEN_CUTS {
            self.cut_at.set(now);
            self.worker.shard.cut_closing();
        }
    }

    /// On a thread that may wait for a disk: sockets do not. One at a time, since a disk that hangs
    /// would otherwise take one more thread each second.
    fn spawn_key_changes(&self, now: Instant, running: &mut Option<JoinHandle<()>>) {
        let ended = running.as_ref().is_none_or(JoinHandle::is_finished);
        if ended && self.worker.engine.key_changes_are_due(now) {
            let engine = self.worker.engine.clone();
            *running = Some(actix_rt::task::spawn_blocking(move || engine.tick_keys(now)));
        }
    }

    /// Must be called before the shard closes sockets, whose clients would all come back.
    fn tick_http(&self, now: Instant) {
        let patience = {
            let settings = self.worker.settings();
            Patience {
                stalled: settings.stalled,
                waiting: self.worker.start_settings.keep_alive + HEAD_DEADLINE,
            }
        };
        let demand = match self.worker.engine.hub.pressure.excess() {
            None => Demand::Nothing,
            Some(0) => Demand::Idle,
            Some(bytes) => Demand::Bytes(bytes / self.worker.engine.hub.workers().max(1)),
        };
        self.http.tick(now, patience, demand);
    }

    async fn tick(self: Rc<Self>) {
        let first = self.worker.shard.worker() == 0;
        let mut key_changes = None;
        for ticks in 1u32.. {
            actix_rt::time::sleep(TICK).await;
            let now = Instant::now();
            let hub = &self.worker.engine.hub;
            hub.all_gauges()[self.worker.shard.worker()].ticks.add();
            self.tick_http(now);
            self.worker.shard.tick(now);
            if first {
                self.worker.engine.tick(now);
                self.spawn_key_changes(now, &mut key_changes);
            }
            if ticks.is_multiple_of(SWEEP_TICKS) {
                self.worker.shard.give_back();
                if first {
                    self.worker.engine.sweep(now);
                }
            }
        }
    }
}
