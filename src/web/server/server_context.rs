//! The shared state from which each thread makes its worker.

use std::{cell::RefCell, pin::Pin, rc::Rc, sync::Arc};

use actix_server::GracefulShutdownSignal;
use arc_swap::ArcSwap;

use crate::{
    engine::Engine,
    web::{
        context::{client_rate_limits::ClientRateLimits, worker::Worker},
        ops::metrics::Metrics,
        settings::{ReloadableSettings, StartSettings},
    },
};

thread_local! {
    /// actix calls a factory on each worker's thread, once per listener; all listeners of a thread
    /// share one shard.
    static WORKER: RefCell<Option<Rc<Worker>>> = const { RefCell::new(None) };
}

/// The shared state from which each thread makes its worker.
#[derive(Clone)]
pub struct ServerContext {
    pub engine: Arc<Engine>,
    pub metrics: Arc<Metrics>,
    pub start_settings: Arc<StartSettings>,
    pub settings: Arc<ArcSwap<ReloadableSettings>>,
    pub client_rate_limits: Arc<ClientRateLimits>,
    /// Ends idle HTTP connections at shutdown.
    pub draining: GracefulShutdownSignal,
}

impl ServerContext {
    pub fn worker(&self) -> Rc<Worker> {
        WORKER.with_borrow_mut(|worker| {
            let start = || {
                let Self { engine, metrics, start_settings, settings, client_rate_limits, .. } =
                    self.clone();
                Worker::start(engine, metrics, (start_settings, settings), client_rate_limits)
            };
            worker.get_or_insert_with(start).clone()
        })
    }

    pub fn draining(&self) -> impl Draining + use<> {
        let draining = self.draining.clone();
        move || {
            let draining = draining.clone();
            Box::pin(async move { draining.notified().await })
        }
    }
}

/// The shutdown signal in the form of the HTTP library.
pub trait Draining: Fn() -> Pin<Box<dyn Future<Output = ()>>> + 'static {}

impl<F: Fn() -> Pin<Box<dyn Future<Output = ()>>> + 'static> Draining for F {}
