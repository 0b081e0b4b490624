//! The public listener, from the bytes up: TLS or none, HTTP, and the hand-over of WebSockets.

use std::{fmt, pin::Pin, rc::Rc, time::Duration};

use actix_codec::Framed;
use actix_http::{
    HttpServiceBuilder, Request, Response, TlsAcceptorConfig, body::BoxBody, error::DispatchError,
    h1,
};
use actix_rt::net::TcpStream;
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, apply_fn_factory, fn_service,
    map_config,
};
use actix_tls::accept::{TlsError, rustls_0_23::TlsStream};
use actix_web::{
    App, Error, HttpResponse, ResponseError,
    dev::{AppConfig, ServiceResponse},
    web,
};
use rustls::ServerConfig;

use super::{
    calls,
    http_stream::{self, HttpStream},
    measured::measured,
    parts::Draining,
    routes,
    services::HEAD_DEADLINE,
    streams::{self, Stream},
    transport::Transport,
    upgrade::take_over,
    worker::Worker,
};

/// Longer than the pauses of a backend that triggers now and then, so that it keeps its connection.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// After an answer that was given before the request was read: closing at once would reset the
/// connection, and the client might lose the answer.
const LINGER: Duration = Duration::from_secs(1);

pub fn plain(
    worker: Rc<Worker>,
    draining: impl Draining,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()>
{
    let app = map_config(app(&worker), |_| AppConfig::default());
    let hand_over = hand_over(worker);
    let upgrade = move |(request, framed): (Request, Framed<HttpStream, h1::Codec>)| {
        hand_over((request, framed.into_map_io(HttpStream::into_inner)))
    };
    let http =
        http(draining).on_connect_ext(http_stream::share).upgrade(fn_service(upgrade)).finish(app);
    fn_service(http_stream::accepted).and_then(http)
}

pub fn tls(
    worker: Rc<Worker>,
    draining: impl Draining,
    config: ServerConfig,
) -> impl ServiceFactory<
    TcpStream,
    Config = (),
    Response = (),
    Error = TlsError<std::io::Error, DispatchError>,
    InitError = (),
> {
    let app = map_config(app(&worker), |_| AppConfig::default());
    let bounded = apply_fn_factory(app, |request: Request, app: &_| {
        let stream = Stream::open(&request).map(|stream| (stream, app.call(request)));
        async move {
            let (_open, answer) = stream.map_err(|refusal| refusal.error_response())?;
            answer.await
        }
    });
    http(draining)
        .on_connect_ext(|io: &TlsStream<TcpStream>, connection| {
            if io.get_ref().1.alpn_protocol() == Some(b"h2") {
                streams::count(connection);
            }
        })
        .upgrade(fn_service(hand_over(worker)))
        .finish(bounded)
        .rustls_0_23_with_config(
            config,
            TlsAcceptorConfig::default().handshake_timeout(HEAD_DEADLINE),
        )
}

fn http<T, S>(draining: impl Draining) -> HttpServiceBuilder<T, S>
where
    S: ServiceFactory<Request, Config = ()>,
    S::Error: Into<Response<BoxBody>> + 'static,
    S::InitError: fmt::Debug,
    <S::Service as Service<Request>>::Future: 'static,
{
    HttpServiceBuilder::default()
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_DEADLINE)
        .client_disconnect_timeout(LINGER)
        .graceful_shutdown_signal(draining)
}

fn app(
    worker: &Rc<Worker>,
) -> impl ServiceFactory<
    Request,
    Config = AppConfig,
    Response = ServiceResponse,
    Error = HttpResponse,
    InitError = (),
    Service: Service<Request, Future: 'static>,
    Future: 'static,
> + use<> {
    let scope = web::scope(&worker.settings().path_prefix);
    let app = App::new()
        .app_data(worker.clone())
        .service(scope.configure(|config| routes(config, worker)))
        .wrap_fn(calls::show)
        .into_factory()
        .map_err(|error: Error| error.error_response());
    measured(app, worker)
}

type HandOver = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

fn hand_over<T: Transport>(
    worker: Rc<Worker>,
) -> impl Fn((Request, Framed<T, h1::Codec>)) -> HandOver + Clone {
    move |(request, framed)| {
        // Boxed, so that the dispatcher of every HTTP connection is not as large as a hand-over.
        Box::pin(take_over(worker.clone(), request, framed))
    }
}
