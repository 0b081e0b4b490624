//! Short-lived access tokens, for backends without a JWT library. The signed API or the command
//! line creates them, and every auth endpoint accepts them, regardless of the authorizer. Creating
//! one takes the app secret, with which subscriptions could be signed as well.

use hkdf::Hkdf;
use jsonwebtoken::{Algorithm, EncodingKey, Header, decode_header, encode};
use serde::Serialize;
use sha2::Sha256;
use std::sync::Arc;
use zeroize::Zeroizing;

use super::{
    Credentials, Denied, Grant, SignIn,
    abilities::{Abilities, Ability, InvalidAbilities},
    jwt::{InvalidToken, MAX_TOKEN, abilities, check_length, covers, identity, not_covered},
    keys::{TokenChecks, Verified, VerifyingKey},
    revoked::RevokedTokens,
};
use crate::{
    crypto::encoding::hex,
    domain::{
        channel::{Channel, InvalidName, check_characters},
        origins::{InvalidOrigin, OriginPattern},
    },
    platform::clock::{ClockReading, KnownAsOf},
};

pub struct AccessTokens {
    app: String,
    signing: EncodingKey,
    verifying: VerifyingKey,
    checks: TokenChecks,
    pub revoked: Arc<RevokedTokens>,
}

/// Distinguishes these tokens from the app's own; the signature proves that they are ours.
const TOKEN_TYPE: &str = "sealcast-access+jwt";
/// Longest lifetime, in seconds; revocations are remembered for as long.
pub const MAX_TTL: u64 = 24 * 60 * 60;
pub const DEFAULT_TTL: u64 = 60 * 60;
const MAX_CHANNELS: usize = 100;
const MAX_CHANNEL_BYTES: usize = 200;

/// Parameters of a new token.
pub struct TokenRequest {
    pub user_id: String,
    pub user_info: Option<serde_json::Value>,
    /// Patterns; `*` matches any run of characters.
    pub channels: Vec<String>,
    pub ttl: u64,
    pub origin: Option<String>,
    /// `None` gives `Abilities::LEGACY`, and a token as before there were others.
    pub allow: Option<Abilities>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct Minted {
    pub token: String,
    /// Seconds since 1970.
    pub expires: u64,
    pub jti: String,
}

/// The token behind a grant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenId {
    pub jti: Arc<str>,
    pub user: Arc<str>,
    pub issued: KnownAsOf,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MintError {
    #[error("ttl must be 1 to {MAX_TTL} seconds")]
    Ttl,
    #[error("the user id cannot be used: it {0}")]
    UserId(InvalidName),
    #[error(
        "channels must be 1 to {MAX_CHANNELS} names or patterns (* stands for any run of characters) of up to {MAX_CHANNEL_BYTES} bytes"
    )]
    Channels,
    #[error(
        "channels has {pattern:?}, which is only a name to publish on (sealing_alias): write {encrypted:?}"
    )]
    Alias { pattern: String, encrypted: String },
    #[error(
        "the token would be longer than {MAX_TOKEN} bytes: give it less user_info, or fewer channels"
    )]
    TooLong,
    #[error("origin: {origin:?} {reason}")]
    Origin { origin: String, reason: InvalidOrigin },
    #[error(
        "origin: {0:?} has a *, and a token is for one origin: write it as the browser sends it, such as \"https://app.example.com\""
    )]
    SeveralOrigins(String),
    #[error("allow: {0}")]
    Abilities(#[from] InvalidAbilities),
    #[error("the operating system gave no random bytes; try again")]
    NoRandomness,
}

impl AccessTokens {
    pub fn new(app: &str, secret: &[u8], revoked: Arc<RevokedTokens>) -> Self {
        let key = derive_key(app, secret);
        let verifying = VerifyingKey::secret(&*key, &[Algorithm::HS256])
            .expect("derived bytes are a secret, and HS256 is for secrets");
        let checks = TokenChecks { issuer: None, audience: Some(app.to_owned()), leeway: 0 };
        let signing = EncodingKey::from_secret(&*key);
        Self { app: app.to_owned(), signing, verifying, checks, revoked }
    }

