//! The times in a token, validated.

use serde_json::Value;

use super::{claims::Claims, jwt::InvalidToken};
use crate::{
    domain::time::UnixSeconds,
    platform::clock::{ClockReading, KnownAsOf},
};

pub struct TokenTimes {
    /// Time after which the token is no longer accepted.
    pub expires: UnixSeconds,
    pub as_of: KnownAsOf,
}

/// The last second of the year 9999. A later time is a mistake.
const MAX_TIME: f64 = 253_402_300_799.0;
/// The years 2000 to 9999 in milliseconds.
const MILLISECONDS: std::ops::RangeInclusive<f64> = 946_684_800_000.0..=MAX_TIME * 1000.0;

impl TokenTimes {
    /// `leeway`: allowed clock skew in seconds. It extends expiry, and makes the issue time older
    /// when compared with a revocation.
    pub fn check(claims: &Claims, leeway: u64, now: ClockReading) -> Result<Self, InvalidToken> {
        let expires = time(claims, "exp")?.ok_or(InvalidToken::NoExpiry)?;
        let expires = expires.saturating_add(leeway);
        if now.wall >= expires {
            return Err(InvalidToken::Expired);
        }
        if time(claims, "nbf")?.is_some_and(|begins| begins > now.wall.saturating_add(leeway)) {
            return Err(InvalidToken::Immature);
        }
        let issued = time(claims, "iat")?;
        // Compared with the latest time ever seen: a token issued before our clock was set back is
        // valid.
        if issued.is_some_and(|issued| issued > now.latest.saturating_add(leeway)) {
            return Err(InvalidToken::Future);
        }
        Ok(Self { expires, as_of: KnownAsOf::issued(issued, leeway, now) })
    }
}

/// Whole seconds since 1970.
fn time(claims: &Claims, name: &'static str) -> Result<Option<UnixSeconds>, InvalidToken> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    match value.as_f64().filter(|_| matches!(value, Value::Number(_))) {
        Some(seconds) if (0.0..=MAX_TIME).contains(&seconds) => Ok(Some(seconds as UnixSeconds)),
        Some(millis) if MILLISECONDS.contains(&millis) => Err(InvalidToken::Milliseconds(name)),
        _ => Err(InvalidToken::NoTime(name)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: UnixSeconds = 1_800_000_000;

    fn check(claims: Value, leeway: u64) -> Result<TokenTimes, InvalidToken> {
        let claims: Claims = serde_json::from_value(claims).expect("an object");
        TokenTimes::check(&claims, leeway, ClockReading::at(NOW))
    }

    fn refused(claims: Value) -> Option<InvalidToken> {
        check(claims, 10).err()
    }

    #[test]
    fn implausible_times_are_rejected() {
        for name in ["exp", "nbf", "iat"] {
            let with = |value: Value| {
                let mut claims = json!({"exp": NOW + 60});
                claims[name] = value;
                refused(claims)
            };
            for millis in [NOW * 1000, NOW * 1000 + 999, 253_402_300_799_000] {
                assert_eq!(with(json!(millis)), Some(InvalidToken::Milliseconds(name)), "{millis}");
            }
            for value in [
                json!(253_402_300_800_u64),
                json!(u64::MAX),
                json!(1e300),
                json!(-1),
                json!(-0.5),
                json!(-1e300),
                json!("1800000060"),
                json!(true),
                json!([NOW]),
                json!({}),
            ] {
                assert_eq!(with(value.clone()), Some(InvalidToken::NoTime(name)), "{name} {value}");
            }
        }
    }

    #[test]
    fn token_is_valid_between_its_times_with_leeway() {
        for (claims, leeway, expected) in [
            (json!({}), 0, Some(InvalidToken::NoExpiry)),
            (json!({"exp": null}), 0, Some(InvalidToken::NoExpiry)),
            (json!({"exp": NOW}), 0, Some(InvalidToken::Expired)),
            (json!({"exp": NOW + 1}), 0, None),
            (json!({"exp": NOW as f64 + 1.5}), 0, None),
            (json!({"exp": NOW - 10}), 10, Some(InvalidToken::Expired)),
            (json!({"exp": NOW - 9}), 10, None),
            (json!({"exp": 253_402_300_799_u64}), 10, None),
            (json!({"exp": NOW + 9, "nbf": NOW + 1}), 0, Some(InvalidToken::Immature)),
            (json!({"exp": NOW + 9, "nbf": NOW + 10}), 10, None),
            (json!({"exp": NOW + 9, "iat": NOW + 11}), 10, Some(InvalidToken::Future)),
            (json!({"exp": NOW + 9, "iat": NOW + 10}), 10, None),
            (json!({"exp": NOW + 9, "iat": 0}), 10, None),
        ] {
            assert_eq!(check(claims.clone(), leeway).err(), expected, "{claims} {leeway}");
        }
    }

    #[test]
    fn token_issued_before_a_clock_correction_is_valid_but_not_newer() {
        let claims = json!({"exp": NOW + 60, "iat": NOW});
        let claims: Claims = serde_json::from_value(claims).expect("an object");
        let set_back = ClockReading { wall: NOW - 300, latest: NOW + 2, earliest: NOW - 300 };
        let times = TokenTimes::check(&claims, 0, set_back).expect("it was good before");
        assert!(!times.as_of.is_after(set_back.latest) && times.as_of.is_after(NOW - 1));
    }
}
