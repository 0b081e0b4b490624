//! The responses of the auth endpoints to authorized clients.

use std::sync::Arc;

use serde::Serialize;

use super::{audit::AuthResponse, request::AuthRequest};
use crate::{
    app::App,
    auth::{Ability, Denied, Grant, SignIn, UserIdentity, jwt::InvalidToken},
    channels::members::Member,
    domain::{channel::Channel, refusal::RefusalCode},
    engine::grants::{AnswerSentGuard, GrantError},
    hub::authorization_cache::AuthorizationScope,
    platform::{clock::KnownAsOf, traces::Span},
    protocol::signed::{signed_for_channel, signed_for_user},
    web::http::error::ApiError,
};

#[derive(Serialize, utoipa::ToSchema)]
pub struct ChannelGrant {
    auth: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_secret: Option<String>,
    /// The user id on the presence channel.
    #[serde(skip)]
    user: Option<Arc<str>>,
    /// Held until the response is written.
    #[serde(skip)]
    _answer_guard: Option<AnswerSentGuard>,
    #[serde(skip)]
    rule: Option<Arc<str>>,
}

impl AuthResponse for ChannelGrant {
    const FOR_CHANNEL: bool = true;

    fn rule(&self) -> Option<Arc<str>> {
        self.rule.clone()
    }

    fn user(&self) -> Option<Arc<str>> {
        self.user.clone()
    }
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct UserGrant {
    auth: String,
    user_data: String,
    #[serde(skip)]
    user: Arc<str>,
}

impl AuthResponse for UserGrant {
    const FOR_CHANNEL: bool = false;

    fn user(&self) -> Option<Arc<str>> {
        Some(self.user.clone())
    }
}

/// The decision comes first, the secret after it.
pub async fn authorize_channel(request: &AuthRequest) -> Result<ChannelGrant, ApiError> {
    let app = &*request.app;
    let socket_id = request.socket_id()?;
    let channel = app.channel(request.field("channel_name")?)?;
    if !channel.kind().needs_authorization() {
        let message = format!("{channel} is joined without authorization");
        return Err(ApiError::new(RefusalCode::NoAuthorizationNeeded, message));
    }
    let (span, engine) = (Span::authorize(&app.id, app.authorizer.name()), &request.worker.engine);
    let epoch = || app.ring(&channel).map(|ring| ring.table().epoch(channel.name()));
    let epoch_before = epoch();
    let decision =
        app.decide_channel(&request.credentials, Some(socket_id), &channel, &engine.clock);
    let grant = span.around(decision).await;
    let grant = grant.and_then(|grant| grant.with(Ability::Subscribe, &channel));
    span.outcome(grant.is_ok());
    let grant = grant?;
    if channel.kind().is_encrypted() && app.ring(&channel).is_none() {
        return Err(ApiError::new(
            RefusalCode::BlindChannel,
            format!(
                "{channel} is relayed blindly and this server has no key for it: its shared_secret comes from the auth endpoint of your own backend"
            ),
        ));
    }
    let Grant { member, user_id, as_of, expires, abilities, token, rule } = grant;
    refuse_revoked(app, &channel, user_id.as_deref(), as_of)?;
    if let Some(user) = &user_id {
        request.check_user_rate(user)?;
    }
    let channel_data = member.map(|member| channel_data(app, &member)).transpose()?;
    let user: Option<Arc<str>> = user_id.map(Arc::from);
    let scope = AuthorizationScope { expires, abilities, token: token.clone() };
    let granted = engine.grant(&request.runtime, socket_id, &channel, user.clone(), as_of, scope);
    let granted = granted.await?;
    // Checked again: after a revocation in the meantime, the secret may be the new one, and the node of
    // the connection may have answered before it. If this request has no user, the user of the
    // earlier request counts.
    if token.is_some_and(|token| app.access.revoked.contains(&token)) {
        return Err(Denied::from(InvalidToken::Revoked).into());
    }
    refuse_revoked(app, &channel, granted.user.as_deref(), as_of)?;
    // An answer without a user may be about a member that was revoked while it was fetched.
    if user.is_none() && epoch() != epoch_before {
        return Err(GrantError::Replaced.into());
    }
    let signed = signed_for_channel(socket_id, &channel, channel_data.as_deref());
    let shared_secret = granted.secret.map(|secret| secret.to_base64().to_string());
    let (auth, _answer_guard) = (app.auth(&signed), granted.answer_guard);
    Ok(ChannelGrant { auth, channel_data, shared_secret, user, rule, _answer_guard })
}

/// A revoked member needs a decision newer than the revocation.
fn refuse_revoked(
    app: &App,
    channel: &Channel,
    user: Option<&str>,
    as_of: KnownAsOf,
) -> Result<(), ApiError> {
    match user.filter(|user| app.is_revoked(channel, user, as_of)) {
        Some(user) => Err(ApiError::revoked(user, channel)),
        None => Ok(()),
    }
}

fn channel_data(app: &App, identity: &UserIdentity) -> Result<String, ApiError> {
    #[derive(Serialize)]
    struct ChannelDataJson<'a> {
        user_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        user_info: &'a Option<serde_json::Value>,
    }
    let data = ChannelDataJson { user_id: &identity.user_id, user_info: &identity.user_info };
    let data = serde_json::to_string(&data).map_err(unwritable)?;
    // Refused here, with a reason for the page, and not later on the socket.
    Member::parse(&data, app.member_limits())
        .map_err(|e| ApiError::new(RefusalCode::InvalidMember, e.to_string()))?;
    Ok(data)
}

pub async fn authorize_user(request: &AuthRequest) -> Result<UserGrant, ApiError> {
    let app = &*request.app;
    let socket_id = request.socket_id()?;
    let (span, engine) = (Span::authorize(&app.id, app.authorizer.name()), &request.worker.engine);
    let decision = app.decide_user(&request.credentials, socket_id, &engine.clock);
    let decision = span.around(decision).await;
    span.outcome(decision.is_ok());
    let SignIn { identity, token } = decision?;
    request.check_user_rate(&identity.user_id)?;
    engine.check_connection(&request.runtime, socket_id).await?;
    if token.is_some_and(|token| app.access.revoked.contains(&token)) {
        return Err(Denied::from(InvalidToken::Revoked).into());
    }
    crate::engine::users::check_user_id(&identity.user_id, app.limits.user_id_chars).map_err(
        |e| {
            ApiError::new(RefusalCode::InvalidUserId, format!("The user id cannot be used: it {e}"))
        },
    )?;
    #[derive(Serialize)]
    struct UserDataJson<'a> {
        id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        user_info: &'a Option<serde_json::Value>,
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        watchlist: &'a [String],
    }
    let data = UserDataJson {
        id: &identity.user_id,
        user_info: &identity.user_info,
        watchlist: &identity.watchlist,
    };
    let user_data = serde_json::to_string(&data).map_err(unwritable)?;
    let signed = signed_for_user(socket_id, &user_data);
    Ok(UserGrant { auth: app.auth(&signed), user_data, user: identity.user_id.into() })
}

fn unwritable(error: serde_json::Error) -> ApiError {
    ApiError::new(RefusalCode::InvalidUserInfo, error.to_string())
}
