//! `GET` and `DELETE /apps/{id}/channels/{channel}/history`.

use actix_web::{HttpResponse, web};

use super::verify::SignedRequest;
use crate::{
    engine::history::reading::ReaderView,
    web::{
        channel_log::{no_history, page, paging::Paging},
        http::error::ApiError,
    },
};

pub async fn show(
    signed: SignedRequest,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let channel = signed.app.channel(&path.into_inner().1)?;
    let paging = Paging::read(&signed.query)?;
    // The backend reads everything, sealed with the channel's newest secret.
    let view = ReaderView { version: None, not_before: 0 };
    let page = page::read(&signed.worker.engine, &signed.runtime, &channel, paging, view).await?;
    Ok(HttpResponse::Ok().json(page))
}

pub async fn clear(
    signed: SignedRequest,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let channel = signed.app.channel(&path.into_inner().1)?;
    let cleared = signed.engine().clear_history(&signed.runtime, &channel).settled().await?;
    match cleared.logged.is_empty() {
        true => Err(no_history()),
        false => Ok(HttpResponse::NoContent().finish()),
    }
}
