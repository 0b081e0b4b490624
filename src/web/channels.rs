//! Channel queries of the API (protocol.md 7.4 to 7.6).

use std::{collections::BTreeMap, sync::Arc};

use actix_web::{HttpResponse, web};

use super::{error::ApiError, verify::Signed};
use crate::{
    channel::{Access, Channel},
    engine::queries::{Attributes, ChannelInfo},
    refusal::RefusalCode,
};

fn asked(signed: &Signed) -> Attributes {
    Attributes::parse(&signed.query.list("info").join(","))
}

pub async fn list(signed: Signed) -> Result<HttpResponse, ApiError> {
    let prefix = signed.query.first("filter_by_prefix").unwrap_or_default();
    // The `cache` attribute is for single channels only.
    let asked = Attributes { cache: false, ..asked(&signed) };
    if asked.user_count && !prefix.starts_with("presence-") {
        return Err(ApiError::new(
            RefusalCode::InvalidInfo,
            "user_count is an attribute of presence channels: add filter_by_prefix=presence-",
        ));
    }
    let channels: BTreeMap<Arc<str>, ChannelInfo> = signed
        .tenant
        .channels(prefix, asked)
        .into_iter()
        .map(|(channel, info)| (channel.name().clone(), info))
        .collect();
    Ok(HttpResponse::Ok().json(BTreeMap::from([("channels", channels)])))
}

fn named(signed: &Signed, path: web::Path<(String, String)>) -> Result<Channel, ApiError> {
    Ok(signed.app.channel(&path.into_inner().1)?)
}

pub async fn show(
    signed: Signed,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let channel = named(&signed, path)?;
    let asked = asked(&signed);
    if asked.user_count && channel.access() != Access::Presence {
        return Err(ApiError::new(
            RefusalCode::InvalidInfo,
            "user_count is an attribute of presence channels",
        ));
    }
    if !channel.is_listed() {
        return Err(ApiError::new(RefusalCode::ReservedChannel, "Channels of users are not shown"));
    }
    let occupied = signed.tenant.is_occupied(&channel);
    let info = signed.tenant.attributes(&channel, asked);
    Ok(HttpResponse::Ok().json(ChannelInfo { occupied: Some(occupied), ..info }))
}

#[derive(serde::Serialize)]
struct User {
    id: String,
}

pub async fn users(
    signed: Signed,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let channel = named(&signed, path)?;
    if channel.access() != Access::Presence {
        return Err(ApiError::new(
            RefusalCode::NotAPresenceChannel,
            "Only presence channels have users",
        ));
    }
    let users: Vec<User> =
        signed.tenant.users(&channel).into_iter().map(|id| User { id }).collect();
    Ok(HttpResponse::Ok().json(BTreeMap::from([("users", users)])))
}