    pub fn mint(&self, wanted: &TokenRequest, now: ClockReading) -> Result<Minted, MintError> {
        if wanted.ttl == 0 || wanted.ttl > MAX_TTL {
            return Err(MintError::Ttl);
        }
        check_characters(&wanted.user_id, MAX_CHANNEL_BYTES).map_err(MintError::UserId)?;
        let is_pattern =
            |p: &String| check_characters(&p.replace('*', "-"), MAX_CHANNEL_BYTES).is_ok();
        let count = wanted.channels.len();
        if count == 0 || count > MAX_CHANNELS || !wanted.channels.iter().all(is_pattern) {
            return Err(MintError::Channels);
        }
        wanted.origin.as_deref().map_or(Ok(()), check_origin)?;
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|_| MintError::NoRandomness)?;
        let (jti, expires) = (hex(&id), now.wall.saturating_add(wanted.ttl));
        let claims = AccessTokenClaims {
            aud: &self.app,
            sub: &wanted.user_id,
            jti: &jti,
            iat: now.latest,
            exp: expires,
            channels: &wanted.channels,
            user_info: wanted.user_info.as_ref(),
            origin: wanted.origin.as_deref(),
            allow: wanted.allow.map(|allow| allow.iter().collect()),
        };
        let header = Header { typ: Some(TOKEN_TYPE.into()), ..Header::new(Algorithm::HS256) };
        // Cannot fail for plain JSON and a matching key.
        let token = encode(&header, &claims, &self.signing).map_err(|_| MintError::TooLong)?;
        if token.len() > MAX_TOKEN {
            return Err(MintError::TooLong);
        }
        Ok(Minted { token, expires, jti })
    }

    /// The access token in the credentials, if there is one.
    pub fn find_in<'a>(&self, credentials: &'a Credentials) -> Option<&'a str> {
        let token = check_length(credentials.bearer.as_deref()).ok()?;
        let kind = decode_header(token).ok()?.typ?;
        (kind == TOKEN_TYPE).then_some(token)
    }

    pub fn verify(
        &self,
        token: &str,
        origin: Option<&str>,
        now: ClockReading,
    ) -> Result<(Verified, TokenId), Denied> {
        let verified = self.verifying.verify(token, &self.checks, now)?;
        let claims = &verified.claims;
        let (Some(jti), Some(user)) = (claims.text("jti"), claims.subject()) else {
            return Err(InvalidToken::Malformed.into());
        };
        if let Some(bound) = claims.text("origin")
            && origin.is_none_or(|origin| !origin.eq_ignore_ascii_case(&bound))
        {
            return Err(InvalidToken::Origin.into());
        }
        let id = TokenId { jti: jti.into(), user: user.into(), issued: verified.as_of };
        match self.revoked.contains(&id) {
            true => Err(InvalidToken::Revoked.into()),
            false => Ok((verified, id)),
        }
    }

    pub fn channel(
        &self,
        token: &str,
        credentials: &Credentials,
        channel: &Channel,
        now: ClockReading,
    ) -> Result<Grant, Denied> {
        let origin = credentials.origin.as_deref();
        let (Verified { claims, expires, as_of }, id) = self.verify(token, origin, now)?;
        let patterns = claims.list("channels").ok_or(InvalidToken::Malformed)?;
        if !covers(&patterns, channel) {
            return Err(not_covered(channel));
        }
        Ok(Grant {
            member: channel.kind().has_members().then(|| identity(&claims)).transpose()?,
            expires: Some(expires),
            abilities: abilities(&claims)?,
            token: Some(id.clone()),
            ..Grant::of_user(Some(id.user.to_string()), as_of)
        })
    }

    pub fn user(
        &self,
        token: &str,
        credentials: &Credentials,
        now: ClockReading,
    ) -> Result<SignIn, Denied> {
        let (verified, id) = self.verify(token, credentials.origin.as_deref(), now)?;
        Ok(SignIn { identity: identity(&verified.claims)?, token: Some(id) })
    }
}

/// No browser would ever send another, and the token would be refused everywhere.
fn check_origin(origin: &str) -> Result<(), MintError> {
    match origin.parse::<OriginPattern>() {
        Ok(pattern) if pattern.is_exact() => Ok(()),
        Ok(_) => Err(MintError::SeveralOrigins(origin.to_owned())),
        Err(reason) => Err(MintError::Origin { origin: origin.to_owned(), reason }),
    }
}

#[derive(Serialize)]
struct AccessTokenClaims<'a> {
    aud: &'a str,
    sub: &'a str,
    jti: &'a str,
    iat: u64,
    exp: u64,
    channels: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    user_info: Option<&'a serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allow: Option<Vec<Ability>>,
}

