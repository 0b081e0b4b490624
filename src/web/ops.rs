//! For those who run the server.

use actix_web::{HttpRequest, HttpResponse};

use super::verify::worker;

/// On the operations listener only: how much there is of everything, and no names.
pub async fn stats(request: HttpRequest) -> HttpResponse {
    HttpResponse::Ok().json(worker(&request).engine.stats())
}
