//! The newest facts of the audit log.

use actix_web::{HttpRequest, HttpResponse};

use super::{paging, server_request::ServerRequest};
use crate::{
    observe::audit::MAX_RECENT,
    web::http::{error::ApiError, query::Query},
};

pub async fn show(admin: ServerRequest, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let limit = paging::limit_within(&Query::of(request.uri())?, MAX_RECENT)?;
    Ok(HttpResponse::Ok().json(admin.worker.engine.recent_facts(limit)))
}
