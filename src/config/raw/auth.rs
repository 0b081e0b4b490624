//! The written form of authorizers.

use std::{collections::BTreeMap, path::PathBuf};

use jsonwebtoken::Algorithm;
use serde::Deserialize;

use crate::auth::Ability;

/// Verification of tokens.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawJwt {
    /// The default is HS256; a public key or a URL has no default.
    pub algorithms: Vec<Algorithm>,
    /// PEM.
    pub public_key: Option<String>,
    pub public_key_file: Option<PathBuf>,
    pub jwks_url: Option<String>,
    pub jwks_refresh_seconds: u64,
    pub jwks_cooldown_seconds: u64,
    /// PEM certificates trusted for `jwks_url`.
    pub ca_file: Option<PathBuf>,
    pub issuer: Option<String>,
    pub audience: Option<String>,
    pub leeway_seconds: u64,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawRule {
    pub channel: String,
    #[serde(default)]
    pub idsig: bool,
    /// Absent: `Abilities::LEGACY`. Empty: nothing.
    pub allow: Option<Vec<Ability>>,
    pub max_ttl_seconds: Option<u64>,
    #[serde(default = "subject")]
    pub user_id: String,
    pub user_info: Option<BTreeMap<String, String>>,
}

fn subject() -> String {
    "{claims.sub}".to_owned()
}

/// The application's own endpoint.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawForward {
    pub url: String,
    #[serde(default = "authorization")]
    pub headers: Vec<String>,
    #[serde(default)]
    pub cookies: Vec<String>,
    #[serde(default = "three_seconds")]
    pub timeout_ms: u64,
    #[serde(default = "sixty_four")]
    pub concurrency: usize,
    #[serde(default = "five")]
    pub cache_seconds: u64,
    pub max_ttl_seconds: Option<u64>,
    pub ca_file: Option<PathBuf>,
    /// Permits http to another host.
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
