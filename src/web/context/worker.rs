//! The state of one worker, for handlers and sockets.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use actix_web::HttpRequest;
use arc_swap::{ArcSwap, Guard};

use super::{client_rate_limits::ClientRateLimits, http_counts::HttpCounts};
use crate::{
    domain::ids::SocketId,
    engine::Engine,
    hub::{shard::Shard, socket_ids::SocketIds},
    web::{
        http::body::BodyLimits,
        settings::{ReloadableSettings, StartSettings},
    },
};

/// The worker that runs the request.
pub fn worker(request: &HttpRequest) -> Rc<Worker> {
    request.app_data::<Rc<Worker>>().expect("every route has its worker").clone()
}

/// State of all workers.
#[derive(Clone)]
pub struct SharedState {
    pub engine: Arc<Engine>,
    pub start_settings: Arc<StartSettings>,
    /// Replaced as a whole by a reload.
    pub settings: Arc<ArcSwap<ReloadableSettings>>,
    pub client_rate_limits: Arc<ClientRateLimits>,
    /// By worker.
    pub http_counts: Arc<[HttpCounts]>,
}

pub struct Worker {
    pub engine: Arc<Engine>,
    pub start_settings: Arc<StartSettings>,
    settings: Arc<ArcSwap<ReloadableSettings>>,
    pub client_rate_limits: Arc<ClientRateLimits>,
    http_counts: Arc<[HttpCounts]>,
    pub shard: Rc<Shard>,
    /// Every socket of the worker reads into this one buffer: an idle socket has none of its own.
    pub scratch: RefCell<Vec<u8>>,
    socket_ids: RefCell<SocketIds>,
}

/// Room for one read, besides the rest of an earlier message.
const READ_BYTES: usize = 16 * 1024;
/// The longest header of a client's frame.
const HEADER_BYTES: usize = 14;

impl SharedState {
    pub fn new(
        engine: Arc<Engine>,
        start: StartSettings,
        settings: Arc<ArcSwap<ReloadableSettings>>,
    ) -> Self {
        let http_counts = HttpCounts::of_workers(engine.hub.workers());
        let client_rate_limits = Arc::default();
        Self { engine, start_settings: Arc::new(start), settings, client_rate_limits, http_counts }
    }
}

impl Worker {
    pub fn new(shared: SharedState) -> Self {
        let SharedState { engine, start_settings, settings, client_rate_limits, http_counts } =
            shared;
        let shard = Shard::new(engine.hub.clone());
        Self {
            engine,
            start_settings,
            settings,
            client_rate_limits,
            http_counts,
            socket_ids: RefCell::new(SocketIds::of_worker(shard.worker())),
            shard,
            scratch: RefCell::default(),
        }
    }

    pub fn next_socket_id(&self) -> Result<SocketId, getrandom::Error> {
        let node = self.engine.cluster.node();
        let slot = node.map(|node| node.slots().of_new_sockets().number());
        self.socket_ids.borrow_mut().next_id_on(slot)
    }

    pub fn settings(&self) -> Guard<Arc<ReloadableSettings>> {
        self.settings.load()
    }

    /// The same, to keep.
    pub fn settings_snapshot(&self) -> Arc<ReloadableSettings> {
        self.settings.load_full()
    }

    pub fn http_counts(&self) -> &HttpCounts {
        &self.http_counts[self.shard.worker()]
    }

    /// For a body of at most `bytes`.
    pub fn body_limits(&self, bytes: usize) -> BodyLimits {
        BodyLimits { bytes, timeout: self.settings().body_timeout }
    }

    /// Grows the scratch buffer for messages of this size. Never called during a read.
    pub fn reserve_scratch(&self, message_bytes: usize) {
        let (mut scratch, needed) =
            (self.scratch.borrow_mut(), message_bytes + HEADER_BYTES + READ_BYTES);
        if scratch.len() < needed {
            *scratch = vec![0; needed];
        }
    }
}
