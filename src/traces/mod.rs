//! Traces (OpenTelemetry), in a program that is built with the feature `otel` (`docs/tracing.md`).
//! Without it a [`Span`] is nothing, and what is done within one is simply done.
//!
//! A span is made of what may be in the log at any level, and of no channel's name: there is no
//! function here that takes a payload, a secret or a name that a stranger has chosen.

#[cfg(feature = "otel")]
mod export;
#[cfg(not(feature = "otel"))]
mod off;
#[cfg(feature = "otel")]
mod on;

#[cfg(feature = "otel")]
pub use export::{Exporter, Traces};
#[cfg(not(feature = "otel"))]
pub use off::{Span, Traces, traceparent};
#[cfg(feature = "otel")]
pub use on::{Span, traceparent};
