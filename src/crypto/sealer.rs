//! Sealing: the only source of `Sealed`, the only content of an encrypted channel's frame
//! (encryption.md 2).

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
    keytable::Version,
    secret::SharedSecret,
};
use crate::domain::channel::Channel;

const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;

/// The envelope `{"nonce","ciphertext"}` for one encrypted channel. It keeps the channel, so that
/// what was sealed for one can never be sent on another.
#[derive(Clone)]
pub struct Sealed {
    channel: Channel,
    version: Version,
    envelope: Arc<str>,
}

impl Sealed {
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// The version of the secret that opens it.
    pub fn version(&self) -> Version {
        self.version
    }

    pub fn envelope(&self) -> &Arc<str> {
        &self.envelope
    }
}

/// The app's mode for payloads of encrypted channels (encryption.md 1).
pub enum Sealing {
    /// Plaintext is sealed; envelopes must open.
    /// The keys outlive a change of the settings that stand beside them.
    Auto(Arc<KeyRing>),
    /// Only envelopes pass; the process holds no key.
    Blind,
}

/// A payload admitted to an encrypted channel.
pub enum Payload<'a> {
    Plain(&'a str),
    /// Sealed by a publisher. It is relayed unchanged to subscribers with the same secret.
    Opened {
        plaintext: Zeroizing<Vec<u8>>,
        relayed: Sealed,
    },
    Blind(Sealed),
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SealError {
    /// One text for "malformed" and "does not open": the difference would be an oracle.
    #[error(
        "the payload looks encrypted but does not open with this app's key: give publisher and server the same master key, or send plaintext and let the server seal it"
    )]
    DoesNotOpen,
    #[error(
        "the application relays encrypted channels blindly and this payload is not encrypted: give the server SDK an encryption master key, or give Sealcast one and mode \"auto\""
    )]
    Plaintext,
    #[error("the operating system gave no random bytes; try again")]
    NoRandomness,
    #[error("the master key has just been retired; try again")]
    KeyRetired,
}

impl SealError {
    pub const REASONS: [&str; 4] = ["plaintext", "does_not_open", "no_randomness", "key_retired"];

    /// One of `REASONS`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::DoesNotOpen => "does_not_open",
            Self::NoRandomness => "no_randomness",
            Self::KeyRetired => "key_retired",
        }
    }
}

impl Sealing {
    /// `blind`: whether a rule of the configuration makes this channel blind.
    pub fn admit<'a>(
        &self,
        channel: &Channel,
        data: &'a str,
        blind: bool,
    ) -> Result<Payload<'a>, SealError> {
        debug_assert!(channel.kind().is_encrypted());
        let envelope =
            |version| Sealed { channel: channel.clone(), version, envelope: Arc::from(data) };
        match (self.keys().filter(|_| !blind), has_envelope_shape(data)) {
            (Some(ring), true) => {
                let (version, plaintext) =
                    ring.open(channel, data).ok_or(SealError::DoesNotOpen)?;
                Ok(Payload::Opened { plaintext, relayed: envelope(version) })
            }
            (Some(_), false) => Ok(Payload::Plain(data)),
            (None, true) => {
                decode(data).ok_or(SealError::DoesNotOpen)?;
                Ok(Payload::Blind(envelope(Version::BLIND)))
            }
            (None, false) => Err(SealError::Plaintext),
        }
    }

    /// An envelope that another server has sealed with this version. It may be of an epoch that is
    /// over here.
    pub fn admit_as<'a>(
        &self,
        channel: &Channel,
        data: &str,
        version: Version,
    ) -> Result<Payload<'a>, SealError> {
        let ring = self.keys().ok_or(SealError::KeyRetired)?;
        let opened = ring.open_as(channel, version, data).filter(|_| has_envelope_shape(data));
        let plaintext = opened.ok_or(SealError::DoesNotOpen)?;
        let relayed = Sealed { channel: channel.clone(), version, envelope: Arc::from(data) };
        Ok(Payload::Opened { plaintext, relayed })
    }

    /// The payload for subscribers with the secret of this version.
    pub fn seal(
        &self,
        channel: &Channel,
        payload: &Payload<'_>,
        version: Version,
    ) -> Result<Sealed, SealError> {
        let plaintext = match payload {
            Payload::Blind(sealed) => return Ok(sealed.clone()),
            Payload::Opened { relayed, .. } if relayed.version == version => {
                return Ok(relayed.clone());
            }
            Payload::Opened { plaintext, .. } => plaintext.as_slice(),
            Payload::Plain(text) => text.as_bytes(),
        };
        self.keys().ok_or(SealError::KeyRetired)?.seal(channel, version, plaintext)
    }

    /// The same keys, or none, and the padding of the other.
    pub fn padded_as(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Auto(ring), Self::Auto(other)) => Self::Auto(Arc::new(ring.padded_as(other))),
            (Self::Auto(ring), Self::Blind) => Self::Auto(ring.clone()),
            (Self::Blind, _) => Self::Blind,
        }
    }

    pub fn keys(&self) -> Option<&Arc<KeyRing>> {
        match self {
            Self::Auto(ring) => Some(ring),
            Self::Blind => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvelopeJson<'a> {
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

/// True if the text is an envelope that a client could open.
pub fn is_envelope(data: &str) -> bool {
    has_envelope_shape(data) && decode(data).is_some()
}

/// The length of the plaintext in an envelope; `None` if the text is no envelope.
pub fn sealed_bytes(data: &str) -> Option<usize> {
    if !has_envelope_shape(data) {
        return None;
    }
    decode(data).map(|(_, ciphertext)| ciphertext.len() - TAG_BYTES)
}

fn decode(envelope: &str) -> Option<([u8; NONCE_BYTES], Vec<u8>)> {
    let EnvelopeJson { nonce, ciphertext } = serde_json::from_str(envelope).ok()?;
    let nonce = from_base64(&nonce)?.try_into().ok()?;
    let ciphertext = from_base64(&ciphertext).filter(|c| c.len() >= TAG_BYTES)?;
    Some((nonce, ciphertext))
}

fn cipher(secret: &SharedSecret) -> XSalsa20Poly1305 {
    XSalsa20Poly1305::new(secret.expose().into())
}

/// Draws its own nonce of 24 random bytes, so that no nonce is used twice.
pub(super) fn seal(
    channel: &Channel,
    version: Version,
    secret: &SharedSecret,
    plaintext: &[u8],
) -> Result<Sealed, SealError> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|_| SealError::NoRandomness)?;
    let ciphertext = cipher(secret)
        .encrypt((&nonce).into(), plaintext)
        .expect("secretbox fails only for messages larger than memory");
    let envelope =
        format!(r#"{{"nonce":"{}","ciphertext":"{}"}}"#, base64(&nonce), base64(&ciphertext));
    Ok(Sealed { channel: channel.clone(), version, envelope: envelope.into() })
}

/// Seals with a random secret: no client can open it, so the client asks for its secret again.
pub fn unopenable(channel: &Channel, version: Version) -> Result<Sealed, SealError> {
    let secret = SharedSecret::random().map_err(|_| SealError::NoRandomness)?;
    seal(channel, version, &secret, b"{}")
}

impl SharedSecret {
    /// The plaintext of an envelope, as a client opens it.
    pub fn open(&self, envelope: &str) -> Option<Zeroizing<Vec<u8>>> {
        open(self, envelope)
    }
}

pub(super) fn open(secret: &SharedSecret, envelope: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, ciphertext) = decode(envelope)?;
    cipher(secret).decrypt((&nonce).into(), ciphertext.as_slice()).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests;
