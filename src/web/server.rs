//! Binding, starting the workers, and stopping.

use std::{
    cell::RefCell,
    io,
    net::{SocketAddr, TcpListener},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_codec::Framed;
use actix_http::{HttpService, Request, h1};
use actix_server::{GracefulShutdownSignal, Server, ServerBuilder, ServerHandle};
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::{App, dev::AppConfig, web};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{
    Settings,
    http_stream::{self, HttpStream},
    ops, routes,
    upgrade::take_over,
    worker::Worker,
};
use crate::engine::Engine;

/// Sockets that are bound already, so that a port that is taken is told before anything starts.
pub struct Listeners {
    public: TcpListener,
    operations: Option<TcpListener>,
}

const BACKLOG: i32 = 4096;
/// What the kernel takes of a socket before it is under way. By default that grows to megabytes for
/// a peer that reads slowly, beyond what its outbox may hold, copied for each, and seen by no gauge.
#[cfg(target_os = "linux")]
const UNSENT_BYTES: u32 = 256 * 1024;
/// Longer than the pauses of a backend that triggers now and then, so that it keeps its connection.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// After an answer that was given before the request was read: closing at once would reset the
/// connection, and the client might lose the answer.
const LINGER: Duration = Duration::from_secs(1);
/// For the whole head of a request: half-open connections are not waited for.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// Sockets leave the count of the server when they are taken over; this bounds HTTP connections.
const HTTP_CONNECTIONS: usize = 200_000;
/// How long connections have at shutdown to read their close frame and to answer it.
const DRAIN_DEADLINE: Duration = Duration::from_secs(5);

/// How long requests that are being answered have after that.
const REQUEST_DEADLINE: Duration = Duration::from_secs(1);

impl Listeners {
    pub fn bind(public: SocketAddr, operations: Option<SocketAddr>) -> io::Result<Self> {
        Ok(Self { public: bind(public)?, operations: operations.map(bind).transpose()? })
    }

    pub fn public(&self) -> io::Result<SocketAddr> {
        self.public.local_addr()
    }

    pub fn operations(&self) -> io::Result<Option<SocketAddr>> {
        self.operations.as_ref().map(TcpListener::local_addr).transpose()
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let explain = |error: io::Error| {
        io::Error::new(
            error.kind(),
            format!("cannot listen on {address}: {error} (choose another address with --listen)"),
        )
    };
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    // Not waiting for more to send is the point of a server like this one. What is accepted
    // inherits it, so that no connection has to be told.
    socket.set_tcp_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_notsent_lowat(UNSENT_BYTES)?;
    socket.bind(&address.into()).map_err(explain)?;
    socket.listen(BACKLOG).map_err(explain)?;
    let listener: TcpListener = socket.into();
    listener.set_nonblocking(true)?;
    Ok(listener)
}

thread_local! {
    /// actix calls a factory on each worker's thread, once for each listener; the listeners of a
    /// thread share one shard.
    static WORKER: RefCell<Option<Rc<Worker>>> = const { RefCell::new(None) };
}

/// What every thread makes its worker of.
#[derive(Clone)]
struct Parts {
    engine: Arc<Engine>,
    settings: Arc<Settings>,
    /// Lets HTTP connections that only wait for a next request go at once.
    draining: GracefulShutdownSignal,
}

impl Parts {
    fn worker(&self) -> Rc<Worker> {
        WORKER.with_borrow_mut(|worker| {
            let start = || Worker::start(self.engine.clone(), self.settings.clone());
            worker.get_or_insert_with(start).clone()
        })
    }

    /// The signal in the form that the HTTP side takes.
    fn draining(&self) -> impl Fn() -> Pin<Box<dyn Future<Output = ()>>> + 'static {
        let draining = self.draining.clone();
        move || {
            let draining = draining.clone();
            Box::pin(async move { draining.notified().await })
        }
    }
}

/// Runs until a signal has ended it.
pub async fn serve(
    listeners: Listeners,
    engine: Arc<Engine>,
    settings: Settings,
    signals: Signals,
) -> io::Result<()> {
    let mut builder = Server::build()
        .workers(engine.hub.workers())
        .max_concurrent_connections(HTTP_CONNECTIONS)
        .shutdown_timeout(REQUEST_DEADLINE.as_secs())
        .disable_signals();
    let parts = Parts {
        engine,
        settings: Arc::new(settings),
        draining: builder.graceful_shutdown_signal(),
    };
    builder = listen_public(builder, listeners.public, parts.clone())?;
    if let Some(operations) = listeners.operations {
        builder = listen_operations(builder, operations, parts.clone())?;
    }
    let server = builder.run();
    actix_rt::spawn(stop_on_signal(signals, server.handle(), parts.engine));
    server.await
}

fn listen_public(
    builder: ServerBuilder,
    listener: TcpListener,
    parts: Parts,
) -> io::Result<ServerBuilder> {
    builder.listen("public", listener, move || {
        let worker = parts.worker();
        let app = App::new()
            .app_data(worker.clone())
            .service(web::scope(&worker.settings.path_prefix).configure(routes))
            .into_factory()
            .map_err(|error| error.error_response());
        let upgrade = move |(request, framed): (Request, Framed<HttpStream, h1::Codec>)| {
            // Boxed, so that the dispatcher of every HTTP connection is not as large as a hand-over.
            Box::pin(take_over(worker.clone(), request, framed.into_map_io(HttpStream::into_inner)))
        };
        let http = HttpService::build()
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(HEAD_DEADLINE)
            .client_disconnect_timeout(LINGER)
            .graceful_shutdown_signal(parts.draining())
            .upgrade(fn_service(upgrade))
            .finish(map_config(app, |_| AppConfig::default()));
        fn_service(http_stream::accepted).and_then(http)
    })
}

fn listen_operations(
    builder: ServerBuilder,
    listener: TcpListener,
    parts: Parts,
) -> io::Result<ServerBuilder> {
    builder.listen("operations", listener, move || {
        let app = App::new()
            .app_data(parts.worker())
            .route("/health", web::get().to(ops::health))
            .route("/stats", web::get().to(ops::stats))
            .into_factory()
            .map_err(|error| error.error_response());
        HttpService::build()
            .client_request_timeout(HEAD_DEADLINE)
            .graceful_shutdown_signal(parts.draining())
            .finish(map_config(app, |_| AppConfig::default()))
            .tcp()
    })
}

async fn stop_on_signal(mut signals: Signals, server: ServerHandle, engine: Arc<Engine>) {
    signals.first().await;
    tracing::info!(sockets = engine.hub.sockets(), "shutting down");
    engine.hub.shut_down();
    let deadline = Instant::now() + DRAIN_DEADLINE;
    while engine.hub.sockets() > 0 && Instant::now() < deadline {
        actix_rt::time::sleep(Duration::from_millis(20)).await;
    }
    server.stop(true).await;
}

/// What ends the server. Made before it says that it listens: whoever reads that may send one.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn first(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
