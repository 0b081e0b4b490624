//! For those who run the server.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse};

use super::verify::worker;

pub async fn health() -> HttpResponse {
    HttpResponse::Ok().json(BTreeMap::from([("status", "ok")]))
}

/// On the operations listener only: how much there is of everything, and no names.
pub async fn stats(request: HttpRequest) -> HttpResponse {
    HttpResponse::Ok().json(worker(&request).engine.stats())
}
