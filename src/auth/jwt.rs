//! Tokens from the app's backend or its identity provider.

use jsonwebtoken::decode_header;

use super::{
    Abilities, Credentials, Denied, Grant, UserIdentity,
    abilities::InvalidAbilities,
    claims::Claims,
    jwks::{Jwks, KeyLookupError},
    keys::{TokenChecks, Verified, VerifyingKey},
    rules::{Mismatch, Rule, Rules},
};
use crate::{
    domain::{channel::Channel, pattern::Pattern, refusal::RefusalCode},
    platform::clock::ClockReading,
};

pub struct JwtAuthorizer {
    pub keys: TokenKeys,
    pub checks: TokenChecks,
    /// Without rules, the token's `channels` claim decides.
    pub rules: Option<Rules>,
    /// Cookie with the token, used if there is no header.
    pub cookie: Option<String>,
}

pub enum TokenKeys {
    One(VerifyingKey),
    Jwks(Box<Jwks>),
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidToken {
    #[error("no token: send the header Authorization: Bearer TOKEN")]
    Missing,
    #[error("the token is longer than {MAX_TOKEN} bytes")]
    TooLong,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet (nbf)")]
    Immature,
    #[error("the token is not signed with a configured algorithm")]
    Algorithm,
    #[error("the token's signature does not match")]
    Signature,
    #[error("the token has no \"exp\" claim")]
    NoExpiry,
    #[error("the token's \"iss\" is not the issuer that is configured")]
    Issuer,
    #[error("the token's \"aud\" does not name the configured audience")]
    Audience,
    #[error("the token is signed with a key that its issuer does not list")]
    UnknownKey,
    #[error("the token cannot be read")]
    Malformed,
    #[error("the token's \"allow\" cannot be used: {0}")]
    Abilities(InvalidAbilities),
    #[error("the token has been revoked")]
    Revoked,
    #[error("the token is for pages of another origin")]
    Origin,
    #[error("the token's \"{0}\" is in milliseconds: write it in seconds since 1970")]
    Milliseconds(&'static str),
    #[error("the token's \"{0}\" is no number of seconds since 1970 before the year 10000")]
    NoTime(&'static str),
    #[error("the token's \"iat\" is in the future: it would be issued later than now")]
    Future,
    #[error(
        "the token's header has \"crit\": it asks for an extension that is not understood here"
    )]
    Critical,
    #[error("the token's header has a \"b64\" that is not true: unencoded payloads are not read")]
    Unencoded,
}

/// Longer tokens are refused before decoding.
pub const MAX_TOKEN: usize = 8192;

impl InvalidToken {
    pub fn code(&self) -> RefusalCode {
        match self {
            Self::Missing => RefusalCode::TokenMissing,
            Self::TooLong => RefusalCode::TokenTooLong,
            Self::Expired => RefusalCode::TokenExpired,
            Self::Immature => RefusalCode::TokenNotYetValid,
            Self::Algorithm => RefusalCode::TokenAlgorithm,
            Self::Signature => RefusalCode::TokenSignature,
            Self::NoExpiry => RefusalCode::TokenWithoutExpiry,
            Self::Issuer => RefusalCode::TokenIssuer,
            Self::Audience => RefusalCode::TokenAudience,
            Self::UnknownKey => RefusalCode::TokenUnknownKey,
            Self::Malformed | Self::Abilities(_) => RefusalCode::TokenMalformed,
            Self::Revoked => RefusalCode::TokenRevoked,
            Self::Origin => RefusalCode::TokenOrigin,
            Self::Milliseconds(_) => RefusalCode::TokenMilliseconds,
            Self::NoTime(_) => RefusalCode::TokenTime,
            Self::Future => RefusalCode::TokenFromTheFuture,
            Self::Critical => RefusalCode::TokenCritical,
            Self::Unencoded => RefusalCode::TokenUnencoded,
        }
    }
}

impl From<InvalidToken> for Denied {
    fn from(invalid: InvalidToken) -> Self {
        Self::new(invalid.code(), invalid.to_string())
    }
}

/// Checks presence and length of the token.
pub fn check_length(token: Option<&str>) -> Result<&str, InvalidToken> {
    let token = token.filter(|t| !t.is_empty()).ok_or(InvalidToken::Missing)?;
    if token.len() > MAX_TOKEN { Err(InvalidToken::TooLong) } else { Ok(token) }
}

impl JwtAuthorizer {
    pub async fn verify(&self, token: Option<&str>, now: ClockReading) -> Result<Verified, Denied> {
        let token = check_length(token)?;
        match &self.keys {
            TokenKeys::One(key) => Ok(key.verify(token, &self.checks, now)?),
            TokenKeys::Jwks(jwks) => {
                let header = decode_header(token).map_err(|_| InvalidToken::Malformed)?;
                if !jwks.algorithms.contains(&header.alg) {
                    return Err(InvalidToken::Algorithm.into());
                }
                let key = jwks.key(header.kid.as_deref(), header.alg).await;
                let key = key.map_err(|none| match none {
                    KeyLookupError::Unknown => Denied::from(InvalidToken::UnknownKey),
                    KeyLookupError::Unavailable => Denied::new(
                        RefusalCode::KeysUnavailable,
                        "the keys of the token's issuer cannot be fetched at the moment",
                    ),
                })?;
                Ok(key.verify(token, &self.checks, now)?)
            }
        }
    }

