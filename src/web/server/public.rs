//! The service of the public listener: optional TLS, HTTP, and the takeover of WebSockets.

use std::{fmt, future::ready, io, pin::Pin, rc::Rc, sync::Arc};

use actix_codec::{Framed, FramedParts};
use actix_http::{
    ConnectionType, HttpServiceBuilder, Protocol, Request, Response,
    body::{BoxBody, MessageBody as _},
    error::DispatchError,
    h1,
};
use actix_rt::net::ActixStream;
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, apply_fn_factory, fn_service,
    map_config,
};
use actix_tls::accept::{
    TlsError,
    rustls_0_23::{Acceptor, TlsStream},
};
use actix_web::{
    App, Error, HttpResponse, ResponseError,
    dev::{AppConfig, ServiceRequest, ServiceResponse},
    web,
};
use rustls::ServerConfig;

use super::{
    client_faults::{self, Peek, expect_tls},
    deadlines::{HEAD_DEADLINE, LINGER},
    http_stream::{self, Accepted, HttpStream},
    listeners::ListenerRole,
    routes::{index_route, not_found_route, routes},
    server_context::{Draining, ServerContext},
    streams::StreamGuard,
};
use crate::{
    engine::ClientFault,
    web::{
        api,
        carrier::transport::Transport,
        context::{call_recorder, request_metrics::with_request_metrics, worker::Worker},
        ws::{handshake_rejections::HandshakeRejections, upgrade::take_over},
    },
};

/// HTTP/1.1 and WebSockets without TLS.
pub fn plain<IO: Transport>(
    context: &ServerContext,
    role: ListenerRole,
) -> impl ServiceFactory<IO, Config = (), Response = (), Error = DispatchError, InitError = ()> + use<IO>
{
    let (served, thread) = (served(context, role), context.thread());
    fn_service(move |io: IO| ready(http_stream::accepted(io, Protocol::Http1, &thread.http)))
        .and_then(served)
}

/// The same within TLS, and HTTP/2.
pub fn tls<IO: ActixStream + Transport + Peek>(
    context: &ServerContext,
    role: ListenerRole,
    config: ServerConfig,
) -> impl ServiceFactory<
    IO,
    Config = (),
    Response = (),
    Error = TlsError<io::Error, DispatchError>,
    InitError = (),
> + use<IO> {
    let thread = context.thread();
    let [before, shaking] = [(); 2].map(|()| thread.worker.engine.clone());
    let acceptor = acceptor(config).map_err(move |error| {
        client_faults::note_tls_handshake(&shaking, &error);
        TlsError::into_service_error(error)
    });
    let counting = thread.clone();
    let acceptor = apply_fn_factory(acceptor, move |io: IO, acceptor: &_| {
        let handshake = counting.http.shake();
        let with_protocol = acceptor.call(io);
        async move {
            let _handshake = handshake.ok_or(TlsError::Timeout)?;
            with_protocol.await
        }
    });
    let begun = move |io: IO| {
        let engine = before.clone();
        async move { expect_tls(io, &engine).await }
    };
    let served = served(context, role).map_err(TlsError::Service);
    let with_protocol = move |io: TlsStream<IO>| {
        let protocol = protocol(&io);
        ready(http_stream::accepted(io, protocol, &thread.http).map_err(TlsError::Service))
    };
    fn_service(begun).and_then(acceptor).and_then(fn_service(with_protocol)).and_then(served)
}

/// Shared by the plain and the TLS service.
fn served<IO: Transport>(
    context: &ServerContext,
    role: ListenerRole,
) -> impl ServiceFactory<Accepted<IO>, Config = (), Response = (), Error = DispatchError, InitError = ()>
+ use<IO> {
    let worker = context.thread().worker.clone();
    let app = map_config(app(&worker, role), |_| AppConfig::default());
    let http = http(&worker, context.draining());
    let (engine, limits) = (worker.engine.clone(), worker.clone());
    let bounded = apply_fn_factory(app, move |request: Request, app: &_| {
        let stream = StreamGuard::open(&request);
        // A request behind the one that opened an event stream is not carried out.
        let is_late = stream.is_taken_over();
        let checked = stream.check(request.head(), limits.settings().http_body_bytes);
        let answer = checked.map(|()| (!is_late).then(|| app.call(request)));
        async move {
            match answer {
                Ok(None) => {
                    let ignored = HttpResponse::NoContent().force_close().finish();
                    Err(ignored.map_body(|_, body| stream.send(body).boxed()))
                }
                Ok(Some(answer)) => match answer.await {
                    Ok(answer) => Ok(answer.map_body(|_, body| stream.send(body))),
                    Err(answer) => Err(answer),
                },
                Err(refusal) => {
                    let answer: HttpResponse = refusal.error_response();
                    Err(answer.map_body(|_, body| stream.send(body).boxed()))
                }
            }
        }
    });
    let hand_over = hand_over(worker, context.handshake_rejections.clone());
    let upgrade = move |(request, framed): (Request, Framed<HttpStream<IO>, h1::Codec>)| {
        let taken = bare(framed).map(|framed| hand_over((request, framed)));
        async move {
            match taken {
                Some(taken) => taken.await,
                // A request behind the one that opened an event stream.
                None => Ok(()),
            }
        }
    };
    let http = http.on_connect_ext(http_stream::share).finish(bounded);
    // Without, a request that would open a WebSocket is answered as what it is without that.
    let http = http.upgrade((role != ListenerRole::Backends).then(|| fn_service(upgrade)));
    apply_fn_factory(http, move |accepted: Accepted<IO>, http: &_| {
        let (engine, connection_start) = (engine.clone(), accepted.0.connection_start());
        let served = http.call(accepted);
        async move {
            served.await.inspect_err(|error| {
                if connection_start.head_was_too_large() {
                    engine.client_faults.note(ClientFault::HeadTooLarge, error);
                } else {
                    client_faults::note(&engine, error, connection_start.first(), || {
                        connection_start.remote()
                    });
                }
            })
        }
    })
}

