//! The shared secret of one encrypted channel, derived from a master key (PROTOCOL 9).

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{encoding::base64, key::MasterKey};

/// How a channel's secret comes from the master key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Derivation {
    /// SHA-256(channel || key): every official server SDK but one.
    #[default]
    Pusher,
    /// HMAC-SHA256(key, channel): pusher-http-dotnet.
    Dotnet,
    /// HKDF-SHA256 over application, channel and epoch: no SDK computes it, so that this server
    /// alone issues the secrets and can take them back.
    Hkdf,
}

#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SharedSecret([u8; 32]);

impl SharedSecret {
    /// Application and epoch count for `Hkdf` alone: what SDKs compute knows neither.
    pub fn derive(
        derivation: Derivation,
        key: &MasterKey,
        app: &str,
        channel: &str,
        epoch: u32,
    ) -> Self {
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
                Hkdf::<Sha256>::new(None, key.expose())
                    .expand(&labelled(app, channel, epoch), &mut secret)
                    .expect("HKDF gives up to 8160 bytes");
                secret
            }
        })
    }

    /// Of no key: nobody has it.
    pub(super) fn random() -> Result<Self, getrandom::Error> {
        let mut secret = Self([0; 32]);
        getrandom::fill(&mut secret.0)?;
        Ok(secret)
    }

    pub(super) fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// As clients take it: URL-safe or unpadded text makes them throw (ENCRYPTION section 2).
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(base64(&self.0))
    }
}

/// Each part with its length, so that no two sets of parts give the same text.
fn labelled(app: &str, channel: &str, epoch: u32) -> Vec<u8> {
    let mut info = Vec::new();
    for part in ["sealcast shared secret 1", app, channel] {
        info.extend_from_slice(&(part.len() as u64).to_be_bytes());
        info.extend_from_slice(part.as_bytes());
    }
    info.extend_from_slice(&u64::from(epoch).to_be_bytes());
    info
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::array::from_fn;

    fn derived(key: [u8; 32], channel: &str) -> String {
        SharedSecret::derive(Derivation::Pusher, &MasterKey::from_bytes(key), "app", channel, 0)
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
    fn hkdf_tells_applications_channels_and_epochs_apart() {
        let key = MasterKey::from_bytes(from_fn(|i| i as u8));
        let derived = |app, channel, epoch| {
            SharedSecret::derive(Derivation::Hkdf, &key, app, channel, epoch).0
        };
        let secrets = [
            derived("a", "bc", 0),
            derived("ab", "c", 0),
            derived("a", "b", 0),
            derived("a", "bc", 1),
            SharedSecret::derive(Derivation::Pusher, &key, "a", "bc", 0).0,
        ];
        let different: std::collections::HashSet<_> = secrets.iter().collect();
        assert_eq!(different.len(), secrets.len());
    }

    /// Computed with Python's `hmac`: extract with a salt of 32 zeros, expand once.
    #[test]
    fn hkdf_vector() {
        let key = MasterKey::from_bytes(from_fn(|i| i as u8));
        let secret =
            SharedSecret::derive(Derivation::Hkdf, &key, "app", "private-encrypted-my-channel", 3);
        assert_eq!(*secret.to_base64(), "H7hXpV62mgZA8fcuYW95urCzCZCyQ1Ha7nte2zvFeF0=");
    }
}
