//! Binding, starting the workers, and stopping.

use std::{
    cell::RefCell,
    io,
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixListener,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_http::{HttpService, Protocol};
use actix_rt::net::UnixStream;
use actix_server::{GracefulShutdownSignal, Server, ServerBuilder, ServerHandle};
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_tls::accept::max_concurrent_tls_connect;
use actix_web::{App, dev::AppConfig, web};
use rustls::ServerConfig;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{
    Settings,
    admin::{self, Door},
    entrance::Entrance,
    error, ops, public,
    worker::Worker,
};
use crate::{
    engine::Engine,
    metrics::Metrics,
    tls::{self, Identity, Watch},
};

/// Sockets that are bound already, so that a port that is taken is told before anything starts.
pub struct Listeners {
    public: TcpListener,
    operations: Option<TcpListener>,
    /// Where the server's own user manages keys.
    pub admin: Option<UnixListener>,
}

const BACKLOG: i32 = 4096;
/// What the kernel takes of a socket before it is under way. By default that grows to megabytes for
/// a peer that reads slowly, beyond what its outbox may hold, copied for each, and seen by no gauge.
#[cfg(target_os = "linux")]
const UNSENT_BYTES: u32 = 256 * 1024;
/// Between two looks at the files of the certificate.
const IDENTITY_TICK: Duration = Duration::from_secs(1);
/// For the whole head of a request, and before it for the TLS handshake: half-open connections are
/// not waited for.
pub const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// Sockets leave the count of the server when they are taken over; this bounds HTTP connections.
const HTTP_CONNECTIONS: usize = 200_000;
/// How long connections have at shutdown to read their close frame and to answer it.
const DRAIN_DEADLINE: Duration = Duration::from_secs(5);

/// How long requests that are being answered have after that.
const REQUEST_DEADLINE: Duration = Duration::from_secs(1);

impl Listeners {
    pub fn bind(public: SocketAddr, operations: Option<SocketAddr>) -> io::Result<Self> {
        let operations = operations.map(bind).transpose()?;
        Ok(Self { public: bind(public)?, operations, admin: None })
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
    metrics: Arc<Metrics>,
    settings: Arc<Settings>,
    entrance: Arc<Entrance>,
    /// Lets HTTP connections that only wait for a next request go at once.
    draining: GracefulShutdownSignal,
}

impl Parts {
    fn worker(&self) -> Rc<Worker> {
        WORKER.with_borrow_mut(|worker| {
            let start = || {
                let Self { engine, metrics, settings, entrance, .. } = self.clone();
                Worker::start(engine, metrics, settings, entrance)
            };
            worker.get_or_insert_with(start).clone()
        })
    }

    fn draining(&self) -> impl Draining + use<> {
        let draining = self.draining.clone();
        move || {
            let draining = draining.clone();
            Box::pin(async move { draining.notified().await })
        }
    }
}

/// The signal in the form that the HTTP side takes.
pub trait Draining: Fn() -> Pin<Box<dyn Future<Output = ()>>> + 'static {}

impl<F: Fn() -> Pin<Box<dyn Future<Output = ()>>> + 'static> Draining for F {}

/// Runs until a signal has ended it.
pub async fn serve(
    listeners: Listeners,
    engine: Arc<Engine>,
    settings: Settings,
    identity: Option<Arc<Identity>>,
    signals: Signals,
) -> io::Result<()> {
    let mut builder = Server::build()
        .workers(engine.hub.workers())
        .max_concurrent_connections(HTTP_CONNECTIONS)
        .shutdown_timeout(REQUEST_DEADLINE.as_secs())
        .disable_signals();
    let parts = Parts {
        metrics: Arc::new(Metrics::new(engine.clone())),
        engine,
        settings: Arc::new(settings),
        entrance: Arc::default(),
        draining: builder.graceful_shutdown_signal(),
    };
    builder = match identity {
        None => listen_public(builder, listeners.public, parts.clone())?,
        Some(identity) => {
            let config = tls::server_config(identity.clone()).map_err(io::Error::other)?;
            actix_rt::spawn(keep_current(identity));
            listen_public_tls(builder, listeners.public, parts.clone(), config)?
        }
    };
    if let Some(operations) = listeners.operations {
        builder = listen_operations(builder, operations, parts.clone())?;
    }
    if let Some(admin) = listeners.admin {
        builder = listen_admin(builder, admin, parts.clone())?;
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
    builder.listen("public", listener, move || public::plain(parts.worker(), parts.draining()))
}

fn listen_public_tls(
    builder: ServerBuilder,
    listener: TcpListener,
    parts: Parts,
    config: ServerConfig,
) -> io::Result<ServerBuilder> {
    // By default a worker accepts nothing on any listener while 256 peers are in their handshakes:
    // so many silent ones would shut everybody out.
    max_concurrent_tls_connect(HTTP_CONNECTIONS);
    builder.listen("public", listener, move || {
        public::tls(parts.worker(), parts.draining(), config.clone())
    })
}

fn listen_operations(
    builder: ServerBuilder,
    listener: TcpListener,
    parts: Parts,
) -> io::Result<ServerBuilder> {
    builder.listen("operations", listener, move || {
        let worker = parts.worker();
        let token = worker.settings.admin_token.clone();
        let app = App::new()
            .app_data(worker)
            .route("/health", web::get().to(ops::health))
            .route("/stats", web::get().to(ops::stats))
            .route("/metrics", web::get().to(ops::metrics))
            .configure(|config| admin::routes(config, token.map(Door::Token)))
            .default_service(web::to(error::not_found))
            .into_factory()
            .map_err(|error| error.error_response());
        HttpService::build()
            .client_request_timeout(HEAD_DEADLINE)
            .graceful_shutdown_signal(parts.draining())
            .finish(map_config(app, |_| AppConfig::default()))
            .tcp()
    })
}

/// Takes over a certificate that was replaced. Sockets that are open keep theirs.
async fn keep_current(identity: Arc<Identity>) {
    let mut watch = Watch::new(identity.clone());
    let file = identity.files().certificate.display();
    loop {
        actix_rt::time::sleep(IDENTITY_TICK).await;
        match watch.look() {
            None => {}
            Some(Ok(())) => tracing::info!(%file, "new certificate in use"),
            Some(Err(reason)) => {
                tracing::error!(%reason, "new certificate refused, the old one stays in use");
            }
        }
    }
}

fn listen_admin(
    builder: ServerBuilder,
    listener: UnixListener,
    parts: Parts,
) -> io::Result<ServerBuilder> {
    builder.listen_uds("admin", listener, move || {
        let app = App::new()
            .app_data(parts.worker())
            .configure(|config| admin::routes(config, Some(Door::Socket)))
            .default_service(web::to(error::not_found))
            .into_factory()
            .map_err(|error| error.error_response());
        let http = HttpService::build()
            .client_request_timeout(HEAD_DEADLINE)
            .graceful_shutdown_signal(parts.draining())
            .finish(map_config(app, |_| AppConfig::default()));
        fn_service(|stream: UnixStream| async { Ok((stream, Protocol::Http1, None)) })
            .and_then(http)
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
