//! `POST /users/{id}/terminate_connections` (PROTOCOL 5.4).

use actix_web::{HttpRequest, HttpResponse};
use percent_encoding::percent_decode_str;

use super::{error::ApiError, verify::Signed};
use crate::engine::users::check_user_id;

pub async fn terminate(request: HttpRequest, signed: Signed) -> Result<HttpResponse, ApiError> {
    let user = percent_decode_str(request.match_info().get("user").unwrap_or_default())
        .decode_utf8_lossy();
    check_user_id(&user, signed.tenant.app.limits.user_id_chars).map_err(|e| {
        ApiError::bad_request("invalid_user_id", format!("The user id cannot be used: {e}"))
    })?;
    signed.engine().terminate(&signed.tenant, &user);
    Ok(HttpResponse::Ok().json(serde_json::Map::new()))
}