    pub async fn channel(
        &self,
        credentials: &Credentials,
        channel: &Channel,
        now: ClockReading,
    ) -> Result<Grant, Denied> {
        let verified = self.verify(credentials.token(), now).await?;
        match &self.rules {
            Some(rules) => {
                let rule = rules
                    .decide(&verified.claims, channel.name())
                    .ok_or_else(|| no_rule(channel))?;
                self.by_rule(&verified, rule, channel, now)
            }
            None => by_channels(&verified, channel),
        }
    }

    fn by_rule(
        &self,
        Verified { claims, expires, as_of }: &Verified,
        rule: &Rule,
        channel: &Channel,
        now: ClockReading,
    ) -> Result<Grant, Denied> {
        if rule.abilities.is_empty() {
            let message = format!("a rule denies access to {channel}");
            return Err(Denied::new(RefusalCode::RuleDenies, message));
        }
        let member = || {
            let user_id = rule.member_id(claims).ok_or_else(no_member)?;
            let user_info = rule.member_info(claims);
            Ok::<_, Denied>(UserIdentity { user_id, user_info, watchlist: Vec::new() })
        };
        let member = channel.kind().has_members().then(member).transpose()?;
        let ends = rule.max_ttl.map(|ttl| now.wall.saturating_add(ttl));
        Ok(Grant {
            member,
            expires: ends.into_iter().chain([*expires]).min(),
            abilities: rule.abilities,
            rule: Some(rule.channel.clone()),
            ..Grant::of_user(claims.subject(), *as_of)
        })
    }

    pub async fn user(
        &self,
        credentials: &Credentials,
        now: ClockReading,
    ) -> Result<UserIdentity, Denied> {
        identity(&self.verify(credentials.token(), now).await?.claims)
    }

    /// For `sealcast auth test`.
    pub fn verdicts<'a>(
        &'a self,
        claims: &Claims,
        channel: &Channel,
    ) -> Option<Vec<(&'a Rule, Result<(), Mismatch>)>> {
        self.rules.as_ref().map(|rules| rules.verdicts(claims, channel.name()))
    }
}

/// Decides by the token's own claim, for as long as the token is valid.
fn by_channels(verified: &Verified, channel: &Channel) -> Result<Grant, Denied> {
    let Verified { claims, expires, as_of } = verified;
    let patterns = claims.list("channels").ok_or(InvalidToken::Malformed)?;
    if !covers(&patterns, channel) {
        return Err(not_covered(channel));
    }
    Ok(Grant {
        member: channel.kind().has_members().then(|| identity(claims)).transpose()?,
        expires: Some(*expires),
        abilities: abilities(claims)?,
        ..Grant::of_user(claims.subject(), *as_of)
    })
}

fn no_rule(channel: &Channel) -> Denied {
    let message = format!("no rule of this application matches {channel} for this token");
    Denied::new(RefusalCode::NoRule, message)
}

fn no_member() -> Denied {
    let message = "the token lacks the claims of the rule's user_id";
    Denied::new(RefusalCode::NoUserId, message)
}

pub fn not_covered(channel: &Channel) -> Denied {
    let message = format!("the token's \"channels\" do not cover {channel}");
    Denied::new(RefusalCode::ChannelNotCovered, message)
}

/// A token that names no abilities gives those of before there were any to name.
pub fn abilities(claims: &Claims) -> Result<Abilities, InvalidToken> {
    if claims.get("allow").is_none() {
        return Ok(Abilities::LEGACY);
    }
    let names = claims.list("allow").ok_or(InvalidToken::Malformed)?;
    Abilities::named(&names).map_err(InvalidToken::Abilities)
}

pub fn covers(patterns: &[String], channel: &Channel) -> bool {
    patterns.iter().any(|pattern| Pattern::new(pattern.as_str()).matches(channel.name()))
}

pub fn identity(claims: &Claims) -> Result<UserIdentity, Denied> {
    let no_subject = || Denied::new(RefusalCode::NoUserId, "the token has no \"sub\" claim");
    Ok(UserIdentity {
        user_id: claims.subject().ok_or_else(no_subject)?,
        user_info: claims.get("user_info").cloned(),
        watchlist: claims.list("watchlist").ok_or(InvalidToken::Malformed)?,
    })
}

#[cfg(test)]
mod tests;
