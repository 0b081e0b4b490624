//! The nodes of the cluster, and the end of one of them.

use actix_web::{HttpResponse, web};

use super::server_request::ServerRequest;
use crate::{
    domain::refusal::RefusalCode, engine::cluster::nodes::DrainError, observe::audit::AdminSubject,
    web::http::error::ApiError,
};

#[derive(serde::Serialize, utoipa::ToSchema)]
pub struct DrainAnswer {
    draining: bool,
}

/// Longer names are not worth a line of the log.
const MAX_NAME_CHARS: usize = 20;

pub async fn list(admin: ServerRequest) -> HttpResponse {
    HttpResponse::Ok().json(admin.worker.engine.nodes().await)
}

pub async fn drain(
    admin: ServerRequest,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    admin.expect_empty_body()?;
    let name: String = path.chars().take(MAX_NAME_CHARS).collect();
    let drained = admin.worker.engine.drain_node(&path).await;
    // A node that has not answered may end nevertheless.
    if !matches!(drained, Err(DrainError::UnknownNode)) {
        admin.note("drain", AdminSubject::node(&name));
    }
    drained.map_err(|error| drain_error(error, &name))?;
    Ok(HttpResponse::Ok().json(DrainAnswer { draining: true }))
}

fn drain_error(error: DrainError, name: &str) -> ApiError {
    match error {
        DrainError::UnknownNode => {
            ApiError::new(RefusalCode::UnknownNode, format!("There is no node {name:?}"))
        }
        DrainError::NoAnswer => ApiError::new(
            RefusalCode::Overloaded,
            format!("The node {name} has not answered: it may end nevertheless"),
        ),
    }
}
