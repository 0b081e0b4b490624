//! Events of sealed channels at rest: under a history key, never under the channel's secret, so
//! rotation and revocation rewrite nothing.

use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand,
};
use zeroize::Zeroizing;

use crate::{
    channels::log::{AtRest, LogNumber},
    crypto::key::{Fingerprint, MasterKey},
};

/// Names the format. It is part of the key and of each record's authentication.
const LABEL: &str = "sealcast history 1";

const TAG_LEN: usize = 16;

/// A history key, ready to seal events.
struct HistoryKey {
    id: [u8; 6],
    cipher: LessSafeKey,
}

/// The newest key seals. The others open until their last record has expired. Has no `Debug`.
pub struct AtRestKeys {
    newest: HistoryKey,
    older: Vec<HistoryKey>,
}

/// The one place at which a record opens. The epoch of the store is no part of it: a number is
/// never given out twice, and records outlive the epoch of a store that was not ended cleanly.
pub struct EntryContext<'a> {
    pub app: &'a str,
    pub channel: &'a str,
    pub number: LogNumber,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AtRestError {
    #[error("the operating system gave no random bytes; try again")]
    NoRandomness,
    #[error(
        "a logged event is sealed with the history key {0}, and this server has no key with this fingerprint"
    )]
    UnknownKey(Fingerprint),
    #[error("a logged event was altered, or belongs to another place")]
    DoesNotOpen,
}

impl HistoryKey {
    fn new(key: &MasterKey) -> Self {
        let bytes = key.derive(LABEL);
        let cipher = UnboundKey::new(&AES_256_GCM_SIV, &*bytes).expect("the key has 32 bytes");
        Self { id: key.fingerprint_bytes(), cipher: LessSafeKey::new(cipher) }
    }

    fn seal(&self, context: &EntryContext<'_>, plaintext: &[u8]) -> Result<AtRest, AtRestError> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| AtRestError::NoRandomness)?;
        let mut bytes = Vec::with_capacity(plaintext.len() + TAG_LEN);
        bytes.extend_from_slice(plaintext);
        self.cipher
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(context.to_bytes()),
                &mut bytes,
            )
            .expect("an event is far shorter than the cipher's limit");
        Ok(AtRest { key: self.id, nonce, ciphertext: bytes.into() })
    }

    fn open(&self, context: &EntryContext<'_>, record: &AtRest) -> Option<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(record.ciphertext.to_vec());
        let nonce = Nonce::assume_unique_for_key(record.nonce);
        let opened = self.cipher.open_in_place(nonce, Aad::from(context.to_bytes()), &mut bytes);
        let length = opened.ok()?.len();
        bytes.truncate(length);
        Some(bytes)
    }
}

impl AtRestKeys {
    pub fn new<'a>(newest: &MasterKey, older: impl IntoIterator<Item = &'a MasterKey>) -> Self {
        let newest = HistoryKey::new(newest);
        Self { newest, older: older.into_iter().map(HistoryKey::new).collect() }
    }

    /// For logs that end with this process.
    pub fn ephemeral() -> Result<Self, getrandom::Error> {
        MasterKey::generate().map(|key| Self::new(&key, []))
    }

    pub fn seal(
        &self,
        context: &EntryContext<'_>,
        plaintext: &[u8],
    ) -> Result<AtRest, AtRestError> {
        self.newest.seal(context, plaintext)
    }

    pub fn open(
        &self,
        context: &EntryContext<'_>,
        record: &AtRest,
    ) -> Result<Zeroizing<Vec<u8>>, AtRestError> {
        let mut keys = std::iter::once(&self.newest).chain(&self.older);
        match keys.find(|key| key.id == record.key) {
            Some(key) => key.open(context, record).ok_or(AtRestError::DoesNotOpen),
            None => Err(AtRestError::UnknownKey(Fingerprint::from_bytes(record.key))),
        }
    }
}

impl EntryContext<'_> {
    /// Prefixes each text with its length, so that different places give different bytes.
    fn to_bytes(&self) -> Vec<u8> {
        let texts = [LABEL, self.app, self.channel];
        let length = texts.iter().map(|text| 4 + text.len()).sum::<usize>();
        let mut bytes = Vec::with_capacity(length + 8);
        for text in texts {
            bytes.extend((text.len() as u32).to_be_bytes());
            bytes.extend(text.as_bytes());
        }
        bytes.extend(self.number.0.to_be_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests;
