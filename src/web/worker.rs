//! The state of one worker thread.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_rt::task::JoinHandle;
use arc_swap::{ArcSwap, Guard};

use super::{
    ServerSettings,
    client_rate_limits::ClientRateLimits,
    http_connections::{Demand, HttpConnections},
    http_usage::Patience,
    services::HEAD_DEADLINE,
};
use crate::{
    engine::Engine,
    hub::{shard::Shard, socket_ids::SocketIds},
    web::metrics::Metrics,
};

pub struct Worker {
    pub engine: Arc<Engine>,
    pub metrics: Arc<Metrics>,
    /// Shared by all workers; replaced as a whole by a reload.
    settings: Arc<ArcSwap<ServerSettings>>,
    pub client_rate_limits: Arc<ClientRateLimits>,
    pub shard: Rc<Shard>,
    pub http: HttpConnections,
    cut_at: Cell<Instant>,
    /// Every socket of the worker reads into this one buffer: an idle socket has none of its own.
    pub scratch: RefCell<Vec<u8>>,
    pub socket_ids: RefCell<SocketIds>,
}

/// Room for one read, besides the rest of an earlier message.
const READ_BYTES: usize = 16 * 1024;
/// The longest header of a client's frame.
const HEADER_BYTES: usize = 14;

/// HTTP connections closed for each new one while descriptors are short.
const FREED_AT_ONCE: usize = 4;
/// All sockets are looked at no more often.
const BETWEEN_CUTS: Duration = Duration::from_millis(50);

const TICK: Duration = Duration::from_secs(1);
/// Ticks between sweeps of unused memory.
const SWEEP_TICKS: u32 = 30;

impl Worker {
    /// Starts the delivery and timer tasks of this thread.
    pub fn start(
        engine: Arc<Engine>,
        metrics: Arc<Metrics>,
        settings: Arc<ArcSwap<ServerSettings>>,
        client_rate_limits: Arc<ClientRateLimits>,
    ) -> Rc<Self> {
        let shard = Shard::new(engine.hub.clone());
        let http = HttpConnections::new(engine.capacity.memory_limit(), engine.hub.workers());
        let worker = Rc::new(Self {
            http,
            cut_at: Cell::new(Instant::now()),
            engine,
            metrics,
            settings,
            client_rate_limits,
            socket_ids: RefCell::new(SocketIds::of_worker(shard.worker())),
            shard,
            scratch: RefCell::default(),
        });
        // Unconstrained: the runtime's operation budget per task would make writes report a full
        // socket that is not full. All these tasks yield by themselves.
        actix_rt::spawn(tokio::task::unconstrained(worker.shard.clone().run()));
        actix_rt::spawn(tokio::task::unconstrained(worker.shard.clone().run_turns()));
        actix_rt::spawn(worker.shard.clone().run_drain());
        actix_rt::spawn(tokio::task::unconstrained(worker.clone().tick()));
        worker
    }

    pub fn settings(&self) -> Guard<Arc<ServerSettings>> {
        self.settings.load()
    }

    /// The same, to keep.
    pub fn settings_snapshot(&self) -> Arc<ServerSettings> {
        self.settings.load_full()
    }

    /// Grows the scratch buffer for messages of this size. Never called during a read.
    pub fn reserve_scratch(&self, message_bytes: usize) {
        let (mut scratch, needed) =
            (self.scratch.borrow_mut(), message_bytes + HEADER_BYTES + READ_BYTES);
        if scratch.len() < needed {
            *scratch = vec![0; needed];
        }
    }

    /// Closes idle HTTP connections, and sockets after their close frame.
    pub fn free_descriptors(&self) {
        self.http.make_room(FREED_AT_ONCE);
        let now = Instant::now();
        if now.duration_since(self.cut_at.get()) >= BETWEEN_CUTS {
            self.cut_at.set(now);
            self.shard.cut_closing();
        }
    }

    /// On a thread that may wait for a disk: sockets do not. One at a time, since a disk that hangs
    /// would otherwise take one more thread each second.
    fn spawn_key_changes(&self, now: Instant, running: &mut Option<JoinHandle<()>>) {
        let ended = running.as_ref().is_none_or(JoinHandle::is_finished);
        if ended && self.engine.key_changes_are_due(now) {
            let engine = self.engine.clone();
            *running = Some(actix_rt::task::spawn_blocking(move || engine.tick_keys(now)));
        }
    }

    /// Before sockets are closed, whose clients would all come back.
    fn tick_http(&self, now: Instant) {
        let patience = {
            let settings = self.settings();
            Patience { stalled: settings.stalled, waiting: settings.keep_alive + HEAD_DEADLINE }
        };
        let demand = match self.engine.hub.pressure.excess() {
            None => Demand::Nothing,
            Some(0) => Demand::Idle,
            Some(bytes) => Demand::Bytes(bytes / self.engine.hub.workers().max(1)),
        };
        self.http.tick(now, patience, demand);
    }

    async fn tick(self: Rc<Self>) {
        let first = self.shard.worker() == 0;
        let mut key_changes = None;
        for ticks in 1u32.. {
            actix_rt::time::sleep(TICK).await;
            let now = Instant::now();
            self.tick_http(now);
            self.shard.tick(now);
            if first {
                self.engine.tick(now);
                self.spawn_key_changes(now, &mut key_changes);
            }
            if ticks.is_multiple_of(SWEEP_TICKS) {
                self.shard.give_back();
                if first {
                    self.engine.sweep(now);
                }
            }
        }
    }
}