/// Derives a separate key: the app secret signs much else, and a signature for one purpose must be
/// worthless for another.
fn derive_key(app: &str, secret: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    let mut info = Vec::new();
    for part in ["sealcast access token 1", app] {
        info.extend_from_slice(&(part.len() as u64).to_be_bytes());
        info.extend_from_slice(part.as_bytes());
    }
    Hkdf::<Sha256>::new(None, secret)
        .expand(&info, &mut *key)
        .expect("HKDF gives up to 8160 bytes");
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::clock::{ServerClock, unix_now};

    fn now() -> ClockReading {
        ServerClock::default().now()
    }

    const SECRET: &[u8] = b"a secret of the application";

    fn tokens(app: &str) -> AccessTokens {
        AccessTokens::new(app, SECRET, RevokedTokens::in_memory().into())
    }

    fn wanted() -> TokenRequest {
        TokenRequest {
            user_id: "u1".into(),
            user_info: Some(serde_json::json!({"name": "é"})),
            channels: vec!["private-a-*".into(), "presence-x".into()],
            ttl: 60,
            origin: None,
            allow: None,
        }
    }

    fn credentials_with(token: &str, origin: Option<&str>) -> Credentials {
        Credentials {
            bearer: Some(token.to_owned()),
            origin: origin.map(str::to_owned),
            ..Credentials::default()
        }
    }

    fn channel(name: &str) -> Channel {
        Channel::parse(name, 200).unwrap()
    }

    #[test]
    fn token_grants_exactly_what_was_requested() {
        let (tokens, now) = (tokens("shop"), now());
        let minted = tokens.mint(&wanted(), now).unwrap();
        let credentials = credentials_with(&minted.token, None);
        assert_eq!(tokens.find_in(&credentials), Some(minted.token.as_str()));
        let grant = |name| tokens.channel(&minted.token, &credentials, &channel(name), now);
        let granted = grant("private-a-1").unwrap();
        assert_eq!(
            (granted.expires, granted.user_id.as_deref()),
            (Some(now.wall + 60), Some("u1"))
        );
        assert_eq!(&*granted.token.unwrap().jti, minted.jti);
        assert_eq!(grant("presence-x").unwrap().member.unwrap().user_id, "u1");
        assert_eq!(grant("private-b").unwrap_err().code.name(), "channel_not_covered");
        assert_eq!(tokens.user(&minted.token, &credentials, now).unwrap().identity.user_id, "u1");
    }

    #[test]
    fn token_without_abilities_gives_those_of_before() {
        let (tokens, now) = (tokens("shop"), now());
        let granted = |allow| {
            let minted = tokens.mint(&TokenRequest { allow, ..wanted() }, now).unwrap();
            let credentials = credentials_with(&minted.token, None);
            tokens.channel(&minted.token, &credentials, &channel("private-a-1"), now).unwrap()
        };
        assert_eq!(granted(None).abilities, Abilities::LEGACY);
        for allow in [Abilities::ALL, Abilities::SUBSCRIBE, Abilities::of(Ability::Trigger)] {
            assert_eq!(granted(Some(allow)).abilities, allow);
        }
    }

    #[test]
    fn other_tokens_are_rejected() {
        let shop = tokens("shop");
        let minted = shop.mint(&wanted(), now()).unwrap().token;
        let of_other = tokens("other").verify(&minted, None, now()).unwrap_err();
        assert_eq!(of_other.code.name(), "token_signature");
        // Signed with the secret itself, like the app's own tokens.
        let header = Header { typ: Some(TOKEN_TYPE.into()), ..Header::new(Algorithm::HS256) };
        let claims = serde_json::json!({"aud": "shop", "sub": "u", "jti": "j", "exp": unix_now() + 9, "channels": ["*"]});
        let own = encode(&header, &claims, &EncodingKey::from_secret(SECRET)).unwrap();
        assert_eq!(shop.verify(&own, None, now()).unwrap_err().code.name(), "token_signature");
        let plain = encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET)).unwrap();
        assert_eq!(shop.find_in(&credentials_with(&plain, None)), None);
        let old = shop.mint(&wanted(), ClockReading::at(unix_now() - 61)).unwrap().token;
        assert_eq!(shop.verify(&old, None, now()).unwrap_err().code.name(), "token_expired");
    }

    #[test]
    fn token_for_one_origin_is_rejected_elsewhere() {
        let tokens = tokens("shop");
        let bound = TokenRequest { origin: Some("https://a.example".into()), ..wanted() };
        let token = tokens.mint(&bound, now()).unwrap().token;
        assert!(tokens.verify(&token, Some("https://a.example"), now()).is_ok());
        for origin in [None, Some("https://b.example"), Some("null"), Some("")] {
            assert_eq!(
                tokens.verify(&token, origin, now()).unwrap_err().code.name(),
                "token_origin",
                "{origin:?}"
            );
        }
    }

    #[test]
    fn invalid_token_requests_are_rejected() {
        let mint =
            |wanted: TokenRequest| tokens("shop").mint(&wanted, ClockReading::at(5)).map(|m| m.jti);
        for ttl in [0, MAX_TTL + 1, u64::MAX] {
            assert_eq!(mint(TokenRequest { ttl, ..wanted() }), Err(MintError::Ttl));
        }
        for user_id in [String::new(), "a b".into(), "x".repeat(201)] {
            assert!(matches!(
                mint(TokenRequest { user_id, ..wanted() }),
                Err(MintError::UserId(_))
            ));
        }
        for channels in [vec![], vec!["a/b".into()], vec![String::new()], vec!["x".into(); 101]] {
            assert_eq!(mint(TokenRequest { channels, ..wanted() }), Err(MintError::Channels));
        }
        for origin in ["foo", "self", "null", "", "https://a.example/", "https://*.a.example"] {
            let error = mint(TokenRequest { origin: Some(origin.into()), ..wanted() }).unwrap_err();
            assert!(error.to_string().contains("such as \"https:") || origin == "null", "{error}");
        }
        for origin in ["https://a.example", "http://localhost:3000", "capacitor://localhost"] {
            assert!(
                mint(TokenRequest { origin: Some(origin.into()), ..wanted() }).is_ok(),
                "{origin}"
            );
        }
        let user_info = Some(serde_json::json!("x".repeat(9000)));
        assert_eq!(mint(TokenRequest { user_info, ..wanted() }), Err(MintError::TooLong));
    }
}
