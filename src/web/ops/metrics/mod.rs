//! All metrics, as one page of OpenMetrics text for Prometheus (`docs/metrics.md`).
//!
//! Counters live where things happen; gauges are read when the page is written. Labels are ids of
//! apps and keys, and names from this code, never a text chosen by a client or backend.

mod apps;
mod auth;
mod cluster;
mod history;
mod http;
mod keys;
mod page;
mod process;
mod server;
mod webhooks;

use std::{fmt, sync::Arc, time::SystemTime};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text},
    registry::Registry,
};

use crate::{
    engine::{AppRuntime, Engine},
    web::context::http_counts::HttpCounts,
};
use page::Page;

pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub struct Metrics {
    registry: Registry,
}

/// Reads all values for each page.
struct EngineCollector {
    engine: Arc<Engine>,
    http: Arc<[HttpCounts]>,
    started: SystemTime,
}

impl Metrics {
    /// `http`: by worker.
    pub fn new(engine: Arc<Engine>, http: Arc<[HttpCounts]>) -> Self {
        let mut registry = Registry::with_prefix("sealcast");
        let reader = EngineCollector { engine, http, started: SystemTime::now() };
        registry.register_collector(Box::new(reader));
        Self { registry }
    }

    /// Walks all channels: not for a worker thread.
    pub fn page(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Collector for EngineCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (page, engine) = (&mut Page(encoder), &*self.engine);
        let registry = engine.runtimes_snapshot();
        let mut runtimes: Vec<&AppRuntime> = registry.iter().map(|runtime| &**runtime).collect();
        runtimes.sort_by(|one, other| one.id.cmp(&other.id));
        server::write(page, engine, self.started)?;
        apps::write(page, &runtimes)?;
        history::write(page, engine, &runtimes)?;
        auth::write(page, engine, &runtimes)?;
        keys::write(page, &runtimes)?;
        webhooks::write(page, &runtimes)?;
        cluster::write(page, engine)?;
        http::write(page, &self.http)?;
        process::write(page, engine)
    }
}

impl fmt::Debug for EngineCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineCollector").finish_non_exhaustive()
    }
}
