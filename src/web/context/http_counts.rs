//! Requests to the public API. Each worker has its own counters, so that no two write the same
//! cache line. Labels use the route template, never a requested path.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;

use crate::platform::counting::{Count, Histogram};

/// HTTP counters of one worker.
pub struct HttpCounts {
    routes: Mutex<Vec<Arc<RouteCounts>>>,
}

/// Aligned to avoid false sharing.
#[repr(align(128))]
pub struct RouteCounts {
    pub route: &'static str,
    /// Indexed by method and status class.
    pub answers: [[Count; CLASSES.len()]; METHODS.len()],
    pub times: Histogram,
}

/// Label for unknown routes.
pub const UNKNOWN: &str = "unknown";

/// Method label. Methods invented by strangers share one label.
#[derive(Clone, Copy)]
pub enum Method {
    Get,
    Head,
    Post,
    Delete,
    Options,
    Other,
}

/// In the order of `Method`.
pub const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "other"];
pub const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
const DURATION_BUCKETS: [Duration; 12] = [
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_millis(2500),
    Duration::from_secs(10),
];

impl Default for HttpCounts {
    fn default() -> Self {
        let counts = Self { routes: Mutex::default() };
        // Must be the first in the list.
        counts.route(UNKNOWN);
        counts
    }
}

impl HttpCounts {
    /// By worker.
    pub fn of_workers(count: usize) -> Arc<[Self]> {
        (0..count).map(|_| Self::default()).collect()
    }

    /// In the order of their first use.
    pub fn routes(&self) -> Vec<Arc<RouteCounts>> {
        self.routes.lock().clone()
    }

    /// Called once per route, before it is served.
    pub fn route(&self, template: &'static str) -> Arc<RouteCounts> {
        let mut routes = self.routes.lock();
        if let Some(known) = routes.iter().find(|known| known.route == template) {
            return known.clone();
        }
        let new = Arc::new(RouteCounts::new(template));
        routes.push(new.clone());
        new
    }
}

impl RouteCounts {
    fn new(route: &'static str) -> Self {
        Self { route, answers: Default::default(), times: Histogram::new(&DURATION_BUCKETS) }
    }

    pub fn add(&self, method: Method, status: u16, took: Duration) {
        let class = usize::from(status / 100).clamp(1, CLASSES.len()) - 1;
        self.answers[method as usize][class].add();
        self.times.add(took);
    }
}
