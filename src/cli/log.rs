//! The log on standard error (docs/logging.md), and traces if the program is built with them.

mod json_lines;
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

use super::ServerResult;
use crate::{
    config::LogConfig,
    platform::{output::OutputQueue, traces::Traces},
};
use json_lines::JsonLines;
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

pub fn filter(log: &LogConfig) -> ServerResult<EnvFilter> {
    let is_level = |word: &str| word.is_empty() || word.parse::<LevelFilter>().is_ok();
    // Taken for a target, a misspelt level would leave out everything. Spans may have commas in them.
    let words = log.filter.split(',').map(str::trim).filter(|_| !log.filter.contains('['));
    let mut levels = words.map(|word| word.rsplit_once('=').map_or(word, |(_, level)| level));
    if let Some(word) = levels.find(|level| !is_level(level)) {
        return Err(format!(
            "log: {word:?} is no level: the levels are off, error, warn, info, debug and trace, and a target takes one after a =, as in \"warn,sealcast=debug\""
        )
        .into());
    }
    let filter = format!("{}{}", quiet_by_default(&log.filter), log.filter);
    Ok(EnvFilter::try_new(filter).map_err(|e| format!("log: {e}"))?)
}

/// At `info`, the library that starts the server says nothing that this program does not say.
fn quiet_by_default(filter: &str) -> &'static str {
    let is_info = filter.split(',').any(|word| word.trim().eq_ignore_ascii_case("info"));
    if is_info { "actix_server=warn," } else { "" }
}

/// Starts the log: lines in the configured format, written through the queue. Keep the traces alive
/// as long as the server.
#[cfg(not(feature = "otel"))]
pub fn begin(log: &LogConfig, queue: &OutputQueue) -> ServerResult<(LogFilter, Traces)> {
    let (events, handle) = reload::Layer::new(filter(log)?);
    let lines = lines(log, queue).with_filter(events.and(LibraryLines::new(queue.clone())));
    registry().with(lines).init();
    Ok((LogFilter::of(handle), Traces))
}

/// Spans are for the collector alone: the log does not change.
#[cfg(feature = "otel")]
pub fn begin(log: &LogConfig, queue: &OutputQueue) -> ServerResult<(LogFilter, Traces)> {
    use crate::platform::traces::Exporter;
    use tracing_subscriber::filter::filter_fn;

    let exporter = Exporter::start()?;
    let (events, handle) = reload::Layer::new(filter(log)?);
    let events = events.and(LibraryLines::new(queue.clone()));
    let lines = lines(log, queue).with_filter(events.and(filter_fn(|data| data.is_event())));
    let spans = exporter.as_ref().map(Exporter::layer);
    registry().with(lines).with(spans).init();
    Ok((LogFilter::of(handle), exporter))
}

fn lines(log: &LogConfig, queue: &OutputQueue) -> Box<dyn Layer<Registry> + Send + Sync> {
    let lines = fmt::layer();
    match log.json {
        true => lines.with_writer(JsonLines(queue.clone())).json().flatten_event(true).boxed(),
        false => lines.with_writer(queue.clone()).with_ansi(io::stderr().is_terminal()).boxed(),
    }
}
