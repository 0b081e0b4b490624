//! Sealing: the only source of `Sealed`, and `Sealed` the only thing that an encrypted channel's
//! frame can be made of (ENCRYPTION section 2).

use std::sync::Arc;

use crypto_secretbox::{
    XSalsa20Poly1305,
    aead::{Aead, KeyInit},
};
use serde::{Deserialize, de::IgnoredAny};
use zeroize::Zeroizing;

use super::{
    encoding::{base64, from_base64},
    keyring::KeyRing,
    secret::SharedSecret,
};
use crate::channel::{Access, Channel};

const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;

/// The envelope `{"nonce","ciphertext"}` for one encrypted channel. It keeps the channel, so that
/// what was sealed for one can never be sent on another.
#[derive(Clone)]
pub struct Sealed {
    channel: Channel,
    envelope: Arc<str>,
}

impl Sealed {
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    pub fn envelope(&self) -> &Arc<str> {
        &self.envelope
    }
}

/// What an application does with payloads of encrypted channels (ENCRYPTION section 1).
pub enum Sealing {
    /// Plaintext is sealed; envelopes must open.
    Auto(KeyRing),
    /// Only envelopes pass; the process holds no key.
    Blind,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SealError {
    /// One text for "malformed" and "does not open": the difference would be an oracle.
    #[error(
        "the payload has the shape of an encrypted one but does not open with this application's key: give publisher and server the same master key, or send plaintext and let the server seal it"
    )]
    DoesNotOpen,
    #[error(
        "the application relays encrypted channels blindly and this payload is not encrypted: give the server SDK an encryption master key, or give Sealcast one and mode \"auto\""
    )]
    Plaintext,
    #[error("the operating system gave no random bytes; try again")]
    NoRandomness,
}

impl Sealing {
    /// `blind`: whether a rule of the configuration makes this channel blind.
    pub fn admit(&self, channel: &Channel, data: &str, blind: bool) -> Result<Sealed, SealError> {
        debug_assert_eq!(channel.access(), Access::Encrypted);
        let envelope = match self {
            Self::Auto(ring) if !blind => {
                let secret = ring.secret(channel.name());
                if has_envelope_shape(data) {
                    open(&secret, data).ok_or(SealError::DoesNotOpen)?;
                    Arc::from(data)
                } else {
                    seal(&secret, data)?.into()
                }
            }
            Self::Auto(_) | Self::Blind if has_envelope_shape(data) => {
                decode(data).ok_or(SealError::DoesNotOpen)?;
                Arc::from(data)
            }
            Self::Auto(_) | Self::Blind => return Err(SealError::Plaintext),
        };
        Ok(Sealed { channel: channel.clone(), envelope })
    }

