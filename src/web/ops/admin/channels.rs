//! An app's channels, for operators.

use std::time::Instant;

use actix_web::{HttpRequest, HttpResponse, web};

use super::{AdminRequest, paging};
use crate::{
    domain::{channel::ChannelKind, refusal::RefusalCode},
    engine::busiest::BusyChannel,
    engine::inspection::{channel::MembersQuery, channels::ChannelsQuery},
    web::http::{error::ApiError, query::Query},
};

pub async fn list(admin: AdminRequest, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let query = Query::of(request.uri())?;
    let text = |name| query.first(name).map(str::to_owned);
    let query = ChannelsQuery {
        prefix: text("prefix").unwrap_or_default(),
        kind: text("kind").map(checked_kind).transpose()?,
        after: text("after"),
        limit: paging::limit(&query)?,
    };
    let page = admin.worker.engine.channel_page(&admin.runtime, query).await?;
    Ok(HttpResponse::Ok().json(page))
}

fn checked_kind(kind: String) -> Result<String, ApiError> {
    let listed = ChannelKind::ALL.iter().filter(|kind| kind.is_listed() && !kind.is_cached());
    let names: Vec<_> = listed.map(|kind| kind.label()).collect();
    if names.contains(&&*kind) {
        return Ok(kind);
    }
    let message = format!("kind must be one of {}", names.join(", "));
    Err(ApiError::new(RefusalCode::InvalidFilter, message))
}

pub async fn show(
    admin: AdminRequest,
    request: HttpRequest,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let channel = admin.runtime.app().channel(&path.into_inner().1)?;
    if !channel.kind().is_listed() {
        let message = "Channels of users are not shown: ask for the connections of the user";
        return Err(ApiError::new(RefusalCode::ReservedChannel, message));
    }
    let query = Query::of(request.uri())?;
    let after = query.first("after").map(str::to_owned);
    let query = MembersQuery { after, limit: paging::limit(&query)? };
    let detail = admin.worker.engine.channel_detail(&admin.runtime, &channel, &query).await?;
    Ok(HttpResponse::Ok().json(detail))
}

#[derive(serde::Serialize, utoipa::ToSchema)]
pub struct BusiestAnswer {
    /// The busiest first.
    channels: Vec<BusyChannel>,
}

/// The busiest channels. The first request begins the counting.
pub async fn top(admin: AdminRequest) -> HttpResponse {
    let channels = admin.runtime.busiest.ask(Instant::now());
    HttpResponse::Ok().json(BusiestAnswer { channels })
}
