//! The request that opens an event stream.

use std::{rc::Rc, sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
};
use bytes::Bytes;

use super::{
    channels::channels,
    connection::{NotStarted, StreamConnection, StreamSetup},
    handover::{CarriedStreams, Handover, StreamCarrier, StreamSlot},
    pipe::pipe,
    response::{CutBody, StreamRefusal, head, head_bytes, lasting, passing},
};
use crate::{
    domain::{ids::SocketId, refusal::RefusalCode},
    engine::{
        AppRuntime,
        facts::Fact,
        refusal_message::{RefusalCause, RefusedRequest},
    },
    hub::socket::{MAX_RETRY, MIN_RETRY},
    protocol::code::Close,
    session::streams::{RefusedChannel, StreamRequest},
    web::{
        context::{
            request_metrics::Routes,
            worker::{Worker, worker},
        },
        http::{
            error::ApiError,
            headers::single,
            remote::{Remote, remote},
        },
    },
};

/// The maximum of streams on one HTTP/2 connection: of a browser, and of a trusted proxy, which
/// puts the streams of many clients into one.
const STREAMS_PER_CONNECTION: usize = 100;
const STREAMS_PER_PROXY: usize = 10_000;

/// The interval between two looks at a connection whose client has earlier responses to read.
const READY_INTERVAL: Duration = Duration::from_millis(20);

pub fn routes(routes: &mut Routes<'_>) {
    routes.get("/app/{key}/sse", open);
}

async fn open(request: HttpRequest) -> HttpResponse {
    let worker = worker(&request);
    let opening = Opening { worker: &worker, request: &request };
    match opening.open().await {
        Ok(response) => response,
        Err(StreamRefusal::Lasting(error)) => lasting(&error),
        Err(StreamRefusal::Passing(code, message)) => opening.refuse_for_now(code, &message),
    }
}

struct Opening<'a> {
    worker: &'a Rc<Worker>,
    request: &'a HttpRequest,
}

