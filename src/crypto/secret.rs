//! The shared secret of one encrypted channel, derived from a master key (protocol.md 9).

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{
    encoding::{base64, from_any_base64},
    key::MasterKey,
};

/// The derivation of a channel's secret from the master key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Derivation {
    /// SHA-256(channel || key): every official server SDK but one.
    #[default]
    Pusher,
    /// HMAC-SHA256(key, channel): pusher-http-dotnet.
    Dotnet,
    /// HKDF-SHA256 over application, channel, epoch and a salt of this start: no SDK computes it,
    /// so that this server alone issues the secrets and can take them back.
    Hkdf,
}

/// The salt of `Hkdf`: drawn once at each start and never written down, so that no restored or lost
/// file brings back a secret from before the start. It is not secret. Servers that share their
/// channels must have the same salt.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Salt([u8; 32]);

/// A salt of several servers. The later one wins, and among two of one moment the greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SharedSalt {
    /// Microseconds since 1970. The epochs of all channels begin there, so that another salt is
    /// another epoch.
    pub drawn: u64,
    pub salt: Salt,
}

impl std::fmt::Debug for SharedSalt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SharedSalt({})", self.drawn)
    }
}

impl Salt {
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut salt = [0; 32];
        getrandom::fill(&mut salt)?;
        Ok(Self(salt))
    }

    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Base64 in either alphabet, padded or not; `None` if that is not 32 bytes.
    pub fn parse(text: &str) -> Option<Self> {
        from_any_base64(text)?.try_into().ok().map(Self)
    }

    pub fn to_base64(self) -> String {
        base64(&self.0)
    }
}

/// The inputs of a channel's secret beside the key. `Pusher` and `Dotnet` use the channel alone,
/// since SDKs know nothing of the others.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub salt: Salt,
    pub app: &'a str,
    pub channel: &'a str,
    pub epoch: u64,
}

#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SharedSecret([u8; 32]);

impl SharedSecret {
    pub fn derive(derivation: Derivation, key: &MasterKey, context: &Context<'_>) -> Self {
        let channel = context.channel;
        Self(match derivation {
            Derivation::Pusher => {
                Sha256::new().chain_update(channel).chain_update(key.expose()).finalize().into()
            }
            Derivation::Dotnet => {
                let mut mac = Hmac::<Sha256>::new_from_slice(key.expose())
                    .expect("HMAC takes a key of any length");
                mac.update(channel.as_bytes());
                mac.finalize().into_bytes().into()
            }
            Derivation::Hkdf => {
                let mut secret = [0; 32];
                Hkdf::<Sha256>::new(Some(&context.salt.0), key.expose())
                    .expand(&labelled(context), &mut secret)
                    .expect("HKDF gives up to 8160 bytes");
                secret
            }
        })
    }

    /// A random secret, derived from no key.
    pub(super) fn random() -> Result<Self, getrandom::Error> {
        let mut secret = Self([0; 32]);
        getrandom::fill(&mut secret.0)?;
        Ok(secret)
    }

    /// From an auth endpoint's answer; `None` if that is not 32 bytes.
    pub fn from_base64(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(from_any_base64(text)?);
        bytes.as_slice().try_into().ok().map(Self)
    }

    pub(super) fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Standard base64: URL-safe or unpadded text makes clients throw (encryption.md 2).
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(base64(&self.0))
    }
}

/// Prefixes each part with its length, so that different parts give different texts.
fn labelled(context: &Context<'_>) -> Vec<u8> {
    let mut info = Vec::new();
    for part in ["sealcast shared secret 2", context.app, context.channel] {
        info.extend_from_slice(&(part.len() as u64).to_be_bytes());
        info.extend_from_slice(part.as_bytes());
    }
    info.extend_from_slice(&context.epoch.to_be_bytes());
    info
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::vectors::example_salt;
    use std::array::from_fn;

    const SALT: Salt = Salt::from_bytes([7; 32]);

    fn derived(key: [u8; 32], channel: &str) -> String {
        let context = Context { salt: SALT, app: "app", channel, epoch: 0 };
        SharedSecret::derive(Derivation::Pusher, &MasterKey::from_bytes(key), &context)
            .to_base64()
            .to_string()
    }

    #[test]
    fn vectors_of_protocol_section_13() {
        let key = from_fn(|i| i as u8);
        assert_eq!(
            derived(key, "private-encrypted-my-channel"),
            "H9IhsxDUIQ2admPlZsLa8FXXcogOOUJ7+wA+5vhp/qI="
        );
        assert_eq!(
            derived(key, "private-encrypted-cache-a"),
            "glt2N1xHtA4nwXvjhvDYt72SBZlpgmjbP8pmgjvN3H4="
        );
        let rotated = from_fn(|i| 255 - i as u8);
        assert_eq!(
            derived(rotated, "private-encrypted-my-channel"),
            "JkKvpUp/81XL2zGQYcDTwlt4HM4hkp4tyLA9f5c9g1Q="
        );
    }

    #[test]
    fn hkdf_separates_salts_apps_channels_and_epochs() {
        let key = MasterKey::from_bytes(from_fn(|i| i as u8));
        let derived = |salt, app, channel, epoch| {
            let context = Context { salt, app, channel, epoch };
            SharedSecret::derive(Derivation::Hkdf, &key, &context).0
        };
        let context = Context { salt: SALT, app: "a", channel: "bc", epoch: 0 };
        let secrets = [
            derived(SALT, "a", "bc", 0),
            derived(SALT, "ab", "c", 0),
            derived(SALT, "a", "b", 0),
            derived(SALT, "a", "bc", 1),
            derived(SALT, "a", "bc", 1 << 32),
            derived(Salt::from_bytes([8; 32]), "a", "bc", 0),
            SharedSecret::derive(Derivation::Pusher, &key, &context).0,
        ];
        let different: std::collections::HashSet<_> = secrets.iter().collect();
        assert_eq!(different.len(), secrets.len());
    }

    /// Computed with Python's `hmac`: extract with the salt, expand once.
    #[test]
    fn hkdf_vector() {
        let key = MasterKey::from_bytes(from_fn(|i| i as u8));
        let channel = "private-encrypted-my-channel";
        let context = Context { salt: example_salt(), app: "app", channel, epoch: 3 };
        let secret = SharedSecret::derive(Derivation::Hkdf, &key, &context);
        assert_eq!(*secret.to_base64(), "lZs3T54AjgUJ8hkBacSyi8gGzA7ZjHCveGiCN15ZEbQ=");
    }

    #[test]
    fn salt_is_32_bytes_of_base64() {
        let salt = Salt::random().unwrap();
        assert!(salt != Salt::random().unwrap());
        assert!(Salt::parse(&salt.to_base64()) == Some(salt));
        for text in ["", "AAAA", "no base64", &base64(&[1; 33])] {
            assert!(Salt::parse(text).is_none(), "{text}");
        }
    }
}
