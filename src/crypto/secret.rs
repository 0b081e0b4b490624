//! The shared secret of one encrypted channel, derived from a master key (PROTOCOL 9).

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{encoding::base64, key::MasterKey};

/// How a channel's secret comes from the master key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Derivation {
    /// SHA-256(channel || key): every official server SDK but one.
    #[default]
    Pusher,
    /// HMAC-SHA256(key, channel): pusher-http-dotnet.
    Dotnet,
}

#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SharedSecret([u8; 32]);

impl SharedSecret {
    pub fn derive(derivation: Derivation, key: &MasterKey, channel: &str) -> Self {
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
        })
    }

    pub(super) fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// As clients take it: URL-safe or unpadded text makes them throw (ENCRYPTION section 2).
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(base64(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::array::from_fn;

    fn derived(key: [u8; 32], channel: &str) -> String {
        SharedSecret::derive(Derivation::Pusher, &MasterKey::from_bytes(key), channel)
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
}
