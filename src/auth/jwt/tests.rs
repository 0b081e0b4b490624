use jsonwebtoken::Algorithm;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::*;
use crate::{
    crypto::{encoding::from_hex, signature::AppSecret},
    platform::clock::ServerClock,
};

const SECRET: &[u8] = b"a secret of the backend";

fn now() -> ClockReading {
    ServerClock::default().now()
}

fn token(header: &str, claims: &str, secret: &[u8]) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = AppSecret::new(secret).sign(&[signed.as_bytes()]).to_hex();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(from_hex::<32>(&signature).unwrap()))
}

fn jwt(issuer: Option<&str>, audience: Option<&str>, leeway: u64) -> JwtAuthorizer {
    let key = VerifyingKey::secret(SECRET, &[Algorithm::HS256]).unwrap();
    let checks = TokenChecks {
        issuer: issuer.map(str::to_owned),
        audience: audience.map(str::to_owned),
        leeway,
    };
    JwtAuthorizer { keys: TokenKeys::One(key), checks, rules: None, cookie: None }
}

const HS256: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
const FAR: &str = r#"{"sub":"u","exp":99999999999,"channels":["private-a-*"]}"#;

#[actix_web::test]
async fn valid_token_covers_its_channels() {
    let bearer = Some(token(HS256, FAR, SECRET));
    let credentials = Credentials { bearer, ..Credentials::default() };
    let grant = async |name: &str| {
        let channel = Channel::parse(name, 200).unwrap();
        jwt(None, None, 5).channel(&credentials, &channel, now()).await
    };
    let granted = grant("private-a-1").await.unwrap();
    assert_eq!(granted.user_id.as_deref(), Some("u"));
    assert_eq!(granted.expires, Some(99_999_999_999 + 5));
    assert_eq!(grant("private-b-1").await.unwrap_err().code.name(), "channel_not_covered");
}

#[actix_web::test]
async fn bad_tokens_have_a_named_code() {
    let none =
        format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), URL_SAFE_NO_PAD.encode(FAR));
    let (clock, now) = (now(), crate::platform::clock::unix_now());
    let exp = |exp: u64| token(HS256, &format!(r#"{{"sub":"u","exp":{exp}}}"#), SECRET);
    let with = |more: &str| token(HS256, &format!(r#"{{"exp":99999999999,{more}}}"#), SECRET);
    let headed = |more: &str| token(&format!(r#"{{"alg":"HS256",{more}}}"#), FAR, SECRET);
    let plain = || jwt(None, None, 0);
    let named = || jwt(Some("me"), Some("shop"), 0);
    for (jwt, text, expected) in [
        (plain(), String::new(), "token_missing"),
        (plain(), "a.b.c".into(), "token_malformed"),
        (plain(), none, "token_malformed"),
        (plain(), token(HS256, FAR, b"another"), "token_signature"),
        (plain(), token(r#"{"alg":"HS512"}"#, FAR, SECRET), "token_algorithm"),
        (plain(), token(r#"{"alg":"RS256"}"#, FAR, SECRET), "token_algorithm"),
        (plain(), exp(5), "token_expired"),
        (plain(), exp(now - 10), "token_expired"),
        (jwt(None, None, 60), exp(now - 10), ""),
        (jwt(None, None, 60), exp(now - 90), "token_expired"),
        (plain(), token(HS256, r#"{"sub":"u"}"#, SECRET), "token_without_expiry"),
        (plain(), with(r#""nbf":99999999990"#), "token_not_yet_valid"),
        (jwt(None, None, 60), with(&format!(r#""nbf":{}"#, now + 30)), ""),
        (jwt(None, None, 60), with(&format!(r#""nbf":{}"#, now + 90)), "token_not_yet_valid"),
        (plain(), with(r#""aud":"anybody""#), ""),
        (named(), with(r#""iss":"me","aud":"shop""#), ""),
        (named(), with(r#""iss":"me","aud":["a","shop"]"#), ""),
        (named(), with(r#""iss":"me","aud":"shops""#), "token_audience"),
        (named(), with(r#""iss":"me""#), "token_audience"),
        (named(), with(r#""iss":"you","aud":"shop""#), "token_issuer"),
        (named(), with(r#""aud":"shop""#), "token_issuer"),
        (plain(), "x".repeat(MAX_TOKEN + 1), "token_too_long"),
        (plain(), headed(r#""crit":["exp"]"#), "token_critical"),
        (plain(), headed(r#""crit":["b64"],"b64":false"#), "token_critical"),
        (plain(), headed(r#""crit":["urn:example:anything"]"#), "token_critical"),
        (plain(), headed(r#""crit":[]"#), "token_critical"),
        (plain(), headed(r#""crit":"exp""#), "token_malformed"),
        (plain(), headed(r#""b64":false"#), "token_unencoded"),
        (plain(), headed(r#""b64":"true""#), "token_unencoded"),
        (plain(), headed(r#""b64":null"#), "token_unencoded"),
        (plain(), headed(r#""b64":true"#), ""),
        (plain(), exp(now * 1000), "token_milliseconds"),
        (plain(), exp(253_402_300_800), "token_time"),
        (plain(), with(&format!(r#""nbf":{}"#, now * 1000)), "token_milliseconds"),
        (plain(), with(&format!(r#""iat":{}"#, now * 1000)), "token_milliseconds"),
        (plain(), with(r#""iat":1e300"#), "token_time"),
        (plain(), with(r#""iat":-1"#), "token_time"),
        (plain(), with(r#""iat":"now""#), "token_time"),
        (plain(), with(&format!(r#""iat":{}"#, now + 30)), "token_from_the_future"),
        (jwt(None, None, 60), with(&format!(r#""iat":{}"#, now + 30)), ""),
    ] {
        let code =
            jwt.verify(Some(&text), clock).await.err().map_or("", |denied| denied.code.name());
        assert_eq!(code, expected, "{text}");
    }
}

#[test]
fn keys_verify_their_own_algorithms_only() {
    use super::super::keys::UnusableKey;
    use Algorithm::*;
    const PEM: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    assert!(VerifyingKey::pem(PEM, &[EdDSA]).is_ok());
    for algorithm in [HS256, RS256, ES256, PS384] {
        assert!(VerifyingKey::pem(PEM, &[algorithm]).is_err(), "{algorithm:?}");
    }
    let error = |result: Result<VerifyingKey, UnusableKey>| result.err();
    assert_eq!(error(VerifyingKey::secret(b"s", &[RS256])), Some(UnusableKey::Algorithms));
    assert_eq!(error(VerifyingKey::secret(b"s", &[])), Some(UnusableKey::Algorithms));
    assert_eq!(
        error(VerifyingKey::secret(PEM.as_bytes(), &[HS256])),
        Some(UnusableKey::PemAsSecret)
    );
    let private = PEM.replace("PUBLIC", "PRIVATE");
    assert_eq!(error(VerifyingKey::pem(&private, &[EdDSA])), Some(UnusableKey::Private));
    let mixed = VerifyingKey::secret(b"s", &[HS256, RS256]).unwrap();
    assert!(mixed.is_for(HS256) && !mixed.is_for(RS256));
}
