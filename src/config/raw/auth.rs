//! The written form of authorizers.

use std::{collections::BTreeMap, path::PathBuf};

use jsonwebtoken::Algorithm;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{auth::Ability, domain::limits::YEAR};

/// Verification of tokens.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawJwt {
    /// Accepted algorithms of signatures. Required with a public key or a URL.
    #[schemars(
        schema_with = "algorithms",
        example = ["RS256"],
        extend("x-default" = "`[\"HS256\"]` with a secret")
    )]
    pub algorithms: Vec<Algorithm>,
    /// Key that verifies tokens, as PEM.
    #[schemars(example = "-----BEGIN PUBLIC KEY-----\n...\n-----END PUBLIC KEY-----\n")]
    pub public_key: Option<String>,
    /// File with this key.
    #[schemars(example = "/etc/sealcast/tokens.pem")]
    pub public_key_file: Option<PathBuf>,
    /// Address of the issuer's keys (JWKS): https, or http on this machine.
    #[schemars(example = "https://id.example.com/.well-known/jwks.json")]
    pub jwks_url: Option<String>,
    /// Age after which the keys are fetched again.
    #[schemars(range(min = 1, max = YEAR), extend("x-unit" = "seconds"))]
    pub jwks_refresh_seconds: u64,
    /// Time after a fetch before an unknown key causes the next one.
    #[schemars(range(min = 1, max = YEAR), extend("x-unit" = "seconds"))]
    pub jwks_cooldown_seconds: u64,
    /// Certificates, as PEM: the only roots trusted for `jwks_url`.
    #[schemars(
        example = "/etc/sealcast/ca.pem",
        extend("x-default" = "the roots of browsers")
    )]
    pub ca_file: Option<PathBuf>,
    /// Required value of the claim `iss`.
    #[schemars(example = "https://id.example.com", extend("x-default" = "any"))]
    pub issuer: Option<String>,
    /// Name that the claim `aud` must contain.
    #[schemars(example = &"sealcast", extend("x-default" = "any"))]
    pub audience: Option<String>,
    /// Tolerance for the times `exp` and `nbf`.
    #[schemars(range(max = 300), extend("x-unit" = "seconds"))]
    pub leeway_seconds: u64,
    /// Cookie with the token, if no header has one.
    #[schemars(
        example = &"session",
        extend("x-see" = "configuration.md#take-the-token-from-a-cookie")
    )]
    pub cookie: Option<String>,
}

impl Default for RawJwt {
    fn default() -> Self {
        Self {
            algorithms: Vec::new(),
            public_key: None,
            public_key_file: None,
            jwks_url: None,
            jwks_refresh_seconds: 600,
            jwks_cooldown_seconds: 30,
            ca_file: None,
            issuer: None,
            audience: None,
            leeway_seconds: 10,
            cookie: None,
        }
    }
}

/// The names that the type of the library takes; a test compares.
const ALGORITHMS: [&str; 12] = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256",
    "ES384", "EdDSA",
];

fn algorithms(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "type": "string", "enum": ALGORITHMS } })
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRule {
    /// Pattern of channel names that begins with `private-` or `presence-`. `*` stands for any text,
    /// `{claims.NAME}` for the value of a claim, `{id}` for an id.
    #[schemars(
        example = "private-orders-{claims.org}",
        extend("x-default" = "required")
    )]
    pub channel: String,
    /// The id in the name must carry its signature.
    #[serde(default)]
    #[schemars(extend("x-see" = "authorization.md#sign-the-ids-in-channel-names"))]
    pub idsig: bool,
    /// Abilities of a client with a matching token. An empty list refuses all clients.
    #[schemars(
        example = ["subscribe", "client_events"],
        extend("x-default" = "`[\"subscribe\", \"client_events\"]`", "x-see" = "authorization.md#choose-abilities")
    )]
    pub allow: Option<Vec<Ability>>,
    /// Life of the subscription, if the token does not end before.
    #[schemars(
        range(min = 1, max = YEAR),
        example = 3600,
        extend("x-unit" = "seconds", "x-default" = "the life of the token")
    )]
    pub max_ttl_seconds: Option<u64>,
    /// User id of a presence member.
    #[serde(default = "subject")]
    pub user_id: String,
    /// Data that others see of a presence member: a table of names and templates.
    #[schemars(
        example = BTreeMap::from([("name", "{claims.name}")]),
        extend("x-default" = "the claim `user_info`")
    )]
    pub user_info: Option<BTreeMap<String, String>>,
}

fn subject() -> String {
    "{claims.sub}".to_owned()
}

/// The application's own endpoint.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawForward {
    /// Address that is asked.
    #[schemars(
        example = "https://app.example.com/authorize",
        extend("x-default" = "required")
    )]
    pub url: String,
    /// Headers of the client's request that are passed on.
    #[serde(default = "authorization")]
    pub headers: Vec<String>,
    /// Cookies that are passed on.
    #[serde(default)]
    #[schemars(example = ["session"])]
    pub cookies: Vec<String>,
    /// Time for an answer.
    #[serde(default = "three_seconds")]
    #[schemars(range(min = 1, max = 30_000), extend("x-unit" = "milliseconds"))]
    pub timeout_ms: u64,
    /// Most requests at a time.
    #[serde(default = "sixty_four")]
    #[schemars(range(min = 1), extend("x-unit" = "requests"))]
    pub concurrency: usize,
    /// Time for which an answer is remembered. 0: not at all.
    #[serde(default = "five")]
    #[schemars(range(max = 60), extend("x-unit" = "seconds"))]
    pub cache_seconds: u64,
    /// Longest life of a subscription.
    #[schemars(
        range(min = 1, max = YEAR),
        example = 3600,
        extend("x-unit" = "seconds", "x-default" = "no limit")
    )]
    pub max_ttl_seconds: Option<u64>,
    /// Certificates, as PEM: the only roots trusted for `url`.
    #[schemars(
        example = "/etc/sealcast/ca.pem",
        extend("x-default" = "the roots of browsers")
    )]
    pub ca_file: Option<PathBuf>,
    /// Permit http to another machine.
    #[serde(default)]
    pub allow_http: bool,
}

fn authorization() -> Vec<String> {
    vec!["authorization".to_owned()]
}

fn three_seconds() -> u64 {
    3000
}

fn sixty_four() -> usize {
    64
}

fn five() -> u64 {
    5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schema_names_the_algorithms_of_the_library() {
        let error = serde_json::from_str::<Algorithm>("\"x\"").unwrap_err().to_string();
        let mut known: Vec<&str> = error.split('`').skip(1).step_by(2).skip(1).collect();
        let mut listed = ALGORITHMS.to_vec();
        known.sort_unstable();
        listed.sort_unstable();
        assert_eq!(known, listed, "{error}");
    }
}
