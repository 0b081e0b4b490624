//! OpenTelemetry traces, with the feature `otel` (`docs/tracing.md`). Without it, a [`Span`] is
//! empty, and code within one just runs.
//!
//! Spans hold only what any log level may show, and no channel names: no function here takes a
//! payload, a secret or a name chosen by a stranger.

#[cfg(feature = "otel")]
mod export;
#[cfg(not(feature = "otel"))]
mod off;
#[cfg(feature = "otel")]
mod on;

#[cfg(feature = "otel")]
pub use export::{Exporter, Traces};
#[cfg(not(feature = "otel"))]
pub use off::{DisabledSpan as Span, DisabledTraces as Traces, traceparent};
#[cfg(feature = "otel")]
pub use on::{Span, traceparent};
