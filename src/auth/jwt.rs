//! Tokens that the application's backend made: HS256, with the channels they cover in the claims.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, errors::ErrorKind};
use serde::Deserialize;

use super::{Denied, Identity};
use crate::pattern::Pattern;

pub struct JwtAuthorizer {
    key: DecodingKey,
    validation: Validation,
    pub cookie: Option<String>,
}

/// The claims of a token that has been verified.
#[derive(Deserialize, Debug)]
pub struct Token {
    #[serde(default)]
    sub: Option<String>,
    #[serde(default)]
    iat: Option<f64>,
    #[serde(default)]
    channels: Vec<String>,
    #[serde(default)]
    user_info: Option<serde_json::Value>,
    #[serde(default)]
    watchlist: Vec<String>,
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
    #[error("the token is not signed with HS256")]
    Algorithm,
    #[error("the token's signature does not match")]
    Signature,
    #[error("the token has no \"exp\" claim")]
    NoExpiry,
    #[error("the token cannot be read")]
    Malformed,
}

/// Longer ones are refused before they are decoded.
const MAX_TOKEN: usize = 8192;

impl From<InvalidToken> for Denied {
    fn from(invalid: InvalidToken) -> Self {
        Self::Unauthenticated(invalid.to_string())
    }
}

impl JwtAuthorizer {
    pub fn new(secret: &[u8], cookie: Option<String>) -> Self {
        // The algorithm is ours to name, never the token's: that is what keeps "none" and key
        // confusion out.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp"]);
        validation.validate_nbf = true;
        validation.validate_aud = false;
        validation.leeway = 0;
        Self { key: DecodingKey::from_secret(secret), validation, cookie }
    }

    pub fn verify(&self, token: Option<&str>) -> Result<Token, InvalidToken> {
        let token = token.filter(|t| !t.is_empty()).ok_or(InvalidToken::Missing)?;
        if token.len() > MAX_TOKEN {
            return Err(InvalidToken::TooLong);
        }
        decode::<Token>(token, &self.key, &self.validation).map(|data| data.claims).map_err(
            |error| match error.kind() {
                ErrorKind::ExpiredSignature => InvalidToken::Expired,
                ErrorKind::ImmatureSignature => InvalidToken::Immature,
                ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => {
                    InvalidToken::Algorithm
                }
                ErrorKind::InvalidSignature => InvalidToken::Signature,
                ErrorKind::MissingRequiredClaim(_) => InvalidToken::NoExpiry,
                _ => InvalidToken::Malformed,
            },
        )
    }
}

impl Token {
    pub fn covers(&self, channel: &str) -> bool {
        self.channels.iter().any(|pattern| Pattern::new(pattern.as_str()).matches(channel))
    }

    pub fn user_id(&self) -> Option<String> {
        self.sub.clone().filter(|sub| !sub.is_empty())
    }

    /// Seconds since 1970; a token that does not say is as old as can be.
    pub fn issued_at(&self) -> u64 {
        // A conversion that saturates: a time before 1970 is 0.
        self.iat.map_or(0, |iat| iat as u64)
    }

    pub fn identity(&self) -> Result<Identity, Denied> {
        Ok(Identity {
            user_id: self
                .user_id()
                .ok_or_else(|| Denied::Forbidden("the token has no \"sub\" claim".into()))?,
            user_info: self.user_info.clone(),
            watchlist: self.watchlist.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{encoding::from_hex, signature::AppSecret};
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    const SECRET: &[u8] = b"a secret of the backend";

    fn token(header: &str, claims: &str, secret: &[u8]) -> String {
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = AppSecret::new(secret).sign(&[signed.as_bytes()]).to_hex();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(from_hex::<32>(&signature).unwrap()))
    }

    const HS256: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
    const FAR: &str = r#"{"sub":"u","exp":99999999999,"channels":["private-a-*"]}"#;

    #[test]
    fn a_good_token_covers_its_channels() {
        let token =
            JwtAuthorizer::new(SECRET, None).verify(Some(&token(HS256, FAR, SECRET))).unwrap();
        assert!(token.covers("private-a-1"));
        assert!(!token.covers("private-b-1"));
        assert_eq!(token.identity().unwrap().user_id, "u");
    }

    #[test]
    fn bad_tokens_are_refused_by_name() {
        let jwt = JwtAuthorizer::new(SECRET, None);
        let none = format!(
            "{}.{}.",
            URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#),
            URL_SAFE_NO_PAD.encode(FAR)
        );
        for (text, expected) in [
            (String::new(), InvalidToken::Missing),
            ("a.b.c".into(), InvalidToken::Malformed),
            (none, InvalidToken::Malformed),
            (token(HS256, FAR, b"another"), InvalidToken::Signature),
            (token(r#"{"alg":"HS512"}"#, FAR, SECRET), InvalidToken::Algorithm),
            (token(r#"{"alg":"RS256"}"#, FAR, SECRET), InvalidToken::Algorithm),
            (token(HS256, r#"{"sub":"u","exp":5}"#, SECRET), InvalidToken::Expired),
            (token(HS256, r#"{"sub":"u"}"#, SECRET), InvalidToken::NoExpiry),
            (
                token(HS256, r#"{"exp":99999999999,"nbf":99999999990}"#, SECRET),
                InvalidToken::Immature,
            ),
            (
                token(HS256, r#"{"exp":99999999999,"channels":"x"}"#, SECRET),
                InvalidToken::Malformed,
            ),
            ("x".repeat(MAX_TOKEN + 1), InvalidToken::TooLong),
        ] {
            assert_eq!(jwt.verify(Some(&text)).map(|_| ()), Err(expected), "{text}");
        }
    }
}
