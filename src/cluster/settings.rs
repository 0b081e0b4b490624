//! The validated settings of a cluster.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{key::ClusterKey, url::ClusterUrl};

/// Has no `Debug`.
pub struct ClusterSettings {
    pub url: ClusterUrl,
    pub key: ClusterKey,
    pub prefix: KeyPrefix,
    /// A node without a beat for this time is dead.
    pub lease: Duration,
    pub when_away: WhenAway,
    /// The most bytes of messages that wait for Redis.
    pub backlog_bytes: usize,
    pub tls: RedisTls,
}

/// The reaction to an outage of Redis.
#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "lowercase")]
pub enum WhenAway {
    /// Subscribers of the same node get events.
    #[default]
    Local,
    /// Triggers get 503.
    Refuse,
    /// The same, and after a lease connections are closed (4100) and new ones refused.
    Close,
}

/// As PEM, read once with the configuration.
#[derive(Default)]
pub struct RedisTls {
    /// `None`: the roots of browsers.
    pub ca: Option<Zeroizing<Vec<u8>>>,
    pub client: Option<ClientCertificate>,
}

pub struct ClientCertificate {
    pub chain: Zeroizing<Vec<u8>>,
    pub key: Zeroizing<Vec<u8>>,
}

/// In front of all names in Redis.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyPrefix(Box<str>);

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "must be 1 to {MAX_PREFIX} letters, digits, '-', '_', '.' or ':': braces would move keys to other slots, and * ? [ mean other keys in access control lists"
)]
pub struct InvalidKeyPrefix;

const MAX_PREFIX: usize = 64;

impl KeyPrefix {
    pub fn parse(text: &str) -> Result<Self, InvalidKeyPrefix> {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        let fits = (1..=MAX_PREFIX).contains(&text.len());
        if fits && text.bytes().all(is_part) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidKeyPrefix)
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_is_plain_text() {
        for text in ["sealcast", "a", "eu-1.chat:x_y", &"a".repeat(64)] {
            assert_eq!(KeyPrefix::parse(text).map(|p| p.as_str().to_owned()), Ok(text.to_owned()));
        }
        for text in ["", "a b", "{a}", "a}", "a*", "a?", "[a]", "a\\", "é", "a\n", &"a".repeat(65)]
        {
            assert_eq!(KeyPrefix::parse(text), Err(InvalidKeyPrefix), "{text:?}");
        }
    }
}
