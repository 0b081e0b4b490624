//! What orchestrators and load balancers ask. On the public listener, too: the answers name
//! nobody, cost nothing, and say no more than what whoever connects sees anyway.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse};

use super::{measured::Routes, verify::worker};
use crate::engine::readiness::Unready;

pub fn routes(routes: &mut Routes<'_>) {
    routes.get("/health", health).get("/live", health).get("/ready", ready);
}

/// As long as the process answers at all. Whoever restarts what is not alive must not be told
/// anything that a restart does not mend.
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
    let reasons = worker(&request).engine.unready();
    if reasons.is_empty() {
        return HttpResponse::Ok().json(Readiness { status: "ready", reasons });
    }
    HttpResponse::ServiceUnavailable().json(Readiness { status: "not_ready", reasons })
}
