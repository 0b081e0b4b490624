//! Reads the configuration again, as SIGHUP does.

use actix_web::HttpResponse;
use serde::Serialize;

use super::server_request::ServerRequest;
use crate::{
    domain::refusal::RefusalCode,
    engine::process_control::{AppliedReload, ReloadError},
    observe::audit::AdminSubject,
    web::http::error::ApiError,
};

#[derive(Serialize, utoipa::ToSchema)]
pub struct ReloadAnswer {
    applied: Vec<String>,
    waits_for_restart: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waits_for_rotation: Vec<String>,
}

pub async fn reload(admin: ServerRequest) -> Result<HttpResponse, ApiError> {
    admin.expect_empty_body()?;
    admin.note("reload", AdminSubject::default());
    let AppliedReload { applied, waits_for_restart, waits_for_rotation } =
        admin.worker.engine.control.reload().await?;
    Ok(HttpResponse::Ok().json(ReloadAnswer { applied, waits_for_restart, waits_for_rotation }))
}

impl From<ReloadError> for ApiError {
    fn from(error: ReloadError) -> Self {
        let code = match error {
            ReloadError::Refused(_) => RefusalCode::ConfigRefused,
            ReloadError::ShuttingDown => RefusalCode::ShuttingDown,
            ReloadError::Busy => RefusalCode::Overloaded,
        };
        Self::new(code, error.to_string())
    }
}
