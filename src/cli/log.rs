//! The log, to standard error (docs/logging.md), and traces where the program is built with them.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use super::Result;
use crate::{config::Log, traces::Traces};

fn filter(log: &Log) -> Result<EnvFilter> {
    Ok(EnvFilter::try_new(&log.filter).map_err(|e| format!("log: {e}"))?)
}

#[cfg(not(feature = "otel"))]
pub fn begin(log: &Log) -> Result<Traces> {
    let builder = tracing_subscriber::fmt().with_env_filter(filter(log)?).with_writer(io::stderr);
    if log.json {
        builder.json().flatten_event(true).init();
    } else {
        builder.with_ansi(io::stderr().is_terminal()).init();
    }
    Ok(Traces)
}

/// Spans are for the collector alone: the log is the same with them and without.
#[cfg(feature = "otel")]
pub fn begin(log: &Log) -> Result<Traces> {
    use crate::traces::Exporter;
    use tracing_subscriber::{
        Layer,
        filter::{FilterExt, filter_fn},
        fmt,
        layer::SubscriberExt,
        registry,
        util::SubscriberInitExt,
    };

    let exporter = Exporter::start()?;
    let events = filter(log)?.and(filter_fn(|metadata| metadata.is_event()));
    let lines = fmt::layer().with_writer(io::stderr);
    let lines = match log.json {
        true => lines.json().flatten_event(true).boxed(),
        false => lines.with_ansi(io::stderr().is_terminal()).boxed(),
    };
    let spans = exporter.as_ref().map(Exporter::layer);
    registry().with(lines.with_filter(events)).with(spans).init();
    Ok(exporter)
}
