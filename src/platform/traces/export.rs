//! Exports spans by OTLP over HTTP to the collector named by the standard variables.

use std::{
    fmt,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response};
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{SdkTracerProvider, Tracer},
};
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

use crate::platform::http;

/// Target of our spans. Spans of libraries say more than the log policy allows.
pub(super) const TARGET: &str = "sealcast::trace";

/// Timeout of one batch of spans.
const DEADLINE: Duration = Duration::from_secs(5);
/// Timeout at shutdown, even if the collector hangs.
const LAST_SPANS: Duration = Duration::from_secs(2);
const ANSWER_BYTES: usize = 64 * 1024;
const NAMED_BY: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];

/// On drop, sends the remaining spans within two seconds.
pub struct Exporter {
    provider: SdkTracerProvider,
    tracer: Tracer,
}

/// `None` if no collector is configured.
pub type Traces = Option<Exporter>;

impl Exporter {
    pub fn start() -> Result<Traces, String> {
        let is_named = |name: &&str| std::env::var_os(name).is_some_and(|url| !url.is_empty());
        if !NAMED_BY.iter().any(is_named) {
            return Ok(None);
        }
        let said = |e: &dyn fmt::Display| format!("traces cannot be sent: {e}");
        let client = BackgroundClient::start().map_err(|e| said(&e))?;
        let exporter = SpanExporter::builder().with_http().with_http_client(client).build();
        let exporter = exporter.map_err(|e| said(&e))?;
        let mut resource = Resource::builder();
        if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name("sealcast");
        }
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build())
            .build();
        let tracer = provider.tracer("sealcast");
        Ok(Some(Self { provider, tracer }))
    }

    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    {
        OpenTelemetryLayer::new(self.tracer.clone())
            .with_location(false)
            .with_threads(false)
            .with_filter(filter_fn(|metadata| metadata.is_span() && metadata.target() == TARGET))
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        // Spans a hanging collector does not take are lost.
        let _ = self.provider.shutdown_with_timeout(LAST_SPANS);
    }
}

/// Sends batches on a separate thread, so that a collector never delays a connection.
struct BackgroundClient {
    client: Arc<http::HttpClient>,
    runtime: Handle,
    _end: oneshot::Sender<()>,
    _thread: JoinHandle<()>,
}

impl BackgroundClient {
    fn start() -> Result<Self, String> {
        let client = Arc::new(http::HttpClient::new(None, DEADLINE)?);
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| e.to_string())?;
        let (handle, (end, ended)) = (runtime.handle().clone(), oneshot::channel::<()>());
        let thread = thread::Builder::new().name("traces".into()).spawn(move || {
            // Runs until the sender is dropped.
            let _ = runtime.block_on(ended);
        });
        let thread = thread.map_err(|e| e.to_string())?;
        Ok(Self { client, runtime: handle, _end: end, _thread: thread })
    }
}

impl fmt::Debug for BackgroundClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BackgroundClient")
    }
}

#[async_trait]
impl HttpClient for BackgroundClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sent = async move { client.send_foreign(request.map(Full::new), ANSWER_BYTES).await };
        let answer = self.runtime.spawn(sent).await??;
        Ok(Response::builder().status(answer.status).body(answer.body)?)
    }
}