    pub fn keys(&self) -> Option<&KeyRing> {
        match self {
            Self::Auto(ring) => Some(ring),
            Self::Blind => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    #[serde(borrow)]
    nonce: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    ciphertext: std::borrow::Cow<'a, str>,
}

/// An object with these two keys and no other; anything else is plaintext.
pub fn has_envelope_shape(data: &str) -> bool {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the presence of the fields is asked for")]
    struct Shape {
        nonce: IgnoredAny,
        ciphertext: IgnoredAny,
    }
    data.trim_start().starts_with('{') && serde_json::from_str::<Shape>(data).is_ok()
}

/// How long the plaintext in an envelope is, if it is one.
pub fn sealed_bytes(data: &str) -> Option<usize> {
    if !has_envelope_shape(data) {
        return None;
    }
    decode(data).map(|(_, ciphertext)| ciphertext.len() - TAG_BYTES)
}

fn decode(envelope: &str) -> Option<([u8; NONCE_BYTES], Vec<u8>)> {
    let Envelope { nonce, ciphertext } = serde_json::from_str(envelope).ok()?;
    let nonce = from_base64(&nonce)?.try_into().ok()?;
    let ciphertext = from_base64(&ciphertext).filter(|c| c.len() >= TAG_BYTES)?;
    Some((nonce, ciphertext))
}

fn cipher(secret: &SharedSecret) -> XSalsa20Poly1305 {
    XSalsa20Poly1305::new(secret.expose().into())
}

/// Takes no nonce, so that none can be used twice: 24 random bytes a call.
fn seal(secret: &SharedSecret, plaintext: &str) -> Result<String, SealError> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|_| SealError::NoRandomness)?;
    let ciphertext = cipher(secret)
        .encrypt((&nonce).into(), plaintext.as_bytes())
        .expect("secretbox fails only for messages larger than memory");
    Ok(format!(r#"{{"nonce":"{}","ciphertext":"{}"}}"#, base64(&nonce), base64(&ciphertext)))
}

fn open(secret: &SharedSecret, envelope: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, ciphertext) = decode(envelope)?;
    cipher(secret).decrypt((&nonce).into(), ciphertext.as_slice()).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{key::MasterKey, secret::Derivation};
    use proptest::prelude::*;

    fn ring(first: u8) -> KeyRing {
        let key = MasterKey::from_bytes(std::array::from_fn(|i| first.wrapping_add(i as u8)));
        KeyRing::new(key, Derivation::Pusher)
    }

    fn channel(name: &str) -> Channel {
        Channel::parse(name, 200).unwrap()
    }

    #[test]
    fn vectors_of_protocol_section_13() {
        let secret = ring(0).secret("private-encrypted-my-channel");
        let envelope = r#"{"nonce":"ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7","ciphertext":"HZSzVhuMPpoli+SBD9xYZd5ui/SFBKBYDbomQvRphTHLIgC31Gi3geLRD/aEBoRWUhFo4Qy+DHgem5XEYKagQg=="}"#;
        let plain = open(&secret, envelope).unwrap();
        assert_eq!(
            std::str::from_utf8(&plain),
            Ok(r#"{"message":"hello world","n":1,"u":"héllo ✓"}"#)
        );
        let empty = r#"{"nonce":"ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7","ciphertext":"N9+dP/FWA14Cj9+VnIE8bQ=="}"#;
        assert_eq!(open(&secret, empty).unwrap().len(), 0);
        assert!(open(&ring(224).secret("private-encrypted-my-channel"), envelope).is_none());
    }

    #[test]
    fn the_length_of_what_is_sealed_is_known_without_the_key() {
        let secret = ring(9).secret("private-encrypted-a");
        for length in [0, 1, 2, 3, 100, 10_240] {
            let envelope = seal(&secret, &"x".repeat(length)).unwrap();
            assert_eq!(sealed_bytes(&envelope), Some(length));
            // As some SDKs write it.
            assert_eq!(
                sealed_bytes(&envelope.replace('/', "\\/").replace(',', " , ")),
                Some(length)
            );
        }
        assert_eq!(sealed_bytes("hello"), None);
    }

    #[test]
    fn nonces_do_not_repeat() {
        let secret = ring(9).secret("private-encrypted-a");
        let nonces: std::collections::HashSet<_> =
            (0..20_000).map(|_| decode(&seal(&secret, "").unwrap()).unwrap().0).collect();
        assert_eq!(nonces.len(), 20_000);
    }

    #[test]
    fn auto_seals_plaintext_and_relays_what_opens() {
        let channel = channel("private-encrypted-a");
        let auto = Sealing::Auto(ring(1));
        let sealed = auto.admit(&channel, "hello", false).unwrap();
        let again = auto.admit(&channel, sealed.envelope(), false).unwrap();
        assert_eq!(again.envelope(), sealed.envelope());
        let foreign = Sealing::Auto(ring(2)).admit(&channel, "hello", false).unwrap();
        for data in [
            &**foreign.envelope(),
            r#"{"nonce":"","ciphertext":""}"#,
            r#"{"nonce":1,"ciphertext":null}"#,
            r#" {"ciphertext":"AAAA","nonce":"AAAA"}"#,
        ] {
            assert_eq!(
                auto.admit(&channel, data, false).err(),
                Some(SealError::DoesNotOpen),
                "{data}"
            );
        }
        assert_eq!(auto.admit(&channel, "hello", true).err(), Some(SealError::Plaintext));
        assert!(auto.admit(&channel, foreign.envelope(), true).is_ok());
    }

    #[test]
    fn blind_passes_well_formed_envelopes_only() {
        let channel = channel("private-encrypted-a");
        let sealed = Sealing::Auto(ring(1)).admit(&channel, "hello", false).unwrap();
        assert_eq!(
            Sealing::Blind.admit(&channel, sealed.envelope(), false).unwrap().envelope(),
            sealed.envelope()
        );
        for data in [
            "hello",
            "",
            "{}",
            "null",
            r#"{"nonce":"a"}"#,
            r#"{"nonce":"a","ciphertext":"b","x":1}"#,
        ] {
            assert_eq!(
                Sealing::Blind.admit(&channel, data, false).err(),
                Some(SealError::Plaintext),
                "{data}"
            );
        }
        let bad = r#"{"nonce":"a","ciphertext":"b"}"#;
        assert_eq!(Sealing::Blind.admit(&channel, bad, false).err(), Some(SealError::DoesNotOpen));
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_with_its_own_channel_only(data in "\\PC{0,200}", name in "[a-z]{1,8}", more in "[a-z]{1,3}") {
            let ring = ring(5);
            let own = format!("private-encrypted-{name}");
            let other = format!("{own}{more}");
            let envelope = seal(&ring.secret(&own), &data).unwrap();
            let opened = open(&ring.secret(&own), &envelope).unwrap();
            prop_assert_eq!(opened.as_slice(), data.as_bytes());
            prop_assert!(open(&ring.secret(&other), &envelope).is_none());
        }

        #[test]
        fn admitting_never_panics(data in "\\PC{0,200}") {
            let channel = channel("private-encrypted-a");
            let _ = (Sealing::Blind.admit(&channel, &data, false), Sealing::Auto(ring(1)).admit(&channel, &data, false));
        }
    }
}
