//! The request that opens an event stream.

use std::{rc::Rc, time::Duration};

use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, http::Method};
use bytes::Bytes;

use super::{
    channels::{AdmittedStream, admit},
    connection::{NotStarted, StreamConnection, StreamSetup},
    handover::{CarriedStreams, Handover, StreamCarrier, StreamSlot},
    opening::OpeningChannels,
    pipe::pipe,
    response::{CutBody, StreamRefusal, head, head_bytes, passing},
};
use crate::{
    domain::refusal::RefusalCode,
    engine::facts::Fact,
    hub::socket::{MAX_RETRY, MIN_RETRY},
    protocol::code::Close,
    session::streams::{RefusedChannel, StreamRequest},
    web::{
        client::{self, Client, ClientHeaders},
        context::{
            request_metrics::Routes,
            worker::{Worker, worker},
        },
        http::{
            error::ApiError,
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
    routes.resource("/app/{key}/sse", |resource| {
        client::resource(resource, "GET, HEAD").route(client::get().to(open))
    });
}

async fn open(request: HttpRequest, client: Result<Client, actix_web::Error>) -> HttpResponse {
    let worker = worker(&request);
    let client = match client {
        Ok(client) => client,
        Err(refused) => {
            let refused = refused.as_response_error().error_response();
            let edge =
                Edge { worker: &worker, request: &request, headers: ClientHeaders::default() };
            return match StreamRefusal::of_status(refused.status()) {
                Some((code, message)) => edge.refuse_for_now(code, message),
                None => refused,
            };
        }
    };
    let headers = client.headers().clone();
    let edge = Edge { worker: &worker, request: &request, headers };
    match edge.open(&client).await {
        Ok(response) => response,
        Err(StreamRefusal::Lasting(error)) => client.answer(Err(error)),
        Err(StreamRefusal::Passing(code, message)) => edge.refuse_for_now(code, &message),
    }
}

/// The HTTP side of one request.
struct Edge<'a> {
    worker: &'a Rc<Worker>,
    request: &'a HttpRequest,
    headers: ClientHeaders,
}

impl Edge<'_> {
    async fn open(&self, client: &Client) -> Result<HttpResponse, StreamRefusal> {
        // Before the quota: a removed app closes the connections accepted before its removal.
        let app_closings = self.worker.engine.hub.app_closings();
        self.check_capacity(client)?;
        let AdmittedStream { channels, position, ticket } = admit(client, self.request).await?;
        if self.request.method() == Method::HEAD {
            return Ok(self.head().finish());
        }
        let guard = client.runtime.connect().ok_or(Close::OverConnectionQuota)?;
        let id = self.worker.next_socket_id();
        let id = id.map_err(|error| ApiError::new(RefusalCode::NoRandomness, error.to_string()))?;
        let (runtime, from) = (&client.runtime, position.as_deref());
        let opening = OpeningChannels::open(self.worker, runtime, id, &channels, from).await;
        let _opening = opening.map_err(|refused| explain(client, NotStarted::Channel(refused)))?;
        let setup = StreamSetup {
            head: Bytes::new(),
            id,
            app_closings,
            runtime: client.runtime.clone(),
            guard,
            request: StreamRequest { channels, position, retry: self.retry() },
            ticket,
        };
        let started = match self.request.conn_data() {
            Some(StreamCarrier::Connection(connection)) => {
                self.take_over(&**connection, setup).await
            }
            Some(StreamCarrier::Body(open)) => self.start_body(open, setup),
            None => Err(NotStarted::Gone),
        };
        started.map_err(|reason| explain(client, reason))
    }

    fn check_capacity(&self, client: &Client) -> Result<(), Close> {
        let engine = &self.worker.engine;
        if engine.hub.is_draining() {
            return Err(Close::Draining);
        }
        if engine.capacity.short().is_some() {
            return Err(Close::OverCapacity);
        }
        if engine.cluster.is_closed() {
            return Err(Close::ClusterAway);
        }
        let limit = Some((&client.app.id, client.app.limits.connects_per_ip));
        let (headers, settings) = (self.request.headers(), self.worker.settings());
        let limits = &self.worker.client_rate_limits;
        limits
            .check_connect(limit, || remote(self.request), headers, &settings.proxies)
            .inspect_err(|_| engine.counts.refused.connects.add())
    }

    fn head(&self) -> HttpResponseBuilder {
        head(&self.headers)
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
        let head = head_bytes(self.head().finish().headers());
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
            Ok(()) => Ok(self.head().body(body)),
            Err((_, reason)) => Err(reason),
        }
    }

    fn is_from_proxy(&self) -> bool {
        match remote(self.request) {
            Some(Remote::Address(peer)) => self.worker.settings().proxies.trust(peer),
            Some(Remote::Local) => true,
            Some(Remote::Balancer(_)) | None => false,
        }
    }

    fn retry(&self) -> Duration {
        MIN_RETRY + self.worker.shard.random_within(MAX_RETRY - MIN_RETRY)
    }

    /// The browser comes back. An address with very many refusals gets no answer: to a browser that
    /// is a cut.
    fn refuse_for_now(&self, code: u16, message: &str) -> HttpResponse {
        let (limits, settings) = (&self.worker.client_rate_limits, self.worker.settings());
        if limits.answers_refused_stream(self.request, &settings.proxies) {
            return passing(self.head(), code, message, self.retry());
        }
        if let Some(StreamCarrier::Connection(connection)) = self.request.conn_data() {
            connection.cut();
            return HttpResponse::Ok().force_close().finish();
        }
        HttpResponse::Ok().body(CutBody)
    }
}

fn explain(client: &Client, reason: NotStarted) -> StreamRefusal {
    match reason {
        NotStarted::Channel(RefusedChannel { channel, error }) => {
            let code = error.code();
            client.engine().note(Fact::SubscriptionRefused(&client.runtime, code));
            ApiError::new(code, error.to_string()).on_channel(channel.name()).into()
        }
        NotStarted::Gone => StreamRefusal::for_now("The connection is gone"),
        NotStarted::Superseded => {
            StreamRefusal::for_now("A later stream has been opened with this ticket")
        }
        NotStarted::TooManyOnConnection => {
            StreamRefusal::for_now("This connection carries as many streams as it may")
        }
    }
}
