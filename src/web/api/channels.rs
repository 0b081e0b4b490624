//! Channel queries of the API (protocol.md 7.4 to 7.6).

use std::{collections::BTreeMap, sync::Arc};

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::verify::SignedRequest;
use crate::{
    domain::{
        channel::{Channel, ChannelKind},
        refusal::RefusalCode,
    },
    engine::queries::{Attributes, ChannelInfo},
    web::http::error::ApiError,
};

/// Occupied channels and their attributes.
#[derive(Serialize, ToSchema)]
pub struct ChannelList {
    #[schema(value_type = BTreeMap<String, ChannelInfo>)]
    channels: BTreeMap<Arc<str>, ChannelInfo>,
}

fn requested_attributes(signed: &SignedRequest) -> Attributes {
    Attributes::parse(&signed.query.list("info").join(","))
}

pub async fn list(signed: SignedRequest) -> Result<HttpResponse, ApiError> {
    let prefix = signed.query.first("filter_by_prefix").unwrap_or_default();
    // `cache` and `key` are attributes of single channels only.
    let requested_attributes =
        Attributes { cache: false, key: false, ..requested_attributes(&signed) };
    if requested_attributes.user_count && !ChannelKind::of(prefix).has_members() {
        return Err(ApiError::new(
            RefusalCode::InvalidInfo,
            "user_count is an attribute of presence channels: add filter_by_prefix=presence-",
        ));
    }
    let channels = signed.engine().channels(&signed.runtime, prefix, requested_attributes).await?;
    let channels =
        channels.into_iter().map(|(channel, info)| (channel.name().clone(), info)).collect();
    Ok(HttpResponse::Ok().json(ChannelList { channels }))
}

fn channel_of_path(
    signed: &SignedRequest,
    path: web::Path<(String, String)>,
) -> Result<Channel, ApiError> {
    Ok(signed.app.channel(&path.into_inner().1)?)
}

pub async fn show(
    signed: SignedRequest,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let channel = channel_of_path(&signed, path)?;
    let requested_attributes = requested_attributes(&signed);
    if requested_attributes.user_count && !channel.kind().has_members() {
        return Err(ApiError::new(
            RefusalCode::InvalidInfo,
            "user_count is an attribute of presence channels",
        ));
    }
    if !channel.kind().is_listed() {
        return Err(ApiError::new(RefusalCode::ReservedChannel, "Channels of users are not shown"));
    }
    let (engine, runtime) = (signed.engine(), &signed.runtime);
    let occupied = engine.is_occupied(runtime, &channel).await?;
    let info = engine.attributes(runtime, &channel, requested_attributes).await?;
    Ok(HttpResponse::Ok().json(ChannelInfo { occupied: Some(occupied), ..info }))
}

#[derive(Serialize, ToSchema)]
pub struct UserList {
    users: Vec<UserEntry>,
}

#[derive(Serialize, ToSchema)]
struct UserEntry {
    id: String,
}

pub async fn users(
    signed: SignedRequest,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let channel = channel_of_path(&signed, path)?;
    if !channel.kind().has_members() {
        return Err(ApiError::new(
            RefusalCode::NotAPresenceChannel,
            "Only presence channels have users",
        ));
    }
    let users = signed.engine().users(&signed.runtime, &channel).await?;
    let users = users.into_iter().map(|id| UserEntry { id }).collect();
    Ok(HttpResponse::Ok().json(UserList { users }))
}
