//! Access tokens (`auth::access`), issued and revoked by the app's backend.

use std::{sync::Arc, time::Duration};

use actix_web::HttpResponse;
use serde::Deserialize;

use super::{
    error::{ApiError, blocking},
    verify::{Signed, json},
};
use crate::{
    app::App,
    audit::Fact,
    auth::{
        access::{NotMinted, USUAL, Wanted},
        revoked::{NotRevoked, Revocation},
    },
    clock::{Now, ServerClock},
    refusal::RefusalCode,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mint {
    user_id: String,
    user_info: Option<serde_json::Value>,
    channels: Vec<String>,
    /// Seconds.
    ttl: Option<u64>,
    origin: Option<String>,
}

/// `POST /tokens`
pub async fn mint(signed: Signed) -> Result<HttpResponse, ApiError> {
    let Mint { user_id, user_info, channels, ttl, origin } = json(&signed.body)?;
    let app = &signed.app;
    let wanted = Wanted { user_id, user_info, channels, ttl: ttl.unwrap_or(USUAL), origin };
    let now = second_after_revocation(app, &wanted.user_id, &signed.engine().clock).await;
    let minted = app.mint(&wanted, now)?;
    signed.engine().audit.note(Fact::TokenMade {
        app: app.id.clone(),
        jti: minted.jti.as_str().into(),
        user: wanted.user_id.into(),
    });
    let mut answer = HttpResponse::Ok();
    answer.insert_header((actix_web::http::header::CACHE_CONTROL, "no-store"));
    Ok(answer.json(minted))
}

/// A token that is as old as a revocation counts as older, since its time is in whole seconds. So one
/// for a user who has just been revoked waits for the next second.
///
/// No revocation is later than `Now::latest`, so the wait ends within a second, whatever the system's
/// clock does.
async fn second_after_revocation(app: &App, user: &str, clock: &ServerClock) -> Now {
    const LOOK: Duration = Duration::from_millis(20);
    let revoked = app.last_revocation_of(user);
    loop {
        let now = clock.now();
        if revoked.is_none_or(|at| now.latest > at) {
            return now;
        }
        actix_rt::time::sleep(LOOK).await;
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoke {
    jti: Option<String>,
    user_id: Option<String>,
}

/// Longer ids are not worth remembering.
const LONGEST_ID: usize = 200;

/// `POST /tokens/revoke`
pub async fn revoke(signed: Signed) -> Result<HttpResponse, ApiError> {
    let which = match json(&signed.body)? {
        Revoke { jti: Some(jti), user_id: None } => Revocation::Token(jti),
        Revoke { jti: None, user_id: Some(user) } => Revocation::User(user),
        Revoke { .. } => {
            let message = "The body must have jti, or user_id, and not both";
            return Err(ApiError::new(RefusalCode::InvalidRevocation, message));
        }
    };
    let (Revocation::Token(id) | Revocation::User(id)) = &which;
    if id.is_empty() || id.len() > LONGEST_ID {
        let message = format!("The id must have 1 to {LONGEST_ID} bytes");
        return Err(ApiError::new(RefusalCode::InvalidRevocation, message));
    }
    let (engine, tenant) = (signed.worker.engine.clone(), signed.tenant.clone());
    let (jti, user): (Option<Arc<str>>, Option<Arc<str>>) = match &which {
        Revocation::Token(jti) => (Some(jti.as_str().into()), None),
        Revocation::User(user) => (None, Some(user.as_str().into())),
    };
    signed.engine().audit.note(Fact::TokensRevoked { app: tenant.id.clone(), jti, user });
    blocking(move || Ok(engine.revoke_tokens(&tenant, which)?)).await?;
    Ok(HttpResponse::Ok().json(serde_json::Map::new()))
}

impl From<NotMinted> for ApiError {
    fn from(error: NotMinted) -> Self {
        let message = error.to_string();
        match error {
            NotMinted::Ttl => Self::new(RefusalCode::InvalidTtl, message),
            NotMinted::UserId(_) => Self::new(RefusalCode::InvalidUserId, message),
            NotMinted::Channels | NotMinted::Alias { .. } => {
                Self::new(RefusalCode::InvalidChannels, message)
            }
            NotMinted::Origin { .. } | NotMinted::SeveralOrigins(_) => {
                Self::new(RefusalCode::InvalidOrigin, message)
            }
            NotMinted::TooLong => Self::new(RefusalCode::WantedTokenTooLong, message),
            NotMinted::NoRandomness => Self::new(RefusalCode::NoRandomness, message),
        }
    }
}

impl From<NotRevoked> for ApiError {
    fn from(error: NotRevoked) -> Self {
        let code = match error {
            NotRevoked::TooMany => RefusalCode::TooManyRevocations,
            NotRevoked::UntilRestart(_) => RefusalCode::RevokedUntilRestart,
        };
        Self::new(code, error.to_string())
    }
}
