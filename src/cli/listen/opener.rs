//! The secrets of encrypted channels, and the events that they open.

use std::collections::HashMap;

use zeroize::Zeroizing;

use crate::crypto::{sealer::has_envelope_shape, secret::SharedSecret};

/// The state of a channel's events.
pub struct Opener {
    decrypts: bool,
    secrets: HashMap<String, SharedSecret>,
}

#[derive(Debug, PartialEq)]
pub enum OpenedData {
    /// It was not encrypted, or is not to be opened.
    AsItCame,
    Plaintext(Zeroizing<String>),
    /// The secret is not the one of this event: ask the auth endpoint again.
    WrongSecret,
}

impl Opener {
    pub fn new(decrypts: bool) -> Self {
        Self { decrypts, secrets: HashMap::new() }
    }

    /// `None` takes the secret of an earlier connection away.
    pub fn set(&mut self, channel: &str, secret: Option<SharedSecret>) {
        match secret {
            Some(secret) => drop(self.secrets.insert(channel.to_owned(), secret)),
            None => drop(self.secrets.remove(channel)),
        }
    }

    pub fn open(&self, channel: &str, data: &str) -> OpenedData {
        let Some(secret) = self.secrets.get(channel).filter(|_| self.decrypts) else {
            return OpenedData::AsItCame;
        };
        if !has_envelope_shape(data) {
            return OpenedData::AsItCame;
        }
        let text = secret.open(data).and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
        text.map_or(OpenedData::WrongSecret, |text| OpenedData::Plaintext(Zeroizing::new(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_encrypted_channels_are_opened() {
        let secret = || SharedSecret::from_base64(&"A".repeat(43)).expect("32 bytes");
        let mut opener = Opener::new(true);
        let envelope = format!(
            r#"{{"nonce":"{}","ciphertext":"{}"}}"#,
            "A".repeat(32),
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        );
        assert_eq!(opener.open("c", &envelope), OpenedData::AsItCame, "without a secret");
        opener.set("c", Some(secret()));
        assert_eq!(opener.open("c", &envelope), OpenedData::WrongSecret);
        assert_eq!(opener.open("c", "{}"), OpenedData::AsItCame);
        assert_eq!(opener.open("d", &envelope), OpenedData::AsItCame);
        opener.set("c", None);
        assert_eq!(opener.open("c", &envelope), OpenedData::AsItCame);
        let mut closed = Opener::new(false);
        closed.set("c", Some(secret()));
        assert_eq!(closed.open("c", &envelope), OpenedData::AsItCame, "it was not asked for");
    }
}
