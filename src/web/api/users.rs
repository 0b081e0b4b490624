//! Terminates users' connections (protocol.md 5.4), and revokes members of channels (encryption.md
//! 5.1).

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web};
use percent_encoding::percent_decode_str;
use serde::Deserialize;

use super::verify::SignedRequest;
use crate::{
    domain::refusal::RefusalCode,
    engine::users::check_user_id,
    web::http::{
        body::json,
        error::{ApiError, blocking},
    },
};

/// `POST /users/{id}/terminate_connections`
pub async fn terminate(
    request: HttpRequest,
    signed: SignedRequest,
) -> Result<HttpResponse, ApiError> {
    let user = percent_decode_str(request.match_info().get("user").unwrap_or_default())
        .decode_utf8_lossy();
    check_user(&signed, &user)?;
    signed.engine().terminate(&signed.runtime, &user).await?;
    Ok(HttpResponse::Ok().json(serde_json::Map::new()))
}

#[derive(Deserialize)]
struct RevokeMemberRequest {
    user_id: String,
}

/// `POST /channels/{channel}/revoke`
pub async fn revoke(
    signed: SignedRequest,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let channel = signed.app.channel(&path.into_inner().1)?;
    let RevokeMemberRequest { user_id } = json(&signed.body)?;
    check_user(&signed, &user_id)?;
    let (engine, runtime) = (signed.worker.engine.clone(), signed.runtime.clone());
    let revoke = move || Ok(engine.revoke_member(&runtime, &channel, &user_id)?);
    Ok(HttpResponse::Ok().json(BTreeMap::from([("epoch", blocking(revoke).await?)])))
}

fn check_user(signed: &SignedRequest, user: &str) -> Result<(), ApiError> {
    check_user_id(user, signed.app.limits.user_id_chars).map_err(|e| {
        ApiError::new(RefusalCode::InvalidUserId, format!("The user id cannot be used: it {e}"))
    })
}
