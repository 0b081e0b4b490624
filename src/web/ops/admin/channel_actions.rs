//! Changes of one channel by an operator.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::{AdminRequest, EmptyBody};
use crate::{
    domain::refusal::RefusalCode,
    engine::clear_cached::ClearCachedError,
    observe::audit::AdminSubject,
    web::{context::revoking::revoke_member, http::error::ApiError},
};

#[derive(Serialize, utoipa::ToSchema)]
pub struct ClearedEvent {
    /// False if there was none.
    cleared: bool,
}

/// Forgets the cached event.
pub async fn clear(
    admin: AdminRequest,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let EmptyBody {} = admin.parse_body("empty, or an empty object")?;
    let channel = admin.runtime.app().channel(&path.into_inner().1)?;
    let cleared = admin.worker.engine.clear_cached(&admin.runtime, &channel).await?;
    admin.note_about("clear_cached", AdminSubject::channels(std::slice::from_ref(&channel)));
    Ok(HttpResponse::Ok().json(ClearedEvent { cleared }))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeMember {
    user_id: String,
}

/// As `POST /apps/{app}/channels/{channel}/revoke` of the signed API.
pub async fn revoke(
    admin: AdminRequest,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let RevokeMember { user_id } = admin.parse_body("an object of user_id (text)")?;
    let channel = admin.runtime.app().channel(&path.into_inner().1)?;
    admin.note_about("revoke_member", AdminSubject::channels(std::slice::from_ref(&channel)));
    revoke_member(&admin.worker, &admin.runtime, channel, user_id).await
}

impl From<ClearCachedError> for ApiError {
    fn from(error: ClearCachedError) -> Self {
        let message = error.to_string();
        match error {
            ClearCachedError::NotACacheChannel(_) => {
                Self::new(RefusalCode::NotACacheChannel, message)
            }
            ClearCachedError::Logged(_) => Self::new(RefusalCode::CachedEventLogged, message),
            ClearCachedError::NotPublished(reason) => reason.into(),
        }
    }
}
