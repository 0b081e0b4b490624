//! Reproducible sealed payloads as test vectors for SDK authors. This is the only place that passes
//! a nonce instead of drawing it, so nonce and plaintext are constants here.

use crypto_secretbox::{
    XSalsa20Poly1305,
    aead::{Aead, KeyInit},
};
use serde::Serialize;

use super::{
    encoding::base64,
    key::MasterKey,
    secret::{Context, Derivation, Salt, SharedSecret},
};
use crate::domain::channel::Channel;

/// The published example: bytes 0 to 31, which `MasterKey::parse` refuses.
pub fn example_key() -> MasterKey {
    MasterKey::from_bytes(std::array::from_fn(|i| i as u8))
}

/// Bytes 32 to 63. A server draws its own at each start.
pub fn example_salt() -> Salt {
    Salt::from_bytes(std::array::from_fn(|i| 32 + i as u8))
}

const PLAINTEXT: &str = r#"{"message":"hello world","n":1,"u":"héllo ✓"}"#;

fn nonce() -> [u8; 24] {
    std::array::from_fn(|i| 100 + i as u8)
}

/// A channel's payload with one key and derivation.
#[derive(Serialize)]
pub struct SealedVector {
    channel: String,
    derivation: &'static str,
    shared_secret: String,
    nonce: String,
    plaintext: &'static str,
    ciphertext: String,
    /// The `data` of an event.
    data: String,
}

impl SealedVector {
    /// One for each derivation; `hkdf` with the salt and in epoch 0, before the first revocation.
    pub fn all(key: &MasterKey, salt: Salt, app: &str, channel: &Channel) -> [Self; 3] {
        let context = Context { salt, app, channel: channel.name(), epoch: 0 };
        [(Derivation::Pusher, "pusher"), (Derivation::Dotnet, "dotnet"), (Derivation::Hkdf, "hkdf")]
            .map(|(derivation, name)| {
                let secret = SharedSecret::derive(derivation, key, &context);
                Self::new(secret, name, channel)
            })
    }

    fn new(secret: SharedSecret, derivation: &'static str, channel: &Channel) -> Self {
        let ciphertext = XSalsa20Poly1305::new(secret.expose().into())
            .encrypt(&nonce().into(), PLAINTEXT.as_bytes())
            .expect("secretbox fails only for messages larger than memory");
        let (nonce, ciphertext) = (base64(&nonce()), base64(&ciphertext));
        let data = format!(r#"{{"nonce":"{nonce}","ciphertext":"{ciphertext}"}}"#);
        Self {
            channel: channel.to_string(),
            derivation,
            shared_secret: secret.to_base64().to_string(),
            nonce,
            plaintext: PLAINTEXT,
            ciphertext,
            data,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_of_protocol_section_13() {
        let channel = Channel::parse("private-encrypted-my-channel", 200).unwrap();
        let vectors = SealedVector::all(&example_key(), example_salt(), "app", &channel);
        let [pusher, dotnet, hkdf] = vectors;
        assert_eq!(pusher.shared_secret, "H9IhsxDUIQ2admPlZsLa8FXXcogOOUJ7+wA+5vhp/qI=");
        assert_eq!(pusher.nonce, "ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7");
        assert_eq!(
            pusher.ciphertext,
            "HZSzVhuMPpoli+SBD9xYZd5ui/SFBKBYDbomQvRphTHLIgC31Gi3geLRD/aEBoRWUhFo4Qy+DHgem5XEYKagQg=="
        );
        assert_ne!(dotnet.shared_secret, pusher.shared_secret);
        // As Python's `hmac` has it.
        assert_eq!(hkdf.shared_secret, "uFRY+fq5PYGTHf5n5HYCztJO2qhGcNpRSGKjIIQ4FU8=");
    }
}
