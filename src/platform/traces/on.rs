//! Spans of the `tracing` crate.

use std::collections::HashMap;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::{Instrument, field::Empty, info_span, instrument::Instrumented};
use tracing_opentelemetry::OpenTelemetrySpanExt;

const TRACEPARENT: &str = "traceparent";

#[derive(Clone)]
pub struct Span(tracing::Span);

impl Span {
    /// A request to the public listener. `parent`: its `traceparent` header.
    pub fn request<'a>(method: &str, parent: impl FnOnce() -> Option<&'a str>) -> Self {
        let span = info_span!(target: super::export::TARGET, "http request", otel.kind = "server", http.request.method = method, http.route = Empty, http.response.status_code = Empty);
        if !span.is_disabled()
            && let Some(parent) = parent()
        {
            let carrier = HashMap::from([(TRACEPARENT.to_owned(), parent.to_owned())]);
            // Without the export layer there is no span to attach the parent to.
            let _ = span.set_parent(TraceContextPropagator::new().extract(&carrier));
        }
        Self(span)
    }

    /// Records the route, if known, and the response status.
    pub fn answered(&self, answer: impl FnOnce() -> (Option<String>, u16)) {
        if self.0.is_disabled() {
            return;
        }
        let (route, status) = answer();
        if let Some(route) = route {
            self.0.record("http.route", route);
        }
        self.0.record("http.response.status_code", status);
    }

    pub fn publish(kind: &'static str) -> Self {
        Self(
            info_span!(target: super::export::TARGET, "publish", channel.kind = kind, receivers = Empty),
        )
    }

    /// Records the number of receivers on the current publish span.
    pub fn receivers(count: impl FnOnce() -> u32) {
        let span = tracing::Span::current();
        if !span.is_disabled() {
            span.record("receivers", count());
        }
    }

    pub fn seal() -> Self {
        Self(info_span!(target: super::export::TARGET, "seal"))
    }

    pub fn authorize(app: &str, by: &'static str) -> Self {
        Self(
            info_span!(target: super::export::TARGET, "authorize", app.id = app, authorizer = by, ok = Empty),
        )
    }

    pub fn forward(host: &str) -> Self {
        Self(
            info_span!(target: super::export::TARGET, "forward", otel.kind = "client", server.address = host),
        )
    }

    pub fn webhook(app: &str, host: &str) -> Self {
        Self(
            info_span!(target: super::export::TARGET, "webhook", otel.kind = "client", app.id = app, server.address = host, ok = Empty),
        )
    }

    /// Records success.
    pub fn outcome(&self, ok: bool) {
        self.0.record("ok", ok);
    }

    pub fn within<T>(&self, action: impl FnOnce() -> T) -> T {
        self.0.in_scope(action)
    }

    pub fn around<F: Future>(&self, future: F) -> Instrumented<F> {
        future.instrument(self.0.clone())
    }
}

/// The `traceparent` header for an outgoing request.
pub fn traceparent() -> Option<String> {
    let span = tracing::Span::current();
    if span.is_disabled() {
        return None;
    }
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut carrier);
    carrier.remove(TRACEPARENT)
}
