//! Tokens, rules and origins.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;

use crate::{
    auth::{
        Abilities,
        claims::Claims,
        keys::{TokenChecks, VerifyingKey},
        rules::{PresenceData, Rule, Rules},
        signed_id::SignedIds,
        template::Template,
    },
    crypto::{encoding::from_hex, signature::AppSecret},
    domain::origins::{OriginPattern, Origins},
    platform::clock::ServerClock,
};

const SECRET: &[u8] = b"a secret of the backend";

/// Claims on the first line, a rule's pattern on the second, a channel on the third.
pub fn jwt_rules(bytes: &[u8]) {
    let (claims, rest) = super::two_texts(bytes);
    let (pattern, channel) = rest.split_once('\n').unwrap_or((rest, ""));
    let key = VerifyingKey::secret(SECRET, &[Algorithm::HS256]).expect("a key");
    let checks = TokenChecks { issuer: None, audience: None, leeway: 0 };
    // The raw input carries no signature of ours.
    let now = ServerClock::default().now();
    assert!(key.verify(claims, &checks, now).is_err(), "a token without our signature");
    let (head, signed) = signed(r#"{"alg":"HS256"}"#, claims);
    if let Ok(verified) = key.verify(&signed, &checks, now) {
        decide(&verified.claims, pattern, channel);
    }
    for header in [r#"{"alg":"none"}"#, r#"{"alg":"HS512"}"#, claims] {
        let (unsigned, _) = self::signed(header, claims);
        let token = format!("{unsigned}.{}", signed.rsplit('.').next().unwrap_or_default());
        assert!(unsigned == head || key.verify(&token, &checks, now).is_err(), "{header}");
    }
}

fn signed(header: &str, claims: &str) -> (String, String) {
    let head = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = AppSecret::new(SECRET).sign(&[head.as_bytes()]).to_hex();
    let signature: [u8; 32] = from_hex(&signature).expect("32 bytes in hex");
    let token = format!("{head}.{}", URL_SAFE_NO_PAD.encode(signature));
    (head, token)
}

fn decide(claims: &Claims, pattern: &str, channel: &str) {
    let presence = PresenceData {
        user_id: Template::parse("{claims.sub}").expect("a template"),
        user_info: None,
    };
    let Ok(rule) = Rule::new(pattern, false, Abilities::LEGACY, None, presence) else { return };
    let rules = Rules::new(vec![rule], SignedIds::new(AppSecret::new(SECRET)));
    let literal = pattern.split(['*', '{']).next().unwrap_or_default();
    if rules.decide(claims, channel).is_some() {
        assert!(channel.starts_with(literal), "a rule for other channels");
        let authorized = channel.starts_with("private-") || channel.starts_with("presence-");
        assert!(authorized, "a rule for what nobody is authorized for");
    }
}

/// An entry of `origins` on the first line, an `Origin` header on the second.
pub fn origins(bytes: &[u8]) {
    let (entry, origin) = super::two_texts(bytes);
    assert!(!Origins::Loopback.lists("null"));
    if Origins::Loopback.lists(origin) {
        assert!(origin.starts_with("http"), "a page of this machine");
    }
    let Ok(pattern) = entry.parse::<OriginPattern>() else { return };
    // Only origins of web pages are trusted with cookies.
    let exact = !entry.contains('*') && entry.to_ascii_lowercase().starts_with("http");
    let listed = Origins::Listed(vec![pattern]);
    assert!(!listed.lists("null") && !listed.lists("file://") && !listed.lists(""));
    assert_eq!(listed.has_exact(), exact);
    if listed.lists(origin) {
        assert_eq!(listed.lists_exactly(origin), exact);
        let scheme = |text: &str| text.split_once(':').unwrap_or_default().0.to_ascii_lowercase();
        assert_eq!(scheme(entry), scheme(origin), "another scheme");
        // After the stars the host is literal: no other host ends with it.
        let host = entry.split("://").nth(1).unwrap_or_default().trim_start_matches("*.");
        let host = host.split([':', '/']).next().unwrap_or_default().to_ascii_lowercase();
        let origin = origin.to_ascii_lowercase();
        assert!(host.starts_with('[') || origin.contains(&host), "another host");
    }
}
