//! The log, on standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, reload::Handle, util::SubscriberInitExt};

use super::Result;
use crate::config::Log;

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
    Ok(EnvFilter::try_new(&log.filter).map_err(|e| format!("log: {e}"))?)
}

pub fn to_stderr(log: &Log) -> Result<LogFilter> {
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
    Ok(handle)
}
