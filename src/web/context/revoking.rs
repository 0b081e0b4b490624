//! Takes a member off a channel (encryption.md 5.1), for backends and operators.

use std::sync::Arc;

use actix_web::HttpResponse;

use super::worker::Worker;
use crate::{
    domain::{channel::Channel, refusal::RefusalCode},
    engine::{AppRuntime, users::check_user_id},
    web::http::error::{ApiError, blocking},
};

#[derive(serde::Serialize, utoipa::ToSchema)]
pub struct RevokedMember {
    /// From this epoch on, the member's secret opens nothing.
    epoch: u64,
}

/// Answers with the channel's new epoch.
pub async fn revoke_member(
    worker: &Worker,
    runtime: &Arc<AppRuntime>,
    channel: Channel,
    user: String,
) -> Result<HttpResponse, ApiError> {
    check_user(runtime, &user)?;
    let (engine, runtime) = (worker.engine.clone(), runtime.clone());
    let revoke = move || Ok(engine.revoke_member(&runtime, &channel, &user)?);
    Ok(HttpResponse::Ok().json(RevokedMember { epoch: blocking(revoke).await? }))
}

pub fn check_user(runtime: &AppRuntime, user: &str) -> Result<(), ApiError> {
    check_user_id(user, runtime.app().limits.user_id_chars).map_err(|error| {
        let message = format!("The user id cannot be used: it {error}");
        ApiError::new(RefusalCode::InvalidUserId, message)
    })
}
