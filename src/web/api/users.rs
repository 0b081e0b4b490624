//! Terminates users' connections (protocol.md 5.4), and revokes members of channels (encryption.md
//! 5.1).

use actix_web::{HttpRequest, HttpResponse, web};
use percent_encoding::percent_decode_str;
use serde::Deserialize;

use super::verify::SignedRequest;
use crate::web::{
    context::revoking::{check_user, revoke_member},
    http::{body::json, error::ApiError},
};

/// `POST /users/{id}/terminate_connections`
pub async fn terminate(
    request: HttpRequest,
    signed: SignedRequest,
) -> Result<HttpResponse, ApiError> {
    let user = percent_decode_str(request.match_info().get("user").unwrap_or_default())
        .decode_utf8_lossy();
    check_user(&signed.runtime, &user)?;
    signed.engine().terminate(&signed.runtime, &user).await?;
    Ok(HttpResponse::Ok().json(serde_json::Map::new()))
}

#[derive(Deserialize, utoipa::ToSchema)]
pub struct RevokeMemberRequest {
    user_id: String,
}

/// `POST /channels/{channel}/revoke`
pub async fn revoke(
    signed: SignedRequest,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let channel = signed.app.channel(&path.into_inner().1)?;
    let RevokeMemberRequest { user_id } = json(&signed.body)?;
    revoke_member(&signed.worker, &signed.runtime, channel, user_id).await
}
