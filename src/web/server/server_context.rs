//! The shared state from which each thread makes its worker.

use std::{cell::RefCell, pin::Pin, rc::Rc, sync::Arc};

use actix_server::GracefulShutdownSignal;

use super::{proxy_header_failures::ProxyHeaderFailures, worker_thread::WorkerThread};
use crate::web::{
    console::Console, context::worker::SharedState, ops::metrics::Metrics,
    ws::handshake_rejections::HandshakeRejections,
};

thread_local! {
    /// actix calls a factory on each worker's thread, once per listener; all listeners of a thread
    /// share one shard.
    static THREAD: RefCell<Option<Rc<WorkerThread>>> = const { RefCell::new(None) };
}

/// The shared state from which each thread makes its worker.
#[derive(Clone)]
pub struct ServerContext {
    pub shared: SharedState,
    pub metrics: Arc<Metrics>,
    pub console: Arc<Console>,
    pub proxy_header_failures: Arc<ProxyHeaderFailures>,
    pub handshake_rejections: Arc<HandshakeRejections>,
    /// Ends idle HTTP connections at shutdown.
    pub draining: GracefulShutdownSignal,
}

impl ServerContext {
    pub fn new(
        shared: SharedState,
        console: Arc<Console>,
        draining: GracefulShutdownSignal,
    ) -> Self {
        let metrics = Metrics::new(shared.engine.clone(), shared.http_counts.clone());
        Self {
            shared,
            metrics: Arc::new(metrics),
            console,
            proxy_header_failures: Arc::default(),
            handshake_rejections: Arc::default(),
            draining,
        }
    }

    pub fn thread(&self) -> Rc<WorkerThread> {
        THREAD.with_borrow_mut(|thread| {
            thread.get_or_insert_with(|| WorkerThread::start(self.shared.clone())).clone()
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
