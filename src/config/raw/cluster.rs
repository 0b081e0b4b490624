//! The written form of the section `[cluster]`.

use std::path::PathBuf;

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::text::{KeyText, UrlText};
use crate::cluster::settings::WhenAway;

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawCluster {
    /// The Redis or Valkey of all nodes: `redis://`, `redis+sentinel://` or `redis-cluster://`. It may
    /// contain a password, and is never shown.
    #[serde(skip_serializing)]
    #[schemars(
        with = "Option<UrlText>",
        example = "redis://redis.internal",
        extend("x-default" = "required", "x-see" = "configuration.md#name-the-redis-of-a-cluster")
    )]
    pub url: Option<SecretString>,
    /// The cluster key, the same on all nodes: Redis gets hashes and ciphertext alone. It must differ
    /// from every master key.
    #[serde(skip_serializing)]
    #[schemars(
        with = "Option<KeyText>",
        example = "file:/run/secrets/cluster_key",
        extend("x-default" = "required, or `key_file`", "x-see" = "configuration.md#choose-the-form-of-a-key")
    )]
    pub key: Option<SecretString>,
    /// File with the cluster key.
    #[schemars(example = "/run/secrets/cluster_key")]
    pub key_file: Option<PathBuf>,
    /// In front of all names in Redis, at most 64 letters, digits, `-`, `_`, `.` and `:`. Two clusters
    /// on one Redis need two.
    pub prefix: String,
    /// Silence after which a node counts as dead. With Sentinels or a Redis Cluster, set 12 or more.
    #[schemars(range(min = 4, max = 600), extend("x-unit" = "seconds"))]
    pub lease_seconds: u64,
    /// The reaction to an outage of Redis.
    #[schemars(extend("x-see" = "cluster.md#survive-an-outage-of-redis"))]
    pub when_away: WhenAway,
    /// Most bytes of messages waiting for Redis.
    #[schemars(range(min = 1_048_576, max = 1_099_511_627_776_u64), extend("x-unit" = "bytes"))]
    pub backlog_bytes: usize,
    /// Certificates, as PEM: the only roots trusted for Redis. Needs a URL with TLS.
    #[schemars(
        example = "/etc/sealcast/redis-ca.pem",
        extend("x-default" = "the roots of browsers")
    )]
    pub ca_file: Option<PathBuf>,
    /// Certificate shown to Redis, as PEM. Needs a URL with TLS.
    #[schemars(example = "/etc/sealcast/node.pem")]
    pub client_cert_file: Option<PathBuf>,
    /// Key of this certificate, as PEM.
    #[schemars(example = "/etc/sealcast/node-key.pem")]
    pub client_key_file: Option<PathBuf>,
}

impl Default for RawCluster {
    fn default() -> Self {
        Self {
            url: None,
            key: None,
            key_file: None,
            prefix: "sealcast".into(),
            lease_seconds: 12,
            when_away: WhenAway::default(),
            backlog_bytes: 64 * 1024 * 1024,
            ca_file: None,
            client_cert_file: None,
            client_key_file: None,
        }
    }
}
