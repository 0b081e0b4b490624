//! The configuration in force, as `sealcast config show` prints it.

use actix_web::{HttpRequest, HttpResponse};

use super::auth::AdminAuth;
use crate::web::{context::worker::worker, http::error::ApiError};

pub async fn show(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    AdminAuth::of(&request).admit(&request)?;
    let report = worker(&request).settings().config_report.clone();
    Ok(HttpResponse::Ok().content_type("application/json").body(report.json().to_owned()))
}
