//! The log on standard error (docs/logging.md), and traces if the program is built with them.

mod libraries;

use std::io::{self, IsTerminal};

use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt, LevelFilter},
    fmt,
    layer::SubscriberExt,
    registry,
    reload::{self, Handle},
    util::SubscriberInitExt,
};

use super::Result;
use crate::{config::Log, output::OutputQueue, traces::Traces};
use libraries::LibraryLines;

/// Changes the log filter at run time. The format is fixed at the start.
pub struct LogFilter(Box<dyn Fn(EnvFilter) + Send + Sync>);

impl LogFilter {
    pub fn change(&self, filter: EnvFilter) {
        (self.0)(filter);
    }

    fn of<S: 'static>(handle: Handle<EnvFilter, S>) -> Self {
        // Fails only after the end of the log, which is the end of the process.
        Self(Box::new(move |filter| _ = handle.reload(filter)))
    }
}

pub fn filter(log: &Log) -> Result<EnvFilter> {
    let is_level = |word: &str| word.is_empty() || word.parse::<LevelFilter>().is_ok();
    // A misspelt level would be taken for a target and silence everything else. Filters of spans
    // may contain commas.
    let mut words = log.filter.split(',').map(str::trim).filter(|_| !log.filter.contains('['));
    if let Some(word) = words.find(|word| !word.contains('=') && !is_level(word)) {
        return Err(format!(
            "log: {word:?} is no level: the levels are off, error, warn, info, debug and trace, and a target takes one after a =, as in \"warn,sealcast=debug\""
        )
        .into());
    }
    Ok(EnvFilter::try_new(&log.filter).map_err(|e| format!("log: {e}"))?)
}

/// Starts the log: lines in the configured format, written through the queue. Keep the traces alive
/// as long as the server.
#[cfg(not(feature = "otel"))]
pub fn begin(log: &Log, queue: &OutputQueue) -> Result<(LogFilter, Traces)> {
    let (events, handle) = reload::Layer::new(filter(log)?);
    let lines = lines(log, queue).with_filter(events.and(LibraryLines::new(queue.clone())));
    registry().with(lines).init();
    Ok((LogFilter::of(handle), Traces))
}

/// Spans are for the collector alone: the log does not change.
#[cfg(feature = "otel")]
pub fn begin(log: &Log, queue: &OutputQueue) -> Result<(LogFilter, Traces)> {
    use crate::traces::Exporter;
    use tracing_subscriber::filter::filter_fn;

    let exporter = Exporter::start()?;
    let (events, handle) = reload::Layer::new(filter(log)?);
    let events = events.and(LibraryLines::new(queue.clone()));
    let lines = lines(log, queue).with_filter(events.and(filter_fn(|data| data.is_event())));
    let spans = exporter.as_ref().map(Exporter::layer);
    registry().with(lines).with(spans).init();
    Ok((LogFilter::of(handle), exporter))
}

fn lines(log: &Log, queue: &OutputQueue) -> Box<dyn Layer<Registry> + Send + Sync> {
    let lines = fmt::layer().with_writer(queue.clone());
    match log.json {
        true => lines.json().flatten_event(true).boxed(),
        false => lines.with_ansi(io::stderr().is_terminal()).boxed(),
    }
}
