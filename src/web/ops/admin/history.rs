//! The logged events of one channel, for operators.

use actix_web::{HttpRequest, HttpResponse};

use super::AdminRequest;
use crate::{
    domain::refusal::RefusalCode,
    engine::history::reading::ReaderView,
    web::{
        channel_log::{page, paging::Paging},
        http::{error::ApiError, query::Query},
    },
};

/// The parameters of the signed API, and the channel. On an encrypted channel `data` is an envelope.
pub async fn show(admin: AdminRequest, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let query = Query::of(request.uri())?;
    let name = query.first("channel").ok_or_else(|| {
        ApiError::new(RefusalCode::MissingParameter, "Missing parameter: channel")
    })?;
    let channel = admin.runtime.app().channel(name)?;
    let paging = Paging::read(&query)?;
    let view = ReaderView { version: None, not_before: 0 };
    let page = page::read(&admin.worker.engine, &admin.runtime, &channel, paging, view).await?;
    Ok(HttpResponse::Ok().json(page))
}
