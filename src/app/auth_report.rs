//! What decides on a token and a channel: the rule or claim, and why the rules before it do not.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::App;
use crate::{
    auth::{
        Ability, Authorizer, Credentials, Denied, Grant, JwtAuthorizer,
        claims::Claims,
        rules::{Mismatch, Rule},
    },
    domain::{channel::Channel, time::UnixSeconds},
    platform::clock::ServerClock,
};

/// What decided, and how.
#[derive(Serialize, utoipa::ToSchema)]
pub struct AuthReport {
    pub channel: String,
    pub granted: bool,
    /// True for an access token of this server, which no rule looks at.
    pub access_token: bool,
    /// False for a public channel.
    pub needs_authorization: bool,
    /// Claims that decide instead of rules.
    pub claims: Vec<ClaimLine>,
    /// `None`: the app has no rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<Vec<RuleLine>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<MemberLine>,
    #[schema(value_type = Vec<String>)]
    pub allow: Vec<Ability>,
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<UnixSeconds>,
    /// The reason of a denial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denied: Option<String>,
    #[serde(skip)]
    pub now: UnixSeconds,
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct RuleLine {
    pub channel: String,
    pub decides: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mismatch: Option<String>,
    #[schema(value_type = Vec<String>)]
    pub allow: Vec<Ability>,
    pub claims: Vec<ClaimLine>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct ClaimLine {
    pub name: String,
    /// `null`: the token does not have it.
    #[schema(value_type = Option<serde_json::Value>)]
    pub value: Option<Value>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct MemberLine {
    pub user_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub user_info: Option<Value>,
}

#[derive(Debug, thiserror::Error)]
pub enum AuthTestError {
    #[error(
        "the authorizer of app {app} is {authorizer:?}, which looks at no token: there is nothing to test"
    )]
    NoToken { app: Arc<str>, authorizer: &'static str },
    /// The token is not valid.
    #[error(transparent)]
    Denied(#[from] Denied),
}

async fn test(
    app: &App,
    credentials: &Credentials,
    channel: &Channel,
    clock: &ServerClock,
    report: &mut AuthReport,
) -> Result<(), AuthTestError> {
    match (app.access.find_in(credentials), &*app.authorizer) {
        (Some(token), _) => {
            report.access_token = true;
            let (verified, _) = app.access.verify(token, None, clock.now())?;
            let claims = ["sub", "channels"].map(|name| claim(&verified.claims, name));
            report.claims.extend(claims);
        }
        (None, Authorizer::Jwt(jwt)) => {
            explain(jwt, credentials, channel, clock, report).await?;
        }
        (None, other) => {
            let (app, authorizer) = (app.id.clone(), other.name());
            return Err(AuthTestError::NoToken { app, authorizer });
        }
    }
    report.now = clock.now().wall;
    match app.decide_channel(credentials, None, channel, clock).await {
        Ok(grant) => report.grant(grant),
        Err(denied) => report.denied = Some(denied.to_string()),
    }
    Ok(())
}

async fn explain(
    jwt: &JwtAuthorizer,
    credentials: &Credentials,
    channel: &Channel,
    clock: &ServerClock,
    report: &mut AuthReport,
) -> Result<(), AuthTestError> {
    let claims = jwt.verify(credentials.token(), clock.now()).await?.claims;
    match jwt.verdicts(&claims, channel) {
        Some(verdicts) => {
            let line = |(rule, verdict): &(&Rule, _)| RuleLine::new(rule, verdict, &claims);
            report.rules = Some(verdicts.iter().map(line).collect());
        }
        None => report.claims.push(claim(&claims, "channels")),
    }
    Ok(())
}

impl AuthReport {
    /// `credentials` have the token alone, as those of a request without a page.
    pub async fn test(
        app: &App,
        credentials: &Credentials,
        channel: &Channel,
        clock: &ServerClock,
    ) -> Result<Self, AuthTestError> {
        let mut report = Self::of(channel);
        if channel.kind().is_public() {
            (report.granted, report.needs_authorization) = (true, false);
            return Ok(report);
        }
        test(app, credentials, channel, clock, &mut report).await?;
        Ok(report)
    }

    /// A token that is not valid decides nothing.
    pub fn denied(channel: &Channel, reason: String) -> Self {
        Self { denied: Some(reason), ..Self::of(channel) }
    }

    fn of(channel: &Channel) -> Self {
        Self {
            channel: channel.to_string(),
            granted: false,
            access_token: false,
            needs_authorization: true,
            claims: Vec::new(),
            rules: None,
            member: None,
            allow: Vec::new(),
            expires: None,
            denied: None,
            now: 0,
        }
    }

    fn grant(&mut self, grant: Grant) {
        self.granted = true;
        self.allow = grant.abilities.iter().collect();
        self.expires = grant.expires;
        self.member = grant
            .member
            .map(|member| MemberLine { user_id: member.user_id, user_info: member.user_info });
    }
}

impl RuleLine {
    fn new(rule: &Rule, verdict: &Result<(), Mismatch>, claims: &Claims) -> Self {
        Self {
            channel: rule.channel.to_string(),
            decides: verdict.is_ok(),
            mismatch: verdict.as_ref().err().map(Mismatch::to_string),
            allow: rule.abilities.iter().collect(),
            claims: rule.claims().map(|name| claim(claims, name)).collect(),
        }
    }
}

fn claim(claims: &Claims, name: &str) -> ClaimLine {
    ClaimLine { name: name.to_owned(), value: claims.get(name).cloned() }
}
