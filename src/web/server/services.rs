//! The services of each listener.

use std::{
    io,
    os::{
        fd::{AsFd, AsRawFd},
        unix::net::UnixListener,
    },
};

use actix_http::{HttpService, Protocol, error::DispatchError};
use actix_rt::net::{ActixStream, TcpStream, UnixStream};
use actix_server::ServerBuilder;
use actix_service::{
    IntoServiceFactory, Service as _, ServiceFactory, ServiceFactoryExt, fn_service, map_config,
};
use actix_tls::accept::{TlsError, max_concurrent_tls_connect};
use actix_web::{App, Resource, dev::AppConfig, middleware::DefaultHeaders, web};
use futures_util::future::{Either, ready};
use rustls::ServerConfig;

use super::{
    accepted_stream::{AcceptedStream, Io},
    client_faults,
    deadlines::HEAD_DEADLINE,
    front,
    http_connections::HTTP_CONNECTIONS,
    listeners::{BoundListener, ListenerRole},
    openapi, public,
    server_context::ServerContext,
};
use crate::{
    platform::{
        capacity::{Listener, Room},
        http::SERVER_VERSION,
    },
    web::{
        console,
        context::request_metrics::Routes,
        http::{
            error, methods,
            remote::{HasRemote, RemoteSource},
        },
        ops::{
            admin::{self, auth::AdminAuth},
            host_check, live, pages, probes,
        },
    },
};

/// The transport of connections to a listener, and the kind of their peers.
#[derive(Clone, Copy)]
pub struct ListenerMode {
    pub role: ListenerRole,
    /// True if each connection begins with a PROXY header.
    pub proxied: bool,
}

/// For clients and backends. Each transport is a service of its own, so that the usual one, plain
/// TCP, pays for none of the others.
pub fn listen(
    builder: ServerBuilder,
    name: &str,
    bound: BoundListener,
    context: ServerContext,
    ListenerMode { role, proxied }: ListenerMode,
) -> io::Result<ServerBuilder> {
    match bound {
        BoundListener::Tcp(listener) if proxied => builder.listen(name, listener, move || {
            within_capacity::<TcpStream>(&context, role)
                .and_then(proxied_stream(&context))
                .and_then(public::plain(&context, role))
        }),
        BoundListener::Tcp(listener) => builder.listen(name, listener, move || {
            within_capacity::<TcpStream>(&context, role).and_then(public::plain(&context, role))
        }),
        BoundListener::Unix(listener, _) if proxied => {
            builder.listen_uds(name, listener, move || {
                within_capacity::<UnixStream>(&context, role)
                    .and_then(proxied_stream(&context))
                    .and_then(public::plain(&context, role))
            })
        }
        BoundListener::Unix(listener, _) => builder.listen_uds(name, listener, move || {
            let arrived = |io| async { Ok::<_, DispatchError>(AcceptedStream::local(io)) };
            within_capacity::<UnixStream>(&context, role)
                .and_then(fn_service(arrived))
                .and_then(public::plain(&context, role))
        }),
    }
}

/// The same within TLS, for TCP only.
pub fn listen_tls(
    builder: ServerBuilder,
    bound: BoundListener,
    context: ServerContext,
    ListenerMode { role, proxied }: ListenerMode,
    config: ServerConfig,
) -> io::Result<ServerBuilder> {
    let BoundListener::Tcp(listener) = bound else {
        return Err(io::Error::other("TLS is not spoken on a Unix socket"));
    };
    // By default a worker accepts nothing on any listener during 256 TLS handshakes: as many silent
    // peers would lock everyone out.
    max_concurrent_tls_connect(HTTP_CONNECTIONS);
    if proxied {
        return builder.listen("public", listener, move || {
            let tls = public::tls(&context, role, config.clone());
            within_capacity::<TcpStream>(&context, role)
                .and_then(proxied_stream(&context))
                .map_err(TlsError::Service)
                .and_then(tls)
        });
    }
    builder.listen("public", listener, move || {
        let tls = public::tls(&context, role, config.clone());
        within_capacity::<TcpStream>(&context, role).map_err(TlsError::Service).and_then(tls)
    })
}

/// Closes a connection at once where it would take a descriptor that is kept for others, and makes
/// room for the next where few are left.
fn within_capacity<S: AsRawFd>(
    context: &ServerContext,
    role: ListenerRole,
) -> impl ServiceFactory<S, Config = (), Response = S, Error = DispatchError, InitError = ()> + use<S>
{
    let thread = context.thread();
    let listener = match role {
        ListenerRole::Everybody | ListenerRole::Clients => Listener::Public,
        ListenerRole::Backends => Listener::Api,
    };
    fn_service(move |io: S| {
        let room = thread.worker.engine.capacity.room(&io, listener);
        if room != Room::Enough {
            thread.free_descriptors();
        }
        ready(match room {
            Room::Enough | Room::Short => Ok(io),
            Room::None => Err(DispatchError::Io(io::ErrorKind::QuotaExceeded.into())),
        })
    })
}

