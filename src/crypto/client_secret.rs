//! The client's side of an encrypted channel: the shared secret from an auth endpoint, for commands
//! that read and write as a client or a backend does.

use zeroize::Zeroizing;

use super::{keytable::Version, sealer, secret::SharedSecret};
use crate::domain::channel::Channel;

pub struct ClientSecret(SharedSecret);

impl ClientSecret {
    /// The field `shared_secret` of the endpoint's answer; `None` if that is not 32 bytes.
    pub fn parse(base64: &str) -> Option<Self> {
        SharedSecret::from_base64(base64).map(Self)
    }

    /// `None` if the envelope is none, or sealed with another secret.
    pub fn open(&self, envelope: &str) -> Option<Zeroizing<Vec<u8>>> {
        sealer::open(&self.0, envelope)
    }

    /// The envelope. `None` without random bytes.
    pub fn seal(&self, channel: &Channel, plaintext: &[u8]) -> Option<String> {
        let sealed = sealer::seal(channel, Version::BLIND, &self.0, plaintext).ok()?;
        Some(sealed.envelope().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::encoding::base64;

    #[test]
    fn envelopes_open_with_their_own_secret() {
        let secret = |byte| ClientSecret::parse(&base64(&[byte; 32])).expect("32 bytes");
        let channel = Channel::parse("private-encrypted-a", 200).expect("a name");
        let envelope = secret(1).seal(&channel, b"text").expect("random bytes");
        assert_eq!(secret(1).open(&envelope).as_deref().map(Vec::as_slice), Some(&b"text"[..]));
        assert!(secret(2).open(&envelope).is_none() && secret(1).open("text").is_none());
        for wrong in ["", "x", &base64(&[1; 31])] {
            assert!(ClientSecret::parse(wrong).is_none(), "{wrong}");
        }
    }
}
