//! Explains authorizations, as `sealcast auth explain` and `sealcast auth test` do. Nothing of a
//! request is logged: it may have a token.

use std::{future::Future, pin::Pin};

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::AdminRequest;
use crate::{
    app::auth_report::{AuthReport, AuthTestError},
    auth::Credentials,
    domain::refusal::RefusalCode,
    web::{
        explanation::{ExplanationQuestion, socket_id},
        http::error::ApiError,
    },
};

/// Room for a token with its claims, or for user data with a watchlist.
const BODY_BYTES: usize = 64 * 1024;

/// A request with a larger body than that of other commands.
pub struct AuthorizationRequest(AdminRequest);

impl FromRequest for AuthorizationRequest {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let admitted = AdminRequest::admit(request, payload, |_| BODY_BYTES);
        Box::pin(async move { admitted.await.map(Self) })
    }
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthExplainRequest {
    auth: String,
    socket_id: String,
    channel: Option<String>,
    channel_data: Option<String>,
    user_data: Option<String>,
    #[serde(default)]
    other_socket_ids: Vec<String>,
}

pub async fn explain(
    AuthorizationRequest(admin): AuthorizationRequest,
) -> Result<HttpResponse, ApiError> {
    let request: AuthExplainRequest = admin.parse_body(
        "an object of auth and socket_id (texts), and channel with channel_data or user_data (texts) and other_socket_ids (a list of texts), each of which may be left out",
    )?;
    let question = ExplanationQuestion {
        auth: &request.auth,
        socket_id: &request.socket_id,
        channel: request.channel.as_deref(),
        channel_data: request.channel_data.as_deref(),
        user_data: request.user_data.as_deref(),
        other_socket_ids: &request.other_socket_ids,
    };
    let answer = question.answer(&admin.worker.engine, &admin.runtime, "channel").await?;
    Ok(HttpResponse::Ok().json(answer))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenTestRequest {
    #[schema(value_type = String)]
    token: Zeroizing<String>,
    channel: String,
}

/// A token that is not valid is no error: the answer says why it is denied.
pub async fn test(
    AuthorizationRequest(admin): AuthorizationRequest,
) -> Result<HttpResponse, ApiError> {
    let TokenTestRequest { token, channel } =
        admin.parse_body("an object of token and channel (texts)")?;
    let app = admin.runtime.app_snapshot();
    let channel = app.channel(&channel)?;
    let credentials =
        Credentials { bearer: Some(token.trim().to_owned()), ..Credentials::default() };
    let clock = &admin.worker.engine.clock;
    let report = match AuthReport::test(&app, &credentials, &channel, clock).await {
        Ok(report) => report,
        Err(AuthTestError::Denied(denied)) => AuthReport::denied(&channel, denied.to_string()),
        Err(error @ AuthTestError::NoToken { .. }) => {
            return Err(ApiError::new(RefusalCode::NoTokenAuthorizer, capitalized(&error)));
        }
    };
    Ok(HttpResponse::Ok().json(report))
}

fn capitalized(error: &AuthTestError) -> String {
    let text = error.to_string();
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthAnswerRequest {
    #[schema(value_type = String)]
    answer: Zeroizing<String>,
    socket_id: String,
    channel: String,
}

/// Judges the whole answer of an auth endpoint.
pub async fn answer(
    AuthorizationRequest(admin): AuthorizationRequest,
) -> Result<HttpResponse, ApiError> {
    let AuthAnswerRequest { answer, socket_id: socket, channel } =
        admin.parse_body("an object of answer, socket_id and channel (texts)")?;
    let socket = socket_id(&socket)?;
    let engine = &admin.worker.engine;
    let report = engine.explain_answer(&admin.runtime, &answer, socket, &channel);
    Ok(HttpResponse::Ok().json(report))
}