fn proxied_stream<S: ActixStream + Into<Io>>(
    context: &ServerContext,
) -> impl ServiceFactory<
    S,
    Config = (),
    Response = AcceptedStream,
    Error = DispatchError,
    InitError = (),
> + use<S> {
    let (thread, failures) = (context.thread(), context.proxy_header_failures.clone());
    fn_service(move |io: S| {
        let (thread, failures) = (thread.clone(), failures.clone());
        async move {
            let worker = &thread.worker;
            let rejected = |reason: &_| failures.note(reason, &worker.engine);
            AcceptedStream::proxied(io, worker, rejected).await.map_err(DispatchError::Io)
        }
    })
}

pub fn listen_operations(
    builder: ServerBuilder,
    bound: BoundListener,
    context: ServerContext,
) -> io::Result<ServerBuilder> {
    let routes = |config: &mut web::ServiceConfig, context: &ServerContext| {
        config.app_data(context.metrics.clone());
        let thread = context.thread();
        let probes = &mut Routes::new(config, &thread.worker);
        probes::routes_with_notices(probes);
        probes::capacity_routes_with_numbers(probes);
        config
            .service(methods::get(web::resource("/"), front::operations_index))
            .service(methods::get(web::resource("/stats"), pages::stats))
            .service(methods::get(web::resource("/metrics"), pages::metrics))
            .service(openapi_resource());
        admin::routes(config, AdminAuth::Token);
        console::routes(config, context.console.clone(), openapi_resource());
    };
    match bound {
        BoundListener::Tcp(listener) => builder.listen("operations", listener, move || {
            internal::<TcpStream>(&context, HostCheck::Listed, routes)
        }),
        BoundListener::Unix(listener, _) => builder.listen_uds("operations", listener, move || {
            internal::<UnixStream>(&context, HostCheck::Any, routes)
        }),
    }
}

fn openapi_resource() -> Resource {
    methods::get(web::resource("/openapi.json"), openapi::show)
}

pub fn listen_admin(
    builder: ServerBuilder,
    listener: UnixListener,
    context: ServerContext,
) -> io::Result<ServerBuilder> {
    let routes = |config: &mut web::ServiceConfig, context: &ServerContext| {
        config
            .service(methods::get(web::resource("/stats"), pages::stats))
            .service(openapi_resource());
        admin::routes(config, AdminAuth::Socket);
        console::admin_routes(config, context.console.clone());
    };
    builder.listen_uds("admin", listener, move || {
        internal::<UnixStream>(&context, HostCheck::Any, routes)
    })
}

/// The host names answered on a listener.
#[derive(Clone, Copy)]
enum HostCheck {
    /// Unix sockets: no page can reach them.
    Any,
    Listed,
}

/// The HTTP service of listeners for operators.
fn internal<S: ActixStream + HasRemote + AsFd + 'static>(
    context: &ServerContext,
    names: HostCheck,
    routes: fn(&mut web::ServiceConfig, &ServerContext),
) -> impl ServiceFactory<S, Config = (), Response = (), Error = DispatchError, InitError = ()> + use<S>
{
    let worker = context.thread().worker.clone();
    let app = App::new()
        .app_data(worker.clone())
        .configure(|config| routes(config, context))
        .default_service(web::to(error::not_found))
        .wrap_fn(move |request, routes| {
            let answered = match names {
                HostCheck::Any => Ok(()),
                HostCheck::Listed => host_check::check(&request),
            };
            match answered {
                Ok(()) => Either::Left(routes.call(request)),
                Err(refusal) => Either::Right(ready(Ok(request.error_response(refusal)))),
            }
        })
        .wrap(DefaultHeaders::new().add((SERVER_VERSION, env!("CARGO_PKG_VERSION"))))
        .into_factory()
        .map_err(|error| error.error_response());
    let http = HttpService::build()
        .client_request_timeout(HEAD_DEADLINE)
        .on_connect_ext(|stream: &S, connection| {
            connection.insert(RemoteSource::Known(stream.remote()));
            live::share(stream, connection);
        })
        .graceful_shutdown_signal(context.draining())
        .finish(map_config(app, |_| AppConfig::default()));
    let http = http.map_err(move |error| {
        client_faults::note(&worker.engine, &error, None, || None);
        error
    });
    fn_service(|stream: S| async { Ok((stream, Protocol::Http1, None)) }).and_then(http)
}
