//! Probes for orchestrators and load balancers. They are on the public listener as well: the
//! responses contain no names, cost little, and tell no more than a connection would.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse};

use crate::{
    engine::readiness::Unready,
    platform::capacity::ResourceUsage,
    web::{context::request_metrics::Routes, context::worker::worker},
};

pub fn routes(routes: &mut Routes<'_>) {
    routes.get("/health", health).get("/live", health).get("/ready", ready);
}

/// On the operations listener `/ready` also reports problems that need the operator but no
/// rerouting.
pub fn routes_with_notices(routes: &mut Routes<'_>) {
    routes.get("/health", health).get("/live", health).get("/ready", ready_with_notices);
}

/// Clients see open or closed, as a connection would show as well, without numbers.
pub fn capacity_routes(routes: &mut Routes<'_>) {
    routes.get("/capacity", capacity_without_numbers);
}

/// For operators: with numbers.
pub fn capacity_routes_with_numbers(routes: &mut Routes<'_>) {
    routes.get("/capacity", capacity);
}

/// Healthy as long as the process answers. A failure causes a restart, so problems that a restart
/// cannot mend must not count.
async fn health() -> HttpResponse {
    HttpResponse::Ok().json(BTreeMap::from([("status", "ok")]))
}

#[derive(serde::Serialize)]
struct Readiness {
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<Unready>,
}

async fn ready(request: HttpRequest) -> HttpResponse {
    readiness(worker(&request).engine.unready(), Vec::new())
}

async fn ready_with_notices(request: HttpRequest) -> HttpResponse {
    let engine = &worker(&request).engine;
    readiness(engine.unready(), engine.notices())
}

/// With `notices` alone it is still ready: moving traffic elsewhere would not help.
fn readiness(mut reasons: Vec<Unready>, notices: Vec<Unready>) -> HttpResponse {
    let (mut answer, status) = match reasons.is_empty() {
        true => (HttpResponse::Ok(), "ready"),
        false => (HttpResponse::ServiceUnavailable(), "not_ready"),
    };
    reasons.extend(notices);
    answer.json(Readiness { status, reasons })
}

#[derive(serde::Serialize)]
struct CapacityStatus {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold_percent: Option<u64>,
    #[serde(flatten)]
    usage: Option<ResourceUsage>,
}

async fn capacity_without_numbers(request: HttpRequest) -> HttpResponse {
    capacity_response(&request, false)
}

async fn capacity(request: HttpRequest) -> HttpResponse {
    capacity_response(&request, true)
}

fn capacity_response(request: &HttpRequest, with_numbers: bool) -> HttpResponse {
    let worker = worker(request);
    let percent = worker.settings().capacity_percent;
    let usage = worker.engine.usage();
    let (mut answer, status) = match worker.engine.accepts_connections(&usage, percent) {
        true => (HttpResponse::Ok(), "open"),
        false => (HttpResponse::ServiceUnavailable(), "closed"),
    };
    answer.json(CapacityStatus {
        status,
        threshold_percent: with_numbers.then_some(percent),
        usage: with_numbers.then_some(usage),
    })
}