/// The transport itself, with all that was read of it; `None` if it was taken over before.
fn bare<IO: Transport>(framed: Framed<HttpStream<IO>, h1::Codec>) -> Option<Framed<IO, h1::Codec>> {
    let parts = framed.into_parts();
    let (io, surplus) = parts.io.into_inner()?;
    let mut read = parts.read_buf;
    read.extend_from_slice(&surplus);
    let mut bare = FramedParts::with_read_buf(io, parts.codec, read);
    bare.write_buf = parts.write_buf;
    Some(Framed::from_parts(bare))
}

fn acceptor(mut config: ServerConfig) -> Acceptor {
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut acceptor = Acceptor::new(config);
    acceptor.set_handshake_timeout(HEAD_DEADLINE);
    acceptor
}

fn protocol<IO>(io: &TlsStream<IO>) -> Protocol {
    match io.get_ref().1.alpn_protocol() {
        Some(b"h2") => Protocol::Http2,
        _ => Protocol::Http1,
    }
}

fn http<T, S>(worker: &Worker, draining: impl Draining) -> HttpServiceBuilder<T, S>
where
    S: ServiceFactory<Request, Config = ()>,
    S::Error: Into<Response<BoxBody>> + 'static,
    S::InitError: fmt::Debug,
    <S::Service as Service<Request>>::Future: 'static,
{
    HttpServiceBuilder::default()
        .keep_alive(worker.start_settings.keep_alive)
        .client_request_timeout(HEAD_DEADLINE)
        .client_disconnect_timeout(LINGER)
        .graceful_shutdown_signal(draining)
}

fn app(
    worker: &Rc<Worker>,
    role: ListenerRole,
) -> impl ServiceFactory<
    Request,
    Config = AppConfig,
    Response = ServiceResponse,
    Error = HttpResponse,
    InitError = (),
    Service: Service<Request, Future: 'static>,
    Future: 'static,
> + use<> {
    let scope = web::scope(&worker.start_settings.path_prefix);
    let app = App::new()
        .app_data(worker.clone())
        .service(scope.configure(|config| routes(config, worker, role)))
        .configure(|config| outside(config, &worker.start_settings.path_prefix, role))
        .default_service(not_found_route(role))
        .wrap_fn(api::answer_pages)
        .wrap_fn(call_recorder::record)
        .wrap_fn(announce_close)
        .into_factory()
        .map_err(|error: Error| error.error_response());
    with_request_metrics(app, worker)
}

/// A request without the prefix gets a line that names it.
fn outside(config: &mut web::ServiceConfig, prefix: &str, role: ListenerRole) {
    if !prefix.is_empty() {
        config.service(index_route(web::resource("/"), role));
    }
}

/// The next request on a connection that ends would be lost, so the response announces the end:
///
/// * to a client that offers another protocol, as Java's does with HTTP/2. It gets its response in
///   this one, and the HTTP library closes the connection afterwards;
/// * while the server drains. It closes kept connections at the end of that.
fn announce_close<S>(
    request: ServiceRequest,
    routes: &S,
) -> impl Future<Output = Result<ServiceResponse, Error>> + use<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
{
    let offers = request.head().upgrade();
    let worker = request.app_data::<Rc<Worker>>().cloned();
    let answer = routes.call(request);
    async move {
        let mut answer = answer.await?;
        if offers || worker.is_some_and(|worker| worker.engine.hub.is_draining()) {
            answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
        }
        Ok(answer)
    }
}

type HandOver = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

fn hand_over<T: Transport>(
    worker: Rc<Worker>,
    rejections: Arc<HandshakeRejections>,
) -> impl Fn((Request, Framed<T, h1::Codec>)) -> HandOver + Clone {
    move |(request, framed)| {
        // Boxed, so that the dispatcher of every HTTP connection stays small.
        Box::pin(take_over(worker.clone(), rejections.clone(), request, framed))
    }
}
