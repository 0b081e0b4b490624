//! Requests to the public API, summed over all workers.

use std::fmt;

use super::page::{Page, SECONDS};
use crate::{
    platform::counting::Distribution,
    web::context::http_counts::{CLASSES, HttpCounts, METHODS},
};

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
        for counted in counts.routes() {
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
