//! What is served on each listener.

use std::{io, net::TcpListener, os::unix::net::UnixListener, time::Duration};

use actix_http::{HttpService, Protocol};
use actix_rt::net::UnixStream;
use actix_server::ServerBuilder;
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_tls::accept::max_concurrent_tls_connect;
use actix_web::{App, dev::AppConfig, web};
use rustls::ServerConfig;

use super::{
    admin::{self, Door},
    error, live,
    measured::Routes,
    ops,
    parts::Parts,
    probes, public,
};

/// For the whole head of a request, and before it for the TLS handshake: half-open connections are
/// not waited for.
pub const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// Sockets leave the count of the server when they are taken over; this bounds HTTP connections.
pub const HTTP_CONNECTIONS: usize = 200_000;

pub fn listen_public(
    builder: ServerBuilder,
    listener: TcpListener,
    parts: Parts,
) -> io::Result<ServerBuilder> {
    builder.listen("public", listener, move || public::plain(parts.worker(), parts.draining()))
}

pub fn listen_public_tls(
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

pub fn listen_operations(
    builder: ServerBuilder,
    listener: TcpListener,
    parts: Parts,
) -> io::Result<ServerBuilder> {
    builder.listen("operations", listener, move || {
        let worker = parts.worker();
        let token = worker.settings().admin_token.clone();
        let app = App::new()
            .app_data(worker.clone())
            .configure(|config| {
                let routes = &mut Routes::new(config, &worker);
                probes::routes(routes);
                probes::gate_with_numbers(routes);
            })
            .route("/stats", web::get().to(ops::stats))
            .route("/metrics", web::get().to(ops::metrics))
            .configure(|config| admin::routes(config, token.map(Door::Token)))
            .default_service(web::to(error::not_found))
            .into_factory()
            .map_err(|error| error.error_response());
        HttpService::build()
            .client_request_timeout(HEAD_DEADLINE)
            .on_connect_ext(live::share)
            .graceful_shutdown_signal(parts.draining())
            .finish(map_config(app, |_| AppConfig::default()))
            .tcp()
    })
}

pub fn listen_admin(
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
            .on_connect_ext(live::share)
            .graceful_shutdown_signal(parts.draining())
            .finish(map_config(app, |_| AppConfig::default()));
        fn_service(|stream: UnixStream| async { Ok((stream, Protocol::Http1, None)) })
            .and_then(http)
    })
}
