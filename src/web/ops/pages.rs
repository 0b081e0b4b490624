//! `/metrics` and `/stats`.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse};

use super::metrics::{CONTENT_TYPE, Metrics};
use crate::{
    domain::refusal::RefusalCode,
    web::{
        context::worker::worker,
        http::error::{ApiError, blocking},
    },
};

/// On the operations listener only. Runs on a blocking thread, since it walks all channels.
pub async fn metrics(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let metrics = request.app_data::<Arc<Metrics>>().expect("the listener has its metrics").clone();
    let page = blocking(move || metrics.page().map_err(|_| metrics_failed())).await?;
    Ok(HttpResponse::Ok().content_type(CONTENT_TYPE).body(page))
}

fn metrics_failed() -> ApiError {
    ApiError::new(RefusalCode::NoMetrics, "The metrics could not be written; ask again")
}

/// On the operations listener only: totals without names.
pub async fn stats(request: HttpRequest) -> HttpResponse {
    HttpResponse::Ok().json(worker(&request).engine.stats())
}
