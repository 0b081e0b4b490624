//! Access tokens (`auth::access`), issued and revoked by the app's backend.

use std::{sync::Arc, time::Duration};

use actix_web::HttpResponse;
use serde::Deserialize;

use super::verify::SignedRequest;
use crate::{
    app::App,
    auth::{
        Abilities,
        access::{DEFAULT_TTL, MintError, TokenRequest},
        revoked::{TokenRevocation, TokenRevocationError},
    },
    domain::refusal::RefusalCode,
    engine::facts::Fact,
    observe::audit::AuditFact,
    platform::clock::{ClockReading, ServerClock},
    web::http::{
        body::json,
        error::{ApiError, blocking},
    },
};

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MintRequest {
    user_id: String,
    user_info: Option<serde_json::Value>,
    channels: Vec<String>,
    /// Seconds.
    ttl: Option<u64>,
    origin: Option<String>,
    allow: Option<Vec<String>>,
}

/// `POST /tokens`
pub async fn mint(signed: SignedRequest) -> Result<HttpResponse, ApiError> {
    let MintRequest { user_id, user_info, channels, ttl, origin, allow } = json(&signed.body)?;
    let allow = allow.map(|names| Abilities::named(&names)).transpose();
    let allow = allow.map_err(MintError::from)?;
    let (app, ttl) = (&signed.app, ttl.unwrap_or(DEFAULT_TTL));
    let wanted = TokenRequest { user_id, user_info, channels, ttl, origin, allow };
    let now = second_after_revocation(app, &wanted.user_id, &signed.engine().clock).await;
    let minted = app.mint(&wanted, now)?;
    signed.engine().note(Fact::Audited(AuditFact::TokenMade {
        app: app.id.clone(),
        jti: minted.jti.as_str().into(),
        user: wanted.user_id.into(),
    }));
    let mut answer = HttpResponse::Ok();
    answer.insert_header((actix_web::http::header::CACHE_CONTROL, "no-store"));
    Ok(answer.json(minted))
}

/// A token that is as old as a revocation counts as older, since its time is in whole seconds. So one
/// for a user who has just been revoked waits for the next second.
///
/// No revocation is later than `ClockReading::latest`, so the wait ends within a second, whatever the system's
/// clock does.
async fn second_after_revocation(app: &App, user: &str, clock: &ServerClock) -> ClockReading {
    const CHECK_INTERVAL: Duration = Duration::from_millis(20);
    let revoked = app.last_revocation_of(user);
    loop {
        let now = clock.now();
        if revoked.is_none_or(|at| now.latest > at) {
            return now;
        }
        actix_rt::time::sleep(CHECK_INTERVAL).await;
    }
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeTokensRequest {
    jti: Option<String>,
    user_id: Option<String>,
}

/// Longer ids are not worth remembering.
const MAX_ID_BYTES: usize = 200;

/// `POST /tokens/revoke`
pub async fn revoke(signed: SignedRequest) -> Result<HttpResponse, ApiError> {
    let which = match json(&signed.body)? {
        RevokeTokensRequest { jti: Some(jti), user_id: None } => TokenRevocation::Token(jti),
        RevokeTokensRequest { jti: None, user_id: Some(user) } => TokenRevocation::User(user),
        RevokeTokensRequest { .. } => {
            let message = "The body must have jti, or user_id, and not both";
            return Err(ApiError::new(RefusalCode::InvalidRevocation, message));
        }
    };
    let (TokenRevocation::Token(id) | TokenRevocation::User(id)) = &which;
    if id.is_empty() || id.len() > MAX_ID_BYTES {
        let message = format!("The id must have 1 to {MAX_ID_BYTES} bytes");
        return Err(ApiError::new(RefusalCode::InvalidRevocation, message));
    }
    let (engine, runtime) = (signed.worker.engine.clone(), signed.runtime.clone());
    let (jti, user): (Option<Arc<str>>, Option<Arc<str>>) = match &which {
        TokenRevocation::Token(jti) => (Some(jti.as_str().into()), None),
        TokenRevocation::User(user) => (None, Some(user.as_str().into())),
    };
    signed.engine().note(Fact::Audited(AuditFact::TokensRevoked {
        app: runtime.id.clone(),
        jti,
        user,
    }));
    let (revoking, revoked) = (engine.clone(), (runtime.clone(), which.clone()));
    let written = blocking(move || Ok(revoking.revoke_tokens(&revoked.0, revoked.1))).await?;
    // The other nodes are told of what holds here, even if it could not be written.
    if !matches!(written, Err(TokenRevocationError::TooMany)) {
        engine.tell_token_revocation(&runtime, &which).await?;
    }
    written?;
    Ok(HttpResponse::Ok().json(serde_json::Map::new()))
}

impl From<MintError> for ApiError {
    fn from(error: MintError) -> Self {
        let message = error.to_string();
        match error {
            MintError::Ttl => Self::new(RefusalCode::InvalidTtl, message),
            MintError::UserId(_) => Self::new(RefusalCode::InvalidUserId, message),
            MintError::Channels | MintError::Alias { .. } => {
                Self::new(RefusalCode::InvalidChannels, message)
            }
            MintError::Origin { .. } | MintError::SeveralOrigins(_) => {
                Self::new(RefusalCode::InvalidOrigin, message)
            }
            MintError::Abilities(_) => Self::new(RefusalCode::InvalidAllow, message),
            MintError::TooLong => Self::new(RefusalCode::WantedTokenTooLong, message),
            MintError::NoRandomness => Self::new(RefusalCode::NoRandomness, message),
        }
    }
}

impl From<TokenRevocationError> for ApiError {
    fn from(error: TokenRevocationError) -> Self {
        let code = match error {
            TokenRevocationError::TooMany => RefusalCode::TooManyRevocations,
            TokenRevocationError::UntilRestart(_) => RefusalCode::RevokedUntilRestart,
        };
        Self::new(code, error.to_string())
    }
}