impl Opening<'_> {
    async fn open(&self) -> Result<HttpResponse, StreamRefusal> {
        // Before the lookup: a removed app closes the connections accepted before its removal.
        let app_closings = self.worker.engine.hub.app_closings();
        let runtime = self.admit()?;
        let channels = channels(&runtime.app_snapshot(), self.request)?;
        if self.request.method() == Method::HEAD {
            return Ok(head().finish());
        }
        let guard = runtime.connect().ok_or(Close::OverConnectionQuota)?;
        let id = self.worker.socket_ids.borrow_mut().next_id();
        let id = id.map_err(|error| ApiError::new(RefusalCode::NoRandomness, error.to_string()))?;
        let setup = StreamSetup {
            head: Bytes::new(),
            id,
            app_closings,
            runtime: runtime.clone(),
            guard,
            request: StreamRequest { channels, position: None, retry: self.retry() },
        };
        let started = match self.request.conn_data() {
            Some(StreamCarrier::Connection(connection)) => {
                self.take_over(&**connection, setup).await
            }
            Some(StreamCarrier::Body(open)) => self.start_body(open, setup),
            None => Err(NotStarted::Gone),
        };
        started.map_err(|refused| self.explain(&runtime, id, refused))
    }

    /// The checks of every connection.
    fn admit(&self) -> Result<Arc<AppRuntime>, StreamRefusal> {
        let engine = &self.worker.engine;
        if engine.hub.is_draining() {
            return Err(Close::Draining.into());
        }
        if engine.capacity.short().is_some() {
            return Err(Close::OverCapacity.into());
        }
        let key = self.request.match_info().get("key").unwrap_or_default();
        let runtime = engine.runtimes().by_key(key).cloned();
        self.check_rate(runtime.as_deref())?;
        let Some(runtime) = runtime else {
            let message = "There is no app with this key here";
            return Err(ApiError::new(RefusalCode::UnknownApp, message).into());
        };
        let app = runtime.app();
        if !app.enabled {
            return Err(ApiError::new(RefusalCode::AppDisabled, "The app is disabled").into());
        }
        let origin = single(self.request.headers(), header::ORIGIN).map_err(ApiError::from)?;
        if !app.origins.admits(origin) {
            let message = "The page's origin is not among the app's origins (apps.ID.origins)";
            return Err(ApiError::new(RefusalCode::OriginNotAllowed, message).into());
        }
        drop(app);
        Ok(runtime)
    }

    fn check_rate(&self, runtime: Option<&AppRuntime>) -> Result<(), Close> {
        let app = runtime.map(AppRuntime::app);
        let limit = app.as_ref().map(|app| (&app.id, app.limits.connects_per_ip));
        let from = || remote(self.request);
        let (headers, settings) = (self.request.headers(), self.worker.settings());
        let limits = &self.worker.client_rate_limits;
        let refused = &self.worker.engine.counts.refused;
        limits
            .check_connect(limit, from, headers, &settings.proxies)
            .inspect_err(|_| refused.connects.add())
    }

    /// Waits until earlier responses are written, then takes the connection. Its own response is
    /// swallowed.
    async fn take_over(
        &self,
        connection: &dyn Handover,
        setup: StreamSetup,
    ) -> Result<HttpResponse, NotStarted> {
        // HTTP writes the responses that it has when the handler yields.
        tokio::task::yield_now().await;
        while !connection.is_ready() {
            // The worker closes the connection if its client reads nothing.
            tokio::time::sleep(READY_INTERVAL).await;
        }
        let head = head_bytes(head().finish().headers());
        connection.start(self.worker, StreamSetup { head, ..setup })?;
        Ok(HttpResponse::Ok().force_close().finish())
    }

    fn start_body(
        &self,
        open: &Rc<CarriedStreams>,
        setup: StreamSetup,
    ) -> Result<HttpResponse, NotStarted> {
        let limit = if self.is_from_proxy() { STREAMS_PER_PROXY } else { STREAMS_PER_CONNECTION };
        let slot = StreamSlot::take(open, limit).ok_or(NotStarted::TooManyOnConnection)?;
        let (io, body) = pipe(slot);
        match StreamConnection::start(self.worker, io, setup) {
            Ok(()) => Ok(head().body(body)),
            Err((_, refused)) => Err(refused),
        }
    }

    fn is_from_proxy(&self) -> bool {
        match remote(self.request) {
            Some(Remote::Address(peer)) => self.worker.settings().proxies.trust(peer),
            Some(Remote::Local) => true,
            Some(Remote::Balancer(_)) | None => false,
        }
    }

    fn explain(
        &self,
        runtime: &AppRuntime,
        socket: SocketId,
        refused: NotStarted,
    ) -> StreamRefusal {
        let RefusedChannel { channel, error } = match refused {
            NotStarted::Channel(refused) => refused,
            NotStarted::Gone => {
                return StreamRefusal::for_now("The connection is gone");
            }
            NotStarted::TooManyOnConnection => {
                return StreamRefusal::for_now("This connection carries as many streams as it may");
            }
        };
        let (engine, code) = (&self.worker.engine, error.code());
        let request = RefusedRequest { code, channel: Some(channel.name()), socket: Some(socket) };
        let reply = engine.refuse(Some(&runtime.app()), &request, || RefusalCause::of(&error));
        engine.note(Fact::SubscriptionRefused(runtime, code));
        let message = format!("{}: {}", channel.name(), reply.sentence());
        ApiError::new(reply.code, message).into()
    }

    fn retry(&self) -> Duration {
        MIN_RETRY + self.worker.shard.random_within(MAX_RETRY - MIN_RETRY)
    }

    /// The browser comes back. An address with very many refusals gets no answer: to a browser that
    /// is a cut.
    fn refuse_for_now(&self, code: u16, message: &str) -> HttpResponse {
        let (limits, settings) = (&self.worker.client_rate_limits, self.worker.settings());
        if limits.answers_refused_stream(self.request, &settings.proxies) {
            return passing(head(), code, message, self.retry());
        }
        if let Some(StreamCarrier::Connection(connection)) = self.request.conn_data() {
            connection.cut();
            return HttpResponse::Ok().force_close().finish();
        }
        HttpResponse::Ok().body(CutBody)
    }
}
