//! Keys for verifying tokens. A key is bound to algorithms of its own kind: a public key never
//! verifies an HMAC, whatever the token claims.

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, Header, TokenData, Validation, decode, decode_header,
    errors::ErrorKind,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse},
};

use serde_json::value::RawValue;

use super::{claims::Claims, jwt::InvalidToken, times::TokenTimes};
use crate::{
    domain::time::UnixSeconds,
    platform::clock::{ClockReading, KnownAsOf},
    protocol::json::object,
};

pub struct VerifyingKey {
    key: DecodingKey,
    /// All of the key's family; never empty.
    algorithms: Vec<Algorithm>,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UnusableKey {
    #[error("it is no public key in PEM, or of another kind than the algorithms")]
    NoPem,
    #[error("it is a private key: give the public one, which is all that verifying takes")]
    Private,
    #[error(
        "it is a key in PEM, which is public: it belongs in public_key, with one of its own algorithms"
    )]
    PemAsSecret,
    #[error("none of the algorithms is for keys of its kind")]
    Algorithms,
}

/// A token with a valid signature and valid times.
#[derive(Debug)]
pub struct Verified {
    pub claims: Claims,
    /// Time after which it is no longer accepted.
    pub expires: UnixSeconds,
    pub as_of: KnownAsOf,
}

/// Requirements for a token beside its signature.
pub struct TokenChecks {
    pub issuer: Option<String>,
    pub audience: Option<String>,
    pub leeway: u64,
}

impl VerifyingKey {
    fn new(key: DecodingKey, algorithms: &[Algorithm]) -> Result<Self, UnusableKey> {
        let family = key.family();
        let algorithms: Vec<_> =
            algorithms.iter().copied().filter(|a| a.family() == family).collect();
        if algorithms.is_empty() {
            return Err(UnusableKey::Algorithms);
        }
        Ok(Self { key, algorithms })
    }

    pub fn secret(secret: &[u8], algorithms: &[Algorithm]) -> Result<Self, UnusableKey> {
        if secret.trim_ascii_start().starts_with(b"-----BEGIN") {
            return Err(UnusableKey::PemAsSecret);
        }
        Self::new(DecodingKey::from_secret(secret), algorithms)
    }

    pub fn pem(pem: &str, algorithms: &[Algorithm]) -> Result<Self, UnusableKey> {
        if pem.contains("PRIVATE KEY") {
            return Err(UnusableKey::Private);
        }
        let key = match algorithms.first().map(|algorithm| algorithm.family()) {
            Some(AlgorithmFamily::Rsa) => DecodingKey::from_rsa_pem(pem.as_bytes()),
            Some(AlgorithmFamily::Ec) => DecodingKey::from_ec_pem(pem.as_bytes()),
            Some(AlgorithmFamily::Ed) => DecodingKey::from_ed_pem(pem.as_bytes()),
            Some(AlgorithmFamily::Hmac) | None => return Err(UnusableKey::Algorithms),
        };
        Self::new(key.map_err(|_| UnusableKey::NoPem)?, algorithms)
    }

    /// `None` for keys of another use or kind, invalid keys, and symmetric keys, which a public
    /// list cannot contain.
    pub fn jwk(jwk: &Jwk, algorithms: &[Algorithm]) -> Option<Self> {
        if jwk.common.public_key_use.as_ref().is_some_and(|u| *u != PublicKeyUse::Signature) {
            return None;
        }
        let own = jwk.common.key_algorithm.map(|algorithm| algorithm.to_string());
        let fits = |a: &Algorithm| {
            own.as_ref().is_none_or(|own| *own == format!("{a:?}")) && fits_curve(jwk, *a)
        };
        let algorithms: Vec<_> = algorithms.iter().copied().filter(fits).collect();
        match &jwk.algorithm {
            AlgorithmParameters::OctetKey(_) => None,
            _ => Self::new(DecodingKey::from_jwk(jwk).ok()?, &algorithms).ok(),
        }
    }

    /// True if the key verifies tokens of this algorithm.
    pub fn is_for(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    pub fn verify(
        &self,
        token: &str,
        checks: &TokenChecks,
        now: ClockReading,
    ) -> Result<Verified, InvalidToken> {
        let claims = self.signed_claims(token, checks)?;
        let TokenTimes { expires, as_of } = TokenTimes::check(&claims, checks.leeway, now)?;
        Ok(Verified { claims, expires, as_of })
    }

    fn signed_claims(&self, token: &str, checks: &TokenChecks) -> Result<Claims, InvalidToken> {
        refuse_extensions(&decode_header(token).map_err(|_| InvalidToken::Malformed)?)?;
        let mut validation = Validation::new(self.algorithms[0]);
        validation.algorithms.clone_from(&self.algorithms);
        // Checked by `TokenTimes` instead.
        (validation.validate_exp, validation.validate_nbf) = (false, false);
        let mut required = Vec::new();
        if let Some(issuer) = &checks.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        validation.validate_aud = checks.audience.is_some();
        if let Some(audience) = &checks.audience {
            validation.set_audience(&[audience]);
            required.push("aud");
        }
        validation.set_required_spec_claims(&required);
        // Kept as text: the library's own reader refuses strings cut by JavaScript within a
        // surrogate pair.
        let verified: Result<TokenData<Box<RawValue>>, _> = decode(token, &self.key, &validation);
        let claims = verified.map(|data| data.claims).map_err(|error| match error.kind() {
            ErrorKind::InvalidAlgorithm => InvalidToken::Algorithm,
            ErrorKind::InvalidSignature => InvalidToken::Signature,
            ErrorKind::InvalidIssuer => InvalidToken::Issuer,
            ErrorKind::InvalidAudience => InvalidToken::Audience,
            ErrorKind::MissingRequiredClaim(name) if name == "iss" => InvalidToken::Issuer,
            ErrorKind::MissingRequiredClaim(name) if name == "aud" => InvalidToken::Audience,
            _ => InvalidToken::Malformed,
        })?;
        object(claims.get()).map_err(|_| InvalidToken::Malformed)
    }
}

/// Refuses tokens with extensions that must be understood (RFC 7515 section 4.1.11, RFC 7797). None
/// is supported.
fn refuse_extensions(header: &Header) -> Result<(), InvalidToken> {
    if header.crit.is_some() {
        return Err(InvalidToken::Critical);
    }
    match header.extras.inner().get("b64") {
        None | Some(serde_json::Value::Bool(true)) => Ok(()),
        Some(_) => Err(InvalidToken::Unencoded),
    }
}

fn fits_curve(jwk: &Jwk, algorithm: Algorithm) -> bool {
    match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(key) => matches!(
            (&key.curve, algorithm),
            (EllipticCurve::P256, Algorithm::ES256) | (EllipticCurve::P384, Algorithm::ES384)
        ),
        _ => true,
    }
}
