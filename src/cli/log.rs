//! The log, on standard error (docs/logging.md), and traces where the program is built with them.

use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, filter::LevelFilter, reload::Handle, util::SubscriberInitExt};

use super::Result;
use crate::{config::Log, traces::Traces};

/// What is logged, which can change; the form cannot.
pub struct LogFilter(Box<dyn Fn(EnvFilter) + Send + Sync>);

impl LogFilter {
    pub fn change(&self, filter: EnvFilter) {
        (self.0)(filter);
    }

    fn of<S: 'static>(handle: Handle<EnvFilter, S>) -> Self {
        // There is no log any more only where there is no process.
        Self(Box::new(move |filter| _ = handle.reload(filter)))
    }
}

pub fn filter(log: &Log) -> Result<EnvFilter> {
    let is_level = |word: &str| word.is_empty() || word.parse::<LevelFilter>().is_ok();
    // Taken for a target, a misspelt level would leave out everything. Spans may have commas in them.
    let mut words = log.filter.split(',').map(str::trim).filter(|_| !log.filter.contains('['));
    if let Some(word) = words.find(|word| !word.contains('=') && !is_level(word)) {
        return Err(format!(
            "log: {word:?} is no level: there are off, error, warn, info, debug and trace, and a target has one behind a =, as in \"warn,sealcast=debug\""
        )
        .into());
    }
    Ok(EnvFilter::try_new(&log.filter).map_err(|e| format!("log: {e}"))?)
}

/// The traces have to live as long as the server.
#[cfg(not(feature = "otel"))]
pub fn to_stderr(log: &Log) -> Result<(LogFilter, Traces)> {
    let builder = tracing_subscriber::fmt().with_env_filter(filter(log)?).with_writer(io::stderr);
    let handle = if log.json {
        let builder = builder.json().flatten_event(true).with_filter_reloading();
        let handle = LogFilter::of(builder.reload_handle());
        builder.finish().init();
        handle
    } else {
        let builder = builder.with_ansi(io::stderr().is_terminal()).with_filter_reloading();
        let handle = LogFilter::of(builder.reload_handle());
        builder.finish().init();
        handle
    };
    Ok((handle, Traces))
}

/// Spans are for the collector alone: the log is the same with them and without.
#[cfg(feature = "otel")]
pub fn to_stderr(log: &Log) -> Result<(LogFilter, Traces)> {
    use crate::traces::Exporter;
    use tracing_subscriber::{
        Layer,
        filter::{FilterExt, filter_fn},
        fmt,
        layer::SubscriberExt,
        registry, reload,
    };

    let exporter = Exporter::start()?;
    let (events, handle) = reload::Layer::new(filter(log)?);
    let events = events.and(filter_fn(|metadata| metadata.is_event()));
    let lines = fmt::layer().with_writer(io::stderr);
    let lines = match log.json {
        true => lines.json().flatten_event(true).boxed(),
        false => lines.with_ansi(io::stderr().is_terminal()).boxed(),
    };
    let spans = exporter.as_ref().map(Exporter::layer);
    registry().with(lines.with_filter(events)).with(spans).init();
    Ok((LogFilter::of(handle), exporter))
}
