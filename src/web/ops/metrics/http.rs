//! Requests to the public API. Each worker has its own counters, so that no two write the same
//! cache line. Labels use the route template, never a requested path.

use std::{fmt, sync::Arc, time::Duration};

use parking_lot::Mutex;

use super::page::{Page, SECONDS};
use crate::platform::counting::{Count, Distribution, Histogram};

/// HTTP counters of one worker.
pub struct HttpCounts {
    routes: Mutex<Vec<Arc<RouteCounts>>>,
}

/// Aligned to avoid false sharing.
#[repr(align(128))]
pub struct RouteCounts {
    route: &'static str,
    /// Indexed by method and status class.
    answers: [[Count; CLASSES.len()]; METHODS.len()],
    times: Histogram,
}

/// Label for unknown routes.
pub const UNKNOWN: &str = "unknown";

/// Method label. Methods invented by strangers share one label.
#[derive(Clone, Copy)]
pub enum Method {
    Get,
    Head,
    Post,
    Options,
    Other,
}

/// In the order of `Method`.
const METHODS: [&str; 5] = ["GET", "HEAD", "POST", "OPTIONS", "other"];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
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

/// A route, summed over all workers.
struct RouteTotals {
    route: &'static str,
    answers: [[u64; CLASSES.len()]; METHODS.len()],
    times: Distribution,
}

pub fn write(page: &mut Page<'_>, workers: &[HttpCounts]) -> fmt::Result {
    let sums = sums(workers);
    let mut requests =
        page.counter("http_requests", "Requests to the API that were answered, by their routes")?;
    for RouteTotals { route, answers, .. } in &sums {
        for (method, classes) in METHODS.iter().zip(answers) {
            for (class, count) in CLASSES.iter().zip(classes).filter(|(_, count)| **count > 0) {
                let labels = [("route", *route), ("method", *method), ("status", *class)];
                requests.add(&labels, *count)?;
            }
        }
    }
    let mut times = page.histogram_in(
        &SECONDS,
        "http_request_duration",
        "From the head of a request to that of its answer",
    )?;
    for RouteTotals { route, times: took, .. } in sums.iter().filter(|sum| sum.times.count() > 0) {
        times.add(&[("route", route)], took)?;
    }
    Ok(())
}

fn sums(workers: &[HttpCounts]) -> Vec<RouteTotals> {
    let mut sums: Vec<RouteTotals> = Vec::new();
    for counts in workers {
        for counted in counts.routes.lock().iter() {
            let at = sums.iter().position(|sum| sum.route == counted.route).unwrap_or_else(|| {
                let (route, times) = (counted.route, Distribution::default());
                sums.push(RouteTotals { route, answers: Default::default(), times });
                sums.len() - 1
            });
            let RouteTotals { answers, times, .. } = &mut sums[at];
            for (sum, counts) in answers.iter_mut().flatten().zip(counted.answers.iter().flatten())
            {
                *sum += counts.get();
            }
            counted.times.add_to(times);
        }
    }
    sums
}
