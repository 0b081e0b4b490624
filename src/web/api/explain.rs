//! `POST /apps/{id}/auth/explain`: explains the refusal of an auth string.

use actix_web::HttpResponse;
use serde::Deserialize;

use super::verify::SignedRequest;
use crate::web::{
    explanation::ExplanationQuestion,
    http::{body::json, error::ApiError},
};

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplainRequest {
    auth: String,
    socket_id: String,
    channel_name: Option<String>,
    channel_data: Option<String>,
    user_data: Option<String>,
    #[serde(default)]
    other_socket_ids: Vec<String>,
}

pub async fn explain(signed: SignedRequest) -> Result<HttpResponse, ApiError> {
    let request: ExplainRequest = json(&signed.body)?;
    let question = ExplanationQuestion {
        auth: &request.auth,
        socket_id: &request.socket_id,
        channel: request.channel_name.as_deref(),
        channel_data: request.channel_data.as_deref(),
        user_data: request.user_data.as_deref(),
        other_socket_ids: &request.other_socket_ids,
    };
    let answer = question.answer(signed.engine(), &signed.runtime, "channel_name").await?;
    Ok(HttpResponse::Ok().json(answer))
}
